/* Convolution on a CPU device where every channel is a group of its own.
 *
 *   y[n, oh, ow, c]  = bias[c] + sum_{r, s} x[n, ih, iw, c] * w[c, r, s]
 *   ih = oh * h_stride - h_pad + r * h_dilation,   iw likewise; x is 0 outside the image
 *   dx[n, ih, iw, c] = sum of dy[n, oh, ow, c] * w[c, r, s] over all (oh, ow, r, s) that touch it
 *   dw[c, r, s]      = sum_{n, oh, ow} dy[n, oh, ow, c] * x[n, ih, iw, c]
 *
 *   x, dx [N][H][W][C]   y, dy [N][OH][OW][C]   w, dw [C][R*S]   bias [C]
 *   f     [1 + R*S][CP]      bias, then the taps; CP: C rounded up to whole vectors
 *   part  [slices][R*S][CP]  sums of the slices of dy's rows
 *
 * conv2d_depthwise_pack: global size (CP / 16).  One work-item: all of f for 16 channels.
 * conv2d_depthwise: forward, or with `data` 1 the gradient of the input, whose `from` is dy.
 * Global size (ceil(C / run), N * rows of the result).  One work-item: `run` channels of one row;
 * for each pixel it lists the taps that meet the source, then sums them for 16 channels at a time.
 * What follows forward's sum: common/epilogue.h.
 * conv2d_depthwise_filter: global size (CP / 16, slices).  One work-item: 16 channels, all taps, of
 * `slice_rows` rows.  conv2d_depthwise_sum: global size (CP / 16); adds the slices in order.
 */
#define V 16
#include "common/epilogue.h"

#define MOST_TAPS 64
#define WIDE 4 /* pixels summed side by side, where all taps lie inside */

__kernel void conv2d_depthwise_pack(__global const float *restrict w,
                                    __global const float *restrict bias, __global float *restrict f,
                                    int has_bias, int C, int taps)
{
    const int c = (int)get_global_id(0) * 16, CP = (C + 15) / 16 * 16;
    if (c >= C)
        return;
    for (int t = -1; t < taps; t++) {
        float lane[16];
        for (int i = 0; i < 16; i++)
            lane[i] = c + i >= C ? 0.0f
                      : t >= 0   ? w[(size_t)(c + i) * taps + t]
                                 : (has_bias ? bias[c + i] : 0.0f);
        store16(vload16(0, lane), f + (size_t)(t + 1) * CP + c);
    }
}

/* The source position that result position o meets through a tap, or -1. */
int conv2d_meets(int data, int o, int tap, int stride, int pad, int dilation, int size)
{
    const int at = data ? o + pad - tap * dilation : o * stride - pad + tap * dilation;
    if (!data)
        return at >= 0 && at < size ? at : -1;
    return at >= 0 && at % stride == 0 && at / stride < size ? at / stride : -1;
}

__kernel void conv2d_depthwise(__global const float *restrict from,
                               __global const float *restrict f, __global float *to,
                               __global const float *restrict norm,
                               __global const float *restrict residual, int steps, int data,
                               int run, int N, int C, int IH, int IW, int OH, int OW, int R, int S,
                               int h_stride, int h_pad, int h_dilation, int w_stride, int w_pad,
                               int w_dilation)
{
    const int c_first = (int)get_global_id(0) * run, row = get_global_id(1);
    if (c_first >= C || row >= N * OH)
        return;
    const int c_end = min(c_first + run, C), CP = (C + 15) / 16 * 16, n = row / OH;
    /* how far the source moves with the result; forward always, else where the stride is 1 */
    const size_t step = data ? C : (size_t)w_stride * C;
    const int moves = !data || w_stride == 1, last = S - 1;
    for (int w = 0, width; w < OW; w += width) {
        size_t at[MOST_TAPS];
        int tap[MOST_TAPS], count = 0;
        for (int r = 0; r < R; r++) {
            const int h = conv2d_meets(data, row % OH, r, h_stride, h_pad, h_dilation, IH);
            for (int s = 0; s < S && h >= 0; s++) {
                const int v = conv2d_meets(data, w, s, w_stride, w_pad, w_dilation, IW);
                if (v >= 0) {
                    at[count] = (((size_t)n * IH + h) * IW + v) * C;
                    tap[count++] = (1 + r * S + s) * CP;
                }
            }
        }
        const size_t pixel = ((size_t)row * OW + w) * C;
        /* the outer taps of the first and the last pixel lie inside: so do all between them */
        width = moves && w + WIDE <= OW &&
                        conv2d_meets(data, w, 0, w_stride, w_pad, w_dilation, IW) >= 0 &&
                        conv2d_meets(data, w, last, w_stride, w_pad, w_dilation, IW) >= 0 &&
                        conv2d_meets(data, w + WIDE - 1, 0, w_stride, w_pad, w_dilation, IW) >= 0 &&
                        conv2d_meets(data, w + WIDE - 1, last, w_stride, w_pad, w_dilation, IW) >= 0
                    ? WIDE
                    : 1;
        for (int c = c_first; c < c_end; c += 16) {
            const int valid = C - c;
            lanes sum[WIDE];
#pragma unroll
            for (int j = 0; j < WIDE; j++)
                sum[j] = vload16(0, f + c);
            if (width == WIDE) {
                for (int i = 0; i < count; i++) {
                    const lanes filter = vload16(0, f + tap[i] + c);
#pragma unroll
                    for (int j = 0; j < WIDE; j++)
                        sum[j] = fma(load_lanes(from + at[i] + j * step + c, valid), filter,
                                     sum[j]);
                }
            } else {
                for (int i = 0; i < count; i++)
                    sum[0] = fma(load_lanes(from + at[i] + c, valid), vload16(0, f + tap[i] + c),
                                 sum[0]);
            }
#pragma unroll
            for (int j = 0; j < WIDE; j++)
                if (j < width) {
                    const size_t here = pixel + j * (size_t)C + c;
                    sum[j] = finish_lanes(sum[j], steps, norm, C, c, residual, to, here, valid);
                    store_lanes(sum[j], to + here, valid);
                }
        }
    }
}

