/* Random masks of RISE, made on the device; mask number k is the same in every batch. */
#include "ops/row_run.h"

#include "base/philox.h"

#include <math.h>
#include <stddef.h>

typedef struct settings {
    int64_t batch, height, width;
    uint64_t seed;
    int64_t first, cells;
    double p;
} settings;

static const limn_param_spec specs[] = {
    {"batch", LIMN_PARAM_INT, offsetof(settings, batch), 1, 1, 1 << 24},
    {"height", LIMN_PARAM_INT, offsetof(settings, height), 1, 1, 1 << 15},
    {"width", LIMN_PARAM_INT, offsetof(settings, width), 1, 1, 1 << 15},
    {"seed", LIMN_PARAM_U64, offsetof(settings, seed), 0, 0, 0},
    {"first", LIMN_PARAM_INT, offsetof(settings, first), 0, 0, 1e15},
    {"cells", LIMN_PARAM_INT, offsetof(settings, cells), 7, 1, 4096},
    {"p", LIMN_PARAM_FLOAT, offsetof(settings, p), 0.5, 0, 1},
    {0},
};

/* Pixels of a cell's side. */
static int64_t side_of(int64_t extent, int64_t cells)
{
    return (extent + cells - 1) / cells;
}

/* Inputs, for masks of one's own: grids [B,cells,cells] and shifts [B,2]; none: drawn. */
static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    const settings *q = params;
    limn_context *ctx = limn_device_context(device);
    const limn_desc grids = limn_desc_make(LIMN_F32, 3, q->batch, q->cells, q->cells, 0);
    const limn_desc shifts = limn_desc_make(LIMN_I32, 2, q->batch, 2, 0, 0);
    char a[64], b[64];
    if (in_count == 1)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad inputs", "rise_masks",
                         "it takes grids and shifts, or neither");
    if (in_count == 2 && (!limn_desc_equal(&in[0], &grids) || !limn_desc_equal(&in[1], &shifts)))
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad inputs", "rise_masks",
                         "%s and %s must be grids f32[batch,cells,cells] and shifts i32[batch,2]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 3, q->batch, q->height, q->width, 0);
    p->forward_scratch = (size_t)(q->batch * (q->cells * q->cells + 2)) * sizeof(float);
    p->flops = 20 * (double)limn_desc_count(&p->out[0]);
    p->bytes = (double)limn_desc_bytes(&p->out[0]);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const limn_arg batch = limn_int(q->batch), cells = limn_int(q->cells),
                   side_h = limn_int(side_of(q->height, q->cells)),
                   side_w = limn_int(side_of(q->width, q->cells));
    const limn_grid masks = limn_grid_1d((size_t)q->batch);
    const limn_grid pixels =
        limn_row_run_grid(r->device, (size_t)q->width, (size_t)q->height, (size_t)q->batch);
    const limn_status status =
        r->in_count ? LIMN_LAUNCH(r->device, "rise_masks_given", "", masks, batch, cells, side_h,
                                  side_w, limn_in(r->in[0]->buffer), limn_in(r->in[1]->buffer),
                                  limn_out(r->scratch))
                    : LIMN_LAUNCH(r->device, "rise_masks_draw", "", masks, batch, cells, side_h,
                                  side_w, limn_ulong(q->seed), limn_ulong((uint64_t)q->first),
                                  limn_float(q->p), limn_out(r->scratch));
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(r->device, "rise_masks_upsample", limn_row_run_defines(r->device), pixels,
                       batch, limn_int(q->height), limn_int(q->width), cells, side_h, side_w,
                       limn_in(r->scratch), limn_out(r->out[0]->buffer));
}

/* ---- reference ------------------------------------------------------------------------------ */

static uint32_t word(const settings *q, int64_t mask, int64_t sub, int64_t at)
{
    uint32_t bits[4];
    limn_draw(q->seed, LIMN_PURPOSE_MASK, (uint64_t)(q->first + mask), (uint32_t)sub, bits);
    return bits[at];
}

static double cell(const limn_op_reference *r, int64_t mask, int64_t row, int64_t column)
{
    const settings *q = r->params;
    const int64_t last = q->cells - 1;
    row = last == 0 ? 0 : row < 0 ? -row : row > last ? 2 * last - row : row;
    column = last == 0 ? 0 : column < 0 ? -column : column > last ? 2 * last - column : column;
    const int64_t at = row * q->cells + column;
    if (r->in_count)
        return r->in[0][mask * q->cells * q->cells + at];
    return limn_uniform(word(q, mask, at / 4, at % 4)) < (float)q->p;
}

/* Shift of one mask: axis 0 down, axis 1 right. */
static double shift_of(const limn_op_reference *r, int64_t mask, int axis, int64_t side)
{
    const settings *q = r->params;
    if (r->in_count)
        return fmin(fmax(r->in[1][2 * mask + axis], 0), (double)side - 1);
    const int64_t sub = (q->cells * q->cells + 3) / 4;
    return (double)((uint64_t)word(q, mask, sub, axis) * (uint64_t)side >> 32);
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t side_h = side_of(q->height, q->cells), side_w = side_of(q->width, q->cells);
    for (int64_t b = 0; b < q->batch; b++) {
        const double dy = shift_of(r, b, 0, side_h), dx = shift_of(r, b, 1, side_w);
        for (int64_t i = 0; i < q->height; i++)
            for (int64_t j = 0; j < q->width; j++) {
                const double cells = (double)q->cells;
                const double v =
                    ((double)i + dy + 0.5) * cells / ((cells + 1) * (double)side_h) - 0.5;
                const double u =
                    ((double)j + dx + 0.5) * cells / ((cells + 1) * (double)side_w) - 0.5;
                const int64_t row = (int64_t)floor(v), column = (int64_t)floor(u);
                double sum = 0;
                for (int64_t k = 0; k < 4; k++)
                    sum += (k / 2 ? v - floor(v) : 1 - v + floor(v)) *
                           (k % 2 ? u - floor(u) : 1 - u + floor(u)) *
                           cell(r, b, row + k / 2, column + k % 2);
                r->out[0][(b * q->height + i) * q->width + j] = sum;
            }
    }
}

/* Grids of 0 and 1; shifts of 0 and 1. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params;
    (void)in_count;
    const int64_t count = limn_desc_count(&in[which]);
    for (int64_t i = 0; i < count; i++)
        values[i] = floor(2 * draw(state));
}

static const limn_op_example example = {
    .params = "batch=3 height=9 width=8 cells=3 seed=5",
    .in_count = 0,
    .tolerance = 4e-6, /* coordinates to 1e-6 of a cell */
};

static const limn_op_example bench[] = {
    {.params = "batch=32 height=224 width=224", .in_count = 0},
    {0},
};

const limn_op limn_op_rise_masks = {
    .name = "rise_masks",
    .formula = "mask = crop of the bilinearly upsampled random grid (Petsiuk et al. 2018, RISE)",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 0,
    .max_in = 2,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .fill = fill,
    .example = &example,
    .bench = bench,
};
