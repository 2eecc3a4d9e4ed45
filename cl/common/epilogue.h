/* What may follow the sum of a convolution in the same pass, by the bits of `steps`, in this order:
 *   1  v = (v - mean[k]) * scale[k] + bias[k],   norm [3][K]: mean, scale, bias
 *   2  v += residual
 *   8  v += what y holds: the residual, where the result is to lie
 *   4  v = max(v, 0); a NaN stays one
 */
#include "common/lanes.h"

/* For V channels from k on, which lie at `at` in y and residual; `valid` are left.  Inlined even
 * where many tiles' vectors call it: a call would send all of them through memory. */
__attribute__((always_inline)) lanes finish_lanes(lanes v, int steps, __global const float *norm,
                                                  int K, int k, __global const float *residual,
                                                  __global const float *y, size_t at, int valid)
{
    if (steps & 1)
        v = fma(v - load_lanes(norm + k, valid), load_lanes(norm + K + k, valid),
                load_lanes(norm + 2 * (size_t)K + k, valid));
    if (steps & 2)
        v += load_lanes(residual + at, valid);
    if (steps & 8)
        v += load_lanes(y + at, valid);
    if (steps & 4)
        v = choose_lanes(v < 0.0f, 0.0f, v);
    return v;
}
