#include "tensor/safetensors.h"

#include "base/file.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "limn's files are little-endian and mapped: a big-endian host is not supported"
#endif

enum { PREFIX = 8 }; /* bytes of the header length */

static const struct {
    const char *name;
    unsigned bits;
} dtypes[] = {
    [LIMN_SAFETENSORS_BOOL] = {"BOOL", 8},
    [LIMN_SAFETENSORS_F4] = {"F4", 4},
    [LIMN_SAFETENSORS_F6_E2M3] = {"F6_E2M3", 6},
    [LIMN_SAFETENSORS_F6_E3M2] = {"F6_E3M2", 6},
    [LIMN_SAFETENSORS_U8] = {"U8", 8},
    [LIMN_SAFETENSORS_I8] = {"I8", 8},
    [LIMN_SAFETENSORS_F8_E5M2] = {"F8_E5M2", 8},
    [LIMN_SAFETENSORS_F8_E4M3] = {"F8_E4M3", 8},
    [LIMN_SAFETENSORS_F8_E8M0] = {"F8_E8M0", 8},
    [LIMN_SAFETENSORS_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [LIMN_SAFETENSORS_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [LIMN_SAFETENSORS_I16] = {"I16", 16},
    [LIMN_SAFETENSORS_U16] = {"U16", 16},
    [LIMN_SAFETENSORS_F16] = {"F16", 16},
    [LIMN_SAFETENSORS_BF16] = {"BF16", 16},
    [LIMN_SAFETENSORS_I32] = {"I32", 32},
    [LIMN_SAFETENSORS_U32] = {"U32", 32},
    [LIMN_SAFETENSORS_F32] = {"F32", 32},
    [LIMN_SAFETENSORS_C64] = {"C64", 64},
    [LIMN_SAFETENSORS_F64] = {"F64", 64},
    [LIMN_SAFETENSORS_I64] = {"I64", 64},
    [LIMN_SAFETENSORS_U64] = {"U64", 64},
};

/* An open file with what it owns. */
typedef struct opened {
    limn_safetensors file; /* first: the two are converted into each other */
    limn_mapping mapping;
    char *path;
    json_t *root; /* keys and metadata values point into it */
    limn_safetensors_entry *entries;
    limn_safetensors_pair *metadata;
} opened;

const char *limn_safetensors_dtype_name(limn_safetensors_dtype dtype)
{
    return dtypes[dtype].name;
}

static limn_status refuse(limn_context *ctx, const char *path, const char *tensor, const char *why)
{
    if (!tensor)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", path, "%s", why);
    return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", path, "tensor '%.80s': %s",
                     tensor, why);
}

bool limn_safetensors_bytes(limn_safetensors_dtype dtype, int rank, const uint64_t *dim,
                            size_t *out)
{
    for (int i = 0; i < rank; i++)
        if (dim[i] == 0) {
            *out = 0;
            return true;
        }
    size_t bits = dtypes[dtype].bits;
    for (int i = 0; i < rank; i++)
        if (dim[i] > SIZE_MAX || !limn_size_mul(bits, (size_t)dim[i], &bits))
            return false;
    *out = bits / 8;
    return bits % 8 == 0;
}

const char *limn_safetensors_bad_name(const char *name)
{
    const size_t length = strlen(name);
    if (length == 0)
        return "its name is empty";
    if (length > LIMN_SAFETENSORS_NAME)
        return "its name is longer than 1024 bytes";
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return "its name holds a control character";
    return NULL;
}

static bool get_unsigned(const json_t *value, uint64_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool find_dtype(const char *name, limn_safetensors_dtype *out)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (limn_safetensors_dtype)i;
            return true;
        }
    return false;
}

