/* y[m, c] = x[m, c] / max(norm[m], eps),   norm[m] = sqrt(sum_c x[m, c]^2);
 * dx = (dy - y * sum_c y dy) / norm where norm > eps, else dy / eps.
 *
 *   x, y [M][C]      norm [M]
 *
 * Squares are taken of x over the row's largest magnitude, so none overflows or vanishes.
 * One group per row (common/rows.h): global size M * GROUP, local size GROUP.
 */
#include "common/rows.h"

__kernel void l2_normalize_forward(int C, float eps, __global const float *restrict x,
                                   __global float *restrict y, __global float *restrict norm)
{
    __local float part[GROUP];
    const size_t row = get_group_id(0), first = row * C;
    lanes largest = 0.0f;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP)
        largest = fmax(largest, fabs(load_lanes(x + first + c, C - c)));
    const float top = row_max(largest, part), unit = top > 0.0f ? top : 1.0f;
    lanes sum = 0.0f;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP) {
        const lanes v = load_lanes(x + first + c, C - c) / unit;
        sum = fma(v, v, sum);
    }
    const float root = sqrt(row_sum(sum, part)), length_of_row = top * root;
    const int tiny = length_of_row <= eps;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP) {
        const lanes v = load_lanes(x + first + c, C - c);
        store_lanes(tiny ? v / eps : v / unit / root, y + first + c, C - c);
    }
    if (get_local_id(0) == 0)
        norm[row] = length_of_row;
}

__kernel void l2_normalize_backward(int C, float eps, __global const float *restrict y,
                                    __global const float *restrict norm,
                                    __global const float *restrict dy, __global float *restrict dx)
{
    __local float part[GROUP];
    const size_t row = get_group_id(0), first = row * C;
    const int tiny = norm[row] <= eps;
    lanes sum = 0.0f;
    for (int c = ROW_FIRST; c < C; c += ROW_STEP)
        sum = fma(load_lanes(y + first + c, C - c), load_lanes(dy + first + c, C - c), sum);
    const float along = row_sum(sum, part), size = tiny ? eps : norm[row];
    for (int c = ROW_FIRST; c < C; c += ROW_STEP) {
        const lanes d = load_lanes(dy + first + c, C - c);
        const lanes v = load_lanes(y + first + c, C - c);
        store_lanes((tiny ? d : d - v * along) / size, dx + first + c, C - c);
    }
}
