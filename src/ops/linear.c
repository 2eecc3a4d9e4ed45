/* y = x w^T + bias, and its gradients: three matrix products, each in one of several forms. */
#include "device/gemm.h"
#include "ops/amax.h"
#include "ops/matrix_units.h"
#include "ops/op.h"
#include "ops/shape.h"

#include <stddef.h>
#include <stdio.h>

enum { DM = 4, DP = 5, MR = 12, KB = 32 };           /* tiles of cl/linear.cl, CPU devices */
enum { TILE = 64, GROUP = 256, LOCAL_BYTES = 8704 }; /* of linear_group, single precision */
enum { HALF_GROUP = 64, HALF_CHANNELS = 32 };        /* in half; what it is worth a try from */
enum { HALF_BIT = 16 };                              /* of limits->half_forms */

/* Best first.  The parameter impl names one by its place, from 1; 0: the first that serves. */
typedef enum form {
    CPU,
    MATRIX, /* HALF by matrix units */
    CLBLAST,
    CLBLAST_LAST = CLBLAST + 3,
    HALF,
    GPU,
    PLAIN,
    FORM_COUNT
} form;

typedef struct linear_params {
    int64_t impl;
} linear_params;

static const limn_param_spec specs[] = {
    {"impl", LIMN_PARAM_INT, offsetof(linear_params, impl), 0, 0, FORM_COUNT},
    {0},
};

/* z[m, p] = bias[p] + sum over r of a[m * am + r * ar] * b[r * br + p * bp] */
typedef struct product {
    int64_t m, p, r;
    const limn_buffer *a, *b, *bias;
    int64_t am, ar, br, bp;
    limn_buffer *z;
} product;

/* ---- which form ----------------------------------------------------------------------------- */

/* CLBlast's kinds follow each other. */
static bool is_clblast(form f)
{
    return f >= CLBLAST && f <= CLBLAST_LAST;
}

/* Those of linear_group. */
static bool is_group(form f)
{
    return f == GPU || f == HALF || f == MATRIX;
}

static int group_of(form f)
{
    return f == GPU ? GROUP : HALF_GROUP;
}

static void why_no_group(const limn_device_limits *limits, form f, bool forced, char *why,
                         size_t size)
{
    const size_t group = (size_t)group_of(f);
    if (limits->max_work_group < group || limits->max_work_item[0] < group)
        snprintf(why, size, "it needs groups of %zu work-items, the device allows %zu", group,
                 limits->max_work_group);
    else if (limits->local_memory < LOCAL_BYTES)
        snprintf(why, size, "it needs %d bytes of local memory, the device has %llu", LOCAL_BYTES,
                 (unsigned long long)limits->local_memory);
    else if (limits->local_is_global && !forced)
        snprintf(why, size, "local memory is ordinary memory here");
}

/* Writes why a form does not suit a device; empty: it does. */
static void why_not(const limn_device_limits *limits, form f, bool forced, char *why, size_t size)
{
    why[0] = '\0';
    if (f == CPU && !limits->is_cpu && !forced)
        snprintf(why, size, "register tiles in groups of one are for CPU devices");
    if (is_clblast(f)) {
        const char *refusal = limn_gemm_refusal(limits, (limn_gemm_kind)(f - CLBLAST));
        if (!refusal && limits->is_cpu && !forced)
            refusal = "CLBlast's kernels are slow on CPU devices";
        snprintf(why, size, "%s", refusal ? refusal : "");
    }
    if (is_group(f))
        why_no_group(limits, f, forced, why, size);
}

static const char *const directions[] = {"forward", "data", "filter", NULL};

static const char *form_name(int which)
{
    static const char *const names[FORM_COUNT] = {
        [CPU] = "cpu",
        [MATRIX] = "gpu-matrix",
        [CLBLAST] = "clblast",
        [CLBLAST + 1] = "clblast-64",
        [CLBLAST + 2] = "clblast-128",
        [CLBLAST_LAST] = "clblast-wide",
        [HALF] = "gpu-half",
        [GPU] = "gpu",
        [PLAIN] = "plain",
    };
    return names[which];
}

