/* The running sum of RISE: masks weighted by the scores they gave. */
#include "ops/shape.h"

#include <stddef.h>

typedef struct settings {
    double scale;
} settings;

static const limn_param_spec specs[] = {
    {"scale", LIMN_PARAM_FLOAT, offsetof(settings, scale), 1, -1e30, 1e30},
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64], c[64];
    const limn_desc *map = &in[0], *masks = &in[1], *scores = &in[2];
    if (map->dtype != LIMN_F32 || map->rank != 2 || masks->dtype != LIMN_F32 || masks->rank != 3 ||
        scores->dtype != LIMN_F32 || scores->rank != 1 || masks->dim[0] != scores->dim[0] ||
        masks->dim[1] != map->dim[0] || masks->dim[2] != map->dim[1] ||
        limn_desc_count(map) > INT32_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs",
                         "accumulate_masks",
                         "%s, %s and %s must be a map f32[H,W], masks f32[B,H,W] and scores f32[B]",
                         limn_desc_text(map, a, sizeof a), limn_desc_text(masks, b, sizeof b),
                         limn_desc_text(scores, c, sizeof c));
    p->flops = 2 * (double)limn_desc_count(masks);
    p->bytes = (double)limn_desc_bytes(masks) + 2 * (double)limn_desc_bytes(map);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t positions = limn_desc_count(&r->in[0]->desc);
    const limn_grid grid = limn_lane_grid(r->device, positions, 1);
    return LIMN_LAUNCH(r->device, "accumulate_masks_add", limn_lane_defines(r->device), grid,
                       limn_int(positions), limn_int(r->in[2]->desc.dim[0]), limn_float(q->scale),
                       limn_inout(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_in(r->in[2]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t positions = limn_desc_count(&r->in_desc[0]), batch = r->in_desc[2].dim[0];
    for (int64_t i = 0; i < positions; i++)
        for (int64_t b = 0; b < batch; b++)
            r->in[0][i] += q->scale * r->in[2][b] * r->in[1][b * positions + i];
}

static const limn_op_example example = {
    .params = "scale=0.5",
    .in_count = 3,
    .in = {{LIMN_F32, 2, {3, 5}}, {LIMN_F32, 3, {7, 3, 5}}, {LIMN_F32, 1, {7}}},
    .tolerance = 2e-6, /* a sum of B terms */
};

static const limn_op_example bench[] = {
    {.params = "",
     .in_count = 3,
     .in = {{LIMN_F32, 2, {224, 224}}, {LIMN_F32, 3, {32, 224, 224}}, {LIMN_F32, 1, {32}}}},
    {0},
};

const limn_op limn_op_accumulate_masks = {
    .name = "accumulate_masks",
    .formula = "map += scale sum_b score_b mask_b (Petsiuk et al. 2018)",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 3,
    .max_in = 3,
    .updates = 1,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
    .bench = bench,
};
