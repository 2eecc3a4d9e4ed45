/* Masked copies of one image; what a mask takes away comes from a baseline. */
#include "ops/row_run.h"

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64], c[64];
    const limn_desc image = limn_desc_as_image(&in[0]), base = limn_desc_as_image(&in[2]),
                    *m = &in[1];
    if (image.dtype != LIMN_F32 || image.rank != 3 || !limn_desc_equal(&image, &base) ||
        m->dtype != LIMN_F32 || m->rank != 3 || m->dim[1] != image.dim[0] ||
        m->dim[2] != image.dim[1] || image.dim[0] * image.dim[1] > INT32_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "apply_masks",
                         "%s, %s and %s must be an image f32[H,W,C], masks f32[B,H,W] and a "
                         "baseline f32[H,W,C]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(m, b, sizeof b),
                         limn_desc_text(&in[2], c, sizeof c));
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 4, m->dim[0], m->dim[1], m->dim[2], image.dim[2]);
    p->flops = 4 * (double)limn_desc_count(&p->out[0]);
    p->bytes = (double)limn_desc_bytes(&p->out[0]) + (double)limn_desc_bytes(m) +
               2 * (double)limn_desc_bytes(&image);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t *d = r->out[0]->desc.dim;
    const limn_grid grid = limn_row_run_grid(r->device, (size_t)d[2], (size_t)d[1], (size_t)d[0]);
    return LIMN_LAUNCH(r->device, "apply_masks_forward", limn_row_run_defines(r->device), grid,
                       limn_int(d[1]), limn_int(d[2]), limn_int(d[0]), limn_int(d[3]),
                       limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_in(r->in[2]->buffer), limn_out(r->out[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t *d = r->plan->out[0].dim, positions = d[1] * d[2], channels = d[3];
    for (int64_t b = 0; b < d[0]; b++)
        for (int64_t i = 0; i < positions * channels; i++) {
            const double m = r->in[1][b * positions + i / channels];
            r->out[0][b * positions * channels + i] = r->in[0][i] * m + r->in[2][i] * (1 - m);
        }
}

static const limn_op_example example = {
    .params = "",
    .in_count = 3,
    .in = {{LIMN_F32, 3, {3, 5, 2}}, {LIMN_F32, 3, {4, 3, 5}}, {LIMN_F32, 3, {3, 5, 2}}},
    .tolerance = 3e-7, /* three roundings */
};

static const limn_op_example bench[] = {
    {.params = "",
     .in_count = 3,
     .in = {{LIMN_F32, 3, {224, 224, 3}},
            {LIMN_F32, 3, {32, 224, 224}},
            {LIMN_F32, 3, {224, 224, 3}}}},
    {0},
};

const limn_op limn_op_apply_masks = {
    .name = "apply_masks",
    .formula = "y_b = x m_b + base (1 - m_b) (Petsiuk et al. 2018; base 0 there)",
    .min_in = 3,
    .max_in = 3,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
    .bench = bench,
};
