/* CPU devices: tiles of pixels x float16 channels in registers, work-groups of one. */
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

enum {
    MAX_CLASSES = 64,          /* launches that one gradient of the input may take */
    FEWEST_CHANNELS = 8,       /* a group with fewer leaves most lanes of a vector empty */
    SMALL_IMAGE = 256,         /* pixels up to which taps outside the image are worth skipping */
    FEWEST_IMAGES = 4,         /* that make image-fastest order do so */
    CHUNK_BYTES = 1536 * 1024, /* of x and dy that share a core's cache in conv2d_filter */
    CHUNK_PIXELS = 1024,       /* that a tile's start-up is spread over */
    RUN_BYTES = 192 * 1024,    /* of x that the tiles of a work-item read, at most */
    MOST_RUN = 16,             /* tiles of a work-item */
    SLICE_CHANNELS = 16,       /* of a group whose filters' gradient is summed in slices */
    FEWEST_ITEMS = 256         /* worth having, so that many cores share the work evenly */
};

/* float16 vectors of a tile: the width that leaves the fewest lanes empty, the widest of equals. */
static int vectors_for(int channels)
{
    int best = 1;
    for (int nv = 2; nv <= 4; nv *= 2) {
        const int kb = 16 * nv, best_kb = 16 * best;
        if (limn_round_up(channels, kb) <= limn_round_up(channels, best_kb))
            best = nv;
    }
    return best;
}

/* Pixels of a tile: about two dozen accumulators, the rest of 32 registers holds filters. */
static int pixels_for(int nv)
{
    return nv == 4 ? 6 : nv == 2 ? 8 : 12;
}

static int result_channels(const conv2d_shape *s, conv2d_direction direction)
{
    return direction == CONV2D_DATA ? s->cg : s->kg;
}

/* The tile of conv2d_filter: whole vectors of filters only (a ragged rest goes lane by lane), and
 * the most input channels that divide evenly and fit the registers. */
static int filter_vectors(const conv2d_shape *s)
{
    return s->kg % 64 == 0 ? 4 : s->kg % 32 == 0 ? 2 : 1;
}

static int filter_channels(const conv2d_shape *s)
{
    static const int tries[] = {16, 8, 4, 3, 2};
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
        if (tries[i] <= 16 / filter_vectors(s) && s->cg % tries[i] == 0)
            return tries[i];
    return 1;
}

static size_t filter_floats(const conv2d_shape *s)
{
    const int kb = 16 * filter_vectors(s);
    return (size_t)s->groups * (size_t)limn_round_up(s->kg, kb) * (size_t)s->taps * (size_t)s->cg;
}

/* What conv2d_tile is given for one direction of a shape. */
typedef struct tile_work {
    conv2d_shape shape;
    conv2d_direction direction;
    int rows; /* that a result pixel's channels lie in: more than 1 where classes are merged */
} tile_work;

static tile_work work_of(const conv2d_shape *s, conv2d_direction direction)
{
    tile_work work = {.direction = CONV2D_FORWARD, .rows = s->h.stride};
    if (direction == CONV2D_DATA && conv2d_merge(s, &work.shape) &&
        work.shape.kg <= 16 * vectors_for(work.shape.kg)) /* one panel */
        return work;
    return (tile_work){*s, direction, 1};
}

static size_t packed_bytes(const conv2d_shape *s, conv2d_direction direction)
{
    const tile_work work = work_of(s, direction);
    const int kb = 16 * vectors_for(result_channels(&work.shape, work.direction));
    return sizeof(float) * conv2d_packed_floats(&work.shape, work.direction, kb);
}

static size_t tile_prepared(const limn_device_limits *limits, const conv2d_shape *s)
{
    (void)limits;
    return packed_bytes(s, CONV2D_FORWARD);
}

static limn_status tile_prepare(const conv2d_call *call)
{
    return conv2d_pack(call, CONV2D_FORWARD, vectors_for(call->shape->kg));
}

/* With few channels the gathering of pixels would cost more than it saves. */
static bool in_slices(const conv2d_shape *s)
{
    return s->cg >= SLICE_CHANNELS;
}

static size_t tile_scratch(const limn_device_limits *limits, const conv2d_shape *s,
                           conv2d_direction direction)
{
    (void)limits;
    if (direction == CONV2D_FILTER)
        return in_slices(s) ? conv2d_slices_scratch(s) : sizeof(float) * filter_floats(s);
    return direction == CONV2D_DATA ? packed_bytes(s, direction) : 0;
}

