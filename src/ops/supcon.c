/* Supervised contrastive loss (Khosla et al. 2020, L_out): three forms, rows in slices. */
#include "ops/op.h"
#include "ops/shape.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

typedef struct settings {
    double temperature, scale;
    int64_t impl, rows;
} settings;

static const limn_param_spec specs[] = {
    {"temperature", LIMN_PARAM_FLOAT, offsetof(settings, temperature), 0.1, 1e-3, 1e3},
    {"scale", LIMN_PARAM_FLOAT, offsetof(settings, scale), 1, -1e6, 1e6},
    {"impl", LIMN_PARAM_INT, offsetof(settings, impl), 0, 0, 3},
    {"rows", LIMN_PARAM_INT, offsetof(settings, rows), 0, 0, 128}, /* of a work-item, CPU form */
    {0},
};

enum { AUTO, CPU, GPU, PLAIN };
enum {
    FEW_ROWS = 32,     /* of one work-item of the CPU form: a multiple of 8 */
    MANY_ROWS = 128,   /* the same where all compute units have several: less traffic */
    PANEL = 32,        /* rows and elements of a panel of its copies of z */
    MOST_CPU_D = 1024, /* its private memory grows with D */
    GPU_TILE = 16,
    MOST_GPU_D = 512,
    MOST_ROWS = 1 << 24
};

/* Why a form cannot serve this case, or NULL. */
static const char *declines(limn_device *device, int64_t impl, int64_t d)
{
    if (impl == CPU && d > MOST_CPU_D)
        return "the CPU form takes embeddings of at most 1024 elements";
    if (impl == GPU && d > MOST_GPU_D)
        return "the GPU form takes embeddings of at most 512 elements";
    if (impl == GPU && limn_device_get_limits(device)->max_work_group < GPU_TILE * GPU_TILE)
        return "the GPU form needs groups of 256 work-items";
    return NULL;
}

static int64_t choose(limn_device *device, const settings *q, int64_t d)
{
    const int64_t best = limn_device_get_limits(device)->is_cpu ? CPU : GPU;
    return q->impl != AUTO ? q->impl : declines(device, best, d) ? PLAIN : best;
}

/* Floats of one of the CPU form's copies of z. */
static int64_t copy_size(const limn_desc *z)
{
    return limn_round_up(z->dim[0], PANEL) * limn_round_up(z->dim[1], PANEL);
}

/* Saved: lse[M], number of positives[M], number of anchors[1].  Scratch of forward:
 * the loss of each row, then a copy of z for the CPU form; of backward: two copies. */
static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)in_count;
    const settings *q = params;
    limn_context *ctx = limn_device_context(device);
    char a[64], b[64];
    const int64_t m = in[0].dim[0], d = in[0].dim[1];
    if (in[0].dtype != LIMN_F32 || in[0].rank != 2 || in[1].dtype != LIMN_I32 || in[1].rank != 1 ||
        in[1].dim[0] != m || m < 1 || d < 1 || m > MOST_ROWS || d > MOST_ROWS)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad inputs", "supcon",
                         "%s and %s must be embeddings f32[M,D] and labels i32[M]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    const char *reason = declines(device, q->impl, d);
    if (reason)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad parameter", "supcon impl", "%s", reason);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 1, 1, 0, 0, 0);
    p->saved_count = 3;
    p->saved[0] = p->saved[1] = limn_desc_make(LIMN_F32, 1, m, 0, 0, 0);
    p->saved[2] = limn_desc_make(LIMN_F32, 1, 1, 0, 0, 0);
    const int64_t copy = choose(device, q, d) == CPU ? copy_size(&in[0]) : 0;
    p->backward_scratch = (size_t)(2 * copy) * sizeof(float);
    p->forward_scratch = (size_t)(limn_round_up(m, 16) + copy) * sizeof(float);
    p->flops = 2.0 * (double)m * (double)m * (double)d;
    p->bytes = (double)limn_desc_bytes(&in[0]);
    p->backward_flops = 2 * p->flops;
    p->backward_bytes = 2 * p->bytes;
    return LIMN_OK;
}

/* Copies of z: panels of columns from `offset` on, panels of rows from `rows` on, -1 for none. */
static limn_status pack(const limn_op_run *r, const char *defines, int64_t offset, int64_t rows)
{
    const int64_t m = r->in[0]->desc.dim[0], d = r->in[0]->desc.dim[1];
    limn_grid grid = limn_grid_1d((size_t)limn_round_up(m, PANEL));
    grid.global[1] = (size_t)((d + PANEL - 1) / PANEL);
    return LIMN_LAUNCH(r->device, "supcon_pack", defines, grid, limn_int(m), limn_long(offset),
                       limn_long(rows), limn_in(r->in[0]->buffer), limn_inout(r->scratch));
}

