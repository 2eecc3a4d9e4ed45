/* Convolution inside: its shape, its three directions and its implementations. */
#ifndef LIMN_OPS_CONV2D_CONV2D_H
#define LIMN_OPS_CONV2D_CONV2D_H

#include "ops/op.h"
#include "ops/shape.h"

#include <stddef.h>

/** The op's parameters.  One number serves both axes; the _w forms, where given, the width. */
typedef struct conv2d_params {
    int64_t stride, stride_w; /**< stride_w, dilation_w 0: as along the height */
    int64_t pad, pad_w;       /**< pad_w -1: as along the height */
    int64_t dilation, dilation_w;
    int64_t groups;
    int64_t impl; /**< 0: the first that accepts; else 1 + its place in the list */
} conv2d_params;

/** The rows of these parameters in a table of an op whose struct begins with them. */
#define CONV2D_PARAM(name, low, high, preset)                                                      \
    {                                                                                              \
#name, LIMN_PARAM_INT, offsetof(conv2d_params, name), preset, low, high                    \
    }
#define CONV2D_PARAM_SPECS                                                                         \
    CONV2D_PARAM(stride, 1, 1024, 1), CONV2D_PARAM(stride_w, 0, 1024, 0),                          \
        CONV2D_PARAM(pad, 0, 1024, 0), CONV2D_PARAM(pad_w, -1, 1024, -1),                          \
        CONV2D_PARAM(dilation, 1, 1024, 1), CONV2D_PARAM(dilation_w, 0, 1024, 0),                  \
        CONV2D_PARAM(groups, 1, 65536, 1), CONV2D_PARAM(impl, 0, 64, 0)

/** One axis: output position o and tap r meet at input position o * stride - pad + r * dilation. */
typedef struct conv2d_axis {
    int in, out, kernel, stride, pad, dilation;
} conv2d_axis;

typedef struct conv2d_shape {
    int n, groups;
    int cg, kg; /**< input and output channels of one group */
    conv2d_axis h, w;
    int taps; /**< h.kernel * w.kernel */
    bool bias;
} conv2d_shape;

typedef enum conv2d_direction {
    CONV2D_FORWARD, /**< output from input, filters, bias */
    CONV2D_DATA,    /**< gradient of the input */
    CONV2D_FILTER   /**< gradient of the filters */
} conv2d_direction;

/** What follows the sum of CONV2D_FORWARD in the same pass: cl/common/epilogue.h. */
typedef struct conv2d_epilogue {
    const limn_buffer *norm;     /**< [3][filters]: mean, scale, bias; NULL: none */
    const limn_buffer *residual; /**< as the result, or the result itself; NULL: none */
    bool relu;
} conv2d_epilogue;

/** What a direction reads and writes.  Buffers a direction does not use are NULL. */
typedef struct conv2d_call {
    limn_device *device;
    const conv2d_shape *shape;
    const limn_buffer *x, *w, *bias, *dy;
    limn_buffer *result;   /**< y, dx or dw: overwritten whole */
    limn_buffer *scratch;  /**< NULL where `scratch` says 0; with `half`, a gradient's begins with
                                the amax of dy (ops/amax.h), which run leaves there */
    limn_buffer *prepared; /**< CONV2D_FORWARD: NULL where `prepared` says 0 */
    conv2d_epilogue epilogue;
} conv2d_call;

/** One way to compute all three directions. */
typedef struct conv2d_impl {
    const char *name;
    /** NULL, or why it declines: part of a sentence such as "fewer than 8 filters in a group". */
    const char *(*accepts)(const limn_device_limits *limits, const conv2d_shape *shape,
                           conv2d_direction direction);
    size_t (*scratch)(const limn_device_limits *limits, const conv2d_shape *shape,
                      conv2d_direction direction);
    limn_status (*run)(const conv2d_call *call, conv2d_direction direction);
    double growth; /**< of rounding errors, as a multiple of limn_op_sum_bound: 1 for plain sums */
    /** The part of CONV2D_FORWARD that depends on filters and bias only: how many bytes it fills,
     *  and the filling.  Both NULL: there is none. */
    size_t (*prepared)(const limn_device_limits *limits, const conv2d_shape *shape);
    limn_status (*prepare)(const conv2d_call *call);
    bool for_gpus;      /**< a CPU device runs it, but slowly */
    int worth_channels; /**< with fewer, in or out of a group, it is not worth a try unasked */
    /** NULL, or why it is not worth a try unasked otherwise; itself NULL: it always is. */
    const char *(*futile)(const conv2d_shape *shape, conv2d_direction direction);
    /** Where limits->half_forms allows it only: what is multiplied is rounded to half precision, dy
     *  as cl/common/raise.h says. */
    bool half;
    bool for_matrix_units; /**< any other device runs it, but slowly */
} conv2d_impl;

