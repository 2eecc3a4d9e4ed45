/* Padded random crop and horizontal flip of 8-bit images:
 *
 *   y[b][i][j] = x[b][i + dy - pad][j' + dx - pad] / 255, 0 outside x;  j' = j or, flipped, w-1-j
 *   (dy, dx, flip) from the draw (seed, augment, epoch << 32 | index[b], view * 16)
 *   dy, dx uniform in 0..2 pad
 *
 * Memory: x, y [n][h][w][channels]; index [n], the images' numbers in the data set.
 * One work-item: one position (dimension 0) of one image (dimension 1).
 */
#include "common/philox.h"

__kernel void crop_flip_forward(int n, int h, int w, int channels, ulong seed, ulong epoch,
                                uint sub, int pad, float flip, __global const uchar *restrict x,
                                __global const int *restrict index, __global float *restrict y)
{
    const int at = get_global_id(0), b = get_global_id(1);
    if (at >= h * w || b >= n)
        return;
    const uint4 draw = limn_draw(seed, LIMN_PURPOSE_AUGMENT, epoch << 32 | (uint)index[b], sub);
    const int i = at / w, j = limn_uniform(draw.z) < flip ? w - 1 - at % w : at % w;
    const int row = i + (int)mul_hi(draw.x, (uint)(2 * pad + 1)) - pad;
    const int column = j + (int)mul_hi(draw.y, (uint)(2 * pad + 1)) - pad;
    const bool inside = row >= 0 && row < h && column >= 0 && column < w;
    __global const uchar *from = x + (((size_t)b * h + row) * w + column) * channels;
    __global float *to = y + ((size_t)b * h * w + at) * channels;
    for (int c = 0; c < channels; c++)
        to[c] = inside ? (float)from[c] / 255.0f : 0.0f;
}
