/* GPUs: 3x3 filters of stride 1 by Winograd's F(4x4, 3x3) or F(2x2, 3x3), each step a launch over
 * many tiles. */
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

enum {
    SIDE = 8, /* of a group of the product */
    STEP = 16,
    MOST_TILE = 64, /* of a product, the least 32: 8 x 8 or 4 x 4 elements for a work-item */
    LOCAL_BYTES = 2 * STEP * (MOST_TILE + 4) * 4,
    GROUPS_PER_UNIT = 32,          /* work-groups a compute unit is to have in a product */
    SLICE_TILES = 256,             /* fewest tiles that one group of the filter gradient sums */
    MEMORY_SHARE = 32,             /* of the device's memory, for what passes between the steps */
    MOST_BYTES = 256 * 1024 * 1024 /* of the same */
};

/* How a direction is cut up; names and layout are those of cl/conv2d/winograd_gpu.cl.  Places and
 * planes count floats. */
typedef struct winograd_cut {
    int outputs, points; /* along a side of a tile: OUTPUTS; of a tile: POINTS */
    int depth, width;    /* channels of v and u; of u and m, or of g */
    int in_h, in_w, out_h, out_w;
    int pad_h, pad_w;
    int th, tw, tiles; /* of an image's height and width, of the batch */
    int tile;          /* of a product: elements along a side */
    int dp, kp, km;
    int rows;                /* tiles taken at a time: T */
    int slices, slice_terms; /* of the sum over T, filter gradient */
    int64_t u_plane, v_plane, m_plane;
    int64_t v_at, m_at, end; /* in scratch, behind the filters or their sums */
} winograd_cut;

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Tiles taken at a time: as many as fill the device, as memory allows. */
static void cut_rows(winograd_cut *c, const limn_device_limits *limits, bool filter)
{
    const int64_t groups = (int64_t)GROUPS_PER_UNIT * limits->compute_units;
    const int64_t columns = c->points * (c->kp / c->tile);
    const int64_t bytes = least((int64_t)(limits->global_memory / MEMORY_SHARE), MOST_BYTES);
    const int64_t room = bytes / (c->points * (int64_t)sizeof(float) * (c->dp + c->kp));
    int64_t wanted = c->tile * (groups / columns + 1), slices = 1;
    if (filter) {
        /* The sums are read and written once for each chunk: it is to have more tiles than that. */
        const int64_t even = c->dp + c->kp > SLICE_TILES ? c->dp + c->kp : SLICE_TILES;
        const int64_t all = limn_round_up(c->tiles, SLICE_TILES) / SLICE_TILES;
        slices = least(groups / (columns * (c->dp / c->tile)) + 1, all);
        wanted = slices * even;
    }
    const int64_t most =
        limn_round_up(least(wanted, room > c->tile ? room / c->tile * c->tile : c->tile), c->tile);
    const int64_t chunks = (c->tiles + most - 1) / most;
    c->rows = (int)limn_round_up((c->tiles + chunks - 1) / chunks, c->tile);
    c->slice_terms = (int)limn_round_up((c->rows + slices - 1) / slices, STEP);
    c->slices = (c->rows + c->slice_terms - 1) / c->slice_terms;
}

/* Bias and transformed filters. */
static int64_t filter_floats(const winograd_cut *c)
{
    return c->kp + c->points * c->u_plane;
}

static winograd_cut cut(const limn_device_limits *limits, const conv2d_shape *s,
                        conv2d_direction direction, int outputs)
{
    const bool data = direction == CONV2D_DATA, filter = direction == CONV2D_FILTER;
    winograd_cut c = {
        .outputs = outputs,
        .points = (outputs + 2) * (outputs + 2),
        .depth = data ? s->kg : s->cg,
        .width = data ? s->cg : s->kg,
        .in_h = data ? s->h.out : s->h.in,
        .in_w = data ? s->w.out : s->w.in,
        .out_h = data ? s->h.in : s->h.out,
        .out_w = data ? s->w.in : s->w.out,
        .pad_h = data ? 2 - s->h.pad : s->h.pad,
        .pad_w = data ? 2 - s->w.pad : s->w.pad,
    };
    c.th = (c.out_h - 1) / outputs + 1;
    c.tw = (c.out_w - 1) / outputs + 1;
    c.tiles = s->n * c.th * c.tw;
    c.tile =
        c.width > MOST_TILE / 2 || (filter && c.depth > MOST_TILE / 2) ? MOST_TILE : MOST_TILE / 2;
    c.dp = (int)limn_round_up(c.depth, filter ? c.tile : STEP);
    c.kp = (int)limn_round_up(c.width, c.tile);
    c.km = filter ? c.kp : (int)limn_round_up(c.width, 16);
    cut_rows(&c, limits, filter);
    c.u_plane = (int64_t)c.dp * c.kp;
    c.v_plane = (int64_t)c.rows * c.dp;
    c.m_plane = (int64_t)c.rows * c.km;
    const int64_t sums = c.slices * c.points * c.u_plane;
    c.v_at = data ? filter_floats(&c) : filter ? sums : 0;
    c.m_at = c.v_at + c.points * c.v_plane;
    c.end = c.m_at + c.points * c.m_plane;
    return c;
}

