/* Random resized crop, flip, colour jitter and greyscale of 8-bit images, as SimCLR and SupCon use
 * them, by torchvision's definitions on values of 0..1.
 *
 * Draws of image b: (seed, augment, epoch << 32 | index[b], view * 16 + n).
 *   n = 0..9: tries of the crop: area, ratio, top, left.  n = 10: flip, jitter or not, grey or not,
 *   order of the four jitters.  n = 11: brightness, contrast, saturation, hue.
 * Crop: area uniform in scale_min..1 of the image, width over height log-uniform in 3/4..4/3; when
 * ten tries do not fit, the largest centred crop of an allowed ratio.  It is resampled to h x w,
 * bilinear, half-pixel centres, clamped to the crop.  A crop is never larger than the image, so no
 * antialiasing is needed.
 * Jitter, each result clamped to 0..1: brightness f p; contrast f p + (1 - f) mean of grey;
 * saturation f p + (1 - f) grey; hue turned by f in HSV.  grey = .2989 R + .587 G + .114 B.
 * Images of one channel know brightness and contrast only.
 *
 * Memory: x, y [n][h][w][channels], channels 1 or 3; index [n]; scratch = choices [n][CHOICES], then
 * rows [n][h], the sums of grey over each row, then mean [n].
 */
#include "common/philox.h"

/* Places in one image's choices. */
#define TOP 0
#define LEFT 1
#define HEIGHT 2
#define WIDTH 3
#define FLIP 4
#define JITTER 5
#define GREY 6
#define ORDER 7   /* four: which jitter comes first, second, ... */
#define FACTOR 11 /* four: brightness, contrast, saturation, hue */
#define CHOICES 15

#define CONTRAST 1

/* Side lengths of one try; 0 where it does not fit. */
int2 contrastive_augment_sides(int h, int w, float scale_min, float area, float ratio)
{
    const float pixels = (float)h * (float)w * (scale_min + (1.0f - scale_min) * area);
    const float low = log(0.75f), high = log(4.0f / 3.0f);
    const float aspect = exp(low + (high - low) * ratio);
    const int width = (int)rint(sqrt(pixels * aspect)), height = (int)rint(sqrt(pixels / aspect));
    return width > 0 && width <= w && height > 0 && height <= h ? (int2)(height, width) : (int2)(0);
}

/* The permutation of 0..3 that `code` of 0..23 stands for, in the order of the alphabet. */
void contrastive_augment_order(int code, __global float *order)
{
    int left[4] = {0, 1, 2, 3}, step = 6;
    for (int k = 0; k < 4; k++) {
        const int at = code / step;
        order[k] = left[at];
        code %= step;
        step /= k < 3 ? 3 - k : 1;
        for (int l = at; l < 3; l++)
            left[l] = left[l + 1];
    }
}

