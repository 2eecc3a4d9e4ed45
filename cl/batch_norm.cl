/* Batch normalisation over the R rows of [R][C], channels last:
 *   y = (x - mean[c]) * inverse[c] * weight[c] + bias[c],   inverse = 1 / sqrt(variance + eps)
 * with the batch's mean and biased variance (training) or the running ones.
 *
 * Rows are cut into `chunks` runs of L (the last may be shorter).  The sums of a chunk are stored
 * in part [chunks][2][C] and added in the order of the chunks, so results repeat bit by bit.
 *
 * Kernels with global size (ceil(C / V), chunks): one work-item owns V channels of one chunk; a
 * chunk's lines stay in the cache while it is read twice.  Kernels named _finish: global size
 * (ceil(C / V)), one work-item owns V channels.
 */
#include "common/lanes.h"

/* part[g][0] = mean of chunk g, part[g][1] = sum of squared deviations from it. */
__kernel void batch_norm_chunk_moments(int R, int C, int L, int chunks,
                                       __global const float *restrict x,
                                       __global float *restrict part)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    __global const float *from = x + (size_t)g * L * C + c;
    lanes s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int r = 0;
    for (; r + 4 <= rows; r += 4) {
        s0 += load_lanes(from + (size_t)r * C, valid);
        s1 += load_lanes(from + (size_t)(r + 1) * C, valid);
        s2 += load_lanes(from + (size_t)(r + 2) * C, valid);
        s3 += load_lanes(from + (size_t)(r + 3) * C, valid);
    }
    for (; r < rows; r++)
        s0 += load_lanes(from + (size_t)r * C, valid);
    const lanes mean = ((s0 + s1) + (s2 + s3)) / (float)rows;
    s0 = s1 = s2 = s3 = 0.0f;
    for (r = 0; r + 4 <= rows; r += 4) {
        const lanes d0 = load_lanes(from + (size_t)r * C, valid) - mean;
        const lanes d1 = load_lanes(from + (size_t)(r + 1) * C, valid) - mean;
        const lanes d2 = load_lanes(from + (size_t)(r + 2) * C, valid) - mean;
        const lanes d3 = load_lanes(from + (size_t)(r + 3) * C, valid) - mean;
        s0 = fma(d0, d0, s0);
        s1 = fma(d1, d1, s1);
        s2 = fma(d2, d2, s2);
        s3 = fma(d3, d3, s3);
    }
    for (; r < rows; r++) {
        const lanes d = load_lanes(from + (size_t)r * C, valid) - mean;
        s0 = fma(d, d, s0);
    }
    __global float *to = part + (size_t)g * 2 * C + c;
    store_lanes(mean, to, valid);
    store_lanes((s0 + s1) + (s2 + s3), to + C, valid);
}

/* mean = sum rows_g mean_g / R;  variance = (sum M2_g + rows_g (mean_g - mean)^2) / R;
 * running += momentum * (batch - running), the variance there over R - 1. */
__kernel void batch_norm_moments_finish(int R, int C, int L, int chunks, float eps, float momentum,
                                        __global const float *restrict part,
                                        __global float *restrict running_mean,
                                        __global float *restrict running_var,
                                        __global float *restrict mean_out,
                                        __global float *restrict inverse_out)
{
    const int c = (int)get_global_id(0) * V, valid = C - c;
    if (c >= C)
        return;
    /* offsets from the first chunk's mean: small where the means are close together */
    const lanes origin = load_lanes(part + c, valid);
    lanes sum = 0.0f;
    for (int g = 1; g < chunks; g++) {
        const lanes offset = load_lanes(part + (size_t)g * 2 * C + c, valid) - origin;
        sum += offset * (float)min(L, R - g * L);
    }
    const lanes mean = origin + sum / (float)R;
    lanes m2 = 0.0f;
    for (int g = 0; g < chunks; g++) {
        __global const float *from = part + (size_t)g * 2 * C + c;
        const lanes d = load_lanes(from, valid) - mean;
        m2 += fma(d * (float)min(L, R - g * L), d, load_lanes(from + C, valid));
    }
    const lanes variance = m2 / (float)R;
    store_lanes(mean, mean_out + c, valid);
    store_lanes(1.0f / sqrt(variance + eps), inverse_out + c, valid);
    const lanes old_mean = load_lanes(running_mean + c, valid);
    const lanes old_var = load_lanes(running_var + c, valid);
    store_lanes(old_mean + momentum * (mean - old_mean), running_mean + c, valid);
    store_lanes(old_var + momentum * (m2 / (float)(R - 1) - old_var), running_var + c, valid);
}

/* mean and inverse from the running statistics. */
__kernel void batch_norm_running_finish(int C, float eps,
                                        __global const float *restrict running_mean,
                                        __global const float *restrict running_var,
                                        __global float *restrict mean_out,
                                        __global float *restrict inverse_out)
{
    const int c = (int)get_global_id(0) * V, valid = C - c;
    if (c >= C)
        return;
    store_lanes(load_lanes(running_mean + c, valid), mean_out + c, valid);
    store_lanes(1.0f / sqrt(load_lanes(running_var + c, valid) + eps), inverse_out + c, valid);
}

