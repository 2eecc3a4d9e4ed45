/* The .npy reader under arbitrary bytes: every byte and name it hands out is touched. */
#include "tensor/npy.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    limn_context *ctx;
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return 0;
    limn_npy *file;
    if (limn_npy_parse(ctx, "input", data, size, &file) == LIMN_OK) {
        volatile size_t sum = 0;
        for (size_t i = 0; i < file->count; i++)
            sum += file->data[i] > 0;
        (void)sum;
    } else if (!*limn_error_text(ctx) || file) {
        abort();
    }
    limn_npy_free(&file);
    limn_context_destroy(&ctx);
    return 0;
}
