/* A matrix product whose tiles lie in local memory, for kernels on GPUs:
 *
 *   z[r, k] += sum_m a[m][r] * b[m][k],   STEP terms m at a time
 *
 * A group is SIDE x SIDE work-items and takes TILE x TILE elements of z.  Work-item (tx, ty) holds
 * EACH x EACH of them: rows product_place(ty, i), columns product_place(tx, j).  Those are runs of
 * four, the runs of neighbours side by side, so that a float4 at a time is read from local memory
 * without bank conflicts.  A row of a tile there is one float4 longer than it need be: writing a
 * tile across its rows then has few. */
#ifndef SIDE
#define SIDE 16
#endif
#ifndef EACH
#define EACH 4 /* a multiple of 4 */
#endif
#define STEP 16
#define TILE (EACH * SIDE)
#define GROUP (SIDE * SIDE)
#define RUNS (EACH / 4)
#define ROW (TILE / 4)  /* float4 values of a row of a tile */
#define PITCH (ROW + 1) /* from one row to the next in local memory */

/* The place in the tile of row or column i of work-item t. */
int product_place(int t, int i)
{
    return 4 * (t + i / 4 * SIDE) + i % 4;
}

/* Writes terms m to m + 3 of row or column r. */
void product_put(__local float4 (*tile)[PITCH], int m, int r, float4 terms)
{
    __local float *to = (__local float *)tile[m] + r;
    to[0] = terms.x;
    to[4 * PITCH] = terms.y;
    to[8 * PITCH] = terms.z;
    to[12 * PITCH] = terms.w;
}

/* Adds the STEP terms in local memory; acc[i][j]: row i, columns 4 * j to 4 * j + 3. */
void product_add(__local float4 (*a)[PITCH], __local float4 (*b)[PITCH], int tx, int ty,
                 float4 acc[EACH][RUNS])
{
#pragma unroll 4
    for (int m = 0; m < STEP; m++) {
        float4 bv[RUNS];
#pragma unroll
        for (int j = 0; j < RUNS; j++)
            bv[j] = b[m][tx + j * SIDE];
#pragma unroll
        for (int i = 0; i < RUNS; i++) {
            const float4 av = a[m][ty + i * SIDE];
#pragma unroll
            for (int j = 0; j < RUNS; j++) {
                acc[4 * i][j] = fma((float4)(av.x), bv[j], acc[4 * i][j]);
                acc[4 * i + 1][j] = fma((float4)(av.y), bv[j], acc[4 * i + 1][j]);
                acc[4 * i + 2][j] = fma((float4)(av.z), bv[j], acc[4 * i + 2][j]);
                acc[4 * i + 3][j] = fma((float4)(av.w), bv[j], acc[4 * i + 3][j]);
            }
        }
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
