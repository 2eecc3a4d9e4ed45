/* Batch normalisation over the R rows of [R][C], channels last:
 *   v = (x - mean[c]) * inverse[c] * weight[c] + bias[c],   inverse = 1 / sqrt(variance + eps)
 * with the batch's mean and biased variance (training) or the running ones, and
 *   y = v + residual, y = max(v, 0) or y = max(v + residual, 0)
 * where those are asked for.  A NaN stays one through the maximum.
 *
 * Rows are cut into `chunks` runs of L (the last may be shorter).  The sums of a chunk are stored
 * in part [chunks][2][C] and added in the order of the chunks, so results repeat bit by bit.
 *
 * Kernels with global size (ceil(C / (NB V)), chunks): a work-item owns NB V channels of a chunk; a
 * chunk's lines stay in the cache while it is read twice, and those of the next come meanwhile.
 * What a first kernel has read, a second one reads from the last chunk to the first: the end is
 * still in the caches.  With `stream` y, dx and the masked dy are written around them.  Kernels
 * named _finish: global size (ceil(C / V)), one work-item owns V channels.
 */
#include "common/soon.h"
#include "common/stream.h"

/* Blocks of V channels of one work-item, for longer runs of memory; more than 1 divide C evenly. */
#ifndef NB
#define NB 1
#endif
/* Channels left from `at` on. */
#if NB > 1
#define LEFT(at) V
#else
#define LEFT(at) (C - (at))
#endif
/* Rows that are asked for before their turn: by themselves caches foresee short runs only. */
#define AHEAD 16

/* Floats from a work-item's first row to that of the next on the same core, as CPU devices go
 * through them: beside it, or `step` chunks on. */
long next_item(int c, int L, int C, int step)
{
    return c + NB * V < C ? NB * V : (long)step * L * C - c;
}

/* Floats from row r to the one that is read AHEAD rows later, by the next work-item at the end. */
long row_ahead(int r, int rows, int C, long next)
{
    return (long)AHEAD * C + (r + AHEAD < rows ? 0 : next - (long)rows * C);
}

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
    const long next = next_item(c, L, C, 1), ahead = (long)AHEAD * C;
    lanes even[NB], odd[NB], mean[NB];
#pragma unroll
    for (int j = 0; j < NB; j++)
        even[j] = odd[j] = 0.0f;
    for (int r = 0; r < rows; r += 2)
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            limn_soon(x + i + ahead);
            limn_soon(x + i + ahead + C);
            even[j] += load_lanes(x + i, LEFT(c + j * V));
            if (r + 1 < rows)
                odd[j] += load_lanes(x + i + C, LEFT(c + j * V));
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
            limn_soon(x + i + next);
            limn_soon(x + i + next + C);
            const lanes d = load_lanes(x + i, LEFT(c + j * V)) - mean[j];
            even[j] = fma(d, d, even[j]);
            if (r + 1 < rows) {
                const lanes e = load_lanes(x + i + C, LEFT(c + j * V)) - mean[j];
                odd[j] = fma(e, e, odd[j]);
            }
        }
    __global float *to = part + (size_t)g * 2 * C + c;
#pragma unroll
    for (int j = 0; j < NB; j++) {
        store_lanes(mean[j], to + j * V, LEFT(c + j * V));
        store_lanes(even[j] + odd[j], to + C + j * V, LEFT(c + j * V));
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

__kernel void
batch_norm_forward(int R, int C, int L, int chunks, int has_residual, int relu, int stream,
                   __global const float *restrict x, __global const float *restrict weight,
                   __global const float *restrict bias, __global const float *restrict mean,
                   __global const float *restrict inverse, __global const float *restrict residual,
                   __global float *restrict y)
{
    const int c = (int)get_global_id(0) * NB * V, g = chunks - 1 - (int)get_global_id(1);
    if (c >= C || g < 0)
        return;
    const int rows = min(L, R - g * L);
    const long next = next_item(c, L, C, -1);
    const size_t first = (size_t)g * L * C + c;
    lanes m[NB], b[NB], scale[NB];
#pragma unroll
    for (int j = 0; j < NB; j++) {
        const int at = c + j * V, valid = LEFT(at);
        m[j] = load_lanes(mean + at, valid);
        b[j] = load_lanes(bias + at, valid);
        scale[j] = load_lanes(inverse + at, valid) * load_lanes(weight + at, valid);
    }
    for (int r = 0; r < rows; r++) {
        const long ahead = row_ahead(r, rows, C, next);
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const int valid = LEFT(c + j * V);
            limn_soon(x + i + ahead);
            lanes v = fma(load_lanes(x + i, valid) - m[j], scale[j], b[j]);
            if (has_residual) {
                limn_soon(residual + i + ahead);
                v += load_lanes(residual + i, valid);
            }
            if (relu)
                v = choose_lanes(v < 0.0f, 0.0f, v);
            stream_lanes(v, stream, y + i, valid);
        }
    }
}

