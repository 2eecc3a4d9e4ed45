#!/usr/bin/env python3
"""Writes tests/image/pictures.h, small pictures with the pixels that Pillow reads from them, and the
corpora of the fuzz targets png and jpeg.  Needs Pillow and numpy.

usage: make_pictures.py TESTS-FOLDER
"""
import io
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image

ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))


def chunk(kind, data, crc=None):
    return (struct.pack('>I', len(data)) + kind + data +
            struct.pack('>I', zlib.crc32(kind + data) if crc is None else crc))


def pack(samples, depth):
    """Rows of samples [h, w * channels] as PNG stores them, each behind filter byte 0."""
    out = b''
    for row in samples:
        if depth == 16:
            data = row.astype('>u2').tobytes()
        elif depth == 8:
            data = row.astype(np.uint8).tobytes()
        else:
            bits = ''.join(format(int(v), '0%db' % depth) for v in row)
            bits += '0' * (-len(bits) % 8)
            data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        out += b'\0' + data
    return out


def png(samples, depth, colour, before=b'', interlaced=False, size=None, level=9, after=b''):
    height, width, channels = samples.shape
    if interlaced:
        raw = b''
        for x, y, dx, dy in ADAM7:
            part = samples[y::dy, x::dx]
            if part.size:
                raw += pack(part.reshape(part.shape[0], -1), depth)
    else:
        raw = pack(samples.reshape(height, -1), depth)
    claimed = size or (width, height)
    return (b'\x89PNG\r\n\x1a\n' +
            chunk(b'IHDR', struct.pack('>IIBBBBB', *claimed, depth, colour, 0, 0, interlaced)) +
            before + chunk(b'IDAT', zlib.compress(raw, level)) + after + chunk(b'IEND', b''))


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, 'jpeg', quality=70, optimize=True, **options)
    return out.getvalue()


def pictures():
    rng = np.random.default_rng(5)
    grey2 = rng.integers(0, 4, (5, 9, 1))
    rgb = (np.add.outer(np.arange(11) * 20, np.arange(17) * 3)[..., None] * [1, .5, -1] +
           [0, 60, 255]).clip(0, 255).astype(np.uint8)
    rgba = rng.integers(0, 256, (6, 5, 4))
    palette = chunk(b'PLTE', bytes(range(12))) + chunk(b'tRNS', b'\0\x80')
    yield 'png_grey1', png(rng.integers(0, 2, (3, 10, 1)), 1, 0)
    yield 'png_grey2_interlaced', png(grey2, 2, 0, interlaced=True)
    yield 'png_grey16', png(rng.integers(0, 65536, (3, 4, 1)), 16, 0)
    yield 'png_grey_alpha', png(rng.integers(0, 256, (4, 3, 2)), 8, 4)
    yield 'png_palette', png(rng.integers(0, 4, (5, 7, 1)), 2, 3, palette)
    yield 'png_rgb', png(rgb[:5, :6], 8, 2, chunk(b'tEXt', b'Comment\0hello'))
    yield 'png_rgb16', png(rng.integers(0, 65536, (3, 4, 3)), 16, 2)
    yield 'png_rgba_interlaced', png(rgba, 8, 6, interlaced=True)
    image = Image.fromarray(rgb)
    yield 'jpeg_grey', jpeg(image.convert('L'))
    yield 'jpeg_420', jpeg(image, subsampling=2)
    yield 'jpeg_444_progressive', jpeg(image, subsampling=0, progressive=True)
    yield 'jpeg_cmyk', jpeg(image.crop((0, 0, 9, 6)).convert('CMYK'))


def pixels(data):
    image = Image.open(io.BytesIO(data))
    if image.mode.startswith('I'):
        return (np.asarray(image) >> 8).astype(np.uint8)[..., None]
    image = image.convert('L' if image.mode in ('1', 'L', 'LA') else 'RGB')
    return np.asarray(image).reshape(image.height, image.width, -1)


def corpus(folder, named):
    for name, data in named:
        kind, rest = name.split('_', 1)
        (folder / kind).mkdir(parents=True, exist_ok=True)
        (folder / kind / ('good-' + rest)).write_bytes(data)
    grey = np.zeros((2, 2, 1), int)
    good = dict(named)
    bad = {
        ('png', 'huge'): png(grey, 8, 0, size=(65535, 65535)),
        ('png', 'wide'): png(grey, 8, 0, size=(2**31 - 1, 1)),
        ('png', 'short-data'): png(grey, 8, 0, size=(2, 3)),
        ('png', 'crc'): png(grey, 8, 0, chunk(b'tEXt', b'a\0b', 1)),
        ('png', 'no-palette'): png(grey, 8, 3),
        ('png', 'bomb-text'): png(grey, 8, 0, chunk(b'zTXt', b'a\0\0' +
                                                    zlib.compress(bytes(1 << 20), 9))),
        ('png', 'depth'): png(grey, 4, 2),
        ('png', 'truncated'): good['png_rgb'][:-20],
        ('jpeg', 'truncated'): good['jpeg_420'][:-9],
        ('jpeg', 'no-end'): good['jpeg_444_progressive'][:-2],
        ('jpeg', 'header-only'): good['jpeg_grey'][:30],
        ('jpeg', 'huge'): good['jpeg_grey'].replace(b'\0\x0b\0\x11\x01', b'\xfd\xe8\xfd\xe8\x01'),
    }
    for (kind, name), data in bad.items():
        (folder / kind / ('bad-' + name)).write_bytes(data)


def main():
    tests = pathlib.Path(sys.argv[1])
    named = list(pictures())
    corpus(tests / 'fuzz' / 'corpus', named)
    with open(tests / 'image' / 'pictures.h', 'w', encoding='ascii') as out:
        out.write('/* Written by tests/reference/make_pictures.py: files, and the pixels that Pillow %s '
                  'reads. */\n#ifndef LIMN_TESTS_PICTURES_H\n#define LIMN_TESTS_PICTURES_H\n\n'
                  '#include <stddef.h>\n#include <stdint.h>\n\n/* clang-format off */\n'
                  % Image.__version__)
        rows = []
        for name, data in named:
            shown = pixels(data)
            for suffix, values in (('file', data), ('pixels', shown.tobytes())):
                out.write('static const uint8_t %s_%s[] = {\n' % (name, suffix))
                for i in range(0, len(values), 24):
                    out.write('    ' + ','.join(str(v) for v in values[i:i + 24]) + ',\n')
                out.write('};\n')
            height, width, channels = shown.shape
            rows.append('    {"%s", %s_file, sizeof %s_file, %d, %d, %d, %s_pixels},\n'
                        % (name, name, name, width, height, channels, name))
        out.write('\nstatic const struct known_picture {\n    const char *name;\n'
                  '    const uint8_t *file;\n    size_t size;\n    int width, height, channels;\n'
                  '    const uint8_t *pixels;\n} known_pictures[] = {\n' + ''.join(rows) + '};\n'
                  '/* clang-format on */\n\n'
                  'enum { KNOWN_PICTURES = sizeof known_pictures / sizeof *known_pictures };\n\n'
                  '#endif\n')


main()