static bool is_half(int which)
{
    return which == HALF || which == MATRIX;
}

/* Why a form in half precision does not serve, or is not worth a try; NULL: it does. */
static const char *half_refusal(const limn_choice_case *c, int which, bool forced)
{
    const limn_device_limits *limits = limn_device_get_limits(c->device);
    if (!(limits->half_forms >> (HALF_BIT + which) & 1))
        return "half precision is not asked for, this is a CPU device, or the form failed its "
               "check";
    if (forced)
        return NULL;
    if (limits->is_cpu)
        return "on CPU devices single precision is the faster one";
    if (which == MATRIX && limits->matrix_units == LIMN_MATRIX_NONE)
        return "the device has no matrix units that are known here";
    return c->in[1].dim[0] < HALF_CHANNELS || c->in[1].dim[1] < HALF_CHANNELS
               ? "it does not pay with so few channels"
               : NULL;
}

static void shape_class(const limn_choice_case *c, char *text, size_t size)
{
    snprintf(text, size, "c%lld k%lld%s", (long long)c->in[1].dim[1], (long long)c->in[1].dim[0],
             limn_device_may_round(c->device) ? " half" : "");
}

static void refusal(const limn_choice_case *c, int direction, int which, bool forced, char *why,
                    size_t size)
{
    const limn_device_limits *limits = limn_device_get_limits(c->device);
    const char *half = is_half(which) ? half_refusal(c, which, forced) : NULL;
    why_not(limits, (form)which, forced, why, size);
    if (half)
        snprintf(why, size, "%s", half);
    if (forced || which != PLAIN)
        return;
    for (int i = 0; i < which; i++) {
        char others[128];
        refusal(c, direction, i, false, others, sizeof others);
        if (!others[0])
            snprintf(why, size, "it is for devices that nothing else serves");
    }
}

static double bound(const limn_choice_case *c, int direction, int which)
{
    const int64_t terms[] = {c->in[1].dim[1], c->in[1].dim[0], c->in[0].dim[0]};
    return limn_op_sum_bound((double)terms[direction]) + (is_half(which) ? LIMN_HALF_BOUND : 0);
}

static const limn_op_choices choices = {
    .directions = directions,
    .count = FORM_COUNT,
    .name = form_name,
    .shape = shape_class,
    .refusal = refusal,
    .bound = bound,
    .half = is_half,
    .half_bit = HALF_BIT,
};

/* Of all three directions. */
static limn_status choose(const limn_choice_case *c, int choice[LIMN_OP_MAX_CHOICES])
{
    const int asked = (int)((const linear_params *)c->params)->impl;
    char why[128] = "";
    if (asked)
        refusal(c, 0, asked - 1, true, why, sizeof why);
    if (why[0])
        return limn_fail(limn_device_context(c->device), LIMN_BAD_USAGE, "bad parameter", "linear",
                         "impl=%d does not run here: %s", asked, why);
    for (int d = 0; directions[d]; d++)
        choice[d] = asked ? asked - 1 : limn_op_choose("linear", &choices, c, d);
    return LIMN_OK;
}

/* ---- plan ----------------------------------------------------------------------------------- */

static limn_status check_inputs(limn_device *device, const limn_desc *in, int in_count)
{
    limn_status status;
    if ((status = limn_need_floats(device, "linear", in, 0, 2, 2)) != LIMN_OK ||
        (status = limn_need_floats(device, "linear", in, 1, 2, 2)) != LIMN_OK)
        return status;
    char x[64], w[64];
    if (in[0].dim[1] != in[1].dim[1])
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "linear",
                         "x is %s, weight is %s: their last dimensions differ",
                         limn_desc_text(&in[0], x, sizeof x), limn_desc_text(&in[1], w, sizeof w));
    for (int i = 0; i < 2; i++)
        for (int d = 0; d < 2; d++)
            if (in[i].dim[d] > INT32_MAX - TILE)
                return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs",
                                 "linear", "input %d is %s: too large", i,
                                 limn_desc_text(&in[i], x, sizeof x));
    return in_count > 2 ? limn_need_vector(device, "linear", in, 2, in[1].dim[0]) : LIMN_OK;
}

