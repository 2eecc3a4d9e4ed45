/* Images of another size, bilinear, pixel centres at half integers. */
#include "ops/op.h"
#include "ops/shape.h"

#include <math.h>
#include <stddef.h>

enum { MOST = 16384 }; /* extents whose products still fit the kernels' 32-bit fractions */

typedef struct resize_bilinear_params {
    int64_t height, width;
} resize_bilinear_params;

static const limn_param_spec specs[] = {
    {"height", LIMN_PARAM_INT, offsetof(resize_bilinear_params, height), 1, 1, MOST},
    {"width", LIMN_PARAM_INT, offsetof(resize_bilinear_params, width), 1, 1, MOST},
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const resize_bilinear_params *q = params;
    char text[64];
    const limn_status status = limn_need_floats(device, "resize_bilinear", in, 0, 4, 4);
    if (status != LIMN_OK)
        return status;
    const int64_t *dim = in[0].dim;
    if (dim[1] > MOST || dim[2] > MOST || dim[3] > INT32_MAX / 4)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs",
                         "resize_bilinear", "%s to %lld x %lld is too large",
                         limn_desc_text(&in[0], text, sizeof text), (long long)q->height,
                         (long long)q->width);
    if (dim[0] > INT32_MAX / (dim[1] * dim[2]) || dim[0] > INT32_MAX / (q->height * q->width))
        return limn_too_large(device, "resize_bilinear", &in[0]);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 4, dim[0], q->height, q->width, dim[3]);
    const double inputs = (double)limn_desc_count(&in[0]);
    const double outputs = (double)limn_desc_count(&p->out[0]);
    p->flops = p->backward_flops = 8 * outputs;
    p->bytes = p->backward_bytes = 4 * (inputs + outputs);
    return LIMN_OK;
}

static limn_status launch(const limn_op_run *r, const char *kernel, const limn_desc *over,
                          const limn_buffer *from, limn_buffer *to)
{
    const int64_t *x = r->in[0]->desc.dim, *y = r->plan->out[0].dim;
    return LIMN_LAUNCH(r->device, kernel, limn_lane_defines(r->device),
                       limn_lane_grid(r->device, x[3], limn_desc_rows(over)), limn_int(x[0]),
                       limn_int(x[1]), limn_int(x[2]), limn_int(x[3]), limn_int(y[1]),
                       limn_int(y[2]), limn_in(from), limn_out(to));
}

static limn_status forward(const limn_op_run *r)
{
    return launch(r, "resize_bilinear_forward", &r->plan->out[0], r->in[0]->buffer,
                  r->out[0]->buffer);
}

static limn_status backward(const limn_op_run *r)
{
    return launch(r, "resize_bilinear_backward", &r->in[0]->desc, r->grad_out[0]->buffer,
                  r->grad_in[0]->buffer);
}

/* The two inputs of output o and the second one's weight. */
static double neighbours(int64_t o, int64_t in, int64_t out, int64_t at[2])
{
    const double s = fmax(((double)o + 0.5) * (double)in / (double)out - 0.5, 0);
    at[0] = (int64_t)floor(s);
    at[1] = at[0] + 1 < in ? at[0] + 1 : in - 1;
    return s - floor(s);
}

/* Forward: out += weight * in.  Backward: grad_in += weight * grad_out. */
static void spread(const limn_op_reference *r, bool backward_pass)
{
    const int64_t *x = r->in_desc[0].dim, *y = r->plan->out[0].dim;
    for (int64_t i = 0; i < limn_desc_count(&r->plan->out[0]); i++) {
        const int64_t c = i % y[3], n = i / y[3] / y[2] / y[1];
        int64_t h[2], w[2];
        const double th = neighbours(i / y[3] / y[2] % y[1], x[1], y[1], h);
        const double tw = neighbours(i / y[3] % y[2], x[2], y[2], w);
        double sum = 0;
        for (int j = 0; j < 4; j++) {
            const double weight = (j / 2 ? th : 1 - th) * (j % 2 ? tw : 1 - tw);
            const int64_t from = ((n * x[1] + h[j / 2]) * x[2] + w[j % 2]) * x[3] + c;
            if (backward_pass)
                r->grad_in[0][from] += weight * r->grad_out[0][i];
            else
                sum += weight * r->in[0][from];
        }
        if (!backward_pass)
            r->out[0][i] = sum;
    }
}

static void forward_reference(const limn_op_reference *r)
{
    spread(r, false);
}

static void backward_reference(const limn_op_reference *r)
{
    spread(r, true);
}

static const limn_op_example example = {
    .params = "height=5 width=9",
    .in_count = 1,
    .in = {{LIMN_F32, 4, {2, 7, 4, 5}}},
    .tolerance = 1e-6, /* four products with weights rounded once, and their sums */
};

const limn_op limn_op_resize_bilinear = {
    .name = "resize_bilinear",
    .formula = "y[n,oh,ow,c] = bilinear x at ((oh+1/2) H/height - 1/2, (ow+1/2) W/width - 1/2)",
    .params_size = sizeof(resize_bilinear_params),
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
