/* y = max(x, 0); backward needs only y. */
#include "ops/op.h"
#include "ops/shape.h"

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    const limn_status status = limn_need_floats(device, "relu", in, 0, 0, LIMN_MAX_RANK);
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = in[0];
    p->flops = p->backward_flops = count;
    p->bytes = 8 * count;
    p->backward_bytes = 12 * count;
    return status;
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t count = limn_desc_count(&r->in[0]->desc);
    const limn_grid grid = limn_grid_1d((size_t)count);
    if (r->out[0]->buffer == r->in[0]->buffer)
        return LIMN_LAUNCH(r->device, "relu_in_place", "", grid, limn_long(count),
                           limn_inout(r->in[0]->buffer));
    return LIMN_LAUNCH(r->device, "relu_forward", "", grid, limn_long(count),
                       limn_in(r->in[0]->buffer), limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const int64_t count = limn_desc_count(&r->out[0]->desc);
    return LIMN_LAUNCH(r->device, "relu_backward", "", limn_grid_1d((size_t)count),
                       limn_long(count), limn_in(r->out[0]->buffer),
                       limn_in(r->grad_out[0]->buffer), limn_out(r->grad_in[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t count = limn_desc_count(&r->in_desc[0]);
    for (int64_t i = 0; i < count; i++)
        r->out[0][i] = r->in[0][i] < 0 ? 0 : r->in[0][i];
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t count = limn_desc_count(&r->in_desc[0]);
    for (int64_t i = 0; i < count; i++)
        r->grad_in[0][i] = r->out[0][i] > 0 ? r->grad_out[0][i] : 0;
}

static const limn_op_example example = {
    .params = "", .in_count = 1, .in = {{LIMN_F32, 2, {3, 37}}}, .tolerance = 0, /* a selection */
};

static const limn_op_example bench[] = {
    {.params = "", .in_count = 1, .in = {{LIMN_F32, 4, {64, 32, 32, 64}}}},
    {0},
};

const limn_op limn_op_relu = {
    .name = "relu",
    .formula = "y = max(x, 0)",
    .min_in = 1,
    .max_in = 1,
    .backward_out = 1,
    .differentiable = 1,
    .in_place = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
    .bench = bench,
};