/* Both matrices of either gradient, packed. */
static size_t packed_bytes(int64_t n, int64_t c, int64_t k)
{
    const int64_t dx = limn_round_up(n, MR) * k + limn_round_up(c, KB) * k;
    const int64_t dw = limn_round_up(k, MR) * n + limn_round_up(c, KB) * n;
    return (size_t)(dx > dw ? dx : dw) * sizeof(float);
}

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    const limn_choice_case choice_case = {device, params, in, in_count};
    limn_status status = check_inputs(device, in, in_count);
    if (status == LIMN_OK)
        status = choose(&choice_case, p->choice);
    if (status != LIMN_OK)
        return status;
    const int64_t n = in[0].dim[0], c = in[0].dim[1], k = in[1].dim[0];
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 2, n, k, 0, 0);
    for (int d = 1; d <= 2; d++) {
        if (p->choice[d] == CPU)
            p->backward_scratch = packed_bytes(n, c, k);
        else if (is_half(p->choice[d]) && p->backward_scratch < sizeof(float))
            p->backward_scratch = sizeof(float); /* the amax of dy */
    }
    p->flops = 2.0 * (double)n * (double)c * (double)k;
    p->bytes = 4.0 * ((double)n * (double)c + (double)k * (double)c + (double)n * (double)k);
    p->backward_flops = 2 * p->flops;
    p->backward_bytes = 2 * p->bytes;
    return LIMN_OK;
}

/* ---- launches ------------------------------------------------------------------------------- */

static limn_grid tiles(int64_t n0, int64_t tile0, int64_t n1, int64_t tile1)
{
    return (limn_grid){{(size_t)((n0 + tile0 - 1) / tile0), (size_t)((n1 + tile1 - 1) / tile1), 1},
                       {1, 1, 1}};
}

static limn_status multiply_cpu(limn_device *device, const product *g, limn_buffer *scratch)
{
    const limn_buffer *bias = g->bias ? g->bias : g->a;
    if (g->ar == 1 && g->br == 1)
        return LIMN_LAUNCH(device, "linear_dots", "", tiles(g->m, DM, g->p, DP), limn_int(g->m),
                           limn_int(g->p), limn_int(g->r), limn_in(g->a), limn_in(g->b),
                           limn_in(bias), limn_int(g->bias != NULL), limn_out(g->z));
    const limn_arg offset = limn_long(limn_round_up(g->m, MR) * g->r);
    limn_grid rows = tiles(g->r, 1, g->m, MR), columns = tiles(g->r, 1, g->p, KB);
    rows.local[0] = rows.local[1] = rows.local[2] = 0;
    columns.local[0] = columns.local[1] = columns.local[2] = 0;
    limn_status status =
        LIMN_LAUNCH(device, "linear_pack_rows", "", rows, limn_int(g->m), limn_int(g->r),
                    limn_in(g->a), limn_int(g->am), limn_int(g->ar), limn_out(scratch));
    if (status == LIMN_OK)
        status = LIMN_LAUNCH(device, "linear_pack", "", columns, limn_int(g->p), limn_int(g->r),
                             limn_in(g->b), limn_int(g->br), offset, limn_inout(scratch));
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(device, "linear_tile", "", tiles(g->m, MR, g->p, KB), limn_int(g->m),
                       limn_int(g->p), limn_int(g->r), offset, limn_in(scratch), limn_out(g->z));
}