/* What the backward kernels take for dy: where y is a maximum with 0, dy counts only where y > 0.
 * mask 0: no maximum; 1: y is read; 2: y is computed once more, from x, as forward did. */

/* part[g][0] = sum of masked dy over chunk g, part[g][1] = sum of it * (x - mean) * inverse.
 * The masked dy goes to `masked` too, where that is not 0: the gradient of the residual. */
void batch_norm_sums_to(int R, int C, int L, int chunks, int mask, __global const float *x,
                        __global const float *dy, __global const float *y,
                        __global const float *weight, __global const float *bias,
                        __global const float *mean, __global const float *inverse,
                        __global float *part, int stream, __global float *masked)
{
    const int c = (int)get_global_id(0) * NB * V, g = get_global_id(1);
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    const long next = next_item(c, L, C, 1);
    const size_t first = (size_t)g * L * C + c;
    lanes m[NB], b[NB], scale[NB], s[NB], t[NB];
#pragma unroll
    for (int j = 0; j < NB; j++) {
        const int at = c + j * V, valid = LEFT(at);
        m[j] = load_lanes(mean + at, valid);
        b[j] = load_lanes(bias + at, valid);
        scale[j] = load_lanes(inverse + at, valid) * load_lanes(weight + at, valid);
        s[j] = t[j] = 0.0f;
    }
    for (int r = 0; r < rows; r++) {
        const long ahead = row_ahead(r, rows, C, next);
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const int valid = LEFT(c + j * V);
            limn_soon(x + i + ahead);
            limn_soon(dy + i + ahead);
            const lanes from_mean = load_lanes(x + i, valid) - m[j];
            lanes d = load_lanes(dy + i, valid);
            if (mask == 1) {
                limn_soon(y + i + ahead);
                d = choose_lanes(load_lanes(y + i, valid) > 0.0f, d, 0.0f);
            }
            if (mask == 2)
                d = choose_lanes(fma(from_mean, scale[j], b[j]) > 0.0f, d, 0.0f);
            s[j] += d;
            t[j] = fma(d, from_mean, t[j]);
            if (masked)
                stream_lanes(d, stream, masked + i, valid);
        }
    }
    __global float *to = part + (size_t)g * 2 * C + c;
#pragma unroll
    for (int j = 0; j < NB; j++) {
        const int valid = LEFT(c + j * V);
        store_lanes(s[j], to + j * V, valid);
        store_lanes(t[j] * load_lanes(inverse + c + j * V, valid), to + C + j * V, valid);
    }
}

__kernel void
batch_norm_chunk_sums(int R, int C, int L, int chunks, int mask, __global const float *restrict x,
                      __global const float *restrict dy, __global const float *restrict y,
                      __global const float *restrict weight, __global const float *restrict bias,
                      __global const float *restrict mean, __global const float *restrict inverse,
                      __global float *restrict part)
{
    batch_norm_sums_to(R, C, L, chunks, mask, x, dy, y, weight, bias, mean, inverse, part, 0, 0);
}

