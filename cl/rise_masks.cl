/* Masks of RISE (Petsiuk et al. 2018, as in eclique/RISE): a grid of cells x cells, each 1 with
 * probability p, upsampled bilinearly by whole cells and cropped at a random place.
 *
 *   side of a cell: ceil(h / cells), ceil(w / cells); upsampled: (cells + 1) sides per axis
 *   mask[i][j] = sum of the four neighbours of the grid at ((i + dy + .5) cells / up_h - .5, ...)
 *   indices mirrored without repeating the edge: c -> -c, c -> 2 (cells - 1) - c
 *   dy in 0..side_h - 1, dx in 0..side_w - 1
 *
 * Draws of mask k = first + b: (seed, mask, k, sub): cell c is word c % 4 of sub = c / 4, the shifts
 * are words 0 and 1 of the sub after the last cell.
 * Memory: scratch [batch][cells^2 + 2] = grid, dy, dx; grids [batch][cells][cells]; shifts
 * [batch][2] = dy, dx; masks [batch][h][w].
 */
#include "common/philox.h"

#ifndef RUN
#define RUN 1 /* 1 or many */
#endif

/* One work-item: grid and shifts of one mask. */
__kernel void rise_masks_draw(int batch, int cells, int side_h, int side_w, ulong seed, ulong first,
                              float p, __global float *restrict scratch)
{
    const int b = get_global_id(0), count = cells * cells;
    if (b >= batch)
        return;
    __global float *grid = scratch + (size_t)b * (count + 2);
    for (int c = 0; c < count; c += 4) {
        const uint4 draw = limn_draw(seed, LIMN_PURPOSE_MASK, first + (ulong)b, (uint)(c / 4));
        const uint words[4] = {draw.x, draw.y, draw.z, draw.w};
        for (int k = 0; k < 4 && c + k < count; k++)
            grid[c + k] = limn_uniform(words[k]) < p ? 1.0f : 0.0f;
    }
    const uint4 draw =
        limn_draw(seed, LIMN_PURPOSE_MASK, first + (ulong)b, (uint)((count + 3) / 4));
    grid[count] = mul_hi(draw.x, (uint)side_h);
    grid[count + 1] = mul_hi(draw.y, (uint)side_w);
}

/* The same from given grids and shifts; shifts outside the range are clamped to it. */
__kernel void rise_masks_given(int batch, int cells, int side_h, int side_w,
                               __global const float *restrict grids,
                               __global const int *restrict shifts, __global float *restrict scratch)
{
    const int b = get_global_id(0), count = cells * cells;
    if (b >= batch)
        return;
    __global float *grid = scratch + (size_t)b * (count + 2);
    for (int c = 0; c < count; c++)
        grid[c] = grids[(size_t)b * count + c];
    grid[count] = clamp(shifts[2 * b], 0, side_h - 1);
    grid[count + 1] = clamp(shifts[2 * b + 1], 0, side_w - 1);
}

/* Place of an index of -1..cells. */
int rise_masks_mirror(int c, int cells)
{
    const int inside = c < 0 ? 1 : c >= cells ? 2 * (cells - 1) - c : c;
    return clamp(inside, 0, cells - 1);
}

/* Position `at` of an axis in cells: the cell at its floor and the next one are its neighbours. */
float rise_masks_place(int at, float shift, int cells, int side)
{
    return ((float)at + shift + 0.5f) * (float)cells / (float)((cells + 1) * side) - 0.5f;
}

/* One work-item: RUN neighbouring positions (dimension 0) of one row (1) of one mask (2).  Between
 * two cells a row is linear: rows of cells are blended first, then columns. */
__kernel void rise_masks_upsample(int batch, int h, int w, int cells, int side_h, int side_w,
                                  __global const float *restrict scratch,
                                  __global float *restrict masks)
{
    const int first = (int)get_global_id(0) * RUN, i = get_global_id(1), b = get_global_id(2);
    if (first >= w || i >= h || b >= batch)
        return;
    __global const float *grid = scratch + (size_t)b * (cells * cells + 2);
    __global float *row = masks + ((size_t)b * h + i) * w;
    const float dx = grid[cells * cells + 1];
    const float v = rise_masks_place(i, grid[cells * cells], cells, side_h);
    const float fv = v - floor(v);
    __global const float *low = grid + rise_masks_mirror((int)floor(v), cells) * cells;
    __global const float *high = grid + rise_masks_mirror((int)floor(v) + 1, cells) * cells;
    const int end = min(first + RUN, w);
    for (int j = first; j < end;) {
        const float u = floor(rise_masks_place(j, dx, cells, side_w));
        const int u0 = rise_masks_mirror((int)u, cells), u1 = rise_masks_mirror((int)u + 1, cells);
        const float left = (1.0f - fv) * low[u0] + fv * high[u0];
        const float right = (1.0f - fv) * low[u1] + fv * high[u1];
        /* A cell's side and two: no less, whatever rounding does; cut where the floor changes. */
        int next = min(j + side_w + side_w / cells + 2, end);
        while (next - 1 > j && rise_masks_place(next - 1, dx, cells, side_w) >= u + 1.0f)
            next--;
        for (; j < next; j++) {
            const float fu = rise_masks_place(j, dx, cells, side_w) - u;
            row[j] = (1.0f - fu) * left + fu * right;
        }
    }
}
