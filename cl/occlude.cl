/* Copies of one image, each with one window replaced by a baseline.
 *
 *   copy b hides window number first + b: y = base inside it, x elsewhere
 *   places as in common/window.h, `cut` says what the last window does at the border
 *   windows are numbered along x first; numbers behind the last leave the image as it is
 *
 * Memory: x, base [h][w][channels]; y [batch][h][w][channels].
 * One work-item: one position (dimension 0) of one copy (dimension 1).
 */
#include "common/window.h"

__kernel void occlude_forward(int batch, int h, int w, int channels, long first, int window_h,
                              int window_w, int stride_h, int stride_w, int cut,
                              __global const float *restrict x, __global const float *restrict base,
                              __global float *restrict y)
{
    const int at = get_global_id(0), b = get_global_id(1);
    if (at >= h * w || b >= batch)
        return;
    const int across = limn_window_count(w, window_w, stride_w);
    const long number = first + b, row = number / across;
    bool hidden = false;
    if (row < limn_window_count(h, window_h, stride_h)) {
        const int top = limn_window_start((int)row, h, window_h, stride_h, cut);
        const int left = limn_window_start((int)(number % across), w, window_w, stride_w, cut);
        const int i = at / w, j = at % w;
        hidden = i >= top && i < top + window_h && j >= left && j < left + window_w;
    }
    __global const float *from = (hidden ? base : x) + (size_t)at * channels;
    __global float *to = y + ((size_t)b * h * w + at) * channels;
    for (int c = 0; c < channels; c++)
        to[c] = from[c];
}
