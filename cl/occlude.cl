/* Copies of one image, each with one window replaced by a baseline.
 *
 *   copy b hides window number first + b: y = base inside it, x elsewhere
 *   places as in common/window.h, `cut` says what the last window does at the border
 *   windows are numbered along x first; numbers behind the last leave the image as it is
 *
 * Memory: x, base [h][w][channels]; y [batch][h][w][channels].
 * One work-item: RUN neighbouring floats (dimension 0) of one row (1) of one copy (2).
 */
#include "common/window.h"

#ifndef RUN
#define RUN 1 /* 1 or many */
#endif

__kernel void occlude_forward(int batch, int h, int w, int channels, long first, int window_h,
                              int window_w, int stride_h, int stride_w, int cut,
                              __global const float *restrict x, __global const float *restrict base,
                              __global float *restrict y)
{
    const int start = (int)get_global_id(0) * RUN, i = get_global_id(1), b = get_global_id(2);
    if (start >= w * channels || i >= h || b >= batch)
        return;
    const int across = limn_window_count(w, window_w, stride_w);
    const long number = first + b, row = number / across;
    int from = 0, to = 0; /* floats of this row that are hidden */
    if (row < limn_window_count(h, window_h, stride_h)) {
        const int top = limn_window_start((int)row, h, window_h, stride_h, cut);
        const int left = limn_window_start((int)(number % across), w, window_w, stride_w, cut);
        if (i >= top && i < top + window_h) {
            from = left * channels;
            to = min(left + window_w, w) * channels;
        }
    }
    const size_t at = (size_t)i * w * channels, out = (size_t)b * h * w * channels + at;
    const int end = min(start + RUN, w * channels);
    for (int e = start; e < end; e++)
        y[out + e] = e >= from && e < to ? base[at + e] : x[at + e];
}
