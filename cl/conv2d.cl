/* Convolution for any shape and any device, and the gradient of the bias.
 *
 *   y[n, oh, ow, k] = bias[k] + sum_{r, s, c} x[n, ih, iw, c] * w[k, c, r, s]
 *   ih = oh * h_stride - h_pad + r * h_dilation,   iw likewise; x is 0 outside the image
 *   filter k of group g = k / kg sees the cg channels from g * cg on
 *   dx[n, ih, iw, c] = sum of dy[n, oh, ow, k] * w[k, c, r, s] over all (oh, ow, k, r, s) that touch it
 *   dw[k, c, r, s]   = sum_{n, oh, ow} dy[n, oh, ow, k] * x[n, ih, iw, c]
 *   dbias[k]         = sum_{n, oh, ow} dy[n, oh, ow, k]
 *
 *   x, dx  [N][H][W][groups * cg]      y, dy  [N][OH][OW][groups * kg]
 *   w, dw  [groups * kg][cg][R][S]     bias   [groups * kg]
 * After forward's sum comes what common/epilogue.h says.
 *
 *   part   [slices][K]                 sums of the slices of dy's pixels
 *
 * conv2d_plain_*: one work-item computes one element of the result; the sum runs in the order of
 * the formula.  Global sizes: forward (OW * K, N * OH), data (W * C, N * H), filter
 * (cg * R * S, K).
 * conv2d_bias_part: one work-item sums one slice of pixels for VEC neighbouring k; global size
 * (K / VEC, slices).  conv2d_bias_sum: one work-item a k; global size (K).
 */
#define V 1
#include "common/epilogue.h"

#ifndef VEC
#define VEC 1 /* 16: explicit vectors; K must be a multiple of VEC */
#endif

__kernel void conv2d_plain_forward(__global const float *restrict x,
                                   __global const float *restrict w,
                                   __global const float *restrict bias, __global float *restrict y,
                                   __global const float *restrict norm,
                                   __global const float *restrict residual, int steps,
                                   int has_bias, int N, int H, int W, int cg, int OH, int OW, int kg,
                                   int groups, int R, int S, int h_stride, int h_pad,
                                   int h_dilation, int w_stride, int w_pad, int w_dilation)
{
    const int C = groups * cg, K = groups * kg;
    const int ow = get_global_id(0) / K, k = get_global_id(0) % K;
    const int n = get_global_id(1) / OH, oh = get_global_id(1) % OH;
    if (ow >= OW || n >= N)
        return;
    float sum = has_bias ? bias[k] : 0.0f;
    for (int r = 0; r < R; r++)
        for (int s = 0; s < S; s++) {
            const int h = oh * h_stride - h_pad + r * h_dilation;
            const int v = ow * w_stride - w_pad + s * w_dilation;
            if (h < 0 || h >= H || v < 0 || v >= W)
                continue;
            __global const float *a = x + (((size_t)n * H + h) * W + v) * C + k / kg * cg;
            __global const float *b = w + ((size_t)k * cg * R + r) * S + s;
            for (int c = 0; c < cg; c++)
                sum = fma(a[c], b[(size_t)c * R * S], sum);
        }
    const size_t to = (((size_t)n * OH + oh) * OW + ow) * K + k;
    y[to] = finish_lanes(sum, steps, norm, K, k, residual, y, to, 1);
}

__kernel void conv2d_plain_data(__global const float *restrict dy, __global const float *restrict w,
                                __global float *restrict dx, int N, int H, int W, int cg, int OH,
                                int OW, int kg, int groups, int R, int S, int h_stride, int h_pad,
                                int h_dilation, int w_stride, int w_pad, int w_dilation)
{
    const int C = groups * cg, K = groups * kg;
    const int v = get_global_id(0) / C, channel = get_global_id(0) % C;
    const int n = get_global_id(1) / H, h = get_global_id(1) % H;
    if (v >= W || n >= N)
        return;
    const int k0 = channel / cg * kg, c = channel % cg;
    float sum = 0.0f;
    for (int r = 0; r < R; r++)
        for (int s = 0; s < S; s++) {
            const int top = h + h_pad - r * h_dilation, left = v + w_pad - s * w_dilation;
            if (top < 0 || left < 0 || top % h_stride || left % w_stride ||
                top / h_stride >= OH || left / w_stride >= OW)
                continue;
            __global const float *a =
                dy + (((size_t)n * OH + top / h_stride) * OW + left / w_stride) * K + k0;
            __global const float *b = w + (((size_t)k0 * cg + c) * R + r) * S + s;
            for (int k = 0; k < kg; k++)
                sum = fma(a[k], b[(size_t)k * cg * R * S], sum);
        }
    dx[(((size_t)n * H + h) * W + v) * C + channel] = sum;
}

__kernel void conv2d_plain_filter(__global const float *restrict x,
                                  __global const float *restrict dy, __global float *restrict dw,
                                  int N, int H, int W, int cg, int OH, int OW, int kg, int groups,
                                  int R, int S, int h_stride, int h_pad, int h_dilation,
                                  int w_stride, int w_pad, int w_dilation)
{
    const int C = groups * cg, K = groups * kg;
    const int e = get_global_id(0), k = get_global_id(1);
    if (e >= cg * R * S || k >= K)
        return;
    const int c = e / (R * S), r = e / S % R, s = e % S;
    float sum = 0.0f;
    for (int n = 0; n < N; n++)
        for (int oh = 0; oh < OH; oh++) {
            const int h = oh * h_stride - h_pad + r * h_dilation;
            if (h < 0 || h >= H)
                continue;
            for (int ow = 0; ow < OW; ow++) {
                const int v = ow * w_stride - w_pad + s * w_dilation;
                if (v >= 0 && v < W)
                    sum = fma(dy[(((size_t)n * OH + oh) * OW + ow) * K + k],
                              x[(((size_t)n * H + h) * W + v) * C + k / kg * cg + c], sum);
            }
        }
    dw[(size_t)k * cg * R * S + e] = sum;
}

__kernel void conv2d_bias_part(__global const float *restrict dy, __global float *restrict part,
                               int pixels, int slices, int K)
{
    const int k = get_global_id(0), slice = get_global_id(1);
    if (k >= K / VEC || slice >= slices)
        return;
    const int count = (pixels + slices - 1) / slices;
    const int end = min(pixels, (slice + 1) * count);
#if VEC == 16
    float16 sum = (float16)(0.0f);
    for (int p = slice * count; p < end; p++)
        sum += vload16(k, dy + (size_t)p * K);
    store16(sum, part + (size_t)slice * K + 16 * k);
#else
    float sum = 0.0f;
    for (int p = slice * count; p < end; p++)
        sum += dy[(size_t)p * K + k];
    part[(size_t)slice * K + k] = sum;
#endif
}

__kernel void conv2d_bias_sum(__global const float *restrict part, __global float *restrict dbias,
                              int slices, int K)
{
    const int k = get_global_id(0);
    if (k >= K)
        return;
    float sum = 0.0f;
    for (int s = 0; s < slices; s++)
        sum += part[(size_t)s * K + k];
    dbias[k] = sum;
}
