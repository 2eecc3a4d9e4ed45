/* What occluded copies tell about each position:
 *
 *   sum[i] += reference - score[b],  count[i] += 1   for each window first + b that covers i
 *
 * windows in ascending order, so the result does not depend on how they are cut into batches.
 * Memory: sum, count [h][w]; scores [batch]; reference [1].  One work-item: one position; it looks
 * up the windows that cover it, no position is written twice.
 */
#include "common/window.h"

/* First of the windows at multiples of the stride that cover position `at`. */
int accumulate_occlusion_first(int at, int window, int stride)
{
    return at < window ? 0 : (at - window) / stride + 1;
}

__kernel void accumulate_occlusion_add(int h, int w, long first, int batch, int window_h,
                                       int window_w, int stride_h, int stride_w, int cut,
                                       __global float *restrict sum, __global float *restrict count,
                                       __global const float *restrict scores,
                                       __global const float *restrict reference)
{
    const int at = get_global_id(0);
    if (at >= h * w)
        return;
    const int i = at / w, j = at % w;
    const int down = limn_window_count(h, window_h, stride_h);
    const int across = limn_window_count(w, window_w, stride_w);
    float drop = sum[at], covered = count[at];
    /* From the first that reaches i on; they end where one starts behind i. */
    for (int y = min(accumulate_occlusion_first(i, window_h, stride_h), down - 1); y < down; y++) {
        const int top = limn_window_start(y, h, window_h, stride_h, cut);
        if (top > i)
            break;
        if (i >= top + window_h)
            continue;
        for (int x = min(accumulate_occlusion_first(j, window_w, stride_w), across - 1); x < across;
             x++) {
            const int left = limn_window_start(x, w, window_w, stride_w, cut);
            if (left > j)
                break;
            const long b = (long)y * across + x - first;
            if (j >= left + window_w || b < 0 || b >= batch)
                continue;
            drop += reference[0] - scores[b];
            covered += 1.0f;
        }
    }
    sum[at] = drop;
    count[at] = covered;
}
