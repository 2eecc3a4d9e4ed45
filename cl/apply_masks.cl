/* Masked copies of one image: y[b][i][c] = x[i][c] m[b][i] + base[i][c] (1 - m[b][i]).
 *
 * Memory: x, base [positions][channels]; m [batch][positions]; y [batch][positions][channels].
 * One work-item: one position (dimension 0) of one copy (dimension 1).
 */
__kernel void apply_masks_forward(int positions, int batch, int channels,
                                  __global const float *restrict x, __global const float *restrict m,
                                  __global const float *restrict base, __global float *restrict y)
{
    const int i = get_global_id(0), b = get_global_id(1);
    if (i >= positions || b >= batch)
        return;
    const size_t at = (size_t)b * positions + i;
    const float kept = m[at];
    for (int c = 0; c < channels; c++) {
        const size_t from = (size_t)i * channels + c;
        y[at * channels + c] = x[from] * kept + base[from] * (1.0f - kept);
    }
}
