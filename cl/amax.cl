/* y[0] = the largest |x[i]| that is finite, i < count; 0 where none is.
 *
 * Launch: groups of GROUP work-items, as many as one likes; a work-item visits V neighbours at a
 * time.  y[0] is 0 before: groups meet there, in an order that does not matter to a maximum.  The
 * bits of floats that are not negative are in the order of their values.
 */
#include "common/rows.h"

__kernel void amax_all(long count, __global const float *restrict x, __global float *restrict y)
{
    __local float part[GROUP];
    lanes largest = 0.0f;
    for (long i = (long)get_global_id(0) * V; i < count; i += (long)get_global_size(0) * V) {
        const lanes value = fabs(load_lanes(x + i, (int)min(count - i, (long)V)));
        largest = fmax(largest, select((lanes)(0.0f), value, value <= FLT_MAX));
    }
    const float top = row_max(largest, part);
    if (get_local_id(0) == 0)
        atomic_max((volatile __global uint *)y, as_uint(top));
}
