/* Softmax over the last dimension. */
#include "ops/op.h"
#include "ops/shape.h"

#include <math.h>

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    limn_status status = limn_need_floats(device, "softmax", in, 0, 1, LIMN_MAX_RANK);
    if (status == LIMN_OK)
        status = limn_need_small(device, "softmax", &in[0]);
    if (status != LIMN_OK)
        return status;
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = in[0];
    p->flops = 5 * count;
    p->bytes = 8 * count;
    p->backward_flops = 3 * count;
    p->backward_bytes = 12 * count;
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_desc *x = &r->in[0]->desc;
    return LIMN_LAUNCH(r->device, "softmax_forward", limn_row_defines(r->device),
                       limn_row_grid(r->device, limn_desc_rows(x)), limn_int(limn_desc_channels(x)),
                       limn_in(r->in[0]->buffer), limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const limn_desc *x = &r->in[0]->desc;
    return LIMN_LAUNCH(r->device, "softmax_backward", limn_row_defines(r->device),
                       limn_row_grid(r->device, limn_desc_rows(x)), limn_int(limn_desc_channels(x)),
                       limn_in(r->out[0]->buffer), limn_in(r->grad_out[0]->buffer),
                       limn_out(r->grad_in[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t rows = limn_desc_rows(&r->in_desc[0]), n = limn_desc_channels(&r->in_desc[0]);
    for (int64_t m = 0; m < rows; m++) {
        const double *x = r->in[0] + m * n;
        double *y = r->out[0] + m * n;
        double top = -INFINITY, sum = 0;
        for (int64_t c = 0; c < n; c++)
            top = fmax(top, x[c]);
        for (int64_t c = 0; c < n; c++)
            sum += exp(x[c] - top);
        for (int64_t c = 0; c < n; c++)
            y[c] = exp(x[c] - top) / sum;
    }
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t rows = limn_desc_rows(&r->in_desc[0]), n = limn_desc_channels(&r->in_desc[0]);
    for (int64_t m = 0; m < rows; m++) {
        const double *y = r->out[0] + m * n, *dy = r->grad_out[0] + m * n;
        double *dx = r->grad_in[0] + m * n;
        double sum = 0;
        for (int64_t c = 0; c < n; c++)
            sum += y[c] * dy[c];
        for (int64_t c = 0; c < n; c++)
            dx[c] = y[c] * (dy[c] - sum);
    }
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
