/* Windows slid over an axis: the same places as src/ops/window.h. */
#ifndef LIMN_WINDOW
#define LIMN_WINDOW

/* Windows that start at a multiple of the stride. */
int limn_window_regular(int extent, int window, int stride)
{
    return window >= extent ? 1 : (extent - window) / stride + 1;
}

/* All windows: one more where the stride leaves a rest. */
int limn_window_count(int extent, int window, int stride)
{
    const bool rest = window < extent && (extent - window) % stride > 0;
    return limn_window_regular(extent, window, stride) + (rest ? 1 : 0);
}

/* Where window `number` starts; 0 for a window larger than the axis.  The last one is flush with the
 * border or, with `cut`, reaches over it. */
int limn_window_start(int number, int extent, int window, int stride, int cut)
{
    return cut || number < limn_window_regular(extent, window, stride) ? number * stride
                                                                       : extent - window;
}
#endif
