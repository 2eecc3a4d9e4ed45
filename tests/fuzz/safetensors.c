/* The safetensors reader under arbitrary bytes: every byte and name it hands out is touched. */
#include "tensor/safetensors.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    limn_context *ctx;
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return 0;
    limn_safetensors *file;
    if (limn_safetensors_parse(ctx, "input", data, size, &file) == LIMN_OK) {
        volatile size_t sum = 0;
        for (size_t i = 0; i < file->count; i++)
            for (size_t k = 0; k < file->entries[i].size; k++)
                sum += file->entries[i].data[k];
        for (size_t i = 0; i < file->metadata_count; i++)
            sum += strlen(limn_safetensors_metadata(file, file->metadata[i].key));
        for (size_t i = 0; i < file->count; i++)
            if (limn_safetensors_find(file, file->entries[i].name) != &file->entries[i])
                abort();
        (void)sum;
    } else if (!*limn_error_text(ctx) || file) {
        abort();
    }
    limn_safetensors_close(&file);
    limn_context_destroy(&ctx);
    return 0;
}
