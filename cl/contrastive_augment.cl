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
 * Memory: x, y [n][h][w][CHANNELS]; index [n]; scratch = choices [n][CHOICES], then rows [n][h], the
 * sums of grey over each row, then mean [n].
 */
#include "common/lanes.h"
#include "common/philox.h"
#include "common/sum.h"

#ifndef CHANNELS
#define CHANNELS 3 /* 1 or 3 */
#endif

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
#define SATURATION 2
#define HUE 3

#define RED 0.2989f
#define GREEN 0.587f
#define BLUE 0.114f

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

/* ---- V neighbouring pixels, channel by channel ---------------------------------------------- */

lanes contrastive_augment_grey(const lanes p[CHANNELS])
{
#if CHANNELS == 1
    return p[0];
#else
    return RED * p[0] + GREEN * p[1] + BLUE * p[2];
#endif
}

/* Hue turned by `turn`, a fraction of the circle.  With h the hue in sixths of the circle, channel
 * k has all of the value where h is within 1 of 2 k, and loses the range over the next sixth. */
void contrastive_augment_hue(lanes p[CHANNELS], float turn)
{
#if CHANNELS == 3
    const lanes top = fmax(p[0], fmax(p[1], p[2]));
    const lanes range = top - fmin(p[0], fmin(p[1], p[2]));
    const int_lanes red = top == p[0], green = top == p[1];
    const lanes ahead = choose_lanes(red, p[1], choose_lanes(green, p[2], p[0]));
    const lanes behind = choose_lanes(red, p[2], choose_lanes(green, p[0], p[1]));
    const lanes least = choose_lanes(range > 0.0f, range, 1.0f); /* grey stays what it is */
    const lanes first = choose_lanes(red, 0.0f, choose_lanes(green, 2.0f, 4.0f));
    const lanes h = first + (ahead - behind) / least + 6.0f * turn;
    for (int k = 0; k < 3; k++) {
        const lanes from = h - 2.0f * k;
        const lanes away = fabs(from - 6.0f * rint(from * (1.0f / 6.0f)));
        p[k] = top - range * clamp(away - 1.0f, 0.0f, 1.0f);
    }
#endif
}

/* Applies one half of the jitters: those before contrast, or contrast and those after it. */
void contrastive_augment_jitter(lanes p[CHANNELS], __global const float *choice, bool after,
                                float mean)
{
    bool reached = false;
    for (int k = 0; k < 4; k++) {
        const int which = (int)choice[ORDER + k];
        reached = reached || which == CONTRAST;
        if (reached != after)
            continue;
        if (CHANNELS == 1 && which > CONTRAST)
            continue;
        const float f = choice[FACTOR + which];
        if (which == HUE) {
            contrastive_augment_hue(p, f);
        } else {
            lanes other = which == CONTRAST ? mean : 0.0f;
            if (which == SATURATION)
                other = contrastive_augment_grey(p);
            for (int c = 0; c < CHANNELS; c++)
                p[c] = f * p[c] + (1.0f - f) * other;
        }
        for (int c = 0; c < CHANNELS; c++)
            p[c] = clamp(p[c], 0.0f, 1.0f);
    }
}

/* The first `valid` of V pixels; the last of them again for those past it. */
void contrastive_augment_load(lanes p[CHANNELS], __global const float *y, int valid)
{
    float each[CHANNELS][V];
    for (int l = 0; l < V; l++)
        for (int c = 0; c < CHANNELS; c++)
            each[c][l] = y[min(l, valid - 1) * CHANNELS + c];
    for (int c = 0; c < CHANNELS; c++)
        p[c] = join_lanes(each[c]);
}

void contrastive_augment_store(const lanes p[CHANNELS], __global float *y, int valid)
{
    float each[CHANNELS][V];
    for (int c = 0; c < CHANNELS; c++)
        split_lanes(p[c], each[c]);
    for (int l = 0; l < valid; l++)
        for (int c = 0; c < CHANNELS; c++)
            y[l * CHANNELS + c] = each[c][l];
}

/* Between two rows and, pixel by pixel, two columns: the fraction `down` of the way from `upper` to
 * `lower`, `across` of that from `left` to `right`. */
void contrastive_augment_blend(lanes p[CHANNELS], __global const uchar *upper,
                               __global const uchar *lower, float down, const int *left,
                               const int *right, lanes across)
{
    float corner[4][CHANNELS][V];
    for (int l = 0; l < V; l++)
        for (int c = 0; c < CHANNELS; c++) {
            corner[0][c][l] = upper[left[l] * CHANNELS + c];
            corner[1][c][l] = upper[right[l] * CHANNELS + c];
            corner[2][c][l] = lower[left[l] * CHANNELS + c];
            corner[3][c][l] = lower[right[l] * CHANNELS + c];
        }
    for (int c = 0; c < CHANNELS; c++) {
        const lanes above =
            (1.0f - across) * join_lanes(corner[0][c]) + across * join_lanes(corner[1][c]);
        const lanes below =
            (1.0f - across) * join_lanes(corner[2][c]) + across * join_lanes(corner[3][c]);
        p[c] = ((1.0f - down) * above + down * below) / 255.0f;
    }
}

/* ---- images --------------------------------------------------------------------------------- */

/* Crop, flip and the jitters before contrast.  One work-item: `length` positions (dimension 0),
 * whole rows of them or, with V 1, a single one, of one image (dimension 1). */
