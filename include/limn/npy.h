/* limn/npy.h: NumPy's .npy files, the form in which attribution maps are kept. */
#ifndef LIMN_NPY_H
#define LIMN_NPY_H

#include "limn/context.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LIMN_NPY_RANK = 4 };

/** An array in memory. */
typedef struct limn_npy {
    int rank; /**< 0..4; 0 is a single value */
    int64_t dim[LIMN_NPY_RANK];
    size_t count; /**< product of the extents */
    float *data;  /**< row-major */
} limn_npy;

/** Reads a file whole: versions 1.0, 2.0 and 3.0, C order, types <f4, <f8, <i4 and |u1, converted
 * to float32.  LIMN_BAD_INPUT, naming file, offset and reason, where the header is not exactly a
 *  dictionary of descr, fortran_order and shape, the type or order is none of the above, the rank
 * is above 4, or the file has fewer or more bytes than the shape asks for.  Nothing is allocated
 *  before the size is known to be right. */
LIMN_API limn_status limn_npy_read(limn_context *ctx, const char *path, limn_npy **out);

/** Frees an array and sets `*array` to NULL; NULL is accepted. */
LIMN_API void limn_npy_free(limn_npy **array);

/** Writes a whole array as version 1.0, little-endian float32, C order.  The file appears whole or
 * not at all. */
LIMN_API limn_status limn_npy_write(limn_context *ctx, const char *path, const float *data,
                                    int rank, const int64_t *dim);

#ifdef __cplusplus
}
#endif
#endif
