/* limn/image.h: 8-bit pictures: reading PNG and JPEG, resizing, writing PNG. */
#ifndef LIMN_IMAGE_H
#define LIMN_IMAGE_H

#include "limn/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Rows top to bottom, channels interleaved (1 grey, 3 RGB, 4 RGBA), no padding. */
typedef struct limn_image {
    int width, height, channels;
    uint8_t *pixels; /**< owned; width*height*channels bytes */
} limn_image;

/** Frees the pixels and zeroes the struct; an empty image is accepted. */
LIMN_API void limn_image_free(limn_image *image);

/** Zeroed pixels. LIMN_BAD_USAGE where a side is not in 1..65535 or channels not 1, 3 or 4. */
LIMN_API limn_status limn_image_create(limn_context *ctx, int width, int height, int channels,
                                       limn_image *out);

/** Decodes a PNG or JPEG held in memory; which one is read from its first bytes, never from a name.
 *  Grey stays 1 channel, everything else becomes RGB: palettes expanded, 16 bits cut to 8, alpha
 *  dropped, CMYK converted.  Truncated or damaged data is LIMN_BAD_INPUT; `name` stands in the
 *  error.  Pictures above 100 million pixels are refused before memory is taken. */
LIMN_API limn_status limn_image_decode(limn_context *ctx, const char *name, const void *data,
                                       size_t size, limn_image *out);

/** Reads a file through limn_image_decode. */
LIMN_API limn_status limn_image_read(limn_context *ctx, const char *path, limn_image *out);

/** Converts between 1 and 3 channels: grey is repeated; RGB becomes (299 R + 587 G + 114 B) / 1000,
 *  rounded. */
LIMN_API limn_status limn_image_convert(limn_context *ctx, const limn_image *from, int channels,
                                        limn_image *out);

/** Antialiased bilinear resize (triangle filter scaled by the reduction, half-pixel centres), each
 *  channel on its own.  Columns first, then rows, rounded to 8 bits between: the same bits as
 *  Pillow's BILINEAR. */
LIMN_API limn_status limn_image_resize(limn_context *ctx, const limn_image *from, int width,
                                       int height, limn_image *out);

/** Resizes so that the picture covers width x height (short side first, the long side rounded down),
 *  then cuts the centre: torchvision's Resize and CenterCrop. */
LIMN_API limn_status limn_image_fit(limn_context *ctx, const limn_image *from, int width,
                                    int height, limn_image *out);

/** Writes an 8-bit PNG that appears whole or not at all. */
LIMN_API limn_status limn_image_write_png(limn_context *ctx, const limn_image *image,
                                          const char *path);

#ifdef __cplusplus
}
#endif
#endif
