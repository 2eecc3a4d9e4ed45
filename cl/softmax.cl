/* y[m, c] = exp(x[m, c] - max_c x[m, c]) / sum_c exp(x[m, c] - max_c x[m, c]);
 * dx[m, c] = y[m, c] * (dy[m, c] - sum_c y[m, c] dy[m, c]).
 *
 *   x, y [M][C]
 *
 * One group per row (common/rows.h): global size M * GROUP, local size GROUP.
 */
#include "common/rows.h"

__kernel void softmax_forward(int C, __global const float *restrict x, __global float *restrict y)
{
    __local float part[GROUP];
    const size_t row = get_group_id(0), first = row * C;
    lanes largest = -INFINITY;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP)
        largest = fmax(largest, load_lanes_or(x + first + c, C - c, -INFINITY));
    const float top = row_max(largest, part);
    lanes sum = 0.0f;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP) {
        const lanes e = exp(load_lanes_or(x + first + c, C - c, -INFINITY) - top);
        store_lanes(e, y + first + c, C - c);
        sum += e;
    }
    const float total = row_sum(sum, part);
    for (int c = ROW_FIRST; c < C; c += ROW_STEP)
        store_lanes(load_lanes(y + first + c, C - c) / total, y + first + c, C - c);
}

__kernel void softmax_backward(int C, __global const float *restrict y,
                               __global const float *restrict dy, __global float *restrict dx)
{
    __local float part[GROUP];
    const size_t row = get_group_id(0), first = row * C;
    lanes sum = 0.0f;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP)
        sum = fma(load_lanes(y + first + c, C - c), load_lanes(dy + first + c, C - c), sum);
    const float dot_product = row_sum(sum, part);
    for (int c = ROW_FIRST; c < C; c += ROW_STEP)
        store_lanes(load_lanes(y + first + c, C - c) *
                        (load_lanes(dy + first + c, C - c) - dot_product),
                    dx + first + c, C - c);
}
