/* The decoders behind limn_image_decode.  Each takes `out` empty and leaves it empty on failure. */
#ifndef LIMN_IMAGE_CODEC_H
#define LIMN_IMAGE_CODEC_H

#include "base/context.h"
#include "limn/image.h"

enum { LIMN_MAX_SIDE = 65535, LIMN_MAX_PIXELS = 100000000 };

limn_status limn_png_decode(limn_context *ctx, const char *name, const void *data, size_t size,
                            limn_image *out);

limn_status limn_jpeg_decode(limn_context *ctx, const char *name, const void *data, size_t size,
                             limn_image *out);

/** Takes memory for a picture whose size a foreign file claims: LIMN_BAD_INPUT where it is too
 *  large. */
limn_status limn_image_claim(limn_context *ctx, const char *name, uint64_t width, uint64_t height,
                             int channels, limn_image *out);

#endif
