/* One step of stochastic gradient descent in place, on one parameter or on many. */
#include "ops/op.h"
#include "ops/sgd.h"

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

/* ---- many at once ---------------------------------------------------------------------------- */

enum { SPAN = 4096, FIRST_ARGS = 5, TENSOR_ARGS = 4 }; /* as in cl/sgd.cl */

static limn_status check_item(limn_device *device, const limn_sgd_item *item)
{
    const limn_desc in[3] = {item->weight->desc, item->gradient->desc, item->momentum->desc};
    limn_op_plan unused;
    if (limn_desc_count(&in[0]) > INT32_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "sgd",
                         "a parameter of more than 2^31 - 1 elements");
    return plan(device, NULL, in, 3, &unused);
}

static limn_status launch_many(limn_device *device, const limn_sgd_item *items, int count,
                               const limn_sgd_rates *rates)
{
    limn_arg args[FIRST_ARGS + TENSOR_ARGS * LIMN_SGD_TENSORS];
    uint32_t decayed = 0;
    size_t spans = 0;
    for (int i = 0; i < LIMN_SGD_TENSORS; i++) {
        limn_arg *own = &args[FIRST_ARGS + TENSOR_ARGS * i];
        own[0] = limn_int(0);
        own[1] = own[2] = own[3] = limn_none();
        if (i >= count)
            continue;
        const int64_t n = limn_desc_count(&items[i].weight->desc);
        own[0] = limn_int(n);
        own[1] = limn_inout(items[i].weight->buffer);
        own[2] = limn_in(items[i].gradient->buffer);
        own[3] = limn_inout(items[i].momentum->buffer);
        decayed |= (uint32_t)items[i].decayed << i;
        spans += (size_t)((n + SPAN - 1) / SPAN);
    }
    args[0] = limn_float(rates->lr);
    args[1] = limn_float(rates->momentum);
    args[2] = limn_float(rates->weight_decay);
    args[3] = limn_uint(decayed);
    args[4] = limn_int(rates->nesterov);
    const size_t group = limn_device_get_limits(device)->is_cpu ? 1 : 64;
    return limn_launch(device, "sgd_many", "", (limn_grid){{spans * group, 1, 1}, {group, 1, 1}},
                       args, sizeof args / sizeof *args);
}

limn_status limn_sgd_many(limn_device *device, const limn_sgd_item *items, int count,
                          const limn_sgd_rates *rates)
{
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++)
        status = check_item(device, &items[i]);
    for (int i = 0; i < count && status == LIMN_OK; i += LIMN_SGD_TENSORS)
        status = launch_many(device, items + i,
                             count - i < LIMN_SGD_TENSORS ? count - i : LIMN_SGD_TENSORS, rates);
    return status;
}

/* ---- reference ------------------------------------------------------------------------------ */

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
