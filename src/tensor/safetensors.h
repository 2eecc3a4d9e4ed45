/* The safetensors format: named tensors in one file.
 *
 * Layout: header length as 64-bit little-endian number, header (JSON), tensor bytes.  The reader
 * refuses every file that is not exactly of this form; the rules stand at limn_safetensors_open.
 */
#ifndef LIMN_TENSOR_SAFETENSORS_H
#define LIMN_TENSOR_SAFETENSORS_H

#include "base/context.h"

/** The key of the header that is no tensor. */
#define LIMN_SAFETENSORS_METADATA "__metadata__"

enum {
    LIMN_SAFETENSORS_RANK = 8,          /**< most extents of one tensor */
    LIMN_SAFETENSORS_NAME = 1024,       /**< most bytes of a tensor's name */
    LIMN_SAFETENSORS_COUNT = 1 << 20,   /**< most tensors in a file */
    LIMN_SAFETENSORS_HEADER = 100000000 /**< most bytes of the header */
};

typedef enum limn_safetensors_dtype {
    LIMN_SAFETENSORS_BOOL,
    LIMN_SAFETENSORS_F4,
    LIMN_SAFETENSORS_F6_E2M3,
    LIMN_SAFETENSORS_F6_E3M2,
    LIMN_SAFETENSORS_U8,
    LIMN_SAFETENSORS_I8,
    LIMN_SAFETENSORS_F8_E5M2,
    LIMN_SAFETENSORS_F8_E4M3,
    LIMN_SAFETENSORS_F8_E8M0,
    LIMN_SAFETENSORS_F8_E4M3FNUZ,
    LIMN_SAFETENSORS_F8_E5M2FNUZ,
    LIMN_SAFETENSORS_I16,
    LIMN_SAFETENSORS_U16,
    LIMN_SAFETENSORS_F16,
    LIMN_SAFETENSORS_BF16,
    LIMN_SAFETENSORS_I32,
    LIMN_SAFETENSORS_U32,
    LIMN_SAFETENSORS_F32,
    LIMN_SAFETENSORS_C64,
    LIMN_SAFETENSORS_F64,
    LIMN_SAFETENSORS_I64,
    LIMN_SAFETENSORS_U64
} limn_safetensors_dtype;

/** "F32" and so on. */
const char *limn_safetensors_dtype_name(limn_safetensors_dtype dtype);

/** Bytes that dtype and shape ask for; false where that is no whole number or does not fit.  A zero
 *  extent makes the size zero whatever the others are, so the answer does not depend on order. */
bool limn_safetensors_bytes(limn_safetensors_dtype dtype, int rank, const uint64_t *dim,
                            size_t *out);

/** NULL, or what is wrong with a tensor's name. */
const char *limn_safetensors_bad_name(const char *name);

typedef struct limn_safetensors_entry {
    const char *name;
    limn_safetensors_dtype dtype;
    int rank; /**< 0: a scalar */
    uint64_t dim[LIMN_SAFETENSORS_RANK];
    const unsigned char *data; /**< row-major, little-endian; may lie at any address: use memcpy */
    size_t size;               /**< bytes of `data` */
} limn_safetensors_entry;

typedef struct limn_safetensors_pair {
    const char *key, *value;
} limn_safetensors_pair;

/** An opened file.  Everything lives until limn_safetensors_close. */
typedef struct limn_safetensors {
    const char *path;
    size_t count;
    const limn_safetensors_entry *entries; /**< sorted by name */
    size_t metadata_count;
    const limn_safetensors_pair *metadata; /**< sorted by key */
    const unsigned char *bytes;            /**< the whole file */
    size_t size;
} limn_safetensors;

/** Maps and checks a file.  LIMN_BAD_INPUT, naming the file, the tensor or offset and the reason,
 *  unless all of this holds: the header is one JSON object within the limits above (white space
 *  around it is fine) without a duplicate key; each tensor has exactly the fields dtype, shape and
 *  data_offsets; its byte range has the length that dtype and shape ask for; the ranges follow one
 *  another from 0 to the end of the file without hole or overlap; `__metadata__` maps strings to
 *  strings.  Scalars and tensors with a zero extent are legal.  Values are not looked at. */
limn_status limn_safetensors_open(limn_context *ctx, const char *path, limn_safetensors **out);

/** The same for bytes in memory, which must outlive the result.  `path` serves error texts. */
limn_status limn_safetensors_parse(limn_context *ctx, const char *path, const void *data,
                                   size_t size, limn_safetensors **out);
void limn_safetensors_close(limn_safetensors **file);

/** The tensor of that name, or NULL.  Binary search. */
const limn_safetensors_entry *limn_safetensors_find(const limn_safetensors *file, const char *name);

/** The metadata value of that key, or NULL. */
const char *limn_safetensors_metadata(const limn_safetensors *file, const char *key);

/** A file under way; the order of calls is: open, declare and metadata, begin, data, finish. */
typedef struct limn_safetensors_writer limn_safetensors_writer;

limn_status limn_safetensors_writer_open(limn_context *ctx, const char *path,
                                         limn_safetensors_writer **out);

/** Adds a tensor.  The bytes follow in the order of these calls; declaring the widest types first
 *  keeps every tensor aligned.  LIMN_BAD_USAGE for a bad or repeated name, rank or shape. */
limn_status limn_safetensors_writer_declare(limn_safetensors_writer *writer, const char *name,
                                            limn_safetensors_dtype dtype, int rank,
                                            const uint64_t *dim);

/** Adds or replaces a metadata value; allowed until finish, where it must fit the reserve. */
limn_status limn_safetensors_writer_metadata(limn_safetensors_writer *writer, const char *key,
                                             const char *value);

/** Writes the header with `reserve` bytes of room for what changes until finish. */
limn_status limn_safetensors_writer_begin(limn_safetensors_writer *writer, size_t reserve);

/** Writes the next bytes of the tensors. */
limn_status limn_safetensors_writer_data(limn_safetensors_writer *writer, const void *data,
                                         size_t size);

/** Corrects the first extent of a tensor that was streamed.  This and every offset behind it may
 *  take up to 19 digits more of the reserve. */
limn_status limn_safetensors_writer_resize(limn_safetensors_writer *writer, const char *name,
                                           uint64_t first);

/** Makes the file appear.  LIMN_BAD_USAGE where the bytes written are not those declared.  Destroys
 *  the writer in every case and sets `*writer` to NULL. */
limn_status limn_safetensors_writer_finish(limn_safetensors_writer **writer);

/** Drops everything written; NULL and *NULL are accepted. */
void limn_safetensors_writer_discard(limn_safetensors_writer **writer);

#endif
