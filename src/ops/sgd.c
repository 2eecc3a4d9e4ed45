/* One step of stochastic gradient descent on one parameter, in place. */
#include "ops/op.h"

#include <stddef.h>

typedef struct settings {
    double lr, momentum, weight_decay;
    int64_t nesterov;
} settings;

static const limn_param_spec specs[] = {
    {"lr", LIMN_PARAM_FLOAT, offsetof(settings, lr), 0, 0, 1e6},
    {"momentum", LIMN_PARAM_FLOAT, offsetof(settings, momentum), 0, 0, 1},
    {"weight_decay", LIMN_PARAM_FLOAT, offsetof(settings, weight_decay), 0, 0, 1e6},
    {"nesterov", LIMN_PARAM_INT, offsetof(settings, nesterov), 0, 0, 1},
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64], c[64];
    if (in[0].dtype != LIMN_F32 || !limn_desc_equal(&in[0], &in[1]) ||
        !limn_desc_equal(&in[0], &in[2]))
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "sgd",
                         "weight %s, gradient %s and momentum %s must be floats of one shape",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b),
                         limn_desc_text(&in[2], c, sizeof c));
    const double count = (double)limn_desc_count(&in[0]);
    p->flops = 6 * count;
    p->bytes = 20 * count;
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t count = limn_desc_count(&r->in[0]->desc);
    return LIMN_LAUNCH(r->device, "sgd_step", "", limn_grid_1d((size_t)count), limn_long(count),
                       limn_float(q->lr), limn_float(q->momentum), limn_float(q->weight_decay),
                       limn_int(q->nesterov), limn_inout(r->in[0]->buffer),
                       limn_in(r->in[1]->buffer), limn_inout(r->in[2]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t count = limn_desc_count(&r->in_desc[0]);
    for (int64_t i = 0; i < count; i++) {
        const double g = r->in[1][i] + q->weight_decay * r->in[0][i];
        const double m = q->momentum * r->in[2][i] + g;
        r->in[2][i] = m;
        r->in[0][i] -= q->lr * (q->nesterov ? g + q->momentum * m : m);
    }
}

static const limn_op_example example = {
    .params = "lr=0.1 momentum=0.9 weight_decay=0.5",
    .in_count = 3,
    .in = {{LIMN_F32, 2, {3, 37}}, {LIMN_F32, 2, {3, 37}}, {LIMN_F32, 2, {3, 37}}},
    .tolerance = 5e-7, /* five roundings */
};

static const limn_op_example bench[] = {
    {.params = "lr=0.001 momentum=0.9 weight_decay=0.0001",
     .in_count = 3,
     .in = {{LIMN_F32, 4, {512, 512, 3, 3}},
            {LIMN_F32, 4, {512, 512, 3, 3}},
            {LIMN_F32, 4, {512, 512, 3, 3}}}},
    {0},
};

const limn_op limn_op_sgd = {
    .name = "sgd",
    .formula = "g' = g + wd w; m = mu m + g'; w -= lr (nesterov ? g' + mu m : m) "
               "(Sutskever et al. 2013, in the form of torch.optim.SGD)",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 3,
    .max_in = 3,
    .updates = 5,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .example = &example,
    .bench = bench,
};
