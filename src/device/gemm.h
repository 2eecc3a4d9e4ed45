/* Matrix products by CLBlast, where it was built in. */
#ifndef LIMN_DEVICE_GEMM_H
#define LIMN_DEVICE_GEMM_H

#include "device/device.h"

/** z[m,p] += sum over r of a[m * am + r * ar] * b[r * br + p * bp], single precision, row-major z
 *  without gaps.  One of (am, ar) and one of (br, bp) is 1. */
typedef struct limn_gemm {
    size_t m, p, r;
    const limn_buffer *a, *b;
    size_t am, ar, br, bp;
    limn_buffer *z;
} limn_gemm;

/** NULL, or why CLBlast cannot serve: it was not built in. */
const char *limn_gemm_refusal(void);

/** Queues the product.  LIMN_FAILED with CLBlast's code where it fails or is not built in. */
limn_status limn_gemm_run(limn_device *device, const limn_gemm *gemm);

#endif
