/* Convolution on a GPU: forward, and the gradient of the input, as a matrix product whose left
 * matrix is never written down ("implicit GEMM"), with tiles in local memory.
 *
 *   y[p, k] = bias[k] + sum_m X[p, m] * F[m, k],    m = (tap, d), p an output pixel of one class
 *
 * The formula, the classes, the arguments from N on and the buffers x, u, y (rows 1), norm and
 * residual are those of conv2d/tile.cl; panels of u are TILE wide, of cells of common/product.h.
 *
 * Launch: global size (ceil(N * QH * QW / TILE) * GROUP, panels), local size (GROUP, 1).  One
 * work-group: TILE pixels x TILE output channels (common/product.h).  Every work-item reaches every
 * barrier.  LOAD values of a pixel are read at a time; where that is 4, as it is with HALF, depth
 * and x_channels are multiples of 4.  The first `zeros` of u are not read, but for u[0] with RAISE.
 */
#define V 1
#include "common/epilogue.h"
#include "common/held.h"
#include "common/raise.h"

#ifndef RAISE
#define RAISE 0 /* 1: HALF, and x is a gradient that common/raise.h speaks of; u[0] is its amax */
#endif
#ifndef LOAD
#define LOAD 1 /* 1 or 4 */
#endif
#define LOADERS (STEP / LOAD)     /* work-items that read the STEP terms of a pixel */
#define LOADED (GROUP / LOADERS) /* pixels read side by side */

__kernel __attribute__((HELD_GROUP)) void
conv2d_local(__global const float *restrict x, __global const float *restrict u,
             __global float *restrict y, __global const float *restrict norm,
             __global const float *restrict residual, int steps, int N, int QH, int QW, int zeros,
             int panels, int blocks, int depth, int width, int S, int taps, int IH, int IW,
             int x_channels, int OH, int OW, int y_channels, int h_mul, int h_first, int h_step,
             int r_first, int r_step, int nr,
             int h_class, int h_out, int w_mul, int w_first, int w_step, int s_first, int s_step,
             int ns, int w_class, int w_out)
{
    __local product_cell xs[DEPTH][PITCH], fs[DEPTH][PITCH];
    /* Of each of the STEP terms: the tap's shift, the channel (-1 past the end), the panel's row. */
    __local int term_h[STEP], term_w[STEP], term_d[STEP], term_row[STEP];
    __local uint exchange[EXCHANGE];
    const int lid = get_local_id(0);
    const int p0 = (int)get_group_id(0) * TILE, panel = get_group_id(1);
    const int pixels = N * QH * QW, terms = nr * ns * depth;
    __global const float *xg = x + panel / blocks * depth;
    __global const product_cell *f = (__global const product_cell *)(u + zeros + panels * TILE) +
                                     (size_t)panel * taps * depth / PACKED * ROW;

    /* The pixels that this work-item loads: lid / LOADERS + i * LOADED. */
    int ih[TILE / LOADED], iw[TILE / LOADED], image[TILE / LOADED];
#pragma unroll
    for (int i = 0; i < TILE / LOADED; i++) {
        const int p = min(p0 + lid / LOADERS + i * LOADED, pixels - 1), q = p % (QH * QW);
        ih[i] = q / QW * h_mul + h_first;
        iw[i] = q % QW * w_mul + w_first;
        image[i] = p / (QH * QW) * IH * IW;
    }
    const float up = RAISE ? raise_factor(u[0]) : 1.0f, down = RAISE ? lower_factor(u[0]) : 1.0f;
    float4 acc[HELD_ROWS][HELD_RUNS];
    held_begin(acc, u + zeros + panel * TILE, lid);
    int d = lid, a = 0, b = 0; /* this work-item's term, where lid < STEP */
    for (int m0 = 0; m0 < terms; m0 += STEP) {
        if (lid < STEP) {
            for (; d >= depth; d -= depth)
                if (++b == ns) {
                    b = 0;
                    a++;
                }
            term_h[lid] = a * h_step;
            term_w[lid] = b * w_step;
            term_d[lid] = m0 + lid < terms ? d : -1;
            term_row[lid] = ((r_first + a * r_step) * S + s_first + b * s_step) * depth + d;
            d += STEP;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        const int xm = lid % LOADERS * LOAD, xd = term_d[xm], xh = term_h[xm], xw = term_w[xm];
#pragma unroll
        for (int i = 0; i < TILE / LOADED; i++) {
            const int h = ih[i] + xh, w = iw[i] + xw, r = lid / LOADERS + i * LOADED;
            const int inside = xd >= 0 && (uint)h < (uint)IH && (uint)w < (uint)IW;
            __global const float *from =
                xg + (inside ? (size_t)(image[i] + h * IW + w) * x_channels + xd : 0);
#if LOAD == 4
            product_put(xs, xm, r, inside ? *(__global const float4 *)from * up : (float4)(0.0f));
#else
            ((__local float *)xs[xm])[r] = inside ? *from * up : 0.0f;
#endif
        }
        for (int e = lid; e < DEPTH * ROW; e += GROUP) {
            const int m = e / ROW, k = e % ROW, term = m * PACKED;
            fs[m][k] = term_d[term] >= 0 ? f[(size_t)(term_row[term] / PACKED) * ROW + k]
                                         : (product_cell)(0);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        held_add(xs, fs, lid, acc, exchange);
    }
    float4 sums[HELD_ROWS][HELD_RUNS];
    held_unpack(acc, sums);
    for (int i = 0; i < HELD_ROWS; i++) {
        const int p = p0 + held_row(lid, i), q = p % (QH * QW);
        const int h = h_class + h_out * (q / QW), w = w_class + w_out * (q % QW);
        const size_t pixel = ((size_t)(p / (QH * QW)) * OH + h) * OW + w;
        for (int j = 0; j < HELD_RUNS && p < pixels; j++) {
            const int k = panel % blocks * TILE + held_column(lid, j);
            const int k_first = panel / blocks * width + k, valid = min(4, width - k);
            const size_t to = pixel * y_channels + k_first;
            float lane[4] = {sums[i][j].x, sums[i][j].y, sums[i][j].z, sums[i][j].w};
            for (int l = 0; l < valid; l++)
                lane[l] = finish_lanes(lane[l] * down, steps, norm, y_channels, k_first + l,
                                       residual, y, to + l, 1);
            product_store(lane, valid, y + to, to % 4 == 0);
        }
    }
}
