/* Data sets made of pictures in memory: the bytes of a data set file, opened. */
#include "data/dataset.h"

#include "base/memory.h"

#include <string.h>

enum { LENGTH_BYTES = 8 };

static limn_status check(limn_context *ctx, const char *name, const limn_image *images,
                         size_t count, size_t *bytes)
{
    const limn_image *first = &images[0];
    if (count == 0)
        return limn_fail(ctx, LIMN_BAD_INPUT, "no images", name, "there is none");
    for (size_t i = 1; i < count; i++)
        if (images[i].width != first->width || images[i].height != first->height ||
            images[i].channels != first->channels)
            return limn_fail(ctx, LIMN_BAD_INPUT, "images of different sizes", name,
                             "image 0 is %d x %d x %d, image %zu is %d x %d x %d", first->height,
                             first->width, first->channels, i, images[i].height, images[i].width,
                             images[i].channels);
    const size_t image = (size_t)first->width * (size_t)first->height * (size_t)first->channels;
    return limn_size_mul(image, count, bytes) && *bytes <= SIZE_MAX / 2
               ? LIMN_OK
               : limn_out_of_memory(ctx, name);
}

limn_status limn_dataset_from_images(limn_context *ctx, const char *name, const limn_image *images,
                                     size_t count, const limn_dataset **out)
{
    size_t pixels = 0;
    *out = NULL;
    limn_status status = check(ctx, name, images, count, &pixels);
    if (status != LIMN_OK)
        return status;
    const size_t labels = count * sizeof(int32_t);
    /* Labels first: they need the alignment.  Blanks round the header up to whole eights. */
    char *header = limn_format("{\"labels\":{\"dtype\":\"I32\",\"shape\":[%zu],\"data_offsets\":[0,"
                               "%zu]},\"images\":{\"dtype\":\"U8\",\"shape\":[%zu,%d,%d,%d],"
                               "\"data_offsets\":[%zu,%zu]}}",
                               count, labels, count, images[0].height, images[0].width,
                               images[0].channels, labels, labels + pixels);
    if (!header)
        return limn_out_of_memory(ctx, name);
    const size_t used = strlen(header), padded = (used + 7) / 8 * 8;
    const size_t size = LENGTH_BYTES + padded + labels + pixels;
    unsigned char *bytes;
    status = limn_alloc(ctx, name, size, 1, (void **)&bytes);
    if (status == LIMN_OK) {
        for (int i = 0; i < LENGTH_BYTES; i++)
            bytes[i] = (unsigned char)((uint64_t)padded >> (8 * i));
        memset(bytes + LENGTH_BYTES, ' ', padded);
        memcpy(bytes + LENGTH_BYTES, header, used);
        unsigned char *at = bytes + LENGTH_BYTES + padded;
        memset(at, 0xff, labels); /* -1 each */
        at += labels;
        for (size_t i = 0; i < count; i++, at += pixels / count)
            memcpy(at, images[i].pixels, pixels / count);
        status = limn_dataset_parse(ctx, name, bytes, size, out);
    }
    limn_free(header);
    if (status == LIMN_OK)
        limn_dataset_own(*out, bytes);
    else
        limn_free(bytes);
    return status;
}
