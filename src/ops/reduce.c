/* Sums and means over the last dimension or over all others. */
#include "ops/rows.h"

#include <stddef.h>

typedef struct reduce_params {
    int64_t axis, mean;
} reduce_params;

static const limn_param_spec specs[] = {
    {"axis", LIMN_PARAM_INT, offsetof(reduce_params, axis), 0, 0, 1}, /* 1: the last dimension */
    {"mean", LIMN_PARAM_INT, offsetof(reduce_params, mean), 0, 0, 1},
    {0},
};

/* What sums are divided by. */
static double divisor_of(const reduce_params *q, const limn_desc *x)
{
    if (!q->mean)
        return 1;
    return (double)(q->axis ? limn_desc_channels(x) : limn_desc_rows(x));
}

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const reduce_params *q = params;
    limn_status status = limn_need_floats(device, "reduce", in, 0, 1, LIMN_MAX_RANK);
    if (status == LIMN_OK)
        status = limn_need_small(device, "reduce", &in[0]);
    if (status != LIMN_OK)
        return status;
    const limn_cut c = limn_cut_rows(&in[0]);
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 1, q->axis ? c.rows : c.channels, 0, 0, 0);
    if (!q->axis)
        p->forward_scratch = (size_t)(c.chunks * c.channels) * sizeof(float);
    p->flops = p->backward_flops = count;
    p->bytes = p->backward_bytes = 4 * count;
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const reduce_params *q = r->params;
    const limn_desc *x = &r->in[0]->desc;
    const limn_cut c = limn_cut_rows(x);
    const char *defines = limn_row_defines(r->device);
    const limn_arg divisor = limn_float(divisor_of(q, x));
    if (q->axis)
        return LIMN_LAUNCH(r->device, "reduce_rows", defines, limn_row_grid(r->device, c.rows),
                           limn_int(c.channels), divisor, limn_in(r->in[0]->buffer),
                           limn_out(r->out[0]->buffer));
    const limn_status status = LIMN_LAUNCH(
        r->device, "reduce_chunks", defines, limn_lane_grid(r->device, c.channels, c.chunks),
        limn_int(c.rows), limn_int(c.channels), limn_int(c.length), limn_int(c.chunks),
        limn_in(r->in[0]->buffer), limn_out(r->scratch));
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(r->device, "reduce_finish", defines,
                       limn_lane_grid(r->device, c.channels, 1), limn_int(c.channels),
                       limn_int(c.chunks), divisor, limn_in(r->scratch),
                       limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const reduce_params *q = r->params;
    const limn_desc *x = &r->in[0]->desc;
    const int64_t count = limn_desc_count(x);
    return LIMN_LAUNCH(r->device, "reduce_backward", limn_row_defines(r->device),
                       limn_grid_1d((size_t)count), limn_long(count),
                       limn_int(limn_desc_channels(x)), limn_int(q->axis),
                       limn_float(divisor_of(q, x)), limn_in(r->grad_out[0]->buffer),
                       limn_out(r->grad_in[0]->buffer));
}

/* The output that element i of x goes to. */
static int64_t place(const limn_op_reference *r, int64_t i)
{
    const int64_t channels = limn_desc_channels(&r->in_desc[0]);
    return ((const reduce_params *)r->params)->axis ? i / channels : i % channels;
}

static void forward_reference(const limn_op_reference *r)
{
    const double divisor = divisor_of(r->params, &r->in_desc[0]);
    for (int64_t i = 0; i < limn_desc_count(&r->plan->out[0]); i++)
        r->out[0][i] = 0;
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++)
        r->out[0][place(r, i)] += r->in[0][i] / divisor;
}

static void backward_reference(const limn_op_reference *r)
{
    const double divisor = divisor_of(r->params, &r->in_desc[0]);
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++)
        r->grad_in[0][i] = r->grad_out[0][place(r, i)] / divisor;
}

static const limn_op_example example = {
    .params = "axis=1 mean=1",
    .in_count = 1,
    .in = {{LIMN_F32, 2, {7, 37}}},
    .tolerance = 2e-6, /* 37 rounded additions, whose sum may be small */
};

const limn_op limn_op_reduce = {
    .name = "reduce",
    .formula = "axis 0: y[c] = sum (or mean) over m of x[m,c]; axis 1: y[m] = over c",
    .params_size = sizeof(reduce_params),
    .params = specs,
    .min_in = 1,
    .max_in = 1,
    .differentiable = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
};
