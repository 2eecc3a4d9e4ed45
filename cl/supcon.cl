/* Supervised contrastive loss, L_out of Khosla et al. 2020, of embeddings z[m][D]:
 *
 *   s_ij = z_i . z_j / T        lse_i = log sum_{j != i} exp s_ij
 *   P(i) = { p != i : label_p = label_i >= 0 }
 *   L_i  = lse_i - 1/|P(i)| sum_{p in P(i)} s_ip,   0 where P(i) is empty
 *   loss = scale * sum_i L_i / anchors,   anchors = number of i with P(i) not empty
 *
 *   dz_i = c/T sum_{j != i} (G_ij + G_ji) z_j,   c = dloss * scale / anchors
 *   G_ij = exp(s_ij - lse_i) - [j in P(i)] / |P(i)|,   0 where P(i) is empty
 *
 * No m x m matrix is stored: tiles of s are computed, used and computed again in backward.
 * Memory: z, dz [m][D] row-major; labels, lse [m]; positives [m] = |P(i)| as float; row_loss [m];
 * anchors, loss [1].  Launches cover rows `first` and up, so that each stays short.
 *
 * Three forms of forward and backward: *_plain, one work-item a row; *_cpu, register tiles, in
 * supcon/cpu.cl; *_gpu, groups of 16 x 16 work-items, a tile of s each.
 */
#include "common/sum.h"

#ifndef SUPCON_D
#define SUPCON_D 128 /* length of an embedding */
#endif
#define SUPCON_TILE 16 /* side of a tile of the GPU form */
#define SUPCON_NONE (-1.0e30f) /* below every similarity: the start of a running maximum */

/* L_i from its parts. */
float supcon_row_loss(float lse, float sum_positive, float positives)
{
    return positives > 0.0f ? lse - sum_positive / positives : 0.0f;
}

/* One work-item in all: anchors and loss, in one fixed order. */
__kernel void supcon_mean(int m, float scale, __global const float *restrict row_loss,
                          __global const float *restrict positives, __global float *restrict anchors,
                          __global float *restrict loss)
{
    if (get_global_id(0) > 0)
        return;
    int count = 0;
    for (int i = 0; i < m; i++)
        count += positives[i] > 0.0f;
    anchors[0] = count;
    loss[0] = count ? scale * limn_sum(row_loss, m) / count : 0.0f;
}

/* G_ij of one pair j != i. */
float supcon_pull(float s, float lse, float positives, bool same)
{
    return positives > 0.0f ? exp(s - lse) - (same ? 1.0f / positives : 0.0f) : 0.0f;
}

float supcon_dot(__global const float *restrict a, __global const float *restrict b)
{
    float sum = 0.0f;
    for (int d = 0; d < SUPCON_D; d++)
        sum += a[d] * b[d];
    return sum;
}

__kernel void supcon_forward_plain(int m, int first, float over_t, __global const float *restrict z,
                                   __global const int *restrict labels, __global float *restrict lse,
                                   __global float *restrict positives,
                                   __global float *restrict row_loss)
{
    const int i = first + get_global_id(0);
    if (i >= m)
        return;
    const int label = labels[i];
    float largest = SUPCON_NONE, sum = 0.0f, sum_positive = 0.0f, count = 0.0f;
    for (int j = 0; j < m; j++) {
        if (j == i)
            continue;
        const float s = over_t * supcon_dot(z + (size_t)i * SUPCON_D, z + (size_t)j * SUPCON_D);
        if (s > largest) {
            sum *= exp(largest - s);
            largest = s;
        }
        sum += exp(s - largest);
        if (label >= 0 && labels[j] == label) {
            sum_positive += s;
            count += 1.0f;
        }
    }
    lse[i] = largest + log(sum);
    positives[i] = count;
    row_loss[i] = supcon_row_loss(lse[i], sum_positive, count);
}

__kernel void supcon_backward_plain(int m, int first, float over_t, float scale,
                                    __global const float *restrict z,
                                    __global const int *restrict labels,
                                    __global const float *restrict lse,
                                    __global const float *restrict positives,
                                    __global const float *restrict anchors,
                                    __global const float *restrict dloss, __global float *restrict dz)
{
    const int i = first + get_global_id(0);
    if (i >= m)
        return;
    __global float *restrict row = dz + (size_t)i * SUPCON_D;
    for (int d = 0; d < SUPCON_D; d++)
        row[d] = 0.0f;
    const float c = anchors[0] > 0.0f ? dloss[0] * scale * over_t / anchors[0] : 0.0f;
    for (int j = 0; j < m; j++) {
        if (j == i)
            continue;
        __global const float *other = z + (size_t)j * SUPCON_D;
        const float s = over_t * supcon_dot(z + (size_t)i * SUPCON_D, other);
        const bool same = labels[i] >= 0 && labels[j] == labels[i];
        const float pull = c * (supcon_pull(s, lse[i], positives[i], same) +
                                supcon_pull(s, lse[j], positives[j], same));
        for (int d = 0; d < SUPCON_D; d++)
            row[d] += pull * other[d];
    }
}

/* s of this work-item's pair (row + local id 1, column + local id 0), tiles of z through local
 * memory.  All work-items of the group call it. */
