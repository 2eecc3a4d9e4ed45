/* NumPy's .npy files: one array each.  Written: version 1.0, little-endian float32, C order.
 * Reading a file is public: limn/npy.h. */
#ifndef LIMN_TENSOR_NPY_H
#define LIMN_TENSOR_NPY_H

#include "base/context.h"
#include "limn/npy.h"

/** limn_npy_read for bytes in memory.  `path` serves error texts. */
limn_status limn_npy_parse(limn_context *ctx, const char *path, const void *data, size_t size,
                           limn_npy **out);

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
