/* Logarithm of softmax over the last dimension. */
#include "ops/rows.h"

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    return limn_row_plan(device, "log_softmax", in, 5, 3, p);
}

static limn_status forward(const limn_op_run *r)
{
    return limn_row_forward(r, "log_softmax_forward");
}

static limn_status backward(const limn_op_run *r)
{
    return limn_row_backward(r, "log_softmax_backward");
}

static void log_softmax_row(const limn_row *row)
{
    const double lse = limn_row_log_sum_exp(row->x, row->count);
    for (int64_t c = 0; c < row->count; c++)
        row->y[c] = row->x[c] - lse;
}

static void log_softmax_row_backward(const limn_row *row)
{
    double sum = 0;
    for (int64_t c = 0; c < row->count; c++)
        sum += row->dy[c];
    for (int64_t c = 0; c < row->count; c++)
        row->dx[c] = row->dy[c] - exp(row->y[c]) * sum;
}

static void forward_reference(const limn_op_reference *r)
{
    limn_row_reference(r, false, log_softmax_row);
}

static void backward_reference(const limn_op_reference *r)
{
    limn_row_reference(r, true, log_softmax_row_backward);
}

static const limn_op_example example = {
    .params = "",
    .in_count = 1,
    .in = {{LIMN_F32, 2, {3, 37}}},
    .tolerance = 2e-6, /* exp and log to 3 ulp, a sum of 37 terms */
};

const limn_op limn_op_log_softmax = {
    .name = "log_softmax",
    .formula = "y = x - max x - log sum exp(x - max x), along the last dimension",
    .min_in = 1,
    .max_in = 1,
    .backward_out = 1,
    .differentiable = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
};
