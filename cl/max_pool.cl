/* y[n, oh, ow, c] = max over i, j < kernel of x[n, oh * stride - pad + i, ow * stride - pad + j,
 * c]; positions outside the image count as -infinity, so they are skipped.  A NaN wins, as in
 * PyTorch.
 *
 *   x   [N][H][W][C]      y [N][OH][OW][C]
 *   at  [N][OH][OW][C]    where the maximum was found: h * W + w; the first of equal ones
 *
 * Forward: global size (ceil(C / V), N * OH * OW), one work-item: V channels of one pixel.
 * Backward: (ceil(C / span), N * H * ceil(W / run)), `span` channels of `run` pixels.  It gathers:
 * each pixel of x visits the windows that cover it, in order, so nothing is added by two work-items.
 */
#include "common/lanes.h"

void max_pool_to(int N, int H, int W, int C, int OH, int OW, int kernel_size, int stride, int pad,
                 __global const float *x, __global float *y, __global int *at)
{
    const int c = (int)get_global_id(0) * V, pixel = get_global_id(1), valid = C - c;
    if (c >= C || pixel >= N * OH * OW)
        return;
    const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / OW / OH;
    const int h0 = oh * stride - pad, w0 = ow * stride - pad;
    __global const float *image = x + (size_t)n * H * W * C + c;
    lanes best = -INFINITY;
    int_lanes found = max(h0, 0) * W + max(w0, 0);
    for (int h = max(h0, 0); h < min(h0 + kernel_size, H); h++)
        for (int w = max(w0, 0); w < min(w0 + kernel_size, W); w++) {
            const lanes value = load_lanes(image + (size_t)(h * W + w) * C, valid);
            const int_lanes better = (value > best) | ((value != value) & (best == best));
            best = choose_lanes(better, value, best);
            found = choose_int_lanes(better, (int_lanes)(h * W + w), found);
        }
    store_lanes(best, y + (size_t)pixel * C + c, valid);
    if (at)
        store_int_lanes(found, at + (size_t)pixel * C + c, valid);
}

__kernel void max_pool_forward(int N, int H, int W, int C, int OH, int OW, int kernel_size,
                               int stride, int pad, __global const float *restrict x,
                               __global float *restrict y, __global int *restrict at)
{
    max_pool_to(N, H, W, C, OH, OW, kernel_size, stride, pad, x, y, at);
}

/* Without the places, which only backward reads. */
__kernel void max_pool_values(int N, int H, int W, int C, int OH, int OW, int kernel_size,
                              int stride, int pad, __global const float *restrict x,
                              __global float *restrict y)
{
    max_pool_to(N, H, W, C, OH, OW, kernel_size, stride, pad, x, y, 0);
}

__kernel void max_pool_backward(int N, int H, int W, int C, int OH, int OW, int kernel_size,
                                int stride, int pad, int run, int span,
                                __global const int *restrict at, __global const float *restrict dy,
                                __global float *restrict dx)
{
    const int c_first = (int)get_global_id(0) * span, part = get_global_id(1);
    const int parts = (W + run - 1) / run, row = part / parts, n = row / H, h = row % H;
    if (c_first >= C || n >= N)
        return;
    const int c_end = min(c_first + span, C);
    /* the windows with oh * stride <= h + pad < oh * stride + kernel */
    const int first_h = max(h + pad - kernel_size + stride, 0) / stride;
    const int last_h = min((h + pad) / stride, OH - 1), w_end = min((part % parts + 1) * run, W);
    for (int w = part % parts * run; w < w_end; w++) {
        const int first_w = max(w + pad - kernel_size + stride, 0) / stride;
        const int last_w = min((w + pad) / stride, OW - 1);
        for (int c = c_first; c < c_end; c += V) {
            lanes sum = 0.0f;
            for (int oh = first_h; oh <= last_h; oh++)
                for (int ow = first_w; ow <= last_w; ow++) {
                    const size_t i = (((size_t)n * OH + oh) * OW + ow) * C + c;
                    const lanes value = load_lanes(dy + i, C - c);
                    const int_lanes mine = load_int_lanes(at + i, C - c) == h * W + w;
                    sum += choose_lanes(mine, value, (lanes)(0.0f));
                }
            store_lanes(sum, dx + ((size_t)row * W + w) * C + c, C - c);
        }
    }
}
