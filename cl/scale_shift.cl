/* y[r, c] = x[r, c] * w[c] + b[c];  dx = dy * w,  dw[c] = sum_r dy * x,  db[c] = sum_r dy.
 *
 *   x, y [R][C]      w [C], or [1] where w_wide is 0      b likewise
 *
 * Rows are cut into `chunks` runs of L.  Global size (ceil(C / V), chunks), one work-item: V
 * channels of one run.  Sums of a run go to part [chunks][2][C] and are added in order, first over
 * the runs, then, for a [1], over the channels.
 */
#include "common/lanes.h"

lanes load_wide(__global const float *from, int c, int valid, int wide)
{
    return wide ? load_lanes(from + c, valid) : (lanes)(from[0]);
}

__kernel void scale_shift_forward(int R, int C, int L, int chunks, int w_wide, int b_wide,
                                  __global const float *restrict x,
                                  __global const float *restrict w,
                                  __global const float *restrict b, __global float *restrict y)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const lanes scale = load_wide(w, c, valid, w_wide), shift = load_wide(b, c, valid, b_wide);
    const int rows = min(L, R - g * L);
    const size_t first = (size_t)g * L * C + c;
    for (int r = 0; r < rows; r++) {
        const size_t i = first + (size_t)r * C;
        store_lanes(fma(load_lanes(x + i, valid), scale, shift), y + i, valid);
    }
}

__kernel void scale_shift_backward(int R, int C, int L, int chunks, int w_wide,
                                   __global const float *restrict dy,
                                   __global const float *restrict w, __global float *restrict dx)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const lanes scale = load_wide(w, c, valid, w_wide);
    const int rows = min(L, R - g * L);
    const size_t first = (size_t)g * L * C + c;
    for (int r = 0; r < rows; r++) {
        const size_t i = first + (size_t)r * C;
        store_lanes(load_lanes(dy + i, valid) * scale, dx + i, valid);
    }
}

/* part[g][0] = sum of dy * x over run g, part[g][1] = sum of dy. */
__kernel void scale_shift_chunk_sums(int R, int C, int L, int chunks,
                                     __global const float *restrict x,
                                     __global const float *restrict dy,
                                     __global float *restrict part)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    const size_t first = (size_t)g * L * C + c;
    lanes s = 0.0f, t = 0.0f;
    for (int r = 0; r < rows; r++) {
        const size_t i = first + (size_t)r * C;
        const lanes d = load_lanes(dy + i, valid);
        s = fma(d, load_lanes(x + i, valid), s);
        t += d;
    }
    store_lanes(s, part + (size_t)g * 2 * C + c, valid);
    store_lanes(t, part + (size_t)g * 2 * C + C + c, valid);
}

/* Adds the runs of part[.][which] into part[0][which].  Global size (ceil(C / V)). */
__kernel void scale_shift_finish(int C, int chunks, int which, __global float *restrict part)
{
    const int c = (int)get_global_id(0) * V, valid = C - c;
    if (c >= C)
        return;
    lanes sum = 0.0f;
    for (int g = 0; g < chunks; g++)
        sum += load_lanes(part + ((size_t)g * 2 + which) * C + c, valid);
    store_lanes(sum, part + (size_t)which * C + c, valid);
}

/* to[0] = sum over the channels of part[0][which].  One work-item. */
__kernel void scale_shift_total(int C, int which, __global const float *restrict part,
                                __global float *restrict to)
{
    if (get_global_id(0) > 0)
        return;
    float sum = 0.0f;
    for (int c = 0; c < C; c++)
        sum += part[(size_t)which * C + c];
    to[0] = sum;
}