static size_t scratch(const limn_device_limits *limits, const conv2d_shape *s,
                      conv2d_direction direction, int outputs)
{
    return sizeof(float) * (size_t)cut(limits, s, direction, outputs).end;
}

static const char *refusal(const limn_device_limits *limits, const conv2d_shape *s,
                           conv2d_direction direction, int outputs)
{
    if (limits->max_work_group < SIDE * SIDE || limits->max_work_item[0] < SIDE * SIDE ||
        limits->local_memory < LOCAL_BYTES)
        return "the device runs no group of 64 work-items with 9 KiB of local memory";
    const char *misfit = conv2d_winograd_misfit(s, 1);
    if (misfit)
        return misfit;
    const winograd_cut c = cut(limits, s, direction, outputs);
    if (2 * (int64_t)c.out_h * c.out_w < (int64_t)outputs * outputs * c.th * c.tw)
        return "tiles would be more than half empty";
    const int64_t filters = filter_floats(&c), most = c.end > filters ? c.end : filters;
    if (most > INT32_MAX || sizeof(float) * (uint64_t)most > limits->max_allocation)
        return "the filters are too large";
    return NULL;
}

/* 16 products a tile, where direct forms take 9 an output: whether a third is saved, which pays for
 * the transforms.  Full tiles save 5/9, those of a 5x5 map 9/25, of a 3x3 map 17/81. */
static const char *two_futile(const conv2d_shape *s, conv2d_direction direction)
{
    const bool data = direction == CONV2D_DATA;
    const int64_t high = data ? s->h.in : s->h.out, wide = data ? s->w.in : s->w.out;
    const int64_t products = 16 * ((high + 1) / 2) * ((wide + 1) / 2);
    return 3 * products > 2 * 9 * high * wide ? "tiles would save too few products" : NULL;
}

/* Some tiles of the batch, taken at a time. */
typedef struct winograd_chunk {
    int first, tiles, rows; /* rows: tiles, and empty ones up to whole products */
} winograd_chunk;

static winograd_chunk chunk_at(const winograd_cut *c, int first)
{
    const int tiles = c->tiles - first < c->rows ? c->tiles - first : c->rows;
    return (winograd_chunk){first, tiles, (int)limn_round_up(tiles, c->tile)};
}

/* ---- steps ---------------------------------------------------------------------------------- */

static size_t prepared(const limn_device_limits *limits, const conv2d_shape *s, int outputs)
{
    const winograd_cut c = cut(limits, s, CONV2D_FORWARD, outputs);
    return sizeof(float) * (size_t)filter_floats(&c);
}

static const char *transform_defines(const winograd_cut *c)
{
    return c->outputs == 2 ? "-DOUTPUTS=2" : "-DOUTPUTS=4";
}

static limn_status transform_filters(const conv2d_call *call, const winograd_cut *c, bool data,
                                     limn_buffer *u)
{
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_filters", transform_defines(c),
                       limn_grid_1d((size_t)c->u_plane), limn_in(call->w),
                       limn_in(call->bias ? call->bias : call->w), limn_out(u),
                       limn_int(call->bias != NULL), limn_int(c->u_plane), limn_int(c->depth),
                       limn_int(c->width), limn_int(c->dp), limn_int(c->kp), limn_int(data));
}

static limn_status prepare(const conv2d_call *call, int outputs)
{
    const winograd_cut c =
        cut(limn_device_get_limits(call->device), call->shape, CONV2D_FORWARD, outputs);
    return transform_filters(call, &c, false, call->prepared);
}

