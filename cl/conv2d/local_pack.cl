/* Filters rearranged for conv2d/local.cl: what conv2d/pack.cl writes (w, bias, u and the counts are
 * explained there), by small work-items side by side.
 *
 * depth counts the channels that the sum runs over, width the output channels of a group; data not
 * 0: for the gradient of the input, where the two change places in w.  HALF 1: the filters are
 * cells of common/product.h with two terms each, and depth is even.  The zeros in front are not
 * written: conv2d/local.cl reads none.
 *
 * Launch: global size (panels * KB, 1 + depth).  One work-item: all taps of one output channel and
 * one depth; those of row 0 write the bias.
 */
#ifndef HALF
#define HALF 0
#endif

__kernel void conv2d_local_pack(__global const float *restrict w,
                                __global const float *restrict bias,
                                __global float *restrict u, int has_bias, int data, int KB,
                                int zeros, int panels, int blocks, int depth, int width, int taps)
{
    const int column = get_global_id(0), d = (int)get_global_id(1) - 1;
    const int panel = column / KB, group = panel / blocks, k = panel % blocks * KB + column % KB;
    if (panel >= panels || d >= depth)
        return;
    if (d < 0) {
        u[zeros + column] = has_bias && k < width ? bias[group * width + k] : 0.0f;
        return;
    }
    const int filter = data ? (group * depth + d) * width + k : (group * width + k) * depth + d;
    __global float *packed = u + zeros + panels * KB;
    for (int t = 0; t < taps; t++) {
        const float value = k < width ? w[(size_t)filter * taps + t] : 0.0f;
        const size_t row = ((size_t)panel * taps + t) * depth + d;
#if HALF /* beyond its range as product_put */
        vstore_half_rte(fabs(value) <= 65504.0f ? value : NAN,
                        (row / 2 * KB + column % KB) * 2 + row % 2, (__global half *)packed);
#else
        packed[row * KB + column % KB] = value;
#endif
    }
}
