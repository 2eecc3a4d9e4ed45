/* Masked copies of one image: y[b][i][c] = x[i][c] m[b][i] + base[i][c] (1 - m[b][i]).
 *
 * Memory: x, base [positions][channels]; m [batch][positions]; y [batch][positions][channels].
 * One work-item: RUN neighbouring positions (dimension 0) of one row (1) of one copy (2).
 */
#ifndef RUN
#define RUN 1 /* 1 or many */
#endif

/* C channels, a constant where they are few, so that the loop over positions becomes vectors. */
void apply_masks_run(int count, int C, __global const float *restrict x,
                     __global const float *restrict m, __global const float *restrict base,
                     __global float *restrict y)
{
    for (int i = 0; i < count; i++)
        for (int c = 0; c < C; c++)
            y[i * C + c] = x[i * C + c] * m[i] + base[i * C + c] * (1.0f - m[i]);
}

__kernel void apply_masks_forward(int h, int w, int batch, int channels,
                                  __global const float *restrict x, __global const float *restrict m,
                                  __global const float *restrict base, __global float *restrict y)
{
    const int first = (int)get_global_id(0) * RUN, i = get_global_id(1), b = get_global_id(2);
    if (first >= w || i >= h || b >= batch)
        return;
    const int count = min(RUN, w - first);
    const size_t at = (size_t)i * w + first, to = (size_t)b * h * w + at;
    const size_t from = at * channels, out = to * channels;
    if (channels == 3)
        apply_masks_run(count, 3, x + from, m + to, base + from, y + out);
    else if (channels == 1)
        apply_masks_run(count, 1, x + from, m + to, base + from, y + out);
    else
        apply_masks_run(count, channels, x + from, m + to, base + from, y + out);
}
