/* y = (x - mean[c]) / std[c] over channels-last images, x in 0..1: bytes are divided by 255.
 * Memory: x, y [positions][channels]; mean, std [channels].  One work-item: one position. */
__kernel void normalize_bytes(long positions, int channels, __global const uchar *restrict x,
                              __global const float *restrict mean,
                              __global const float *restrict std, __global float *restrict y)
{
    const size_t i = get_global_id(0);
    if (i >= (size_t)positions)
        return;
    for (int c = 0; c < channels; c++)
        y[i * channels + c] = ((float)x[i * channels + c] / 255.0f - mean[c]) / std[c];
}

__kernel void normalize_floats(long positions, int channels, __global const float *restrict x,
                               __global const float *restrict mean,
                               __global const float *restrict std, __global float *restrict y)
{
    const size_t i = get_global_id(0);
    if (i >= (size_t)positions)
        return;
    for (int c = 0; c < channels; c++)
        y[i * channels + c] = (x[i * channels + c] - mean[c]) / std[c];
}
