/* Tensors on a device and their host copies. */
#ifndef LIMN_TENSOR_TENSOR_H
#define LIMN_TENSOR_TENSOR_H

#include "device/device.h"

#include <stdint.h>

enum { LIMN_MAX_RANK = 4 };

typedef enum limn_dtype { LIMN_F32, LIMN_I32, LIMN_U8 } limn_dtype;

/** Type and extents.  Memory is row-major in the order of `dim`, last fastest, no gaps.
 *  Activations are channels-last: [N, H, W, C] or [N, C].  Parameters keep their file's order:
 *  convolution filters [K, C/groups, R, S], linear weights [out, in].  Rank 0 is a scalar. */
typedef struct limn_desc {
    limn_dtype dtype;
    int rank;
    int64_t dim[LIMN_MAX_RANK];
} limn_desc;

typedef struct limn_tensor {
    limn_desc desc;
    limn_buffer *buffer; /**< at least limn_desc_bytes(&desc) bytes */
} limn_tensor;

/** desc from extents: limn_desc_of(LIMN_F32, 4, n, h, w, c); trailing arguments are int64_t or int
 *  converted by the prototype. */
limn_desc limn_desc_make(limn_dtype dtype, int rank, int64_t d0, int64_t d1, int64_t d2,
                         int64_t d3);
size_t limn_dtype_size(limn_dtype dtype);
const char *limn_dtype_name(limn_dtype dtype);
int64_t limn_desc_count(const limn_desc *desc); /**< elements; 1 for a scalar */
size_t limn_desc_bytes(const limn_desc *desc);
bool limn_desc_equal(const limn_desc *a, const limn_desc *b);
/** "f32[8,32,32,64]"; writes at most `size` bytes, returns `text`. */
const char *limn_desc_text(const limn_desc *desc, char *text, size_t size);

limn_status limn_tensor_create(limn_device *device, const limn_desc *desc, limn_tensor **out);
void limn_tensor_destroy(limn_tensor **tensor);
/** Whole-tensor copies in device order; `data` has limn_desc_bytes bytes.  Blocking. */
limn_status limn_tensor_write(limn_tensor *tensor, const void *data);
/** The same from doubles, one an element, converted as C does. */
limn_status limn_tensor_write_doubles(limn_tensor *tensor, const double *values);
limn_status limn_tensor_read(const limn_tensor *tensor, void *data);
limn_status limn_tensor_zero(limn_tensor *tensor);

/** Host-side reorder between [N,H,W,C] and [N,C,H,W] of float data. */
void limn_nhwc_to_nchw(const float *from, float *to, int64_t n, int64_t h, int64_t w, int64_t c);
void limn_nchw_to_nhwc(const float *from, float *to, int64_t n, int64_t h, int64_t w, int64_t c);

#endif
