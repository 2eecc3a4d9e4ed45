/* Two-dimensional convolution (cross-correlation, as in every framework), channels last. */
#include "ops/amax.h"
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

/* Best first.  The parameter impl names one by its place, from 1. */
static const conv2d_impl *const implementations[] = {
    &conv2d_winograd,     &conv2d_tile,         &conv2d_depthwise,      &conv2d_depthwise_gpu,
    &conv2d_local_matrix, &conv2d_winograd_gpu, &conv2d_winograd_gpu_2, &conv2d_local_half,
    &conv2d_local_wide,   &conv2d_local,        &conv2d_plain};
enum { IMPL_COUNT = sizeof implementations / sizeof implementations[0] };

enum { HALF_BIT = 0 }; /* of limits->half_forms */

/* Slices of the gradient of the bias: fixed, so that its sum has one order. */
enum { BIAS_SLICES = 64 };

static const limn_param_spec params_table[] = {CONV2D_PARAM_SPECS, {.name = NULL}};

/* ---- shape ---------------------------------------------------------------------------------- */

static conv2d_axis make_axis(int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                             int64_t dilation)
{
    conv2d_axis a = {(int)in, 0, (int)kernel, (int)stride, (int)pad, (int)dilation};
    const int64_t room = in + 2 * pad - dilation * (kernel - 1) - 1;
    a.out = room < 0 ? 0 : (int)(room / stride + 1);
    return a;
}

conv2d_shape conv2d_make_shape(const void *params, const limn_desc *in, int in_count)
{
    const conv2d_params *p = params;
    const limn_desc *x = &in[0], *w = &in[1];
    conv2d_shape s = {.n = (int)x->dim[0], .groups = (int)p->groups, .bias = in_count == 3};
    s.cg = (int)w->dim[1];
    s.kg = (int)(w->dim[0] / p->groups);
    s.h = make_axis(x->dim[1], w->dim[2], p->stride, p->pad, p->dilation);
    s.w = make_axis(x->dim[2], w->dim[3], p->stride_w ? p->stride_w : p->stride,
                    p->pad_w >= 0 ? p->pad_w : p->pad, p->dilation_w ? p->dilation_w : p->dilation);
    s.taps = s.h.kernel * s.w.kernel;
    return s;
}

/* What is wrong with the inputs, or NULL. */
static const char *shape_fault(const conv2d_params *p, const limn_desc *in, int in_count)
{
    const limn_desc *x = &in[0], *w = &in[1];
    for (int i = 0; i < in_count; i++) {
        if (in[i].dtype != LIMN_F32 || in[i].rank != (i < 2 ? 4 : 1))
            return "wants floats: x [N,H,W,C], filters [K,C/groups,R,S], bias [K]";
        double count = 1;
        for (int d = 0; d < in[i].rank; d++) {
            if (in[i].dim[d] < 1)
                return "an extent is 0";
            count *= (double)in[i].dim[d];
        }
        if (i == 1 && count > INT32_MAX)
            return "the filters have more than 2^31 elements";
    }
    if (w->dim[0] % p->groups != 0)
        return "groups must divide the number of filters";
    if (w->dim[1] * p->groups != x->dim[3])
        return "the filters' channels times groups must be the input's channels";
    if (in_count == 3 && in[2].dim[0] != w->dim[0])
        return "the bias must have one value for each filter";
    return NULL;
}

/* The kernels number pixels, and the elements of one image, in 32 bits; a last tile may reach past
 * the end. */
static const char *size_fault(const limn_desc *t)
{
    const double most = INT32_MAX - 4096, pixels = (double)t->dim[1] * (double)t->dim[2];
    if (pixels * (double)t->dim[3] > most)
        return "an image has more than 2^31 elements";
    return pixels * (double)t->dim[0] > most ? "the batch has more than 2^31 pixels" : NULL;
}

/* ---- which implementation ------------------------------------------------------------------- */

static const char *const directions[] = {"forward", "data", "filter", NULL};

