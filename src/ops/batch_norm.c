/* Batch normalisation over all dimensions but the last (the channels), with what often follows it:
 * a residual added, and a maximum with 0. */
#include "ops/op.h"
#include "ops/shape.h"

#include <math.h>
#include <stddef.h>

typedef struct batch_norm_params {
    int64_t train, relu;
    double momentum, eps;
} batch_norm_params;

static const limn_param_spec specs[] = {
    {"train", LIMN_PARAM_INT, offsetof(batch_norm_params, train), 0, 0, 1},
    {"relu", LIMN_PARAM_INT, offsetof(batch_norm_params, relu), 0, 0, 1},
    {"momentum", LIMN_PARAM_FLOAT, offsetof(batch_norm_params, momentum), 0.1, 0, 1},
    {"eps", LIMN_PARAM_FLOAT, offsetof(batch_norm_params, eps), 1e-5, 1e-30, 1},
    {0},
};

enum { MOST_BLOCKS = 8 }; /* more take long to compile */
enum { X, WEIGHT, BIAS, MEAN, VARIANCE, RESIDUAL };

/* How backward finds out where the maximum let the gradient pass: `mask` of cl/batch_norm.cl. */
typedef enum masking { MASK_NONE, MASK_FROM_Y, MASK_FROM_X } masking;

static masking masking_of(const batch_norm_params *q, int in_count)
{
    if (!q->relu)
        return MASK_NONE;
    return in_count > RESIDUAL ? MASK_FROM_Y : MASK_FROM_X;
}

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    const batch_norm_params *q = params;
    char text[64];
    limn_status status = limn_need_floats(device, "batch_norm", in, 0, 2, LIMN_MAX_RANK);
    for (int i = WEIGHT; i <= VARIANCE && status == LIMN_OK; i++)
        status = limn_need_vector(device, "batch_norm", in, i, limn_desc_channels(&in[0]));
    if (status == LIMN_OK)
        status = limn_need_small(device, "batch_norm", &in[0]);
    if (status != LIMN_OK)
        return status;
    const bool residual = in_count > RESIDUAL;
    if (residual && !limn_desc_equal(&in[RESIDUAL], &in[X]))
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "batch_norm",
                         "the residual is %s, it must be as input 0",
                         limn_desc_text(&in[RESIDUAL], text, sizeof text));
    const limn_cut c = limn_cut_rows(&in[0]);
    if (q->train && c.rows < 2)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "batch_norm",
                         "input 0 is %s: training needs more than one value per channel",
                         limn_desc_text(&in[0], text, sizeof text));
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = in[0];
    p->saved_count = 2;
    p->saved[0] = p->saved[1] = limn_desc_make(LIMN_F32, 1, c.channels, 0, 0, 0);
    const size_t part = (size_t)(2 * c.chunks * c.channels) * sizeof(float);
    p->forward_scratch = q->train ? part : 0;
    p->backward_scratch = part + (size_t)(2 * c.channels) * sizeof(float);
    if (masking_of(q, in_count) != MASK_FROM_Y)
        p->backward_out = 0;
    const double more = (double)q->relu + residual; /* flops of either, per element */
    p->flops = ((q->train ? 7 : 3) + more) * count;
    p->bytes = ((q->train ? 12 : 8) + 4 * residual) * count;
    p->backward_flops = ((q->train ? 9 : 5) + more) * count;
    p->backward_bytes = (20 + 8 * residual) * count;
    return LIMN_OK;
}

/* Vectors of channels that a chunk kernel takes at once on a CPU device, without a rest: the longer
 * a run of memory, the better the caches foresee it. */
static int blocks(const limn_device *device, const limn_cut *c)
{
    int n = 1;
    while (limn_lanes(device) == 16 && n < MOST_BLOCKS && c->channels % (32 * n) == 0)
        n *= 2;
    return n;
}

static const char *chunk_defines(const limn_device *device, const limn_cut *c)
{
    static const char *const defines[] = {
        [2] = "-DV=16 -DNB=2", [4] = "-DV=16 -DNB=4", [MOST_BLOCKS] = "-DV=16 -DNB=8"};
    const int n = blocks(device, c);
    return n > 1 ? defines[n] : limn_lane_defines(device);
}

