#include "tensor/npy.h"

#include "base/file.h"
#include "base/memory.h"

#include <string.h>

enum {
    HEADER_MAX = 10000, /* NumPy's own limit */
    ALIGNMENT = 64      /* of the first value in a file that is written */
};

static const unsigned char magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

static void load_f4(const unsigned char *from, float *to, size_t count)
{
    memcpy(to, from, count * sizeof *to);
}

static void load_f8(const unsigned char *from, float *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, from + i * sizeof value, sizeof value);
        to[i] = (float)value;
    }
}

static void load_i4(const unsigned char *from, float *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int32_t value;
        memcpy(&value, from + i * sizeof value, sizeof value);
        to[i] = (float)value;
    }
}

static void load_u1(const unsigned char *from, float *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)from[i];
}

typedef struct element {
    const char *descr;
    size_t size;
    void (*load)(const unsigned char *from, float *to, size_t count);
} element;

static const element elements[] = {
    {"<f4", 4, load_f4}, {"<f8", 8, load_f8}, {"<i4", 4, load_i4}, {"|u1", 1, load_u1}};

/* A header being read: `at` moves from its first byte to `end`. */
typedef struct cursor {
    limn_context *ctx;
    const char *path;
    const char *start, *at, *end; /* `start` is the file's first byte */
    const element *type;
    limn_npy shape;
} cursor;

static limn_status refuse(const cursor *c, const char *why)
{
    return limn_fail(c->ctx, LIMN_BAD_INPUT, "not a readable .npy file", c->path, "offset %zu: %s",
                     (size_t)(c->at - c->start), why);
}

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n'))
        c->at++;
}

/* Steps over `text` and the space before it. */
static bool accept(cursor *c, const char *text)
{
    skip_space(c);
    const size_t length = strlen(text);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, text, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* A string in single or double quotes, without escapes. */
static bool accept_string(cursor *c, char *text, size_t size)
{
    const char *quote = accept(c, "'") ? "'" : accept(c, "\"") ? "\"" : NULL;
    size_t length = 0;
    while (quote && c->at < c->end && *c->at != *quote && *c->at != '\\' && length + 1 < size)
        text[length++] = *c->at++;
    text[length] = '\0';
    return quote && c->at < c->end && *c->at++ == *quote;
}

static limn_status read_type(cursor *c)
{
    char descr[16];
    if (!accept_string(c, descr, sizeof descr))
        return refuse(c, "descr is not a short string (records and objects are not read)");
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(descr, elements[i].descr) == 0) {
            c->type = &elements[i];
            return LIMN_OK;
        }
    limn_fail(c->ctx, LIMN_BAD_INPUT, "not a readable .npy file", c->path, "offset %zu: type '%s'",
              (size_t)(c->at - c->start), descr);
    limn_hint(c->ctx, "types <f4, <f8, <i4 and |u1 are read; convert with array.astype('<f4')");
    return LIMN_BAD_INPUT;
}

static bool accept_extent(cursor *c, int64_t *out)
{
    skip_space(c);
    const char *first = c->at;
    int64_t value = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        const int digit = *c->at - '0';
        if (value > (INT64_MAX - digit) / 10)
            return false;
        value = 10 * value + digit;
        c->at++;
    }
    *out = value;
    return c->at > first && (*first != '0' || c->at == first + 1);
}

/* A tuple: (), (3,) or (3, 4), with or without a comma at its end. */
static limn_status read_shape(cursor *c)
{
    if (!accept(c, "("))
        return refuse(c, "shape is not a tuple");
    limn_npy *shape = &c->shape;
    bool comma = true;
    while (!accept(c, ")")) {
        if (!comma)
            return refuse(c, "shape is not a tuple");
        if (shape->rank == LIMN_NPY_RANK)
            return refuse(c, "more than 4 extents");
        if (!accept_extent(c, &shape->dim[shape->rank]))
            return refuse(c, "an extent is not a plain non-negative number");
        shape->rank++;
        comma = accept(c, ",");
    }
    if (shape->rank == 1 && !comma)
        return refuse(c, "shape is a number, not a tuple");
    return LIMN_OK;
}

static limn_status read_order(cursor *c)
{
    if (accept(c, "False"))
        return LIMN_OK;
    if (!accept(c, "True"))
        return refuse(c, "fortran_order is neither True nor False");
    refuse(c, "the array is in Fortran order");
    limn_hint(c->ctx, "convert with numpy.ascontiguousarray(array)");
    return LIMN_BAD_INPUT;
}

