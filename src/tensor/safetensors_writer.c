#include "tensor/safetensors.h"

#include "base/file.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 8 }; /* bytes of the header length */

struct limn_safetensors_writer {
    limn_context *ctx;
    limn_writer *file;
    char *path;
    json_t *root; /* the header; offsets are set when it is written */
    size_t count, capacity;
    struct declared {
        const char *name; /* key of `root` */
        limn_safetensors_dtype dtype;
        int rank;
        uint64_t dim[LIMN_SAFETENSORS_RANK];
    } * tensors;
    size_t header;  /* its bytes in the file; 0 before begin */
    size_t written; /* bytes of tensors */
};

limn_status limn_safetensors_writer_open(limn_context *ctx, const char *path,
                                         limn_safetensors_writer **out)
{
    *out = NULL;
    limn_safetensors_writer *writer;
    limn_status status = limn_alloc(ctx, path, 1, sizeof *writer, (void **)&writer);
    if (status != LIMN_OK)
        return status;
    writer->ctx = ctx;
    writer->path = limn_strdup(path);
    writer->root = json_object();
    if (!writer->path || !writer->root)
        status = limn_out_of_memory(ctx, path);
    else
        status = limn_writer_open(ctx, path, &writer->file);
    if (status != LIMN_OK)
        limn_safetensors_writer_discard(&writer);
    *out = writer;
    return status;
}

static limn_status misuse(limn_safetensors_writer *writer, const char *name, const char *why)
{
    return limn_fail(writer->ctx, LIMN_BAD_USAGE, "cannot write", writer->path, "'%.80s': %s", name,
                     why);
}

/* Puts `value`, which it takes over, under `key`, which must be UTF-8 as all text in JSON. */
static limn_status put(limn_safetensors_writer *writer, json_t *object, const char *key,
                       json_t *value)
{
    json_t *text = json_string_nocheck(key), *checked = json_string(key);
    limn_status status = LIMN_OK;
    if (text && !checked)
        status = misuse(writer, key, "it is not UTF-8 text");
    else if (!text || !value || json_object_set_nocheck(object, key, value) != 0)
        status = limn_out_of_memory(writer->ctx, writer->path);
    json_decref(text);
    json_decref(checked);
    json_decref(value);
    return status;
}

limn_status limn_safetensors_writer_metadata(limn_safetensors_writer *writer, const char *key,
                                             const char *value)
{
    json_t *metadata = json_object_get(writer->root, LIMN_SAFETENSORS_METADATA);
    limn_status status;
    if (!metadata) {
        if ((status = put(writer, writer->root, LIMN_SAFETENSORS_METADATA, json_object())) !=
            LIMN_OK)
            return status;
        metadata = json_object_get(writer->root, LIMN_SAFETENSORS_METADATA);
    }
    json_t *text = json_string_nocheck(value), *checked = json_string(value);
    const bool bad = text && !checked;
    json_decref(checked);
    if (bad) {
        json_decref(text);
        return misuse(writer, key, "its value is not UTF-8 text");
    }
    return put(writer, metadata, key, text);
}

limn_status limn_safetensors_writer_declare(limn_safetensors_writer *writer, const char *name,
                                            limn_safetensors_dtype dtype, int rank,
                                            const uint64_t *dim)
{
    const char *why = limn_safetensors_bad_name(name);
    if (why)
        return misuse(writer, name, why);
    if (writer->header || strcmp(name, LIMN_SAFETENSORS_METADATA) == 0 ||
        json_object_get(writer->root, name))
        return misuse(writer, name, "the name is taken, or the header is written");
    size_t bytes;
    bool good = rank >= 0 && rank <= LIMN_SAFETENSORS_RANK;
    for (int i = 0; good && i < rank; i++)
        good = dim[i] <= INT64_MAX;
    if (!good || !limn_safetensors_bytes(dtype, rank, dim, &bytes))
        return misuse(writer, name, "bad shape");
    if (writer->count == writer->capacity) {
        const size_t more = writer->capacity ? 2 * writer->capacity : 16;
        struct declared *grown = limn_realloc(writer->tensors, more, sizeof *grown);
        if (!grown)
            return limn_out_of_memory(writer->ctx, writer->path);
        writer->tensors = grown;
        writer->capacity = more;
    }
    const limn_status status = put(writer, writer->root, name, json_object());
    if (status != LIMN_OK)
        return status;
    struct declared *tensor = &writer->tensors[writer->count++];
    *tensor = (struct declared){.dtype = dtype, .rank = rank};
    tensor->name = json_object_iter_key(json_object_iter_at(writer->root, name));
    for (int i = 0; i < rank; i++)
        tensor->dim[i] = dim[i];
    return LIMN_OK;
}

