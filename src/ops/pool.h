/* What the pooling ops share: parameters, extents and checks of square windows. */
#ifndef LIMN_OPS_POOL_H
#define LIMN_OPS_POOL_H

#include "ops/shape.h"

typedef struct limn_pool_params {
    int64_t kernel, stride, pad;
    int64_t count_include_pad; /**< read by avg_pool only */
} limn_pool_params;

/** Extents of one pooling: x [n, h, w, c] -> y [n, oh, ow, c]. */
typedef struct limn_pool_shape {
    int64_t n, h, w, c, oh, ow, kernel, stride, pad;
} limn_pool_shape;

static inline limn_pool_shape limn_pool_shape_of(const limn_pool_params *q, const limn_desc *x)
{
    limn_pool_shape s = {.n = x->dim[0],
                         .h = x->dim[1],
                         .w = x->dim[2],
                         .c = x->dim[3],
                         .kernel = q->kernel,
                         .stride = q->stride ? q->stride : q->kernel,
                         .pad = q->pad};
    s.oh = (s.h + 2 * s.pad - s.kernel) / s.stride + 1;
    s.ow = (s.w + 2 * s.pad - s.kernel) / s.stride + 1;
    return s;
}

/** What one work-item of backward does: `run` pixels of a row of x, `span` channels of each. */
typedef struct limn_pool_part {
    int64_t run, span;
    limn_grid grid;
} limn_pool_part;

static inline limn_pool_part limn_pool_part_of(const limn_device *device, const limn_pool_shape *s)
{
    enum { MOST_SPAN = 256 }; /* a multiple of 16 */
    if (limn_lanes(device) == 1)
        return (limn_pool_part){1, 1, limn_lane_grid(device, s->c, s->n * s->h * s->w)};
    const int64_t span = s->c < MOST_SPAN ? s->c : MOST_SPAN;
    return (limn_pool_part){
        s->w, span, {{(size_t)((s->c + span - 1) / span), (size_t)(s->n * s->h), 1}, {1, 1, 1}}};
}

/** Checks the input and fills what both poolings plan alike; the caller adds what it saves. */
static inline limn_status limn_pool_plan(limn_device *device, const char *op,
                                         const limn_pool_params *q, const limn_desc *in,
                                         limn_op_plan *p)
{
    char text[64];
    const limn_status status = limn_need_floats(device, op, in, 0, 4, 4);
    if (status != LIMN_OK)
        return status;
    limn_desc_text(&in[0], text, sizeof text);
    if (2 * q->pad > q->kernel)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad parameter", op,
                         "pad=%lld is more than half of kernel=%lld", (long long)q->pad,
                         (long long)q->kernel);
    if (in[0].dim[1] + 2 * q->pad < q->kernel || in[0].dim[2] + 2 * q->pad < q->kernel)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", op,
                         "%s with pad=%lld is smaller than kernel=%lld", text, (long long)q->pad,
                         (long long)q->kernel);
    const limn_pool_shape s = limn_pool_shape_of(q, &in[0]);
    if (s.h > INT16_MAX || s.w > INT16_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", op,
                         "%s is too large", text);
    if (s.n > INT32_MAX / (s.h * s.w) || s.n > INT32_MAX / (s.oh * s.ow))
        return limn_too_large(device, op, &in[0]);
    p->out_count = 1;
    p->out[0] = limn_desc_make(LIMN_F32, 4, s.n, s.oh, s.ow, s.c);
    const double inputs = (double)limn_desc_count(&in[0]);
    const double outputs = (double)limn_desc_count(&p->out[0]);
    p->flops = p->backward_flops = outputs * (double)(s.kernel * s.kernel);
    p->bytes = p->backward_bytes = 4 * (inputs + outputs);
    return LIMN_OK;
}

#endif