__kernel void contrastive_augment_sample(int n, int h, int w, int length,
                                         __global const uchar *restrict x,
                                         __global const float *restrict choices,
                                         __global float *restrict y)
{
    const size_t first = get_global_id(0) * (size_t)length;
    const int b = get_global_id(1);
    if (first >= (size_t)h * w || b >= n)
        return;
    __global const float *choice = choices + (size_t)b * CHOICES;
    const int height = (int)choice[HEIGHT], width = (int)choice[WIDTH];
    __global const uchar *crop =
        x + ((size_t)b * h * w + (size_t)choice[TOP] * w + (size_t)choice[LEFT]) * CHANNELS;
    __global float *image = y + (size_t)b * h * w * CHANNELS;
    const int last = (int)min(first + length, (size_t)h * w);
    for (int at = first, valid; at < last; at += valid) {
        const int i = at / w, start = at % w;
        float column[V];
        int left[V], right[V];
        valid = min(V, w - start);
        for (int l = 0; l < V; l++) {
            const int j = start + min(l, valid - 1);
            column[l] = choice[FLIP] > 0.0f ? w - 1 - j : j;
        }
        const float v = fmax(0.0f, ((float)i + 0.5f) * (float)height / (float)h - 0.5f);
        const lanes place = (join_lanes(column) + 0.5f) * (float)width / (float)w - 0.5f;
        const lanes u = fmax(place, 0.0f);
        const int v0 = (int)v, v1 = min(v0 + 1, height - 1);
        const int_lanes u0 = to_int_lanes(u);
        split_int_lanes(u0, left);
        split_int_lanes(min(u0 + 1, (int_lanes)(width - 1)), right);
        lanes p[CHANNELS];
        contrastive_augment_blend(p, crop + (size_t)v0 * w * CHANNELS,
                                  crop + (size_t)v1 * w * CHANNELS, v - (float)v0, left, right,
                                  u - to_lanes(u0));
        if (choice[JITTER] > 0.0f)
            contrastive_augment_jitter(p, choice, false, 0.0f);
        contrastive_augment_store(p, image + (size_t)at * CHANNELS, valid);
    }
}

/* One work-item: the sum of grey over one row (dimension 0) of one image (dimension 1). */
__kernel void contrastive_augment_rows(int n, int h, int w, __global const float *restrict y,
                                       __global float *restrict scratch)
{
    const int i = get_global_id(0), b = get_global_id(1);
    if (i >= h || b >= n)
        return;
    __global const float *row = y + ((size_t)b * h + i) * w * CHANNELS;
    __global float *sum = scratch + (size_t)n * CHOICES + (size_t)b * h + i;
#if CHANNELS == 1
    *sum = limn_sum(row, w);
#else
    /* Sixteen pixels are three vectors, whose lanes are red, green, blue, red, ... */
    const float16 weight[3] = {
        (float16)(RED, GREEN, BLUE, RED, GREEN, BLUE, RED, GREEN, BLUE, RED, GREEN, BLUE, RED,
                  GREEN, BLUE, RED),
        (float16)(GREEN, BLUE, RED, GREEN, BLUE, RED, GREEN, BLUE, RED, GREEN, BLUE, RED, GREEN,
                  BLUE, RED, GREEN),
        (float16)(BLUE, RED, GREEN, BLUE, RED, GREEN, BLUE, RED, GREEN, BLUE, RED, GREEN, BLUE,
                  RED, GREEN, BLUE)};
    float16 parts = (float16)(0.0f);
    int j = 0;
    for (; j + 16 <= w; j += 16)
        for (int k = 0; k < 3; k++)
            parts = fma(vload16(k, row + 3 * j), weight[k], parts);
    float grey = limn_sum16(parts);
    for (; j < w; j++)
        grey += RED * row[3 * j] + GREEN * row[3 * j + 1] + BLUE * row[3 * j + 2];
    *sum = grey;
#endif
}

/* One work-item: the mean of grey of one image. */
__kernel void contrastive_augment_mean(int n, int h, int w, __global float *restrict scratch)
{
    const int b = get_global_id(0);
    if (b >= n)
        return;
    __global const float *rows = scratch + (size_t)n * CHOICES + (size_t)b * h;
    scratch[(size_t)n * (CHOICES + h) + b] = limn_sum(rows, h) / ((float)h * (float)w);
}

/* Contrast, the jitters after it, greyscale; in place.  Work-items as in sample. */
__kernel void contrastive_augment_finish(int n, int h, int w, int length,
                                         __global const float *restrict scratch,
                                         __global float *restrict y)
{
    const size_t first = get_global_id(0) * (size_t)length;
    const int b = get_global_id(1);
    if (first >= (size_t)h * w || b >= n)
        return;
    __global const float *choice = scratch + (size_t)b * CHOICES;
    const bool jitter = choice[JITTER] > 0.0f, grey = choice[GREY] > 0.0f;
    if (!jitter && !grey)
        return;
    const float mean = scratch[(size_t)n * (CHOICES + h) + b];
    __global float *image = y + (size_t)b * h * w * CHANNELS;
    const int last = (int)min(first + length, (size_t)h * w);
    for (int at = first; at < last; at += V) {
        __global float *pixel = image + (size_t)at * CHANNELS;
        lanes p[CHANNELS];
        contrastive_augment_load(p, pixel, last - at);
        if (jitter)
            contrastive_augment_jitter(p, choice, true, mean);
        const lanes shade = contrastive_augment_grey(p);
        for (int c = 0; c < CHANNELS && grey; c++)
            p[c] = shade;
        contrastive_augment_store(p, pixel, min(V, last - at));
    }
}
