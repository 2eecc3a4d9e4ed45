/* CPU devices: every channel a group of its own, 16 channels side by side. */
#include "ops/conv2d/conv2d.h"

enum {
    MOST_TAPS = 64,     /* as in cl/conv2d/depthwise.cl */
    MOST_RUN = 512,     /* channels of a work-item: a multiple of 16 */
    FEWEST_ITEMS = 128, /* worth having, so that many cores share the work evenly */
    SLICE_ROWS = 8      /* that the sums of a slice are worth */
};

static size_t vectors_of(const conv2d_shape *s)
{
    return ((size_t)s->groups + 15) / 16;
}

/* Rows of dy that one work-item sums; depends on the shape alone, so the order of the sums does. */
static int slice_rows(const conv2d_shape *s)
{
    const int rows = s->n * s->h.out;
    const int slices = FEWEST_ITEMS / (int)vectors_of(s) + 1;
    const int even = (rows + slices - 1) / slices;
    return even > SLICE_ROWS ? even : SLICE_ROWS;
}

static size_t slice_count(const conv2d_shape *s)
{
    return (size_t)((s->n * s->h.out - 1) / slice_rows(s) + 1);
}

static size_t packed_bytes(const conv2d_shape *s)
{
    return sizeof(float) * 16 * vectors_of(s) * (1 + (size_t)s->taps);
}

static const char *depthwise_accepts(const limn_device_limits *limits, const conv2d_shape *s,
                                     conv2d_direction direction)
{
    (void)direction;
    if (!limits->is_cpu)
        return "the device is not a CPU";
    if (s->cg != 1 || s->kg != 1)
        return "a channel is not a group of its own";
    return s->taps > MOST_TAPS ? "a filter has more than 64 taps" : NULL;
}

static size_t depthwise_scratch(const limn_device_limits *limits, const conv2d_shape *s,
                                conv2d_direction direction)
{
    (void)limits;
    if (direction == CONV2D_FILTER)
        return sizeof(float) * 16 * vectors_of(s) * (size_t)s->taps * slice_count(s);
    return direction == CONV2D_DATA ? packed_bytes(s) : 0;
}

static size_t depthwise_prepared(const limn_device_limits *limits, const conv2d_shape *s)
{
    (void)limits;
    return packed_bytes(s);
}

static limn_status pack(const conv2d_call *call, limn_buffer *to)
{
    const conv2d_shape *s = call->shape;
    const limn_grid grid = {{vectors_of(s), 1, 1}, {1, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_depthwise_pack", "", grid, limn_in(call->w),
                       limn_in(call->bias ? call->bias : call->w), limn_out(to),
                       limn_int(call->bias != NULL), limn_int(s->groups), limn_int(s->taps));
}

static limn_status depthwise_prepare(const conv2d_call *call)
{
    return pack(call, call->prepared);
}

static limn_status run_rows(const conv2d_call *call, bool data)
{
    const conv2d_shape *s = call->shape;
    const limn_buffer *packed = data ? call->scratch : call->prepared;
    const limn_status status = data ? pack(call, call->scratch) : LIMN_OK;
    if (status != LIMN_OK)
        return status;
    const int run = s->groups < MOST_RUN ? s->groups : MOST_RUN;
    const int rows = data ? s->h.in : s->h.out, columns = data ? s->w.in : s->w.out;
    limn_arg args[3 + CONV2D_EPILOGUE_ARGS + 16] = {limn_in(data ? call->dy : call->x),
                                                    limn_in(packed), conv2d_result_arg(call)};
    conv2d_epilogue_args(call, args + 3);
    const int values[16] = {data,
                            run,
                            s->n,
                            s->groups,
                            data ? s->h.out : s->h.in,
                            data ? s->w.out : s->w.in,
                            rows,
                            columns,
                            s->h.kernel,
                            s->w.kernel,
                            s->h.stride,
                            s->h.pad,
                            s->h.dilation,
                            s->w.stride,
                            s->w.pad,
                            s->w.dilation};
    for (int i = 0; i < 16; i++)
        args[3 + CONV2D_EPILOGUE_ARGS + i] = limn_int(values[i]);
    const limn_grid grid = {{(size_t)((s->groups + run - 1) / run), (size_t)s->n * (size_t)rows, 1},
                            {1, 1, 1}};
    return limn_launch(call->device, "conv2d_depthwise", "", grid, args,
                       sizeof(args) / sizeof(args[0]));
}

static limn_status run_filter(const conv2d_call *call)
{
    const conv2d_shape *s = call->shape;
    const size_t slices = slice_count(s);
    const limn_grid grid = {{vectors_of(s), slices, 1}, {1, 1, 1}};
    const limn_status status = LIMN_LAUNCH(
        call->device, "conv2d_depthwise_filter", "", grid, limn_in(call->x), limn_in(call->dy),
        limn_out(call->scratch), limn_int(slice_rows(s)), limn_int(s->n), limn_int(s->groups),
        limn_int(s->h.in), limn_int(s->w.in), limn_int(s->h.out), limn_int(s->w.out),
        limn_int(s->h.kernel), limn_int(s->w.kernel), limn_int(s->h.stride), limn_int(s->h.pad),
        limn_int(s->h.dilation), limn_int(s->w.stride), limn_int(s->w.pad),
        limn_int(s->w.dilation));
    if (status != LIMN_OK)
        return status;
    const limn_grid sum = {{vectors_of(s), 1, 1}, {1, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_depthwise_sum", "", sum, limn_in(call->scratch),
                       limn_out(call->result), limn_int((int64_t)slices), limn_int(s->groups),
                       limn_int(s->taps));
}

static limn_status depthwise_run(const conv2d_call *call, conv2d_direction direction)
{
    return direction == CONV2D_FILTER ? run_filter(call) : run_rows(call, direction == CONV2D_DATA);
}

const conv2d_impl conv2d_depthwise = {.name = "depthwise",
                                      .accepts = depthwise_accepts,
                                      .scratch = depthwise_scratch,
                                      .run = depthwise_run,
                                      .growth = 1,
                                      .prepared = depthwise_prepared,
                                      .prepare = depthwise_prepare};