/* Rows of one work-item (CPU form) or group. */
static int64_t rows_of(limn_device *device, const settings *q, int64_t impl, int64_t m)
{
    const int64_t units = limn_device_get_limits(device)->compute_units;
    if (impl == CPU && q->rows)
        return limn_round_up(q->rows, 8);
    if (impl == CPU)
        return m >= 4 * MANY_ROWS * units ? MANY_ROWS : FEW_ROWS;
    return impl == GPU ? GPU_TILE : 1;
}

/* Rows of one launch, so that it takes well under a second; on a CPU device a few seconds. */
static int64_t slice_rows(limn_device *device, const settings *q, int64_t impl, int64_t m,
                          int64_t d)
{
    const int64_t units = limn_device_get_limits(device)->compute_units;
    const int64_t step = impl == CPU ? rows_of(device, q, impl, m) * units : 64;
    const double rows = (impl == CPU ? 5e11 : 2e10) / (6.0 * (double)m * (double)d);
    return rows < (double)step ? step
           : rows > (double)m  ? limn_round_up(m, step)
                               : (int64_t)rows / step * step;
}

/* What the kernels are built with. */
static void define(limn_device *device, const settings *q, int64_t impl, const limn_desc *z,
                   char text[64])
{
    if (impl == CPU)
        snprintf(text, 64, "-DSUPCON_D=%lld -DSUPCON_ROWS=%d", (long long)z->dim[1],
                 (int)rows_of(device, q, impl, z->dim[0]));
    else
        snprintf(text, 64, "-DSUPCON_D=%lld", (long long)z->dim[1]);
}

/* The grid for `rows` rows of a form. */
static limn_grid grid_of(limn_device *device, const settings *q, int64_t impl, int64_t m,
                         int64_t rows)
{
    const size_t n = (size_t)rows, of_one = (size_t)rows_of(device, q, impl, m);
    if (impl == CPU)
        return (limn_grid){{(n + of_one - 1) / of_one, 1, 1}, {1, 1, 1}};
    if (impl == GPU)
        return (limn_grid){{GPU_TILE, (size_t)limn_round_up(rows, GPU_TILE), 1},
                           {GPU_TILE, GPU_TILE, 1}};
    return limn_grid_1d(n);
}

static limn_status forward_rows(const limn_op_run *r, int64_t impl, const char *defines)
{
    static const char *const kernels[] = {[CPU] = "supcon_forward_cpu",
                                          [GPU] = "supcon_forward_gpu",
                                          [PLAIN] = "supcon_forward_plain"};
    const settings *q = r->params;
    const int64_t m = r->in[0]->desc.dim[0],
                  step = slice_rows(r->device, q, impl, m, r->in[0]->desc.dim[1]);
    limn_status status = impl == CPU ? pack(r, defines, limn_round_up(m, 16), -1) : LIMN_OK;
    for (int64_t first = 0; first < m && status == LIMN_OK; first += step)
        status = LIMN_LAUNCH(r->device, kernels[impl], defines,
                             grid_of(r->device, q, impl, m, m - first < step ? m - first : step),
                             limn_int(m), limn_int(first), limn_float(1 / q->temperature),
                             limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                             limn_out(r->saved[0]->buffer), limn_out(r->saved[1]->buffer),
                             impl == CPU ? limn_inout(r->scratch) : limn_out(r->scratch));
    return status;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t m = r->in[0]->desc.dim[0], d = r->in[0]->desc.dim[1];
    char defines[64];
    define(r->device, q, choose(r->device, q, d), &r->in[0]->desc, defines);
    const limn_status status = forward_rows(r, choose(r->device, q, d), defines);
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(r->device, "supcon_mean", defines, limn_grid_1d(1), limn_int(m),
                       limn_float(q->scale), limn_in(r->scratch), limn_in(r->saved[1]->buffer),
                       limn_out(r->saved[2]->buffer), limn_out(r->out[0]->buffer));
}

