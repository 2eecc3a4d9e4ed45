/* y[n, oh, ow, c] = sum over i, j < kernel of x[n, oh * stride - pad + i, ow * stride - pad + j, c]
 *                   / size,   positions outside the image count as 0;
 * size is kernel * kernel, or without count_include_pad the positions inside the image.
 *
 *   x [N][H][W][C]      y [N][OH][OW][C]
 *
 * Forward: global size (ceil(C / V), N * OH * OW), one work-item: V channels of one pixel.
 * Backward: (ceil(C / span), N * H * ceil(W / run)), `span` channels of `run` pixels, each from the
 * windows that cover it.
 */
#include "common/lanes.h"

float window_share(int first_h, int first_w, int H, int W, int kernel_size, int include)
{
    const int h = min(first_h + kernel_size, H) - max(first_h, 0);
    const int w = min(first_w + kernel_size, W) - max(first_w, 0);
    return include ? (float)(kernel_size * kernel_size) : (float)(h * w);
}

__kernel void avg_pool_forward(int N, int H, int W, int C, int OH, int OW, int kernel_size,
                               int stride, int pad, int include, __global const float *restrict x,
                               __global float *restrict y)
{
    const int c = (int)get_global_id(0) * V, pixel = get_global_id(1), valid = C - c;
    if (c >= C || pixel >= N * OH * OW)
        return;
    const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / OW / OH;
    const int h0 = oh * stride - pad, w0 = ow * stride - pad;
    __global const float *image = x + (size_t)n * H * W * C + c;
    lanes sum = 0.0f;
    for (int h = max(h0, 0); h < min(h0 + kernel_size, H); h++)
        for (int w = max(w0, 0); w < min(w0 + kernel_size, W); w++)
            sum += load_lanes(image + (size_t)(h * W + w) * C, valid);
    store_lanes(sum / window_share(h0, w0, H, W, kernel_size, include), y + (size_t)pixel * C + c,
                valid);
}

__kernel void avg_pool_backward(int N, int H, int W, int C, int OH, int OW, int kernel_size,
                                int stride, int pad, int run, int span, int include,
                                __global const float *restrict dy, __global float *restrict dx)
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
                for (int ow = first_w; ow <= last_w; ow++)
                    sum += load_lanes(dy + (((size_t)n * OH + oh) * OW + ow) * C + c, C - c) /
                           window_share(oh * stride - pad, ow * stride - pad, H, W, kernel_size,
                                        include);
            store_lanes(sum, dx + ((size_t)row * W + w) * C + c, C - c);
        }
    }
}