static limn_grid chunk_grid(const limn_device *device, const limn_cut *c)
{
    const int n = blocks(device, c);
    return limn_lane_grid(device, (c->channels + n - 1) / n, c->chunks);
}

/* Whether results of this size are written around the caches: only in whole vectors. */
static bool streams(const limn_desc *x)
{
    return limn_desc_channels(x) % 16 == 0 && limn_streams(limn_desc_bytes(x));
}

static limn_status forward(const limn_op_run *r)
{
    const batch_norm_params *q = r->params;
    const limn_cut c = limn_cut_rows(&r->in[0]->desc);
    const char *defines = chunk_defines(r->device, &c);
    const limn_grid grid = chunk_grid(r->device, &c);
    const limn_grid once = limn_lane_grid(r->device, c.channels, 1);
    const limn_arg rows = limn_int(c.rows), channels = limn_int(c.channels),
                   length = limn_int(c.length), chunks = limn_int(c.chunks),
                   x = limn_in(r->in[0]->buffer);
    limn_status status = LIMN_OK;
    if (r->replay) {
        /* the moments are those of the first run */
    } else if (q->train) {
        status = LIMN_LAUNCH(r->device, "batch_norm_chunk_moments", defines, grid, rows, channels,
                             length, chunks, x, limn_out(r->scratch));
        if (status == LIMN_OK)
            status = LIMN_LAUNCH(r->device, "batch_norm_moments_finish", defines, once, rows,
                                 channels, length, chunks, limn_float(q->eps),
                                 limn_float(q->momentum), limn_in(r->scratch),
                                 limn_inout(r->in[3]->buffer), limn_inout(r->in[4]->buffer),
                                 limn_out(r->saved[0]->buffer), limn_out(r->saved[1]->buffer));
    } else {
        status =
            LIMN_LAUNCH(r->device, "batch_norm_running_finish", defines, once, channels,
                        limn_float(q->eps), limn_in(r->in[3]->buffer), limn_in(r->in[4]->buffer),
                        limn_out(r->saved[0]->buffer), limn_out(r->saved[1]->buffer));
    }
    if (status != LIMN_OK)
        return status;
    const bool residual = r->in_count > RESIDUAL;
    return LIMN_LAUNCH(
        r->device, "batch_norm_forward", defines, grid, rows, channels, length, chunks,
        limn_int(residual), limn_int(q->relu), limn_int(streams(&r->in[X]->desc)), x,
        limn_in(r->in[1]->buffer), limn_in(r->in[2]->buffer), limn_in(r->saved[0]->buffer),
        limn_in(r->saved[1]->buffer), limn_in(r->in[residual ? RESIDUAL : X]->buffer),
        limn_out(r->out[0]->buffer));
}

/* What the backward kernels have in common. */
typedef struct backward_args {
    limn_cut cut;
    const char *defines;
    limn_grid grid;
    limn_buffer *dy, *masked; /* masked: the gradient of the residual, or NULL */
    masking mask;
    bool stream;
    limn_arg y, x, weight, bias, mean, inverse;
} backward_args;

static backward_args backward_args_of(const limn_op_run *r)
{
    backward_args a = {.cut = limn_cut_rows(&r->in[X]->desc),
                       .dy = r->grad_out[0]->buffer,
                       .mask = masking_of(r->params, r->in_count),
                       .stream = streams(&r->in[X]->desc),
                       .x = limn_in(r->in[X]->buffer),
                       .weight = limn_in(r->in[WEIGHT]->buffer),
                       .bias = limn_in(r->in[BIAS]->buffer),
                       .mean = limn_in(r->saved[0]->buffer),
                       .inverse = limn_in(r->saved[1]->buffer)};
    a.defines = chunk_defines(r->device, &a.cut);
    a.grid = chunk_grid(r->device, &a.cut);
    a.y = a.mask == MASK_FROM_Y ? limn_in(r->out[0]->buffer) : a.x;
    if (r->in_count > RESIDUAL && r->grad_in[RESIDUAL])
        a.masked = r->grad_in[RESIDUAL]->buffer;
    return a;
}

/* Sums of masked dy and of it times normalised x, into scratch behind the chunks' sums, and from
 * there into the gradients of bias and weight; the masked dy too, where it is asked for. */
