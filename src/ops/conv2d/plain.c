/* One work-item computes one element: for every shape and device. */
#include "ops/conv2d/conv2d.h"

static const char *plain_accepts(const limn_device_limits *limits, const conv2d_shape *shape,
                                 conv2d_direction direction)
{
    (void)limits, (void)shape, (void)direction;
    return NULL;
}

static size_t plain_scratch(const limn_device_limits *limits, const conv2d_shape *shape,
                            conv2d_direction direction)
{
    (void)limits, (void)shape, (void)direction;
    return 0;
}

enum { SHAPE_ARGS = 16 };

static void shape_args(const conv2d_shape *s, limn_arg *args)
{
    const int values[SHAPE_ARGS] = {
        s->n,          s->h.in,     s->w.in,     s->cg,         s->h.out,    s->w.out,
        s->kg,         s->groups,   s->h.kernel, s->w.kernel,   s->h.stride, s->h.pad,
        s->h.dilation, s->w.stride, s->w.pad,    s->w.dilation,
    };
    for (int i = 0; i < SHAPE_ARGS; i++)
        args[i] = limn_int(values[i]);
}

static limn_status plain_run(const conv2d_call *call, conv2d_direction direction)
{
    const conv2d_shape *s = call->shape;
    const size_t c = (size_t)s->groups * (size_t)s->cg, k = (size_t)s->groups * (size_t)s->kg;
    limn_arg args[5 + CONV2D_EPILOGUE_ARGS + SHAPE_ARGS];
    size_t count = 0;
    limn_grid grid = {{1, 1, 1}, {0, 0, 0}};
    const char *kernel = NULL;
    switch (direction) {
    case CONV2D_FORWARD:
        kernel = "conv2d_plain_forward";
        args[count++] = limn_in(call->x);
        args[count++] = limn_in(call->w);
        args[count++] = limn_in(call->bias ? call->bias : call->w);
        args[count++] = conv2d_result_arg(call);
        conv2d_epilogue_args(call, args + count);
        count += CONV2D_EPILOGUE_ARGS;
        args[count++] = limn_int(call->bias != NULL);
        grid.global[0] = (size_t)s->w.out * k;
        grid.global[1] = (size_t)s->n * (size_t)s->h.out;
        break;
    case CONV2D_DATA:
        kernel = "conv2d_plain_data";
        args[count++] = limn_in(call->dy);
        args[count++] = limn_in(call->w);
        args[count++] = limn_out(call->result);
        grid.global[0] = (size_t)s->w.in * c;
        grid.global[1] = (size_t)s->n * (size_t)s->h.in;
        break;
    case CONV2D_FILTER:
        kernel = "conv2d_plain_filter";
        args[count++] = limn_in(call->x);
        args[count++] = limn_in(call->dy);
        args[count++] = limn_out(call->result);
        grid.global[0] = (size_t)s->cg * (size_t)s->taps;
        grid.global[1] = k;
        break;
    }
    shape_args(s, args + count);
    return limn_launch(call->device, kernel, "", grid, args, count + SHAPE_ARGS);
}

const conv2d_impl conv2d_plain = {.name = "plain",
                                  .accepts = plain_accepts,
                                  .scratch = plain_scratch,
                                  .run = plain_run,
                                  .growth = 1};
