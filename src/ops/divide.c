/* y = a / b, element by element, 0 where b is 0: sums over counts. */
#include "ops/op.h"

#include <math.h>

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    if (in[0].dtype != LIMN_F32 || !limn_desc_equal(&in[0], &in[1]))
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "divide",
                         "%s and %s must be floats of one shape",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    p->out_count = 1;
    p->out[0] = in[0];
    p->flops = (double)limn_desc_count(&in[0]);
    p->bytes = 12 * p->flops;
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t count = limn_desc_count(&r->in[0]->desc);
    return LIMN_LAUNCH(r->device, "divide_forward", "", limn_grid_1d((size_t)count),
                       limn_long(count), limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_out(r->out[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t count = limn_desc_count(&r->in_desc[0]);
    for (int64_t i = 0; i < count; i++)
        r->out[0][i] = r->in[1][i] == 0 ? 0 : r->in[0][i] / r->in[1][i];
}

/* Divisors 0..4. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    const int64_t count = limn_desc_count(&in[which]);
    for (int64_t i = 0; i < count && which == 1; i++)
        values[i] = floor(5 * draw(state));
}

static const limn_op_example example = {
    .params = "",
    .in_count = 2,
    .in = {{LIMN_F32, 2, {3, 37}}, {LIMN_F32, 2, {3, 37}}},
    .tolerance = 3e-7, /* a division of 2.5 ulp */
};

const limn_op limn_op_divide = {
    .name = "divide",
    .formula = "y = b = 0 ? 0 : a / b",
    .min_in = 2,
    .max_in = 2,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .fill = fill,
    .example = &example,
};
