/* The safetensors reader under arbitrary bytes: every byte and name it hands out is touched.  Each
 * input is taken twice: as a file, and as header text up to the first NUL and data behind it, for
 * which the length is put in front, so that mutations reach beyond that number. */
#include "tensor/safetensors.h"

#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

static void read_all(limn_context *ctx, const uint8_t *data, size_t size)
{
    limn_safetensors *file;
    if (limn_safetensors_parse(ctx, "input", data, size, &file) != LIMN_OK) {
        if (!*limn_error_text(ctx) || file)
            abort();
        return;
    }
    volatile size_t sum = 0;
    for (size_t i = 0; i < file->count; i++)
        for (size_t k = 0; k < file->entries[i].size; k++)
            sum += file->entries[i].data[k];
    for (size_t i = 0; i < file->metadata_count; i++)
        sum += strlen(file->metadata[i].value);
    for (size_t i = 0; i < file->count; i++)
        if (limn_safetensors_find(file, file->entries[i].name) != &file->entries[i])
            abort();
    (void)sum;
    limn_safetensors_close(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    limn_context *ctx;
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return 0;
    read_all(ctx, data, size);
    const uint8_t *end = size ? memchr(data, '\0', size) : NULL;
    uint8_t *file = end ? malloc(8 + size - 1) : NULL;
    if (file) {
        const size_t length = (size_t)(end - data);
        for (int i = 0; i < 8; i++)
            file[i] = (uint8_t)((uint64_t)length >> (8 * i));
        memcpy(file + 8, data, length);
        memcpy(file + 8 + length, end + 1, size - length - 1);
        read_all(ctx, file, 8 + size - 1);
        free(file);
    }
    limn_context_destroy(&ctx);
    return 0;
}
