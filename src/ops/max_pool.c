/* Largest value of square windows. */
#include "ops/op.h"
#include "ops/pool.h"

#include <math.h>
#include <stddef.h>

static const limn_param_spec specs[] = {
    {"kernel", LIMN_PARAM_INT, offsetof(limn_pool_params, kernel), 2, 1, 4096},
    {"stride", LIMN_PARAM_INT, offsetof(limn_pool_params, stride), 0, 0, 4096}, /* 0: kernel */
    {"pad", LIMN_PARAM_INT, offsetof(limn_pool_params, pad), 0, 0, 2048},
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const limn_status status = limn_pool_plan(device, "max_pool", params, in, p);
    if (status != LIMN_OK)
        return status;
    p->saved_count = 1;
    p->saved[0] = p->out[0];
    p->saved[0].dtype = LIMN_I32;
    p->backward_bytes += 4 * (double)limn_desc_count(&p->out[0]);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_pool_shape s = limn_pool_shape_of(r->params, &r->in[0]->desc);
    limn_arg args[] = {limn_int(s.n),
                       limn_int(s.h),
                       limn_int(s.w),
                       limn_int(s.c),
                       limn_int(s.oh),
                       limn_int(s.ow),
                       limn_int(s.kernel),
                       limn_int(s.stride),
                       limn_int(s.pad),
                       limn_in(r->in[0]->buffer),
                       limn_out(r->out[0]->buffer),
                       limn_out(r->saved[0] ? r->saved[0]->buffer : NULL)};
    const size_t count = sizeof args / sizeof *args - (r->saved[0] == NULL);
    return limn_launch(r->device, r->saved[0] ? "max_pool_forward" : "max_pool_values",
                       limn_lane_defines(r->device),
                       limn_lane_grid(r->device, s.c, s.n * s.oh * s.ow), args, count);
}

static limn_status backward(const limn_op_run *r)
{
    const limn_pool_shape s = limn_pool_shape_of(r->params, &r->in[0]->desc);
    const limn_pool_part part = limn_pool_part_of(r->device, &s);
    return LIMN_LAUNCH(r->device, "max_pool_backward", limn_lane_defines(r->device), part.grid,
                       limn_int(s.n), limn_int(s.h), limn_int(s.w), limn_int(s.c), limn_int(s.oh),
                       limn_int(s.ow), limn_int(s.kernel), limn_int(s.stride), limn_int(s.pad),
                       limn_int(part.run), limn_int(part.span), limn_in(r->saved[0]->buffer),
                       limn_in(r->grad_out[0]->buffer), limn_out(r->grad_in[0]->buffer));
}

/* Value and place of the first maximum of the window at output (oh, ow). */
static void reference_window(const limn_pool_shape *s, const double *image, int64_t oh, int64_t ow,
                             double *best, double *at)
{
    bool found = false;
    for (int64_t i = 0; i < s->kernel * s->kernel; i++) {
        const int64_t h = oh * s->stride - s->pad + i / s->kernel;
        const int64_t w = ow * s->stride - s->pad + i % s->kernel;
        if (h < 0 || h >= s->h || w < 0 || w >= s->w)
            continue;
        const double value = image[(h * s->w + w) * s->c];
        if (!found || value > *best || (isnan(value) && !isnan(*best))) {
            *best = value;
            *at = (double)(h * s->w + w);
        }
        found = true;
    }
}

static void forward_reference(const limn_op_reference *r)
{
    const limn_pool_shape s = limn_pool_shape_of(r->params, &r->in_desc[0]);
    int64_t i = 0;
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t oh = 0; oh < s.oh; oh++)
            for (int64_t ow = 0; ow < s.ow; ow++)
                for (int64_t c = 0; c < s.c; c++, i++)
                    reference_window(&s, r->in[0] + n * s.h * s.w * s.c + c, oh, ow, &r->out[0][i],
                                     &r->saved[0][i]);
}

static void backward_reference(const limn_op_reference *r)
{
    const limn_pool_shape s = limn_pool_shape_of(r->params, &r->in_desc[0]);
    const int64_t image = s.oh * s.ow * s.c;
    for (int64_t i = 0; i < s.n * image; i++)
        r->grad_in[0][(i / image * s.h * s.w + (int64_t)r->saved[0][i]) * s.c + i % s.c] +=
            r->grad_out[0][i];
}

static const limn_op_example example = {
    .params = "kernel=3 stride=2 pad=1",
    .in_count = 1,
    .in = {{LIMN_F32, 4, {2, 7, 6, 5}}},
    .tolerance = 1e-6, /* a selection; backward adds up to four values */
};

static const limn_op_example bench[] = {
    {.params = "kernel=3 stride=2 pad=1", .in_count = 1, .in = {{LIMN_F32, 4, {8, 112, 112, 64}}}},
    {0},
};

const limn_op limn_op_max_pool = {
    .name = "max_pool",
    .formula = "y[n,oh,ow,c] = max over i,j of x[n, oh*stride-pad+i, ow*stride-pad+j, c]",
    .params_size = sizeof(limn_pool_params),
    .params = specs,
    .min_in = 1,
    .max_in = 1,
    .differentiable = 1,
    .saves_for_backward = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
    .bench = bench,
};
