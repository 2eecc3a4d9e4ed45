/* Windows slid over an axis, as occlusion uses them: at the multiples of the stride that fit and,
 * where the stride leaves a rest, a last one flush with the border; or, with `cut`, at the next
 * multiple of the stride, reaching over the border (Captum's rule).  A window at least as long as
 * the axis has the one place 0 and covers it all.  cl/common/window.h is the same for kernels.
 *
 * In two dimensions windows are numbered along x first: number = row * count_x + column. */
#ifndef LIMN_OPS_WINDOW_H
#define LIMN_OPS_WINDOW_H

#include <stdint.h>

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
