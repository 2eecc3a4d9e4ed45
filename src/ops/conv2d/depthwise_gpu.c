/* GPUs: every channel a group of its own, work-items side by side along the channels. */
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

enum {
    GROUP = 64, /* work-items: rows are short, larger groups would be partly empty */
    MOST_TAPS = 64,
    MOST_CLASSES = 256,    /* launches that one gradient of the input may take */
    MOST_WIDE = 4,         /* pixels of a work-item */
    MOST_WINDOW = 16,      /* values of the source it may hold for more pixels than one */
    ITEMS_PER_UNIT = 2048, /* work-items a compute unit is to have, filter gradient */
    SLICE_ROWS = 4,        /* that the sums of a slice are worth */
    MOST_SLICES = 512      /* that one work-item adds */
};

/* What is known when the kernels are compiled: TAPS of a row, how far their window MOVEs from pixel
 * to pixel, how WIDE a work-item is. */
typedef struct row_form {
    int taps, move, wide;
} row_form;

/* Of pixels that lie `mul` apart in the source and whose taps lie `step` apart. */
static row_form form_of(int taps, int mul, int step)
{
    const int move = mul / step;
    const bool shares = mul % step == 0 && (MOST_WIDE - 1) * (int64_t)move + taps <= MOST_WINDOW;
    return shares ? (row_form){taps, move, MOST_WIDE} : (row_form){taps, 1, 1};
}

static void define(row_form form, char *text, size_t size)
{
    snprintf(text, size, "-DTAPS=%d -DMOVE=%d -DWIDE=%d", form.taps, form.move, form.wide);
}

/* Rows of dy that one work-item sums: enough slices to fill the device. */
static int slice_rows(const limn_device_limits *limits, const conv2d_shape *s)
{
    const int64_t rows = (int64_t)s->n * s->h.out, items = (int64_t)s->groups * s->h.kernel;
    int64_t slices = (int64_t)ITEMS_PER_UNIT * limits->compute_units / items + 1;
    if (slices > MOST_SLICES)
        slices = MOST_SLICES;
    const int64_t even = (rows + slices - 1) / slices;
    return (int)(even > SLICE_ROWS ? even : SLICE_ROWS);
}

static size_t slice_count(const limn_device_limits *limits, const conv2d_shape *s)
{
    return (size_t)((s->n * s->h.out - 1) / slice_rows(limits, s) + 1);
}

static size_t packed_floats(const conv2d_shape *s)
{
    return (size_t)s->groups * (1 + (size_t)s->taps);
}

static const char *depthwise_accepts(const limn_device_limits *limits, const conv2d_shape *s,
                                     conv2d_direction direction)
{
    if (limits->max_work_group < GROUP || limits->max_work_item[0] < GROUP)
        return "the device runs no group of 64 work-items";
    if (s->cg != 1 || s->kg != 1)
        return "a channel is not a group of its own";
    if (s->taps > MOST_TAPS)
        return "a filter has more than 64 taps";
    if (direction == CONV2D_DATA && (int64_t)s->h.stride * s->w.stride > MOST_CLASSES)
        return "the strides make more than 256 classes of pixels";
    return packed_floats(s) > INT32_MAX ? "the filters are too large" : NULL;
}

static size_t depthwise_scratch(const limn_device_limits *limits, const conv2d_shape *s,
                                conv2d_direction direction)
{
    if (direction == CONV2D_FILTER)
        return sizeof(float) * slice_count(limits, s) * (size_t)s->taps * (size_t)s->groups;
    return direction == CONV2D_DATA ? sizeof(float) * packed_floats(s) : 0;
}

static size_t depthwise_prepared(const limn_device_limits *limits, const conv2d_shape *s)
{
    (void)limits;
    return sizeof(float) * packed_floats(s);
}

