/* CPU devices: 3x3 filters of stride 1 or 2 by Winograd's F(4x4, 3x3): a quarter of the products,
 * or nine sixteenths of them. */
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

enum {
    PLANES = 36, /* values of a filter */
    LANES = 16,
    FEWEST_CHANNELS = 16,
    CACHE_BYTES = 768 * 1024, /* of a core's own cache for what passes between the steps */
    SLOT_BYTES = 512 * 1024,  /* of the same, where one group does all steps */
    SHARED_CACHE_BYTES = 3 * 1024 * 1024, /* a core's share of a common one for the products */
    SLOTS = 8,             /* groups for a core, so that a core that is held up has less to do */
    FEWEST_ROWS = 18,      /* of a group and 36 points, over which the filters are spread */
    FEWEST_TILES = 64,     /* of a launch, over which a panel of filters is spread */
    STRIDED_CHANNELS = 32, /* through a stride of 2, fewer do not pay; */
    STRIDED_WIDTH = 64,    /* for the gradient of the filters fewer than these, */
    STRIDED_OUTPUTS = 3000 /* and fewer of these in a batch */
};

/* How a direction is cut up.  Places and planes count vectors of LANES floats. */
typedef struct winograd_cut {
    int depth, width; /* channels summed over, channels of the result */
    int in_h, in_w, out_h, out_w;
    int pad_h, pad_w;               /* inputs before the image with which the first tile begins */
    int skip_h, skip_w;             /* and outputs */
    int stride, points;             /* of a tile */
    bool turned;                    /* the gradient of the input */
    int images, high, wide;         /* positions of an image: outputs, or pairs of them */
    int down, across;               /* its tiles */
    int last_h, last_w;             /* positions of the last row and column of tiles */
    int full, bottom, corner, rows; /* where the runs of rows begin and end */
    int depth_blocks, width_blocks; /* vectors of channels */
    int mr, nv;                     /* of a product: rows, vectors of the result */
    int unit;                       /* a run of rows is a multiple of it */
    int slots;                      /* groups that do all steps; 0: a launch for each step */
    int chunk;                      /* rows taken at a time: T */
    int64_t u_plane, v_plane, m_plane;
    int64_t u_end;           /* of zeros, bias and filters, or of the sums for the filters */
    int64_t v_at, m_at, end; /* in scratch; forward's filters are prepared elsewhere */
} winograd_cut;

/* Planes lie an odd number of vectors apart: powers of two would fall on the same cache lines. */
static int64_t plane_of(int blocks, int rows)
{
    return ((int64_t)blocks * rows) | 1;
}

static int round_up(int64_t n, int unit)
{
    return (int)limn_round_up(n, unit);
}

/* Positions of the last tile along a side; one of 2 serves a single position too. */
static int last_of(int positions)
{
    const int rest = positions % 4;
    return rest == 0 ? 4 : rest == 1 ? 2 : rest;
}

/* Points of a side of a tile. */
static int side_of(int stride, int positions)
{
    return stride == 1 ? positions + 2 : 2 * positions + 1;
}

/* Products of a channel with a filter, for all rows. */
static int64_t products(const winograd_cut *c)
{
    const int side = side_of(c->stride, 4), last_h = side_of(c->stride, c->last_h),
              last_w = side_of(c->stride, c->last_w);
    const int64_t right = c->full, middle = c->bottom - c->full, below = c->corner - c->bottom,
                  corner = c->rows - c->corner;
    return right * side * last_w + middle * side * side + below * last_h * side +
           corner * last_h * last_w;
}

/* Lays the tiles out in runs of rows, smaller ones at the border: cl/common/winograd_tiles.h. */
static void lay_out(winograd_cut *c)
{
    c->last_h = last_of(c->high);
    c->last_w = last_of(c->wide);
    const bool short_h = c->last_h < 4, short_w = c->last_w < 4;
    const int64_t n = c->images, down = c->down - short_h, across = c->across - short_w;
    c->full = short_w ? round_up(n * down, c->unit) : 0;
    c->bottom = c->full + round_up(n * down * across, c->unit);
    c->corner = c->bottom + (short_h ? round_up(n * across, c->unit) : 0);
    c->rows = c->corner + (short_h && short_w ? round_up(n, c->unit) : 0);
}

