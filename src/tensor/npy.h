/* NumPy's .npy files: one array each.
 *
 * Written: version 1.0, little-endian float32, C order.  Read: versions 1.0, 2.0 and 3.0, C order,
 * types <f4, <f8, <i4 and |u1, converted to float32.
 */
#ifndef LIMN_TENSOR_NPY_H
#define LIMN_TENSOR_NPY_H

#include "base/context.h"

enum { LIMN_NPY_RANK = 4 };

/** An array in memory. */
typedef struct limn_npy {
    int rank; /**< 0..4; 0 is a single value */
    int64_t dim[LIMN_NPY_RANK];
    size_t count; /**< product of the extents */
    float *data;  /**< row-major */
} limn_npy;

/** Reads a file whole.  LIMN_BAD_INPUT, naming file, offset and reason, where the header is not
 *  exactly a dictionary of descr, fortran_order and shape, the type or order is none of the above,
 *  the rank is above 4, or the file has fewer or more bytes than the shape asks for.  Nothing is
 *  allocated before the size is known to be right. */
limn_status limn_npy_read(limn_context *ctx, const char *path, limn_npy **out);

/** The same for bytes in memory.  `path` serves error texts. */
limn_status limn_npy_parse(limn_context *ctx, const char *path, const void *data, size_t size,
                           limn_npy **out);
void limn_npy_free(limn_npy **array);

/** Writes a whole array.  The file appears whole or not at all. */
limn_status limn_npy_write(limn_context *ctx, const char *path, const float *data, int rank,
                           const int64_t *dim);

/** Writes an array of known shape piece by piece, in constant memory. */
typedef struct limn_npy_writer limn_npy_writer;

/** LIMN_BAD_USAGE for a rank outside 0..4, a negative extent or a size that overflows. */
limn_status limn_npy_writer_open(limn_context *ctx, const char *path, int rank, const int64_t *dim,
                                 limn_npy_writer **out);
/** Adds the next `count` values. */
limn_status limn_npy_writer_add(limn_npy_writer *writer, const float *data, size_t count);
/** Makes the file appear; LIMN_BAD_USAGE where values are missing or too many.  Destroys the writer
 *  in every case and sets `*writer` to NULL. */
limn_status limn_npy_writer_finish(limn_npy_writer **writer);
/** Drops everything written; NULL and *NULL are accepted. */
void limn_npy_writer_discard(limn_npy_writer **writer);

#endif
