/* GPUs: implicit matrix products with tiles in local memory. */
#include "ops/conv2d/conv2d.h"
#include "ops/matrix_units.h"

#include <stdio.h>

enum {
    STEP = 16,           /* terms of the sum in local memory at a time */
    MAX_CLASSES = 256,   /* launches that one gradient of the input may take */
    GROUPS_PER_UNIT = 8, /* work-groups a compute unit is to have, filter gradient */
    SLICE_PIXELS = 256,  /* fewest pixels of a slice of the filter gradient */
    HEAD = 16, /* floats before its partial sums: the amax of dy, and what aligns the sums */
    MAX_PART_BYTES = 64 * 1024 * 1024
};

/* What a row of the table of implementations stands for. */
typedef struct local_kind {
    int each;    /* 4: few registers; 8: half the reads of local memory, in whole vectors only */
    bool half;   /* pixels, filters and gradients in half precision */
    bool matrix; /* and their products by matrix units */
} local_kind;

/* A group has side x side work-items, each of which holds each x each elements of the result. */
typedef struct local_form {
    int side, each, tile;
    bool half, matrix;
} local_form;

/* The larger group that the device can run, or one of side 0. */
static local_form form_for(const limn_device_limits *limits, local_kind kind)
{
    for (int side = kind.each == 8 ? 8 : 16; side >= 8; side /= 2) {
        const size_t group = (size_t)side * (size_t)side;
        const uint64_t local = sizeof(float) * STEP * (2 * (uint64_t)(kind.each * side + 4) + 4);
        if (group <= limits->max_work_group && group <= limits->max_work_item[0] &&
            local <= limits->local_memory)
            return (local_form){side, kind.each, kind.each * side, kind.half, kind.matrix};
    }
    return (local_form){.side = 0};
}

static size_t tiles(int count, const local_form *f)
{
    return (size_t)((count + f->tile - 1) / f->tile);
}

/* Whether four neighbours of everything that is read can be read as one. */
static bool in_fours(const conv2d_shape *s, conv2d_direction direction)
{
    return (direction == CONV2D_DATA || s->cg % 4 == 0) &&
           (direction == CONV2D_FORWARD || s->kg % 4 == 0);
}

static void define(const limn_device_limits *limits, const local_form *f, const conv2d_shape *s,
                   conv2d_direction direction, char *text, size_t size)
{
    char matrix[24] = "";
    if (f->matrix)
        limn_matrix_define(limits, matrix, sizeof matrix);
    snprintf(text, size, "-DSIDE=%d -DEACH=%d -DLOAD=%d%s%s%s", f->side, f->each,
             in_fours(s, direction) ? 4 : 1, f->half ? " -DHALF=1" : "", matrix,
             f->half && direction == CONV2D_DATA ? " -DRAISE=1" : "");
}

static size_t columns_of(const conv2d_shape *s)
{
    return (size_t)s->taps * (size_t)s->cg;
}

/* Pixels of one slice of the filter gradient: enough slices to fill the device, each long enough
 * to be worth its partial sums, a multiple of STEP. */
static int slice_pixels(const limn_device_limits *limits, const conv2d_shape *s,
                        const local_form *f)
{
    const int pixels = s->n * s->h.out * s->w.out;
    const size_t groups = (size_t)s->groups * tiles(s->kg, f) * tiles((int)columns_of(s), f);
    const size_t bytes = sizeof(float) * (size_t)s->groups * (size_t)s->kg * columns_of(s);
    size_t slices = GROUPS_PER_UNIT * (size_t)limits->compute_units / groups + 1;
    if (slices > MAX_PART_BYTES / bytes)
        slices = MAX_PART_BYTES / bytes;
    if (slices > (size_t)(pixels / SLICE_PIXELS))
        slices = (size_t)(pixels / SLICE_PIXELS);
    if (slices < 1)
        slices = 1;
    const size_t per = ((size_t)pixels + slices - 1) / slices;
    return (int)((per + STEP - 1) / STEP * STEP);
}

static size_t slice_count(const limn_device_limits *limits, const conv2d_shape *s,
                          const local_form *f)
{
    const int per = slice_pixels(limits, s, f), pixels = s->n * s->h.out * s->w.out;
    return (size_t)((pixels - 1) / per + 1);
}

static size_t packed_bytes(const limn_device_limits *limits, const conv2d_shape *s,
                           conv2d_direction direction, local_kind kind)
{
    const int kb = form_for(limits, kind).tile;
    return kind.half ? conv2d_packed_half_bytes(s, direction, kb)
                     : sizeof(float) * conv2d_packed_floats(s, direction, kb);
}