static const char *impl_name(int which)
{
    return implementations[which]->name;
}

/* NULL, or why an implementation does not serve a direction of a case. */
static const char *misfit(const limn_device_limits *limits, int which, const conv2d_shape *s,
                          conv2d_direction direction)
{
    const conv2d_impl *impl = implementations[which];
    if (impl->half && !(limits->half_forms >> (HALF_BIT + which) & 1))
        return "half precision is not asked for, this is a CPU device, or the form failed its "
               "check";
    return impl->accepts(limits, s, direction);
}

/* All but the batch: whether an implementation serves a case may depend on each. */
static void shape_class(const limn_choice_case *c, char *text, size_t size)
{
    const conv2d_shape s = conv2d_make_shape(c->params, c->in, c->in_count);
    const struct {
        char name;
        int h, w;
    } pairs[] = {{'f', s.h.kernel, s.w.kernel},
                 {'s', s.h.stride, s.w.stride},
                 {'p', s.h.pad, s.w.pad},
                 {'d', s.h.dilation, s.w.dilation}};
    int used = snprintf(text, size, "c%d k%d g%d", s.cg, s.kg, s.groups);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && (size_t)used < size; i++) {
        used += snprintf(text + used, size - (size_t)used, " %c%d", pairs[i].name, pairs[i].h);
        if (pairs[i].w != pairs[i].h && (size_t)used < size)
            used += snprintf(text + used, size - (size_t)used, "x%d", pairs[i].w);
    }
    if ((size_t)used < size)
        snprintf(text + used, size - (size_t)used, " %dx%d%s", s.h.in, s.w.in,
                 limn_device_may_round(c->device) ? " half" : "");
}

/* The plain form, and on a CPU device those for GPUs: worth a try where nothing before serves. */
static bool is_last_resort(const limn_device_limits *limits, int which)
{
    return implementations[which] == &conv2d_plain ||
           (limits->is_cpu && implementations[which]->for_gpus);
}

static void refusal(const limn_choice_case *c, int direction, int which, bool forced, char *why,
                    size_t size)
{
    const limn_device_limits *limits = limn_device_get_limits(c->device);
    const conv2d_shape s = conv2d_make_shape(c->params, c->in, c->in_count);
    const conv2d_direction d = (conv2d_direction)direction;
    const conv2d_impl *impl = implementations[which];
    const char *reason = misfit(limits, which, &s, d);
    if (!forced && !reason && impl->for_matrix_units && limits->matrix_units == LIMN_MATRIX_NONE)
        reason = "the device has no matrix units that are known here";
    if (!forced && !reason && (s.cg < impl->worth_channels || s.kg < impl->worth_channels))
        reason = "it does not pay with so few channels";
    if (!forced && !reason && impl->futile)
        reason = impl->futile(&s, d);
    if (!forced && is_last_resort(limits, which))
        for (int i = 0; i < which && !reason; i++)
            if (!misfit(limits, i, &s, d))
                reason = "it is for shapes that nothing else serves here";
    snprintf(why, size, "%s", reason ? reason : "");
}

static double bound(const limn_choice_case *c, int direction, int which)
{
    const conv2d_shape s = conv2d_make_shape(c->params, c->in, c->in_count);
    const double pixels = (double)s.n * s.h.out * s.w.out;
    const double terms[] = {(double)s.cg * s.taps, (double)s.kg * s.taps, pixels};
    const conv2d_impl *impl = implementations[which];
    return impl->growth * limn_op_sum_bound(terms[direction]) + (impl->half ? LIMN_HALF_BOUND : 0);
}

static bool is_half(int which)
{
    return implementations[which]->half;
}

static const limn_op_choices choices = {
    .directions = directions,
    .count = IMPL_COUNT,
    .name = impl_name,
    .shape = shape_class,
    .refusal = refusal,
    .bound = bound,
    .half = is_half,
    .half_bit = HALF_BIT,
};

