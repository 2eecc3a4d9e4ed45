/* Products of a linear layer: y = x w^T + bias, dx = dy w, dw = dy^T x, dbias = column sums of dy.
 *
 * All are   z[m, p] = bias[p] + sum_{r < R} A(m, r) * B(r, p),   z [M][P] dense,
 *           A(m, r) = a[m * am + r * ar],   B(r, p) = b[r * br + p * bp];
 * the strides am, ar, br, bp say how each matrix lies in memory.  `bias` is read where has_bias is
 * not 0.  Every sum runs over r in one fixed order that depends on neither M nor P.
 *
 * linear_plain   any device: one work-item, one element of z.
 * linear_dots    CPU device, both matrices contiguous along r (forward): one work-item,
 *                DM x DP elements, vectors along r.  Local size 1.
 * linear_tile    CPU device, the gradients: one work-item, MR x 16 * NV elements, vectors along p,
 *                A packed by linear_pack_rows into [ceil(M / MR)][R][MR], B by linear_pack into
 *                panels [ceil(P / KB)][R][KB], one behind the other.  Local size 1.
 * linear_group   GPU: one group, a tile of TILE x TILE elements, both matrices through local memory
 *                (common/held.h).  HALF 1: as halves; RAISE 1: A is a gradient that common/raise.h
 *                speaks of, amax[0] its amax.
 * linear_bias    before CLBlast adds a product: z[m, p] = bias[p] or 0; one work-item, one element.
 */
#include "common/store.h"
#include "common/held.h"
#include "common/raise.h"
#include "common/sum.h"

#ifndef RAISE
#define RAISE 0
#endif

#ifndef DM
#define DM 4 /* rows of a tile of linear_dots */
#endif
#ifndef DP
#define DP 5 /* columns of a tile of linear_dots */
#endif
#ifndef MR
#define MR 12 /* rows of a tile of linear_tile */
#endif
#ifndef NV
#define NV 2 /* float16 vectors of a tile's row */
#endif
#define KB (16 * NV)

__kernel void linear_plain(int M, int P, int R, __global const float *restrict a, int am, int ar,
                           __global const float *restrict b, int br, int bp,
                           __global const float *restrict bias, int has_bias,
                           __global float *restrict z)
{
    const int p = get_global_id(0), m = get_global_id(1);
    if (m >= M || p >= P)
        return;
    __global const float *row = a + (size_t)m * am, *column = b + (size_t)p * bp;
    float sum = 0.0f;
    for (int r = 0; r < R; r++)
        sum = fma(row[(size_t)r * ar], column[(size_t)r * br], sum);
    z[(size_t)m * P + p] = has_bias ? sum + bias[p] : sum;
}

__kernel void linear_bias(int M, int P, __global const float *restrict bias, int has_bias,
                          __global float *restrict z)
{
    const int p = get_global_id(0), m = get_global_id(1);
    if (m < M && p < P)
        z[(size_t)m * P + p] = has_bias ? bias[p] : 0.0f;
}

/* Global size (ceil(M / DM), ceil(P / DP)).  Rows past the end repeat the last one. */
__kernel void linear_dots(int M, int P, int R, __global const float *restrict a,
                          __global const float *restrict b, __global const float *restrict bias,
                          int has_bias, __global float *restrict z)
{
    const int m0 = (int)get_global_id(0) * DM, p0 = (int)get_global_id(1) * DP;
    __global const float *rows[DM], *columns[DP];
#pragma unroll
    for (int i = 0; i < DM; i++)
        rows[i] = a + (size_t)min(m0 + i, M - 1) * R;
#pragma unroll
    for (int j = 0; j < DP; j++)
        columns[j] = b + (size_t)min(p0 + j, P - 1) * R;
    float16 acc[DM][DP];
#pragma unroll
    for (int i = 0; i < DM; i++)
#pragma unroll
        for (int j = 0; j < DP; j++)
            acc[i][j] = (float16)(0.0f);
    int r = 0;
    for (; r + 16 <= R; r += 16) {
        float16 av[DM];
#pragma unroll
        for (int i = 0; i < DM; i++)
            av[i] = vload16(0, rows[i] + r);
#pragma unroll
        for (int j = 0; j < DP; j++) {
            const float16 bv = vload16(0, columns[j] + r);
#pragma unroll
            for (int i = 0; i < DM; i++)
                acc[i][j] = fma(av[i], bv, acc[i][j]);
        }
    }
#pragma unroll
    for (int i = 0; i < DM; i++)
#pragma unroll
        for (int j = 0; j < DP; j++) {
            float sum = limn_sum16(acc[i][j]);
            for (int t = r; t < R; t++)
                sum = fma(rows[i][t], columns[j][t], sum);
            if (m0 + i < M && p0 + j < P)
                z[(size_t)(m0 + i) * P + p0 + j] = has_bias ? sum + bias[p0 + j] : sum;
        }
}