/* Header text with the present extents and offsets; `*end` is where the tensors' bytes end. */
static limn_status render(limn_safetensors_writer *writer, char **text, size_t *end)
{
    *end = 0;
    for (size_t i = 0; i < writer->count; i++) {
        const struct declared *tensor = &writer->tensors[i];
        const size_t begin = *end;
        size_t bytes;
        if (!limn_safetensors_bytes(tensor->dtype, tensor->rank, tensor->dim, &bytes) ||
            !limn_size_add(begin, bytes, end) || *end > INT64_MAX)
            return misuse(writer, tensor->name, "the file would be too large");
        json_t *shape = json_array();
        for (int k = 0; shape && k < tensor->rank; k++)
            if (json_array_append_new(shape, json_integer((json_int_t)tensor->dim[k])) != 0) {
                json_decref(shape);
                shape = NULL;
            }
        json_t *value = !shape
                            ? NULL
                            : json_pack("{s:s,s:o,s:[I,I]}", "dtype",
                                        limn_safetensors_dtype_name(tensor->dtype), "shape", shape,
                                        "data_offsets", (json_int_t)begin, (json_int_t)*end);
        if (!value || json_object_update_new(json_object_get(writer->root, tensor->name), value))
            return limn_out_of_memory(writer->ctx, writer->path);
    }
    *text = json_dumps(writer->root, JSON_COMPACT);
    return *text ? LIMN_OK : limn_out_of_memory(writer->ctx, writer->path);
}

limn_status limn_safetensors_writer_begin(limn_safetensors_writer *writer, size_t reserve)
{
    if (writer->header)
        return misuse(writer, "header", "it is written");
    char *text;
    size_t end;
    limn_status status = render(writer, &text, &end);
    if (status != LIMN_OK)
        return status;
    const size_t length = strlen(text);
    if (length > LIMN_SAFETENSORS_HEADER - PREFIX ||
        reserve > LIMN_SAFETENSORS_HEADER - PREFIX - length) {
        free(text);
        return misuse(writer, "header", "it would be above 100 MB");
    }
    writer->header = (length + reserve + 7) / 8 * 8;
    unsigned char prefix[PREFIX];
    for (int i = 0; i < PREFIX; i++)
        prefix[i] = (unsigned char)((uint64_t)writer->header >> (8 * i));
    status = limn_writer_write(writer->file, prefix, sizeof prefix);
    if (status == LIMN_OK)
        status =
            limn_writer_printf(writer->file, "%s%*s", text, (int)(writer->header - length), "");
    free(text);
    return status;
}

limn_status limn_safetensors_writer_data(limn_safetensors_writer *writer, const void *data,
                                         size_t size)
{
    if (!writer->header)
        return misuse(writer, "data", "the header is not written yet");
    const limn_status status = limn_writer_write(writer->file, data, size);
    if (status == LIMN_OK && !limn_size_add(writer->written, size, &writer->written))
        return misuse(writer, "data", "the file would be too large");
    return status;
}

limn_status limn_safetensors_writer_resize(limn_safetensors_writer *writer, const char *name,
                                           uint64_t first)
{
    for (size_t i = 0; i < writer->count; i++)
        if (strcmp(writer->tensors[i].name, name) == 0 && writer->tensors[i].rank > 0) {
            writer->tensors[i].dim[0] = first;
            return LIMN_OK;
        }
    return misuse(writer, name, "no such tensor, or it is a scalar");
}

/* The header as it is now over the one that begin wrote. */
static limn_status patch_header(limn_safetensors_writer *writer)
{
    char *text;
    size_t end;
    limn_status status = render(writer, &text, &end);
    if (status != LIMN_OK)
        return status;
    const size_t length = strlen(text);
    char *padded = limn_calloc(writer->header, 1);
    if (!padded)
        status = limn_out_of_memory(writer->ctx, writer->path);
    else if (end != writer->written)
        status = limn_fail(writer->ctx, LIMN_BAD_USAGE, "cannot write", writer->path,
                           "%zu bytes of tensors were declared, %zu written", end, writer->written);
    else if (length > writer->header)
        status = misuse(writer, "header", "it grew beyond its reserve");
    if (status == LIMN_OK) {
        memset(padded, ' ', writer->header);
        memcpy(padded, text, length);
        status = limn_writer_patch(writer->file, PREFIX, padded, writer->header);
    }
    limn_free(padded);
    free(text);
    return status;
}

limn_status limn_safetensors_writer_finish(limn_safetensors_writer **handle)
{
    limn_safetensors_writer *writer = *handle;
    limn_status status = writer->header ? LIMN_OK : limn_safetensors_writer_begin(writer, 0);
    if (status == LIMN_OK)
        status = patch_header(writer);
    if (status == LIMN_OK)
        status = limn_writer_commit(&writer->file);
    limn_safetensors_writer_discard(handle);
    return status;
}

void limn_safetensors_writer_discard(limn_safetensors_writer **handle)
{
    limn_safetensors_writer *writer = handle ? *handle : NULL;
    if (!writer)
        return;
    limn_writer_discard(&writer->file);
    json_decref(writer->root);
    limn_free(writer->tensors);
    limn_free(writer->path);
    limn_free(writer);
    *handle = NULL;
}
