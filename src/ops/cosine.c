/* Cosine similarity of rows to a reference, with a gradient to the rows. */
#include "ops/op.h"

#include <math.h>

#define EPS 1e-12

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    if (in[0].dtype != LIMN_F32 || in[1].dtype != LIMN_F32 || in[0].rank != 2 || in[1].rank != 2 ||
        in[0].dim[1] != in[1].dim[1] || (in[1].dim[0] != 1 && in[1].dim[0] != in[0].dim[0]) ||
        in[0].dim[0] > INT32_MAX || in[0].dim[1] > INT32_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "cosine",
                         "%s and %s must be rows f32[B,D] and a reference f32[1,D] or f32[B,D]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 1, in[0].dim[0], 0, 0, 0);
    p->flops = 6 * count;
    p->bytes = (double)limn_desc_bytes(&in[0]) + (double)limn_desc_bytes(&in[1]);
    p->backward_flops = 12 * count;
    p->backward_bytes = p->bytes + 4 * count;
    return LIMN_OK;
}

/* Elements from one row's reference to the next row's. */
static int64_t stride_of(const limn_desc *reference)
{
    return reference->dim[0] == 1 ? 0 : reference->dim[1];
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t *d = r->in[0]->desc.dim;
    return LIMN_LAUNCH(r->device, "cosine_forward", "", limn_grid_1d((size_t)d[0]), limn_int(d[0]),
                       limn_int(d[1]), limn_int(stride_of(&r->in[1]->desc)),
                       limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const int64_t *d = r->in[0]->desc.dim;
    if (!r->grad_in[0])
        return LIMN_OK;
    return LIMN_LAUNCH(r->device, "cosine_backward", "", limn_grid_1d((size_t)d[0]), limn_int(d[0]),
                       limn_int(d[1]), limn_int(stride_of(&r->in[1]->desc)),
                       limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_in(r->grad_out[0]->buffer), limn_out(r->grad_in[0]->buffer));
}

static double dot(const double *a, const double *b, int64_t d)
{
    double sum = 0;
    for (int64_t k = 0; k < d; k++)
        sum += a[k] * b[k];
    return sum;
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t n = r->in_desc[0].dim[0], d = r->in_desc[0].dim[1];
    for (int64_t i = 0; i < n; i++) {
        const double *a = r->in[0] + i * d, *z = r->in[1] + i * stride_of(&r->in_desc[1]);
        r->out[0][i] = dot(a, z, d) / fmax(sqrt(dot(a, a, d)), EPS) / fmax(sqrt(dot(z, z, d)), EPS);
    }
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t n = r->in_desc[0].dim[0], d = r->in_desc[0].dim[1];
    for (int64_t i = 0; r->grad_in[0] && i < n; i++) {
        const double *a = r->in[0] + i * d, *z = r->in[1] + i * stride_of(&r->in_desc[1]);
        const double of_a = sqrt(dot(a, a, d)), of_z = fmax(sqrt(dot(z, z, d)), EPS);
        for (int64_t k = 0; k < d; k++)
            r->grad_in[0][i * d + k] =
                r->grad_out[0][i] *
                (of_a > EPS ? (z[k] / of_z - dot(a, z, d) / of_z * a[k] / of_a / of_a) / of_a
                            : z[k] / of_z / EPS);
    }
}

static const limn_op_example example = {
    .params = "",
    .in_count = 2,
    .in = {{LIMN_F32, 2, {3, 37}}, {LIMN_F32, 2, {1, 37}}},
    .tolerance = 3e-6, /* sums of D products */
};

const limn_op limn_op_cosine = {
    .name = "cosine",
    .formula = "y = a.r / (max(|a|, eps) max(|r|, eps)), eps = 1e-12 (as torch cosine_similarity)",
    .min_in = 2,
    .max_in = 2,
    .backward_in = 3,
    .differentiable = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
};
