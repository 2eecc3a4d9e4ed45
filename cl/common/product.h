/* A matrix product whose tiles lie in local memory, for kernels on GPUs:
 *
 *   z[r, k] += sum_m a[m][r] * b[m][k],   STEP terms m at a time
 *
 * A group is SIDE x SIDE work-items and takes TILE x TILE elements of z.  Work-item (tx, ty) holds
 * EACH x EACH of them: rows product_place(ty, i), columns product_place(tx, j).  Those are runs of
 * four, the runs of neighbours side by side, so that four at a time are read from local memory
 * without bank conflicts.  A row of a tile there is longer than it need be: writing a tile across
 * its rows then has few.
 *
 * A cell is four neighbours of a row: floats or, where HALF is 1, of two rows, rounded to half:
 * term m of each in the lower 16 bits, term m + 1 in the upper ones.  Sums are in float either way.
 */
#ifndef SIDE
#define SIDE 16
#endif
#ifndef EACH
#define EACH 4 /* a multiple of 4 */
#endif
#ifndef HALF
#define HALF 0
#endif
#define STEP 16
#define TILE (EACH * SIDE)
#define GROUP (SIDE * SIDE)
#define RUNS (EACH / 4)
#define ROW (TILE / 4) /* cells of a row of a tile */
#if HALF
#define PACKED 2        /* terms of a cell */
#define PITCH (ROW + 2) /* cells from one row to the next in local memory */
typedef uint4 product_cell;
#else
#define PACKED 1
#define PITCH (ROW + 1)
typedef float4 product_cell;
#endif
#define DEPTH (STEP / PACKED) /* rows of a tile */

/* The place in the tile of row or column i of work-item t. */
int product_place(int t, int i)
{
    return 4 * (t + i / 4 * SIDE) + i % 4;
}

#if HALF
/* What half cannot hold, beyond 65504, becomes NaN: an infinity could leave a sum, or the maximum
 * with 0, as a number like any other. */
float4 product_held(float4 v)
{
    return select((float4)(NAN), v, fabs(v) <= 65504.0f);
}

/* Writes terms m to m + 3 of row or column r; m is even. */
void product_put(__local product_cell (*tile)[PITCH], int m, int r, float4 terms)
{
    __local half *to = (__local half *)((__local uint *)tile[m / 2] + r);
    const float4 held = product_held(terms);
    vstore_half2_rte(held.xy, 0, to);
    vstore_half2_rte(held.zw, 4 * PITCH, to);
}

/* Writes terms m and m + 1 of the four rows or columns of a cell; m is even. */
void product_put_cell(__local product_cell (*tile)[PITCH], int m, int cell,
                      const float4 terms[PACKED])
{
    const float4 even = product_held(terms[0]), odd = product_held(terms[1]);
    product_cell both;
    vstore_half8_rte((float8)(even.x, odd.x, even.y, odd.y, even.z, odd.z, even.w, odd.w), 0,
                     (half *)&both);
    tile[m / 2][cell] = both;
}
#else
void product_put(__local product_cell (*tile)[PITCH], int m, int r, float4 terms)
{
    __local float *to = (__local float *)tile[m] + r;
    to[0] = terms.x;
    to[4 * PITCH] = terms.y;
    to[8 * PITCH] = terms.z;
    to[12 * PITCH] = terms.w;
}

void product_put_cell(__local product_cell (*tile)[PITCH], int m, int cell,
                      const float4 terms[PACKED])
{
    tile[m][cell] = terms[0];
}
#endif

/* Adds one term of four rows. */
void product_rows(float4 a, const float4 b[RUNS], float4 (*acc)[RUNS])
{
#pragma unroll
    for (int j = 0; j < RUNS; j++) {
        acc[0][j] = fma((float4)(a.x), b[j], acc[0][j]);
        acc[1][j] = fma((float4)(a.y), b[j], acc[1][j]);
        acc[2][j] = fma((float4)(a.z), b[j], acc[2][j]);
        acc[3][j] = fma((float4)(a.w), b[j], acc[3][j]);
    }
}

/* Adds the STEP terms in local memory; acc[i][j]: row i, columns 4 * j to 4 * j + 3. */
void product_add(__local product_cell (*a)[PITCH], __local product_cell (*b)[PITCH], int tx,
                 int ty, float4 acc[EACH][RUNS])
{
#pragma unroll 4
    for (int m = 0; m < DEPTH; m++) {
#if HALF
        float4 first[RUNS], second[RUNS];
#pragma unroll
        for (int j = 0; j < RUNS; j++) {
            const float8 bv = vload_half8(0, (__local const half *)&b[m][tx + j * SIDE]);
            first[j] = bv.even;
            second[j] = bv.odd;
        }
#pragma unroll
        for (int i = 0; i < RUNS; i++) {
            const float8 av = vload_half8(0, (__local const half *)&a[m][ty + i * SIDE]);
            product_rows(av.even, first, acc + 4 * i);
            product_rows(av.odd, second, acc + 4 * i);
        }
#else
        float4 bv[RUNS];
#pragma unroll
        for (int j = 0; j < RUNS; j++)
            bv[j] = b[m][tx + j * SIDE];
#pragma unroll
        for (int i = 0; i < RUNS; i++)
            product_rows(a[m][ty + i * SIDE], bv, acc + 4 * i);
#endif
    }
}

/* Writes up to four neighbours of a row of z; in one go where `to` is aligned to four. */
void product_store(const float lane[4], int valid, __global float *to, int aligned)
{
    if (aligned && valid >= 4)
        *(__global float4 *)to = (float4)(lane[0], lane[1], lane[2], lane[3]);
    else
        for (int l = 0; l < min(valid, 4); l++)
            to[l] = lane[l];
}