/* One work-item: the choices of one image.  strength: brightness, contrast, saturation, hue. */
__kernel void contrastive_augment_draw(int n, int h, int w, ulong seed, ulong epoch, uint sub,
                                       float scale_min, float flip, float jitter, float grey,
                                       float brightness, float contrast, float saturation,
                                       float hue, __global const int *restrict index,
                                       __global float *restrict choices)
{
    const int b = get_global_id(0);
    if (b >= n)
        return;
    __global float *choice = choices + (size_t)b * CHOICES;
    const ulong image = epoch << 32 | (uint)index[b];
    int2 sides = (int2)(0);
    int top = 0, left = 0;
    for (uint t = 0; t < 10 && sides.x == 0; t++) {
        const uint4 draw = limn_draw(seed, LIMN_PURPOSE_AUGMENT, image, sub + t);
        sides = contrastive_augment_sides(h, w, scale_min, limn_uniform(draw.x),
                                          limn_uniform(draw.y));
        top = mul_hi(draw.z, (uint)(h - sides.x + 1));
        left = mul_hi(draw.w, (uint)(w - sides.y + 1));
    }
    if (sides.x == 0) {
        sides = (int2)(h, w);
        if (4 * w < 3 * h)
            sides.x = min(h, (int)rint((float)w * 4.0f / 3.0f));
        else if (3 * w > 4 * h)
            sides.y = min(w, (int)rint((float)h * 4.0f / 3.0f));
        top = (h - sides.x) / 2;
        left = (w - sides.y) / 2;
    }
    const uint4 draw = limn_draw(seed, LIMN_PURPOSE_AUGMENT, image, sub + 10);
    const uint4 factor = limn_draw(seed, LIMN_PURPOSE_AUGMENT, image, sub + 11);
    choice[TOP] = top;
    choice[LEFT] = left;
    choice[HEIGHT] = sides.x;
    choice[WIDTH] = sides.y;
    choice[FLIP] = limn_uniform(draw.x) < flip;
    choice[JITTER] = limn_uniform(draw.y) < jitter;
    choice[GREY] = limn_uniform(draw.z) < grey;
    contrastive_augment_order(mul_hi(draw.w, 24u), choice + ORDER);
    choice[FACTOR] = 1.0f + brightness * (2.0f * limn_uniform(factor.x) - 1.0f);
    choice[FACTOR + 1] = 1.0f + contrast * (2.0f * limn_uniform(factor.y) - 1.0f);
    choice[FACTOR + 2] = 1.0f + saturation * (2.0f * limn_uniform(factor.z) - 1.0f);
    choice[FACTOR + 3] = hue * (2.0f * limn_uniform(factor.w) - 1.0f);
}

/* ---- one pixel ------------------------------------------------------------------------------ */

float contrastive_augment_grey(float3 p, int channels)
{
    return channels == 1 ? p.x : 0.2989f * p.x + 0.587f * p.y + 0.114f * p.z;
}

/* Hue turned by `turn`, a fraction of the circle. */
float3 contrastive_augment_hue(float3 p, float turn)
{
    const float top = fmax(p.x, fmax(p.y, p.z)), range = top - fmin(p.x, fmin(p.y, p.z));
    if (!(range > 0.0f))
        return p;
    float h = top == p.x   ? (p.y - p.z) / range
              : top == p.y ? 2.0f + (p.z - p.x) / range
                           : 4.0f + (p.x - p.y) / range;
    h = h / 6.0f + turn;
    h = 6.0f * (h - floor(h));
    const int sector = (int)floor(h) % 6;
    const float f = h - floor(h), s = range / top;
    const float a = top * (1.0f - s), q = top * (1.0f - s * f), t = top * (1.0f - s * (1.0f - f));
    switch (sector) {
    case 0:
        return (float3)(top, t, a);
    case 1:
        return (float3)(q, top, a);
    case 2:
        return (float3)(a, top, t);
    case 3:
        return (float3)(a, q, top);
    case 4:
        return (float3)(t, a, top);
    default:
        return (float3)(top, a, q);
    }
}

/* Applies one half of the jitters: those before contrast, or contrast and those after it. */
float3 contrastive_augment_jitter(float3 p, int channels, __global const float *choice,
                                  bool after, float mean)
{
    bool reached = false;
    for (int k = 0; k < 4; k++) {
        const int which = (int)choice[ORDER + k];
        reached = reached || which == CONTRAST;
        if (reached != after || (channels == 1 && which > CONTRAST))
            continue;
        const float f = choice[FACTOR + which];
        if (which == 3)
            p = contrastive_augment_hue(p, f);
        else if (which == 2)
            p = f * p + (1.0f - f) * contrastive_augment_grey(p, channels);
        else
            p = f * p + (which == CONTRAST ? (1.0f - f) * mean : 0.0f);
        p = clamp(p, 0.0f, 1.0f);
    }
    return p;
}

float3 contrastive_augment_load(__global const float *y, size_t at, int channels)
{
    return channels == 1 ? (float3)(y[at]) : vload3(at, y);
}

void contrastive_augment_store(float3 p, __global float *y, size_t at, int channels)
{
    if (channels == 1)
        y[at] = p.x;
    else
        vstore3(p, at, y);
}

float3 contrastive_augment_byte(__global const uchar *x, size_t at, int channels)
{
    const float3 p = channels == 1 ? (float3)((float)x[at]) : convert_float3(vload3(at, x));
    return p / 255.0f;
}