__kernel void batch_norm_forward(int R, int C, int L, int chunks, __global const float *restrict x,
                                 __global const float *restrict weight,
                                 __global const float *restrict bias,
                                 __global const float *restrict mean,
                                 __global const float *restrict inverse, __global float *restrict y)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const lanes m = load_lanes(mean + c, valid), b = load_lanes(bias + c, valid);
    const lanes scale = load_lanes(inverse + c, valid) * load_lanes(weight + c, valid);
    const size_t first = (size_t)g * L * C + c;
    const int rows = min(L, R - g * L);
    for (int r = 0; r < rows; r++) {
        const size_t i = first + (size_t)r * C;
        store_lanes(fma(load_lanes(x + i, valid) - m, scale, b), y + i, valid);
    }
}

/* part[g][0] = sum of dy over chunk g, part[g][1] = sum of dy * (x - mean) * inverse. */
__kernel void
batch_norm_chunk_sums(int R, int C, int L, int chunks, __global const float *restrict x,
                      __global const float *restrict dy, __global const float *restrict mean,
                      __global const float *restrict inverse, __global float *restrict part)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const lanes m = load_lanes(mean + c, valid);
    const size_t first = (size_t)g * L * C + c;
    const int rows = min(L, R - g * L);
    lanes s0 = 0.0f, s1 = 0.0f, t0 = 0.0f, t1 = 0.0f;
    int r = 0;
    for (; r + 2 <= rows; r += 2) {
        const size_t i = first + (size_t)r * C, j = i + C;
        const lanes d0 = load_lanes(dy + i, valid), d1 = load_lanes(dy + j, valid);
        s0 += d0;
        s1 += d1;
        t0 = fma(d0, load_lanes(x + i, valid) - m, t0);
        t1 = fma(d1, load_lanes(x + j, valid) - m, t1);
    }
    if (r < rows) {
        const size_t i = first + (size_t)r * C;
        const lanes d0 = load_lanes(dy + i, valid);
        s0 += d0;
        t0 = fma(d0, load_lanes(x + i, valid) - m, t0);
    }
    __global float *to = part + (size_t)g * 2 * C + c;
    store_lanes(s0 + s1, to, valid);
    store_lanes((t0 + t1) * load_lanes(inverse + c, valid), to + C, valid);
}

/* Adds the chunks into sums [2][C], which lies behind part: sums[0] = sum of dy (the gradient of
 * the bias), sums[1] = sum of dy * normalised x (of the weight). */
__kernel void batch_norm_sums_finish(int C, int chunks, __global float *restrict part)
{
    const int c = (int)get_global_id(0) * V, valid = C - c;
    if (c >= C)
        return;
    lanes s = 0.0f, t = 0.0f;
    for (int g = 0; g < chunks; g++) {
        __global const float *from = part + (size_t)g * 2 * C + c;
        s += load_lanes(from, valid);
        t += load_lanes(from + C, valid);
    }
    __global float *sums = part + (size_t)chunks * 2 * C + c;
    store_lanes(s, sums, valid);
    store_lanes(t, sums + C, valid);
}

/* dx = weight * inverse * (dy - sums[0] / R - normalised x * sums[1] / R), training;
 * dx = weight * inverse * dy otherwise (x and part are not read).  part: as
 * batch_norm_sums_finish leaves it. */
__kernel void
batch_norm_backward(int R, int C, int L, int chunks, int train, __global const float *restrict x,
                    __global const float *restrict dy, __global const float *restrict weight,
                    __global const float *restrict mean, __global const float *restrict inverse,
                    __global const float *restrict part, __global float *restrict dx)
{
    const int c = (int)get_global_id(0) * V, g = get_global_id(1), valid = C - c;
    if (c >= C || g >= chunks)
        return;
    const lanes inv = load_lanes(inverse + c, valid);
    const lanes scale = inv * load_lanes(weight + c, valid);
    const size_t first = (size_t)g * L * C + c;
    const int rows = min(L, R - g * L);
    if (!train) {
        for (int r = 0; r < rows; r++) {
            const size_t i = first + (size_t)r * C;
            store_lanes(load_lanes(dy + i, valid) * scale, dx + i, valid);
        }
        return;
    }
    __global const float *sums = part + (size_t)chunks * 2 * C;
    const lanes m = load_lanes(mean + c, valid), mean_dy = load_lanes(sums + c, valid) / (float)R;
    const lanes slope = load_lanes(sums + C + c, valid) / (float)R * inv;
    for (int r = 0; r < rows; r++) {
        const size_t i = first + (size_t)r * C;
        const lanes d = load_lanes(dy + i, valid) - mean_dy;
        store_lanes(fma(m - load_lanes(x + i, valid), slope, d) * scale, dx + i, valid);
    }
}
