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
 * anchors, loss [1]; packed [tiles of 16 rows][D][16] = z, transposed in each tile and zero behind
 * the last row; the scratch of forward_cpu is row_loss, padded to a multiple of 16, then packed.
 * Launches cover rows `first` and up, so that each stays short.
 *
 * Three forms of forward and backward: *_plain, one work-item a row; *_cpu, one work-item
 * SUPCON_ROWS rows against sixteen columns at a time, group size 1; *_gpu, groups of 16 x 16
 * work-items, a tile of s each.
 */
#include "common/sum.h"

#ifndef SUPCON_D
#define SUPCON_D 128 /* length of an embedding */
#endif
#define SUPCON_ROWS 4   /* rows of one work-item of the CPU form */
#define SUPCON_BLOCK 64 /* columns between two passes over dz in the CPU form */
#define SUPCON_TILE 16  /* side of a tile of the GPU form */
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

/* z to `packed`, from element `offset` of scratch.  One work-item: one element. */
__kernel void supcon_pack(int m, long elements, int offset, __global const float *restrict z,
                          __global float *restrict scratch)
{
    const size_t at = get_global_id(0);
    if (at >= (size_t)elements)
        return;
    const size_t tile = at / (16 * SUPCON_D), within = at % (16 * SUPCON_D);
    const size_t j = tile * 16 + within % 16;
    scratch[offset + at] = j < (size_t)m ? z[j * SUPCON_D + within / 16] : 0.0f;
}

/* Sixteen values from j on; `rest` behind the end. */
float16 supcon_load(__global const float *restrict values, int j, int m, float rest)
{
    if (j + 16 <= m)
        return vload16(0, values + j);
    float lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = j + l < m ? values[j + l] : rest;
    return vload16(0, lanes);
}

int16 supcon_load_labels(__global const int *restrict labels, int j, int m)
{
    if (j + 16 <= m)
        return vload16(0, labels + j);
    int lanes[16];
    for (int l = 0; l < 16; l++)
        lanes[l] = j + l < m ? labels[j + l] : -1;
    return vload16(0, lanes);
}

/* s of SUPCON_ROWS rows against the sixteen columns of one packed tile.  Rows behind the last are
 * the last one again. */
void supcon_tile(int i, int m, float over_t, __global const float *restrict z,
                 __global const float *restrict tile, float16 *s)
{
    float16 a0 = (float16)(0.0f), a1 = a0, a2 = a0, a3 = a0;
    __global const float *restrict r0 = z + (size_t)i * SUPCON_D;
    __global const float *restrict r1 = z + (size_t)min(i + 1, m - 1) * SUPCON_D;
    __global const float *restrict r2 = z + (size_t)min(i + 2, m - 1) * SUPCON_D;
    __global const float *restrict r3 = z + (size_t)min(i + 3, m - 1) * SUPCON_D;
    for (int d = 0; d < SUPCON_D; d++) {
        const float16 column = vload16(d, tile);
        a0 += r0[d] * column;
        a1 += r1[d] * column;
        a2 += r2[d] * column;
        a3 += r3[d] * column;
    }
    s[0] = over_t * a0;
    s[1] = over_t * a1;
    s[2] = over_t * a2;
    s[3] = over_t * a3;
}

__constant const int16 supcon_lanes = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

/* One work-item: rows i to i + SUPCON_ROWS - 1; each lane keeps its own running maximum. */
__kernel void supcon_forward_cpu(int m, int first, float over_t, __global const float *restrict z,
                                 __global const int *restrict labels, __global float *restrict lse,
                                 __global float *restrict positives, __global float *scratch)
{
    const int i = first + SUPCON_ROWS * get_global_id(0);
    __global float *row_loss = scratch;
    __global const float *packed = scratch + (m + 15) / 16 * 16;
    if (i >= m)
        return;
    float16 largest[SUPCON_ROWS], sum[SUPCON_ROWS], matched[SUPCON_ROWS], count[SUPCON_ROWS];
    for (int r = 0; r < SUPCON_ROWS; r++)
        largest[r] = SUPCON_NONE, sum[r] = matched[r] = count[r] = (float16)(0.0f);
    for (int j = 0; j < m; j += 16) {
        float16 s[SUPCON_ROWS];
        supcon_tile(i, m, over_t, z, packed + (size_t)j * SUPCON_D, s);
        const int16 column = j + supcon_lanes, label = supcon_load_labels(labels, j, m);
        for (int r = 0; r < SUPCON_ROWS; r++) {
            const int mine = labels[min(i + r, m - 1)];
            const int16 counted = (column < m) & (column != i + r);
            const int16 same = mine >= 0 ? counted & (label == mine) : (int16)(0);
            const float16 seen = select((float16)(-INFINITY), s[r], counted);
            if (any(seen > largest[r])) {
                const float16 next = fmax(largest[r], seen);
                sum[r] *= exp(largest[r] - next);
                largest[r] = next;
            }
            sum[r] += exp(seen - largest[r]);
            matched[r] += select((float16)(0.0f), s[r], same);
            count[r] += select((float16)(0.0f), (float16)(1.0f), same);
        }
    }
    for (int r = 0; r < SUPCON_ROWS && i + r < m; r++) {
        const float8 a = fmax(largest[r].lo, largest[r].hi);
        const float4 b = fmax(a.lo, a.hi);
        const float top = fmax(fmax(b.x, b.y), fmax(b.z, b.w));
        const float total = limn_sum16(sum[r] * exp(largest[r] - top));
        lse[i + r] = top + log(total);
        positives[i + r] = limn_sum16(count[r]);
        row_loss[i + r] = supcon_row_loss(lse[i + r], limn_sum16(matched[r]), positives[i + r]);
    }
}

