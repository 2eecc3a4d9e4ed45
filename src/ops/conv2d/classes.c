/* Pixel classes, and filters packed for the forms that go by them. */
#include "ops/conv2d/conv2d.h"

#include <stdio.h>

enum { MOST_MERGED = 64 }; /* channels of a merged pixel: one panel */

int conv2d_class_count(const conv2d_axis *axis, conv2d_direction direction)
{
    return direction == CONV2D_DATA ? axis->stride : 1;
}

conv2d_class conv2d_class_make(const conv2d_axis *axis, conv2d_direction direction, int index)
{
    if (direction == CONV2D_FORWARD)
        return (conv2d_class){.count = axis->out,
                              .out = 1,
                              .mul = axis->stride,
                              .first = -axis->pad,
                              .step = axis->dilation,
                              .tap_step = 1,
                              .taps = axis->kernel};
    /* Input position i = index + stride * q meets output (i + pad - r * dilation) / stride, where
     * that division is exact: r = tap_first, tap_first + tap_step, ... */
    conv2d_class c = {.cls = index, .out = axis->stride, .mul = 1};
    c.count = axis->in > index ? (axis->in - 1 - index) / axis->stride + 1 : 0;
    int r = 0;
    while (r < axis->kernel && (index + axis->pad - r * axis->dilation) % axis->stride != 0)
        r++;
    if (r == axis->kernel)
        return c;
    c.tap_first = r;
    c.tap_step = 1;
    while (c.tap_step * axis->dilation % axis->stride != 0)
        c.tap_step++;
    c.taps = (axis->kernel - 1 - r) / c.tap_step + 1;
    c.first = (index + axis->pad - r * axis->dilation) / axis->stride;
    c.step = -(c.tap_step * axis->dilation / axis->stride);
    return c;
}

/* Channels that the sum runs over, channels of the result, of one group. */
static int depth_of(const conv2d_shape *s, conv2d_direction d)
{
    return d == CONV2D_DATA ? s->kg : s->cg;
}

static int width_of(const conv2d_shape *s, conv2d_direction d)
{
    return d == CONV2D_DATA ? s->cg : s->kg;
}

static int blocks_of(const conv2d_shape *s, conv2d_direction d, int kb)
{
    return (width_of(s, d) + kb - 1) / kb;
}

/* Zeros that stand for a pixel outside the image: one pixel's depth, in whole cache lines. */
static int zeros_of(const conv2d_shape *s, conv2d_direction d)
{
    return (depth_of(s, d) + 15) / 16 * 16;
}

size_t conv2d_packed_floats(const conv2d_shape *s, conv2d_direction direction, int kb)
{
    const size_t rows = 1 + (size_t)s->taps * (size_t)depth_of(s, direction);
    const size_t panels = (size_t)s->groups * (size_t)blocks_of(s, direction, kb);
    return (size_t)zeros_of(s, direction) + panels * (size_t)kb * rows;
}

size_t conv2d_packed_half_bytes(const conv2d_shape *s, conv2d_direction direction, int kb)
{
    const size_t filters = (size_t)s->groups * (size_t)blocks_of(s, direction, kb) * (size_t)kb *
                           (size_t)s->taps * (size_t)depth_of(s, direction);
    return sizeof(float) * conv2d_packed_floats(s, direction, kb) -
           (sizeof(float) - sizeof(uint16_t)) * filters;
}

limn_status conv2d_pack(const conv2d_call *call, conv2d_direction direction, int nv)
{
    const conv2d_shape *s = call->shape;
    const int blocks = blocks_of(s, direction, 16 * nv), panels = s->groups * blocks;
    const int depth = depth_of(s, direction), zeros = zeros_of(s, direction);
    const int items = direction == CONV2D_DATA ? depth : (depth * s->taps + 15) / 16;
    const limn_grid grid = {{(size_t)items, (size_t)panels, 1}, {1, 1, 1}};
    char defines[32];
    snprintf(defines, sizeof(defines), "-DNV=%d", nv);
    if (direction == CONV2D_DATA)
        return LIMN_LAUNCH(call->device, "conv2d_pack_data", defines, grid, limn_in(call->w),
                           limn_out(call->scratch), limn_int(zeros), limn_int(panels),
                           limn_int(blocks), limn_int(s->kg), limn_int(s->cg), limn_int(s->taps));
    return LIMN_LAUNCH(call->device, "conv2d_pack_forward", defines, grid, limn_in(call->w),
                       limn_in(call->bias ? call->bias : call->w), limn_out(call->prepared),
                       limn_int(call->bias != NULL), limn_int(zeros), limn_int(panels),
                       limn_int(blocks), limn_int(s->kg), limn_int(s->cg), limn_int(s->taps));
}

