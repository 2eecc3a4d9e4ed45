/* map[i] += scale sum_b score[b] mask[b][i], b ascending, one fused multiply-add each: the result
 * does not depend on how the masks are cut into batches.
 *
 * Memory: map [positions]; masks [batch][positions]; scores [batch].  One work-item: V positions.
 */
#include "common/lanes.h"

__kernel void accumulate_masks_add(int positions, int batch, float scale,
                                   __global float *restrict map,
                                   __global const float *restrict masks,
                                   __global const float *restrict scores)
{
    const int i = (int)get_global_id(0) * V, valid = positions - i;
    if (valid <= 0)
        return;
    lanes sum = load_lanes(map + i, valid);
    for (int b = 0; b < batch; b++)
        sum = fma((lanes)(scale * scores[b]),
                  load_lanes(masks + (size_t)b * positions + i, valid), sum);
    store_lanes(sum, map + i, valid);
}
