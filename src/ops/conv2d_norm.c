/* A convolution without bias, batch normalisation with its running statistics, and what often
 * follows: a residual added, a maximum with 0.  For graphs without backward. */
#include "ops/conv2d/conv2d.h"
#include "ops/shape.h"

#include <math.h>
#include <stddef.h>

typedef struct conv2d_norm_params {
    conv2d_params conv; /* first: the convolution's own functions read it */
    int64_t relu;
    double eps;
} conv2d_norm_params;

static const limn_param_spec specs[] = {
    CONV2D_PARAM_SPECS,
    {"relu", LIMN_PARAM_INT, offsetof(conv2d_norm_params, relu), 0, 0, 1},
    {"eps", LIMN_PARAM_FLOAT, offsetof(conv2d_norm_params, eps), 1e-5, 1e-30, 1},
    {.name = NULL},
};

enum { X, FILTERS, WEIGHT, BIAS, MEAN, VARIANCE, RESIDUAL };

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    const conv2d_norm_params *q = params;
    char text[64], wanted[64];
    conv2d_shape s;
    limn_status status = conv2d_plan_forward(device, params, in, 2, &s, p);
    for (int i = WEIGHT; i <= VARIANCE && status == LIMN_OK; i++)
        status = limn_need_vector(device, "conv2d_norm", in, i, in[FILTERS].dim[0]);
    if (status != LIMN_OK)
        return status;
    const bool residual = in_count > RESIDUAL;
    if (residual && !limn_desc_equal(&in[RESIDUAL], &p->out[0]))
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "conv2d_norm",
                         "the residual is %s, it must be %s",
                         limn_desc_text(&in[RESIDUAL], text, sizeof text),
                         limn_desc_text(&p->out[0], wanted, sizeof wanted));
    const double count = (double)limn_desc_count(&p->out[0]);
    p->prepared[1] = 3 * sizeof(float) * (size_t)in[FILTERS].dim[0];
    p->flops += (3 + (double)q->relu + residual) * count;
    p->bytes += 4 * residual * count;
    return LIMN_OK;
}

static conv2d_call call_of(const limn_op_run *r, conv2d_shape *s)
{
    const conv2d_norm_params *q = r->params;
    const limn_desc in[2] = {r->in[X]->desc, r->in[FILTERS]->desc};
    *s = conv2d_make_shape(r->params, in, 2);
    return (conv2d_call){
        .device = r->device,
        .shape = s,
        .x = r->in[X]->buffer,
        .w = r->in[FILTERS]->buffer,
        .result = r->out[0]->buffer,
        .scratch = r->scratch,
        .prepared = r->prepared[0],
        .epilogue = {.norm = r->prepared[1],
                     .residual = r->in_count > RESIDUAL ? r->in[RESIDUAL]->buffer : NULL,
                     .relu = q->relu != 0},
    };
}

static limn_status prepare(const limn_op_run *r)
{
    const conv2d_norm_params *q = r->params;
    const int64_t k = r->in[FILTERS]->desc.dim[0];
    conv2d_shape s;
    const conv2d_call call = call_of(r, &s);
    const conv2d_impl *impl = conv2d_chosen(r->plan, CONV2D_FORWARD);
    const limn_status status = impl->prepare ? impl->prepare(&call) : LIMN_OK;
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(r->device, "conv2d_norm_prepare", limn_lane_defines(r->device),
                       limn_lane_grid(r->device, k, 1), limn_int(k), limn_float(q->eps),
                       limn_in(r->in[WEIGHT]->buffer), limn_in(r->in[BIAS]->buffer),
                       limn_in(r->in[MEAN]->buffer), limn_in(r->in[VARIANCE]->buffer),
                       limn_out(r->prepared[1]));
}

extern const limn_op limn_op_conv2d_norm;

static limn_status forward(const limn_op_run *r)
{
    if (!r->prepared[1])
        return limn_op_forward(&limn_op_conv2d_norm, r);
    conv2d_shape s;
    const conv2d_call call = call_of(r, &s);
    return conv2d_chosen(r->plan, CONV2D_FORWARD)->run(&call, CONV2D_FORWARD);
}

static void forward_reference(const limn_op_reference *r)
{
    const conv2d_norm_params *q = r->params;
    const conv2d_shape s = conv2d_make_shape(r->params, r->in_desc, 2);
    const int64_t count = limn_desc_count(&r->plan->out[0]), channels = r->in_desc[FILTERS].dim[0];
    conv2d_reference_forward(&s, r);
    for (int64_t i = 0; i < count; i++) {
        const int64_t k = i % channels;
        const double scale = r->in[WEIGHT][k] / sqrt(r->in[VARIANCE][k] + q->eps);
        double v = (r->out[0][i] - r->in[MEAN][k]) * scale + r->in[BIAS][k];
        if (r->in_count > RESIDUAL)
            v += r->in[RESIDUAL][i];
        r->out[0][i] = q->relu && v < 0 ? 0 : v;
    }
}

/* Variances are positive. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    for (int64_t i = 0; which == VARIANCE && i < limn_desc_count(&in[VARIANCE]); i++)
        values[i] = 0.5 + draw(state);
}

static const limn_op_example example = {
    .params = "stride=2 pad=1 relu=1",
    .in_count = 7,
    .in = {{LIMN_F32, 4, {2, 7, 6, 20}},
           {LIMN_F32, 4, {18, 20, 3, 3}},
           {LIMN_F32, 1, {18}},
           {LIMN_F32, 1, {18}},
           {LIMN_F32, 1, {18}},
           {LIMN_F32, 1, {18}},
           {LIMN_F32, 4, {2, 4, 3, 18}}},
    .tolerance = 1e-5, /* sums of 180 products */
};

static const limn_op_example bench[] = {
    {.params = "pad=1 relu=1",
     .in_count = 7,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}},
            {LIMN_F32, 4, {64, 64, 3, 3}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 4, {64, 32, 32, 64}}}},
    {.params = "relu=1",
     .in_count = 6,
     .in = {{LIMN_F32, 4, {16, 56, 56, 256}},
            {LIMN_F32, 4, {64, 256, 1, 1}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}}}},
    {0},
};

const limn_op limn_op_conv2d_norm = {
    .name = "conv2d_norm",
    .formula = "y = [max with 0 of] (conv2d(x, w) - mean) / sqrt(variance + eps) * weight + bias "
               "[+ residual]",
    .params_size = sizeof(conv2d_norm_params),
    .params = specs,
    .min_in = 6,
    .max_in = 7,
    .plan = plan,
    .prepare = prepare,
    .prepare_in = 62,
    .in_place = 64,
    .forward = forward,
    .forward_reference = forward_reference,
    .fill = fill,
    .example = &example,
    .bench = bench,
};