const conv2d_impl *conv2d_chosen(const limn_op_plan *plan, conv2d_direction direction)
{
    return implementations[plan->choice[direction]];
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t scratch_of(limn_device *device, const limn_op_plan *plan, const conv2d_shape *s,
                         conv2d_direction direction)
{
    return conv2d_chosen(plan, direction)->scratch(limn_device_get_limits(device), s, direction);
}

/* Whether an implementation that was asked for by number serves a direction. */
static limn_status check_forced(limn_device *device, const conv2d_params *p, const char *where,
                                const conv2d_shape *s, conv2d_direction direction)
{
    limn_context *ctx = limn_device_context(device);
    if (p->impl > IMPL_COUNT)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad parameter", where,
                         "there are %d implementations", (int)IMPL_COUNT);
    const char *why = misfit(limn_device_get_limits(device), (int)p->impl - 1, s, direction);
    return why ? limn_fail(ctx, LIMN_BAD_USAGE, "bad convolution", where,
                           "implementation %d (%s) declines: %s", (int)p->impl,
                           impl_name((int)p->impl - 1), why)
               : LIMN_OK;
}

static void describe(const limn_desc *in, char *text, size_t size)
{
    char x[64], w[64];
    snprintf(text, size, "%s, filters %s", limn_desc_text(&in[0], x, sizeof x),
             limn_desc_text(&in[1], w, sizeof w));
}

limn_status conv2d_plan_forward(limn_device *device, const void *params, const limn_desc *in,
                                int in_count, conv2d_shape *shape, limn_op_plan *out)
{
    const conv2d_params *p = params;
    const limn_device_limits *limits = limn_device_get_limits(device);
    limn_context *ctx = limn_device_context(device);
    char where[160];
    describe(in, where, sizeof where);
    const char *fault = shape_fault(p, in, in_count);
    if (fault)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad convolution", where, "%s", fault);
    if ((fault = size_fault(&in[0]))) /* a smaller batch helps, as where memory is short */
        return limn_fail(ctx, LIMN_OUT_OF_DEVICE_MEMORY, "batch too large", where, "%s", fault);
    const conv2d_shape s = *shape = conv2d_make_shape(params, in, in_count);
    if (s.h.out < 1 || s.w.out < 1)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad convolution", where,
                         "the filters reach beyond the padded image");
    out->out_count = 1;
    out->out[0] = limn_desc_make(LIMN_F32, 4, s.n, s.h.out, s.w.out, in[1].dim[0]);
    if ((fault = size_fault(&out->out[0])))
        return limn_fail(ctx, LIMN_OUT_OF_DEVICE_MEMORY, "batch too large", where, "%s", fault);
    const limn_choice_case c = {device, params, in, in_count};
    const limn_status status =
        p->impl > 0 ? check_forced(device, p, where, &s, CONV2D_FORWARD) : LIMN_OK;
    if (status != LIMN_OK)
        return status;
    out->choice[CONV2D_FORWARD] =
        p->impl > 0 ? (int)p->impl - 1 : limn_op_choose("conv2d", &choices, &c, CONV2D_FORWARD);
    const conv2d_impl *impl = conv2d_chosen(out, CONV2D_FORWARD);
    out->prepared[0] = impl->prepared ? impl->prepared(limits, &s) : 0;
    out->forward_scratch = impl->scratch(limits, &s, CONV2D_FORWARD);
    const double tensors = (double)limn_desc_count(&in[0]) + (double)limn_desc_count(&in[1]) +
                           (double)limn_desc_count(&out->out[0]);
    out->flops = 2.0 * (double)limn_desc_count(&out->out[0]) * s.cg * s.taps;
    out->bytes = sizeof(float) * tensors;
    return LIMN_OK;
}

/* Whether a gradient is made by the implementation that was asked for by number: by one in half
 * precision where that serves it, its shapes are fewer than those of the forward pass. */
