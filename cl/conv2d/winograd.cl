/* 3x3 convolution of stride 1 or 2 on a CPU device by Winograd's F(4x4, 3x3).
 *
 *   y tile [4][4] = A^T [ sum_c (G f[k, c] G^T) * (B^T x tile[c] B) ] A
 *
 * with the transforms of common/winograd.h, or those of common/winograd_strided.h for STRIDE 2.  A
 * tile is 4 x 4 outputs, fewer at the border, and the 6 x 6 inputs below them (stride 2: 9 x 9; for
 * the gradient of the input, TURNED, 8 x 8 and 5 x 5); its row in v and m, and the layout `cover`:
 * common/winograd_tiles.h.  The first tile begins h_pad, w_pad inputs and h_skip, w_skip outputs
 * before the image.  What lies outside an image is 0, and is not written.
 *
 *   x, y  [N][H][W][channels]
 *   u     [zeros][bias][36][u_plane]: zeros of one input pixel, bias, both in whole vectors; filters
 *         [blocks of 16 output channels][depth][16] for each of their 36 values, depth in whole
 *         vectors (conv2d/winograd_pack.cl)
 *   work  v and m, from vector v_at on; u may lie before them in the same buffer:
 *   v     [points][v_plane][16]: [blocks of 16 input channels][T], T rows at a time
 *   m     [points][m_plane][16]: [blocks of 16 output channels][T]
 * T and each run of rows are multiples of MR (but for the filters' gradient); a row that is no tile
 * is written as 0, so that every value read was written.  Planes count vectors of 16 floats.
 *
 *   norm, residual, steps: what follows the sum (common/epilogue.h); residual is like y
 *
 * conv2d_winograd_input, _product, _output: one step each for rows first.. of the batch, v and m
 *   whole.  Global sizes (rows), (rows / MR, panels, points), (rows).  One work-item: one row; MR
 *   rows times 16 * NV output channels of one point; one row.
 *
 * conv2d_winograd: all steps for T rows at a time, panel after panel, so that v and m stay in one
 *   core's cache.  Global size (groups); group g takes rows g * T.., (g + groups) * T..; its v and
 *   m (of one panel) begin `slot` vectors after those of group g - 1.
 *
 * Local size 1 throughout.  stream 1: what the kernel writes (y, or v or m of _input and _product)
 * is too large for the caches and is written around them; y only where all output channels are
 * whole vectors.
 */
#include "common/epilogue.h"
#include "common/soon.h"
#include "common/stream.h"
#include "common/winograd_tiles.h"

#ifndef MR
#define MR 6 /* tiles of a product */
#endif
#ifndef NV
#define NV 4 /* float16 vectors of output channels of a product */
#endif
#ifndef PART
#define PART 1 /* 0: the channels of x and of y are whole vectors */
#endif

/* A tile of x into row `row` of v. */
void winograd_load(__global const float *restrict x, __global const float *restrict zeros,
                   __global float *restrict v, int plane, int T, int row, const winograd_tile *tile,
                   int H, int W, int channels, int h_pad, int w_pad, int stream)
{
    const int top = tile->top * WINO_IN_STEP - h_pad, left = tile->left * WINO_IN_STEP - w_pad;
    __global const float *image = x + (size_t)tile->image * H * W * channels;
    __global const float *from[WINO_IN * WINO_IN];
    for (int i = 0; i < WINO_IN * WINO_IN; i++) {
        const int h = top + i / WINO_IN, w = left + i % WINO_IN;
        const int inside = (uint)h < (uint)H && (uint)w < (uint)W;
        from[i] = inside ? image + (size_t)(h * W + w) * channels : zeros;
    }
    for (int b = 0; 16 * b < channels; b++) {
        float16 columns[WINO_IN][WINO_SIDE];
#pragma unroll 1
        for (int j = 0; j < WINO_IN; j++) {
            float16 d[WINO_IN];
#pragma unroll
            for (int i = 0; i < WINO_IN; i++) {
                __global const float *pixel = from[WINO_IN * i + j] + 16 * b;
                d[i] = load_lanes(pixel, PART ? channels - 16 * b : 16);
                if (j >= WINO_IN - 4 * WINO_IN_STEP) /* new in the next tile */
                    limn_soon(pixel + 4 * WINO_IN_STEP * channels);
            }
            winograd_input(d, columns[j], tile->height);
        }
        __global float *to = v + ((size_t)b * T + row) * 16;
#pragma unroll 1
        for (int i = 0; i < WINO_SIDE; i++) {
            float16 d[WINO_IN], o[WINO_SIDE];
#pragma unroll
            for (int j = 0; j < WINO_IN; j++)
                d[j] = columns[j][i];
            winograd_input(d, o, tile->width);
#pragma unroll
            for (int j = 0; j < WINO_SIDE; j++)
                stream_lanes(o[j], stream, to + (size_t)(WINO_SIDE * i + j) * plane * 16, 16);
        }
    }
}

