/* Gradient of 3x3 filters of stride 1 or 2 on a CPU device, in Winograd's domain:
 *
 *   dw[k, c] = C^T [ sum_tiles (H dy tile[k] H^T) * (B^T x tile[c] B) ] C      (common/winograd.h)
 *
 * Tiles, v and `work` are those of conv2d/winograd.cl; v is written by conv2d_winograd_input.
 *   g     [points][blocks of 16 filters][T][16]  the transformed dy, `plane` vectors for each point
 *   sums  [36][sums_plane][16], [blocks of 16 filters][depth] of each plane used: the products of
 *         all tiles so far, added up over the points that meet the same value of the filter; depth
 *         is the channels of x in whole vectors
 *   dw    [K][C][9]
 *
 * conv2d_winograd_gradient  global (rows): one tile of dy, all its channels; writes g around the
 *                           caches where stream is not 0
 * conv2d_winograd_sums      global (depth / MC, blocks of filters / NV, 36): MC channels of x times
 *                           16 * NV filters in registers; adds to `sums` where first is not 0,
 *                           writes around the caches where stream is not 0
 * conv2d_winograd_unpack    global (depth / 16, blocks of filters): 16 filters of 16 channels
 * All with local size 1.
 */
#include "common/lanes.h"
#include "common/soon.h"
#include "common/stream.h"
#include "common/transpose.h"
#include "common/winograd_tiles.h"

#ifndef MC
#define MC 8 /* channels of x: divides 16 */
#endif
#ifndef PART
#define PART 1 /* 0: the channels of x and of y are whole vectors */
#endif
#ifndef NV
#define NV 2 /* float16 vectors of filters: divides their number of blocks */
#endif

__kernel void conv2d_winograd_gradient(int8 cover, __global const float *restrict dy,
                                       __global float *restrict work, int g_at, int plane,
                                       int first, int T, int H, int W, int channels, int stream)
{
    const winograd_layout tiles = winograd_layout_of(cover);
    const int id = get_global_id(0), blocks = (channels + 15) / 16;
    winograd_tile tile;
    if (!winograd_find(&tiles, first + id, &tile))
        return;
    const int top = tile.top, left = tile.left;
    __global const float *from = dy + ((size_t)tile.image * H * W + top * W + left) * channels;
    __global float *g = work + ((size_t)g_at + id) * 16;
    for (int b = 0; b < blocks; b++) {
        float16 columns[4][WINO_SIDE];
#pragma unroll 1
        for (int j = 0; j < 4; j++) {
            float16 d[4];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                __global const float *pixel = from + (i * W + j) * channels + 16 * b;
                const int inside = top + i < H && left + j < W;
                d[i] = inside ? load_lanes(pixel, PART ? channels - 16 * b : 16) : (float16)(0.0f);
                limn_soon(pixel + 4 * channels);
            }
            winograd_gradient(d, columns[j], tile.height);
        }
#pragma unroll 1
        for (int i = 0; i < WINO_SIDE; i++) {
            const float16 d[4] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i]};
            float16 o[WINO_SIDE];
            winograd_gradient(d, o, tile.width);
#pragma unroll
            for (int j = 0; j < WINO_SIDE; j++)
                stream_lanes(o[j], stream,
                             g + ((size_t)(WINO_SIDE * i + j) * plane + (size_t)b * T) * 16, 16);
        }
    }
}

__kernel void conv2d_winograd_sums(int8 cover, __global float *work, int v_at, int v_plane,
                                   int g_at, int g_plane, int sums_at, int sums_plane, int first,
                                   int rows, int T, int depth, int blocks, int stream)
{
    const winograd_layout tiles = winograd_layout_of(cover);
    const int c0 = (int)get_global_id(0) * MC, block = (int)get_global_id(1) * NV;
    const int plane = get_global_id(2);
    if (c0 >= depth || block >= blocks)
        return;
    __global float *sum =
        work + ((size_t)sums_at + (size_t)plane * sums_plane + (size_t)block * depth + c0) * 16;
    float16 acc[MC][NV];
#pragma unroll
    for (int i = 0; i < MC; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            acc[i][j] = first > 0 ? vload16((size_t)j * depth + i, sum) : (float16)(0.0f);
#pragma unroll 1
    for (int p = 0; p < POINTS; p++) {
        if (winograd_plane(p) != plane)
            continue;
        const int begin = max(winograd_begin(&tiles, p) - first, 0);
        const int end = min(winograd_end(&tiles, p) - first, rows);
        __global const float *a =
            work + ((size_t)v_at + (size_t)p * v_plane + (size_t)(c0 / 16) * T) * 16 + c0 % 16;
        __global const float *b =
            work + ((size_t)g_at + (size_t)p * g_plane + (size_t)block * T) * 16;
#pragma unroll 1
        for (int t = begin; t < end; t++) {
            float16 bv[NV];
#pragma unroll
            for (int j = 0; j < NV; j++)
                bv[j] = vload16((size_t)j * T + t, b);
            limn_soon(a + (size_t)(T + t) * 16);
            if (c0 < NV * MC) /* the first work-items of these filters ask for the next */
                limn_soon(b + (size_t)((NV + c0 / MC) * T + t) * 16);
#pragma unroll
            for (int i = 0; i < MC; i++) {
                const float16 av = (float16)(a[t * 16 + i]);
#pragma unroll
                for (int j = 0; j < NV; j++)
                    acc[i][j] = fma(av, bv[j], acc[i][j]);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < MC; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            stream_lanes(acc[i][j], stream, sum + ((size_t)j * depth + i) * 16, 16);
}

__kernel void conv2d_winograd_unpack(__global const float *restrict work,
                                     __global float *restrict dw, int sums_at, int sums_plane,
                                     int depth, int blocks, int C, int K)
{
    const int c0 = (int)get_global_id(0) * 16, block = get_global_id(1);
    if (c0 >= C || block >= blocks)
        return;
    __global const float *sum = work + ((size_t)sums_at + (size_t)block * depth + c0) * 16;
    float16 f[16 * 9]; /* [channel][tap], filters in the lanes */
    for (int c = 0; c < 16; c++) {
        float16 columns[6][3];
#pragma unroll
        for (int j = 0; j < 6; j++) {
            float16 d[6];
#pragma unroll
            for (int i = 0; i < 6; i++) {
                const size_t at = (size_t)(6 * i + j) * sums_plane + c;
                d[i] = vload16(at, sum);
                limn_soon(sum + (at + 6) * 16);
            }
            winograd_taps(d, columns[j]);
        }
#pragma unroll
        for (int i = 0; i < 3; i++) {
            float16 d[6];
#pragma unroll
            for (int j = 0; j < 6; j++)
                d[j] = columns[j][i];
            winograd_taps(d, f + 9 * c + 3 * i);
        }
    }
    for (int j = 0; j < 9; j++) {
        limn_transpose16(f + 16 * j);
        for (int l = 0; l < 16 && block * 16 + l < K; l++)
            store_lanes(f[16 * j + l], dw + ((size_t)(block * 16 + l) * C + c0) * 9 + 16 * j,
                        9 * (C - c0) - 16 * j);
    }
}