static limn_status read_dictionary(cursor *c)
{
    static const struct {
        const char *name;
        limn_status (*read)(cursor *c);
    } keys[] = {{"descr", read_type}, {"fortran_order", read_order}, {"shape", read_shape}};
    bool seen[3] = {false}, comma = true;
    if (!accept(c, "{"))
        return refuse(c, "the header is not a dictionary");
    while (!accept(c, "}")) {
        char name[16];
        if (!comma || !accept_string(c, name, sizeof name) || !accept(c, ":"))
            return refuse(c, "the header is not a dictionary");
        size_t k = 0;
        while (k < 3 && strcmp(name, keys[k].name) != 0)
            k++;
        if (k == 3 || seen[k])
            return refuse(c, "an unknown or repeated key");
        seen[k] = true;
        const limn_status status = keys[k].read(c);
        if (status != LIMN_OK)
            return status;
        comma = accept(c, ",");
    }
    skip_space(c);
    if (c->at != c->end)
        return refuse(c, "text follows the dictionary");
    if (!seen[0] || !seen[1] || !seen[2])
        return refuse(c, "the header lacks descr, fortran_order or shape");
    return LIMN_OK;
}

/* Finds the dictionary behind magic and version; the cursor's ends are set to it. */
static limn_status read_prefix(cursor *c, size_t size)
{
    if (size < 10 || memcmp(c->start, magic, sizeof magic) != 0)
        return refuse(c, "it does not begin as a .npy file does");
    const unsigned char *bytes = (const unsigned char *)c->start;
    const unsigned major = bytes[6], wide = major == 1 ? 2 : 4;
    if (major < 1 || major > 3 || bytes[7] != 0 || size < 8 + wide)
        return refuse(c, "unknown version");
    size_t length = 0;
    for (unsigned i = 0; i < wide; i++)
        length |= (size_t)bytes[8 + i] << (8 * i);
    c->at = c->start + 8 + wide;
    if (length > HEADER_MAX || length > size - 8 - wide)
        return refuse(c, "the header is longer than 10000 bytes or than the file");
    c->end = c->at + length;
    return LIMN_OK;
}

limn_status limn_npy_parse(limn_context *ctx, const char *path, const void *data, size_t size,
                           limn_npy **out)
{
    *out = NULL;
    cursor c = {.ctx = ctx, .path = path, .start = data, .at = data};
    limn_status status = read_prefix(&c, size);
    if (status == LIMN_OK)
        status = read_dictionary(&c);
    if (status != LIMN_OK)
        return status;
    size_t count = 1, bytes = 0;
    bool fits = true, zero = false;
    for (int i = 0; i < c.shape.rank; i++)
        zero = zero || c.shape.dim[i] == 0;
    for (int i = 0; fits && !zero && i < c.shape.rank; i++)
        fits = (uint64_t)c.shape.dim[i] <= SIZE_MAX &&
               limn_size_mul(count, (size_t)c.shape.dim[i], &count);
    count = zero ? 0 : count;
    const size_t left = size - (size_t)(c.end - c.start);
    if (!fits || !limn_size_mul(count, c.type->size, &bytes) || bytes != left)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a readable .npy file", path,
                         "offset %zu: %zu bytes of data do not match the shape",
                         (size_t)(c.end - c.start), left);
    limn_npy *array;
    if ((status = limn_alloc(ctx, path, 1, sizeof *array, (void **)&array)) != LIMN_OK)
        return status;
    *array = c.shape;
    array->count = count;
    status = limn_alloc(ctx, path, count, sizeof *array->data, (void **)&array->data);
    if (status != LIMN_OK) {
        limn_npy_free(&array);
        return status;
    }
    c.type->load((const unsigned char *)c.end, array->data, count);
    *out = array;
    return LIMN_OK;
}

limn_status limn_npy_read(limn_context *ctx, const char *path, limn_npy **out)
{
    *out = NULL;
    limn_mapping mapping;
    limn_status status = limn_file_map(ctx, path, &mapping);
    if (status != LIMN_OK)
        return status;
    status = limn_npy_parse(ctx, path, mapping.data, mapping.size, out);
    limn_file_unmap(&mapping);
    return status;
}

