/* Do matrix units compute what common/matrix.h says?  One tile, by way of common/product.h:
 *
 *   z[r][k] = r - 2 k + sum_m x[r][m] y[k][m],   x, y [TILE][STEP], z [TILE][TILE]
 *
 * Launch: global and local size (GROUP, 1), which is as many as TILE.
 */
#define SIDE 8
#define EACH 8
#define HALF 1
#ifndef MATRIX
#define MATRIX -1
#endif
#include "common/held.h"

__kernel __attribute__((HELD_GROUP)) void
conv2d_matrix_probe(__global const float *restrict x, __global const float *restrict y,
                    __global float *restrict z)
{
    __local product_cell xs[DEPTH][PITCH], ys[DEPTH][PITCH];
    __local uint exchange[EXCHANGE];
    const int lid = get_local_id(0);
    for (int m = 0; m < STEP; m += 4) {
        product_put(xs, m, lid, vload4(0, x + lid * STEP + m));
        product_put(ys, m, lid, vload4(0, y + lid * STEP + m));
    }
    float4 acc[HELD_ROWS][HELD_RUNS];
    for (int i = 0; i < HELD_ROWS; i++)
        for (int j = 0; j < HELD_RUNS; j++) {
            const float first = held_row(lid, i) - 2 * held_column(lid, j);
            acc[i][j] = (float4)(first, first - 2, first - 4, first - 6);
        }
    held_pack(acc);
    barrier(CLK_LOCAL_MEM_FENCE);
    held_add(xs, ys, lid, acc, exchange);
    float4 sums[HELD_ROWS][HELD_RUNS];
    held_unpack(acc, sums);
    for (int i = 0; i < HELD_ROWS; i++)
        for (int j = 0; j < HELD_RUNS; j++)
            vstore4(sums[i][j], 0, z + held_row(lid, i) * TILE + held_column(lid, j));
}