static limn_status backward_sums(const limn_op_run *r, const backward_args *a)
{
    const limn_cut *c = &a->cut;
    const size_t bytes = (size_t)c->channels * sizeof(float);
    const limn_arg args[] = {limn_int(c->rows),
                             limn_int(c->channels),
                             limn_int(c->length),
                             limn_int(c->chunks),
                             limn_int(a->mask),
                             a->x,
                             limn_in(a->dy),
                             a->y,
                             a->weight,
                             a->bias,
                             a->mean,
                             a->inverse,
                             limn_out(r->scratch),
                             limn_int(a->stream),
                             limn_out(a->masked)};
    const size_t count = sizeof args / sizeof *args - (a->masked ? 0 : 2);
    limn_status status =
        limn_launch(r->device, a->masked ? "batch_norm_chunk_sums_masked" : "batch_norm_chunk_sums",
                    a->defines, a->grid, args, count);
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(r->device, "batch_norm_sums_finish", a->defines,
                             limn_lane_grid(r->device, c->channels, 1), limn_int(c->channels),
                             limn_int(c->chunks), limn_inout(r->scratch));
    const size_t at = (size_t)(2 * c->chunks) * bytes;
    if (status == LIMN_OK && r->grad_in[BIAS])
        status = limn_buffer_copy(r->scratch, at, r->grad_in[BIAS]->buffer, 0, bytes);
    if (status == LIMN_OK && r->grad_in[WEIGHT])
        status = limn_buffer_copy(r->scratch, at + bytes, r->grad_in[WEIGHT]->buffer, 0, bytes);
    return status;
}

/* The gradient of the residual where no sums are needed: with that of x, or alone. */
static limn_status backward_masked(const limn_op_run *r, const backward_args *a)
{
    const limn_cut *c = &a->cut;
    const int64_t count = c->rows * c->channels;
    if (r->grad_in[X])
        return LIMN_LAUNCH(r->device, "batch_norm_backward_masked", a->defines, a->grid,
                           limn_int(c->rows), limn_int(c->channels), limn_int(c->length),
                           limn_int(c->chunks), limn_int(a->mask), limn_int(a->stream),
                           limn_in(a->dy), a->y, a->weight, a->inverse, limn_out(a->masked),
                           limn_out(r->grad_in[X]->buffer));
    if (a->mask == MASK_NONE)
        return limn_buffer_copy(a->dy, 0, a->masked, 0, (size_t)count * sizeof(float));
    return LIMN_LAUNCH(r->device, "batch_norm_mask", "", limn_grid_1d((size_t)count),
                       limn_long(count), limn_in(a->dy), a->y, limn_out(a->masked));
}

static limn_status backward(const limn_op_run *r)
{
    const batch_norm_params *q = r->params;
    backward_args a = backward_args_of(r);
    const limn_cut *c = &a.cut;
    const bool sums = q->train || r->grad_in[WEIGHT] || r->grad_in[BIAS];
    if (!sums && a.masked)
        return backward_masked(r, &a);
    const limn_status status = sums ? backward_sums(r, &a) : LIMN_OK;
    if (status != LIMN_OK || !r->grad_in[X])
        return status;
    if (a.masked) { /* from here on it stands for dy */
        a.dy = a.masked;
        a.mask = MASK_NONE;
    }
    return LIMN_LAUNCH(r->device, "batch_norm_backward", a.defines, a.grid, limn_int(c->rows),
                       limn_int(c->channels), limn_int(c->length), limn_int(c->chunks),
                       limn_int(q->train), limn_int(a.mask), limn_int(a.stream), a.x, limn_in(a.dy),
                       a.y, a.weight, a.bias, a.mean, a.inverse, limn_in(r->scratch),
                       limn_out(r->grad_in[X]->buffer));
}

