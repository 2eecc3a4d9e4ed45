/* What ops over channels-last activations share: shape checks, and the grid of kernels whose
 * work-item owns V neighbouring channels (cl/common/lanes.h). */
#ifndef LIMN_OPS_SHAPE_H
#define LIMN_OPS_SHAPE_H

#include "ops/op.h"

/** Extent of the last dimension; 1 for a scalar. */
static inline int64_t limn_desc_channels(const limn_desc *desc)
{
    return desc->rank ? desc->dim[desc->rank - 1] : 1;
}

/** Elements over channels. */
static inline int64_t limn_desc_rows(const limn_desc *desc)
{
    int64_t rows = 1;
    for (int i = 0; i + 1 < desc->rank; i++)
        rows *= desc->dim[i];
    return rows;
}

/** The least multiple of `unit` that is not below `n`; `n` is not negative. */
static inline int64_t limn_round_up(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/** Whether a result of `bytes` is written around the caches (`stream` of cl/common/stream.h): none
 *  keeps so much until it is read.  The caller sees to it that they are whole vectors. */
static inline bool limn_streams(size_t bytes)
{
    return bytes >= (size_t)16 << 20;
}

/** Input `index` must be floats with a rank in [low, high] and no empty dimension. */
static inline limn_status limn_need_floats(limn_device *device, const char *op, const limn_desc *in,
                                           int index, int low, int high)
{
    char text[64];
    bool empty = false;
    for (int i = 0; i < in[index].rank; i++)
        empty = empty || in[index].dim[i] < 1;
    if (in[index].dtype == LIMN_F32 && in[index].rank >= low && in[index].rank <= high && !empty)
        return LIMN_OK;
    return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", op,
                     "input %d is %s, it must be floats of %d to %d dimensions, none empty", index,
                     limn_desc_text(&in[index], text, sizeof text), low, high);
}

/** Input `index` must be floats [count]. */
static inline limn_status limn_need_vector(limn_device *device, const char *op, const limn_desc *in,
                                           int index, int64_t count)
{
    char text[64];
    if (in[index].dtype == LIMN_F32 && in[index].rank == 1 && in[index].dim[0] == count)
        return LIMN_OK;
    return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", op,
                     "input %d is %s, it must be f32[%lld]", index,
                     limn_desc_text(&in[index], text, sizeof text), (long long)count);
}

/** Channels of one work-item: vectors on a CPU device, neighbouring work-items elsewhere. */
static inline int64_t limn_lanes(const limn_device *device)
{
    return limn_device_get_limits(device)->is_cpu ? 16 : 1;
}

static inline const char *limn_lane_defines(const limn_device *device)
{
    return limn_lanes(device) == 16 ? "-DV=16" : "-DV=1";
}

/** Global size (ceil(channels / V), rows). */
static inline limn_grid limn_lane_grid(const limn_device *device, int64_t channels, int64_t rows)
{
    const limn_device_limits *limits = limn_device_get_limits(device);
    const int64_t lanes = limn_lanes(device);
    limn_grid grid = {{(size_t)((channels + lanes - 1) / lanes), (size_t)rows, 1}, {1, 1, 1}};
    if (lanes == 1) {
        while (grid.local[0] < 64 && grid.local[0] < grid.global[0])
            grid.local[0] *= 2;
        grid.local[1] = 64 / grid.local[0];
        while (grid.local[1] > grid.global[1]) /* one row stays one: its kernels rely on it */
            grid.local[1] /= 2;
        if (limits->max_work_group < 64 || limits->max_work_item[0] < 64 ||
            limits->max_work_item[1] < grid.local[1])
            grid.local[0] = grid.local[1] = 1;
    }
    return grid;
}

/** Rows cut into runs of `length` for sums over all rows: so long that a work-item is worth its
 *  start, so few that adding the runs stays cheap.  Depends on the shape only, and so does the
 *  order of the sums. */
typedef struct limn_cut {
    int64_t rows, channels, length, chunks;
} limn_cut;

static inline limn_cut limn_cut_rows(const limn_desc *x)
{
    enum { LENGTH = 128, MOST_CHUNKS = 1024 };
    limn_cut c = {.rows = limn_desc_rows(x), .channels = limn_desc_channels(x), .length = LENGTH};
    const int64_t least = (c.rows + MOST_CHUNKS - 1) / MOST_CHUNKS;
    c.length = least > c.length ? least : c.length;
    c.chunks = (c.rows + c.length - 1) / c.length;
    return c;
}

/** A batch beyond the kernels' 32-bit counters.  The status is that of a full device, because the
 *  remedy is the same: a smaller batch. */
static inline limn_status limn_too_large(limn_device *device, const char *op, const limn_desc *in)
{
    char text[64];
    return limn_fail(limn_device_context(device), LIMN_OUT_OF_DEVICE_MEMORY, "batch too large", op,
                     "%s is beyond what the kernels can count",
                     limn_desc_text(in, text, sizeof text));
}

/** Rows and channels must fit the kernels' 32-bit counters. */
static inline limn_status limn_need_small(limn_device *device, const char *op, const limn_desc *in)
{
    if (limn_desc_rows(in) <= INT32_MAX / 2 && limn_desc_channels(in) <= INT32_MAX / 4)
        return LIMN_OK;
    return limn_too_large(device, op, in);
}

#endif
