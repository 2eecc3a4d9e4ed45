/* 3x3 convolution of stride 1 on a GPU by Winograd's F(4x4, 3x3) or F(2x2, 3x3), and its gradients.
 *
 *   y tile [O][O]  = A^T [ sum_c (G f[k, c] G^T) * (B^T x tile[c] B) ] A
 *   dw[k, c]       = C^T [ sum_tiles (H dy tile[k] H^T) * (B^T x tile[c] B) ] C
 *
 * O is OUTPUTS, 4 or 2, with the transforms of common/winograd.h or common/winograd_2.h; P is their
 * POINTS, 36 or 16.  Tiles are O x O outputs everywhere, image after image, row after row; what
 * lies outside an image is 0, and is not written.  Channels are innermost everywhere, so that
 * neighbouring work-items read and write neighbouring values.
 *
 *   x, y  [N][H][W][channels]        w, dw  [K][C][9]
 *   u     [bias of KP][P][DP][KP]    transformed filters, 0 past the last channels
 *   work  v, m, g and sums; u may lie before them in the same buffer
 *   v     [P][T][DP]                 transformed x, T tiles at a time
 *   m     [P][T][KM]                 products of v and u
 *   g     [P][T][KP]                 transformed dy
 *   sums  [slices][P][DP][KP]        products of v and g
 *
 * KP is a multiple of TILE, DP and KM of 16, T of TILE; DP of TILE too where it counts rows of a
 * product.  What lies past the last channel of v and g and past the last tile is written as 0.
 * Places in work count floats, for the product vectors of four.
 *
 * For the gradient of the input x is dy, y is dx, and the filters are turned by half a circle.
 * What follows forward's sum: common/epilogue.h.
 *
 * Global sizes: filters (DP * KP), input (T * DP), gradient (T * KP), output (tiles * KM), taps
 * (C * KP): one work-item a channel, or pair of channels, of all P.  product (rows / TILE * GROUP,
 * KP / TILE, slices * P), local size (GROUP, 1, 1): every work-item reaches every barrier.
 */
#define V 1
#ifndef OUTPUTS
#define OUTPUTS 4
#endif
#ifndef SIDE
#define SIDE 8
#endif
#ifndef EACH
#define EACH 8
#endif
#include "common/epilogue.h"
#include "common/product.h"
#if OUTPUTS == 2
#include "common/winograd_2.h"
#else
#include "common/winograd.h"
#endif

#define POINTS (WINO_SIDE * WINO_SIDE)

__kernel void conv2d_winograd_gpu_filters(__global const float *restrict w,
                                          __global const float *restrict bias,
                                          __global float *restrict u, int has_bias, int u_plane,
                                          int depth, int width, int DP, int KP, int turned)
{
    const int item = get_global_id(0), k = item % KP, d = item / KP;
    if (d >= DP)
        return;
    if (d == 0)
        u[k] = has_bias && k < width ? bias[k] : 0.0f;
    const int given = d < depth && k < width;
    __global const float *f = w + (!given   ? 0
                                   : turned ? ((size_t)d * width + k) * 9
                                            : ((size_t)k * depth + d) * 9);
    float columns[3][WINO_SIDE];
#pragma unroll
    for (int s = 0; s < 3; s++) {
        float g[3];
#pragma unroll
        for (int r = 0; r < 3; r++)
            g[r] = given ? f[turned ? 8 - 3 * r - s : 3 * r + s] : 0.0f;
        winograd_filter(g, columns[s]);
    }
#pragma unroll
    for (int i = 0; i < WINO_SIDE; i++) {
        const float g[3] = {columns[0][i], columns[1][i], columns[2][i]};
        float o[WINO_SIDE];
        winograd_filter(g, o);
#pragma unroll
        for (int j = 0; j < WINO_SIDE; j++)
            u[KP + (WINO_SIDE * i + j) * u_plane + item] = o[j];
    }
}

