/* Products on matrix units, for kernels with tiles of halves as common/product.h writes them.
 *
 * MATRIX says whose: a row of this table.  Its negative: nobody's, ordinary arithmetic stands in
 * for the one instruction, in the same layout, where work-items hand each other their parts through
 * local memory.  Only matrix_multiply differs.
 *
 *   1  NVIDIA, compute capability 8.0 and later   common/matrix_ptx.h
 *   2  AMD CDNA                                   common/matrix_amd.h
 *   3  AMD RDNA3
 *   4  AMD RDNA4
 *   5  Intel, sub-groups of 8                     common/matrix_intel.h
 *   6  Intel, sub-groups of 16
 *
 * One instruction takes the product of a [UNIT_ROWS][16 terms] and b [16 terms][UNIT_COLUMNS] and
 * adds c.  LANES work-items with neighbouring ids share it; each holds A_WORDS and B_WORDS words of
 * two halves of a and b, and C_ROWS rows of c in C_COLUMNS neighbouring columns, row by row: as
 * unit_a_words, unit_b_words and unit_c.  Which of them is what the files of the table say, by
 *
 *   unit_row, unit_column  the place in c of row i, and of the first column, of a work-item
 *   unit_load_a            its part of a, the rows of a tile from `row` on
 *   unit_b_column          the column of its part of b
 *   unit_b_pair            the row of a tile, of two terms each, that word w of it comes from
 *   unit_a, unit_b         stand-in: which half, of all that the LANES hold, is a [row][term] and
 *                          b [term][column]
 *   unit_multiply          the instruction
 *
 * Of PRODUCTS products at a time, column n of product p is column PRODUCTS * n + p of a tile: so a
 * work-item holds four neighbouring columns of c, HELD_RUNS times in HELD_ROWS rows of a tile, and
 * for b reads PRODUCTS neighbouring words, unit_columns.  A file may define HELD_GROUP, attributes
 * of kernels, and UNIT_KEEP(c), after which c is in registers.
 */
#define PRODUCTS (4 / C_COLUMNS)
#if MATRIX == 1 || MATRIX == -1
#include "common/matrix_ptx.h"
#elif MATRIX >= -4 && MATRIX <= 4
#include "common/matrix_amd.h"
#else
#include "common/matrix_intel.h"
#endif

#define HELD (UNIT_ROWS * UNIT_COLUMNS / LANES) /* elements of c of one product, by a work-item */
#define PARTS (HELD_ROWS / C_ROWS * HELD_RUNS * PRODUCTS)       /* of c, one product's each */
#define RUN_COLUMNS (UNIT_COLUMNS * PRODUCTS)   /* that run j of LANES work-items covers */
#define LANES_COLUMNS (RUN_COLUMNS * HELD_RUNS) /* and all their runs */
#define LANES_ROWS (HELD_ROWS / C_ROWS * UNIT_ROWS)
#define LANES_ACROSS (TILE / LANES_COLUMNS) /* such LANES side by side in a tile */
#if MATRIX > 0
#define EXCHANGE 1 /* words of local memory: none are used */
#else
#define EXCHANGE (GROUP * (A_WORDS + B_WORDS))
#endif
#ifndef HELD_GROUP
#define HELD_GROUP reqd_work_group_size(GROUP, 1, 1)
#endif

typedef unit_c unit_part __attribute__((aligned(16))); /* one among float4 */

/* c plus the product. */
unit_c matrix_multiply(unit_c c, unit_a_words a, unit_b_words b, __local uint *exchange)
{
#if MATRIX > 0
    return unit_multiply(c, a, b);
#else
    const int lid = get_local_id(0), lane = lid % LANES;
    __local uint *as = exchange + (lid - lane) * (A_WORDS + B_WORDS), *bs = as + LANES * A_WORDS;
    for (int w = 0; w < A_WORDS; w++)
        as[lane * A_WORDS + w] = ((uint *)&a)[w];
    for (int w = 0; w < B_WORDS; w++)
        bs[lane * B_WORDS + w] = ((uint *)&b)[w];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = 0; e < HELD; e++) {
        const int row = unit_row(lane, e / C_COLUMNS);
        const int column = unit_column(lane) + e % C_COLUMNS;
        float sum = ((float *)&c)[e];
        for (int m = 0; m < 16; m++)
            sum = fma(vload_half(unit_a(row, m), (__local const half *)as),
                      vload_half(unit_b(column, m), (__local const half *)bs), sum);
        ((float *)&c)[e] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return c;
#endif
}

