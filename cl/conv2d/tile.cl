/* Convolution on a CPU device: forward, and the gradient of the input, as one sum over taps.
 *
 *   y[n, oh, ow, k] = bias[k] + sum_{i < nr, j < ns, d} x[n, ih, iw, d] * f[k, r, s, d]
 *   for the output pixels of one class,   oh = h_class + h_out * qh,  0 <= qh < QH
 *   where                                 ih = h_mul * qh + h_first + h_step * i
 *                                         r  = r_first + r_step * i
 *   and likewise along the width; pixels of x outside the image are 0.
 *
 * Forward is one class: h_class 0, h_out 1, h_mul the stride, h_first -pad, h_step the dilation.
 * For the gradient of the input x is the gradient of the output, f the filters with k and c
 * exchanged, and the pixels of each remainder modulo the stride are a class: they share the taps
 * that reach them, so no product is wasted.  A class without taps writes 0.
 *
 *   x  [N][IH][IW][x_channels]   the group's channels from group * depth on
 *   u  zeros, bias and panels as conv2d/pack.cl leaves them: panel [R*S][depth][KB]
 *   y  [N][OH][rows][OW][y_channels / rows]   the group's channels from group * width on; rows is 1
 *      but for merged classes, see conv2d_pack_merged
 *   norm, residual, steps        what follows the sum: common/epilogue.h; residual is like y
 *
 * Pixels are numbered with the image slowest (major 0), or fastest (major 1): then all pixels of a
 * tile see the same border, and taps outside the image are skipped for the whole tile.  `inside`
 * says that no tap falls outside.  `stream` 1: y is too large for the caches, so it is written
 * around them; only where all channels are whole vectors.
 *
 * Launch: global size (panels, ceil(N * QH * QW / (MR * run))), local size 1.  One work-item: `run`
 * tiles of MR pixels x KB output channels, each in registers; the panel and the tiles' part of x
 * stay in a core's cache while neighbouring work-items go over all panels.
 */
#define V 16
#include "common/soon.h"
#include "common/epilogue.h"
#include "common/stream.h"

#ifndef MR
#define MR 6 /* pixels of a tile */
#endif
#ifndef NV
#define NV 4 /* float16 vectors of a tile: MR * NV accumulators */
#endif
#define KB (16 * NV)

/* The pixel after (n, qh, qw). */
void conv2d_next(int major, int N, int QH, int QW, int *n, int *qh, int *qw)
{
    const int next = major ? ++*n == N : 1; /* the next position of an image */
    *n = major && next ? 0 : *n;
    *qw += next;
    *qh += *qw == QW;
    *qw = *qw == QW ? 0 : *qw;
    *n += *qh == QH;
    *qh = *qh == QH ? 0 : *qh;
}

/* Adds one tap, a panel's rows from `row` on, to a tile.  Meanwhile the next tile's pixels are
 * asked for, from `soon` on and `pixel_step` apart: each step takes MR floats of them. */
__attribute__((always_inline)) void conv2d_tile_tap(__global const float *const *from,
                                                    __global const float *row, int depth,
                                                    __global const float *soon, int pixel_step,
                                                    float16 (*acc)[NV])
{
    int left = depth;
#pragma unroll 1
    for (int d = 0; d < depth; d++) {
        limn_soon(soon);
        left -= MR;
        soon += left > 0 ? MR : MR + pixel_step - depth;
        left += left > 0 ? 0 : depth;
        float16 fv[NV];
#pragma unroll
        for (int j = 0; j < NV; j++)
            fv[j] = vload16(j, row + (size_t)d * KB);
#pragma unroll
        for (int i = 0; i < MR; i++) {
            const float16 xv = (float16)(from[i][d]);
#pragma unroll
            for (int j = 0; j < NV; j++)
                acc[i][j] = fma(xv, fv[j], acc[i][j]);
        }
    }
}

/* Finishes `count` pixels of a tile and writes them, channels from k on, of which `valid` are left.
 */
__attribute__((always_inline)) void
conv2d_tile_finish(const float16 (*acc)[NV], const size_t *to, int k, int valid, int count,
                   __global float *y, __global const float *norm, __global const float *residual,
                   int steps, int stream, int rows, int row_channels, int OW, int y_channels)
{
    if (rows == 1 && valid >= KB && count == MR) {
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int j = 0; j < NV; j++) {
                const size_t at = to[i] + k + 16 * j;
                const lanes v = finish_lanes(acc[i][j], steps, norm, y_channels, k + 16 * j,
                                             residual, y, at, 16);
                stream_lanes(v, stream, y + at, 16);
            }
        return;
    }
    lanes rest[MR * NV]; /* a copy, so that acc itself stays in registers */
