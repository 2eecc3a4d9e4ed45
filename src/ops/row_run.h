/* Kernels whose work-item is a row of an image on a CPU device, where loops over neighbours
 * become vectors, and one position elsewhere, where neighbouring work-items share a cache line. */
#ifndef LIMN_OPS_ROW_RUN_H
#define LIMN_OPS_ROW_RUN_H

#include "ops/op.h"

/** [H,W,C] or [1,H,W,C] as [H,W,C]; rank 0 where it is neither. */
static inline limn_desc limn_desc_as_image(const limn_desc *d)
{
    if (d->rank == 4 && d->dim[0] == 1)
        return limn_desc_make(d->dtype, 3, d->dim[1], d->dim[2], d->dim[3], 0);
    return d->rank == 3 ? *d : (limn_desc){.dtype = d->dtype};
}

enum { LIMN_ROW_RUN = 1048576 };

/** RUN: positions of a work-item. */
static inline const char *limn_row_run_defines(const limn_device *device)
{
    return limn_device_get_limits(device)->is_cpu ? "-DRUN=1048576" : "-DRUN=1";
}

/** Global size (ceil(width / RUN), rows, images). */
static inline limn_grid limn_row_run_grid(const limn_device *device, size_t width, size_t rows,
                                          size_t images)
{
    if (limn_device_get_limits(device)->is_cpu)
        return (limn_grid){{(width + LIMN_ROW_RUN - 1) / LIMN_ROW_RUN, rows, images}, {1, 1, 1}};
    return (limn_grid){{width, rows, images}, {0, 0, 0}};
}

#endif
