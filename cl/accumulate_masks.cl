/* map[i] += scale sum_b score[b] mask[b][i], b ascending, one fused multiply-add each: the result
 * does not depend on how the masks are cut into batches.
 *
 * Memory: map [positions]; masks [batch][positions]; scores [batch].  One work-item: one position.
 */
__kernel void accumulate_masks_add(int positions, int batch, float scale,
                                   __global float *restrict map,
                                   __global const float *restrict masks,
                                   __global const float *restrict scores)
{
    const int i = get_global_id(0);
    if (i >= positions)
        return;
    float sum = map[i];
    for (int b = 0; b < batch; b++)
        sum = fma(scale * scores[b], masks[(size_t)b * positions + i], sum);
    map[i] = sum;
}
