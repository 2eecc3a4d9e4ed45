/* Convolution on a GPU where every channel is a group of its own; formulas: conv2d/depthwise.cl.
 *
 *   x, dx [N][H][W][C]   y, dy [N][OH][OW][C]   w, dw [C][R*S]   bias [C]
 *   f     [1 + R*S][C]       bias (zeros for the gradient of the input), then the taps
 *   part  [slices][R*S][C]   sums of the slices of dy's rows
 *
 * Neighbouring work-items hold neighbouring channels.  One work-item takes runs of WIDE pixels of a
 * row of its channel, with the WINDOW source values below them in registers: result pixel j meets
 * tap i at value j * MOVE + i of the window.
 *
 * conv2d_depthwise_gpu_pack: global size (C, 1 + R*S).
 * conv2d_depthwise_gpu: forward, and the gradient of the input, whose `from` is dy, for one class of
 * pixels (src/ops/conv2d/conv2d.h); along the width the class has TAPS taps and steps > 0.  Global
 * size (ceil(QW / WIDE) * C, N * QH): a run of one channel.  What follows forward's sum:
 * common/epilogue.h.
 * conv2d_depthwise_gpu_filter: global size (R * C, slices): the TAPS = S taps of one filter row, of
 * `slice_rows` rows of dy.
 * conv2d_depthwise_gpu_sum: global size (C, R*S); adds the slices in order.
 */
#define V 1
#include "common/epilogue.h"

#ifndef TAPS
#define TAPS 3 /* of a filter's row: at least 1 */
#endif
#ifndef MOVE
#define MOVE 1 /* how far the window moves from pixel to pixel */
#endif
#ifndef WIDE
#define WIDE 4
#endif
#define WINDOW ((WIDE - 1) * MOVE + TAPS)

__kernel void conv2d_depthwise_gpu_pack(__global const float *restrict w,
                                        __global const float *restrict bias,
                                        __global float *restrict f, int has_bias, int C, int taps)
{
    const int c = get_global_id(0), t = (int)get_global_id(1) - 1;
    if (c >= C || t >= taps)
        return;
    const float before = has_bias ? bias[c] : 0.0f;
    f[(size_t)(t + 1) * C + c] = t < 0 ? before : w[(size_t)c * taps + t];
}

/* Values first, first + step, ... of a row of W pixels of C channels; 0 outside. */
void conv2d_window(__global const float *row, int first, int step, int W, int C, float *window)
{
#pragma unroll
    for (int i = 0; i < WINDOW; i++) {
        const int at = first + i * step;
        window[i] = (uint)at < (uint)W ? row[at * C] : 0.0f;
    }
}

__kernel void conv2d_depthwise_gpu(__global const float *restrict from,
                                   __global const float *restrict f, __global float *to,
                                   __global const float *restrict norm,
                                   __global const float *restrict residual, int steps, int N, int C,
                                   int IH, int IW, int OH, int OW, int S, int QH, int h_mul,
                                   int h_first, int h_step, int r_first, int r_step, int nr,
                                   int h_class, int h_out, int QW, int w_mul, int w_first,
                                   int w_step, int s_first, int s_step, int w_class, int w_out)
{
    const int item = get_global_id(0), rows = get_global_id(1);
    const int c = item % C, q0 = item / C * WIDE, n = rows / QH, row = rows % QH;
    if (q0 >= QW || n >= N)
        return;
    __global const float *image = from + (size_t)n * IH * IW * C + c;
    float sum[WIDE];
#pragma unroll
    for (int j = 0; j < WIDE; j++)
        sum[j] = f[c];
    for (int a = 0; a < nr; a++) {
        const int h = row * h_mul + h_first + a * h_step;
        if ((uint)h >= (uint)IH)
            continue;
        float window[WINDOW];
        conv2d_window(image + h * IW * C, q0 * w_mul + w_first, w_step, IW, C, window);
#pragma unroll
        for (int b = 0; b < TAPS; b++) {
            const int tap = (r_first + a * r_step) * S + s_first + b * s_step;
            const float filter = f[(1 + tap) * C + c];
#pragma unroll
            for (int j = 0; j < WIDE; j++)
                sum[j] = fma(window[j * MOVE + b], filter, sum[j]);
        }
    }
    const size_t first = (((size_t)n * OH + h_class + h_out * row) * OW + w_class) * C + c;
#pragma unroll
    for (int j = 0; j < WIDE; j++)
        if (q0 + j < QW) {
            const size_t at = first + (size_t)w_out * (q0 + j) * C;
            to[at] = finish_lanes(sum[j], steps, norm, C, c, residual, to, at, 1);
        }
}

__kernel void conv2d_depthwise_gpu_filter(__global const float *restrict x,
                                          __global const float *restrict dy,
                                          __global float *restrict part, int slice_rows, int N,
                                          int C, int H, int W, int OH, int OW, int R, int h_stride,
                                          int h_pad, int h_dilation, int w_stride, int w_pad,
                                          int w_dilation)
{
    const int item = get_global_id(0), slice = get_global_id(1), c = item % C, r = item / C;
    if (r >= R)
        return;
    const int row_end = min((slice + 1) * slice_rows, N * OH);
    float sum[TAPS];
#pragma unroll
    for (int s = 0; s < TAPS; s++)
        sum[s] = 0.0f;
    for (int row = slice * slice_rows; row < row_end; row++) {
        const int h = row % OH * h_stride - h_pad + r * h_dilation;
        if ((uint)h >= (uint)H)
            continue;
        __global const float *source = x + ((size_t)(row / OH) * H + h) * W * C + c;
        __global const float *gradient = dy + (size_t)row * OW * C + c;
        for (int q0 = 0; q0 < OW; q0 += WIDE) {
            float window[WINDOW];
            conv2d_window(source, q0 * w_stride - w_pad, w_dilation, W, C, window);
#pragma unroll
            for (int j = 0; j < WIDE; j++) {
                if (q0 + j >= OW)
                    continue;
                const float g = gradient[(q0 + j) * C];
#pragma unroll
                for (int s = 0; s < TAPS; s++)
                    sum[s] = fma(window[j * MOVE + s], g, sum[s]);
            }
        }
    }
#pragma unroll
    for (int s = 0; s < TAPS; s++)
        part[(((size_t)slice * R + r) * TAPS + s) * C + c] = sum[s];
}

__kernel void conv2d_depthwise_gpu_sum(__global const float *restrict part,
                                       __global float *restrict dw, int slices, int C, int taps)
{
    const int c = get_global_id(0), t = get_global_id(1);
    if (c >= C || t >= taps)
        return;
    float sum = 0.0f;
    for (int i = 0; i < slices; i++)
        sum += part[((size_t)i * taps + t) * C + c];
    dw[(size_t)c * taps + t] = sum;
}
