/* y = a + b, element by element.  The smallest op: copy it to begin another. */
#include "ops/op.h"

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    if (in[0].dtype != LIMN_F32 || !limn_desc_equal(&in[0], &in[1]))
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "add",
                         "%s and %s must be floats of one shape",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = in[0];
    p->flops = count;
    p->bytes = 12 * count;
    p->backward_bytes = 16 * count;
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t count = limn_desc_count(&r->in[0]->desc);
    if (r->out[0]->buffer == r->in[0]->buffer)
        return LIMN_LAUNCH(r->device, "add_in_place", "", limn_grid_1d((size_t)count),
                           limn_long(count), limn_inout(r->in[0]->buffer),
                           limn_in(r->in[1]->buffer));
    return LIMN_LAUNCH(r->device, "add_forward", "", limn_grid_1d((size_t)count), limn_long(count),
                       limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_out(r->out[0]->buffer));
}

/* da = db = dy. */
static limn_status backward(const limn_op_run *r)
{
    for (int i = 0; i < 2; i++) {
        if (!r->grad_in[i])
            continue;
        const limn_status status = limn_buffer_copy(
            r->grad_out[0]->buffer, 0, r->grad_in[i]->buffer, 0, limn_desc_bytes(&r->in[i]->desc));
        if (status != LIMN_OK)
            return status;
    }
    return LIMN_OK;
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t count = limn_desc_count(&r->in_desc[0]);
    for (int64_t i = 0; i < count; i++)
        r->out[0][i] = r->in[0][i] + r->in[1][i];
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t count = limn_desc_count(&r->in_desc[0]);
    for (int input = 0; input < 2; input++)
        for (int64_t i = 0; r->grad_in[input] && i < count; i++)
            r->grad_in[input][i] = r->grad_out[0][i];
}

static const limn_op_example example = {
    .params = "",
    .in_count = 2,
    .in = {{LIMN_F32, 2, {3, 37}}, {LIMN_F32, 2, {3, 37}}},
    .tolerance = 1e-7, /* one rounding */
};

static const limn_op_example bench[] = {
    {.params = "",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}}, {LIMN_F32, 4, {64, 32, 32, 64}}}},
    {0},
};

const limn_op limn_op_add = {
    .name = "add",
    .formula = "y = a + b",
    .min_in = 2,
    .max_in = 2,
    .differentiable = 3,
    .passes_gradient = 3,
    .in_place = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
    .bench = bench,
};
