/* y = x: what the device's memory can do. */
#include "ops/op.h"
#include "ops/shape.h"

/* Floats of one work-item: a vector, on a CPU device a run of vectors. */
enum { GPU_RUN = 4, CPU_RUN = 4096 };

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    const limn_status status = limn_need_floats(device, "copy", in, 0, 0, LIMN_MAX_RANK);
    p->out_count = 1;
    p->out[0] = in[0];
    p->bytes = p->backward_bytes = 8 * (double)limn_desc_count(&in[0]);
    return status;
}

static limn_status move(limn_device *device, const limn_tensor *from, limn_tensor *to)
{
    const bool cpu = limn_device_get_limits(device)->is_cpu;
    const int64_t count = limn_desc_count(&from->desc), run = cpu ? CPU_RUN : GPU_RUN;
    limn_grid grid = limn_grid_1d((size_t)((count + run - 1) / run));
    grid.local[0] = cpu ? 1 : 0;
    return LIMN_LAUNCH(device, "copy_run", cpu ? "-DV=16 -DRUN=4096" : "-DV=4 -DRUN=4", grid,
                       limn_long(count), limn_in(from->buffer), limn_out(to->buffer));
}

static limn_status forward(const limn_op_run *r)
{
    return move(r->device, r->in[0], r->out[0]);
}

static limn_status backward(const limn_op_run *r)
{
    return move(r->device, r->grad_out[0], r->grad_in[0]);
}

static void forward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++)
        r->out[0][i] = r->in[0][i];
}

static void backward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++)
        r->grad_in[0][i] = r->grad_out[0][i];
}

static const limn_op_example example = {
    .params = "", .in_count = 1, .in = {{LIMN_F32, 2, {67, 129}}}, .tolerance = 0, /* exact */
};

/* Two buffers of 64 MiB: beyond the caches of most devices. */
static const limn_op_example bench[] = {
    {.params = "", .in_count = 1, .in = {{LIMN_F32, 1, {1 << 24}}}},
    {0},
};

const limn_op limn_op_copy = {
    .name = "copy",
    .formula = "y = x",
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
