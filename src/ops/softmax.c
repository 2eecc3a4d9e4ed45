/* Softmax over the last dimension. */
#include "ops/rows.h"

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    return limn_row_plan(device, "softmax", in, 5, 3, p);
}

static limn_status forward(const limn_op_run *r)
{
    return limn_row_forward(r, "softmax_forward");
}

static limn_status backward(const limn_op_run *r)
{
    return limn_row_backward(r, "softmax_backward");
}

static void softmax_row(const limn_row *row)
{
    const double lse = limn_row_log_sum_exp(row->x, row->count);
    for (int64_t c = 0; c < row->count; c++)
        row->y[c] = exp(row->x[c] - lse);
}

static void softmax_row_backward(const limn_row *row)
{
    double sum = 0;
    for (int64_t c = 0; c < row->count; c++)
        sum += row->y[c] * row->dy[c];
    for (int64_t c = 0; c < row->count; c++)
        row->dx[c] = row->y[c] * (row->dy[c] - sum);
}

static void forward_reference(const limn_op_reference *r)
{
    limn_row_reference(r, false, softmax_row);
}

static void backward_reference(const limn_op_reference *r)
{
    limn_row_reference(r, true, softmax_row_backward);
}

static const limn_op_example example = {
    .params = "",
    .in_count = 1,
    .in = {{LIMN_F32, 2, {3, 37}}},
    .tolerance = 2e-6, /* exp to 3 ulp, a sum of 37 terms, a division */
};

static const limn_op_example bench[] = {
    {.params = "", .in_count = 1, .in = {{LIMN_F32, 2, {4096, 1000}}}},
    {0},
};

const limn_op limn_op_softmax = {
    .name = "softmax",
    .formula = "y = exp(x - max x) / sum exp(x - max x), along the last dimension",
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
    .bench = bench,
};