/* One tensor of the header.  `data` and `length` are the file's part behind the header. */
static limn_status read_entry(limn_context *ctx, const char *path, const char *name, json_t *value,
                              const unsigned char *data, size_t length,
                              limn_safetensors_entry *entry)
{
    const char *why = limn_safetensors_bad_name(name);
    if (why)
        return refuse(ctx, path, name, why);
    json_t *dtype = json_object_get(value, "dtype"), *shape = json_object_get(value, "shape"),
           *offsets = json_object_get(value, "data_offsets");
    if (!json_is_object(value) || json_object_size(value) != 3 || !json_is_string(dtype) ||
        !json_is_array(shape) || !json_is_array(offsets))
        return refuse(ctx, path, name,
                      "it must have a text dtype, a list shape, a list data_offsets, no more");
    entry->name = name;
    if (!find_dtype(json_string_value(dtype), &entry->dtype))
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", path,
                         "tensor '%.80s': unknown dtype '%.40s'", name, json_string_value(dtype));
    if (json_array_size(shape) > LIMN_SAFETENSORS_RANK)
        return refuse(ctx, path, name, "it has more than 8 extents");
    entry->rank = (int)json_array_size(shape);
    for (int i = 0; i < entry->rank; i++)
        if (!get_unsigned(json_array_get(shape, (size_t)i), &entry->dim[i]))
            return refuse(ctx, path, name, "an extent is not a non-negative integer");
    uint64_t begin, end;
    if (json_array_size(offsets) != 2 || !get_unsigned(json_array_get(offsets, 0), &begin) ||
        !get_unsigned(json_array_get(offsets, 1), &end))
        return refuse(ctx, path, name, "data_offsets are not two non-negative integers");
    size_t needed;
    if (begin > end || end > length)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", path,
                         "tensor '%.80s': data_offsets [%llu,%llu] do not lie within the %zu "
                         "bytes of data",
                         name, (unsigned long long)begin, (unsigned long long)end, length);
    if (!limn_safetensors_bytes(entry->dtype, entry->rank, entry->dim, &needed))
        return refuse(ctx, path, name, "its size is no whole number of bytes, or too large");
    if (needed != end - begin)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", path,
                         "tensor '%.80s': shape and dtype need %zu bytes, data_offsets give %llu",
                         name, needed, (unsigned long long)(end - begin));
    entry->data = data + begin;
    entry->size = needed;
    return LIMN_OK;
}

static int by_place(const void *a, const void *b)
{
    const limn_safetensors_entry *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->size > y->size) - (x->size < y->size);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const limn_safetensors_entry *)a)->name,
                  ((const limn_safetensors_entry *)b)->name);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const limn_safetensors_pair *)a)->key, ((const limn_safetensors_pair *)b)->key);
}

/* The tensors must follow one another from `data` to `end`. */
static limn_status check_places(limn_context *ctx, opened *st, const unsigned char *data)
{
    const unsigned char *at = data, *end = st->file.bytes + st->file.size;
    if (st->file.count)
        qsort(st->entries, st->file.count, sizeof *st->entries, by_place);
    for (size_t i = 0; i < st->file.count; i++) {
        const limn_safetensors_entry *entry = &st->entries[i];
        if (entry->data != at)
            return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", st->path,
                             "tensor '%.80s' at offset %zu: %s", entry->name,
                             (size_t)(entry->data - st->file.bytes),
                             entry->data > at ? "a hole lies before it"
                                              : "it overlaps another tensor");
        at += entry->size;
    }
    if (at != end)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", st->path,
                         "offset %zu: %zu bytes follow the last tensor",
                         (size_t)(at - st->file.bytes), (size_t)(end - at));
    if (st->file.count)
        qsort(st->entries, st->file.count, sizeof *st->entries, by_name);
    return LIMN_OK;
}

static limn_status read_metadata(limn_context *ctx, opened *st, json_t *metadata)
{
    if (!json_is_object(metadata))
        return refuse(ctx, st->path, NULL, "__metadata__ is not a JSON object");
    limn_status status = limn_alloc(ctx, st->path, json_object_size(metadata), sizeof *st->metadata,
                                    (void **)&st->metadata);
    if (status != LIMN_OK)
        return status;
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", st->path,
                             "__metadata__ '%.80s' is not a string", key);
        st->metadata[st->file.metadata_count++] =
            (limn_safetensors_pair){key, json_string_value(value)};
    }
    st->file.metadata = st->metadata;
    if (st->file.metadata_count)
        qsort(st->metadata, st->file.metadata_count, sizeof *st->metadata, by_key);
    return LIMN_OK;
}

