/* Random resized crop, flip, colour jitter and greyscale, by torchvision's definitions. */
#include "ops/augment.h"
#include "ops/shape.h"

#include "base/philox.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

typedef struct settings {
    uint64_t seed;
    int64_t epoch, view;
    double scale_min, jitter, factor[4], grey, flip;
} settings;

static const limn_param_spec specs[] = {
    {"seed", LIMN_PARAM_U64, offsetof(settings, seed), 0, 0, 0},
    {"epoch", LIMN_PARAM_INT, offsetof(settings, epoch), 0, 0, INT32_MAX},
    {"view", LIMN_PARAM_INT, offsetof(settings, view), 0, 0, 1 << 20},
    {"scale_min", LIMN_PARAM_FLOAT, offsetof(settings, scale_min), 0.2, 1e-6, 1},
    {"jitter", LIMN_PARAM_FLOAT, offsetof(settings, jitter), 0.8, 0, 1},
    {"brightness", LIMN_PARAM_FLOAT, offsetof(settings, factor[0]), 0.4, 0, 1},
    {"contrast", LIMN_PARAM_FLOAT, offsetof(settings, factor[1]), 0.4, 0, 1},
    {"saturation", LIMN_PARAM_FLOAT, offsetof(settings, factor[2]), 0.4, 0, 1},
    {"hue", LIMN_PARAM_FLOAT, offsetof(settings, factor[3]), 0.1, 0, 0.5},
    {"grey", LIMN_PARAM_FLOAT, offsetof(settings, grey), 0.2, 0, 1},
    {"flip", LIMN_PARAM_FLOAT, offsetof(settings, flip), 0.5, 0, 1},
    {0},
};

/* The kernels' CHOICES, and the numbers of the draws. */
enum { CHOICES = 15, TRIES = 10 };
enum { BRIGHTNESS, CONTRAST, SATURATION, HUE };

/* Scratch: choices [N][15], sums of rows [N][H], means [N]. */
static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    const int64_t *d = in[0].dim;
    if (in[0].dtype != LIMN_U8 || in[0].rank != 4 || (d[3] != 1 && d[3] != 3) ||
        in[1].dtype != LIMN_I32 || in[1].rank != 1 || in[1].dim[0] != d[0] ||
        d[1] * d[2] > INT32_MAX / 4 || d[1] * d[2] < 1)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs",
                         "contrastive_augment",
                         "%s and %s must be images u8[N,H,W,1 or 3] and their numbers i32[N]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    p->out_count = 1;
    p->out[0] = in[0];
    p->out[0].dtype = LIMN_F32;
    p->forward_scratch = (size_t)(d[0] * (CHOICES + d[1] + 1)) * sizeof(float);
    p->flops = 40 * (double)limn_desc_count(&in[0]);
    p->bytes = (double)limn_desc_bytes(&in[0]) + 4.0 * (double)limn_desc_bytes(&p->out[0]);
    return LIMN_OK;
}

/* Positions of one work-item on a CPU device, in whole rows. */
enum { FEWEST_POSITIONS = 1024 };

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t *d = r->in[0]->desc.dim, positions = d[1] * d[2];
    const bool vectors = limn_lanes(r->device) > 1;
    const int64_t run = vectors ? d[2] * ((FEWEST_POSITIONS + d[2] - 1) / d[2]) : 1;
    const limn_arg n = limn_int(d[0]), h = limn_int(d[1]), w = limn_int(d[2]);
    const limn_arg length = limn_int(run);
    const limn_grid images = limn_grid_1d((size_t)d[0]);
    const limn_grid rows = {{(size_t)d[1], (size_t)d[0], 1}, {0, 0, 0}};
    const size_t group = vectors ? 1 : 0; /* 0: whatever suits the device */
    const limn_grid pixels = {{(size_t)((positions + run - 1) / run), (size_t)d[0], 1},
                              {group, group, group}};
    char defines[48];
    snprintf(defines, sizeof defines, "%s -DCHANNELS=%d", limn_lane_defines(r->device), (int)d[3]);
    limn_status status = LIMN_LAUNCH(
        r->device, "contrastive_augment_draw", defines, images, n, h, w, limn_ulong(q->seed),
        limn_ulong((uint64_t)q->epoch), limn_uint((uint32_t)q->view * LIMN_AUGMENT_SUBS),
        limn_float(q->scale_min), limn_float(q->flip), limn_float(q->jitter), limn_float(q->grey),
        limn_float(q->factor[BRIGHTNESS]), limn_float(q->factor[CONTRAST]),
        limn_float(q->factor[SATURATION]), limn_float(q->factor[HUE]), limn_in(r->in[1]->buffer),
        limn_out(r->scratch));
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(r->device, "contrastive_augment_sample", defines, pixels, n, h, w,
                             length, limn_in(r->in[0]->buffer), limn_in(r->scratch),
                             limn_out(r->out[0]->buffer));
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(r->device, "contrastive_augment_rows", defines, rows, n, h, w,
                             limn_in(r->out[0]->buffer), limn_inout(r->scratch));
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(r->device, "contrastive_augment_mean", defines, images, n, h, w,
                             limn_inout(r->scratch));
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(r->device, "contrastive_augment_finish", defines, pixels, n, h, w,
                             length, limn_in(r->scratch), limn_inout(r->out[0]->buffer));
    return status;
}

