/* Gradient of the filters on a CPU device, of groups with many input channels.
 *
 *   dw[k, c, r, s] = sum_{n, oh, ow} dy[n, oh, ow, k] * x[n, oh * h_stride - h_pad + r * h_dilation,
 *                                                        ow * w_stride - w_pad + s * w_dilation, c]
 *
 *   x     [N][H][W][groups * cg]
 *   dy    [N][OH][OW][groups * kg]
 *   sums  [slices][groups * blocks][R*S][rows][KB]
 *         KB = 16 * NV filters side by side, rows: cg rounded up to whole tiles of MC channels; the
 *         last tile's are the last MC channels, so that some may be there twice
 *   dw    [groups * kg][cg][R*S]           filters in file order
 *
 * conv2d_slices: the rows of all dy's images are cut into slices of `slice_rows`, each summed on its
 * own.  Within a slice, PIXELS pixels whose tap lies inside are gathered at a time; their part of
 * dy, one block of filters, is laid side by side; then every tile of MC channels x KB filters adds
 * them up in registers, and asks for the next pixels meanwhile: all that tiles share is at hand.
 * Launch: global size (regions, slices), local size 1.  A region is one tap of `tile_run` tiles of
 * channels and `block_run` blocks of filters; regions are numbered channels fastest, then filters,
 * taps, groups.
 *
 * conv2d_slices_sum adds up the slices in order and puts them into file order, 16 columns (channel,
 * tap) x 16 filters at a time.  Global size (ceil(cg * R*S / 16), groups * blocks), local size 1.
 */
#include "common/soon.h"
#include "common/store.h"
#include "common/transpose.h"

#ifndef MC
#define MC 6 /* input channels of a tile */
#endif
#ifndef NV
#define NV 4 /* float16 vectors of a tile */
#endif
#define KB (16 * NV)
#define PIXELS 96 /* their part of dy fits the first cache */

/* Lays KB floats from each pixel of `from` on side by side; those past the first `valid` are 0. */
void conv2d_block(__global const float *from, const size_t *at, int count, int valid,
                  float16 *block)
{
    if (valid >= KB) {
        for (int p = 0; p < count; p++)
#pragma unroll
            for (int j = 0; j < NV; j++)
                block[p * NV + j] = vload16(j, from + at[p]);
        return;
    }
    for (int p = 0; p < count; p++) {
        float lane[KB];
        for (int i = 0; i < KB; i++)
            lane[i] = i < valid ? from[at[p] + i] : 0.0f;
        for (int j = 0; j < NV; j++)
            block[p * NV + j] = vload16(j, lane);
    }
}

/* What a work-item goes through: rows up to row_end, of each the outputs w0 .. w1, none outside
 * rows h0 .. h1 of an image; it stands at (row, w). */
typedef struct walk {
    int row, w, row_end, w0, w1, h0, h1;
} walk;

/* Writes where the next pixels of x and dy lie, PIXELS or what is left; says how many. */
int conv2d_gather(walk *at, size_t *x_at, size_t *y_at, int OH, int OW, int H, int W, int h_stride,
                  int first_h, int w_stride, int first_w, int x_channels, int y_channels)
{
    int count = 0;
    while (count < PIXELS && at->row < at->row_end) {
        const int h = at->row % OH;
        if (h < at->h0 || h >= at->h1 || at->w >= at->w1) {
            at->row++;
            at->w = at->w0;
            continue;
        }
        const size_t x_row = ((size_t)(at->row / OH) * H + h * h_stride + first_h) * W + first_w;
        for (; count < PIXELS && at->w < at->w1; count++, at->w++) {
            x_at[count] = (x_row + at->w * w_stride) * x_channels;
            y_at[count] = ((size_t)at->row * OW + at->w) * y_channels;
        }
    }
    return count;
}

/* The first channel of a tile: the last tile ends with the last channel. */
int conv2d_slice_first(int tile, int cg)
{
    return min(tile * MC, cg - MC);
}

/* Adds `count` pixels to one tile of sums, or writes them there where add is 0; xg from the tile's
 * first channel on. */