/* Rows and vectors of the result that a product may hold in registers. */
typedef struct winograd_registers {
    int mr, nv;
} winograd_registers;
static const winograd_registers REGISTERS[] = {{6, 4},  {12, 2}, {8, 2}, {4, 4}, {2, 4},
                                               {14, 1}, {4, 2},  {8, 1}, {4, 1}};

/* All steps in one group, where a few products' rows fit a core's cache beside the filters. */
static bool cut_slots(winograd_cut *c, const limn_device_limits *limits)
{
    const int units = (int)limits->compute_units;
    const int64_t row_bytes =
        (int64_t)c->points * LANES * (int)sizeof(float) * (c->depth_blocks + c->nv);
    const int room = (int)(SLOT_BYTES / row_bytes) / c->mr * c->mr;
    if (room * c->points < FEWEST_ROWS * PLANES)
        return false;
    const int share = round_up((c->rows + units - 1) / units, c->mr); /* work for every core */
    c->chunk = share < room ? share : room;
    const int groups = (c->rows + c->chunk - 1) / c->chunk;
    const int most = SLOTS * units;
    c->slots = groups < most ? groups : most;
    return true;
}

/* The registers that take least time: the smaller they are, the fewer rows pad the runs, but the
 * more is loaded for a product.  Others, up to a twentieth slower, take their place where with
 * those alone one group does all steps; whether it does is the result.  The tiles, and with them
 * the bits of a result, depend on the shape of one image only. */
static bool choose_layout(winograd_cut *c, const limn_device_limits *limits,
                          conv2d_direction direction)
{
    winograd_cut best = {0}, whole = {0};
    double least = 0, least_whole = 0;
    for (size_t i = 0; i < sizeof REGISTERS / sizeof *REGISTERS; i++) {
        const int mr = REGISTERS[i].mr, nv = REGISTERS[i].nv;
        if (c->width_blocks % nv != 0)
            continue;
        c->mr = mr;
        c->nv = nv;
        c->slots = 0;
        c->unit = direction == CONV2D_FILTER ? 1 : mr;
        lay_out(c);
        /* a load takes as long as half a vector of products, that of one float half of this */
        const double time = (double)products(c) * (1 + (nv + mr / 2.0) / (2.0 * mr * nv));
        if (best.mr == 0 || time < least) {
            best = *c;
            least = time;
        }
        if (direction != CONV2D_FILTER && cut_slots(c, limits) &&
            (whole.mr == 0 || time < least_whole)) {
            whole = *c;
            least_whole = time;
        }
    }
    *c = whole.mr > 0 && least_whole <= 1.05 * least ? whole : best;
    return c->slots > 0;
}

/* A launch for each step, over as many rows as the cores' caches hold, in whole units. */
static void cut_chunks(winograd_cut *c, const limn_device_limits *limits)
{
    const int64_t row_bytes =
        (int64_t)c->points * LANES * (int)sizeof(float) * (c->depth_blocks + c->width_blocks);
    const int64_t room = (int64_t)CACHE_BYTES * limits->compute_units / row_bytes;
    /* The filters are read, or their sums read and written, once for each chunk: at least half as
     * many bytes of tiles go with them. */
    const int64_t even =
        (int64_t)c->depth * c->width / (c->depth + c->width) * PLANES / c->points / 2;
    int64_t fit = room > FEWEST_TILES ? room : FEWEST_TILES;
    fit = fit > even ? fit : even;
    const int64_t chunks = (c->rows + fit - 1) / fit;
    c->chunk = round_up((c->rows + chunks - 1) / chunks, c->unit);
}

/* Along one axis: with how many inputs and outputs before the image (inside it where negative) the
 * first tile begins, and positions up to output `out`.  The gradient through stride 2 begins at an
 * output that the middle tap alone reaches. */
