/* A product of tiles in local memory (common/product.h), by matrix units or without: what a
 * work-item holds of z is HELD_ROWS rows of HELD_RUNS runs of four columns, acc[i][j]; its place in
 * the tile is held_row(lid, i), held_column(lid, j).  From held_clear or held_begin on acc is in
 * the order that held_add works on; held_unpack copies it to another array, in rows and runs.
 * (Were acc itself indexed by what is not known when it is compiled, it would not stay in
 * registers.)  HELD_GROUP: the attributes of a kernel.
 */
#include "common/product.h"

#ifndef MATRIX
#define MATRIX 0 /* 0: no matrix units; else as common/matrix.h says, and HALF is 1 */
#endif
#if MATRIX
#include "common/matrix.h"
#else
/* The same by common/product.h. */
#define HELD_GROUP reqd_work_group_size(GROUP, 1, 1)
#define HELD_ROWS EACH
#define HELD_RUNS RUNS
#define EXCHANGE 1
int held_row(int lid, int i)
{
    return product_place(lid / SIDE, i);
}

int held_column(int lid, int j)
{
    return product_place(lid % SIDE, 4 * j);
}

void held_pack(float4 acc[HELD_ROWS][HELD_RUNS])
{
}

void held_unpack(float4 acc[HELD_ROWS][HELD_RUNS], float4 sums[HELD_ROWS][HELD_RUNS])
{
#pragma unroll
    for (int i = 0; i < HELD_ROWS; i++)
#pragma unroll
        for (int j = 0; j < HELD_RUNS; j++)
            sums[i][j] = acc[i][j];
}

void held_add(__local product_cell (*a)[PITCH], __local product_cell (*b)[PITCH], int lid,
              float4 acc[HELD_ROWS][HELD_RUNS], __local uint *exchange)
{
    product_add(a, b, lid % SIDE, lid / SIDE, acc);
}
#endif

/* The sums begin with zero. */
void held_clear(float4 acc[HELD_ROWS][HELD_RUNS])
{
#pragma unroll
    for (int i = 0; i < HELD_ROWS; i++)
#pragma unroll
        for (int j = 0; j < HELD_RUNS; j++)
            acc[i][j] = (float4)(0.0f);
    held_pack(acc);
}

/* The sums begin with one of TILE values for each column. */
void held_begin(float4 acc[HELD_ROWS][HELD_RUNS], __global const float *columns, int lid)
{
#pragma unroll
    for (int i = 0; i < HELD_ROWS; i++)
#pragma unroll
        for (int j = 0; j < HELD_RUNS; j++)
            acc[i][j] = vload4(0, columns + held_column(lid, j));
    held_pack(acc);
}