/* ---- reference ------------------------------------------------------------------------------ */

/* What is drawn for one image. */
typedef struct choice {
    int64_t top, left, height, width;
    bool flip, jitter, grey;
    int64_t order[4];
    double factor[4];
} choice;

static int64_t below(uint32_t bits, int64_t limit)
{
    return (int64_t)((uint64_t)bits * (uint64_t)limit >> 32);
}

static void draw_crop(const settings *q, uint64_t image, int64_t h, int64_t w, choice *out)
{
    for (uint32_t t = 0; t < TRIES; t++) {
        uint32_t bits[4];
        limn_draw(q->seed, LIMN_PURPOSE_AUGMENT, image, (uint32_t)q->view * LIMN_AUGMENT_SUBS + t,
                  bits);
        const double area =
            (double)(h * w) * (q->scale_min + (1 - q->scale_min) * limn_uniform(bits[0]));
        const double ratio = exp(log(0.75) + (log(4.0 / 3) - log(0.75)) * limn_uniform(bits[1]));
        out->width = (int64_t)rint(sqrt(area * ratio));
        out->height = (int64_t)rint(sqrt(area / ratio));
        out->top = below(bits[2], h - out->height + 1);
        out->left = below(bits[3], w - out->width + 1);
        if (out->width > 0 && out->width <= w && out->height > 0 && out->height <= h)
            return;
    }
    out->height = 4 * w < 3 * h ? (int64_t)rint((double)w * 4 / 3) : h;
    out->width = 3 * w > 4 * h ? (int64_t)rint((double)h * 4 / 3) : w;
    out->top = (h - out->height) / 2;
    out->left = (w - out->width) / 2;
}

static void draw_choice(const settings *q, int32_t index, int64_t h, int64_t w, choice *out)
{
    const uint64_t image = (uint64_t)q->epoch << 32 | (uint32_t)index;
    const uint32_t sub = (uint32_t)q->view * LIMN_AUGMENT_SUBS + TRIES;
    uint32_t bits[4], factor[4];
    draw_crop(q, image, h, w, out);
    limn_draw(q->seed, LIMN_PURPOSE_AUGMENT, image, sub, bits);
    limn_draw(q->seed, LIMN_PURPOSE_AUGMENT, image, sub + 1, factor);
    out->flip = limn_uniform(bits[0]) < (float)q->flip;
    out->jitter = limn_uniform(bits[1]) < (float)q->jitter;
    out->grey = limn_uniform(bits[2]) < (float)q->grey;
    for (int i = 0; i < 4; i++) {
        out->order[i] = i;
        out->factor[i] = (i == HUE ? 0 : 1) + q->factor[i] * (2 * limn_uniform(factor[i]) - 1);
    }
    /* The permutation of that number in lexicographic order. */
    int64_t code = below(bits[3], 24);
    for (int i = 0, step = 6; i < 3; step /= 3 - i, i++) {
        const int at = i + (int)(code / step);
        const int64_t taken = out->order[at];
        code %= step;
        for (int k = at; k > i; k--)
            out->order[k] = out->order[k - 1];
        out->order[i] = taken;
    }
}

static double grey_of(const double *p, int64_t channels)
{
    return channels == 1 ? p[0] : 0.2989 * p[0] + 0.587 * p[1] + 0.114 * p[2];
}