static void place(int *pad, int *skip, int *positions, const conv2d_axis *a, bool turned, int out)
{
    const bool pairs = turned && a->stride == 2;
    const int even = pairs && a->pad % 2 == 0;
    *pad = pairs ? (even + 1 - a->pad) / 2 : turned ? 2 - a->pad : a->pad;
    *skip = even;
    *positions = pairs ? (out + even + 1) / 2 : out;
}

static winograd_cut cut(const limn_device_limits *limits, const conv2d_shape *s,
                        conv2d_direction direction)
{
    const bool data = direction == CONV2D_DATA;
    winograd_cut c = {
        .depth = data ? s->kg : s->cg,
        .width = data ? s->cg : s->kg,
        .in_h = data ? s->h.out : s->h.in,
        .in_w = data ? s->w.out : s->w.in,
        .out_h = data ? s->h.in : s->h.out,
        .out_w = data ? s->w.in : s->w.out,
        .stride = s->h.stride,
        .turned = data,
    };
    place(&c.pad_h, &c.skip_h, &c.high, &s->h, data, c.out_h);
    place(&c.pad_w, &c.skip_w, &c.wide, &s->w, data, c.out_w);
    const int side = side_of(c.stride, 4);
    c.points = side * side;
    c.images = s->n;
    c.down = (c.high + 3) / 4;
    c.across = (c.wide + 3) / 4;
    c.depth_blocks = (c.depth + LANES - 1) / LANES;
    c.width_blocks = (c.width + LANES - 1) / LANES;
    const bool slots = choose_layout(&c, limits, direction);
    if (!slots)
        cut_chunks(&c, limits);
    c.u_plane = plane_of(c.width_blocks, c.depth_blocks * LANES);
    c.v_plane = plane_of(c.depth_blocks, c.chunk);
    c.m_plane = plane_of(slots ? c.nv : c.width_blocks, c.chunk);
    c.u_end = c.depth_blocks + c.width_blocks + PLANES * c.u_plane;
    c.v_at = direction == CONV2D_FORWARD ? 0 : c.u_end;
    c.m_at = c.v_at + c.points * c.v_plane;
    c.end = c.v_at + (slots ? c.slots : 1) * c.points * (c.v_plane + c.m_plane);
    return c;
}

/* Whether the filters, or their sums, are written around the caches. */
static bool streams_filters(const winograd_cut *c)
{
    return limn_streams((size_t)c->u_end * LANES * sizeof(float));
}

/* Whether v (and with it transformed gradients) are: where the cores' own caches do not hold what
 * passes between two steps. */
static bool streams_tiles(const limn_device_limits *limits, const winograd_cut *c)
{
    const int64_t vectors = c->points * (c->v_plane + c->m_plane);
    return vectors * LANES * (int)sizeof(float) > (int64_t)CACHE_BYTES * limits->compute_units;
}

/* Whether the products are: only where a shared cache would hardly hold them, either. */
static bool streams_products(const limn_device_limits *limits, const winograd_cut *c)
{
    return c->points * c->m_plane * LANES * (int)sizeof(float) >
           (int64_t)SHARED_CACHE_BYTES * limits->compute_units;
}

/* Whether the result is: only in whole vectors. */
static bool streams_result(const conv2d_call *call, const winograd_cut *c)
{
    return c->width % LANES == 0 && limn_streams(limn_buffer_size(call->result));
}

static size_t winograd_scratch(const limn_device_limits *limits, const conv2d_shape *s,
                               conv2d_direction direction)
{
    return sizeof(float) * LANES * (size_t)cut(limits, s, direction).end;
}

const char *conv2d_winograd_misfit(const conv2d_shape *s, int most_stride)
{
    if (s->h.kernel != 3 || s->w.kernel != 3 || s->h.dilation != 1 || s->w.dilation != 1)
        return "the filters are not 3x3";
    if (s->h.stride != s->w.stride || s->h.stride > most_stride)
        return most_stride == 1 ? "the stride is not 1" : "the stride is not 1 or 2";
    if (s->groups > 1)
        return "there are groups";
    if (s->cg < FEWEST_CHANNELS || s->kg < FEWEST_CHANNELS)
        return "fewer than 16 channels";
    return NULL;
}