/* G_ij of one row against sixteen columns, and G_ji of the same pairs, without the factor c. */
float16 supcon_pull16(float16 s, float16 lse_j, float16 over_j, float lse_i, float over_i,
                      int16 same)
{
    const float16 one = over_i > 0.0f ? exp(s - lse_i) : (float16)(0.0f);
    const float16 other = select((float16)(0.0f), exp(s - lse_j), over_j > 0.0f);
    return one + other - select((float16)(0.0f), over_i + over_j, same);
}

/* One work-item: rows i to i + SUPCON_ROWS - 1.  Coefficients of SUPCON_BLOCK columns first, then
 * they meet z.  D is a multiple of 16. */
__kernel void supcon_backward_cpu(int m, int first, float over_t, float scale,
                                  __global const float *restrict z,
                                  __global const float *restrict packed,
                                  __global const int *restrict labels,
                                  __global const float *restrict lse,
                                  __global const float *restrict positives,
                                  __global const float *restrict anchors,
                                  __global const float *restrict dloss, __global float *restrict dz)
{
    const int i = first + SUPCON_ROWS * get_global_id(0);
    if (i >= m)
        return;
    const float c = anchors[0] > 0.0f ? dloss[0] * scale * over_t / anchors[0] : 0.0f;
    float16 out[SUPCON_ROWS][(SUPCON_D + 15) / 16];
    for (int r = 0; r < SUPCON_ROWS; r++)
        for (int d = 0; d < SUPCON_D / 16; d++)
            out[r][d] = (float16)(0.0f);
    for (int block = 0; block < m; block += SUPCON_BLOCK) {
        float pull[SUPCON_ROWS][SUPCON_BLOCK];
        const int columns = min(SUPCON_BLOCK, m - block);
        for (int j = block; j < block + columns; j += 16) {
            float16 s[SUPCON_ROWS];
            supcon_tile(i, m, over_t, z, packed + (size_t)j * SUPCON_D, s);
            const int16 column = j + supcon_lanes, label = supcon_load_labels(labels, j, m);
            const float16 lse_j = supcon_load(lse, j, m, 0.0f);
            const float16 count_j = supcon_load(positives, j, m, 0.0f);
            const float16 over_j = select((float16)(0.0f), 1.0f / count_j, count_j > 0.0f);
            for (int r = 0; r < SUPCON_ROWS; r++) {
                const int row = min(i + r, m - 1), mine = labels[row];
                const float over_i = positives[row] > 0.0f ? 1.0f / positives[row] : 0.0f;
                const int16 counted = (column < m) & (column != row);
                const int16 same = mine >= 0 ? counted & (label == mine) : (int16)(0);
                const float16 g = supcon_pull16(s[r], lse_j, over_j, lse[row], over_i, same);
                vstore16(select((float16)(0.0f), c * g, counted), 0, pull[r] + (j - block));
            }
        }
        for (int d = 0; d < SUPCON_D / 16; d++) {
            float16 a0 = out[0][d], a1 = out[1][d], a2 = out[2][d], a3 = out[3][d];
            for (int j = 0; j < columns; j++) {
                const float16 other = vload16(d, z + (size_t)(block + j) * SUPCON_D);
                a0 += pull[0][j] * other;
                a1 += pull[1][j] * other;
                a2 += pull[2][j] * other;
                a3 += pull[3][j] * other;
            }
            out[0][d] = a0;
            out[1][d] = a1;
            out[2][d] = a2;
            out[3][d] = a3;
        }
    }
    for (int r = 0; r < SUPCON_ROWS && i + r < m; r++)
        for (int d = 0; d < SUPCON_D / 16; d++)
            vstore16(out[r][d], d, dz + (size_t)(i + r) * SUPCON_D);
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