static const char *tile_accepts(const limn_device_limits *limits, const conv2d_shape *s,
                                conv2d_direction direction)
{
    if (!limits->is_cpu)
        return "the device is not a CPU";
    if (s->groups > 1 && result_channels(s, direction) < FEWEST_CHANNELS)
        return "a group has fewer than 8 channels";
    if (direction == CONV2D_DATA && (int64_t)s->h.stride * s->w.stride > MAX_CLASSES)
        return "the strides make more than 64 classes of pixels";
    const size_t bytes =
        direction == CONV2D_FORWARD ? tile_prepared(limits, s) : tile_scratch(limits, s, direction);
    if (bytes / sizeof(float) > INT32_MAX)
        return "the filters are too large";
    return NULL;
}

/* Whether no tap of a class falls outside along one axis. */
static bool axis_inside(const conv2d_class *c, int size)
{
    const int low = c->first + (c->step < 0 ? c->step * (c->taps - 1) : 0);
    const int high =
        c->mul * (c->count - 1) + c->first + (c->step > 0 ? c->step * (c->taps - 1) : 0);
    return low >= 0 && high < size;
}

/* Tiles of a work-item: what its part of x leaves room for, unless the items become few. */
static int run_of(const conv2d_shape *s, conv2d_direction direction, const conv2d_class *h,
                  const conv2d_class *w, int mr, size_t panels)
{
    const int64_t tiles = ((int64_t)s->n * h->count * w->count + mr - 1) / mr;
    const int64_t taps = (int64_t)h->taps * w->taps,
                  depth = direction == CONV2D_DATA ? s->kg : s->cg;
    int64_t run = RUN_BYTES / ((int64_t)sizeof(float) * mr * depth * (taps > 0 ? taps : 1));
    const int64_t even = tiles * (int64_t)panels / FEWEST_ITEMS;
    run = run < even ? run : even;
    return run < 1 ? 1 : run > MOST_RUN ? MOST_RUN : (int)run;
}

/* Forward, or the gradient of the input: one launch for each class of pixels. */
static limn_status run_tiles(const conv2d_call *call, conv2d_direction wanted)
{
    const tile_work work = work_of(call->shape, wanted);
    const conv2d_shape *s = &work.shape;
    const conv2d_direction direction = work.direction;
    const int channels = result_channels(s, direction), nv = vectors_for(channels), kb = 16 * nv;
    const int mr = pixels_for(nv);
    const size_t panels = (size_t)s->groups * (size_t)((channels + kb - 1) / kb);
    const bool stream = channels % kb == 0 && limn_streams(limn_buffer_size(call->result));
    char defines[48];
    snprintf(defines, sizeof(defines), "-DMR=%d -DNV=%d", mr, nv);
    limn_status status = LIMN_OK;
    if (wanted == CONV2D_DATA)
        status = direction == CONV2D_DATA ? conv2d_pack(call, direction, nv)
                                          : conv2d_pack_merged(call, s, nv);
    const int h_count = conv2d_class_count(&s->h, direction);
    const int w_count = conv2d_class_count(&s->w, direction);
    for (int i = 0; i < h_count * w_count && status == LIMN_OK; i++) {
        const conv2d_class h = conv2d_class_make(&s->h, direction, i / w_count);
        const conv2d_class w = conv2d_class_make(&s->w, direction, i % w_count);
        const bool skips = h.taps * w.taps > 1 && h.count * w.count <= SMALL_IMAGE;
        const size_t pixels = (size_t)s->n * (size_t)h.count * (size_t)w.count;
        if (pixels == 0)
            continue;
        const int run = run_of(s, direction, &h, &w, mr, panels);
        const bool data = direction == CONV2D_DATA;
        const bool inside = axis_inside(&h, data ? s->h.out : s->h.in) &&
                            axis_inside(&w, data ? s->w.out : s->w.in);
        limn_arg args[8 + CONV2D_EPILOGUE_ARGS + CONV2D_CLASS_ARGS] = {
            limn_in(wanted == CONV2D_DATA ? call->dy : call->x),
            limn_in(wanted == CONV2D_DATA ? call->scratch : call->prepared),
            conv2d_result_arg(call)};
        conv2d_epilogue_args(call, args + 3);
        limn_arg *rest = args + 3 + CONV2D_EPILOGUE_ARGS;
        rest[0] = limn_int(skips && s->n >= FEWEST_IMAGES);
        rest[1] = limn_int(inside);
        rest[2] = limn_int(stream);
        rest[3] = limn_int(run);
        rest[4] = limn_int(work.rows);
        conv2d_class_args(s, direction, kb, &h, &w, rest + 5);
        const size_t step = (size_t)mr * (size_t)run;
        const limn_grid grid = {{panels, (pixels + step - 1) / step, 1}, {1, 1, 1}};
        status = limn_launch(call->device, "conv2d_tile", defines, grid, args,
                             sizeof(args) / sizeof(args[0]));
    }
    return status;
}