static const char *winograd_accepts(const limn_device_limits *limits, const conv2d_shape *s,
                                    conv2d_direction direction)
{
    if (!limits->is_cpu)
        return "the device is not a CPU";
    const char *misfit = conv2d_winograd_misfit(s, 2);
    if (misfit)
        return misfit;
    if ((int64_t)s->n * s->h.out * s->w.out > INT32_MAX)
        return "the batch has too many pixels";
    const winograd_cut c = cut(limits, s, direction);
    winograd_cut tight = c;
    tight.unit = 1;
    lay_out(&tight);
    const int64_t plain = 9 * (int64_t)c.images * c.high * c.wide;
    if (4 * products(&tight) > (c.stride == 1 ? 2 : 3) * plain) /* half, three quarters */
        return "tiles would save too few products";
    return c.end > INT32_MAX || c.u_end > INT32_MAX ? "the filters are too large" : NULL;
}

/* Of stride 2 the transforms take a greater share, and so do the sums of few outputs: measured. */
static const char *winograd_futile(const conv2d_shape *s, conv2d_direction direction)
{
    const bool filter = direction == CONV2D_FILTER;
    const int fewest = filter ? STRIDED_WIDTH : STRIDED_CHANNELS;
    if (s->h.stride == 1)
        return NULL;
    if (s->cg < fewest || s->kg < fewest)
        return "it does not pay with so few channels";
    if (filter && (int64_t)s->n * s->h.out * s->w.out < STRIDED_OUTPUTS)
        return "it does not pay with so few outputs";
    return NULL;
}

/* What winograd.cl and the transforms of winograd_filter.cl are built with. */
static void transform_defines(const winograd_cut *c, char *text, size_t size)
{
    const bool part = c->depth % LANES != 0 || c->width % LANES != 0;
    snprintf(text, size, "-DMR=%d -DNV=%d -DPART=%d -DSTRIDE=%d -DTURNED=%d", c->mr, c->nv, part,
             c->stride, c->turned && c->stride > 1);
}

/* What the transforms of filters are built with. */
static const char *filter_defines(const winograd_cut *c)
{
    return c->stride == 2 ? "-DSTRIDE=2" : "";
}

/* ---- forward, and the gradient of the input ------------------------------------------------- */

static size_t winograd_prepared(const limn_device_limits *limits, const conv2d_shape *s)
{
    return sizeof(float) * LANES * (size_t)cut(limits, s, CONV2D_FORWARD).u_end;
}

