/* Copies of one image, each with one window replaced by a baseline. */
#include "ops/row_run.h"

#include "ops/window.h"

static const limn_param_spec specs[] = {
    LIMN_WINDOW_SPECS(1),
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const limn_window_params *q = params;
    char a[64], b[64];
    const limn_desc image = limn_desc_as_image(&in[0]), base = limn_desc_as_image(&in[1]);
    if (image.dtype != LIMN_F32 || image.rank != 3 || !limn_desc_equal(&image, &base) ||
        image.dim[0] > 1 << 15 || image.dim[1] > 1 << 15)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "occlude",
                         "%s and %s must be an image and a baseline f32[H,W,C]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 4, q->batch, image.dim[0], image.dim[1], image.dim[2]);
    p->bytes = (double)limn_desc_bytes(&p->out[0]) + 2 * (double)limn_desc_bytes(&image);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_window_params *q = r->params;
    const int64_t *d = r->out[0]->desc.dim;
    const limn_grid grid =
        limn_row_run_grid(r->device, (size_t)(d[2] * d[3]), (size_t)d[1], (size_t)d[0]);
    return LIMN_LAUNCH(
        r->device, "occlude_forward", limn_row_run_defines(r->device), grid, limn_int(d[0]),
        limn_int(d[1]), limn_int(d[2]), limn_int(d[3]), limn_long(q->first), limn_int(q->window[0]),
        limn_int(q->window[1]), limn_int(q->stride[0]), limn_int(q->stride[1]), limn_int(q->cut),
        limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer), limn_out(r->out[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const limn_window_params *q = r->params;
    const int64_t *d = r->plan->out[0].dim, image = d[1] * d[2] * d[3];
    const int64_t down = limn_window_count(d[1], q->window[0], q->stride[0]);
    const int64_t across = limn_window_count(d[2], q->window[1], q->stride[1]);
    for (int64_t b = 0; b < d[0]; b++) {
        const int64_t number = q->first + b;
        for (int64_t e = 0; e < image; e++)
            r->out[0][b * image + e] = r->in[0][e];
        if (number >= down * across)
            continue;
        const int64_t top =
            limn_window_start(number / across, d[1], q->window[0], q->stride[0], q->cut);
        const int64_t left =
            limn_window_start(number % across, d[2], q->window[1], q->stride[1], q->cut);
        for (int64_t i = top; i < top + q->window[0] && i < d[1]; i++)
            for (int64_t j = left; j < left + q->window[1] && j < d[2]; j++)
                for (int64_t c = 0; c < d[3]; c++)
                    r->out[0][b * image + (i * d[2] + j) * d[3] + c] =
                        r->in[1][(i * d[2] + j) * d[3] + c];
    }
}

static const limn_op_example example = {
    .params = "batch=5 first=2 window_h=2 window_w=3 stride_h=2 stride_w=2",
    .in_count = 2,
    .in = {{LIMN_F32, 3, {5, 6, 2}}, {LIMN_F32, 3, {5, 6, 2}}},
    .tolerance = 0, /* copies */
};

static const limn_op_example bench[] = {
    {.params = "batch=32 window_h=56 window_w=56 stride_h=28 stride_w=28",
     .in_count = 2,
     .in = {{LIMN_F32, 3, {224, 224, 3}}, {LIMN_F32, 3, {224, 224, 3}}}},
    {0},
};

const limn_op limn_op_occlude = {
    .name = "occlude",
    .formula = "y_b = baseline inside window first + b, x elsewhere (Zeiler and Fergus 2014)",
    .params_size = sizeof(limn_window_params),
    .params = specs,
    .min_in = 2,
    .max_in = 2,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
    .bench = bench,
};
