/* Convolution on a GPU: forward, and the gradient of the input, as a matrix product whose left
 * matrix is never written down ("implicit GEMM"), with tiles in local memory.
 *
 *   y[p, k] = bias[k] + sum_m X[p, m] * F[m, k],    m = (tap, d), p an output pixel of one class
 *
 * The formula, the classes, the arguments and the buffers x, u, y, norm and residual are those of
 * conv2d/tile.cl; panels of u are TILE = 4 * SIDE wide.
 *
 * Launch: global size (ceil(N * QH * QW / TILE) * SIDE * SIDE, panels), local size (SIDE * SIDE, 1).
 * One work-group: TILE pixels x TILE output channels, STEP terms of the sum at a time.  One
 * work-item: 4 x 4 of them.  Every work-item reaches every barrier.
 */
#define V 1
#include "common/epilogue.h"

#ifndef SIDE
#define SIDE 16 /* a group is SIDE x SIDE work-items: 16 or 8 */
#endif
#define TILE (4 * SIDE)
#define GROUP (SIDE * SIDE)
#define STEP 16

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
conv2d_local(__global const float *restrict x, __global const float *restrict u,
             __global float *restrict y, __global const float *restrict norm,
             __global const float *restrict residual, int steps, int N, int QH, int QW, int zeros,
             int panels, int blocks, int depth, int width, int S, int taps, int IH, int IW,
             int x_channels, int OH, int OW, int y_channels, int h_mul, int h_first, int h_step, int r_first, int r_step, int nr,
             int h_class, int h_out, int w_mul, int w_first, int w_step, int s_first, int s_step,
             int ns, int w_class, int w_out)
{
    __local float xs[STEP][TILE], fs[STEP][TILE];
    /* Of each of the STEP terms: the tap's shift, the channel (-1 past the end), the panel's row. */
    __local int term_h[STEP], term_w[STEP], term_d[STEP], term_row[STEP];
    const int lid = get_local_id(0), tx = lid % SIDE, ty = lid / SIDE;
    const int p0 = (int)get_group_id(0) * TILE, panel = get_group_id(1);
    const int pixels = N * QH * QW, terms = nr * ns * depth;
    __global const float *xg = x + panel / blocks * depth;
    __global const float *f = u + zeros + panels * TILE + (size_t)panel * taps * depth * TILE;

    /* The pixels that this work-item loads: lid / STEP + i * (GROUP / STEP). */
    int ih[TILE * STEP / GROUP], iw[TILE * STEP / GROUP];
    size_t image[TILE * STEP / GROUP];
    for (int i = 0; i < TILE * STEP / GROUP; i++) {
        const int p = min(p0 + lid / STEP + i * (GROUP / STEP), pixels - 1);
        const int q = p % (QH * QW);
        ih[i] = q / QW * h_mul + h_first;
        iw[i] = q % QW * w_mul + w_first;
        image[i] = (size_t)(p / (QH * QW)) * IH * IW;
    }
    float4 acc[4];
    for (int i = 0; i < 4; i++)
        acc[i] = vload4(tx, u + zeros + panel * TILE);
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
        const int xm = lid % STEP, xd = term_d[xm];
        for (int i = 0; i < TILE * STEP / GROUP; i++) {
            const int h = ih[i] + term_h[xm], w = iw[i] + term_w[xm];
            const int inside = xd >= 0 && (uint)h < (uint)IH && (uint)w < (uint)IW;
            xs[xm][lid / STEP + i * (GROUP / STEP)] =
                inside ? xg[(image[i] + (size_t)h * IW + w) * x_channels + xd] : 0.0f;
        }
        for (int i = lid; i < STEP * TILE; i += GROUP) {
            const int m = i / TILE;
            fs[m][i % TILE] = term_d[m] >= 0 ? f[(size_t)term_row[m] * TILE + i % TILE] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
        for (int m = 0; m < STEP; m++) {
            const float4 fv = vload4(tx, fs[m]);
#pragma unroll
            for (int i = 0; i < 4; i++)
                acc[i] = fma((float4)(xs[m][ty + i * SIDE]), fv, acc[i]);
        }
    }
    const int k0 = panel % blocks * TILE + 4 * tx;
    for (int i = 0; i < 4; i++) {
        const int p = p0 + ty + i * SIDE, q = p % (QH * QW);
        if (p < pixels) {
            const int k_first = panel / blocks * width + k0;
            const size_t to =
                (((size_t)(p / (QH * QW)) * OH + h_class + h_out * (q / QW)) * OW + w_class +
                 w_out * (q % QW)) * y_channels + k_first;
            const float lane[4] = {acc[i].x, acc[i].y, acc[i].z, acc[i].w};
            for (int j = 0; j < 4; j++)
                if (k0 + j < width)
                    y[to + j] = finish_lanes(lane[j], steps, norm, y_channels, k_first + j,
                                             residual, y, to + j, 1);
        }
    }
}
