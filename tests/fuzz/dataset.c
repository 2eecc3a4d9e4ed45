/* The data set reader under arbitrary bytes: every byte and name it hands out is touched. */
#include "data/dataset.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    limn_context *ctx;
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return 0;
    const limn_dataset *file;
    if (limn_dataset_parse(ctx, "input", data, size, &file) == LIMN_OK) {
        volatile size_t sum = 0;
        char hex[33];
        limn_dataset_digest(file, hex);
        sum += (size_t)hex[31];
        for (int64_t i = 0; i < file->count * file->height * file->width * file->channels; i++)
            sum += file->images[i];
        for (int64_t i = 0; file->masks && i < file->count * file->height * file->width; i++)
            sum += file->masks[i];
        for (int64_t i = 0; i < file->count; i++)
            sum += file->labels[i] < 0 ? 0 : strlen(file->classes[file->labels[i]]);
        for (int64_t c = 0; c < file->channels; c++)
            if (!(file->std[c] > 0))
                abort();
        (void)sum;
    } else if (!*limn_error_text(ctx) || file) {
        abort();
    }
    limn_dataset_close(&file);
    limn_context_destroy(&ctx);
    return 0;
}
