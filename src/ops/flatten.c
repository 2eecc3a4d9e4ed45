/* An image's values as one row, channel after channel. */
#include "ops/op.h"
#include "ops/shape.h"

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    limn_status status = limn_need_floats(device, "flatten", in, 0, 4, 4);
    if (status == LIMN_OK)
        status = limn_need_small(device, "flatten", &in[0]);
    if (status != LIMN_OK)
        return status;
    const int64_t count = limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 2, in[0].dim[0], count / in[0].dim[0], 0, 0);
    p->bytes = p->backward_bytes = 8 * (double)count;
    return LIMN_OK;
}

/* With one pixel or one channel both orders are the same. */
static limn_status move(const limn_op_run *r, const char *kernel, const limn_buffer *from,
                        limn_buffer *to)
{
    const limn_desc *x = &r->in[0]->desc;
    const int64_t pixels = limn_desc_rows(x), channels = limn_desc_channels(x);
    if (x->dim[1] * x->dim[2] == 1 || channels == 1)
        return limn_buffer_copy(from, 0, to, 0, limn_desc_bytes(x));
    limn_grid grid = limn_grid_1d((size_t)channels);
    grid.global[1] = (size_t)pixels;
    return LIMN_LAUNCH(r->device, kernel, "", grid, limn_long(pixels),
                       limn_int(x->dim[1] * x->dim[2]), limn_int(channels), limn_in(from),
                       limn_out(to));
}

static limn_status forward(const limn_op_run *r)
{
    return move(r, "flatten_forward", r->in[0]->buffer, r->out[0]->buffer);
}

static limn_status backward(const limn_op_run *r)
{
    return move(r, "flatten_backward", r->grad_out[0]->buffer, r->grad_in[0]->buffer);
}

/* Where element i of x stands in y. */
static int64_t place(const limn_desc *x, int64_t i)
{
    const int64_t channels = x->dim[3], pixels = x->dim[1] * x->dim[2];
    const int64_t c = i % channels, p = i / channels % pixels, n = i / channels / pixels;
    return (n * channels + c) * pixels + p;
}

static void forward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++)
        r->out[0][place(&r->in_desc[0], i)] = r->in[0][i];
}

static void backward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++)
        r->grad_in[0][i] = r->grad_out[0][place(&r->in_desc[0], i)];
}

static const limn_op_example example = {
    .params = "", .in_count = 1, .in = {{LIMN_F32, 4, {2, 3, 4, 5}}}, .tolerance = 0, /* a copy */
};

const limn_op limn_op_flatten = {
    .name = "flatten",
    .formula = "y[n, (c*H+h)*W+w] = x[n,h,w,c]",
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
