/* y[n, c] = sum_p x[n, p, c] / P over the P pixels of an image;  dx[n, p, c] = dy[n, c] / P.
 *
 *   x [N][P][C]      y [N][C]
 *
 * Forward: global size (ceil(C / V), N), one work-item: V channels of one image, in eight sums of
 * fixed order.  Backward: global size (ceil(C / V), N * ceil(P / run)), one work-item: V channels of
 * `run` pixels.
 */
#include "common/lanes.h"

__kernel void global_avg_pool_forward(int N, int P, int C, __global const float *restrict x,
                                      __global float *restrict y)
{
    const int c = (int)get_global_id(0) * V, n = get_global_id(1), valid = C - c;
    if (c >= C || n >= N)
        return;
    __global const float *from = x + (size_t)n * P * C + c;
    lanes sum[8];
    for (int j = 0; j < 8; j++)
        sum[j] = 0.0f;
    int p = 0;
    for (; p + 8 <= P; p += 8)
#pragma unroll
        for (int j = 0; j < 8; j++)
            sum[j] += load_lanes(from + (size_t)(p + j) * C, valid);
    for (int j = 0; p + j < P; j++)
        sum[j] += load_lanes(from + (size_t)(p + j) * C, valid);
    const lanes total =
        ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
    store_lanes(total / (float)P, y + (size_t)n * C + c, valid);
}

__kernel void global_avg_pool_backward(int N, int P, int C, int run,
                                       __global const float *restrict dy,
                                       __global float *restrict dx)
{
    const int c = (int)get_global_id(0) * V, part = get_global_id(1), valid = C - c;
    const int parts = (P + run - 1) / run, n = part / parts, first = part % parts * run;
    if (c >= C || n >= N)
        return;
    const lanes share = load_lanes(dy + (size_t)n * C + c, valid) / (float)P;
    for (int p = first; p < min(first + run, P); p++)
        store_lanes(share, dx + ((size_t)n * P + p) * C + c, valid);
}