static bool is_forced(limn_device *device, const conv2d_params *p, const conv2d_shape *s,
                      conv2d_direction direction)
{
    const int which = (int)p->impl - 1;
    return which >= 0 && !(implementations[which]->half &&
                           misfit(limn_device_get_limits(device), which, s, direction));
}

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *out)
{
    const conv2d_params *p = params;
    const limn_choice_case c = {device, params, in, in_count};
    conv2d_shape s;
    char where[160];
    limn_status status = conv2d_plan_forward(device, params, in, in_count, &s, out);
    for (int d = CONV2D_DATA; d <= CONV2D_FILTER && status == LIMN_OK; d++) {
        const bool forced = is_forced(device, p, &s, (conv2d_direction)d);
        out->choice[d] = forced ? (int)p->impl - 1 : limn_op_choose("conv2d", &choices, &c, d);
        describe(in, where, sizeof where);
        if (forced)
            status = check_forced(device, p, where, &s, (conv2d_direction)d);
    }
    if (status != LIMN_OK)
        return status;
    out->backward_scratch = larger(scratch_of(device, out, &s, CONV2D_DATA),
                                   scratch_of(device, out, &s, CONV2D_FILTER));
    if (s.bias)
        out->backward_scratch =
            larger(out->backward_scratch, sizeof(float) * BIAS_SLICES * (size_t)in[1].dim[0]);
    out->backward_flops = 2 * out->flops;
    out->backward_bytes = 2 * out->bytes;
    return LIMN_OK;
}

extern const limn_op limn_op_conv2d;

/* ---- running -------------------------------------------------------------------------------- */

static conv2d_shape shape_of_run(const limn_op_run *r)
{
    limn_desc in[3];
    for (int i = 0; i < r->in_count; i++)
        in[i] = r->in[i]->desc;
    return conv2d_make_shape(r->params, in, r->in_count);
}

static conv2d_call forward_call(const limn_op_run *r, const conv2d_shape *s)
{
    return (conv2d_call){
        .device = r->device,
        .shape = s,
        .x = r->in[0]->buffer,
        .w = r->in[1]->buffer,
        .bias = s->bias ? r->in[2]->buffer : NULL,
        .result = r->out[0]->buffer,
        .scratch = r->scratch,
        .prepared = r->prepared[0],
    };
}

static limn_status prepare(const limn_op_run *r)
{
    const conv2d_shape s = shape_of_run(r);
    const conv2d_call call = forward_call(r, &s);
    const conv2d_impl *impl = conv2d_chosen(r->plan, CONV2D_FORWARD);
    return impl->prepare ? impl->prepare(&call) : LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    if (r->plan->prepared[0] && !r->prepared[0])
        return limn_op_forward(&limn_op_conv2d, r);
    const conv2d_shape s = shape_of_run(r);
    const conv2d_call call = forward_call(r, &s);
    return conv2d_chosen(r->plan, CONV2D_FORWARD)->run(&call, CONV2D_FORWARD);
}

static limn_status bias_gradient(const limn_op_run *r, const conv2d_shape *s)
{
    const bool vectors = limn_device_get_limits(r->device)->is_cpu && s->groups * s->kg % 16 == 0;
    const int k = s->groups * s->kg, pixels = s->n * s->h.out * s->w.out, width = vectors ? 16 : 1;
    const limn_grid grid = {{(size_t)(k / width), BIAS_SLICES, 1}, {0, 0, 0}};
    const limn_status status =
        LIMN_LAUNCH(r->device, "conv2d_bias_part", vectors ? "-DVEC=16" : "", grid,
                    limn_in(r->grad_out[0]->buffer), limn_out(r->scratch), limn_int(pixels),
                    limn_int(BIAS_SLICES), limn_int(k));
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(r->device, "conv2d_bias_sum", "", limn_grid_1d((size_t)k),
                       limn_in(r->scratch), limn_out(r->grad_in[2]->buffer), limn_int(BIAS_SLICES),
                       limn_int(k));
}

