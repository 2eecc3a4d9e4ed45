/* The shortcut without parameters of residual networks for small images. */
#include "ops/op.h"
#include "ops/shape.h"

#include <stddef.h>

typedef struct subsample_pad_params {
    int64_t stride, channels;
} subsample_pad_params;

static const limn_param_spec specs[] = {
    {"stride", LIMN_PARAM_INT, offsetof(subsample_pad_params, stride), 2, 1, 1024},
    /* 0: as many as come in */
    {"channels", LIMN_PARAM_INT, offsetof(subsample_pad_params, channels), 0, 0, 1 << 20},
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const subsample_pad_params *q = params;
    limn_status status = limn_need_floats(device, "subsample_pad", in, 0, 4, 4);
    if (status == LIMN_OK)
        status = limn_need_small(device, "subsample_pad", &in[0]);
    if (status != LIMN_OK)
        return status;
    const int64_t *dim = in[0].dim, channels = q->channels ? q->channels : dim[3];
    if (channels < dim[3] || (channels - dim[3]) % 2)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad parameter",
                         "subsample_pad",
                         "channels=%lld cannot be made of %lld with as many zeros on each side",
                         (long long)channels, (long long)dim[3]);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 4, dim[0], (dim[1] + q->stride - 1) / q->stride,
                               (dim[2] + q->stride - 1) / q->stride, channels);
    const double outputs = (double)limn_desc_count(&p->out[0]);
    p->bytes = 8 * outputs;
    p->backward_bytes = 4 * ((double)limn_desc_count(&in[0]) + outputs);
    return LIMN_OK;
}

static limn_status launch(const limn_op_run *r, const char *kernel, const limn_desc *over,
                          const limn_buffer *from, limn_buffer *to)
{
    const int64_t *x = r->in[0]->desc.dim, *y = r->plan->out[0].dim;
    limn_grid grid = limn_grid_1d((size_t)limn_desc_channels(over));
    grid.global[1] = (size_t)limn_desc_rows(over);
    return LIMN_LAUNCH(r->device, kernel, "", grid, limn_int(x[0]), limn_int(x[1]), limn_int(x[2]),
                       limn_int(x[3]), limn_int(y[1]), limn_int(y[2]), limn_int(y[3]),
                       limn_int(((const subsample_pad_params *)r->params)->stride), limn_in(from),
                       limn_out(to));
}

static limn_status forward(const limn_op_run *r)
{
    return launch(r, "subsample_pad_forward", &r->plan->out[0], r->in[0]->buffer,
                  r->out[0]->buffer);
}

static limn_status backward(const limn_op_run *r)
{
    return launch(r, "subsample_pad_backward", &r->in[0]->desc, r->grad_out[0]->buffer,
                  r->grad_in[0]->buffer);
}

/* The element of x that element i of y shows; -1: a zero. */
static int64_t source(const limn_op_reference *r, int64_t i)
{
    const int64_t *x = r->in_desc[0].dim, *y = r->plan->out[0].dim;
    const int64_t stride = ((const subsample_pad_params *)r->params)->stride;
    const int64_t c = i % y[3] - (y[3] - x[3]) / 2, w = i / y[3] % y[2] * stride;
    const int64_t h = i / y[3] / y[2] % y[1] * stride, n = i / y[3] / y[2] / y[1];
    return c < 0 || c >= x[3] ? -1 : ((n * x[1] + h) * x[2] + w) * x[3] + c;
}

static void forward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->plan->out[0]); i++)
        r->out[0][i] = source(r, i) < 0 ? 0 : r->in[0][source(r, i)];
}

static void backward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->plan->out[0]); i++)
        if (source(r, i) >= 0)
            r->grad_in[0][source(r, i)] = r->grad_out[0][i];
}

static const limn_op_example example = {
    .params = "stride=2 channels=10",
    .in_count = 1,
    .in = {{LIMN_F32, 4, {2, 5, 4, 6}}},
    .tolerance = 0, /* a copy */
};

const limn_op limn_op_subsample_pad = {
    .name = "subsample_pad",
    .formula = "y[n,h,w,(channels-C)/2+c] = x[n,h*stride,w*stride,c], zeros around",
    .params_size = sizeof(subsample_pad_params),
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
};