void conv2d_slice_tile(__global const float *xg, const size_t *x_at, const float16 *block,
                       int count, __global const float *y_soon, const size_t *x_next,
                       const size_t *y_next, int add, __global float *to)
{
    float16 acc[MC][NV];
#pragma unroll
    for (int i = 0; i < MC; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            acc[i][j] = add ? vload16(i * NV + j, to) : (float16)(0.0f);
#pragma unroll 1
    for (int p = 0; p < count; p++) {
        __global const float *a = xg + x_at[p];
        float16 bv[NV];
#pragma unroll
        for (int j = 0; j < NV; j++)
            bv[j] = block[p * NV + j];
        limn_soon(xg + x_next[p]);
        limn_soon(y_soon + y_next[p]);
#pragma unroll
        for (int i = 0; i < MC; i++) {
            const float16 av = (float16)(a[i]);
#pragma unroll
            for (int j = 0; j < NV; j++)
                acc[i][j] = fma(av, bv[j], acc[i][j]);
        }
    }
#pragma unroll
    for (int i = 0; i < MC; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            store16(acc[i][j], to + (i * NV + j) * 16);
}

__kernel void conv2d_slices(__global const float *restrict x, __global const float *restrict dy,
                            __global float *restrict sums, int all_rows, int slice_rows, int groups,
                            int blocks, int tile_run, int block_run, int H, int W, int cg, int OH,
                            int OW, int kg, int R, int S, int h_stride, int h_pad, int h_dilation,
                            int w_stride, int w_pad, int w_dilation)
{
    const int tiles = (cg + MC - 1) / MC, taps = R * S;
    const int tile_runs = (tiles + tile_run - 1) / tile_run;
    const int block_runs = (blocks + block_run - 1) / block_run;
    int region = get_global_id(0);
    const int row_first = (int)get_global_id(1) * slice_rows;
    if (region >= tile_runs * block_runs * taps * groups || row_first >= all_rows)
        return;
    const int tile_first = region % tile_runs * tile_run;
    const int tile_end = min(tile_first + tile_run, tiles);
    region /= tile_runs;
    const int block_first = region % block_runs * block_run;
    const int block_end = min(block_first + block_run, blocks);
    region /= block_runs;
    const int t = region % taps, group = region / taps;
    __global const float *xg = x + group * cg, *yg = dy + group * kg;
    __global float *sum =
        sums + (size_t)get_global_id(1) * groups * blocks * taps * tiles * (MC * KB);
    /* outputs whose tap falls inside: 0 <= o * stride + first < size */
    const int first_h = t / S * h_dilation - h_pad, first_w = t % S * w_dilation - w_pad;
    walk at = {.row = row_first, .row_end = min(row_first + slice_rows, all_rows)};
    at.h0 = first_h >= 0 ? 0 : (-first_h + h_stride - 1) / h_stride;
    at.w0 = first_w >= 0 ? 0 : (-first_w + w_stride - 1) / w_stride;
    at.h1 = first_h >= H ? 0 : min(OH, (H - 1 - first_h) / h_stride + 1);
    at.w1 = first_w >= W ? 0 : min(OW, (W - 1 - first_w) / w_stride + 1);
    at.w = at.w0;
    size_t x_at[2][PIXELS], y_at[2][PIXELS];
    float16 block[PIXELS * NV];
    int turn = 0, add = 0;
    x_at[0][0] = y_at[0][0] = 0; /* where there is not one pixel */
    int count = conv2d_gather(&at, x_at[0], y_at[0], OH, OW, H, W, h_stride, first_h, w_stride,
                              first_w, groups * cg, groups * kg);
    do {
        const int next = conv2d_gather(&at, x_at[!turn], y_at[!turn], OH, OW, H, W, h_stride,
                                       first_h, w_stride, first_w, groups * cg, groups * kg);
        for (int i = next; i < PIXELS; i++) { /* asking for what is at hand costs nothing */
            x_at[!turn][i] = x_at[turn][0];
            y_at[!turn][i] = y_at[turn][0];
        }
        for (int k = block_first; k < block_end; k++) {
            conv2d_block(yg + k * KB, y_at[turn], count, kg - k * KB, block);
            for (int tile = tile_first; tile < tile_end; tile++) {
                __global float *to =
                    sum + ((((size_t)group * blocks + k) * taps + t) * tiles + tile) * (MC * KB);
                const int line = (tile - tile_first) % NV * 16; /* of the next pixels' dy */
                conv2d_slice_tile(xg + conv2d_slice_first(tile, cg), x_at[turn], block, count,
                                  yg + min(k * KB + line, kg - 1), x_at[!turn], y_at[!turn], add,
                                  to);
            }
        }
        add = 1;
        turn = !turn;
        count = next;
    } while (count > 0);
}

__kernel void conv2d_slices_sum(__global const float *restrict sums, __global float *restrict dw,
                                int slices, int panels, int blocks, int kg, int cg, int taps)
{
    const int item = get_global_id(0), panel = get_global_id(1), columns = cg * taps;
    const int m0 = 16 * item, valid = min(16, columns - m0), rows = (cg + MC - 1) / MC * MC;
    if (valid <= 0 || panel >= panels)
        return;
    const int k0 = panel % blocks * KB, count = min(KB, kg - k0);
    const size_t slice = (size_t)panels * taps * rows * KB;
    size_t at[16]; /* column m is tap m % taps of channel m / taps */
    for (int i = 0; i < 16; i++) {
        const int m = m0 + min(i, valid - 1), c = m / taps;
        const int row = c + c / MC * MC - conv2d_slice_first(c / MC, cg);
        at[i] = (((size_t)panel * taps + m % taps) * rows + row) * KB;
    }
    __global float *to = dw + (size_t)(panel / blocks * kg + k0) * columns + m0;
    for (int j = 0; 16 * j < count; j++) {
        float16 r[16];
#pragma unroll
        for (int i = 0; i < 16; i++)
            r[i] = vload16(j, sums + at[i]);
        for (int s = 1; s < slices; s++)
#pragma unroll
            for (int i = 0; i < 16; i++)
                r[i] += vload16(j, sums + s * slice + at[i]);
        limn_transpose16(r);
#pragma unroll
        for (int i = 0; i < 16; i++) {
            if (16 * j + i >= count)
                continue;
            __global float *line = to + (size_t)(16 * j + i) * columns;
            if (valid == 16) {
                store16(r[i], line);
            } else {
                float lane[16];
                vstore16(r[i], 0, lane);
                for (int m = 0; m < valid; m++)
                    line[m] = lane[m];
            }
        }
    }
}