/* ---- images --------------------------------------------------------------------------------- */

/* Crop, flip and the jitters before contrast.  One work-item: one position (dimension 0) of one
 * image (dimension 1). */
__kernel void contrastive_augment_sample(int n, int h, int w, int channels,
                                         __global const uchar *restrict x,
                                         __global const float *restrict choices,
                                         __global float *restrict y)
{
    const int at = get_global_id(0), b = get_global_id(1);
    if (at >= h * w || b >= n)
        return;
    __global const float *choice = choices + (size_t)b * CHOICES;
    const int i = at / w, j = choice[FLIP] > 0.0f ? w - 1 - at % w : at % w;
    const float v = fmax(0.0f, ((float)i + 0.5f) * choice[HEIGHT] / (float)h - 0.5f);
    const float u = fmax(0.0f, ((float)j + 0.5f) * choice[WIDTH] / (float)w - 0.5f);
    const int v0 = (int)v, v1 = min(v0 + 1, (int)choice[HEIGHT] - 1);
    const int u0 = (int)u, u1 = min(u0 + 1, (int)choice[WIDTH] - 1);
    const float fv = v - (float)v0, fu = u - (float)u0;
    const size_t first = (size_t)b * h * w + (size_t)choice[TOP] * w + (size_t)choice[LEFT];
    const size_t row0 = first + (size_t)v0 * w, row1 = first + (size_t)v1 * w;
    const float3 upper = (1.0f - fu) * contrastive_augment_byte(x, row0 + u0, channels) +
                         fu * contrastive_augment_byte(x, row0 + u1, channels);
    const float3 lower = (1.0f - fu) * contrastive_augment_byte(x, row1 + u0, channels) +
                         fu * contrastive_augment_byte(x, row1 + u1, channels);
    float3 p = (1.0f - fv) * upper + fv * lower;
    if (choice[JITTER] > 0.0f)
        p = contrastive_augment_jitter(p, channels, choice, false, 0.0f);
    contrastive_augment_store(p, y, (size_t)b * h * w + at, channels);
}

/* One work-item: the sum of grey over one row (dimension 0) of one image (dimension 1). */
__kernel void contrastive_augment_rows(int n, int h, int w, int channels,
                                       __global const float *restrict y,
                                       __global float *restrict scratch)
{
    const int i = get_global_id(0), b = get_global_id(1);
    if (i >= h || b >= n)
        return;
    const size_t first = ((size_t)b * h + i) * w;
    float sum = 0.0f;
    for (int j = 0; j < w; j++)
        sum += contrastive_augment_grey(contrastive_augment_load(y, first + j, channels), channels);
    scratch[(size_t)n * CHOICES + (size_t)b * h + i] = sum;
}

/* One work-item: the mean of grey of one image. */
__kernel void contrastive_augment_mean(int n, int h, int w, __global float *restrict scratch)
{
    const int b = get_global_id(0);
    if (b >= n)
        return;
    __global const float *rows = scratch + (size_t)n * CHOICES + (size_t)b * h;
    float sum = 0.0f;
    for (int i = 0; i < h; i++)
        sum += rows[i];
    scratch[(size_t)n * (CHOICES + h) + b] = sum / ((float)h * (float)w);
}

/* Contrast, the jitters after it, greyscale; in place.  Work-items as in sample. */
__kernel void contrastive_augment_finish(int n, int h, int w, int channels,
                                         __global const float *restrict scratch,
                                         __global float *restrict y)
{
    const int pixel = get_global_id(0), b = get_global_id(1);
    if (pixel >= h * w || b >= n)
        return;
    __global const float *choice = scratch + (size_t)b * CHOICES;
    const float mean = scratch[(size_t)n * (CHOICES + h) + b];
    const size_t at = (size_t)b * h * w + pixel;
    float3 p = contrastive_augment_load(y, at, channels);
    if (choice[JITTER] > 0.0f)
        p = contrastive_augment_jitter(p, channels, choice, true, mean);
    if (choice[GREY] > 0.0f)
        p = (float3)(contrastive_augment_grey(p, channels));
    contrastive_augment_store(p, y, at, channels);
}
