/* Around a convolution whose result is normalised with fixed statistics:
 *   y = max((conv - mean) * scale + bias + residual, 0),   scale = weight / sqrt(variance + eps)
 * with the residual and the maximum where they are asked for.
 *
 * The convolutions do this while they write y (common/epilogue.h).
 *
 *   norm  [3][K]      mean, scale, bias
 *
 * conv2d_norm_prepare fills norm.  Global size (ceil(K / V)); one work-item owns V channels.
 */
#include "common/lanes.h"

__kernel void conv2d_norm_prepare(int K, float eps, __global const float *restrict weight,
                                  __global const float *restrict bias,
                                  __global const float *restrict mean,
                                  __global const float *restrict variance,
                                  __global float *restrict norm)
{
    const int k = (int)get_global_id(0) * V, valid = K - k;
    if (k >= K)
        return;
    const lanes inverse = 1.0f / sqrt(load_lanes(variance + k, valid) + eps);
    store_lanes(load_lanes(mean + k, valid), norm + k, valid);
    store_lanes(inverse * load_lanes(weight + k, valid), norm + K + k, valid);
    store_lanes(load_lanes(bias + k, valid), norm + 2 * (size_t)K + k, valid);
}