/* One launch of conv2d_filter over images n0 .. n1 and a range of blocks. */
static limn_status add_images(const conv2d_call *call, int n0, int n1, int lanes, int block0,
                              int block_count, int blocks)
{
    const conv2d_shape *s = call->shape;
    const int mc = filter_channels(s);
    const limn_grid grid = {
        {(size_t)(s->cg / mc) * (size_t)s->taps * (size_t)block_count * (size_t)s->groups, 1, 1},
        {1, 1, 1}};
    char defines[64];
    snprintf(defines, sizeof(defines), "-DMC=%d -DNV=%d -DLANES=%d", mc, filter_vectors(s), lanes);
    return LIMN_LAUNCH(call->device, "conv2d_filter", defines, grid, limn_in(call->x),
                       limn_in(call->dy), limn_inout(call->scratch), limn_int(n0 > 0), limn_int(n0),
                       limn_int(n1), limn_int(s->groups), limn_int(block0), limn_int(block_count),
                       limn_int(blocks), limn_int(s->h.in), limn_int(s->w.in), limn_int(s->cg),
                       limn_int(s->h.out), limn_int(s->w.out), limn_int(s->kg),
                       limn_int(s->h.kernel), limn_int(s->w.kernel), limn_int(s->h.stride),
                       limn_int(s->h.pad), limn_int(s->h.dilation), limn_int(s->w.stride),
                       limn_int(s->w.pad), limn_int(s->w.dilation));
}

static limn_status run_filter(const conv2d_call *call)
{
    const conv2d_shape *s = call->shape;
    const int nv = filter_vectors(s), kb = 16 * nv;
    const int whole = s->kg / kb, rest = s->kg % kb, blocks = whole + (rest > 0);
    const double image = sizeof(float) * s->groups *
                         ((double)s->cg * s->h.in * s->w.in + (double)s->kg * s->h.out * s->w.out);
    const int64_t by_bytes = (int64_t)(CHUNK_BYTES / image) + 1;
    const int64_t by_pixels = CHUNK_PIXELS / ((int64_t)s->h.out * s->w.out) + 1;
    const int64_t chunk = by_bytes > by_pixels ? by_bytes : by_pixels;
    for (int64_t n0 = 0; n0 < s->n; n0 += chunk) {
        const int n1 = n0 + chunk < s->n ? (int)(n0 + chunk) : s->n;
        limn_status status = LIMN_OK;
        if (whole > 0)
            status = add_images(call, (int)n0, n1, 16, 0, whole, blocks);
        if (status == LIMN_OK && rest > 0)
            status = add_images(call, (int)n0, n1, rest, whole, 1, blocks);
        if (status != LIMN_OK)
            return status;
    }
    const limn_grid grid = {{(size_t)s->cg, (size_t)s->groups * (size_t)blocks, 1}, {1, 1, 1}};
    char defines[32];
    snprintf(defines, sizeof(defines), "-DMC=%d -DNV=%d", filter_channels(s), nv);
    return LIMN_LAUNCH(call->device, "conv2d_filter_unpack", defines, grid, limn_in(call->scratch),
                       limn_out(call->result), limn_int(s->groups * blocks), limn_int(blocks),
                       limn_int(s->kg), limn_int(s->cg), limn_int(s->taps));
}

static limn_status tile_run(const conv2d_call *call, conv2d_direction direction)
{
    if (direction != CONV2D_FILTER)
        return run_tiles(call, direction);
    return in_slices(call->shape) ? conv2d_slices_run(call) : run_filter(call);
}

const conv2d_impl conv2d_tile = {.name = "tile",
                                 .accepts = tile_accepts,
                                 .scratch = tile_scratch,
                                 .run = tile_run,
                                 .growth = 1,
                                 .prepared = tile_prepared,
                                 .prepare = tile_prepare};
