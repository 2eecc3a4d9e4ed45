/* Batch normalisation over the R rows of [R][C], channels last:
 *   y = (x - mean[c]) * inverse[c] * weight[c] + bias[c],   inverse = 1 / sqrt(variance + eps)
 * with the batch's mean and biased variance (training) or the running ones.
 *
 * Rows are cut into `chunks` runs of L (the last may be shorter).  The sums of a chunk are stored
 * in part [chunks][2][C] and added in the order of the chunks, so results repeat bit by bit.
 *
 * Kernels with global size (ceil(C / (NB V)), chunks): a work-item owns NB V channels of a chunk; a
 * chunk's lines stay in the cache while it is read twice.  Kernels named _finish: global size
 * (ceil(C / V)), one work-item owns V channels.
 */
#include "common/lanes.h"

#ifndef NB
#define NB 1 /* blocks of V channels of one work-item: longer runs of memory where C is large */
#endif

/* part[g][0] = mean of chunk g, part[g][1] = sum of squared deviations from it. */
__kernel void batch_norm_chunk_moments(int R, int C, int L, int chunks,
                                       __global const float *restrict x,
                                       __global float *restrict part)
{
    const int c = (int)get_global_id(0) * NB * V, g = get_global_id(1);
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    const size_t first = (size_t)g * L * C + c;
    lanes even[NB], odd[NB], mean[NB];
#pragma unroll
    for (int j = 0; j < NB; j++)
        even[j] = odd[j] = 0.0f;
    for (int r = 0; r < rows; r += 2)
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            even[j] += load_lanes(x + i, C - c - j * V);
            if (r + 1 < rows)
                odd[j] += load_lanes(x + i + C, C - c - j * V);
        }
#pragma unroll
    for (int j = 0; j < NB; j++) {
        mean[j] = (even[j] + odd[j]) / (float)rows;
        even[j] = odd[j] = 0.0f;
    }
    for (int r = 0; r < rows; r += 2)
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const lanes d = load_lanes(x + i, C - c - j * V) - mean[j];
            even[j] = fma(d, d, even[j]);
            if (r + 1 < rows) {
                const lanes e = load_lanes(x + i + C, C - c - j * V) - mean[j];
                odd[j] = fma(e, e, odd[j]);
            }
        }
    __global float *to = part + (size_t)g * 2 * C + c;
#pragma unroll
    for (int j = 0; j < NB; j++) {
        store_lanes(mean[j], to + j * V, C - c - j * V);
        store_lanes(even[j] + odd[j], to + C + j * V, C - c - j * V);
    }
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
    const int c = (int)get_global_id(0) * NB * V, g = get_global_id(1);
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    const size_t first = (size_t)g * L * C + c;
    lanes m[NB], b[NB], scale[NB];
#pragma unroll
    for (int j = 0; j < NB; j++) {
        const int at = c + j * V, valid = C - at;
        m[j] = load_lanes(mean + at, valid);
        b[j] = load_lanes(bias + at, valid);
        scale[j] = load_lanes(inverse + at, valid) * load_lanes(weight + at, valid);
    }
    for (int r = 0; r < rows; r++)
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const int valid = C - c - j * V;
            store_lanes(fma(load_lanes(x + i, valid) - m[j], scale[j], b[j]), y + i, valid);
        }
}

/* part[g][0] = sum of dy over chunk g, part[g][1] = sum of dy * (x - mean) * inverse. */
__kernel void
batch_norm_chunk_sums(int R, int C, int L, int chunks, __global const float *restrict x,
                      __global const float *restrict dy, __global const float *restrict mean,
                      __global const float *restrict inverse, __global float *restrict part)
{
    const int c = (int)get_global_id(0) * NB * V, g = get_global_id(1);
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    const size_t first = (size_t)g * L * C + c;
    lanes m[NB], s[NB], t[NB];
#pragma unroll
    for (int j = 0; j < NB; j++) {
        m[j] = load_lanes(mean + c + j * V, C - c - j * V);
        s[j] = t[j] = 0.0f;
    }
    for (int r = 0; r < rows; r++)
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const lanes d = load_lanes(dy + i, C - c - j * V);
            s[j] += d;
            t[j] = fma(d, load_lanes(x + i, C - c - j * V) - m[j], t[j]);
        }
    __global float *to = part + (size_t)g * 2 * C + c;
#pragma unroll
    for (int j = 0; j < NB; j++) {
        const int valid = C - c - j * V;
        store_lanes(s[j], to + j * V, valid);
        store_lanes(t[j] * load_lanes(inverse + c + j * V, valid), to + C + j * V, valid);
    }
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
    const int c = (int)get_global_id(0) * NB * V, g = get_global_id(1);
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    const size_t first = (size_t)g * L * C + c;
    __global const float *sums = part + (size_t)chunks * 2 * C;
    lanes m[NB], scale[NB], mean_dy[NB], slope[NB];
#pragma unroll
    for (int j = 0; j < NB; j++) {
        const int at = c + j * V, valid = C - at;
        const lanes inv = load_lanes(inverse + at, valid);
        m[j] = load_lanes(mean + at, valid);
        scale[j] = inv * load_lanes(weight + at, valid);
        mean_dy[j] = slope[j] = 0.0f;
        if (train) {
            mean_dy[j] = load_lanes(sums + at, valid) / (float)R;
            slope[j] = load_lanes(sums + C + at, valid) / (float)R * inv;
        }
    }
    for (int r = 0; r < rows; r++)
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const int valid = C - c - j * V;
            lanes d = load_lanes(dy + i, valid);
            if (train)
                d = fma(m[j] - load_lanes(x + i, valid), slope[j], d - mean_dy[j]);
            store_lanes(d * scale[j], dx + i, valid);
        }
}
