/* Colour maps as the drawing code uses them. */
#ifndef LIMN_IMAGE_COLORMAP_H
#define LIMN_IMAGE_COLORMAP_H

#include "limn/heatmap.h"

typedef struct limn_colormap {
    const char *name;
    const uint32_t *entries; /**< 256 of 0xRRGGBB, evenly spaced over 0..1 */
    bool diverging;
} limn_colormap;

/** LIMN_BAD_USAGE where the name is unknown; `name` NULL chooses by sign. */
limn_status limn_colormap_find(limn_context *ctx, const char *name, bool is_signed,
                               const limn_colormap **out);

/** Colour at t, clamped to 0..1; NaN is middle grey. */
void limn_colormap_at(const limn_colormap *map, float t, uint8_t rgb[3]);

#endif