static limn_status backward(const limn_op_run *r)
{
    static const char *const kernels[] = {[CPU] = "supcon_backward_cpu",
                                          [GPU] = "supcon_backward_gpu",
                                          [PLAIN] = "supcon_backward_plain"};
    const settings *q = r->params;
    const int64_t m = r->in[0]->desc.dim[0], d = r->in[0]->desc.dim[1];
    const int64_t impl = choose(r->device, q, d), step = slice_rows(r->device, q, impl, m, d);
    if (!r->grad_in[0])
        return LIMN_OK;
    char defines[64];
    define(r->device, q, impl, &r->in[0]->desc, defines);
    limn_status status = impl == CPU ? pack(r, defines, 0, copy_size(&r->in[0]->desc)) : LIMN_OK;
    for (int64_t first = 0; first < m && status == LIMN_OK; first += step) {
        limn_arg args[12] = {limn_int(m), limn_int(first), limn_float(1 / q->temperature),
                             limn_float(q->scale), limn_in(r->in[0]->buffer)};
        size_t count = 5;
        if (impl == CPU)
            args[count++] = limn_in(r->scratch);
        args[count++] = limn_in(r->in[1]->buffer);
        args[count++] = limn_in(r->saved[0]->buffer);
        args[count++] = limn_in(r->saved[1]->buffer);
        args[count++] = limn_in(r->saved[2]->buffer);
        args[count++] = limn_in(r->grad_out[0]->buffer);
        args[count++] = limn_out(r->grad_in[0]->buffer);
        status = limn_launch(r->device, kernels[impl], defines,
                             grid_of(r->device, q, impl, m, m - first < step ? m - first : step),
                             args, count);
    }
    return status;
}

/* ---- reference ------------------------------------------------------------------------------ */

static double similarity(const limn_op_reference *r, int64_t i, int64_t j)
{
    const settings *q = r->params;
    const int64_t d = r->in_desc[0].dim[1];
    double sum = 0;
    for (int64_t k = 0; k < d; k++)
        sum += r->in[0][i * d + k] * r->in[0][j * d + k];
    return sum / q->temperature;
}

static bool positive(const limn_op_reference *r, int64_t i, int64_t j)
{
    return i != j && r->in[1][i] >= 0 && r->in[1][i] == r->in[1][j];
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t m = r->in_desc[0].dim[0];
    double total = 0, anchors = 0;
    for (int64_t i = 0; i < m; i++) {
        double largest = -INFINITY, exps = 0, matched = 0, count = 0;
        for (int64_t j = 0; j < m; j++)
            largest = j == i ? largest : fmax(largest, similarity(r, i, j));
        for (int64_t j = 0; j < m; j++) {
            exps += j == i ? 0 : exp(similarity(r, i, j) - largest);
            matched += positive(r, i, j) ? similarity(r, i, j) : 0;
            count += positive(r, i, j);
        }
        r->saved[0][i] = largest + log(exps);
        r->saved[1][i] = count;
        total += count > 0 ? r->saved[0][i] - matched / count : 0;
        anchors += count > 0;
    }
    r->saved[2][0] = anchors;
    r->out[0][0] = anchors > 0 ? q->scale * total / anchors : 0;
}

static double pull(const limn_op_reference *r, int64_t i, int64_t j)
{
    const double positives = r->saved[1][i];
    if (positives == 0)
        return 0;
    return exp(similarity(r, i, j) - r->saved[0][i]) - (positive(r, i, j) ? 1 / positives : 0);
}

static void backward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t m = r->in_desc[0].dim[0], d = r->in_desc[0].dim[1];
    const double c = q->scale * r->grad_out[0][0] / r->saved[2][0] / q->temperature;
    for (int64_t i = 0; r->grad_in[0] && r->saved[2][0] > 0 && i < m; i++)
        for (int64_t j = 0; j < m; j++) {
            const double g = i == j ? 0 : c * (pull(r, i, j) + pull(r, j, i));
            for (int64_t k = 0; k < d; k++)
                r->grad_in[0][i * d + k] += g * r->in[0][j * d + k];
        }
}

/* Rows of length one; labels -1..m/4, the first two equal. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    const int64_t m = in[0].dim[0], d = in[0].dim[1];
    for (int64_t i = 0; i < m && which == 1; i++)
        values[i] = i < 2 ? 0 : floor(draw(state) * (2 + (double)m / 4)) - 1;
    for (int64_t i = 0; i < m && which == 0; i++) {
        double squares = 0;
        for (int64_t k = 0; k < d; k++)
            squares += values[i * d + k] * values[i * d + k];
        for (int64_t k = 0; k < d; k++)
            values[i * d + k] /= sqrt(squares);
    }
}

static const limn_op_example example = {
    .params = "temperature=0.5",
    .in_count = 2,
    .in = {{LIMN_F32, 2, {19, 16}}, {LIMN_I32, 1, {19}}},
    .tolerance = 1e-5, /* a dot product over T, then exp and log to 3 ulp */
};

static const limn_op_example bench[] = {
    {.params = "", .in_count = 2, .in = {{LIMN_F32, 2, {512, 128}}, {LIMN_I32, 1, {512}}}},
    {.params = "", .in_count = 2, .in = {{LIMN_F32, 2, {4096, 128}}, {LIMN_I32, 1, {4096}}}},
    {0},
};

const limn_op limn_op_supcon = {
    .name = "supcon",
    .formula = "loss = scale * mean over anchors with positives of "
               "log sum_{j != i} exp(z_i.z_j/T) - mean_p z_i.z_p/T (Khosla et al. 2020, L_out)",
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