limn_status conv2d_local_pack(const conv2d_call *call, conv2d_direction direction, int kb,
                              bool half)
{
    const conv2d_shape *s = call->shape;
    const bool data = direction == CONV2D_DATA;
    const int blocks = blocks_of(s, direction, kb), panels = s->groups * blocks;
    const int depth = depth_of(s, direction);
    const limn_grid grid = {{(size_t)panels * (size_t)kb, 1 + (size_t)depth, 1},
                            {(size_t)kb, 1, 1}};
    return LIMN_LAUNCH(call->device, "conv2d_local_pack", half ? "-DHALF=1" : "", grid,
                       limn_in(call->w), limn_in(call->bias ? call->bias : call->w),
                       limn_out(data ? call->scratch : call->prepared),
                       limn_int(call->bias != NULL), limn_int(data), limn_int(kb),
                       limn_int(zeros_of(s, direction)), limn_int(panels), limn_int(blocks),
                       limn_int(depth), limn_int(width_of(s, direction)), limn_int(s->taps));
}

/* Pixels a < stride of block q meet dy at q + (a + pad - r * dilation) / stride: from q - pad of
 * the result on. */
static conv2d_axis merged_axis(const conv2d_axis *axis)
{
    const int before = ((axis->kernel - 1) * axis->dilation - axis->pad) / axis->stride;
    const int after = (axis->stride - 1 + axis->pad) / axis->stride;
    return (conv2d_axis){.in = axis->out,
                         .out = axis->in / axis->stride,
                         .kernel = before + after + 1,
                         .stride = 1,
                         .pad = before,
                         .dilation = 1};
}

static bool axis_merges(const conv2d_axis *axis)
{
    return axis->in % axis->stride == 0 && (axis->kernel - 1) * axis->dilation >= axis->pad;
}

bool conv2d_merge(const conv2d_shape *s, conv2d_shape *merged)
{
    const int64_t width = (int64_t)s->cg * s->h.stride * s->w.stride;
    if (s->groups > 1 || width > MOST_MERGED || !axis_merges(&s->h) || !axis_merges(&s->w))
        return false;
    *merged = (conv2d_shape){.n = s->n,
                             .groups = 1,
                             .cg = s->kg,
                             .kg = (int)width,
                             .h = merged_axis(&s->h),
                             .w = merged_axis(&s->w)};
    merged->taps = merged->h.kernel * merged->w.kernel;
    /* vectors of filters that a block's pixels take, merged and class by class */
    return (width + 15) / 16 * merged->taps < (int64_t)(s->cg + 15) / 16 * s->taps;
}

limn_status conv2d_pack_merged(const conv2d_call *call, const conv2d_shape *merged, int nv)
{
    const conv2d_shape *s = call->shape;
    const conv2d_axis *h = &merged->h, *w = &merged->w;
    char defines[32];
    snprintf(defines, sizeof(defines), "-DNV=%d", nv);
    return LIMN_LAUNCH(call->device, "conv2d_pack_merged", defines, limn_grid_1d((size_t)s->kg),
                       limn_in(call->w), limn_out(call->scratch),
                       limn_int(zeros_of(merged, CONV2D_FORWARD)), limn_int(s->kg), limn_int(s->cg),
                       limn_int(s->h.kernel), limn_int(s->w.kernel), limn_int(h->kernel),
                       limn_int(w->kernel), limn_int(s->h.stride), limn_int(s->h.dilation),
                       limn_int(s->h.pad + s->h.stride * h->pad), limn_int(s->w.stride),
                       limn_int(s->w.dilation), limn_int(s->w.pad + s->w.stride * w->pad));
}

limn_arg conv2d_result_arg(const conv2d_call *call)
{
    return call->epilogue.residual == call->result ? limn_inout(call->result)
                                                   : limn_out(call->result);
}

void conv2d_epilogue_args(const conv2d_call *call, limn_arg *args)
{
    const conv2d_epilogue *e = &call->epilogue;
    const bool in_place = e->residual == call->result, apart = e->residual && !in_place;
    args[0] = limn_in(e->norm ? e->norm : call->w);
    args[1] = limn_in(apart ? e->residual : call->w);
    args[2] =
        limn_int((e->norm ? 1 : 0) | (apart ? 2 : 0) | (e->relu ? 4 : 0) | (in_place ? 8 : 0));
}

void conv2d_class_args(const conv2d_shape *s, conv2d_direction direction, int kb,
                       const conv2d_class *h, const conv2d_class *w, limn_arg *args)
{
    const bool data = direction == CONV2D_DATA;
    const int depth = depth_of(s, direction), width = width_of(s, direction);
    const int blocks = blocks_of(s, direction, kb);
    const int values[CONV2D_CLASS_ARGS] = {
        s->n,
        h->count,
        w->count,
        zeros_of(s, direction),
        s->groups * blocks,
        blocks,
        depth,
        width,
        s->w.kernel,
        s->taps,
        data ? s->h.out : s->h.in,
        data ? s->w.out : s->w.in,
        s->groups * depth,
        data ? s->h.in : s->h.out,
        data ? s->w.in : s->w.out,
        s->groups * width,
        h->mul,
        h->first,
        h->step,
        h->tap_first,
        h->tap_step,
        h->taps,
        h->cls,
        h->out,
        w->mul,
        w->first,
        w->step,
        w->tap_first,
        w->tap_step,
        w->taps,
        w->cls,
        w->out,
    };
    for (int i = 0; i < CONV2D_CLASS_ARGS; i++)
        args[i] = limn_int(values[i]);
}
