/* Supervised contrastive loss on CPU devices; the formulas stand in supcon.cl.
 *
 * One work-item: ROWS rows against all columns, BLOCK columns at a time, group size 1.  The
 * similarities of a block are made in register tiles of 8 rows x 32 columns and stay in private
 * memory.  Forward takes them to a running log-sum-exp; backward makes the coefficients
 * W_ij = G_ij + G_ji of them, and a second product in the same tiles adds W z to dz.  What a row
 * gets does not depend on ROWS.
 *
 * Memory: DP = D rounded up to 32.  columns [ceil(m / 32)][DP][32]: z, transposed within panels of
 * 32 rows; rows [DP / 32][MP][32], MP = m rounded up to 32: z in panels of 32 elements; both zero
 * beyond m and D.  The scratch of forward is row_loss[m rounded up to 16], then columns; that of
 * backward columns, then rows.
 */
#include "common/sum.h"

#ifndef SUPCON_D
#define SUPCON_D 128 /* length of an embedding */
#endif
#ifndef SUPCON_ROWS
#define SUPCON_ROWS 32 /* rows of a work-item, a multiple of 8 */
#endif
#ifndef SUPCON_BLOCK
#define SUPCON_BLOCK 128 /* columns of a block, a multiple of 32 */
#endif
#define SUPCON_DP ((SUPCON_D + 31) / 32 * 32)
#define SUPCON_NONE (-1.0e30f) /* below every similarity: the start of a running maximum */

/* One work-item: one row of z, 32 of its elements, to both copies, or to `columns` alone. */
__kernel void supcon_pack(int m, long offset, long rows_offset, __global const float *restrict z,
                          __global float *restrict scratch)
{
    const int j = get_global_id(0), panel = get_global_id(1), d0 = 32 * panel;
    const int padded = (m + 31) / 32 * 32;
    if (j >= padded || d0 >= SUPCON_DP)
        return;
    __global float *column =
        scratch + offset + ((size_t)(j / 32) * SUPCON_DP + d0) * 32 + (size_t)(j % 32);
    __global float *row = scratch + rows_offset + ((size_t)panel * padded + j) * 32;
    for (int d = 0; d < 32; d++) {
        const float value = j < m && d0 + d < SUPCON_D ? z[(size_t)j * SUPCON_D + d0 + d] : 0.0f;
        column[32 * d] = value;
        if (rows_offset >= 0)
            row[d] = value;
    }
}

/* acc[r][v] += sum over k < depth of a[r * stride + k] * b[32 k + 16 v ..]: 8 rows x 32 columns. */
void supcon_multiply(const float *a, int stride, int depth, __global const float *restrict b,
                     float16 acc[8][2])
{
    for (int k = 0; k < depth; k++) {
        const float16 b0 = vload16(0, b + 32 * (size_t)k), b1 = vload16(1, b + 32 * (size_t)k);
#pragma unroll
        for (int r = 0; r < 8; r++) {
            const float16 value = (float16)(a[r * stride + k]);
            acc[r][0] = fma(value, b0, acc[r][0]);
            acc[r][1] = fma(value, b1, acc[r][1]);
        }
    }
}

/* exp(x) for x <= 0, to 1.3 of half a unit in the last place; e^-86 below -86.  Cody and Waite's
 * reduction, then the polynomial 1 + f + f^2 q(f) of least relative error, 3e-9. */
float16 supcon_exp(float16 x)
{
    const float16 low = x < -86.0f ? (float16)(-86.0f) : x; /* NaN stays */
    const float16 shifted = fma(low, (float16)(1.44269504f), (float16)(12582912.0f));
    const float16 n = shifted - 12582912.0f; /* 1.5 * 2^23: rounds to an integer */
    const float16 f = fma(n, (float16)(2.12194440e-4f), fma(n, (float16)(-0.693359375f), low));
    float16 p = fma((float16)(1.38145988e-3f), f, (float16)(8.36871658e-3f));
    p = fma(p, f, (float16)(4.16683890e-2f));
    p = fma(p, f, (float16)(0.166665211f));
    p = fma(p, f, (float16)(0.49999994f));
    p = fma(p, f, (float16)(1.0f));
    p = fma(p, f, (float16)(1.0f));
    return as_float16(as_int16(p) + (as_int16(shifted) << 23));
}

/* Rows i to i + SUPCON_ROWS - 1 of z to private memory, over T; behind the last row the last. */
void supcon_take_rows(int i, int m, float over_t, __global const float *restrict z, float *mine)
{
    for (int r = 0; r < SUPCON_ROWS; r++)
        for (int d = 0; d < SUPCON_DP; d++)
            mine[r * SUPCON_DP + d] =
                d < SUPCON_D ? over_t * z[(size_t)min(i + r, m - 1) * SUPCON_D + d] : 0.0f;
}

