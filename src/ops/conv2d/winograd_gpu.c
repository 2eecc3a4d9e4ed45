/* GPUs: 3x3 filters of stride 1 by Winograd's F(4x4, 3x3), each step a launch over many tiles. */
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

enum {
    POINTS = 36,
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
    int depth, width; /* channels of v and u; of u and m, or of g */
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

/* Tiles of 4x4 pixels taken at a time: as many as fill the device, as memory allows. */
static void cut_rows(winograd_cut *c, const limn_device_limits *limits, bool filter)
{
    const int64_t groups = (int64_t)GROUPS_PER_UNIT * limits->compute_units;
    const int64_t columns = POINTS * (c->kp / c->tile);
    const int64_t bytes = least((int64_t)(limits->global_memory / MEMORY_SHARE), MOST_BYTES);
    const int64_t room = bytes / (POINTS * (int64_t)sizeof(float) * (c->dp + c->kp));
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

static winograd_cut cut(const limn_device_limits *limits, const conv2d_shape *s,
                        conv2d_direction direction)
{
    const bool data = direction == CONV2D_DATA, filter = direction == CONV2D_FILTER;
    winograd_cut c = {
        .depth = data ? s->kg : s->cg,
        .width = data ? s->cg : s->kg,
        .in_h = data ? s->h.out : s->h.in,
        .in_w = data ? s->w.out : s->w.in,
        .out_h = data ? s->h.in : s->h.out,
        .out_w = data ? s->w.in : s->w.out,
        .pad_h = data ? 2 - s->h.pad : s->h.pad,
        .pad_w = data ? 2 - s->w.pad : s->w.pad,
    };
    c.th = (c.out_h + 3) / 4;
    c.tw = (c.out_w + 3) / 4;
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
    const int64_t filters = c.kp + POINTS * c.u_plane, sums = c.slices * POINTS * c.u_plane;
    c.v_at = data ? filters : filter ? sums : 0;
    c.m_at = c.v_at + POINTS * c.v_plane;
    c.end = c.m_at + POINTS * c.m_plane;
    return c;
}

static size_t winograd_scratch(const limn_device_limits *limits, const conv2d_shape *s,
                               conv2d_direction direction)
{
    return sizeof(float) * (size_t)cut(limits, s, direction).end;
}

static const char *winograd_accepts(const limn_device_limits *limits, const conv2d_shape *s,
                                    conv2d_direction direction)
{
    if (limits->max_work_group < SIDE * SIDE || limits->max_work_item[0] < SIDE * SIDE ||
        limits->local_memory < LOCAL_BYTES)
        return "the device runs no group of 64 work-items with 9 KiB of local memory";
    const char *misfit = conv2d_winograd_misfit(s, 1);
    if (misfit)
        return misfit;
    const winograd_cut c = cut(limits, s, direction);
    if ((int64_t)c.out_h * c.out_w < 8 * (int64_t)c.th * c.tw)
        return "tiles of 4x4 would be more than half empty";
    const int64_t filters = c.kp + POINTS * c.u_plane;
    const int64_t most = c.end > filters ? c.end : filters;
    if (most > INT32_MAX || sizeof(float) * (uint64_t)most > limits->max_allocation)
        return "the filters are too large";
    return NULL;
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

static size_t winograd_prepared(const limn_device_limits *limits, const conv2d_shape *s)
{
    const winograd_cut c = cut(limits, s, CONV2D_FORWARD);
    return sizeof(float) * (size_t)(c.kp + POINTS * c.u_plane);
}

static limn_status transform_filters(const conv2d_call *call, const winograd_cut *c, bool data,
                                     limn_buffer *u)
{
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_filters", "",
                       limn_grid_1d((size_t)c->u_plane), limn_in(call->w),
                       limn_in(call->bias ? call->bias : call->w), limn_out(u),
                       limn_int(call->bias != NULL), limn_int(c->u_plane), limn_int(c->depth),
                       limn_int(c->width), limn_int(c->dp), limn_int(c->kp), limn_int(data));
}

static limn_status winograd_prepare(const conv2d_call *call)
{
    const winograd_cut c = cut(limn_device_get_limits(call->device), call->shape, CONV2D_FORWARD);
    return transform_filters(call, &c, false, call->prepared);
}

static limn_status transform_input(const conv2d_call *call, const winograd_cut *c,
                                   const limn_buffer *x, const winograd_chunk *at)
{
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_input", "",
                       limn_grid_1d((size_t)at->rows * (size_t)c->dp), limn_in(x),
                       limn_inout(call->scratch), limn_int(c->v_at), limn_int(c->v_plane),
                       limn_int(at->first), limn_int(at->tiles), limn_int(at->rows),
                       limn_int(c->th), limn_int(c->tw), limn_int(c->in_h), limn_int(c->in_w),
                       limn_int(c->depth), limn_int(c->dp), limn_int(c->pad_h), limn_int(c->pad_w));
}

static limn_status transform_gradient(const conv2d_call *call, const winograd_cut *c,
                                      const winograd_chunk *at)
{
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_gradient", "",
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
        {(size_t)(rows / c->tile) * group, (size_t)(c->kp / c->tile), (size_t)(slices * POINTS)},
        {group, 1, 1}};
}

static const char *product_defines(const winograd_cut *c, bool across)
{
    static const char *const texts[2][2] = {{"-DEACH=4", "-DEACH=4 -DACROSS"},
                                            {"-DEACH=8", "-DEACH=8 -DACROSS"}};
    return texts[c->tile == MOST_TILE][across];
}

/* m = v u */
static limn_status multiply(const conv2d_call *call, const winograd_cut *c, const limn_buffer *u,
                            const winograd_chunk *at)
{
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_product", product_defines(c, false),
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
    return LIMN_LAUNCH(
        call->device, "conv2d_winograd_gpu_product", product_defines(c, true),
        product_grid(c, c->dp, c->slices), limn_in_part(call->scratch), limn_inout(call->scratch),
        limn_int(c->m_at / 4), limn_int(c->m_plane / 4), limn_int(c->kp / 4), limn_int(c->v_at / 4),
        limn_int(c->v_plane / 4), limn_int(c->dp / 4), limn_int(0), limn_int(c->u_plane / 4),
        limn_int(c->kp / 4), limn_int(at->rows), limn_int(c->slice_terms), limn_int(at->first > 0));
}

static limn_status transform_output(const conv2d_call *call, const winograd_cut *c,
                                    const limn_buffer *u, const winograd_chunk *at)
{
    limn_arg after[CONV2D_EPILOGUE_ARGS];
    conv2d_epilogue_args(call, after);
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_output", "",
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
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gpu_taps", "",
                       limn_grid_1d((size_t)c->depth * (size_t)c->kp), limn_in(call->scratch),
                       limn_out(call->result), limn_int(0), limn_int(c->u_plane),
                       limn_int(c->slices), limn_int(c->depth), limn_int(c->width),
                       limn_int(c->kp));
}

static limn_status winograd_run(const conv2d_call *call, conv2d_direction direction)
{
    const bool data = direction == CONV2D_DATA;
    const winograd_cut c = cut(limn_device_get_limits(call->device), call->shape, direction);
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

const conv2d_impl conv2d_winograd_gpu = {.name = "winograd-gpu",
                                         .accepts = winograd_accepts,
                                         .scratch = winograd_scratch,
                                         .run = winograd_run,
                                         .growth = 8,
                                         .prepared = winograd_prepared,
                                         .prepare = winograd_prepare,
                                         .for_gpus = true,
                                         .worth_channels = 32};
