/* Class activation map from activations and gradients, Grad-CAM (Selvaraju et al. 2017):
 *
 *   w[n][k] = mean over positions of g[n][.][k];  map[n][i] = sum_k w[n][k] a[n][i][k], or its ReLU
 *
 * Memory: a, g [n][positions][channels]; w [n][channels]; map [n][positions].
 */

/* One work-item: one channel (dimension 0) of one image (dimension 1). */
__kernel void cam_weights(int n, int positions, int channels, __global const float *restrict g,
                          __global float *restrict w)
{
    const int k = get_global_id(0), b = get_global_id(1);
    if (k >= channels || b >= n)
        return;
    __global const float *from = g + (size_t)b * positions * channels + k;
    float sum = 0.0f;
    for (int i = 0; i < positions; i++)
        sum += from[(size_t)i * channels];
    w[(size_t)b * channels + k] = sum / (float)positions;
}

/* One work-item: one position (dimension 0) of one image (dimension 1). */
__kernel void cam_map(int n, int positions, int channels, int relu, __global const float *restrict a,
                      __global const float *restrict w, __global float *restrict map)
{
    const int i = get_global_id(0), b = get_global_id(1);
    if (i >= positions || b >= n)
        return;
    __global const float *from = a + ((size_t)b * positions + i) * channels;
    __global const float *weight = w + (size_t)b * channels;
    float sum = 0.0f;
    for (int k = 0; k < channels; k++)
        sum += weight[k] * from[k];
    map[(size_t)b * positions + i] = relu && sum < 0.0f ? 0.0f : sum;
}
