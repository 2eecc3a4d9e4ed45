#!/usr/bin/env python3
"""Writes src/image/colormap_table.h.  Not part of the build: run it when a colour map is added.

usage: make_colormaps.py OUT.h        (needs numpy and matplotlib)

viridis and inferno: CC0, S. van der Walt and N. Smith.  turbo: Apache-2.0, A. Mikhailov, Google.
bluered is defined here, in OKLab (B. Ottosson, 2020): lightness falls on both sides from 0.97 at the
centre to 0.40, chroma rises as a sine to the power of 0.85, hues 258 (blue) and 27 (red) degrees.
"""
import sys

import matplotlib
import numpy as np


def srgb_from_oklab(lab):
    to_lms = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728],
                       [1, -0.0894841775, -1.2914855480]])
    to_rgb = np.array([[4.0767416621, -3.3077115913, 0.2309699292],
                       [-1.2684380046, 2.6097574011, -0.3413193965],
                       [-0.0041960863, -0.7034186147, 1.7076147010]])
    linear = (lab @ to_lms.T) ** 3 @ to_rgb.T
    return np.where(linear <= 0.0031308, 12.92 * linear,
                    1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def bluered():
    signed = (np.arange(256) - 127.5) / 127.5
    away = np.abs(signed)
    lightness = 0.97 - 0.57 * away ** 1.15
    hue = np.radians(np.where(signed < 0, 258.0, 27.0))
    chroma = 0.165 * np.sin(away * np.pi * 0.62) ** 0.85
    for _ in range(60):  # into the gamut, lightness and hue kept
        rgb = srgb_from_oklab(np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], 1))
        outside = ((rgb < 0) | (rgb > 1)).any(1)
        chroma = np.where(outside, chroma * 0.98, chroma)
    return rgb


def main():
    tables = {name: matplotlib.colormaps[name](np.arange(256))[:, :3]
              for name in ('viridis', 'inferno', 'turbo')}
    tables['bluered'] = bluered()
    with open(sys.argv[1], 'w', encoding='ascii') as out:
        out.write('/* Written by tools/build/make_colormaps.py, which names the sources.  '
                  'Entries are 0xRRGGBB. */\n#ifndef LIMN_IMAGE_COLORMAP_TABLE_H\n'
                  '#define LIMN_IMAGE_COLORMAP_TABLE_H\n\n#include <stdint.h>\n\n'
                  '/* clang-format off */\n')
        for name, table in tables.items():
            rgb = np.clip(np.rint(table * 255), 0, 255).astype(int)
            entries = ['0x%02x%02x%02x' % tuple(row) for row in rgb]
            out.write('static const uint32_t %s[256] = {\n' % name)
            for i in range(0, 256, 8):
                out.write('    ' + ', '.join(entries[i:i + 8]) + ',\n')
            out.write('};\n\n')
        out.write('/* clang-format on */\n\n#endif\n')


main()