/* RGB to HSV, hue turned, and back. */
static void turn_hue(double *p, double turn)
{
    const double v = fmax(p[0], fmax(p[1], p[2])), range = v - fmin(p[0], fmin(p[1], p[2]));
    if (range == 0)
        return;
    const double h = v == p[0]   ? (p[1] - p[2]) / range
                     : v == p[1] ? 2 + (p[2] - p[0]) / range
                                 : 4 + (p[0] - p[1]) / range;
    /* Channel k = v - range * (how far the hue is from the two sixths where k is full). */
    for (int k = 0; k < 3; k++) {
        const double full = 2 * k, away = fabs(remainder(h + 6 * turn - full, 6));
        p[k] = v - range * fmin(1, fmax(0, away - 1));
    }
}

static double bilinear(const double *x, int64_t w, int64_t channels, const choice *k, double v,
                       double u)
{
    const int64_t v0 = (int64_t)v, u0 = (int64_t)u;
    const int64_t v1 = v0 + 1 < k->height ? v0 + 1 : v0, u1 = u0 + 1 < k->width ? u0 + 1 : u0;
    const double fv = v - (double)v0, fu = u - (double)u0;
    const double *row0 = x + ((k->top + v0) * w + k->left) * channels;
    const double *row1 = x + ((k->top + v1) * w + k->left) * channels;
    return ((1 - fv) * ((1 - fu) * row0[u0 * channels] + fu * row0[u1 * channels]) +
            fv * ((1 - fu) * row1[u0 * channels] + fu * row1[u1 * channels])) /
           255;
}

static void resized_crop(const double *x, int64_t h, int64_t w, int64_t channels, const choice *k,
                         double *y)
{
    for (int64_t i = 0; i < h; i++)
        for (int64_t j = 0; j < w; j++) {
            const int64_t from = k->flip ? w - 1 - j : j;
            const double v = ((double)i + 0.5) * (double)k->height / (double)h - 0.5;
            const double u = ((double)from + 0.5) * (double)k->width / (double)w - 0.5;
            for (int64_t c = 0; c < channels; c++)
                y[(i * w + j) * channels + c] =
                    bilinear(x + c, w, channels, k, fmax(0, v), fmax(0, u));
        }
}

/* One of the four jitters on a whole image. */
static void jitter_image(double *y, int64_t pixels, int64_t channels, int64_t which, double factor)
{
    double mean = 0;
    for (int64_t i = 0; i < pixels; i++)
        mean += grey_of(y + i * channels, channels) / (double)pixels;
    for (int64_t i = 0; i < pixels; i++) {
        double *p = y + i * channels;
        const double other = which == BRIGHTNESS ? 0
                             : which == CONTRAST ? mean
                                                 : grey_of(p, channels);
        if (which == HUE && channels == 3)
            turn_hue(p, factor);
        for (int64_t c = 0; c < channels; c++) {
            if (which != HUE && (channels == 3 || which != SATURATION))
                p[c] = factor * p[c] + (1 - factor) * other;
            p[c] = fmin(1, fmax(0, p[c]));
        }
    }
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t *d = r->in_desc[0].dim, pixels = d[1] * d[2], channels = d[3];
    for (int64_t b = 0; b < d[0]; b++) {
        choice k;
        draw_choice(q, (int32_t)r->in[1][b], d[1], d[2], &k);
        double *y = r->out[0] + b * pixels * channels;
        resized_crop(r->in[0] + b * pixels * channels, d[1], d[2], channels, &k, y);
        for (int i = 0; i < 4 && k.jitter; i++)
            jitter_image(y, pixels, channels, k.order[i], k.factor[k.order[i]]);
        for (int64_t i = 0; i < pixels && k.grey; i++) {
            const double grey = grey_of(y + i * channels, channels);
            for (int64_t c = 0; c < channels; c++)
                y[i * channels + c] = grey;
        }
    }
}

static const limn_op_example example = {
    .params = "seed=7 epoch=1",
    .in_count = 2,
    .in = {{LIMN_U8, 4, {4, 6, 5, 3}}, {LIMN_I32, 1, {4}}},
    .tolerance = 1e-5, /* coordinates to 1e-6 of the image, then about twenty roundings */
};

const limn_op limn_op_contrastive_augment = {
    .name = "contrastive_augment",
    .formula = "random resized crop, flip, colour jitter, greyscale "
               "(Chen et al. 2020, appendix A, by torchvision's definitions)",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 2,
    .max_in = 2,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .fill = limn_augment_fill,
    .example = &example,
    .bench = limn_augment_bench,
};
