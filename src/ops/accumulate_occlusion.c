/* Score drops of occluded copies, summed over the windows that cover each position. */
#include "ops/window.h"

static const limn_param_spec specs[] = {
    LIMN_WINDOW_SPECS(0),
    {0},
};

/* Scores that count: all of them where batch is 0. */
static int64_t used(const limn_window_params *q, const limn_desc *scores)
{
    return q->batch ? q->batch : scores->dim[0];
}

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const limn_window_params *q = params;
    limn_context *ctx = limn_device_context(device);
    char text[4][64];
    bool fits = in[0].rank == 2 && limn_desc_equal(&in[0], &in[1]) && in[2].rank == 1 &&
                in[3].rank == 1 && in[3].dim[0] == 1 && in[0].dim[0] <= 1 << 15 &&
                in[0].dim[1] <= 1 << 15;
    for (int i = 0; i < 4; i++) {
        fits = fits && in[i].dtype == LIMN_F32;
        limn_desc_text(&in[i], text[i], sizeof text[i]);
    }
    if (!fits)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad inputs", "accumulate_occlusion",
                         "%s, %s, %s, %s must be a sum and a count f32[H,W], scores f32[B] and a "
                         "reference f32[1]",
                         text[0], text[1], text[2], text[3]);
    if (q->batch > in[2].dim[0])
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad parameter", "accumulate_occlusion",
                         "batch is %lld, there are %lld scores", (long long)q->batch,
                         (long long)in[2].dim[0]);
    p->flops = 2 * (double)(used(q, &in[2]) * q->window[0] * q->window[1]);
    p->bytes = 4 * (double)limn_desc_bytes(&in[0]);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_window_params *q = r->params;
    const int64_t *d = r->in[0]->desc.dim;
    return LIMN_LAUNCH(
        r->device, "accumulate_occlusion_add", "", limn_grid_1d((size_t)(d[0] * d[1])),
        limn_int(d[0]), limn_int(d[1]), limn_long(q->first), limn_int(used(q, &r->in[2]->desc)),
        limn_int(q->window[0]), limn_int(q->window[1]), limn_int(q->stride[0]),
        limn_int(q->stride[1]), limn_int(q->cut), limn_inout(r->in[0]->buffer),
        limn_inout(r->in[1]->buffer), limn_in(r->in[2]->buffer), limn_in(r->in[3]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const limn_window_params *q = r->params;
    const int64_t *d = r->in_desc[0].dim, batch = used(q, &r->in_desc[2]);
    const int64_t across = limn_window_count(d[1], q->window[1], q->stride[1]);
    const int64_t total = across * limn_window_count(d[0], q->window[0], q->stride[0]);
    for (int64_t b = 0; b < batch && q->first + b < total; b++) {
        const int64_t row = (q->first + b) / across, column = (q->first + b) % across;
        const int64_t top = limn_window_start(row, d[0], q->window[0], q->stride[0], q->cut);
        const int64_t left = limn_window_start(column, d[1], q->window[1], q->stride[1], q->cut);
        for (int64_t i = top; i < top + q->window[0] && i < d[0]; i++)
            for (int64_t j = left; j < left + q->window[1] && j < d[1]; j++) {
                r->in[0][i * d[1] + j] += r->in[3][0] - r->in[2][b];
                r->in[1][i * d[1] + j] += 1;
            }
    }
}

static const limn_op_example example = {
    .params = "first=2 window_h=2 window_w=3 stride_h=2 stride_w=2",
    .in_count = 4,
    .in = {{LIMN_F32, 2, {5, 6}}, {LIMN_F32, 2, {5, 6}}, {LIMN_F32, 1, {5}}, {LIMN_F32, 1, {1}}},
    .tolerance = 1e-6, /* a sum over the windows of one position */
};

static const limn_op_example bench[] = {
    {.params = "window_h=56 window_w=56 stride_h=28 stride_w=28",
     .in_count = 4,
     .in = {{LIMN_F32, 2, {224, 224}},
            {LIMN_F32, 2, {224, 224}},
            {LIMN_F32, 1, {32}},
            {LIMN_F32, 1, {1}}}},
    {0},
};

const limn_op limn_op_accumulate_occlusion = {
    .name = "accumulate_occlusion",
    .formula = "sum += reference - score_b, count += 1 where window first + b covers "
               "(as in Captum's Occlusion)",
    .params_size = sizeof(limn_window_params),
    .params = specs,
    .min_in = 4,
    .max_in = 4,
    .updates = 3,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
    .bench = bench,
};
