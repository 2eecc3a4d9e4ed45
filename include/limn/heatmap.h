/* limn/heatmap.h: attribution maps as pictures: colour maps, ranges, overlays, montages.
 *
 * The usual way: find the range of one map (or of all maps that will be compared) with
 * limn_heatmap_range, draw each map with limn_heatmap_render, write it with limn_image_write_png.
 * Maps are plain floats, rows top to bottom.  Nothing here changes a map's values.
 */
#ifndef LIMN_HEATMAP_H
#define LIMN_HEATMAP_H

#include "limn/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Colour maps.  "viridis" and "inferno" (S. van der Walt, N. Smith) grow evenly in lightness;
 *  "turbo" (A. Mikhailov) is a rainbow with smooth lightness; "bluered" is the diverging one: blue,
 *  near-white at the centre, red, equal in lightness on both sides. */
LIMN_API size_t limn_colormap_count(void);
/** Name of colour map `index`; NULL beyond the last. */
LIMN_API const char *limn_colormap_name(size_t index);
/** Colour at `t` in 0..1, interpolated; values outside are clamped.  NaN is middle grey, which no
 *  colour map contains.  LIMN_BAD_USAGE, with the names in the hint, where `name` is unknown. */
LIMN_API limn_status limn_colormap_color(limn_context *ctx, const char *name, float t,
                                         uint8_t rgb[3]);

/** Whether maps have a sign that matters. */
typedef enum limn_heat_sign {
    LIMN_HEAT_AUTO = 0, /**< signed where a value is below zero or the colour map is diverging */
    LIMN_HEAT_UNSIGNED, /**< all values below `low` take the first colour */
    LIMN_HEAT_SIGNED    /**< range symmetric about zero */
} limn_heat_sign;

/** Zero-initialised means the defaults. */
typedef struct limn_heatmap_params {
    const char *colormap; /**< NULL: "inferno", for signed maps "bluered" */
    limn_heat_sign sign;
    float percentile; /**< above 0, at most 100; 0: 99.  See limn_heatmap_range. */
    float overlay;    /**< weight of the colours over the image, up to 1; 0: 0.5; below 0: none */
    bool grey;        /**< shows the image under the colours in grey */
    bool colorbar;    /**< adds a colour bar with numbers on the right */
    int min_side;     /**< the picture's shorter side is at least this long; 0: 224 */
} limn_heatmap_params;

/** The values that take the first and the last colour. */
typedef struct limn_heat_range {
    float low, high; /**< low <= high, both finite */
    bool is_signed;  /**< then low == -high, and zero takes the middle colour */
} limn_heat_range;

/** How the channels of a [C,H,W] map become one value per pixel. */
typedef enum limn_heat_reduce {
    LIMN_REDUCE_SUM = 0, /**< sum over channels: keeps the sign, as attributions add up */
    LIMN_REDUCE_MAX_ABS  /**< largest magnitude over channels (Simonyan et al., 2014) */
} limn_heat_reduce;

/** Reduces `map` [C,H,W] to `out` [H,W], which holds pixels = H*W floats.  A NaN in any channel
 *  makes the pixel NaN. */
LIMN_API void limn_heatmap_reduce(const float *map, size_t channels, size_t pixels,
                                  limn_heat_reduce how, float *out);

/** Finds the range of `count` values: of one map for a range of its own, of many maps laid one
 * after the other for a shared one.  With P the percentile (nearest rank, over finite values):
 * signed: high is percentile P of the magnitudes; unsigned: low is percentile 100 - P and high is
 *  percentile P of the values.  Where that leaves high == low although values differ, as in maps
 *  that are almost everywhere zero, the extremes are taken.  Constant maps and maps without a
 *  finite value get high == low and are drawn in one colour.
 *  LIMN_BAD_USAGE: percentile or colour map out of range. */
LIMN_API limn_status limn_heatmap_range(limn_context *ctx, const float *values, size_t count,
                                        const limn_heatmap_params *params, limn_heat_range *out);

/** Draws `map` [height,width], over `image` where one is given (1 or 3 channels, any size: the map
 *  is stretched onto it).  Small pictures are enlarged by a whole factor, the image's pixels
 * staying sharp and the map interpolated bilinearly (half-pixel centres).  NaN is drawn in middle
 * grey, infinities as the ends of the range.  `out` is RGB and owned by the caller. LIMN_BAD_USAGE:
 * a parameter out of range. */
LIMN_API limn_status limn_heatmap_render(limn_context *ctx, const float *map, int height, int width,
                                         const limn_image *image, const limn_heat_range *range,
                                         const limn_heatmap_params *params, limn_image *out);

/** Replaces the RGB picture by a wider one with the range's colour bar on the right. */
LIMN_API limn_status limn_heatmap_add_colorbar(limn_context *ctx, const limn_heat_range *range,
                                               const limn_heatmap_params *params,
                                               limn_image *picture);

/** Enlarges by the smallest whole factor, without smoothing, that makes the shorter side at least
 *  `min_side` long (0: 224); grey becomes RGB. */
LIMN_API limn_status limn_image_enlarge(limn_context *ctx, const limn_image *from, int min_side,
                                        limn_image *out);

/** A white sheet with a grid of pictures, filled one by one. */
typedef struct limn_montage {
    limn_image sheet; /**< RGB, owned */
    int columns, rows, tile_width, tile_height, caption_height, gap;
} limn_montage;

/** Zero-initialised means the defaults. */
typedef struct limn_montage_params {
    int columns;                 /**< 0: about as wide as high */
    int tile_width, tile_height; /**< pixels; 0: 224 */
    bool captions;               /**< leaves room for a line of text below each tile */
    int gap;                     /**< pixels between tiles; 0: 8 */
} limn_montage_params;

/** An empty sheet for `count` tiles.  LIMN_BAD_USAGE where it would exceed 100 million pixels. */
LIMN_API limn_status limn_montage_create(limn_context *ctx, size_t count,
                                         const limn_montage_params *params, limn_montage *out);
/** Draws a picture of 1 or 3 channels into tile `index`, counted along the rows, resized to fit and
 *  centred.  `caption` may be NULL; what does not fit the tile is cut. */
LIMN_API limn_status limn_montage_place(limn_context *ctx, limn_montage *montage, size_t index,
                                        const limn_image *picture, const char *caption);
LIMN_API void limn_montage_free(limn_montage *montage);

#ifdef __cplusplus
}
#endif
#endif
