/* Matrix products by CLBlast, where it was built in. */
#ifndef LIMN_DEVICE_GEMM_H
#define LIMN_DEVICE_GEMM_H

#include "device/device.h"

/** Which of CLBlast's kernels, with which parameters.  The order of its sums depends on it. */
typedef enum limn_gemm_kind {
    LIMN_GEMM_DIRECT,    /**< one kernel, with the parameters that CLBlast knows for the device */
    LIMN_GEMM_TILES_64,  /**< operands are rearranged first; 64 x 64 results a group of 8 x 8 */
    LIMN_GEMM_TILES_128, /**< the same with 128 x 128 and 16 x 16 */
    LIMN_GEMM_TILES_WIDE /**< 128 x 64 and 16 x 8 */
} limn_gemm_kind;

/** z[m,p] += sum over r of a[m * am + r * ar] * b[r * br + p * bp], single precision, row-major z
 *  without gaps.  One of (am, ar) and one of (br, bp) is 1. */
typedef struct limn_gemm {
    limn_gemm_kind kind;
    size_t m, p, r;
    const limn_buffer *a, *b;
    size_t am, ar, br, bp;
    limn_buffer *z;
} limn_gemm;

/** NULL, or why CLBlast cannot serve: it was not built in; the device's groups or its local memory
 *  are too small. */
const char *limn_gemm_refusal(const limn_device_limits *limits, limn_gemm_kind kind);

/** Queues the product.  LIMN_FAILED with CLBlast's code where it fails or is not built in. */
limn_status limn_gemm_run(limn_device *device, const limn_gemm *gemm);

#endif
