/* One column of each row: the score of each image's class. */
#include "ops/op.h"

#include <math.h>

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    if (in[0].dtype != LIMN_F32 || in[0].rank != 2 || in[1].dtype != LIMN_I32 || in[1].rank != 1 ||
        in[1].dim[0] != in[0].dim[0] || in[0].dim[0] > INT32_MAX || in[0].dim[1] > INT32_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "gather",
                         "%s and %s must be f32[B,C] and i32[B]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    const double rows = (double)in[0].dim[0];
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 1, in[0].dim[0], 0, 0, 0);
    p->bytes = 12 * rows;
    p->backward_bytes = 4 * (double)limn_desc_count(&in[0]) + 8 * rows;
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t *d = r->in[0]->desc.dim;
    return LIMN_LAUNCH(r->device, "gather_forward", "", limn_grid_1d((size_t)d[0]), limn_int(d[0]),
                       limn_int(d[1]), limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const int64_t *d = r->in[0]->desc.dim;
    const limn_grid grid = {{(size_t)d[1], (size_t)d[0], 1}, {0, 0, 0}};
    return LIMN_LAUNCH(r->device, "gather_backward", "", grid, limn_int(d[0]), limn_int(d[1]),
                       limn_in(r->in[1]->buffer), limn_in(r->grad_out[0]->buffer),
                       limn_out(r->grad_in[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t rows = r->in_desc[0].dim[0], columns = r->in_desc[0].dim[1];
    for (int64_t b = 0; b < rows; b++) {
        const double c = r->in[1][b];
        r->out[0][b] =
            c >= 0 && c < (double)columns ? r->in[0][b * columns + (int64_t)c] : (double)NAN;
    }
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t rows = r->in_desc[0].dim[0], columns = r->in_desc[0].dim[1];
    for (int64_t b = 0; b < rows; b++)
        r->grad_in[0][b * columns + (int64_t)r->in[1][b]] = r->grad_out[0][b];
}

static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    const int64_t count = limn_desc_count(&in[which]);
    for (int64_t i = 0; i < count; i++)
        values[i] = which == 1 ? floor((double)in[0].dim[1] * draw(state)) : 2 * draw(state) - 1;
}

static const limn_op_example example = {
    .params = "",
    .in_count = 2,
    .in = {{LIMN_F32, 2, {3, 5}}, {LIMN_I32, 1, {3}}},
    .tolerance = 0, /* copies */
};

const limn_op limn_op_gather = {
    .name = "gather",
    .formula = "y_b = x_b[index_b]",
    .min_in = 2,
    .max_in = 2,
    .backward_in = 2,
    .differentiable = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .fill = fill,
    .example = &example,
};
