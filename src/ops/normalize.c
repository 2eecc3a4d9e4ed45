/* Images to what a network takes: (x - mean) / std per channel. */
#include "ops/op.h"

#include <math.h>

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64], c[64];
    const int64_t channels = in[0].rank == 4 ? in[0].dim[3] : 0;
    bool fits = in[0].dtype != LIMN_I32 && channels >= 1 && channels <= INT32_MAX;
    for (int i = 1; i < 3; i++)
        fits = fits && in[i].dtype == LIMN_F32 && in[i].rank == 1 && in[i].dim[0] == channels;
    if (!fits)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "normalize",
                         "image %s, mean %s, std %s must be u8 or f32 [N,H,W,C], f32[C], f32[C]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b),
                         limn_desc_text(&in[2], c, sizeof c));
    p->out_count = 1;
    p->out[0] = in[0];
    p->out[0].dtype = LIMN_F32;
    p->flops = 3 * (double)limn_desc_count(&in[0]);
    p->bytes = (double)limn_desc_bytes(&in[0]) + (double)limn_desc_bytes(&p->out[0]);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_desc *d = &r->in[0]->desc;
    const int64_t positions = d->dim[0] * d->dim[1] * d->dim[2];
    return LIMN_LAUNCH(r->device, d->dtype == LIMN_U8 ? "normalize_bytes" : "normalize_floats", "",
                       limn_grid_1d((size_t)positions), limn_long(positions), limn_int(d->dim[3]),
                       limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_in(r->in[2]->buffer), limn_out(r->out[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t count = limn_desc_count(&r->in_desc[0]), channels = r->in_desc[0].dim[3];
    const double range = r->in_desc[0].dtype == LIMN_U8 ? 255 : 1;
    for (int64_t i = 0; i < count; i++)
        r->out[0][i] = (r->in[0][i] / range - r->in[1][i % channels]) / r->in[2][i % channels];
}

/* Bytes, or floats of 0..1; standard deviations of 0.25..1. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    const int64_t count = limn_desc_count(&in[which]);
    for (int64_t i = 0; i < count; i++)
        values[i] = in[which].dtype == LIMN_U8 ? floor(256 * draw(state))
                    : which == 2               ? 0.25 + 0.75 * draw(state)
                                               : draw(state);
}

static const limn_op_example example = {
    .params = "",
    .in_count = 3,
    .in = {{LIMN_U8, 4, {2, 3, 5, 3}}, {LIMN_F32, 1, {3}}, {LIMN_F32, 1, {3}}},
    .tolerance = 1e-6, /* two divisions of 2.5 ulp and a difference */
};

static const limn_op_example bench[] = {
    {.params = "",
     .in_count = 3,
     .in = {{LIMN_U8, 4, {256, 32, 32, 3}}, {LIMN_F32, 1, {3}}, {LIMN_F32, 1, {3}}}},
    {0},
};

const limn_op limn_op_normalize = {
    .name = "normalize",
    .formula = "y = (x - mean) / std per channel; bytes are divided by 255 first",
    .min_in = 3,
    .max_in = 3,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .fill = fill,
    .example = &example,
    .bench = bench,
};
