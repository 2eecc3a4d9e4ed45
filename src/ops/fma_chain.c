/* x = scale * x + shift, again and again in registers: what the device's arithmetic can do. */
#include "ops/op.h"
#include "ops/shape.h"

#include <stddef.h>
#include <stdio.h>

typedef struct settings {
    int64_t rounds;
    double scale, shift;
} settings;

static const limn_param_spec specs[] = {
    {"rounds", LIMN_PARAM_INT, offsetof(settings, rounds), 1, 0, 1 << 30},
    {"scale", LIMN_PARAM_FLOAT, offsetof(settings, scale), -0.999, -1, 1},
    {"shift", LIMN_PARAM_FLOAT, offsetof(settings, shift), 0.5, -1e6, 1e6},
    {0},
};

/* Independent chains of a work-item: as many as hide the latency of a multiply-add, as few as fit
 * the registers beside the two constants. */
enum { CHAINS = 8 };

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const settings *q = params;
    const limn_status status = limn_need_floats(device, "fma_chain", in, 0, 0, LIMN_MAX_RANK);
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = in[0];
    p->flops = 2 * (double)q->rounds * count;
    p->bytes = 8 * count;
    return status;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const limn_device_limits *limits = limn_device_get_limits(r->device);
    const int width = !limits->is_cpu ? 2 : limits->float_width >= 16 ? 16 : 8;
    const int64_t count = limn_desc_count(&r->in[0]->desc), run = (int64_t)width * CHAINS;
    char defines[32];
    snprintf(defines, sizeof defines, "-DV=%d -DCHAINS=%d", width, CHAINS);
    limn_grid grid = limn_grid_1d((size_t)((count + run - 1) / run));
    grid.local[0] = limits->is_cpu ? 1 : 0;
    return LIMN_LAUNCH(r->device, "fma_chain_run", defines, grid, limn_long(count),
                       limn_int(q->rounds), limn_float(q->scale), limn_float(q->shift),
                       limn_in(r->in[0]->buffer), limn_out(r->out[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++) {
        double x = r->in[0][i];
        for (int64_t round = 0; round < q->rounds; round++)
            x = q->scale * x + q->shift;
        r->out[0][i] = x;
    }
}

static const limn_op_example example = {
    .params = "rounds=5",
    .in_count = 1,
    .in = {{LIMN_F32, 2, {5, 67}}},
    .tolerance = 2e-6, /* five roundings of values up to 2 */
};

static const limn_op_example bench[] = {
    {.params = "rounds=1024", .in_count = 1, .in = {{LIMN_F32, 1, {1 << 22}}}},
    {0},
};

const limn_op limn_op_fma_chain = {
    .name = "fma_chain",
    .formula = "x = scale * x + shift, `rounds` times",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 1,
    .max_in = 1,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
    .bench = bench,
};