/* The place in the tile of row i, and of the first column of run j, of a work-item. */
int held_row(int lid, int i)
{
    return lid / LANES / LANES_ACROSS * LANES_ROWS + i / C_ROWS * UNIT_ROWS +
           unit_row(lid % LANES, i % C_ROWS);
}

int held_column(int lid, int j)
{
    return lid / LANES % LANES_ACROSS * LANES_COLUMNS + j * RUN_COLUMNS +
           PRODUCTS * unit_column(lid % LANES);
}

/* Element e of part `part` of c, as the units take them: its place among the rows' columns. */
int held_place(int part, int e)
{
    const int p = part % PRODUCTS, j = part / PRODUCTS % HELD_RUNS;
    const int i = part / PRODUCTS / HELD_RUNS * C_ROWS + e / C_COLUMNS;
    return (i * HELD_RUNS + j) * 4 + e % C_COLUMNS * PRODUCTS + p;
}

/* From acc[i][j], row i, run j, to what held_add takes. */
void held_pack(float4 acc[HELD_ROWS][HELD_RUNS])
{
    float rows[PARTS * HELD];
#pragma unroll
    for (int i = 0; i < PARTS * HELD; i++)
        rows[i] = ((float *)acc)[i];
#pragma unroll
    for (int i = 0; i < PARTS * HELD; i++)
        ((float *)acc)[i] = rows[held_place(i / HELD, i % HELD)];
#ifdef UNIT_KEEP
#pragma unroll
    for (int i = 0; i < PARTS; i++)
        UNIT_KEEP(((unit_part *)acc)[i]);
#endif
}

/* And back, into rows and runs. */
void held_unpack(float4 acc[HELD_ROWS][HELD_RUNS], float4 sums[HELD_ROWS][HELD_RUNS])
{
#pragma unroll
    for (int i = 0; i < PARTS * HELD; i++)
        ((float *)sums)[held_place(i / HELD, i % HELD)] = ((float *)acc)[i];
}

/* Adds the STEP terms in local memory, between held_pack and held_unpack. */
void held_add(__local product_cell (*a)[PITCH], __local product_cell (*b)[PITCH], int lid,
              float4 acc[HELD_ROWS][HELD_RUNS], __local uint *exchange)
{
    const int lane = lid % LANES, row = lid / LANES / LANES_ACROSS * LANES_ROWS;
    const int column = lid / LANES % LANES_ACROSS * LANES_COLUMNS;
    unit_part *part = (unit_part *)acc;
    unit_b_words bv[HELD_RUNS][PRODUCTS];
#pragma unroll
    for (int j = 0; j < HELD_RUNS; j++)
#pragma unroll
        for (int w = 0; w < B_WORDS; w++) {
            const unit_columns read = *(__local const unit_columns *)(
                (__local const uint *)b[unit_b_pair(lane, w)] + column + j * RUN_COLUMNS +
                PRODUCTS * unit_b_column(lane));
#pragma unroll
            for (int p = 0; p < PRODUCTS; p++)
                ((uint *)&bv[j][p])[w] = ((const uint *)&read)[p];
        }
#if MATRIX > 0
#pragma unroll
#endif
    for (int i = 0; i < HELD_ROWS; i += C_ROWS) {
        const unit_a_words av = unit_load_a(a, row + i / C_ROWS * UNIT_ROWS, lane);
#if MATRIX > 0
#pragma unroll
#endif
        for (int j = 0; j < HELD_RUNS; j++)
#if MATRIX > 0
#pragma unroll
#endif
            for (int p = 0; p < PRODUCTS; p++, part++)
                *part = matrix_multiply(*part, av, bv[j][p], exchange);
    }
}
