/* Rows scaled to length one. */
#include "ops/rows.h"

#include <stddef.h>

typedef struct l2_normalize_params {
    double eps;
} l2_normalize_params;

static const limn_param_spec specs[] = {
    {"eps", LIMN_PARAM_FLOAT, offsetof(l2_normalize_params, eps), 1e-12, 1e-30, 1},
    {0},
};

static double eps_of(const void *params)
{
    return ((const l2_normalize_params *)params)->eps;
}

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    const limn_status status = limn_row_plan(device, "l2_normalize", in, 4, 5, p);
    p->saved_count = 1;
    p->saved[0] = limn_desc_make(LIMN_F32, 1, limn_desc_rows(&in[0]), 0, 0, 0);
    return status;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_desc *x = &r->in[0]->desc;
    return LIMN_LAUNCH(r->device, "l2_normalize_forward", limn_row_defines(r->device),
                       limn_row_grid(r->device, limn_desc_rows(x)), limn_int(limn_desc_channels(x)),
                       limn_float(eps_of(r->params)), limn_in(r->in[0]->buffer),
                       limn_out(r->out[0]->buffer), limn_out(r->saved[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const limn_desc *x = &r->in[0]->desc;
    return LIMN_LAUNCH(r->device, "l2_normalize_backward", limn_row_defines(r->device),
                       limn_row_grid(r->device, limn_desc_rows(x)), limn_int(limn_desc_channels(x)),
                       limn_float(eps_of(r->params)), limn_in(r->out[0]->buffer),
                       limn_in(r->saved[0]->buffer), limn_in(r->grad_out[0]->buffer),
                       limn_out(r->grad_in[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t rows = limn_desc_rows(&r->in_desc[0]), n = limn_desc_channels(&r->in_desc[0]);
    for (int64_t m = 0; m < rows; m++) {
        const double *x = r->in[0] + m * n;
        double *y = r->out[0] + m * n;
        double sum = 0;
        for (int64_t c = 0; c < n; c++)
            sum += x[c] * x[c];
        r->saved[0][m] = sqrt(sum);
        for (int64_t c = 0; c < n; c++)
            y[c] = x[c] / fmax(sqrt(sum), eps_of(r->params));
    }
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t rows = limn_desc_rows(&r->in_desc[0]), n = limn_desc_channels(&r->in_desc[0]);
    for (int64_t m = 0; m < rows; m++) {
        const double *y = r->out[0] + m * n, *dy = r->grad_out[0] + m * n;
        double *dx = r->grad_in[0] + m * n;
        const double norm = r->saved[0][m], eps = eps_of(r->params);
        double sum = 0;
        for (int64_t c = 0; c < n; c++)
            sum += y[c] * dy[c];
        for (int64_t c = 0; c < n; c++)
            dx[c] = norm > eps ? (dy[c] - y[c] * sum) / norm : dy[c] / eps;
    }
}

static const limn_op_example example = {
    .params = "",
    .in_count = 1,
    .in = {{LIMN_F32, 2, {3, 37}}},
    .tolerance = 2e-6, /* a sum of 37 squares, root and divisions */
};

static const limn_op_example bench[] = {
    {.params = "", .in_count = 1, .in = {{LIMN_F32, 2, {4096, 128}}}},
    {0},
};

const limn_op limn_op_l2_normalize = {
    .name = "l2_normalize",
    .formula = "y = x / max(|x|, eps), along the last dimension",
    .params_size = sizeof(l2_normalize_params),
    .params = specs,
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