static limn_status transform_input(const conv2d_call *call, const winograd_cut *c,
                                   const limn_buffer *x, const winograd_chunk *at)
{
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_input", transform_defines(c),
                       limn_grid_1d((size_t)at->rows * (size_t)c->dp), limn_in(x),
                       limn_inout(call->scratch), limn_int(c->v_at), limn_int(c->v_plane),
                       limn_int(at->first), limn_int(at->tiles), limn_int(at->rows),
                       limn_int(c->th), limn_int(c->tw), limn_int(c->in_h), limn_int(c->in_w),
                       limn_int(c->depth), limn_int(c->dp), limn_int(c->pad_h), limn_int(c->pad_w));
}

static limn_status transform_gradient(const conv2d_call *call, const winograd_cut *c,
                                      const winograd_chunk *at)
{
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_gradient", transform_defines(c),
                       limn_grid_1d((size_t)at->rows * (size_t)c->kp), limn_in(call->dy),
                       limn_inout(call->scratch), limn_int(c->m_at), limn_int(c->m_plane),
                       limn_int(at->first), limn_int(at->tiles), limn_int(at->rows),
                       limn_int(c->th), limn_int(c->tw), limn_int(c->out_h), limn_int(c->out_w),
                       limn_int(c->width), limn_int(c->kp));
}

static limn_grid product_grid(const winograd_cut *c, int rows, int slices)
{
    const size_t group = SIDE * SIDE;
    return (limn_grid){
        {(size_t)(rows / c->tile) * group, (size_t)(c->kp / c->tile), (size_t)(slices * c->points)},
        {group, 1, 1}};
}

enum { DEFINES_SIZE = 48 };

static void product_defines(const winograd_cut *c, bool across, char text[DEFINES_SIZE])
{
    snprintf(text, DEFINES_SIZE, "%s -DEACH=%d%s", transform_defines(c), c->tile / SIDE,
             across ? " -DACROSS" : "");
}

/* m = v u */
static limn_status multiply(const conv2d_call *call, const winograd_cut *c, const limn_buffer *u,
                            const winograd_chunk *at)
{
    char defines[DEFINES_SIZE];
    product_defines(c, false, defines);
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_product", defines,
                       product_grid(c, at->rows, 1), limn_in_part(u), limn_inout(call->scratch),
                       limn_int(c->kp / 4), limn_int(c->u_plane / 4), limn_int(c->kp / 4),
                       limn_int(c->v_at / 4), limn_int(c->v_plane / 4), limn_int(c->dp / 4),
                       limn_int(c->m_at / 4), limn_int(c->m_plane / 4), limn_int(c->km / 4),
                       limn_int(c->dp), limn_int(c->dp), limn_int(false));
}

/* sums = v^T g, or += */
static limn_status add_products(const conv2d_call *call, const winograd_cut *c,
                                const winograd_chunk *at)
{
    char defines[DEFINES_SIZE];
    product_defines(c, true, defines);
    return LIMN_LAUNCH(
        call->device, "conv2d_winograd_gpu_product", defines, product_grid(c, c->dp, c->slices),
        limn_in_part(call->scratch), limn_inout(call->scratch), limn_int(c->m_at / 4),
        limn_int(c->m_plane / 4), limn_int(c->kp / 4), limn_int(c->v_at / 4),
        limn_int(c->v_plane / 4), limn_int(c->dp / 4), limn_int(0), limn_int(c->u_plane / 4),
        limn_int(c->kp / 4), limn_int(at->rows), limn_int(c->slice_terms), limn_int(at->first > 0));
}

static limn_status transform_output(const conv2d_call *call, const winograd_cut *c,
                                    const limn_buffer *u, const winograd_chunk *at)
{
    limn_arg after[CONV2D_EPILOGUE_ARGS];
    conv2d_epilogue_args(call, after);
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_output", transform_defines(c),
                       limn_grid_1d((size_t)at->tiles * (size_t)c->km), limn_in_part(u),
                       limn_in(call->scratch), conv2d_result_arg(call), after[0], after[1],
                       after[2], limn_int(c->m_at), limn_int(c->m_plane), limn_int(at->first),
                       limn_int(at->tiles), limn_int(c->th), limn_int(c->tw), limn_int(c->out_h),
                       limn_int(c->out_w), limn_int(c->width), limn_int(c->km));
}