__kernel void conv2d_winograd_gpu_input(__global const float *restrict x,
                                        __global float *restrict work, int v_at, int v_plane,
                                        int first, int tiles, int T, int TH, int TW, int H, int W,
                                        int C, int DP, int h_pad, int w_pad)
{
    const int item = get_global_id(0), c = item % DP, t = first + item / DP;
    if (item >= T * DP)
        return;
    const int given = c < C && t < first + tiles;
    const int top = t / TW % TH * OUTPUTS - h_pad, left = t % TW * OUTPUTS - w_pad;
    __global const float *image = x + (given ? (size_t)(t / (TW * TH)) * H * W * C + c : 0);
    float columns[WINO_SIDE][WINO_SIDE];
#pragma unroll
    for (int j = 0; j < WINO_SIDE; j++) {
        float d[WINO_SIDE];
#pragma unroll
        for (int i = 0; i < WINO_SIDE; i++) {
            const int inside = given && (uint)(top + i) < (uint)H && (uint)(left + j) < (uint)W;
            d[i] = inside ? image[((top + i) * W + left + j) * C] : 0.0f;
        }
        winograd_input(d, columns[j], OUTPUTS);
    }
#pragma unroll
    for (int i = 0; i < WINO_SIDE; i++) {
        float d[WINO_SIDE], o[WINO_SIDE];
#pragma unroll
        for (int j = 0; j < WINO_SIDE; j++)
            d[j] = columns[j][i];
        winograd_input(d, o, OUTPUTS);
#pragma unroll
        for (int j = 0; j < WINO_SIDE; j++)
            work[v_at + (WINO_SIDE * i + j) * v_plane + item] = o[j];
    }
}

__kernel void conv2d_winograd_gpu_gradient(__global const float *restrict dy,
                                           __global float *restrict work, int g_at, int g_plane,
                                           int first, int tiles, int T, int TH, int TW, int H,
                                           int W, int K, int KP)
{
    const int item = get_global_id(0), k = item % KP, t = first + item / KP;
    if (item >= T * KP)
        return;
    const int given = k < K && t < first + tiles;
    const int top = t / TW % TH * OUTPUTS, left = t % TW * OUTPUTS;
    __global const float *image = dy + (given ? (size_t)(t / (TW * TH)) * H * W * K + k : 0);
    float columns[OUTPUTS][WINO_SIDE];
#pragma unroll
    for (int j = 0; j < OUTPUTS; j++) {
        float d[OUTPUTS];
#pragma unroll
        for (int i = 0; i < OUTPUTS; i++)
            d[i] =
                given && top + i < H && left + j < W ? image[((top + i) * W + left + j) * K] : 0.0f;
        winograd_gradient(d, columns[j], OUTPUTS);
    }
#pragma unroll
    for (int i = 0; i < WINO_SIDE; i++) {
        float d[OUTPUTS], o[WINO_SIDE];
#pragma unroll
        for (int j = 0; j < OUTPUTS; j++)
            d[j] = columns[j][i];
        winograd_gradient(d, o, OUTPUTS);
#pragma unroll
        for (int j = 0; j < WINO_SIDE; j++)
            work[g_at + (WINO_SIDE * i + j) * g_plane + item] = o[j];
    }
}

/* z[r, k] = sum_m A(m, r) * b[m][k] over the terms of a slice, for each of the points; with add, z
 * +=. A(m, r) is a[r][m], or a[m][r] where ACROSS is defined; a is in work, rows of it a_row apart.
 */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void
