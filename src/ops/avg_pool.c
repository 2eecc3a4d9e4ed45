/* Mean of square windows. */
#include "ops/op.h"
#include "ops/pool.h"

#include <stddef.h>

static const limn_param_spec specs[] = {
    {"kernel", LIMN_PARAM_INT, offsetof(limn_pool_params, kernel), 2, 1, 4096},
    {"stride", LIMN_PARAM_INT, offsetof(limn_pool_params, stride), 0, 0, 4096}, /* 0: kernel */
    {"pad", LIMN_PARAM_INT, offsetof(limn_pool_params, pad), 0, 0, 2048},
    {"count_include_pad", LIMN_PARAM_INT, offsetof(limn_pool_params, count_include_pad), 1, 0, 1},
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    return limn_pool_plan(device, "avg_pool", params, in, p);
}

static int64_t includes_pad(const void *params)
{
    return ((const limn_pool_params *)params)->count_include_pad;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_pool_shape s = limn_pool_shape_of(r->params, &r->in[0]->desc);
    return LIMN_LAUNCH(r->device, "avg_pool_forward", limn_lane_defines(r->device),
                       limn_lane_grid(r->device, s.c, s.n * s.oh * s.ow), limn_int(s.n),
                       limn_int(s.h), limn_int(s.w), limn_int(s.c), limn_int(s.oh), limn_int(s.ow),
                       limn_int(s.kernel), limn_int(s.stride), limn_int(s.pad),
                       limn_int(includes_pad(r->params)), limn_in(r->in[0]->buffer),
                       limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const limn_pool_shape s = limn_pool_shape_of(r->params, &r->in[0]->desc);
    const limn_pool_part part = limn_pool_part_of(r->device, &s);
    return LIMN_LAUNCH(r->device, "avg_pool_backward", limn_lane_defines(r->device), part.grid,
                       limn_int(s.n), limn_int(s.h), limn_int(s.w), limn_int(s.c), limn_int(s.oh),
                       limn_int(s.ow), limn_int(s.kernel), limn_int(s.stride), limn_int(s.pad),
                       limn_int(part.run), limn_int(part.span), limn_int(includes_pad(r->params)),
                       limn_in(r->grad_out[0]->buffer), limn_out(r->grad_in[0]->buffer));
}

/* Forward: out[i] = sum of from / size.  Backward: to += grad_out[i] / size.  One of both is NULL.
 */
static void reference_window(const limn_op_reference *r, int64_t i, const double *from, double *to)
{
    const limn_pool_shape s = limn_pool_shape_of(r->params, &r->in_desc[0]);
    const int64_t c = i % s.c, ow = i / s.c % s.ow, oh = i / s.c / s.ow % s.oh;
    const int64_t n = i / s.c / s.ow / s.oh;
    double sum = 0;
    int64_t inside = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t j = 0; j < s.kernel * s.kernel; j++) {
            const int64_t h = oh * s.stride - s.pad + j / s.kernel;
            const int64_t w = ow * s.stride - s.pad + j % s.kernel;
            if (h < 0 || h >= s.h || w < 0 || w >= s.w)
                continue;
            const int64_t at = ((n * s.h + h) * s.w + w) * s.c + c;
            const int64_t size = includes_pad(r->params) ? s.kernel * s.kernel : inside;
            if (pass == 0)
                inside++;
            else if (to)
                to[at] += r->grad_out[0][i] / (double)size;
            else
                sum += from[at] / (double)size;
        }
    if (from)
        r->out[0][i] = sum;
}

static void forward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->plan->out[0]); i++)
        reference_window(r, i, r->in[0], NULL);
}

static void backward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->plan->out[0]); i++)
        reference_window(r, i, NULL, r->grad_in[0]);
}

static const limn_op_example example = {
    .params = "kernel=3 stride=2 pad=1",
    .in_count = 1,
    .in = {{LIMN_F32, 4, {2, 7, 6, 5}}},
    .tolerance = 1e-6, /* at most nine rounded additions and a division */
};

static const limn_op_example bench[] = {
    {.params = "kernel=2 stride=2", .in_count = 1, .in = {{LIMN_F32, 4, {64, 32, 32, 64}}}},
    {0},
};

const limn_op limn_op_avg_pool = {
    .name = "avg_pool",
    .formula = "y[n,oh,ow,c] = mean over i,j of x[n, oh*stride-pad+i, ow*stride-pad+j, c]",
    .params_size = sizeof(limn_pool_params),
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
    .bench = bench,
};
