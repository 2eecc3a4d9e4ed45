/* axis 0: y[c] = sum_m x[m, c] * share;   axis 1: y[m] = sum_c x[m, c] * share;
 * share is 1 or one over the number of terms.  dx = dy * share, spread over the axis.
 *
 *   x [M][C]
 *
 * axis 0: rows are cut into `chunks` runs of L; global size (ceil(C / V), chunks), one work-item: V
 * channels of one run, into part [chunks][C]; reduce_finish adds the runs in order.
 * axis 1: one group per row (common/rows.h), global size M * GROUP, local size GROUP.
 */
#include "common/rows.h"

__kernel void reduce_chunks(int M, int C, int L, int chunks, __global const float *restrict x,
                            __global float *restrict part)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, M - g * L);
    __global const float *from = x + (size_t)g * L * C + c;
    lanes even = 0.0f, odd = 0.0f;
    int r = 0;
    for (; r + 2 <= rows; r += 2) {
        even += load_lanes(from + (size_t)r * C, valid);
        odd += load_lanes(from + (size_t)(r + 1) * C, valid);
    }
    if (r < rows)
        even += load_lanes(from + (size_t)r * C, valid);
    store_lanes(even + odd, part + (size_t)g * C + c, valid);
}

/* Global size (ceil(C / V)). */
__kernel void reduce_finish(int C, int chunks, float divisor, __global const float *restrict part,
                            __global float *restrict y)
{
    const int c = (int)get_global_id(0) * V, valid = C - c;
    if (c >= C)
        return;
    lanes sum = 0.0f;
    for (int g = 0; g < chunks; g++)
        sum += load_lanes(part + (size_t)g * C + c, valid);
    store_lanes(sum / divisor, y + c, valid);
}

__kernel void reduce_rows(int C, float divisor, __global const float *restrict x,
                          __global float *restrict y)
{
    __local float part[GROUP];
    const size_t row = get_group_id(0), first = row * C;
    lanes sum = 0.0f;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP)
        sum += load_lanes(x + first + c, C - c);
    const float total = row_sum(sum, part);
    if (get_local_id(0) == 0)
        y[row] = total / divisor;
}

/* One work-item: one element. */
__kernel void reduce_backward(long count, int C, int axis, float divisor,
                              __global const float *restrict dy, __global float *restrict dx)
{
    const long i = get_global_id(0);
    if (i < count)
        dx[i] = dy[axis ? i / C : i % C] / divisor;
}