conv2d_winograd_gpu_product(__global const float4 *restrict b, __global float4 *work, int b_at,
                            int b_plane, int b_row, int a_at, int a_plane, int a_row, int z_at,
                            int z_plane, int z_row, int terms, int slice_terms, int add)
{
    __local float4 as[STEP][PITCH], bs[STEP][PITCH];
    const int lid = get_local_id(0), tx = lid % SIDE, ty = lid / SIDE;
    const int r0 = (int)get_group_id(0) * TILE, k0 = (int)get_group_id(1) * ROW;
    const int plane = (int)get_group_id(2) % POINTS, slice = (int)get_group_id(2) / POINTS;
    const int end = min(terms, (slice + 1) * slice_terms);
    __global const float4 *af = work + a_at + plane * a_plane,
                          *bf = b + b_at + plane * b_plane + k0;
    __global float4 *z = work + z_at + (slice * POINTS + plane) * z_plane + k0;
    float4 acc[EACH][RUNS];
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < RUNS; j++)
            acc[i][j] =
                add ? z[(r0 + product_place(ty, i)) * z_row + tx + j * SIDE] : (float4)(0.0f);
    for (int m0 = slice * slice_terms; m0 < end; m0 += STEP) {
        for (int e = lid; e < STEP * ROW; e += GROUP) {
            const int m = e / ROW, at = e % ROW;
            bs[m][at] = bf[(m0 + m) * b_row + at];
#ifdef ACROSS
            as[m][at] = af[(m0 + m) * a_row + r0 / 4 + at];
#else
            const int m4 = e % (STEP / 4), r = e / (STEP / 4);
            product_put(as, 4 * m4, r, af[(r0 + r) * a_row + m0 / 4 + m4]);
#endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        product_add(as, bs, tx, ty, acc);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int j = 0; j < RUNS; j++)
            if (k0 + tx + j * SIDE < z_row)
                z[(r0 + product_place(ty, i)) * z_row + tx + j * SIDE] = acc[i][j];
}

__kernel void conv2d_winograd_gpu_output(__global const float *restrict u,
                                         __global const float *restrict work, __global float *y,
                                         __global const float *restrict norm,
                                         __global const float *restrict residual, int steps,
                                         int m_at, int m_plane, int first, int tiles, int TH,
                                         int TW, int H, int W, int K, int KM)
{
    const int item = get_global_id(0), k = item % KM, t = first + item / KM;
    if (t >= first + tiles || k >= K)
        return;
    const int top = t / TW % TH * OUTPUTS, left = t % TW * OUTPUTS;
    float columns[WINO_SIDE][OUTPUTS];
#pragma unroll
    for (int j = 0; j < WINO_SIDE; j++) {
        float d[WINO_SIDE];
#pragma unroll
        for (int i = 0; i < WINO_SIDE; i++)
            d[i] = work[m_at + (WINO_SIDE * i + j) * m_plane + item];
        winograd_output(d, columns[j], OUTPUTS);
    }
    const size_t image = (size_t)(t / (TW * TH)) * H * W * K + k;
    const float bias = u[k];
#pragma unroll
    for (int i = 0; i < OUTPUTS; i++) {
        float d[WINO_SIDE], o[OUTPUTS];
#pragma unroll
        for (int j = 0; j < WINO_SIDE; j++)
            d[j] = columns[j][i];
        winograd_output(d, o, OUTPUTS);
#pragma unroll
        for (int j = 0; j < OUTPUTS; j++)
            if (top + i < H && left + j < W) {
                const size_t at = image + ((top + i) * W + left + j) * K;
                y[at] = finish_lanes(o[j] + bias, steps, norm, K, k, residual, y, at, 1);
            }
    }
}

__kernel void conv2d_winograd_gpu_taps(__global const float *restrict work,
                                       __global float *restrict dw, int sums_at, int sums_plane,
                                       int slices, int C, int K, int KP)
{
    const int item = get_global_id(0), k = item % KP, c = item / KP;
    if (c >= C || k >= K)
        return;
    float columns[WINO_SIDE][3];
#pragma unroll
    for (int j = 0; j < WINO_SIDE; j++) {
        float d[WINO_SIDE];
#pragma unroll
        for (int i = 0; i < WINO_SIDE; i++) {
            d[i] = 0.0f;
            for (int s = 0; s < slices; s++)
                d[i] += work[sums_at + (POINTS * s + WINO_SIDE * i + j) * sums_plane + item];
        }
        winograd_taps(d, columns[j]);
    }
#pragma unroll
    for (int i = 0; i < 3; i++) {
        float d[WINO_SIDE], o[3];
#pragma unroll
        for (int j = 0; j < WINO_SIDE; j++)
            d[j] = columns[j][i];
        winograd_taps(d, o);
#pragma unroll
        for (int j = 0; j < 3; j++)
            dw[((size_t)k * C + c) * 9 + 3 * i + j] = o[j];
    }
}
