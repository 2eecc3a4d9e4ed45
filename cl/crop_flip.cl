/* Padded random crop and horizontal flip of 8-bit images:
 *
 *   y[b][i][j] = x[b][i + dy - pad][j' + dx - pad] / 255, 0 outside x;  j' = j or, flipped, w-1-j
 *   (dy, dx, flip) from the draw (seed, augment, epoch << 32 | index[b], view * 16)
 *   dy, dx uniform in 0..2 pad
 *
 * Memory: x, y [n][h][w][channels]; index [n], the images' numbers in the data set.
 * One work-item: `span` positions of one row (dimension 0: ceil(w / span) of them for each row) of
 * one image (dimension 1).
 */
#include "common/philox.h"

__kernel void crop_flip_forward(int n, int h, int w, int channels, ulong seed, ulong epoch,
                                uint sub, int pad, float flip, int span,
                                __global const uchar *restrict x,
                                __global const int *restrict index, __global float *restrict y)
{
    const int spans = (w + span - 1) / span;
    const int i = get_global_id(0) / spans, first = get_global_id(0) % spans * span;
    const int b = get_global_id(1);
    if (i >= h || b >= n)
        return;
    const uint4 draw = limn_draw(seed, LIMN_PURPOSE_AUGMENT, epoch << 32 | (uint)index[b], sub);
    const bool flipped = limn_uniform(draw.z) < flip;
    const int row = i + (int)mul_hi(draw.x, (uint)(2 * pad + 1)) - pad;
    const int shift = (int)mul_hi(draw.y, (uint)(2 * pad + 1)) - pad;
    __global const uchar *from = x + ((size_t)b * h + clamp(row, 0, h - 1)) * w * channels;
    __global float *to = y + ((size_t)b * h + i) * w * channels;
    for (int at = first; at < min(first + span, w); at++) {
        const int column = (flipped ? w - 1 - at : at) + shift;
        const bool inside = row >= 0 && row < h && column >= 0 && column < w;
        const int source = clamp(column, 0, w - 1) * channels;
        for (int c = 0; c < channels; c++)
            to[at * channels + c] = inside ? (float)from[source + c] / 255.0f : 0.0f;
    }
}