/* The bias, or zero, is laid out first and CLBlast adds to it. */
static limn_status multiply_clblast(limn_device *device, const product *g, limn_gemm_kind kind)
{
    limn_grid grid = limn_grid_1d((size_t)g->p);
    grid.global[1] = (size_t)g->m;
    const limn_status status =
        LIMN_LAUNCH(device, "linear_bias", "", grid, limn_int(g->m), limn_int(g->p),
                    limn_in(g->bias ? g->bias : g->a), limn_int(g->bias != NULL), limn_out(g->z));
    if (status != LIMN_OK)
        return status;
    const limn_gemm gemm = {.kind = kind,
                            .m = (size_t)g->m,
                            .p = (size_t)g->p,
                            .r = (size_t)g->r,
                            .a = g->a,
                            .b = g->b,
                            .am = (size_t)g->am,
                            .ar = (size_t)g->ar,
                            .br = (size_t)g->br,
                            .bp = (size_t)g->bp,
                            .z = g->z};
    return limn_gemm_run(device, &gemm);
}

/* In half precision a gradient, the matrix a in both directions, is raised. */
static limn_status multiply_group(const limn_op_run *run, const product *g, int direction)
{
    const form f = (form)run->plan->choice[direction];
    const bool half = f != GPU, raise = half && direction > 0;
    char matrix[24] = "", defines[96] = "";
    if (f == MATRIX)
        limn_matrix_define(limn_device_get_limits(run->device), matrix, sizeof matrix);
    if (half)
        snprintf(defines, sizeof defines, "-DSIDE=8 -DEACH=8 -DHALF=1%s%s", matrix,
                 raise ? " -DRAISE=1" : "");
    limn_grid grid = tiles(g->p, TILE, g->m, TILE);
    grid.local[0] = (size_t)group_of(f);
    grid.global[0] *= grid.local[0];
    const limn_status status =
        raise ? limn_amax(run->device, g->a, g->m * g->r, run->scratch) : LIMN_OK;
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(run->device, "linear_group", defines, grid, limn_int(g->m), limn_int(g->p),
                       limn_int(g->r), limn_in(g->a), limn_int(g->am), limn_int(g->ar),
                       limn_in(g->b), limn_int(g->br), limn_int(g->bp),
                       limn_in(g->bias ? g->bias : g->a), limn_int(g->bias != NULL),
                       limn_in(raise ? run->scratch : g->a), limn_out(g->z));
}

static limn_status multiply(const limn_op_run *run, const product *g, int direction)
{
    const form f = (form)run->plan->choice[direction];
    if (f == CPU)
        return multiply_cpu(run->device, g, run->scratch);
    if (is_clblast(f))
        return multiply_clblast(run->device, g, (limn_gemm_kind)(f - CLBLAST));
    if (is_group(f))
        return multiply_group(run, g, direction);
    limn_grid grid = limn_grid_1d((size_t)g->p);
    grid.global[1] = (size_t)g->m;
    return LIMN_LAUNCH(run->device, "linear_plain", "", grid, limn_int(g->m), limn_int(g->p),
                       limn_int(g->r), limn_in(g->a), limn_int(g->am), limn_int(g->ar),
                       limn_in(g->b), limn_int(g->br), limn_int(g->bp),
                       limn_in(g->bias ? g->bias : g->a), limn_int(g->bias != NULL),
                       limn_out(g->z));
}

static limn_status forward(const limn_op_run *r)
{
    const int64_t n = r->in[0]->desc.dim[0], c = r->in[0]->desc.dim[1], k = r->in[1]->desc.dim[0];
    const product y = {.m = n,
                       .p = k,
                       .r = c,
                       .a = r->in[0]->buffer,
                       .am = c,
                       .ar = 1,
                       .b = r->in[1]->buffer,
                       .br = 1,
                       .bp = c,
                       .bias = r->in_count > 2 ? r->in[2]->buffer : NULL,
                       .z = r->out[0]->buffer};
    return multiply(r, &y, 0);
}

