/* Mean of each channel over an image's pixels. */
#include "ops/op.h"
#include "ops/shape.h"

enum { BACKWARD_RUN = 64 }; /* pixels that one work-item of a CPU device writes */

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    const limn_status status = limn_need_floats(device, "global_avg_pool", in, 0, 4, 4);
    if (status != LIMN_OK)
        return status;
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 2, in[0].dim[0], in[0].dim[3], 0, 0);
    const double inputs = (double)limn_desc_count(&in[0]);
    p->flops = p->backward_flops = inputs;
    p->bytes = p->backward_bytes = 4 * (inputs + (double)limn_desc_count(&p->out[0]));
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t *dim = r->in[0]->desc.dim;
    return LIMN_LAUNCH(r->device, "global_avg_pool_forward", limn_lane_defines(r->device),
                       limn_lane_grid(r->device, dim[3], dim[0]), limn_int(dim[0]),
                       limn_int(dim[1] * dim[2]), limn_int(dim[3]), limn_in(r->in[0]->buffer),
                       limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const int64_t *dim = r->in[0]->desc.dim, pixels = dim[1] * dim[2];
    const int64_t run = limn_lanes(r->device) > 1 ? BACKWARD_RUN : 1;
    return LIMN_LAUNCH(r->device, "global_avg_pool_backward", limn_lane_defines(r->device),
                       limn_lane_grid(r->device, dim[3], dim[0] * ((pixels + run - 1) / run)),
                       limn_int(dim[0]), limn_int(pixels), limn_int(dim[3]), limn_int(run),
                       limn_in(r->grad_out[0]->buffer), limn_out(r->grad_in[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const int64_t *dim = r->in_desc[0].dim, pixels = dim[1] * dim[2];
    for (int64_t i = 0; i < dim[0] * dim[3]; i++) {
        double sum = 0;
        for (int64_t p = 0; p < pixels; p++)
            sum += r->in[0][(i / dim[3] * pixels + p) * dim[3] + i % dim[3]];
        r->out[0][i] = sum / (double)pixels;
    }
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t *dim = r->in_desc[0].dim, pixels = dim[1] * dim[2];
    for (int64_t i = 0; i < dim[0] * pixels * dim[3]; i++)
        r->grad_in[0][i] =
            r->grad_out[0][i / dim[3] / pixels * dim[3] + i % dim[3]] / (double)pixels;
}

static const limn_op_example example = {
    .params = "",
    .in_count = 1,
    .in = {{LIMN_F32, 4, {2, 5, 3, 18}}},
    .tolerance = 2e-6, /* 15 rounded additions whose sum may be small */
};

static const limn_op_example bench[] = {
    {.params = "", .in_count = 1, .in = {{LIMN_F32, 4, {64, 4, 4, 512}}}},
    {0},
};

const limn_op limn_op_global_avg_pool = {
    .name = "global_avg_pool",
    .formula = "y[n,c] = mean over h,w of x[n,h,w,c]",
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
