/* What augmentations share: images u8 [N,H,W,C], their numbers in the data set i32 [N], and draws
 * that depend on a number, an epoch and a view alone. */
#ifndef LIMN_OPS_AUGMENT_H
#define LIMN_OPS_AUGMENT_H

#include "ops/op.h"

#include <math.h>

/** Draws of one view: its numbers are view * 16 and up. */
enum { LIMN_AUGMENT_SUBS = 16 };

/** For the row's `fill`: bytes; image numbers below 50000. */
static inline void limn_augment_fill(const void *params, const limn_desc *in, int in_count,
                                     int which, double *values, double (*draw)(void *state),
                                     void *state)
{
    (void)params;
    (void)in_count;
    const int64_t count = limn_desc_count(&in[which]);
    for (int64_t i = 0; i < count; i++)
        values[i] = floor((which == 0 ? 256 : 50000) * draw(state));
}

/** For the row's `bench`. */
static const limn_op_example limn_augment_bench[] = {
    {.params = "", .in_count = 2, .in = {{LIMN_U8, 4, {256, 32, 32, 3}}, {LIMN_I32, 1, {256}}}},
    {0},
};

#endif