/* s of the work-item's rows against the SUPCON_BLOCK columns from j on; as many as there are. */
void supcon_block(int j, int m, const float *mine, __global const float *restrict columns,
                  float16 *s)
{
    for (int panel = 0; 32 * panel < min(SUPCON_BLOCK, m - j); panel++)
        for (int r = 0; r < SUPCON_ROWS; r += 8) {
            float16 acc[8][2];
#pragma unroll
            for (int k = 0; k < 8; k++)
                acc[k][0] = acc[k][1] = (float16)(0.0f);
            supcon_multiply(mine + r * SUPCON_DP, SUPCON_DP, SUPCON_DP,
                            columns + (size_t)(j + 32 * panel) * SUPCON_DP, acc);
#pragma unroll
            for (int k = 0; k < 8; k++) {
                s[((r + k) * SUPCON_BLOCK + 32 * panel) / 16] = acc[k][0];
                s[((r + k) * SUPCON_BLOCK + 32 * panel) / 16 + 1] = acc[k][1];
            }
        }
}

/* The labels of a block; -1, which nobody shares, for rows without one and behind the end. */
void supcon_take_labels(int j, int m, __global const int *restrict labels, int *block)
{
    for (int k = 0; k < SUPCON_BLOCK; k++)
        block[k] = j + k < m ? max(labels[j + k], -1) : -1;
}

typedef struct supcon_state {
    float16 largest, sum, matched;
    int16 count;
} supcon_state;

/* One row against one block: each lane keeps its own running maximum. */
void supcon_stream(const float16 *s, const int16 *label, int mine, supcon_state *state)
{
    float16 next = state->largest, sum = 0.0f, matched = state->matched;
    int16 count = state->count;
    for (int k = 0; k < SUPCON_BLOCK / 16; k++) {
        const float16 v = s[k];
        next = v > next ? v : next;
    }
    for (int k = 0; k < SUPCON_BLOCK / 16; k++) {
        const float16 v = s[k];
        const int16 same = label[k] == mine;
        sum += supcon_exp(v - next);
        matched += same ? v : (float16)(0.0f);
        count -= same;
    }
    state->sum = fma(state->sum, supcon_exp(state->largest - next), sum);
    state->largest = next;
    state->matched = matched;
    state->count = count;
}

__kernel void supcon_forward_cpu(int m, int first, float over_t, __global const float *restrict z,
                                 __global const int *restrict labels, __global float *restrict lse,
                                 __global float *restrict positives, __global float *scratch)
{
    const int i = first + SUPCON_ROWS * get_global_id(0);
    __global float *row_loss = scratch;
    __global const float *columns = scratch + (m + 15) / 16 * 16;
    if (i >= m)
        return;
    float mine[SUPCON_ROWS * SUPCON_DP];
    float16 similarities[SUPCON_ROWS * SUPCON_BLOCK / 16];
    int16 labels_j[SUPCON_BLOCK / 16];
    float *s = (float *)similarities;
    int *label = (int *)labels_j;
    supcon_state state[SUPCON_ROWS];
    for (int r = 0; r < SUPCON_ROWS; r++) {
        state[r].largest = SUPCON_NONE;
        state[r].sum = state[r].matched = 0.0f;
        state[r].count = 0;
    }
    supcon_take_rows(i, m, over_t, z, mine);
    for (int j = 0; j < m; j += SUPCON_BLOCK) {
        supcon_block(j, m, mine, columns, similarities);
        supcon_take_labels(j, m, labels, label);
        for (int r = 0; r < SUPCON_ROWS && i + r < m; r++) {
            const int self = i + r - j, own = labels[i + r];
            for (int k = m - j; k < SUPCON_BLOCK; k++)
                s[r * SUPCON_BLOCK + k] = SUPCON_NONE;
            const bool meets = self >= 0 && self < SUPCON_BLOCK;
            if (meets) {
                s[r * SUPCON_BLOCK + self] = SUPCON_NONE;
                label[self] = -1;
            }
            supcon_stream(similarities + r * SUPCON_BLOCK / 16, labels_j, own < 0 ? -2 : own,
                          &state[r]);
            if (meets)
                label[self] = max(labels[i + r], -1);
        }
    }
    for (int r = 0; r < SUPCON_ROWS && i + r < m; r++) {
        const float16 lanes = state[r].largest;
        const float top = limn_max16(lanes);
        const float total = limn_sum16(state[r].sum * supcon_exp(lanes - top));
        const float count = limn_sum16(convert_float16(state[r].count));
        lse[i + r] = top + log(total);
        positives[i + r] = count;
        row_loss[i + r] = count > 0.0f ? lse[i + r] - limn_sum16(state[r].matched) / count : 0.0f;
    }
}

/* What the columns of a block bring to W_ij: log-sum-exp, out of reach where the row is no anchor,
 * and 1 / |P(j)|, 0 there. */