static limn_status run_filter(const conv2d_call *call, const winograd_cut *c)
{
    limn_status status = LIMN_OK;
    for (int first = 0; first < c->tiles && status == LIMN_OK; first += c->rows) {
        const winograd_chunk at = chunk_at(c, first);
        status = transform_input(call, c, call->x, &at);
        if (status == LIMN_OK)
            status = transform_gradient(call, c, &at);
        if (status == LIMN_OK)
            status = add_products(call, c, &at);
    }
    if (status != LIMN_OK)
        return status;
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_taps", transform_defines(c),
                       limn_grid_1d((size_t)c->depth * (size_t)c->kp), limn_in(call->scratch),
                       limn_out(call->result), limn_int(0), limn_int(c->u_plane),
                       limn_int(c->slices), limn_int(c->depth), limn_int(c->width),
                       limn_int(c->kp));
}

static limn_status run(const conv2d_call *call, conv2d_direction direction, int outputs)
{
    const bool data = direction == CONV2D_DATA;
    const winograd_cut c =
        cut(limn_device_get_limits(call->device), call->shape, direction, outputs);
    if (direction == CONV2D_FILTER)
        return run_filter(call, &c);
    const limn_buffer *x = data ? call->dy : call->x;
    limn_buffer *u = data ? call->scratch : call->prepared;
    limn_status status = data ? transform_filters(call, &c, true, u) : LIMN_OK;
    for (int first = 0; first < c.tiles && status == LIMN_OK; first += c.rows) {
        const winograd_chunk at = chunk_at(&c, first);
        status = transform_input(call, &c, x, &at);
        if (status == LIMN_OK)
            status = multiply(call, &c, u, &at);
        if (status == LIMN_OK)
            status = transform_output(call, &c, u, &at);
    }
    return status;
}

/* ---- rows of the table ---------------------------------------------------------------------- */

/* The functions of a row: those above for tiles of `outputs` a side. */
#define WINOGRAD_FUNCTIONS(name, outputs)                                                          \
    static size_t name##_prepared(const limn_device_limits *limits, const conv2d_shape *s)         \
    {                                                                                              \
        return prepared(limits, s, outputs);                                                       \
    }                                                                                              \
    static limn_status name##_prepare(const conv2d_call *call)                                     \
    {                                                                                              \
        return prepare(call, outputs);                                                             \
    }                                                                                              \
    static size_t name##_scratch(const limn_device_limits *limits, const conv2d_shape *s,          \
                                 conv2d_direction direction)                                       \
    {                                                                                              \
        return scratch(limits, s, direction, outputs);                                             \
    }                                                                                              \
    static const char *name##_accepts(const limn_device_limits *limits, const conv2d_shape *s,     \
                                      conv2d_direction direction)                                  \
    {                                                                                              \
        return refusal(limits, s, direction, outputs);                                             \
    }                                                                                              \
    static limn_status name##_run(const conv2d_call *call, conv2d_direction direction)             \
    {                                                                                              \
        return run(call, direction, outputs);                                                      \
    }

WINOGRAD_FUNCTIONS(four, 4)
WINOGRAD_FUNCTIONS(two, 2)

const conv2d_impl conv2d_winograd_gpu = {.name = "winograd-gpu",
                                         .accepts = four_accepts,
                                         .scratch = four_scratch,
                                         .run = four_run,
                                         .growth = 8,
                                         .prepared = four_prepared,
                                         .prepare = four_prepare,
                                         .for_gpus = true,
                                         .worth_channels = 32};

/* Tiles of a map of which 4x4 ones would be more than half empty (5x5, 2x2), and filters too large
 * for those.  A tile takes 16 products for 4 outputs where direct forms take 36, but it also moves
 * 16 values in and out of each channel where 4x4 tiles move 36 for 16 outputs: it needs twice the
 * channels to pay.  Sums of fewer terms are rounded less than plain ones. */
const conv2d_impl conv2d_winograd_gpu_2 = {.name = "winograd-gpu-2",
                                           .accepts = two_accepts,
                                           .scratch = two_scratch,
                                           .run = two_run,
                                           .growth = 1,
                                           .prepared = two_prepared,
                                           .prepare = two_prepare,
                                           .for_gpus = true,
                                           .worth_channels = 64,
                                           .futile = two_futile};