float supcon_pair(int m, int row, int column, float over_t, __global const float *restrict z,
                  __local float *rows, __local float *columns)
{
    const int x = get_local_id(0), y = get_local_id(1);
    float sum = 0.0f;
    for (int d = 0; d < SUPCON_D; d += SUPCON_TILE) {
        const bool inside = d + x < SUPCON_D;
        rows[y * SUPCON_TILE + x] =
            inside && row + y < m ? z[(size_t)(row + y) * SUPCON_D + d + x] : 0.0f;
        columns[x * (SUPCON_TILE + 1) + y] =
            inside && column + y < m ? z[(size_t)(column + y) * SUPCON_D + d + x] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < SUPCON_TILE; k++)
            sum += rows[y * SUPCON_TILE + k] * columns[k * (SUPCON_TILE + 1) + x];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return over_t * sum;
}

/* One group: SUPCON_TILE rows; work-item (x, y): row y, columns x, x + 16, ... */
__kernel __attribute__((reqd_work_group_size(SUPCON_TILE, SUPCON_TILE, 1))) void supcon_forward_gpu(
    int m, int first, float over_t, __global const float *restrict z,
    __global const int *restrict labels, __global float *restrict lse,
    __global float *restrict positives, __global float *restrict row_loss)
{
    __local float rows[SUPCON_TILE * SUPCON_TILE], columns[SUPCON_TILE * (SUPCON_TILE + 1)];
    __local float parts[4][SUPCON_TILE][SUPCON_TILE];
    const int x = get_local_id(0), y = get_local_id(1);
    const int row = first + SUPCON_TILE * get_group_id(1), i = row + y;
    const int label = i < m ? labels[i] : -1;
    float largest = SUPCON_NONE, sum = 0.0f, matched = 0.0f, count = 0.0f;
    for (int column = 0; column < m; column += SUPCON_TILE) {
        const float s = supcon_pair(m, row, column, over_t, z, rows, columns);
        const int j = column + x;
        if (j >= m || j == i)
            continue;
        if (s > largest) {
            sum *= exp(largest - s);
            largest = s;
        }
        sum += exp(s - largest);
        if (label >= 0 && labels[j] == label) {
            matched += s;
            count += 1.0f;
        }
    }
    parts[0][y][x] = largest;
    parts[1][y][x] = sum;
    parts[2][y][x] = matched;
    parts[3][y][x] = count;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (x > 0 || i >= m)
        return;
    for (int k = 1; k < SUPCON_TILE; k++)
        largest = fmax(largest, parts[0][y][k]);
    sum = matched = count = 0.0f;
    for (int k = 0; k < SUPCON_TILE; k++) {
        sum += parts[1][y][k] * exp(parts[0][y][k] - largest);
        matched += parts[2][y][k];
        count += parts[3][y][k];
    }
    lse[i] = largest + log(sum);
    positives[i] = count;
    row_loss[i] = supcon_row_loss(lse[i], matched, count);
}

/* One group: SUPCON_TILE rows of dz; work-item (x, y): row y, elements x, x + 16, ... */
__kernel __attribute__((reqd_work_group_size(SUPCON_TILE, SUPCON_TILE, 1))) void
supcon_backward_gpu(int m, int first, float over_t, float scale, __global const float *restrict z,
                    __global const int *restrict labels, __global const float *restrict lse,
                    __global const float *restrict positives,
                    __global const float *restrict anchors, __global const float *restrict dloss,
                    __global float *restrict dz)
{
    __local float rows[SUPCON_TILE * SUPCON_TILE], columns[SUPCON_TILE * (SUPCON_TILE + 1)];
    __local float pull[SUPCON_TILE][SUPCON_TILE];
    const int x = get_local_id(0), y = get_local_id(1);
    const int row = first + SUPCON_TILE * get_group_id(1), i = row + y;
    const float c = anchors[0] > 0.0f ? dloss[0] * scale * over_t / anchors[0] : 0.0f;
    const float lse_i = i < m ? lse[i] : 0.0f, positives_i = i < m ? positives[i] : 0.0f;
    const int label = i < m ? labels[i] : -1;
    float out[(SUPCON_D + SUPCON_TILE - 1) / SUPCON_TILE];
    for (int d = 0; d * SUPCON_TILE < SUPCON_D; d++)
        out[d] = 0.0f;
    for (int column = 0; column < m; column += SUPCON_TILE) {
        const float s = supcon_pair(m, row, column, over_t, z, rows, columns);
        const int j = column + x;
        float g = 0.0f;
        if (i < m && j < m && j != i) {
            const bool same = label >= 0 && labels[j] == label;
            g = c * (supcon_pull(s, lse_i, positives_i, same) +
                     supcon_pull(s, lse[j], positives[j], same));
        }
        pull[y][x] = g;
        barrier(CLK_LOCAL_MEM_FENCE);
        const int count = min(SUPCON_TILE, m - column);
        for (int d = 0; d * SUPCON_TILE < SUPCON_D; d++) {
            const int e = d * SUPCON_TILE + x;
            for (int k = 0; e < SUPCON_D && k < count; k++)
                out[d] += pull[y][k] * z[(size_t)(column + k) * SUPCON_D + e];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int d = 0; d * SUPCON_TILE < SUPCON_D; d++)
        if (i < m && d * SUPCON_TILE + x < SUPCON_D)
            dz[(size_t)i * SUPCON_D + d * SUPCON_TILE + x] = out[d];
}