static limn_status read_tensors(limn_context *ctx, opened *st, const unsigned char *data)
{
    json_t *metadata = json_object_get(st->root, LIMN_SAFETENSORS_METADATA);
    const size_t count = json_object_size(st->root) - (metadata != NULL);
    if (count > LIMN_SAFETENSORS_COUNT)
        return refuse(ctx, st->path, NULL, "more than 1048576 tensors");
    limn_status status;
    if (metadata && (status = read_metadata(ctx, st, metadata)) != LIMN_OK)
        return status;
    status = limn_alloc(ctx, st->path, count, sizeof *st->entries, (void **)&st->entries);
    if (status != LIMN_OK)
        return status;
    st->file.entries = st->entries;
    const size_t length = st->file.size - (size_t)(data - st->file.bytes);
    const char *name;
    json_t *value;
    json_object_foreach(st->root, name, value)
    {
        if (value == metadata)
            continue;
        status = read_entry(ctx, st->path, name, value, data, length, &st->entries[st->file.count]);
        if (status != LIMN_OK)
            return status;
        st->file.count++;
    }
    return check_places(ctx, st, data);
}

static limn_status read_header(limn_context *ctx, opened *st)
{
    const unsigned char *bytes = st->file.bytes;
    if (st->file.size < PREFIX)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", st->path,
                         "%zu bytes are too few for a header", st->file.size);
    uint64_t length = 0;
    for (int i = 0; i < PREFIX; i++)
        length |= (uint64_t)bytes[i] << (8 * i);
    if (length > LIMN_SAFETENSORS_HEADER)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", st->path,
                         "offset 0: header length %llu is above the limit of %d",
                         (unsigned long long)length, LIMN_SAFETENSORS_HEADER);
    if (length > st->file.size - PREFIX)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", st->path,
                         "offset 0: header length %llu is beyond the end of the file",
                         (unsigned long long)length);
    json_error_t error;
    st->root =
        json_loadb((const char *)bytes + PREFIX, (size_t)length, JSON_REJECT_DUPLICATES, &error);
    if (!st->root && json_error_code(&error) == json_error_out_of_memory)
        return limn_out_of_memory(ctx, st->path);
    if (!st->root)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a safetensors file", st->path, "offset %d: %s",
                         PREFIX + error.position, error.text);
    if (!json_is_object(st->root))
        return refuse(ctx, st->path, NULL, "offset 8: the header is not a JSON object");
    return read_tensors(ctx, st, bytes + PREFIX + length);
}

static limn_status make(limn_context *ctx, const char *path, opened **out)
{
    limn_status status = limn_alloc(ctx, path, 1, sizeof **out, (void **)out);
    if (status != LIMN_OK)
        return status;
    (*out)->file.path = (*out)->path = limn_strdup(path);
    if ((*out)->path)
        return LIMN_OK;
    limn_free(*out);
    return limn_out_of_memory(ctx, path);
}

limn_status limn_safetensors_parse(limn_context *ctx, const char *path, const void *data,
                                   size_t size, limn_safetensors **out)
{
    *out = NULL;
    opened *st;
    limn_status status = make(ctx, path, &st);
    if (status != LIMN_OK)
        return status;
    *out = &st->file;
    (*out)->bytes = data;
    (*out)->size = size;
    if ((status = read_header(ctx, st)) != LIMN_OK)
        limn_safetensors_close(out);
    return status;
}

limn_status limn_safetensors_open(limn_context *ctx, const char *path, limn_safetensors **out)
{
    *out = NULL;
    limn_mapping mapping;
    limn_status status = limn_file_map(ctx, path, &mapping);
    if (status != LIMN_OK)
        return status;
    if ((status = limn_safetensors_parse(ctx, path, mapping.data, mapping.size, out)) != LIMN_OK)
        limn_file_unmap(&mapping);
    else
        ((opened *)*out)->mapping = mapping;
    return status;
}

void limn_safetensors_close(limn_safetensors **file)
{
    opened *st = file ? (opened *)*file : NULL;
    if (!st)
        return;
    json_decref(st->root);
    limn_file_unmap(&st->mapping);
    limn_free(st->entries);
    limn_free(st->metadata);
    limn_free(st->path);
    limn_free(st);
    *file = NULL;
}

const limn_safetensors_entry *limn_safetensors_find(const limn_safetensors *file, const char *name)
{
    const limn_safetensors_entry wanted = {.name = name};
    return file->count ? bsearch(&wanted, file->entries, file->count, sizeof wanted, by_name)
                       : NULL;
}

const char *limn_safetensors_metadata(const limn_safetensors *file, const char *key)
{
    if (!file->metadata_count)
        return NULL;
    const limn_safetensors_pair wanted = {.key = key};
    const limn_safetensors_pair *found =
        bsearch(&wanted, file->metadata, file->metadata_count, sizeof wanted, by_key);
    return found ? found->value : NULL;
}
