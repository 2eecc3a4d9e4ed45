/* Gradient of the filters on a CPU device.
 *
 *   dw[k, c, r, s] = sum_{n, oh, ow} dy[n, oh, ow, k] * x[n, oh * h_stride - h_pad + r * h_dilation,
 *                                                        ow * w_stride - w_pad + s * w_dilation, c]
 *
 *   x     [N][H][W][groups * cg]
 *   dy    [N][OH][OW][groups * kg]
 *   sums  [groups * blocks][R*S][cg][KB]   KB = 16 * NV filters side by side
 *   dw    [groups * kg][cg][R*S]           filters in file order
 *
 * conv2d_filter adds the images n_first .. n_end to `sums` (or writes them where add is 0).  The
 * host calls it for a few images at a time, so that what the tiles share stays in the cache; the
 * order of every sum is that of the images and their pixels.
 * Launch: global size (cg / MC * R*S * block_count * groups), local size 1.  One work-item: MC input
 * channels x KB filters of one tap in registers; it runs over the pixels whose tap lies inside.
 *
 * conv2d_filter_unpack puts `sums` into file order.  Global size (cg, groups * blocks).
 */
#include "common/store.h"

#ifndef MC
#define MC 4 /* input channels of a tile; divides cg */
#endif
#ifndef NV
#define NV 4 /* float16 vectors of a tile */
#endif
#ifndef LANES
#define LANES 16 /* filters that the last vector really has; less than 16 only with NV 1 */
#endif
#define KB (16 * NV)

float16 conv2d_lanes(__global const float *p)
{
#if LANES == 16
    return vload16(0, p);
#else
    float lane[16] = {0.0f};
    for (int i = 0; i < LANES; i++)
        lane[i] = p[i];
    return vload16(0, lane);
#endif
}

__kernel void conv2d_filter(__global const float *restrict x, __global const float *restrict dy,
                            __global float *restrict sums, int add, int n_first, int n_end,
                            int groups, int block_first, int block_count, int blocks, int H, int W,
                            int cg, int OH, int OW, int kg, int R, int S, int h_stride, int h_pad,
                            int h_dilation, int w_stride, int w_pad, int w_dilation)
{
    const int tiles = cg / MC, taps = R * S;
    int id = get_global_id(0);
    if (id >= tiles * taps * block_count * groups)
        return;
    const int c0 = id % tiles * MC;
    id /= tiles;
    const int t = id % taps;
    id /= taps;
    const int block = block_first + id % block_count, group = id / block_count;
    /* outputs whose tap falls inside: 0 <= o * stride + first < size */
    const int first_h = t / S * h_dilation - h_pad, first_w = t % S * w_dilation - w_pad;
    const int h0 = first_h >= 0 ? 0 : (-first_h + h_stride - 1) / h_stride;
    const int w0 = first_w >= 0 ? 0 : (-first_w + w_stride - 1) / w_stride;
    const int h1 = first_h >= H ? 0 : min(OH, (H - 1 - first_h) / h_stride + 1);
    const int w1 = first_w >= W ? 0 : min(OW, (W - 1 - first_w) / w_stride + 1);
    const size_t x_next = (size_t)w_stride * groups * cg, y_next = (size_t)groups * kg;
    __global float *sum =
        sums + ((((size_t)group * blocks + block) * taps + t) * cg + c0) * KB;
    float16 acc[MC][NV];
#pragma unroll
    for (int i = 0; i < MC; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            acc[i][j] = add ? vload16(j, sum + i * KB) : (float16)(0.0f);
    for (int n = n_first; n < n_end; n++)
        for (int h = h0; h < h1; h++) {
            __global const float *a =
                x + (((size_t)n * H + h * h_stride + first_h) * W + w0 * w_stride + first_w) *
                        groups * cg + group * cg + c0;
            __global const float *b = dy + (((size_t)n * OH + h) * OW + w0) * groups * kg +
                                      group * kg + block * KB;
            for (int w = w0; w < w1; w++, a += x_next, b += y_next) {
                float16 bv[NV];
#pragma unroll
                for (int j = 0; j < NV; j++)
                    bv[j] = conv2d_lanes(b + 16 * j);
#pragma unroll
                for (int i = 0; i < MC; i++) {
                    const float16 av = (float16)(a[i]);
#pragma unroll
                    for (int j = 0; j < NV; j++)
                        acc[i][j] = fma(av, bv[j], acc[i][j]);
                }
            }
        }
#pragma unroll
    for (int i = 0; i < MC; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            store16(acc[i][j], sum + i * KB + 16 * j);
}

__kernel void conv2d_filter_unpack(__global const float *restrict sums, __global float *restrict dw,
                                   int panels, int blocks, int kg, int cg, int taps)
{
    const int c = get_global_id(0), panel = get_global_id(1);
    if (c >= cg || panel >= panels)
        return;
    const int k0 = panel % blocks * KB, count = min(KB, kg - k0);
    __global const float *from = sums + ((size_t)panel * taps * cg + c) * KB;
    __global float *to = dw + ((size_t)(panel / blocks * kg + k0) * cg + c) * taps;
    for (int j = 0; j < count; j++)
        for (int t = 0; t < taps; t++)
            to[(size_t)j * cg * taps + t] = from[(size_t)t * cg * KB + j];
}