/* packed[tile][r][MR] = A(m, r), zeros past M.  Global size (R, ceil(M / MR)). */
__kernel void linear_pack_rows(int M, int R, __global const float *restrict a, int am, int ar,
                               __global float *restrict packed)
{
    const int r = get_global_id(0), tile = get_global_id(1), m0 = tile * MR;
    if (r >= R)
        return;
    __global const float *from = a + (size_t)m0 * am + (size_t)r * ar;
    __global float *to = packed + ((size_t)tile * R + r) * MR;
    for (int i = 0; i < MR; i++)
        to[i] = m0 + i < M ? from[(size_t)i * am] : 0.0f;
}

/* packed[panel][r][KB] = B(r, p), zeros past P, from element `offset` on; bp is 1.  Global size
 * (R, ceil(P / KB)). */
__kernel void linear_pack(int P, int R, __global const float *restrict b, int br, long offset,
                          __global float *restrict packed)
{
    const int r = get_global_id(0), panel = get_global_id(1), p0 = panel * KB;
    if (r >= R)
        return;
    __global const float *from = b + (size_t)r * br + p0;
    __global float *to = packed + offset + ((size_t)panel * R + r) * KB;
    if (p0 + KB <= P) {
#pragma unroll
        for (int j = 0; j < NV; j++)
            store16(vload16(j, from), to + 16 * j);
    } else {
        for (int j = 0; j < KB; j++)
            to[j] = p0 + j < P ? from[j] : 0.0f;
    }
}

/* Global size (ceil(M / MR), ceil(P / KB)). */
__kernel void linear_tile(int M, int P, int R, long offset, __global const float *restrict packed,
                          __global float *restrict z)
{
    const int m0 = (int)get_global_id(0) * MR, panel = get_global_id(1), p0 = panel * KB;
    __global const float *rows = packed + (size_t)m0 * R;
    float16 acc[MR][NV];
#pragma unroll
    for (int i = 0; i < MR; i++)
#pragma unroll
        for (int j = 0; j < NV; j++)
            acc[i][j] = (float16)(0.0f);
    __global const float *column = packed + offset + (size_t)panel * R * KB;
    for (int r = 0; r < R; r++) {
        float16 bv[NV];
#pragma unroll
        for (int j = 0; j < NV; j++)
            bv[j] = vload16(j, column + (size_t)r * KB);
#pragma unroll
        for (int i = 0; i < MR; i++) {
            const float16 av = (float16)(rows[(size_t)r * MR + i]);
#pragma unroll
            for (int j = 0; j < NV; j++)
                acc[i][j] = fma(av, bv[j], acc[i][j]);
        }
    }
#pragma unroll
    for (int i = 0; i < MR; i++) {
        if (m0 + i >= M)
            continue;
        __global float *to = z + (size_t)(m0 + i) * P + p0;
#pragma unroll
        for (int j = 0; j < NV; j++)
            if (p0 + 16 * j + 16 <= P) {
                store16(acc[i][j], to + 16 * j);
            } else {
                float lane[16];
                vstore16(acc[i][j], 0, lane);
                for (int l = 0; p0 + 16 * j + l < P; l++)
                    to[16 * j + l] = lane[l];
            }
    }
}