/* dx = dy w, dw = dy^T x, dbias = sum of dy over n. */
static limn_status backward(const limn_op_run *r)
{
    const int64_t n = r->in[0]->desc.dim[0], c = r->in[0]->desc.dim[1], k = r->in[1]->desc.dim[0];
    const limn_buffer *dy = r->grad_out[0]->buffer;
    limn_status status = LIMN_OK;
    if (r->grad_in[0]) {
        const product dx = {.m = n,
                            .p = c,
                            .r = k,
                            .a = dy,
                            .am = k,
                            .ar = 1,
                            .b = r->in[1]->buffer,
                            .br = c,
                            .bp = 1,
                            .z = r->grad_in[0]->buffer};
        status = multiply(r, &dx, 1);
    }
    if (status == LIMN_OK && r->grad_in[1]) {
        const product dw = {.m = k,
                            .p = c,
                            .r = n,
                            .a = dy,
                            .am = 1,
                            .ar = k,
                            .b = r->in[0]->buffer,
                            .br = c,
                            .bp = 1,
                            .z = r->grad_in[1]->buffer};
        status = multiply(r, &dw, 2);
    }
    if (status == LIMN_OK && r->grad_in[2])
        status =
            LIMN_LAUNCH(r->device, "linear_bias_gradient", "", limn_grid_1d((size_t)k), limn_int(n),
                        limn_int(k), limn_in(dy), limn_out(r->grad_in[2]->buffer));
    return status;
}

/* ---- reference ------------------------------------------------------------------------------ */

static void forward_reference(const limn_op_reference *r)
{
    const int64_t n = r->in_desc[0].dim[0], c = r->in_desc[0].dim[1], k = r->in_desc[1].dim[0];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) {
            double sum = r->in_count > 2 ? r->in[2][j] : 0;
            for (int64_t l = 0; l < c; l++)
                sum += r->in[0][i * c + l] * r->in[1][j * c + l];
            r->out[0][i * k + j] = sum;
        }
}

static void backward_reference(const limn_op_reference *r)
{
    const int64_t n = r->in_desc[0].dim[0], c = r->in_desc[0].dim[1], k = r->in_desc[1].dim[0];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < k; j++) {
            const double dy = r->grad_out[0][i * k + j];
            for (int64_t l = 0; l < c; l++) {
                if (r->grad_in[0])
                    r->grad_in[0][i * c + l] += dy * r->in[1][j * c + l];
                if (r->grad_in[1])
                    r->grad_in[1][j * c + l] += dy * r->in[0][i * c + l];
            }
            if (r->grad_in[2])
                r->grad_in[2][j] += dy;
        }
}

static const limn_op_example example = {
    .params = "",
    .in_count = 3,
    .in = {{LIMN_F32, 2, {9, 35}}, {LIMN_F32, 2, {13, 35}}, {LIMN_F32, 1, {13}}},
    .tolerance = 4e-6, /* 35 products of one sum, each rounded: 35 * 2^-24, doubled */
};

static const limn_op_example bench[] = {
    {.params = "",
     .in_count = 3,
     .in = {{LIMN_F32, 2, {64, 512}}, {LIMN_F32, 2, {10, 512}}, {LIMN_F32, 1, {10}}}},
    {.params = "",
     .in_count = 3,
     .in = {{LIMN_F32, 2, {512, 2048}}, {LIMN_F32, 2, {2048, 2048}}, {LIMN_F32, 1, {2048}}}},
    {0},
};

const limn_op limn_op_linear = {
    .name = "linear",
    .formula = "y[n,k] = bias[k] + sum_c x[n,c] weight[k,c]",
    .params_size = sizeof(linear_params),
    .params = specs,
    .min_in = 2,
    .max_in = 3,
    .backward_in = 3,
    .differentiable = 7,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
    .bench = bench,
    .choices = &choices,
};