__kernel void conv2d_depthwise_filter(__global const float *restrict x,
                                      __global const float *restrict dy,
                                      __global float *restrict part, int slice_rows, int N, int C,
                                      int H, int W, int OH, int OW, int R, int S, int h_stride,
                                      int h_pad, int h_dilation, int w_stride, int w_pad,
                                      int w_dilation)
{
    const int c = (int)get_global_id(0) * 16, CP = (C + 15) / 16 * 16, taps = R * S;
    const int row_first = (int)get_global_id(1) * slice_rows;
    if (c >= C || row_first >= N * OH)
        return;
    const int row_end = min(row_first + slice_rows, N * OH);
    lanes sums[MOST_TAPS];
    for (int t = 0; t < taps; t++)
        sums[t] = 0.0f;
    for (int row = row_first; row < row_end; row++)
        for (int t = 0; t < taps; t++) {
            const int h = row % OH * h_stride - h_pad + t / S * h_dilation;
            const int first = t % S * w_dilation - w_pad; /* inside: 0 <= ow * stride + first < W */
            const int w0 = first >= 0 ? 0 : (-first + w_stride - 1) / w_stride;
            const int w1 = first >= W ? 0 : min(OW, (W - 1 - first) / w_stride + 1);
            if (h < 0 || h >= H || w0 >= w1)
                continue;
            __global const float *a =
                x + (((size_t)(row / OH) * H + h) * W + w0 * w_stride + first) * C + c;
            __global const float *b = dy + ((size_t)row * OW + w0) * C + c;
            lanes sum = sums[t], odd = 0.0f;
            int w = w0;
            for (; w + 2 <= w1; w += 2, a += 2 * w_stride * C, b += 2 * C) {
                sum = fma(load_lanes(a, C - c), load_lanes(b, C - c), sum);
                odd = fma(load_lanes(a + w_stride * C, C - c), load_lanes(b + C, C - c), odd);
            }
            if (w < w1)
                sum = fma(load_lanes(a, C - c), load_lanes(b, C - c), sum);
            sums[t] = sum + odd;
        }
    for (int t = 0; t < taps; t++)
        store16(sums[t], part + ((size_t)get_global_id(1) * taps + t) * CP + c);
}

__kernel void conv2d_depthwise_sum(__global const float *restrict part, __global float *restrict dw,
                                   int slices, int C, int taps)
{
    const int c = (int)get_global_id(0) * 16, CP = (C + 15) / 16 * 16;
    if (c >= C)
        return;
    for (int t = 0; t < taps; t++) {
        lanes sum = 0.0f;
        for (int i = 0; i < slices; i++)
            sum += vload16(0, part + ((size_t)i * taps + t) * CP + c);
        float lane[16];
        vstore16(sum, 0, lane);
        for (int i = 0; i < 16 && c + i < C; i++)
            dw[(size_t)(c + i) * taps + t] = lane[i];
    }
}
