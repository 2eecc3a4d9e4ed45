/* The largest magnitude of a tensor: "amax", by which gradients are scaled for half precision. */
#include "ops/amax.h"
#include "ops/rows.h"

limn_status limn_amax(limn_device *device, const limn_buffer *x, int64_t count, limn_buffer *to)
{
    enum { GROUPS_PER_UNIT = 32, LEAST = 4 }; /* LEAST: vectors that a work-item is worth */
    const uint32_t zero = 0;
    const size_t group = limn_row_group(device);
    const int64_t most = GROUPS_PER_UNIT * (int64_t)limn_device_get_limits(device)->compute_units;
    const int64_t whole = limn_lanes(device) * (int64_t)group * LEAST;
    const int64_t groups = (count + whole - 1) / whole;
    const limn_status status = limn_buffer_fill(to, 0, sizeof zero, &zero, sizeof zero);
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(device, "amax_all", limn_row_defines(device),
                       limn_row_grid(device, groups < most ? groups : most), limn_long(count),
                       limn_in(x), limn_inout(to));
}

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 1, 1, 0, 0, 0);
    p->flops = (double)limn_desc_count(&in[0]);
    p->bytes = sizeof(float) * p->flops;
    return limn_need_floats(device, "amax", in, 0, 0, LIMN_MAX_RANK);
}

static limn_status forward(const limn_op_run *r)
{
    return limn_amax(r->device, r->in[0]->buffer, limn_desc_count(&r->in[0]->desc),
                     r->out[0]->buffer);
}

static void forward_reference(const limn_op_reference *r)
{
    r->out[0][0] = 0;
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++) {
        const double magnitude = fabs(r->in[0][i]);
        if (isfinite(magnitude) && magnitude > r->out[0][0])
            r->out[0][0] = magnitude;
    }
}

static const limn_op_example example = {
    .params = "", .in_count = 1, .in = {{LIMN_F32, 2, {67, 129}}}, .tolerance = 0, /* exact */
};

static const limn_op_example bench[] = {
    {.params = "", .in_count = 1, .in = {{LIMN_F32, 1, {1 << 24}}}},
    {0},
};

const limn_op limn_op_amax = {
    .name = "amax",
    .formula = "y[0] = largest finite |x[i]|",
    .min_in = 1,
    .max_in = 1,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
    .bench = bench,
};