static size_t prepared(const limn_device_limits *limits, const conv2d_shape *s, local_kind kind)
{
    return packed_bytes(limits, s, CONV2D_FORWARD, kind);
}

static limn_status prepare(const conv2d_call *call, local_kind kind)
{
    const local_form f = form_for(limn_device_get_limits(call->device), kind);
    return conv2d_local_pack(call, CONV2D_FORWARD, f.tile, f.half);
}

static size_t scratch(const limn_device_limits *limits, const conv2d_shape *s,
                      conv2d_direction direction, local_kind kind)
{
    const local_form f = form_for(limits, kind);
    if (direction == CONV2D_FILTER)
        return sizeof(float) * (HEAD + slice_count(limits, s, &f) * (size_t)s->groups *
                                           (size_t)s->kg * columns_of(s));
    return direction == CONV2D_DATA ? packed_bytes(limits, s, direction, kind) : 0;
}

static const char *refusal(const limn_device_limits *limits, const conv2d_shape *s,
                           conv2d_direction direction, local_kind kind)
{
    if (kind.each == 8 && !in_fours(s, direction))
        return "the channels are not a multiple of 4";
    if (form_for(limits, kind).side == 0)
        return kind.each == 8
                   ? "the device runs no group of 64 work-items with 9 KiB of local memory"
                   : "the device runs no group of 64 work-items with 5 KiB of local memory";
    if (direction == CONV2D_DATA && (int64_t)s->h.stride * s->w.stride > MAX_CLASSES)
        return "the strides make more than 256 classes of pixels";
    if (s->groups > 1 && (direction == CONV2D_DATA ? s->cg : s->kg) < 8)
        return "a group has fewer than 8 channels";
    if (conv2d_packed_floats(s, direction, 64) > INT32_MAX)
        return "the filters are too large";
    return NULL;
}

static limn_status run_classes(const conv2d_call *call, conv2d_direction direction,
                               const local_form *f)
{
    const conv2d_shape *s = call->shape;
    const int kb = f->tile;
    const size_t group = (size_t)f->side * (size_t)f->side;
    const size_t blocks = tiles(direction == CONV2D_DATA ? s->cg : s->kg, f);
    char defines[96];
    define(limn_device_get_limits(call->device), f, s, direction, defines, sizeof defines);
    const limn_buffer *packed = direction == CONV2D_DATA ? call->scratch : call->prepared;
    limn_status status =
        direction == CONV2D_DATA ? conv2d_local_pack(call, direction, kb, f->half) : LIMN_OK;
    if (status != LIMN_OK)
        return status;
    const int h_count = conv2d_class_count(&s->h, direction);
    const int w_count = conv2d_class_count(&s->w, direction);
    for (int i = 0; i < h_count * w_count; i++) {
        const conv2d_class h = conv2d_class_make(&s->h, direction, i / w_count);
        const conv2d_class w = conv2d_class_make(&s->w, direction, i % w_count);
        limn_arg args[3 + CONV2D_EPILOGUE_ARGS + CONV2D_CLASS_ARGS] = {
            limn_in(direction == CONV2D_DATA ? call->dy : call->x), limn_in(packed),
            conv2d_result_arg(call)};
        conv2d_epilogue_args(call, args + 3);
        conv2d_class_args(s, direction, kb, &h, &w, args + 3 + CONV2D_EPILOGUE_ARGS);
        const limn_grid grid = {
            {tiles(s->n * h.count * w.count, f) * group, (size_t)s->groups * blocks, 1},
            {group, 1, 1}};
        status = limn_launch(call->device, "conv2d_local", defines, grid, args,
                             sizeof(args) / sizeof(args[0]));
        if (status != LIMN_OK)
            return status;
    }
    return LIMN_OK;
}