static limn_status backward(const limn_op_run *r)
{
    const conv2d_shape s = shape_of_run(r);
    const limn_tensor *dy = r->grad_out[0];
    static const conv2d_direction gradients[2] = {CONV2D_DATA, CONV2D_FILTER};
    bool has_amax = false;
    for (int i = 0; i < 2; i++) {
        const conv2d_impl *impl = conv2d_chosen(r->plan, gradients[i]);
        if (!r->grad_in[i])
            continue;
        limn_status status = LIMN_OK;
        if (impl->half && !has_amax)
            status = limn_amax(r->device, dy->buffer, limn_desc_count(&dy->desc), r->scratch);
        if (status != LIMN_OK)
            return status;
        has_amax = impl->half;
        const conv2d_call call = {
            .device = r->device,
            .shape = &s,
            .x = i == 1 ? r->in[0]->buffer : NULL,
            .w = i == 0 ? r->in[1]->buffer : NULL,
            .dy = dy->buffer,
            .result = r->grad_in[i]->buffer,
            .scratch = r->scratch,
        };
        if ((status = impl->run(&call, gradients[i])) != LIMN_OK)
            return status;
    }
    return s.bias && r->grad_in[2] ? bias_gradient(r, &s) : LIMN_OK;
}

static void forward_reference(const limn_op_reference *r)
{
    const conv2d_shape s = conv2d_make_shape(r->params, r->in_desc, r->in_count);
    conv2d_reference_forward(&s, r);
}

static void backward_reference(const limn_op_reference *r)
{
    const conv2d_shape s = conv2d_make_shape(r->params, r->in_desc, r->in_count);
    conv2d_reference_backward(&s, r);
}

static const limn_op_example example = {
    .params = "stride=2 pad=1",
    .in_count = 3,
    .in = {{LIMN_F32, 4, {2, 7, 6, 20}}, {LIMN_F32, 4, {20, 20, 3, 3}}, {LIMN_F32, 1, {20}}},
    .tolerance = 1e-5, /* sums of 180 products */
};

/* Layers of ResNet-18 for CIFAR, then of ResNet-50. */
static const limn_op_example bench[] = {
    {.params = "pad=1",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}}, {LIMN_F32, 4, {64, 64, 3, 3}}}},
    {.params = "pad=1",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 16, 16, 128}}, {LIMN_F32, 4, {128, 128, 3, 3}}}},
    {.params = "pad=1",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 8, 8, 256}}, {LIMN_F32, 4, {256, 256, 3, 3}}}},
    {.params = "pad=1",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 4, 4, 512}}, {LIMN_F32, 4, {512, 512, 3, 3}}}},
    {.params = "pad=1",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 32, 32, 3}}, {LIMN_F32, 4, {64, 3, 3, 3}}}},
    {.params = "stride=2 pad=1",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}}, {LIMN_F32, 4, {128, 64, 3, 3}}}},
    {.params = "stride=2 pad=1",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 8, 8, 256}}, {LIMN_F32, 4, {512, 256, 3, 3}}}},
    {.params = "stride=2",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}}, {LIMN_F32, 4, {128, 64, 1, 1}}}},
    {.params = "",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {16, 56, 56, 256}}, {LIMN_F32, 4, {64, 256, 1, 1}}}},
    {.params = "stride=2 pad=3",
     .in_count = 2,
     .in = {{LIMN_F32, 4, {8, 224, 224, 3}}, {LIMN_F32, 4, {64, 3, 7, 7}}}},
    {0},
};

const limn_op limn_op_conv2d = {
    .name = "conv2d",
    .formula = "y[n,oh,ow,k] = bias[k] + sum_{r,s,c} x[n, oh*stride-pad+r*dilation, "
               "ow*stride-pad+s*dilation, c] * w[k,c,r,s]",
    .params_size = sizeof(conv2d_params),
    .params = params_table,
    .min_in = 2,
    .max_in = 3,
    .backward_in = 3,
    .differentiable = 7,
    .plan = plan,
    .prepare = prepare,
    .prepare_in = 6,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
    .bench = bench,
    .choices = &choices,
};
