/* Filters rearranged for the tiled convolution kernels, once for as long as they do not change.
 *
 *   w     [K][CG][R*S]          filters in file order, K = groups * KG output channels
 *   bias  [K]                   read where has_bias is not 0
 *   u     [zeros][bias][panels]
 *         zeros   `zeros` floats of 0: what a tap outside the image reads
 *         bias    [groups * blocks * KB]
 *         panels  [groups * blocks][R*S][D][KB]
 *
 * A panel holds KB = 16 * NV output channels side by side for each depth d that the sum runs over;
 * lanes past the last channel are 0.
 *   forward: output channels are those of y, d counts the CG input channels of the group;
 *   data:    output channels are those of x, d counts the KG filters of the group, no bias.
 *
 * Forward reads the filters of a group as a matrix [KG][CG * R*S] and turns it 16 x 16 at a time.
 * Launch: conv2d_pack_forward: global size (ceil(CG * R*S / 16), groups * blocks); one work-item
 * writes 16 rows of one panel.  conv2d_pack_data: global size (KG, groups * blocks); one work-item
 * writes one depth of one panel, all taps.
 *
 * conv2d_pack_merged: for the gradient of an input of CG channels through strides that divide its
 * extents, groups 1.  A block of h_stride x w_stride pixels of dx is one pixel with a channel
 * l = (a * w_stride + b) * CG + c for each pixel (a, b) of the block and channel c of it; so few
 * channels fill a vector better, and the classes of pixels need one launch.  Block (qh, qw) meets
 * dy[qh + i - h_pad][qw + j - w_pad] through tap (i, j) of TH x TW, which for pixel (a, b) is
 *   r = (h_last + a - h_stride * i) / h_dilation,   s likewise;
 * where that is no whole number or no tap of w, the filter is 0.  One panel [TH*TW][KG][KB].
 * Global size (KG).
 */
#include "common/store.h"
#include "common/transpose.h"

#ifndef NV
#define NV 4 /* float16 vectors in a panel row */
#endif
#define KB (16 * NV)

/* What the kernels share: zeros and bias.  The work-items of a panel are numbered item < items. */
void conv2d_head(__global const float *bias, __global float *u, int has_bias, int zeros, int item,
                 int items, int panel, int first, int count)
{
    if (panel == 0)
        for (int i = item; i < zeros; i += items)
            u[i] = 0.0f;
    if (item == 0)
        for (int j = 0; j < KB; j++)
            u[zeros + panel * KB + j] = has_bias && j < count ? bias[first + j] : 0.0f;
}

__kernel void conv2d_pack_forward(__global const float *restrict w,
                                  __global const float *restrict bias, __global float *restrict u,
                                  int has_bias, int zeros, int panels, int blocks, int kg, int cg,
                                  int taps)
{
    const int item = get_global_id(0), panel = get_global_id(1), columns = cg * taps;
    const int m0 = 16 * item, items = (columns + 15) / 16, valid = min(16, columns - m0);
    if (item >= items || panel >= panels)
        return;
    const int k0 = panel % blocks * KB, first = panel / blocks * kg + k0, count = min(KB, kg - k0);
    conv2d_head(bias, u, has_bias, zeros, item, items, panel, first, count);
    __global float *to = u + zeros + panels * KB + (size_t)panel * columns * KB;
    __global const float *from = w + (size_t)first * columns + m0;
    for (int j = 0; j < NV; j++) {
        float16 r[16];
        if (valid == 16 && 16 * j + 16 <= count) {
#pragma unroll
            for (int i = 0; i < 16; i++)
                r[i] = vload16(0, from + (size_t)(16 * j + i) * columns);
        } else {
            float part[256];
            for (int i = 0; i < 256; i++)
                part[i] = i % 16 < valid && 16 * j + i / 16 < count
                              ? from[(size_t)(16 * j + i / 16) * columns + i % 16]
                              : 0.0f;
#pragma unroll
            for (int i = 0; i < 16; i++)
                r[i] = vload16(i, part);
        }
        limn_transpose16(r);
        /* column m is tap m % taps of channel m / taps */
        int c = m0 / taps, t = m0 % taps;
#pragma unroll
        for (int i = 0; i < 16; i++)
            if (i < valid) {
                store16(r[i], to + ((size_t)t * cg + c) * KB + 16 * j);
                t++;
                c += t == taps;
                t = t == taps ? 0 : t;
            }
    }
}

__kernel void conv2d_pack_data(__global const float *restrict w, __global float *restrict u,
                               int zeros, int panels, int blocks, int kg, int cg, int taps)
{
    const int k = get_global_id(0), panel = get_global_id(1);
    if (k >= kg || panel >= panels)
        return;
    const int c0 = panel % blocks * KB, count = min(KB, cg - c0);
    conv2d_head(w, u, 0, zeros, k, kg, panel, 0, 0);
    __global float *to = u + zeros + panels * KB + ((size_t)panel * taps * kg + k) * KB;
    __global const float *from = w + ((size_t)(panel / blocks * kg + k) * cg + c0) * taps;
    for (int t = 0; t < taps; t++)
        for (int j = 0; j < NV; j++) {
            float16 v;
            if (taps == 1 && 16 * j + 16 <= count) {
                v = vload16(j, from);
            } else {
                float part[16];
                for (int i = 0; i < 16; i++)
                    part[i] = 16 * j + i < count ? from[(16 * j + i) * taps + t] : 0.0f;
                v = vload16(0, part);
            }
            store16(v, to + (size_t)t * kg * KB + 16 * j);
        }
}

/* The tap that meets `at`, or -1. */
int conv2d_merged_tap(int at, int dilation, int taps)
{
    return at >= 0 && at % dilation == 0 && at / dilation < taps ? at / dilation : -1;
}

__kernel void conv2d_pack_merged(__global const float *restrict w, __global float *restrict u,
                                 int zeros, int kg, int cg, int R, int S, int TH, int TW,
                                 int h_stride, int h_dilation, int h_last, int w_stride,
                                 int w_dilation, int w_last)
{
    const int k = get_global_id(0);
    if (k >= kg)
        return;
    conv2d_head(w, u, 0, zeros, k, kg, 0, 0, 0);
    for (int t = 0; t < TH * TW; t++) {
        float part[KB];
        for (int l = 0; l < KB; l++) {
            const int a = l / (w_stride * cg), b = l / cg % w_stride;
            const int r = conv2d_merged_tap(h_last + a - h_stride * (t / TW), h_dilation, R);
            const int s = conv2d_merged_tap(w_last + b - w_stride * (t % TW), w_dilation, S);
            part[l] = a < h_stride && r >= 0 && s >= 0
                          ? w[(((size_t)k * cg + l % cg) * R + r) * S + s]
                          : 0.0f;
        }
        for (int j = 0; j < NV; j++)
            store16(vload16(j, part), u + zeros + KB + ((size_t)t * kg + k) * KB + 16 * j);
    }
}