static limn_status run_filter(const conv2d_call *call, const local_form *f)
{
    const conv2d_shape *s = call->shape;
    const limn_device_limits *limits = limn_device_get_limits(call->device);
    const size_t group = (size_t)f->side * (size_t)f->side, slices = slice_count(limits, s, f);
    const size_t k_count = (size_t)s->groups * (size_t)s->kg;
    const limn_grid grid = {
        {(size_t)s->groups * tiles(s->kg, f) * tiles((int)columns_of(s), f) * group, slices, 1},
        {group, 1, 1}};
    char defines[96];
    define(limits, f, s, CONV2D_FILTER, defines, sizeof defines);
    const limn_status status =
        LIMN_LAUNCH(call->device, "conv2d_local_filter", defines, grid, limn_in(call->x),
                    limn_in(call->dy), limn_inout(call->scratch), limn_int(HEAD), limn_int(s->n),
                    limn_int(slice_pixels(limits, s, f)), limn_int(s->groups), limn_int(s->h.in),
                    limn_int(s->w.in), limn_int(s->cg), limn_int(s->h.out), limn_int(s->w.out),
                    limn_int(s->kg), limn_int(s->h.kernel), limn_int(s->w.kernel),
                    limn_int(s->h.stride), limn_int(s->h.pad), limn_int(s->h.dilation),
                    limn_int(s->w.stride), limn_int(s->w.pad), limn_int(s->w.dilation));
    if (status != LIMN_OK)
        return status;
    const limn_grid sum = {{columns_of(s), k_count, 1}, {0, 0, 0}};
    return LIMN_LAUNCH(call->device, "conv2d_local_filter_sum", defines, sum,
                       limn_in(call->scratch), limn_out(call->result), limn_int(HEAD),
                       limn_int((int64_t)slices), limn_int((int64_t)k_count), limn_int(s->cg),
                       limn_int(s->taps));
}

static limn_status run(const conv2d_call *call, conv2d_direction direction, local_kind kind)
{
    const local_form f = form_for(limn_device_get_limits(call->device), kind);
    return direction == CONV2D_FILTER ? run_filter(call, &f) : run_classes(call, direction, &f);
}

/* ---- rows of the table ---------------------------------------------------------------------- */

/* The functions of a row: those above for its kind. */
#define LOCAL_FUNCTIONS(name, ...)                                                                 \
    static size_t name##_prepared(const limn_device_limits *limits, const conv2d_shape *s)         \
    {                                                                                              \
        return prepared(limits, s, (local_kind)__VA_ARGS__);                                       \
    }                                                                                              \
    static limn_status name##_prepare(const conv2d_call *call)                                     \
    {                                                                                              \
        return prepare(call, (local_kind)__VA_ARGS__);                                             \
    }                                                                                              \
    static size_t name##_scratch(const limn_device_limits *limits, const conv2d_shape *s,          \
                                 conv2d_direction direction)                                       \
    {                                                                                              \
        return scratch(limits, s, direction, (local_kind)__VA_ARGS__);                             \
    }                                                                                              \
    static const char *name##_accepts(const limn_device_limits *limits, const conv2d_shape *s,     \
                                      conv2d_direction direction)                                  \
    {                                                                                              \
        return refusal(limits, s, direction, (local_kind)__VA_ARGS__);                             \
    }                                                                                              \
    static limn_status name##_run(const conv2d_call *call, conv2d_direction direction)             \
    {                                                                                              \
        return run(call, direction, (local_kind)__VA_ARGS__);                                      \
    }

LOCAL_FUNCTIONS(local, {.each = 4})
LOCAL_FUNCTIONS(wide, {.each = 8})
LOCAL_FUNCTIONS(half, {.each = 8, .half = true})
LOCAL_FUNCTIONS(matrix, {.each = 8, .half = true, .matrix = true})

const conv2d_impl conv2d_local = {.name = "local",
                                  .accepts = local_accepts,
                                  .scratch = local_scratch,
                                  .run = local_run,
                                  .growth = 1,
                                  .prepared = local_prepared,
                                  .prepare = local_prepare,
                                  .for_gpus = true};

const conv2d_impl conv2d_local_wide = {.name = "local-wide",
                                       .accepts = wide_accepts,
                                       .scratch = wide_scratch,
                                       .run = wide_run,
                                       .growth = 1,
                                       .prepared = wide_prepared,
                                       .prepare = wide_prepare,
                                       .for_gpus = true,
                                       .worth_channels = 32};

const conv2d_impl conv2d_local_half = {.name = "local-half",
                                       .accepts = half_accepts,
                                       .scratch = half_scratch,
                                       .run = half_run,
                                       .growth = 1,
                                       .prepared = half_prepared,
                                       .prepare = half_prepare,
                                       .for_gpus = true,
                                       .worth_channels = 32,
                                       .half = true};

const conv2d_impl conv2d_local_matrix = {.name = "local-matrix",
                                         .accepts = matrix_accepts,
                                         .scratch = matrix_scratch,
                                         .run = matrix_run,
                                         .growth = 1,
                                         .prepared = matrix_prepared,
                                         .prepare = matrix_prepare,
                                         .for_gpus = true,
                                         .worth_channels = 32,
                                         .half = true,
                                         .for_matrix_units = true};
