#include "limn/image.h"

#include "base/file.h"
#include "base/memory.h"
#include "image/codec.h"

#include <string.h>

void limn_image_free(limn_image *image)
{
    limn_free(image->pixels);
    *image = (limn_image){0};
}

static limn_status take_pixels(limn_context *ctx, int width, int height, int channels,
                               limn_image *out)
{
    void *pixels;
    size_t size;
    if (!limn_size_mul((size_t)width * (size_t)channels, (size_t)height, &size))
        return limn_out_of_memory(ctx, "picture");
    const limn_status status = limn_alloc(ctx, "picture", size, 1, &pixels);
    if (status != LIMN_OK)
        return status;
    *out = (limn_image){width, height, channels, pixels};
    return LIMN_OK;
}

limn_status limn_image_create(limn_context *ctx, int width, int height, int channels,
                              limn_image *out)
{
    *out = (limn_image){0};
    if (width < 1 || height < 1 || width > LIMN_MAX_SIDE || height > LIMN_MAX_SIDE)
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot make a picture", NULL,
                         "a size of %d x %d is not within 1..%d", width, height, LIMN_MAX_SIDE);
    if (channels != 1 && channels != 3 && channels != 4)
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot make a picture", NULL,
                         "%d channels are not 1, 3 or 4", channels);
    return take_pixels(ctx, width, height, channels, out);
}

limn_status limn_image_claim(limn_context *ctx, const char *name, uint64_t width, uint64_t height,
                             int channels, limn_image *out)
{
    *out = (limn_image){0};
    if (width < 1 || height < 1 || width > LIMN_MAX_SIDE || height > LIMN_MAX_SIDE ||
        width * height > LIMN_MAX_PIXELS)
        return limn_fail(ctx, LIMN_BAD_INPUT, "cannot decode picture", name,
                         "it claims %llu x %llu pixels; the limits are %d a side and %d in all",
                         (unsigned long long)width, (unsigned long long)height, LIMN_MAX_SIDE,
                         LIMN_MAX_PIXELS);
    return take_pixels(ctx, (int)width, (int)height, channels, out);
}

limn_status limn_image_decode(limn_context *ctx, const char *name, const void *data, size_t size,
                              limn_image *out)
{
    static const unsigned char png[8] = {137, 'P', 'N', 'G', '\r', '\n', 26, '\n'};
    static const unsigned char jpeg[3] = {255, 216, 255};
    *out = (limn_image){0};
    if (size >= sizeof png && memcmp(data, png, sizeof png) == 0)
        return limn_png_decode(ctx, name, data, size, out);
    if (size >= sizeof jpeg && memcmp(data, jpeg, sizeof jpeg) == 0)
        return limn_jpeg_decode(ctx, name, data, size, out);
    if (size == 0)
        return limn_fail(ctx, LIMN_BAD_INPUT, "cannot decode picture", name, "it is empty");
    return limn_fail(ctx, LIMN_BAD_INPUT, "cannot decode picture", name,
                     "its first bytes are neither those of a PNG nor of a JPEG");
}

limn_status limn_image_read(limn_context *ctx, const char *path, limn_image *out)
{
    limn_mapping file;
    *out = (limn_image){0};
    limn_status status = limn_file_map(ctx, path, &file);
    if (status != LIMN_OK)
        return status;
    status = limn_image_decode(ctx, path, file.data, file.size, out);
    limn_file_unmap(&file);
    return status;
}

limn_status limn_image_convert(limn_context *ctx, const limn_image *from, int channels,
                               limn_image *out)
{
    *out = (limn_image){0};
    if ((channels != 1 && channels != 3) || (from->channels != 1 && from->channels != 3))
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot convert picture", NULL,
                         "from %d to %d channels: only 1 and 3 are known", from->channels,
                         channels);
    const limn_status status = take_pixels(ctx, from->width, from->height, channels, out);
    if (status != LIMN_OK)
        return status;
    const size_t count = (size_t)from->width * (size_t)from->height;
    const uint8_t *in = from->pixels;
    uint8_t *to = out->pixels;
    if (channels == from->channels) {
        memcpy(to, in, count * (size_t)channels);
    } else if (channels == 3) {
        for (size_t i = 0; i < count; i++)
            to[3 * i] = to[3 * i + 1] = to[3 * i + 2] = in[i];
    } else {
        for (size_t i = 0; i < count; i++)
            to[i] = (uint8_t)((299 * in[3 * i] + 587 * in[3 * i + 1] + 114 * in[3 * i + 2] + 500) /
                              1000);
    }
    return LIMN_OK;
}