void supcon_take_columns(int j, int m, __global const float *restrict lse,
                         __global const float *restrict positives, float *lse_j, float *over_j)
{
    for (int k = 0; k < SUPCON_BLOCK; k++) {
        const float count = j + k < m ? positives[j + k] : 0.0f;
        lse_j[k] = count > 0.0f ? lse[j + k] : -SUPCON_NONE;
        over_j[k] = count > 0.0f ? 1.0f / count : 0.0f;
    }
}

/* s of one row to W_ij without the factor c, in place. */
void supcon_pull_row(float16 *s, const float16 *lse_j, const float16 *over_j, const int16 *label,
                     float lse_i, float over_i, int mine)
{
    for (int k = 0; k < SUPCON_BLOCK / 16; k++) {
        const float16 v = s[k];
        const float16 pull = supcon_exp(v - lse_i) + supcon_exp(v - lse_j[k]);
        const int16 same = label[k] == mine;
        s[k] = pull - (same ? over_i + over_j[k] : (float16)(0.0f));
    }
}

/* dz of the work-item's rows += W of the block times z. */
void supcon_push(int j, int m, const float *w, __global const float *restrict rows,
                 float16 *out)
{
    const int padded = (m + 31) / 32 * 32, depth = min(SUPCON_BLOCK, padded - j);
    for (int d = 0; d < SUPCON_DP; d += 32)
        for (int r = 0; r < SUPCON_ROWS; r += 8) {
            float16 acc[8][2];
            float16 *to = out + (r * SUPCON_DP + d) / 16;
#pragma unroll
            for (int k = 0; k < 8; k++) {
                acc[k][0] = to[k * SUPCON_DP / 16];
                acc[k][1] = to[k * SUPCON_DP / 16 + 1];
            }
            supcon_multiply(w + r * SUPCON_BLOCK, SUPCON_BLOCK, depth,
                            rows + ((size_t)(d / 32) * padded + j) * 32, acc);
#pragma unroll
            for (int k = 0; k < 8; k++) {
                to[k * SUPCON_DP / 16] = acc[k][0];
                to[k * SUPCON_DP / 16 + 1] = acc[k][1];
            }
        }
}

__kernel void supcon_backward_cpu(int m, int first, float over_t, float scale,
                                  __global const float *restrict z,
                                  __global const float *restrict scratch,
                                  __global const int *restrict labels,
                                  __global const float *restrict lse,
                                  __global const float *restrict positives,
                                  __global const float *restrict anchors,
                                  __global const float *restrict dloss, __global float *restrict dz)
{
    const int i = first + SUPCON_ROWS * get_global_id(0);
    __global const float *rows = scratch + (size_t)((m + 31) / 32) * SUPCON_DP * 32;
    if (i >= m)
        return;
    const float c = anchors[0] > 0.0f ? dloss[0] * scale * over_t / anchors[0] : 0.0f;
    float mine[SUPCON_ROWS * SUPCON_DP];
    float16 w[SUPCON_ROWS * SUPCON_BLOCK / 16], out[SUPCON_ROWS * SUPCON_DP / 16];
    float16 lse_j[SUPCON_BLOCK / 16], over_j[SUPCON_BLOCK / 16];
    int16 label[SUPCON_BLOCK / 16];
    for (int k = 0; k < SUPCON_ROWS * SUPCON_DP / 16; k++)
        out[k] = 0.0f;
    for (int k = 0; k < SUPCON_ROWS * SUPCON_BLOCK / 16; k++)
        w[k] = 0.0f;
    supcon_take_rows(i, m, over_t, z, mine);
    for (int j = 0; j < m; j += SUPCON_BLOCK) {
        supcon_block(j, m, mine, scratch, w);
        supcon_take_labels(j, m, labels, (int *)label);
        supcon_take_columns(j, m, lse, positives, (float *)lse_j, (float *)over_j);
        for (int r = 0; r < SUPCON_ROWS && i + r < m; r++) {
            const int self = i + r - j, own = labels[i + r];
            const float count = positives[i + r];
            supcon_pull_row(w + r * SUPCON_BLOCK / 16, lse_j, over_j, label,
                            count > 0.0f ? lse[i + r] : -SUPCON_NONE,
                            count > 0.0f ? 1.0f / count : 0.0f, own < 0 ? -2 : own);
            if (self >= 0 && self < SUPCON_BLOCK)
                ((float *)w)[r * SUPCON_BLOCK + self] = 0.0f;
        }
        supcon_push(j, m, (const float *)w, rows, out);
    }
    for (int r = 0; r < SUPCON_ROWS && i + r < m; r++)
        for (int d = 0; d < SUPCON_D; d++)
            dz[(size_t)(i + r) * SUPCON_D + d] =
                c * ((const float *)out)[r * SUPCON_DP + d];
}