void limn_npy_free(limn_npy **array)
{
    if (!array || !*array)
        return;
    limn_free((*array)->data);
    limn_free(*array);
    *array = NULL;
}

struct limn_npy_writer {
    limn_context *ctx;
    limn_writer *file;
    char *path;
    size_t left; /* values still to come */
};

/* Magic, version, length and dictionary, padded to ALIGNMENT with a newline at the end. */
static limn_status write_header(limn_npy_writer *writer, int rank, const int64_t *dim)
{
    char text[ALIGNMENT * 4];
    int length = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < rank; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%lld%s", (long long)dim[i],
                           rank == 1      ? ","
                           : i + 1 < rank ? ", "
                                          : "");
    length += snprintf(text + length, sizeof text - (size_t)length, "), }");
    const size_t prefix = sizeof magic + 4;
    size_t total = prefix + (size_t)length + 1;
    total = (total + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    memset(text + length, ' ', total - prefix - (size_t)length);
    text[total - prefix - 1] = '\n';
    const size_t header = total - prefix;
    const unsigned char numbers[4] = {1, 0, (unsigned char)header, (unsigned char)(header >> 8)};
    limn_status status = limn_writer_write(writer->file, magic, sizeof magic);
    if (status == LIMN_OK)
        status = limn_writer_write(writer->file, numbers, sizeof numbers);
    return status == LIMN_OK ? limn_writer_write(writer->file, text, header) : status;
}

limn_status limn_npy_writer_open(limn_context *ctx, const char *path, int rank, const int64_t *dim,
                                 limn_npy_writer **out)
{
    *out = NULL;
    size_t count = 1, bytes;
    bool good = rank >= 0 && rank <= LIMN_NPY_RANK;
    for (int i = 0; good && i < rank; i++)
        good = dim[i] >= 0 && (uint64_t)dim[i] <= SIZE_MAX &&
               limn_size_mul(count, (size_t)dim[i], &count);
    if (!good || !limn_size_mul(count, sizeof(float), &bytes))
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot write", path, "bad shape of rank %d", rank);
    limn_npy_writer *writer;
    limn_status status = limn_alloc(ctx, path, 1, sizeof *writer, (void **)&writer);
    if (status != LIMN_OK)
        return status;
    writer->ctx = ctx;
    writer->left = count;
    writer->path = limn_strdup(path);
    status =
        writer->path ? limn_writer_open(ctx, path, &writer->file) : limn_out_of_memory(ctx, path);
    if (status == LIMN_OK)
        status = write_header(writer, rank, dim);
    if (status != LIMN_OK)
        limn_npy_writer_discard(&writer);
    *out = writer;
    return status;
}

limn_status limn_npy_writer_add(limn_npy_writer *writer, const float *data, size_t count)
{
    if (count > writer->left)
        return limn_fail(writer->ctx, LIMN_BAD_USAGE, "cannot write", writer->path,
                         "%zu values for an array that lacks %zu", count, writer->left);
    writer->left -= count;
    return limn_writer_write(writer->file, data, count * sizeof *data);
}

limn_status limn_npy_writer_finish(limn_npy_writer **handle)
{
    limn_npy_writer *writer = *handle;
    const limn_status status = writer->left
                                   ? limn_fail(writer->ctx, LIMN_BAD_USAGE, "cannot write",
                                               writer->path, "%zu values are missing", writer->left)
                                   : limn_writer_commit(&writer->file);
    limn_npy_writer_discard(handle);
    return status;
}

void limn_npy_writer_discard(limn_npy_writer **handle)
{
    limn_npy_writer *writer = handle ? *handle : NULL;
    if (!writer)
        return;
    limn_writer_discard(&writer->file);
    limn_free(writer->path);
    limn_free(writer);
    *handle = NULL;
}

limn_status limn_npy_write(limn_context *ctx, const char *path, const float *data, int rank,
                           const int64_t *dim)
{
    limn_npy_writer *writer;
    limn_status status = limn_npy_writer_open(ctx, path, rank, dim, &writer);
    if (status != LIMN_OK)
        return status;
    if ((status = limn_npy_writer_add(writer, data, writer->left)) == LIMN_OK)
        return limn_npy_writer_finish(&writer);
    limn_npy_writer_discard(&writer);
    return status;
}