#pragma unroll
    for (int i = 0; i < MR; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            rest[i * NV + j] = acc[i][j];
    if (rows > 1) { /* one panel, no steps */
        const float *from = (const float *)rest;
        for (int i = 0; i < count; i++)
            for (int a = 0; a < rows; a++)
                for (int b = 0; b < row_channels; b++)
                    y[to[i] + a * OW * row_channels + b] = from[i * KB + a * row_channels + b];
        return;
    }
#pragma unroll 1
    for (int l = 0; l < count * NV; l++) {
        const int lane = l % NV * 16;
        const size_t at = to[l / NV] + k + lane;
        store_lanes(
            finish_lanes(rest[l], steps, norm, y_channels, k + lane, residual, y, at, valid - lane),
            y + at, valid - lane);
    }
}

__kernel void conv2d_tile(__global const float *restrict x, __global const float *restrict u,
                          __global float *restrict y, __global const float *restrict norm,
                          __global const float *restrict residual, int steps, int major, int inside,
                          int stream, int run, int rows, int N, int QH, int QW, int zeros,
                          int panels, int blocks, int depth, int width, int S, int taps, int IH,
                          int IW, int x_channels, int OH, int OW, int y_channels, int h_mul,
                          int h_first, int h_step, int r_first, int r_step, int nr, int h_class,
                          int h_out, int w_mul, int w_first, int w_step, int s_first, int s_step,
                          int ns, int w_class, int w_out)
{
    const int panel = get_global_id(0), group = panel / blocks, k0 = panel % blocks * KB;
    const int p_first = (int)get_global_id(1) * (MR * run), pixels = N * QH * QW;
    const int p_end = min(p_first + MR * run, pixels);
    if (p_first >= pixels || panel >= panels)
        return;
    __global const float *xg = x + group * depth;
    __global const float *f = u + zeros + panels * KB + (size_t)panel * taps * depth * KB;
    const int first = major ? p_first / N : p_first % (QH * QW);
    const int row_channels = y_channels / rows;
    const int pixel_step = (major ? IH * IW : w_mul) * x_channels;
    int n = major ? p_first % N : p_first / (QH * QW), qh = first / QW, qw = first % QW;
    for (int p0 = p_first; p0 < p_end; p0 += MR) {
        int ih[MR], iw[MR];
        size_t image[MR], to[MR];
#pragma unroll
        for (int i = 0; i < MR; i++) {
            ih[i] = qh * h_mul + h_first;
            iw[i] = qw * w_mul + w_first;
            image[i] = (size_t)n * IH * IW * x_channels;
            to[i] = (((size_t)n * OH + h_class + h_out * qh) * OW * rows + w_class + w_out * qw) *
                    row_channels;
            if (p0 + i + 1 < pixels) /* the last pixel stands in for those past the end */
                conv2d_next(major, N, QH, QW, &n, &qh, &qw);
        }
        float16 acc[MR][NV];
        if (!stream && width - k0 >= KB)
#pragma unroll
            for (int i = 0; i < MR; i++)
#pragma unroll
                for (int j = 0; j < NV; j++)
                    limn_soon_written(y + to[i] + group * width + k0 + 16 * j);
#pragma unroll
        for (int i = 0; i < MR; i++)
#pragma unroll
            for (int j = 0; j < NV; j++)
                acc[i][j] = vload16(j, u + zeros + panel * KB);
        for (int a = 0; a < nr; a++)
            for (int b = 0; b < ns; b++) {
                __global const float *from[MR];
                int any = inside;
#pragma unroll
                for (int i = 0; i < MR; i++) {
                    const int h = ih[i] + a * h_step, w = iw[i] + b * w_step;
                    const int within = inside || ((uint)h < (uint)IH && (uint)w < (uint)IW);
                    from[i] = within ? xg + image[i] + (size_t)(h * IW + w) * x_channels : u;
                    any |= within;
                }
                if (!any)
                    continue;
                __global const float *row =
                    f + (size_t)((r_first + a * r_step) * S + s_first + b * s_step) * depth * KB;
                __global const float *soon =
                    xg + (((size_t)n * IH + qh * h_mul + h_first + a * h_step) * IW + qw * w_mul +
                          w_first + b * w_step) *
                             x_channels;
                conv2d_tile_tap(from, row, depth, soon, pixel_step, acc);
            }
        conv2d_tile_finish(acc, to, group * width + k0, width - k0, min(MR, pixels - p0), y, norm,
                           residual, steps, stream, rows, row_channels, OW, y_channels);
    }
}
