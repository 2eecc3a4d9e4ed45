/* The largest magnitude of a tensor, for ops that choose a scale by it. */
#ifndef LIMN_OPS_AMAX_H
#define LIMN_OPS_AMAX_H

#include "ops/op.h"

/** to[0], a float: the largest |x[i]| that is finite, i < count; 0 where none is. */
limn_status limn_amax(limn_device *device, const limn_buffer *x, int64_t count, limn_buffer *to);

#endif