void winograd_clear(__global float *restrict v, int plane, int T, int row, int channels)
{
    for (int b = 0; 16 * b < channels; b++)
        for (int i = 0; i < POINTS; i++)
            store16((float16)(0.0f), v + ((size_t)i * plane + (size_t)b * T + row) * 16);
}

/* MR rows of the product of one point with one panel of NV vectors of output channels.  Meanwhile
 * `lines` times `blocks` lines from `soon` on are asked for. */
void winograd_multiply(__global const float *restrict a, __global const float *restrict b,
                       __global float *restrict m, int T, int blocks,
                       __global const float *restrict soon, int lines, int stream)
{
    float16 acc[MR][NV];
#pragma unroll
    for (int i = 0; i < MR; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            acc[i][j] = (float16)(0.0f);
    for (int block = 0; block < blocks; block++, a += (size_t)T * 16) {
        for (int i = 0; i < lines; i++, soon += 16)
            limn_soon(soon);
#pragma unroll
        for (int i = 0; i < MR; i++)
            limn_soon(a + ((size_t)T + i) * 16);
#pragma unroll 4
        for (int d = 0; d < 16; d++, b += 16) {
            float16 bv[NV];
#pragma unroll
            for (int j = 0; j < NV; j++)
                bv[j] = vload16((size_t)j * blocks * 16, b);
#pragma unroll
            for (int i = 0; i < MR; i++) {
                const float16 av = (float16)(a[i * 16 + d]);
#pragma unroll
                for (int j = 0; j < NV; j++)
                    acc[i][j] = fma(av, bv[j], acc[i][j]);
            }
        }
    }
#pragma unroll
    for (int j = 0; j < NV; j++)
#pragma unroll
        for (int i = 0; i < MR; i++)
            stream_lanes(acc[i][j], stream, m + ((size_t)j * T + i) * 16, 16);
}

/* Row `row` of m into a tile of y: output channels from 16 * first on, `blocks` vectors of them. */
void winograd_store(__global const float *restrict m, __global const float *restrict bias,
                    __global float *restrict y, __global const float *restrict norm,
                    __global const float *restrict residual, int steps, int plane, int T, int row,
                    const winograd_tile *tile, int H, int W, int channels, int h_skip, int w_skip,
                    int first, int blocks, int stream)
{
    const int top = tile->top * WINO_OUT_STEP - h_skip, left = tile->left * WINO_OUT_STEP - w_skip;
    const size_t image = (size_t)tile->image * H * W;
    for (int b = 0; b < blocks; b++) {
        __global const float *from = m + ((size_t)b * T + row) * 16;
        float16 columns[WINO_SIDE][WINO_OUT];
#pragma unroll 1
        for (int j = 0; j < WINO_SIDE; j++) {
            float16 d[WINO_SIDE];
#pragma unroll
            for (int i = 0; i < WINO_SIDE; i++) {
                const size_t at = (size_t)(WINO_SIDE * i + j) * plane;
                d[i] = winograd_point_left_out(WINO_SIDE * i + j, tile->height, tile->width)
                           ? (float16)(0.0f)
                           : vload16(at, from);
                limn_soon(from + (at + T) * 16);
            }
            winograd_output(d, columns[j], tile->height);
        }
        const int k0 = 16 * (first + b), valid = PART ? channels - k0 : 16;
        const float16 start = vload16(0, bias + k0);
#pragma unroll 1
        for (int i = 0; i < WINO_OUT; i++) {
            float16 d[WINO_SIDE], o[WINO_OUT];
#pragma unroll
            for (int j = 0; j < WINO_SIDE; j++)
                d[j] = columns[j][i];
            winograd_output(d, o, tile->width);
#pragma unroll
            for (int j = 0; j < WINO_OUT; j++)
                if ((uint)(top + i) < (uint)H && (uint)(left + j) < (uint)W) {
                    const size_t at =
                        (image + (top + i) * W + left + j) * (size_t)channels + k0;
                    stream_lanes(finish_lanes(o[j] + start, steps, norm, channels, k0, residual, y,
                                              at, valid),
                                 stream, y + at, valid);
                }
        }
    }
}

/* Row first + row of the batch into row `row` of v. */
void winograd_load_row(const winograd_layout *tiles, __global const float *restrict x,
                       __global const float *restrict zeros, __global float *restrict v, int plane,
                       int T, int first, int row, int H, int W, int channels, int h_pad, int w_pad,
                       int stream)
{
    winograd_tile tile;
    if (winograd_find(tiles, first + row, &tile))
        winograd_load(x, zeros, v, plane, T, row, &tile, H, W, channels, h_pad, w_pad, stream);
    else
        winograd_clear(v, plane, T, row, channels);
}

__kernel void conv2d_winograd_input(int8 cover, __global const float *restrict x,
                                    __global const float *u, __global float *work, int v_at,
                                    int v_plane, int first, int T, int H, int W, int channels,
                                    int h_pad, int w_pad, int stream)
{
    const winograd_layout tiles = winograd_layout_of(cover);
    winograd_load_row(&tiles, x, u, work + (size_t)v_at * 16, v_plane, T, first, get_global_id(0),
                      H, W, channels, h_pad, w_pad, stream);
}

__kernel void conv2d_winograd_product(int8 cover, __global const float *u, __global float *work,
                                      int u_at, int u_plane, int v_at, int v_plane, int m_at,
                                      int m_plane, int first, int T, int blocks, int stream)
{
    const winograd_layout tiles = winograd_layout_of(cover);
    const int t0 = (int)get_global_id(0) * MR, panel = get_global_id(1), i = get_global_id(2);
    if (first + t0 < winograd_begin(&tiles, i) || first + t0 >= winograd_end(&tiles, i))
        return;
    const size_t b =
        u_at + (size_t)winograd_plane(i) * u_plane + (size_t)panel * blocks * 16 * NV;
    const size_t m = m_at + (size_t)i * m_plane + (size_t)panel * NV * T + t0;
    /* all work-items of a panel together ask for the next one */
    const int items = get_global_size(0), lines = (16 * NV + items - 1) / items;
    const size_t next = b + (size_t)blocks * (16 * NV + lines * get_global_id(0));
    winograd_multiply(work + (v_at + (size_t)i * v_plane + t0) * 16, u + b * 16, work + m * 16, T,
                      blocks, u + next * 16, lines, stream);
}

__kernel void conv2d_winograd_output(int8 cover, __global const float *u,
                                     __global const float *work, __global float *restrict y,
                                     __global const float *restrict norm,
                                     __global const float *restrict residual, int steps, int zeros,
                                     int m_at, int m_plane, int first, int T, int H, int W,
                                     int channels, int h_skip, int w_skip, int stream)
{
    const winograd_layout tiles = winograd_layout_of(cover);
    const int row = get_global_id(0);
    winograd_tile tile;
    if (winograd_find(&tiles, first + row, &tile))
        winograd_store(work + (size_t)m_at * 16, u + zeros * 16, y, norm, residual, steps, m_plane,
                       T, row, &tile, H, W, channels, h_skip, w_skip, 0, (channels + 15) / 16,
                       stream);
}

__kernel void conv2d_winograd(int8 cover, __global const float *restrict x, __global const float *u,
                              __global float *work, __global float *restrict y,
                              __global const float *restrict norm,
                              __global const float *restrict residual, int steps, int slot,
                              int zeros, int u_at, int u_plane, int v_at, int v_plane, int m_plane,
                              int all_rows, int T, int IH, int IW, int depth, int h_pad, int w_pad,
                              int OH, int OW, int width, int h_skip, int w_skip, int panels,
                              int stream)
{
    const winograd_layout tiles = winograd_layout_of(cover);
    const int blocks = (depth + 15) / 16;
    __global float *v = work + (v_at + get_global_id(0) * slot) * 16;
    __global float *m = v + (size_t)POINTS * v_plane * 16;
    for (int first = (int)get_global_id(0) * T; first < all_rows;
         first += (int)get_global_size(0) * T) {
        const int rows = min(T, all_rows - first);
        for (int row = 0; row < rows; row++)
            winograd_load_row(&tiles, x, u, v, v_plane, T, first, row, IH, IW, depth, h_pad, w_pad,
                              0);
        for (int panel = 0; panel < panels; panel++) {
            for (int i = 0; i < POINTS; i++) {
                const size_t b = u_at + (size_t)winograd_plane(i) * u_plane +
                                 (size_t)panel * blocks * 16 * NV;
                const int begin = max(winograd_begin(&tiles, i) - first, 0);
                const int end = min(winograd_end(&tiles, i) - first, rows);
                for (int t0 = begin; t0 < end; t0 += MR)
                    winograd_multiply(v + ((size_t)i * v_plane + t0) * 16, u + b * 16,
                                      m + ((size_t)i * m_plane + t0) * 16, T, blocks, u, 0, 0);
            }
            for (int row = 0; row < rows; row++) {
                winograd_tile tile;
                if (winograd_find(&tiles, first + row, &tile))
                    winograd_store(m, u + zeros * 16, y, norm, residual, steps, m_plane, T, row,
                                   &tile, OH, OW, width, h_skip, w_skip, panel * NV, NV, stream);
            }
        }
    }
}
