/* Windows slid over an axis, as occlusion uses them: at the multiples of the stride that fit and,
 * where the stride leaves a rest, a last one flush with the border; or, with `cut`, at the next
 * multiple of the stride, reaching over the border (Captum's rule).  A window at least as long as
 * the axis has the one place 0 and covers it all.  cl/common/window.h is the same for kernels.
 *
 * In two dimensions windows are numbered along x first: number = row * count_x + column. */
#ifndef LIMN_OPS_WINDOW_H
#define LIMN_OPS_WINDOW_H

#include "ops/op.h"

#include <stddef.h>

/** Which windows: `batch` of them from number `first` on. */
typedef struct limn_window_params {
    int64_t batch, first, window[2], stride[2], cut;
} limn_window_params;

/** Rows of a table of parameters that are a limn_window_params; `least`: of batch, and its default.
 */
#define LIMN_WINDOW_SPECS(least)                                                                   \
    {"batch", LIMN_PARAM_INT, offsetof(limn_window_params, batch), least, least, 1 << 24},         \
        {"first", LIMN_PARAM_INT, offsetof(limn_window_params, first), 0, 0, 1e15},                \
        {"window_h", LIMN_PARAM_INT, offsetof(limn_window_params, window[0]), 1, 1, 1 << 15},      \
        {"window_w", LIMN_PARAM_INT, offsetof(limn_window_params, window[1]), 1, 1, 1 << 15},      \
        {"stride_h", LIMN_PARAM_INT, offsetof(limn_window_params, stride[0]), 1, 1, 1 << 15},      \
        {"stride_w", LIMN_PARAM_INT, offsetof(limn_window_params, stride[1]), 1, 1, 1 << 15},      \
    {                                                                                              \
        "cut", LIMN_PARAM_INT, offsetof(limn_window_params, cut), 0, 0, 1                          \
    }

/** Windows along one axis. */
static inline int64_t limn_window_count(int64_t extent, int64_t window, int64_t stride)
{
    return window >= extent ? 1 : (extent - window + stride - 1) / stride + 1;
}

/** First element of window `number`. */
static inline int64_t limn_window_start(int64_t number, int64_t extent, int64_t window,
                                        int64_t stride, int64_t cut)
{
    if (window >= extent)
        return 0;
    return cut || number * stride + window <= extent ? number * stride : extent - window;
}

#endif