static void forward_reference(const limn_op_reference *r)
{
    const batch_norm_params *q = r->params;
    const int64_t channels = limn_desc_channels(&r->in_desc[0]);
    const int64_t rows = limn_desc_rows(&r->in_desc[0]);
    for (int64_t c = 0; c < channels; c++) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < rows; i++)
            mean += r->in[0][i * channels + c] / (double)rows;
        for (int64_t i = 0; i < rows; i++)
            variance += pow(r->in[0][i * channels + c] - mean, 2) / (double)rows;
        if (q->train) {
            const double unbiased = variance * (double)rows / (double)(rows - 1);
            r->in[3][c] += q->momentum * (mean - r->in[3][c]);
            r->in[4][c] += q->momentum * (unbiased - r->in[4][c]);
        } else {
            mean = r->in[3][c];
            variance = r->in[4][c];
        }
        r->saved[0][c] = mean;
        r->saved[1][c] = 1 / sqrt(variance + q->eps);
        for (int64_t i = c; i < rows * channels; i += channels) {
            double v = (r->in[0][i] - mean) * r->saved[1][c] * r->in[1][c] + r->in[2][c];
            if (r->in_count > RESIDUAL)
                v += r->in[RESIDUAL][i];
            r->out[0][i] = q->relu && v < 0 ? 0 : v;
        }
    }
}

/* dy, or 0 where a maximum cut it off. */
static double masked_gradient(const limn_op_reference *r, int64_t i)
{
    const batch_norm_params *q = r->params;
    return q->relu && !(r->out[0][i] > 0) ? 0 : r->grad_out[0][i];
}

static void backward_reference(const limn_op_reference *r)
{
    const batch_norm_params *q = r->params;
    const int64_t channels = limn_desc_channels(&r->in_desc[0]);
    const int64_t count = limn_desc_count(&r->in_desc[0]);
    const double rows = (double)(count / channels);
    for (int64_t c = 0; c < channels; c++) {
        const double mean = r->saved[0][c], inverse = r->saved[1][c];
        double s = 0, t = 0;
        for (int64_t i = c; i < count; i += channels) {
            const double d = masked_gradient(r, i);
            s += d;
            t += d * (r->in[0][i] - mean) * inverse;
            if (r->in_count > RESIDUAL && r->grad_in[RESIDUAL])
                r->grad_in[RESIDUAL][i] = d;
        }
        for (int64_t i = c; r->grad_in[0] && i < count; i += channels) {
            const double centred =
                q->train ? s / rows + (r->in[0][i] - mean) * inverse * t / rows : 0;
            r->grad_in[0][i] = r->in[1][c] * inverse * (masked_gradient(r, i) - centred);
        }
        if (r->grad_in[1])
            r->grad_in[1][c] = t;
        if (r->grad_in[2])
            r->grad_in[2][c] = s;
    }
}

/* Running variances are positive. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    for (int64_t i = 0; which == 4 && i < limn_desc_count(&in[4]); i++)
        values[i] = 0.5 + draw(state);
}

static const limn_op_example example = {
    .params = "train=1 relu=1",
    .in_count = 6,
    .in = {{LIMN_F32, 4, {2, 3, 3, 5}},
           {LIMN_F32, 1, {5}},
           {LIMN_F32, 1, {5}},
           {LIMN_F32, 1, {5}},
           {LIMN_F32, 1, {5}},
           {LIMN_F32, 4, {2, 3, 3, 5}}},
    .tolerance = 4e-6, /* sums of 18 terms, each rounded, divided by deviations near 0.5 */
};

static const limn_op_example bench[] = {
    {.params = "train=1",
     .in_count = 5,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}}}},
    {.params = "train=1",
     .in_count = 5,
     .in = {{LIMN_F32, 4, {64, 4, 4, 512}},
            {LIMN_F32, 1, {512}},
            {LIMN_F32, 1, {512}},
            {LIMN_F32, 1, {512}},
            {LIMN_F32, 1, {512}}}},
    {.params = "",
     .in_count = 5,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}}}},
    {.params = "train=1 relu=1",
     .in_count = 5,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}}}},
    {.params = "train=1 relu=1",
     .in_count = 6,
     .in = {{LIMN_F32, 4, {64, 32, 32, 64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 1, {64}},
            {LIMN_F32, 4, {64, 32, 32, 64}}}},
    {0},
};

const limn_op limn_op_batch_norm = {
    .name = "batch_norm",
    .formula = "y = [max with 0 of] (x - mean) / sqrt(variance + eps) * weight + bias [+ residual]",
    .params_size = sizeof(batch_norm_params),
    .params = specs,
    .min_in = 5,
    .max_in = 6,
    .backward_in = 7,
    .backward_out = 1,
    .differentiable = 39,
    .updates = 24,
    .replays = true,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .fill = fill,
    .example = &example,
    .bench = bench,
};