/* Four neighbours, zeros from number `valid` on. */
float4 linear_four(__global const float *from, int valid)
{
    if (valid >= 4)
        return vload4(0, from);
    return (float4)(valid > 0 ? from[0] : 0.0f, valid > 1 ? from[1] : 0.0f,
                    valid > 2 ? from[2] : 0.0f, 0.0f);
}

/* One step's tile of a matrix: STEP terms from r0 on, of R, of TILE rows (or columns) from m0 on,
 * of M; one of the strides is 1, and neighbouring work-items read along it. */
void linear_load(__local product_cell (*tile)[PITCH], __global const float *restrict a, int m0,
                 int M, int am, int r0, int R, int ar, float up)
{
    const int lid = get_local_id(0);
    for (int e = lid; ar == 1 && e < STEP / 4 * TILE; e += GROUP) {
        const int r = e % (STEP / 4) * 4, m = e / (STEP / 4), valid = m0 + m < M ? R - r0 - r : 0;
        product_put(tile, r, m, up * linear_four(a + (size_t)(m0 + m) * am + r0 + r, valid));
    }
    for (int e = lid; ar != 1 && e < DEPTH * ROW; e += GROUP) {
        const int r = e / ROW * PACKED, m = e % ROW * 4;
        float4 terms[PACKED];
#pragma unroll
        for (int t = 0; t < PACKED; t++) {
            const int valid = r0 + r + t < R ? M - m0 - m : 0;
            terms[t] = up * linear_four(a + (size_t)(r0 + r + t) * ar + m0 + m, valid);
        }
        product_put_cell(tile, r, m / 4, terms);
    }
}

/* Global size (GROUP * ceil(P / TILE), ceil(M / TILE)), local size (GROUP, 1). */
__kernel __attribute__((HELD_GROUP)) void
linear_group(int M, int P, int R, __global const float *restrict a, int am, int ar,
             __global const float *restrict b, int br, int bp, __global const float *restrict bias,
             int has_bias, __global const float *restrict amax, __global float *restrict z)
{
    __local product_cell as[DEPTH][PITCH], bs[DEPTH][PITCH];
    __local uint exchange[EXCHANGE];
    const int lid = get_local_id(0);
    const int m0 = (int)get_group_id(1) * TILE, p0 = (int)get_group_id(0) * TILE;
    const float up = RAISE ? raise_factor(amax[0]) : 1.0f;
    const float down = RAISE ? lower_factor(amax[0]) : 1.0f;
    float4 acc[HELD_ROWS][HELD_RUNS];
    held_clear(acc);
    for (int r0 = 0; r0 < R; r0 += STEP) {
        linear_load(as, a, m0, M, am, r0, R, ar, up);
        linear_load(bs, b, p0, P, bp, r0, R, br, 1.0f);
        barrier(CLK_LOCAL_MEM_FENCE);
        held_add(as, bs, lid, acc, exchange);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    float4 sums[HELD_ROWS][HELD_RUNS];
    held_unpack(acc, sums);
    for (int i = 0; i < HELD_ROWS; i++) {
        const int m = m0 + held_row(lid, i);
        for (int j = 0; j < HELD_RUNS && m < M; j++) {
            const int p = p0 + held_column(lid, j), valid = min(4, P - p);
            const float4 sum = sums[i][j] * down;
            float lane[4] = {sum.x, sum.y, sum.z, sum.w};
            for (int l = 0; l < valid && has_bias; l++)
                lane[l] += bias[p + l];
            const size_t at = (size_t)m * P + p;
            product_store(lane, valid, z + at, at % 4 == 0);
        }
    }
}

/* dbias[k] = sum_n dy[n, k].  One work-item: one k. */
__kernel void linear_bias_gradient(int N, int K, __global const float *restrict dy,
                                   __global float *restrict dbias)
{
    const int k = get_global_id(0);
    if (k >= K)
        return;
    float sum = 0.0f;
    for (int n = 0; n < N; n++)
        sum += dy[(size_t)n * K + k];
    dbias[k] = sum;
}