static limn_status pack(const conv2d_call *call, limn_buffer *to)
{
    const conv2d_shape *s = call->shape;
    const limn_grid grid = {{(size_t)s->groups, 1 + (size_t)s->taps, 1}, {GROUP, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_depthwise_gpu_pack", "", grid, limn_in(call->w),
                       limn_in(call->bias ? call->bias : call->w), limn_out(to),
                       limn_int(call->bias != NULL), limn_int(s->groups), limn_int(s->taps));
}

static limn_status depthwise_prepare(const conv2d_call *call)
{
    return pack(call, call->prepared);
}

/* The same taps from the other end, where they run against the source; one that is never read where
 * there is none. */
static void straighten(conv2d_class *c)
{
    if (c->taps == 0)
        *c = (conv2d_class){.count = c->count, .cls = c->cls, .out = c->out, .mul = 1, .step = 1};
    if (c->step >= 0)
        return;
    c->first += c->step * (c->taps - 1);
    c->tap_first += c->tap_step * (c->taps - 1);
    c->step = -c->step;
    c->tap_step = -c->tap_step;
}

static limn_status run_class(const conv2d_call *call, bool data, const conv2d_class *h,
                             const conv2d_class *w)
{
    const conv2d_shape *s = call->shape;
    const row_form form = form_of(w->taps > 0 ? w->taps : 1, w->mul, w->step);
    char defines[64];
    define(form, defines, sizeof defines);
    enum { VALUES = 22 };
    const int values[VALUES] = {
        s->n,
        s->groups,
        data ? s->h.out : s->h.in,
        data ? s->w.out : s->w.in,
        data ? s->h.in : s->h.out,
        data ? s->w.in : s->w.out,
        s->w.kernel,
        h->count,
        h->mul,
        h->first,
        h->step,
        h->tap_first,
        h->tap_step,
        w->taps > 0 ? h->taps : 0,
        h->cls,
        h->out,
        w->count,
        w->mul,
        w->first,
        w->step,
        w->tap_first,
        w->tap_step,
    };
    limn_arg args[3 + CONV2D_EPILOGUE_ARGS + VALUES + 2] = {
        limn_in(data ? call->dy : call->x), limn_in(data ? call->scratch : call->prepared),
        conv2d_result_arg(call)};
    limn_arg *next = args + 3;
    conv2d_epilogue_args(call, next);
    next += CONV2D_EPILOGUE_ARGS;
    for (int i = 0; i < VALUES; i++)
        *next++ = limn_int(values[i]);
    *next++ = limn_int(w->cls);
    *next++ = limn_int(w->out);
    const size_t runs = (size_t)((w->count + form.wide - 1) / form.wide);
    const limn_grid grid = {{runs * (size_t)s->groups, (size_t)s->n * (size_t)h->count, 1},
                            {GROUP, 1, 1}};
    return h->count > 0 ? limn_launch(call->device, "conv2d_depthwise_gpu", defines, grid, args,
                                      sizeof(args) / sizeof(args[0]))
                        : LIMN_OK;
}

static limn_status run_classes(const conv2d_call *call, conv2d_direction direction)
{
    const conv2d_shape *s = call->shape;
    const bool data = direction == CONV2D_DATA;
    const int h_count = conv2d_class_count(&s->h, direction);
    const int w_count = conv2d_class_count(&s->w, direction);
    limn_status status = data ? pack(call, call->scratch) : LIMN_OK;
    for (int i = 0; i < h_count * w_count && status == LIMN_OK; i++) {
        const conv2d_class h = conv2d_class_make(&s->h, direction, i / w_count);
        conv2d_class w = conv2d_class_make(&s->w, direction, i % w_count);
        straighten(&w);
        status = run_class(call, data, &h, &w);
    }
    return status;
}

static limn_status run_filter(const conv2d_call *call)
{
    const conv2d_shape *s = call->shape;
    const limn_device_limits *limits = limn_device_get_limits(call->device);
    const size_t slices = slice_count(limits, s);
    char defines[64];
    define(form_of(s->w.kernel, s->w.stride, s->w.dilation), defines, sizeof defines);
    const limn_grid grid = {{(size_t)s->groups * (size_t)s->h.kernel, slices, 1}, {GROUP, 1, 1}};
    const limn_status status =
        LIMN_LAUNCH(call->device, "conv2d_depthwise_gpu_filter", defines, grid, limn_in(call->x),
                    limn_in(call->dy), limn_out(call->scratch), limn_int(slice_rows(limits, s)),
                    limn_int(s->n), limn_int(s->groups), limn_int(s->h.in), limn_int(s->w.in),
                    limn_int(s->h.out), limn_int(s->w.out), limn_int(s->h.kernel),
                    limn_int(s->h.stride), limn_int(s->h.pad), limn_int(s->h.dilation),
                    limn_int(s->w.stride), limn_int(s->w.pad), limn_int(s->w.dilation));
    if (status != LIMN_OK)
        return status;
    const limn_grid sum = {{(size_t)s->groups, (size_t)s->taps, 1}, {GROUP, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_depthwise_gpu_sum", "", sum, limn_in(call->scratch),
                       limn_out(call->result), limn_int((int64_t)slices), limn_int(s->groups),
                       limn_int(s->taps));
}

static limn_status depthwise_run(const conv2d_call *call, conv2d_direction direction)
{
    return direction == CONV2D_FILTER ? run_filter(call) : run_classes(call, direction);
}

const conv2d_impl conv2d_depthwise_gpu = {.name = "depthwise-gpu",
                                          .accepts = depthwise_accepts,
                                          .scratch = depthwise_scratch,
                                          .run = depthwise_run,
                                          .growth = 1,
                                          .prepared = depthwise_prepared,
                                          .prepare = depthwise_prepare,
                                          .for_gpus = true};