extern const conv2d_impl conv2d_plain;          /**< any shape, one work-item an element */
extern const conv2d_impl conv2d_winograd;       /**< CPU devices: 3x3 filters of stride 1 or 2 */
extern const conv2d_impl conv2d_tile;           /**< CPU devices: register tiles */
extern const conv2d_impl conv2d_depthwise;      /**< CPU devices: every channel a group */
extern const conv2d_impl conv2d_depthwise_gpu;  /**< GPUs: every channel a group */
extern const conv2d_impl conv2d_winograd_gpu;   /**< GPUs: 3x3 filters of stride 1 */
extern const conv2d_impl conv2d_winograd_gpu_2; /**< the same with tiles of 2x2, not of 4x4 */
extern const conv2d_impl conv2d_local_matrix;   /**< GPUs: such tiles, by matrix units */
extern const conv2d_impl conv2d_local_half;     /**< GPUs: tiles of halves in local memory */
extern const conv2d_impl conv2d_local;          /**< GPUs: tiles in local memory */
extern const conv2d_impl conv2d_local_wide;     /**< the same with more registers */

/** The CONV2D_EPILOGUE_ARGS arguments norm, residual, steps; where there is none, buffers that are
 *  not read stand in. */
enum { CONV2D_EPILOGUE_ARGS = 3 };
void conv2d_epilogue_args(const conv2d_call *call, limn_arg *args);
/** The result as an argument of a kernel that takes the former. */
limn_arg conv2d_result_arg(const conv2d_call *call);

/* ---- what conv2d shares with conv2d_norm ---------------------------------------------------- */

/** `params` begins with conv2d_params; `in`: x, filters, a bias where in_count is 3. */
conv2d_shape conv2d_make_shape(const void *params, const limn_desc *in, int in_count);
/** Checks the inputs and fills what concerns CONV2D_FORWARD; chooses as for conv2d. */
limn_status conv2d_plan_forward(limn_device *device, const void *params, const limn_desc *in,
                                int in_count, conv2d_shape *shape, limn_op_plan *out);
const conv2d_impl *conv2d_chosen(const limn_op_plan *plan, conv2d_direction direction);

/* ---- classes of pixels: conv2d_tile, conv2d_local, conv2d_depthwise_gpu --------------------- */

/** Along one axis: result position cls + out * q takes source position mul * q + first + step * i
 *  through tap tap_first + tap_step * i, for i < taps and q < count. */
typedef struct conv2d_class {
    int count, cls, out;
    int mul, first, step;
    int tap_first, tap_step, taps;
} conv2d_class;

/** How many classes the pixels of the result fall into: 1, or the stride for CONV2D_DATA. */
int conv2d_class_count(const conv2d_axis *axis, conv2d_direction direction);
/** Class number `index`; `count` may be 0. */
conv2d_class conv2d_class_make(const conv2d_axis *axis, conv2d_direction direction, int index);

/** Floats of zeros, bias and panels that conv2d/pack.cl writes with panels of `kb` channels. */
size_t conv2d_packed_floats(const conv2d_shape *shape, conv2d_direction direction, int kb);
/** Bytes where the panels hold halves. */
size_t conv2d_packed_half_bytes(const conv2d_shape *shape, conv2d_direction direction, int kb);
/** Rearranges the filters (and the bias) into call->prepared (CONV2D_FORWARD) or call->scratch
 *  (CONV2D_DATA); kb = 16 * nv. */
limn_status conv2d_pack(const conv2d_call *call, conv2d_direction direction, int nv);
/** The same for conv2d_local, panels of kb channels; `half`: in half precision;
 *  cl/conv2d/local_pack.cl. */
limn_status conv2d_local_pack(const conv2d_call *call, conv2d_direction direction, int kb,
                              bool half);

/** Whether the gradient of the input had better take blocks of pixels for one pixel, as
 *  conv2d_pack_merged in conv2d/pack.cl says: then `merged` is a CONV2D_FORWARD of stride 1 from dy
 *  to those pixels, whose channels lie in shape->h.stride rows.  The caller sees to it that they
 *  are one panel. */
bool conv2d_merge(const conv2d_shape *shape, conv2d_shape *merged);
/** As conv2d_pack for the latter; into call->scratch. */
limn_status conv2d_pack_merged(const conv2d_call *call, const conv2d_shape *merged, int nv);

enum { CONV2D_CLASS_ARGS = 32 };
/** Fills the CONV2D_CLASS_ARGS arguments that follow (x, u, y, ...) in both kernels: N, QH, QW,
 *  zeros, panels, ... w_out. */
void conv2d_class_args(const conv2d_shape *shape, conv2d_direction direction, int kb,
                       const conv2d_class *h, const conv2d_class *w, limn_arg *args);

/* ---- parts of conv2d_tile -------------------------------------------------------------------- */

/** The gradient of the filters by cl/conv2d/slices.cl, and the scratch it takes. */
size_t conv2d_slices_scratch(const conv2d_shape *shape);
limn_status conv2d_slices_run(const conv2d_call *call);

/* ---- shared by conv2d_winograd and conv2d_winograd_gpu -------------------------------------- */

/** NULL, or why no form for strides up to `most_stride` serves the filters. */
const char *conv2d_winograd_misfit(const conv2d_shape *shape, int most_stride);

/* ---- reference ------------------------------------------------------------------------------ */

void conv2d_reference_forward(const conv2d_shape *shape, const limn_op_reference *r);
void conv2d_reference_backward(const conv2d_shape *shape, const limn_op_reference *r);

#endif
