/* y[n, oh, ow, c] = sum over the two nearest rows and columns of weight * x[n, h, w, c]; pixel
 * centres at half integers (align_corners false):
 *   s = max((o + 1/2) * I / O - 1/2, 0),  i = floor(s),  t = s - i:  weight 1 - t of i, t of
 *   min(i + 1, I - 1),   I input extent, O output extent.
 * s is kept as the fraction max((2 o + 1) I - O, 0) / (2 O), so i is exact and t rounded once.
 *
 *   x [N][H][W][C]      y [N][OH][OW][C]
 *
 * Forward: global size (ceil(C / V), N * OH * OW); backward: (ceil(C / V), N * H * W).  One
 * work-item: V channels of one pixel.  Backward gathers from the outputs that may read the pixel.
 */
#include "common/lanes.h"

/* i and t of output o */
int place(int o, int I, int O, float *t)
{
    const int s = max((2 * o + 1) * I - O, 0);
    *t = (float)(s % (2 * O)) / (float)(2 * O);
    return s / (2 * O);
}

/* weight of input i in output o */
float weight_of(int i, int o, int I, int O)
{
    float t;
    const int low = place(o, I, O, &t), high = min(low + 1, I - 1);
    return (low == i ? 1.0f - t : 0.0f) + (high == i ? t : 0.0f);
}

__kernel void resize_bilinear_forward(int N, int H, int W, int C, int OH, int OW,
                                      __global const float *restrict x, __global float *restrict y)
{
    const int c = (int)get_global_id(0) * V, pixel = get_global_id(1), valid = C - c;
    if (c >= C || pixel >= N * OH * OW)
        return;
    const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / OW / OH;
    float th, tw;
    const int h0 = place(oh, H, OH, &th), h1 = min(h0 + 1, H - 1);
    const int w0 = place(ow, W, OW, &tw), w1 = min(w0 + 1, W - 1);
    __global const float *image = x + (size_t)n * H * W * C + c;
    const lanes a = load_lanes(image + (size_t)(h0 * W + w0) * C, valid);
    const lanes b = load_lanes(image + (size_t)(h0 * W + w1) * C, valid);
    const lanes d = load_lanes(image + (size_t)(h1 * W + w0) * C, valid);
    const lanes e = load_lanes(image + (size_t)(h1 * W + w1) * C, valid);
    store_lanes((1.0f - th) * ((1.0f - tw) * a + tw * b) + th * ((1.0f - tw) * d + tw * e),
                y + (size_t)pixel * C + c, valid);
}

__kernel void resize_bilinear_backward(int N, int H, int W, int C, int OH, int OW,
                                       __global const float *restrict dy,
                                       __global float *restrict dx)
{
    const int c = (int)get_global_id(0) * V, pixel = get_global_id(1), valid = C - c;
    if (c >= C || pixel >= N * H * W)
        return;
    const int w = pixel % W, h = pixel / W % H, n = pixel / W / H;
    /* outputs with h - 1 < s < h + 1, and none more than one too many */
    const int first_h = max((2 * h - 1) * OH - H, 0) / (2 * H);
    const int first_w = max((2 * w - 1) * OW - W, 0) / (2 * W);
    const int last_h = min(max((2 * h + 3) * OH - H, 0) / (2 * H), OH - 1);
    const int last_w = min(max((2 * w + 3) * OW - W, 0) / (2 * W), OW - 1);
    lanes sum = 0.0f;
    for (int oh = first_h; oh <= last_h; oh++) {
        const float row = weight_of(h, oh, H, OH);
        if (row == 0.0f)
            continue;
        for (int ow = first_w; ow <= last_w; ow++)
            sum += row * weight_of(w, ow, W, OW) *
                   load_lanes(dy + (((size_t)n * OH + oh) * OW + ow) * C + c, valid);
    }
    store_lanes(sum, dx + (size_t)pixel * C + c, valid);
}
