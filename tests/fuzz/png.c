/* The PNG reader under arbitrary bytes, as they are and with every checksum made right, so that
 * they reach what lies behind the checks: every pixel it hands out is touched. */
#include "base/context.h"
#include "image/codec.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void decode(const uint8_t *data, size_t size)
{
    limn_context *ctx;
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return;
    limn_image image;
    if (limn_png_decode(ctx, "input", data, size, &image) == LIMN_OK) {
        const size_t count = (size_t)image.width * (size_t)image.height * (size_t)image.channels;
        volatile unsigned sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += image.pixels[i];
        (void)sum;
    } else if (!*limn_error_text(ctx) || image.pixels) {
        abort();
    }
    limn_image_free(&image);
    limn_context_destroy(&ctx);
}

/* A chunk: length, 4 bytes of type, data, CRC of type and data; numbers big-endian. */
static void repair(uint8_t *data, size_t size)
{
    for (size_t at = 8; size - at >= 12;) {
        const size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 |
                              (size_t)data[at + 2] << 8 | data[at + 3];
        if (length > size - at - 12)
            return;
        const unsigned long crc = crc32(0, data + at + 4, (uInt)length + 4);
        for (size_t i = 0; i < 4; i++)
            data[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode(data, size);
    uint8_t *copy = size > 8 ? malloc(size) : NULL;
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    repair(copy, size);
    decode(copy, size);
    free(copy);
    return 0;
}
