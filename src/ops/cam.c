/* Class activation map: channels weighted by their mean gradient. */
#include "ops/op.h"

#include <stddef.h>

typedef struct settings {
    int64_t relu;
} settings;

static const limn_param_spec specs[] = {
    {"relu", LIMN_PARAM_INT, offsetof(settings, relu), 1, 0, 1},
    {0},
};

/* Scratch: the weights [N,C]. */
static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    const int64_t *d = in[0].dim;
    if (in[0].dtype != LIMN_F32 || in[0].rank != 4 || !limn_desc_equal(&in[0], &in[1]) ||
        d[1] * d[2] > INT32_MAX || d[1] * d[2] < 1)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "cam",
                         "%s and %s must be activations and gradients f32[N,H,W,C]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 3, d[0], d[1], d[2], 0);
    p->forward_scratch = (size_t)(d[0] * d[3]) * sizeof(float);
    p->flops = 3 * (double)limn_desc_count(&in[0]);
    p->bytes = 8 * (double)limn_desc_count(&in[0]);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t *d = r->in[0]->desc.dim;
    const limn_arg n = limn_int(d[0]), positions = limn_int(d[1] * d[2]), c = limn_int(d[3]);
    const limn_grid channels = {{(size_t)d[3], (size_t)d[0], 1}, {0, 0, 0}};
    const limn_grid pixels = {{(size_t)(d[1] * d[2]), (size_t)d[0], 1}, {0, 0, 0}};
    const limn_status status = LIMN_LAUNCH(r->device, "cam_weights", "", channels, n, positions, c,
                                           limn_in(r->in[1]->buffer), limn_out(r->scratch));
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(r->device, "cam_map", "", pixels, n, positions, c, limn_int(q->relu),
                       limn_in(r->in[0]->buffer), limn_in(r->scratch), limn_out(r->out[0]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t *d = r->in_desc[0].dim, positions = d[1] * d[2], channels = d[3];
    for (int64_t b = 0; b < d[0]; b++)
        for (int64_t k = 0; k < channels; k++) {
            double weight = 0;
            for (int64_t i = 0; i < positions; i++)
                weight += r->in[1][(b * positions + i) * channels + k] / (double)positions;
            for (int64_t i = 0; i < positions; i++)
                r->out[0][b * positions + i] =
                    (k ? r->out[0][b * positions + i] : 0) +
                    weight * r->in[0][(b * positions + i) * channels + k];
        }
    for (int64_t i = 0; q->relu && i < d[0] * positions; i++)
        r->out[0][i] = r->out[0][i] > 0 ? r->out[0][i] : 0;
}

static const limn_op_example example = {
    .params = "relu=0",
    .in_count = 2,
    .in = {{LIMN_F32, 4, {2, 3, 4, 5}}, {LIMN_F32, 4, {2, 3, 4, 5}}},
    .tolerance = 3e-6, /* sums over positions and channels */
};

const limn_op limn_op_cam = {
    .name = "cam",
    .formula = "map = relu(sum_k mean(g_k) a_k) (Selvaraju et al. 2017, Grad-CAM)",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 2,
    .max_in = 2,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
};
