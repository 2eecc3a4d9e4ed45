/* Gradient of the filters on a GPU: a matrix product over pixels with tiles in local memory.
 *
 *   part[slice, k, j] = sum_p dy[p, k] * X[p, j],   j = (tap, c), p the output pixels of the slice
 *   dw[k, c, tap]     = sum_slice part[slice, k, (tap, c)], in the order of the slices
 *
 *   x     [N][H][W][groups * cg]
 *   dy    [N][OH][OW][groups * kg]
 *   part  [slices][groups * kg][R*S * cg], from element `head` on
 *   dw    [groups * kg][cg][R*S]
 *
 * conv2d_local_filter: global size (tiles of j * tiles of k * groups * GROUP, slices), local size
 * (GROUP, 1).  One work-group: TILE filters x TILE columns (common/product.h).  Every work-item
 * reaches every barrier.  LOAD values are read at a time; where that is 4, as it is with HALF, cg
 * and kg are multiples of 4.  With HALF dy is raised (common/raise.h), and part[0] is its amax.
 * conv2d_local_filter_sum: one work-item an element of dw; global size (cg * R*S, groups * kg).
 */
#include "common/held.h"
#include "common/raise.h"

#ifndef LOAD
#define LOAD 1 /* 1 or 4 */
#endif
#if LOAD == 4
typedef float4 values;
#else
typedef float values;
#endif
#define LOADERS (TILE / LOAD) /* work-items that read the columns, or filters, of a pixel */

__kernel __attribute__((HELD_GROUP)) void
conv2d_local_filter(__global const float *restrict x, __global const float *restrict dy,
                    __global float *restrict part, int head, int N, int slice_pixels, int groups,
                    int H, int W, int cg, int OH, int OW, int kg, int R, int S, int h_stride,
                    int h_pad, int h_dilation, int w_stride, int w_pad, int w_dilation)
{
    __local product_cell ys[DEPTH][PITCH], xs[DEPTH][PITCH];
    __local uint exchange[EXCHANGE];
    __local int pixel_h[STEP], pixel_w[STEP], pixel_n[STEP]; /* pixel_n -1: past the end */
    const int lid = get_local_id(0);
    const int columns = R * S * cg, tiles_j = (columns + TILE - 1) / TILE;
    const int tiles_k = (kg + TILE - 1) / TILE, tile = get_group_id(0);
    const int j0 = tile % tiles_j * TILE, k0 = tile / tiles_j % tiles_k * TILE;
    const int group = tile / tiles_j / tiles_k, slice = get_group_id(1);
    const int p_first = slice * slice_pixels;
    const int p_end = min(N * OH * OW, p_first + slice_pixels);

    /* GROUP is a multiple of LOADERS: this work-item always loads the same columns and filters. */
    const int at = lid % LOADERS, column = j0 + at * LOAD, filter = k0 + at * LOAD;
    const int tap = column / cg, c = column % cg;
    const int tap_h = tap / S * h_dilation, tap_w = tap % S * w_dilation;
    const float up = HALF ? raise_factor(part[0]) : 1.0f;
    const float down = HALF ? lower_factor(part[0]) : 1.0f;
    float4 acc[HELD_ROWS][HELD_RUNS];
    held_clear(acc);
    for (int p0 = p_first; p0 < p_end; p0 += STEP) {
        if (lid < STEP) {
            const int p = p0 + lid, q = p % (OH * OW);
            pixel_n[lid] = p < p_end ? p / (OH * OW) : -1;
            pixel_h[lid] = q / OW;
            pixel_w[lid] = q % OW;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int m = lid / LOADERS * PACKED; m < STEP; m += GROUP / LOADERS * PACKED) {
            values xv[PACKED], yv[PACKED];
#pragma unroll
            for (int t = 0; t < PACKED; t++) {
                const int n = pixel_n[m + t], oh = pixel_h[m + t], ow = pixel_w[m + t];
                const int h = oh * h_stride - h_pad + tap_h, w = ow * w_stride - w_pad + tap_w;
                const int inside =
                    n >= 0 && column < columns && (uint)h < (uint)H && (uint)w < (uint)W;
                const int given = n >= 0 && filter < kg;
                const size_t from_x =
                    inside ? (((size_t)n * H + h) * W + w) * groups * cg + group * cg + c : 0;
                const size_t from_y =
                    given ? (((size_t)n * OH + oh) * OW + ow) * groups * kg + group * kg + filter
                          : 0;
                xv[t] = inside ? *(__global const values *)(x + from_x) : (values)(0.0f);
                yv[t] = given ? *(__global const values *)(dy + from_y) * up : (values)(0.0f);
            }
#if LOAD == 4
            product_put_cell(xs, m, at, xv);
            product_put_cell(ys, m, at, yv);
#else
            ((__local float *)xs[m])[at] = xv[0];
            ((__local float *)ys[m])[at] = yv[0];
#endif
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        held_add(ys, xs, lid, acc, exchange);
    }
    float4 sums[HELD_ROWS][HELD_RUNS];
    held_unpack(acc, sums);
    for (int i = 0; i < HELD_ROWS; i++) {
        const int k = k0 + held_row(lid, i);
        const size_t row = head + ((size_t)slice * groups * kg + group * kg + k) * columns;
        for (int j = 0; j < HELD_RUNS && k < kg; j++) {
            const int first = j0 + held_column(lid, j);
            const float4 z = sums[i][j] * down;
            const float lane[4] = {z.x, z.y, z.z, z.w};
            product_store(lane, columns - first, part + row + first, (row + first) % 4 == 0);
        }
    }
}

__kernel void conv2d_local_filter_sum(__global const float *restrict part,
                                      __global float *restrict dw, int head, int slices,
                                      int k_count, int cg, int taps)
{
    const int j = get_global_id(0), k = get_global_id(1), columns = cg * taps;
    if (j >= columns || k >= k_count)
        return;
    float sum = 0.0f;
    for (int s = 0; s < slices; s++)
        sum += part[head + ((size_t)s * k_count + k) * columns + j];
    dw[(size_t)k * columns + j % cg * taps + j / cg] = sum;
}