__kernel void batch_norm_chunk_sums_masked(
    int R, int C, int L, int chunks, int mask, __global const float *restrict x,
    __global const float *restrict dy, __global const float *restrict y,
    __global const float *restrict weight, __global const float *restrict bias,
    __global const float *restrict mean, __global const float *restrict inverse,
    __global float *restrict part, int stream, __global float *restrict masked)
{
    batch_norm_sums_to(R, C, L, chunks, mask, x, dy, y, weight, bias, mean, inverse, part, stream,
                       masked);
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
 * dx = weight * inverse * dy otherwise (part is not read), with the masked dy.  part: as
 * batch_norm_sums_finish leaves it. */
__kernel void
batch_norm_backward(int R, int C, int L, int chunks, int train, int mask, int stream,
                    __global const float *restrict x, __global const float *restrict dy,
                    __global const float *restrict y, __global const float *restrict weight,
                    __global const float *restrict bias, __global const float *restrict mean,
                    __global const float *restrict inverse, __global const float *restrict part,
                    __global float *restrict dx)
{
    const int c = (int)get_global_id(0) * NB * V, g = chunks - 1 - (int)get_global_id(1);
    if (c >= C || g < 0)
        return;
    const int rows = min(L, R - g * L);
    const long next = next_item(c, L, C, -1);
    const size_t first = (size_t)g * L * C + c;
    __global const float *sums = part + (size_t)chunks * 2 * C;
    lanes m[NB], b[NB], scale[NB], mean_dy[NB], slope[NB];
#pragma unroll
    for (int j = 0; j < NB; j++) {
        const int at = c + j * V, valid = LEFT(at);
        const lanes inv = load_lanes(inverse + at, valid);
        m[j] = load_lanes(mean + at, valid);
        b[j] = load_lanes(bias + at, valid);
        scale[j] = inv * load_lanes(weight + at, valid);
        mean_dy[j] = slope[j] = 0.0f;
        if (train) {
            mean_dy[j] = load_lanes(sums + at, valid) / (float)R;
            slope[j] = load_lanes(sums + C + at, valid) / (float)R * inv;
        }
    }
    for (int r = 0; r < rows; r++) {
        const long ahead = row_ahead(r, rows, C, next);
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const int valid = LEFT(c + j * V);
            lanes from_mean = 0.0f;
            if (train || mask == 2) {
                limn_soon(x + i + ahead);
                from_mean = load_lanes(x + i, valid) - m[j];
            }
            limn_soon(dy + i + ahead);
            lanes d = load_lanes(dy + i, valid);
            if (mask == 1)
                d = choose_lanes(load_lanes(y + i, valid) > 0.0f, d, 0.0f);
            if (mask == 2)
                d = choose_lanes(fma(from_mean, scale[j], b[j]) > 0.0f, d, 0.0f);
            if (train)
                d = fma(-from_mean, slope[j], d - mean_dy[j]);
            stream_lanes(d * scale[j], stream, dx + i, valid);
        }
    }
}

/* Running statistics and a residual: dx = weight * inverse * masked dy, masked = masked dy.  x is
 * not read. */
__kernel void batch_norm_backward_masked(int R, int C, int L, int chunks, int mask, int stream,
                                         __global const float *restrict dy,
                                         __global const float *restrict y,
                                         __global const float *restrict weight,
                                         __global const float *restrict inverse,
                                         __global float *restrict masked,
                                         __global float *restrict dx)
{
    const int c = (int)get_global_id(0) * NB * V, g = get_global_id(1);
    if (c >= C || g >= chunks)
        return;
    const int rows = min(L, R - g * L);
    const long next = next_item(c, L, C, 1);
    const size_t first = (size_t)g * L * C + c;
    lanes scale[NB];
#pragma unroll
    for (int j = 0; j < NB; j++)
        scale[j] = load_lanes(inverse + c + j * V, LEFT(c + j * V)) *
                   load_lanes(weight + c + j * V, LEFT(c + j * V));
    for (int r = 0; r < rows; r++) {
        const long ahead = row_ahead(r, rows, C, next);
#pragma unroll
        for (int j = 0; j < NB; j++) {
            const size_t i = first + (size_t)r * C + j * V;
            const int valid = LEFT(c + j * V);
            limn_soon(dy + i + ahead);
            lanes d = load_lanes(dy + i, valid);
            if (mask) {
                limn_soon(y + i + ahead);
                d = choose_lanes(load_lanes(y + i, valid) > 0.0f, d, 0.0f);
            }
            stream_lanes(d, stream, masked + i, valid);
            stream_lanes(d * scale[j], stream, dx + i, valid);
        }
    }
}

/* masked = masked dy, where the gradient of the residual is all that is asked for. */
__kernel void batch_norm_mask(long count, __global const float *restrict dy,
                              __global const float *restrict y, __global float *restrict masked)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        masked[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}
