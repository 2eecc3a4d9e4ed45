/* What ops on rows share: kernels with one group of work-items per row (cl/common/rows.h), most of
 * them from x to y of the same shape. */
#ifndef LIMN_OPS_ROWS_H
#define LIMN_OPS_ROWS_H

#include "ops/shape.h"

#include <math.h>

/** Work-items of a group. */
static inline size_t limn_row_group(const limn_device *device)
{
    const limn_device_limits *limits = limn_device_get_limits(device);
    return limits->is_cpu || limits->max_work_group < 64 || limits->max_work_item[0] < 64 ? 1 : 64;
}

static inline const char *limn_row_defines(const limn_device *device)
{
    if (limn_lanes(device) == 16)
        return "-DV=16 -DGROUP=1";
    return limn_row_group(device) == 64 ? "-DV=1 -DGROUP=64" : "-DV=1 -DGROUP=1";
}

static inline limn_grid limn_row_grid(const limn_device *device, int64_t rows)
{
    const size_t group = limn_row_group(device);
    return (limn_grid){{(size_t)rows * group, 1, 1}, {group, 1, 1}};
}

/** Checks the input and plans y of its shape: one pass over x and y forward, over y, dy and dx
 *  backward, so many operations per element. */
static inline limn_status limn_row_plan(limn_device *device, const char *op, const limn_desc *in,
                                        double flops, double backward_flops, limn_op_plan *p)
{
    limn_status status = limn_need_floats(device, op, in, 0, 1, LIMN_MAX_RANK);
    if (status == LIMN_OK)
        status = limn_need_small(device, op, &in[0]);
    if (status != LIMN_OK)
        return status;
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = in[0];
    p->flops = flops * count;
    p->bytes = 8 * count;
    p->backward_flops = backward_flops * count;
    p->backward_bytes = 12 * count;
    return LIMN_OK;
}

/** Runs `kernel`(channels, x, y). */
static inline limn_status limn_row_forward(const limn_op_run *r, const char *kernel)
{
    const limn_desc *x = &r->in[0]->desc;
    return LIMN_LAUNCH(r->device, kernel, limn_row_defines(r->device),
                       limn_row_grid(r->device, limn_desc_rows(x)), limn_int(limn_desc_channels(x)),
                       limn_in(r->in[0]->buffer), limn_out(r->out[0]->buffer));
}

/** Runs `kernel`(channels, y, dy, dx). */
static inline limn_status limn_row_backward(const limn_op_run *r, const char *kernel)
{
    const limn_desc *x = &r->in[0]->desc;
    return LIMN_LAUNCH(r->device, kernel, limn_row_defines(r->device),
                       limn_row_grid(r->device, limn_desc_rows(x)), limn_int(limn_desc_channels(x)),
                       limn_in(r->out[0]->buffer), limn_in(r->grad_out[0]->buffer),
                       limn_out(r->grad_in[0]->buffer));
}

/** One row of a reference run, and the number of its values. */
typedef struct limn_row {
    int64_t count;
    const double *x, *dy;
    double *y, *dx;
} limn_row;

/** Calls `apply` for each row: forward with x and y, backward with y, dy and dx. */
static inline void limn_row_reference(const limn_op_reference *r, bool backward,
                                      void (*apply)(const limn_row *row))
{
    const int64_t rows = limn_desc_rows(&r->in_desc[0]), n = limn_desc_channels(&r->in_desc[0]);
    for (int64_t m = 0; m < rows; m++) {
        const limn_row row = {.count = n,
                              .x = r->in[0] + m * n,
                              .y = r->out[0] + m * n,
                              .dy = backward ? r->grad_out[0] + m * n : NULL,
                              .dx = backward ? r->grad_in[0] + m * n : NULL};
        apply(&row);
    }
}

/** Logarithm of the sum of exponentials. */
static inline double limn_row_log_sum_exp(const double *x, int64_t count)
{
    double top = -INFINITY, sum = 0;
    for (int64_t c = 0; c < count; c++)
        top = fmax(top, x[c]);
    for (int64_t c = 0; c < count; c++)
        sum += exp(x[c] - top);
    return top + log(sum);
}

#endif