static limn_status pack(const conv2d_call *call, const winograd_cut *c, bool data, limn_buffer *u)
{
    const limn_grid grid = {{(size_t)c->depth_blocks, (size_t)c->width_blocks, 1}, {1, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_winograd_pack", filter_defines(c), grid,
                       limn_in(call->w), limn_in(call->bias ? call->bias : call->w), limn_out(u),
                       limn_int(call->bias != NULL), limn_int(c->depth_blocks),
                       limn_int(c->u_plane), limn_int(c->width_blocks), limn_int(c->depth),
                       limn_int(c->width), limn_int(data), limn_int(streams_filters(c)));
}

static limn_status winograd_prepare(const conv2d_call *call)
{
    const winograd_cut c = cut(limn_device_get_limits(call->device), call->shape, CONV2D_FORWARD);
    return pack(call, &c, false, call->prepared);
}

/* How tiles cover the batch, as an argument. */
static limn_arg cover(const winograd_cut *c)
{
    return limn_int8(c->images, c->down, c->across, c->last_h, c->last_w, c->full, c->bottom,
                     c->corner);
}

static limn_status run_slots(const conv2d_call *call, const winograd_cut *c, const char *defines,
                             const limn_buffer *x, const limn_buffer *u)
{
    const limn_grid grid = {{(size_t)c->slots, 1, 1}, {1, 1, 1}};
    limn_arg after[CONV2D_EPILOGUE_ARGS];
    conv2d_epilogue_args(call, after);
    return LIMN_LAUNCH(
        call->device, "conv2d_winograd", defines, grid, cover(c), limn_in(x), limn_in_part(u),
        limn_inout(call->scratch), conv2d_result_arg(call), after[0], after[1], after[2],
        limn_int(c->points * (c->v_plane + c->m_plane)), limn_int(c->depth_blocks),
        limn_int(c->depth_blocks + c->width_blocks), limn_int(c->u_plane), limn_int(c->v_at),
        limn_int(c->v_plane), limn_int(c->m_plane), limn_int(c->rows), limn_int(c->chunk),
        limn_int(c->in_h), limn_int(c->in_w), limn_int(c->depth), limn_int(c->pad_h),
        limn_int(c->pad_w), limn_int(c->out_h), limn_int(c->out_w), limn_int(c->width),
        limn_int(c->skip_h), limn_int(c->skip_w), limn_int(c->width_blocks / c->nv),
        limn_int(streams_result(call, c)));
}

static limn_status transform_input(const conv2d_call *call, const winograd_cut *c,
                                   const char *defines, const limn_buffer *x, const limn_buffer *u,
                                   int first, int rows)
{
    const limn_grid grid = {{(size_t)rows, 1, 1}, {1, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_winograd_input", defines, grid, cover(c), limn_in(x),
                       limn_in_part(u), limn_inout(call->scratch), limn_int(c->v_at),
                       limn_int(c->v_plane), limn_int(first), limn_int(c->chunk), limn_int(c->in_h),
                       limn_int(c->in_w), limn_int(c->depth), limn_int(c->pad_h),
                       limn_int(c->pad_w),
                       limn_int(streams_tiles(limn_device_get_limits(call->device), c)));
}

static limn_status multiply(const conv2d_call *call, const winograd_cut *c, const char *defines,
                            const limn_buffer *u, int first, int rows)
{
    const limn_grid grid = {
        {(size_t)(rows / c->mr), (size_t)(c->width_blocks / c->nv), (size_t)c->points}, {1, 1, 1}};
    return LIMN_LAUNCH(
        call->device, "conv2d_winograd_product", defines, grid, cover(c), limn_in_part(u),
        limn_inout(call->scratch), limn_int(c->depth_blocks + c->width_blocks),
        limn_int(c->u_plane), limn_int(c->v_at), limn_int(c->v_plane), limn_int(c->m_at),
        limn_int(c->m_plane), limn_int(first), limn_int(c->chunk), limn_int(c->depth_blocks),
        limn_int(streams_products(limn_device_get_limits(call->device), c)));
}

static limn_status transform_output(const conv2d_call *call, const winograd_cut *c,
                                    const char *defines, const limn_buffer *u, int first, int rows)
{
    const limn_grid grid = {{(size_t)rows, 1, 1}, {1, 1, 1}};
    limn_arg after[CONV2D_EPILOGUE_ARGS];
    conv2d_epilogue_args(call, after);
    return LIMN_LAUNCH(call->device, "conv2d_winograd_output", defines, grid, cover(c),
                       limn_in_part(u), limn_in(call->scratch), conv2d_result_arg(call), after[0],
                       after[1], after[2], limn_int(c->depth_blocks), limn_int(c->m_at),
                       limn_int(c->m_plane), limn_int(first), limn_int(c->chunk),
                       limn_int(c->out_h), limn_int(c->out_w), limn_int(c->width),
                       limn_int(c->skip_h), limn_int(c->skip_w), limn_int(streams_result(call, c)));
}

static limn_status run_tiles(const conv2d_call *call, conv2d_direction direction)
{
    const winograd_cut c = cut(limn_device_get_limits(call->device), call->shape, direction);
    const limn_buffer *x = direction == CONV2D_DATA ? call->dy : call->x;
    char defines[64];
    transform_defines(&c, defines, sizeof defines);
    limn_buffer *u = direction == CONV2D_DATA ? call->scratch : call->prepared;
    limn_status status = direction == CONV2D_DATA ? pack(call, &c, true, u) : LIMN_OK;
    if (status == LIMN_OK && c.slots > 0)
        return run_slots(call, &c, defines, x, u);
    for (int first = 0; first < c.rows && status == LIMN_OK; first += c.chunk) {
        const int rows = c.rows - first < c.chunk ? c.rows - first : c.chunk;
        status = transform_input(call, &c, defines, x, u, first, rows);
        if (status == LIMN_OK)
            status = multiply(call, &c, defines, u, first, rows);
        if (status == LIMN_OK)
            status = transform_output(call, &c, defines, u, first, rows);
    }
    return status;
}

/* ---- gradient of the filters ---------------------------------------------------------------- */

static limn_status transform_gradient(const conv2d_call *call, const winograd_cut *c,
                                      const char *defines, int first, int rows)
{
    const limn_grid grid = {{(size_t)rows, 1, 1}, {1, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_winograd_gradient", defines, grid, cover(c),
                       limn_in(call->dy), limn_inout(call->scratch), limn_int(c->m_at),
                       limn_int(c->m_plane), limn_int(first), limn_int(c->chunk),
                       limn_int(c->out_h), limn_int(c->out_w), limn_int(c->width),
                       limn_int(streams_tiles(limn_device_get_limits(call->device), c)));
}

static limn_status add_products(const conv2d_call *call, const winograd_cut *c, int first, int rows)
{
    const int nv = c->width_blocks % 2 == 0 ? 2 : 1, mc = nv == 2 ? 8 : 16;
    const limn_grid grid = {
        {(size_t)(c->depth_blocks * LANES / mc), (size_t)(c->width_blocks / nv), PLANES},
        {1, 1, 1}};
    char defines[64];
    snprintf(defines, sizeof defines, "-DMC=%d -DNV=%d -DSTRIDE=%d", mc, nv, c->stride);
    return LIMN_LAUNCH(call->device, "conv2d_winograd_sums", defines, grid, cover(c),
                       limn_inout(call->scratch), limn_int(c->v_at), limn_int(c->v_plane),
                       limn_int(c->m_at), limn_int(c->m_plane), limn_int(c->depth_blocks),
                       limn_int(c->u_plane), limn_int(first), limn_int(rows), limn_int(c->chunk),
                       limn_int(c->depth_blocks * LANES), limn_int(c->width_blocks),
                       limn_int(streams_filters(c) && c->chunk >= c->rows));
}

static limn_status run_filter(const conv2d_call *call)
{
    static const float zero = 0;
    const winograd_cut c = cut(limn_device_get_limits(call->device), call->shape, CONV2D_FILTER);
    char defines[64];
    transform_defines(&c, defines, sizeof defines);
    limn_status status = limn_buffer_fill(
        call->scratch, 0, sizeof zero * LANES * (size_t)c.depth_blocks, &zero, sizeof zero);
    for (int first = 0; first < c.rows && status == LIMN_OK; first += c.chunk) {
        const int rows = c.rows - first < c.chunk ? c.rows - first : c.chunk;
        status = transform_input(call, &c, defines, call->x, call->scratch, first, rows);
        if (status == LIMN_OK)
            status = transform_gradient(call, &c, defines, first, rows);
        if (status == LIMN_OK)
            status = add_products(call, &c, first, rows);
    }
    if (status != LIMN_OK)
        return status;
    const limn_grid grid = {{(size_t)c.depth_blocks, (size_t)c.width_blocks, 1}, {1, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_winograd_unpack", filter_defines(&c), grid,
                       limn_in(call->scratch), limn_out(call->result), limn_int(c.depth_blocks),
                       limn_int(c.u_plane), limn_int(c.depth_blocks * LANES),
                       limn_int(c.width_blocks), limn_int(c.depth), limn_int(c.width));
}

static limn_status winograd_run(const conv2d_call *call, conv2d_direction direction)
{
    return direction == CONV2D_FILTER ? run_filter(call) : run_tiles(call, direction);
}

const conv2d_impl conv2d_winograd = {.name = "winograd",
                                     .accepts = winograd_accepts,
                                     .scratch = winograd_scratch,
                                     .run = winograd_run,
                                     .growth = 8,
                                     .futile = winograd_futile,
                                     .prepared = winograd_prepared,
                                     .prepare = winograd_prepare};
