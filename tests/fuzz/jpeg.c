/* The JPEG reader under arbitrary bytes: every pixel it hands out is touched. */
#include "base/context.h"
#include "image/codec.h"

#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    limn_context *ctx;
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return 0;
    limn_image image;
    if (limn_jpeg_decode(ctx, "input", data, size, &image) == LIMN_OK) {
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
    return 0;
}
