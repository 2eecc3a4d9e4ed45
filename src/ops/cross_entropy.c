/* Mean cross-entropy over labelled rows, with label smoothing as PyTorch defines it. */
#include "ops/op.h"

#include <math.h>
#include <stddef.h>

typedef struct settings {
    double smoothing;
} settings;

static const limn_param_spec specs[] = {
    {"label_smoothing", LIMN_PARAM_FLOAT, offsetof(settings, smoothing), 0, 0, 1},
    {0},
};

/* Saved: lse[N], count[1].  Scratch: loss of each row. */
static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    if (in[0].dtype != LIMN_F32 || in[0].rank != 2 || in[1].dtype != LIMN_I32 || in[1].rank != 1 ||
        in[1].dim[0] != in[0].dim[0] || in[0].dim[1] < 1 || in[0].dim[0] > INT32_MAX ||
        in[0].dim[1] > INT32_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "cross_entropy",
                         "%s and %s must be logits f32[N,K] and labels i32[N]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 1, 1, 0, 0, 0);
    p->saved_count = 2;
    p->saved[0] = limn_desc_make(LIMN_F32, 1, in[0].dim[0], 0, 0, 0);
    p->saved[1] = limn_desc_make(LIMN_F32, 1, 1, 0, 0, 0);
    p->forward_scratch = limn_desc_bytes(&p->saved[0]);
    p->flops = 5 * count;
    p->bytes = 4 * count;
    p->backward_flops = 4 * count;
    p->backward_bytes = 8 * count;
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t n = r->in[0]->desc.dim[0], k = r->in[0]->desc.dim[1];
    const limn_status status =
        LIMN_LAUNCH(r->device, "cross_entropy_rows", "", limn_grid_1d((size_t)n), limn_int(n),
                    limn_int(k), limn_float(q->smoothing), limn_in(r->in[0]->buffer),
                    limn_in(r->in[1]->buffer), limn_out(r->scratch), limn_out(r->saved[0]->buffer));
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(r->device, "cross_entropy_mean", "", limn_grid_1d(1), limn_int(n),
                       limn_int(k), limn_in(r->scratch), limn_in(r->in[1]->buffer),
                       limn_out(r->saved[1]->buffer), limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t count = limn_desc_count(&r->in[0]->desc);
    if (!r->grad_in[0])
        return LIMN_OK;
    return LIMN_LAUNCH(r->device, "cross_entropy_backward", "", limn_grid_1d((size_t)count),
                       limn_long(count), limn_int(r->in[0]->desc.dim[1]), limn_float(q->smoothing),
                       limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                       limn_in(r->saved[0]->buffer), limn_in(r->saved[1]->buffer),
                       limn_in(r->grad_out[0]->buffer), limn_out(r->grad_in[0]->buffer));
}

static double row_lse(const double *row, int64_t k)
{
    double largest = row[0], sum = 0;
    for (int64_t c = 1; c < k; c++)
        largest = fmax(largest, row[c]);
    for (int64_t c = 0; c < k; c++)
        sum += exp(row[c] - largest);
    return largest + log(sum);
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t n = r->in_desc[0].dim[0], k = r->in_desc[0].dim[1];
    double sum = 0, count = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *row = r->in[0] + i * k, label = r->in[1][i];
        r->saved[0][i] = row_lse(row, k);
        if (label < 0 || label >= (double)k)
            continue;
        count++;
        for (int64_t c = 0; c < k; c++) {
            const double target =
                ((double)c == label ? 1 - q->smoothing : 0) + q->smoothing / (double)k;
            sum += target * (r->saved[0][i] - row[c]);
        }
    }
    r->saved[1][0] = count;
    r->out[0][0] = count > 0 ? sum / count : 0;
}

static void backward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t n = r->in_desc[0].dim[0], k = r->in_desc[0].dim[1];
    for (int64_t i = 0; r->grad_in[0] && i < n; i++) {
        const double label = r->in[1][i];
        if (label < 0 || label >= (double)k)
            continue;
        for (int64_t c = 0; c < k; c++) {
            const double target =
                ((double)c == label ? 1 - q->smoothing : 0) + q->smoothing / (double)k;
            r->grad_in[0][i * k + c] = r->grad_out[0][0] / r->saved[1][0] *
                                       (exp(r->in[0][i * k + c] - r->saved[0][i]) - target);
        }
    }
}

/* Logits of -2..2; labels -1..K-1, the first one a class. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    const int64_t count = limn_desc_count(&in[which]);
    for (int64_t i = 0; i < count; i++)
        values[i] = which == 0 ? 2 * values[i]
                               : floor(draw(state) * (double)(in[0].dim[1] + (i > 0))) - (i > 0);
}

static const limn_op_example example = {
    .params = "label_smoothing=0.1",
    .in_count = 2,
    .in = {{LIMN_F32, 2, {5, 11}}, {LIMN_I32, 1, {5}}},
    .tolerance = 3e-6, /* exp and log: 3 ulp, a sum of K */
};

static const limn_op_example bench[] = {
    {.params = "", .in_count = 2, .in = {{LIMN_F32, 2, {512, 10}}, {LIMN_I32, 1, {512}}}},
    {.params = "", .in_count = 2, .in = {{LIMN_F32, 2, {64, 1000}}, {LIMN_I32, 1, {64}}}},
    {0},
};

const limn_op limn_op_cross_entropy = {
    .name = "cross_entropy",
    .formula = "loss = mean over rows with label >= 0 of "
               "lse - (1-e) x[label] - e/K sum x (Szegedy et al. 2016, as torch CrossEntropyLoss)",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 2,
    .max_in = 2,
    .backward_in = 3,
    .differentiable = 1,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .fill = fill,
    .example = &example,
    .bench = bench,
};
