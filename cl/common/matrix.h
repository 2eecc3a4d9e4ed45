/* Products on matrix units, for kernels with tiles of halves as common/product.h writes them.
 *
 * MATRIX says whose: 2 NVIDIA's, through an assembly statement of PTX (tensor cores of compute
 * capability 8.0 and later); 1 nobody's, ordinary arithmetic in the same order of terms, where the
 * work-items hand each other their parts through local memory.  Only matrix_multiply differs.
 *
 * It takes 32 work-items with neighbouring ids, here numbered 4 * g + q with g < 8 and q < 4, that
 * share one product of a [16 rows][16 terms] and b [16 terms][8 columns].  Each holds
 *
 *   a   x  row g, terms 2q and 2q + 1         z  row g, terms 2q + 8 and 2q + 9
 *       y  row g + 8, as x                    w  row g + 8, as z
 *   b   x  column g, terms 2q and 2q + 1      y  column g, terms 2q + 8 and 2q + 9
 *   c   x, y  row g, columns 2q and 2q + 1    z, w  row g + 8, the same columns
 *
 * the lower term of two in the lower 16 bits.  Which row of a tile is row g, and which column is
 * column 2q, is free: a tile's rows 2g and 2g + 1 are taken for g and g + 8, and of 16 columns the
 * even ones for one product and the odd ones for another.  So a work-item reads two neighbours at a
 * time, without bank conflicts, and ends up with four neighbouring columns.
 */
#if MATRIX == 2 && !defined(cl_nv_pragma_unroll) && !defined(__NV_CL_C_VERSION) && \
    !defined(__NVPTX__)
#error "no PTX: a compiler that does not know it need not survive it"
#endif
#define HELD_ROWS 4 /* of the tile, by one work-item */
#define HELD_RUNS 4 /* of four columns */
#if MATRIX == 2
#define EXCHANGE 1 /* words of local memory: none are used */
#else
#define EXCHANGE (6 * GROUP)
#endif

/* c plus the product. */
float4 matrix_multiply(float4 c, uint4 a, uint2 b, __local uint *exchange)
{
#if MATRIX == 2
    float x, y, z, w;
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                 : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                 : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y), "f"(c.x), "f"(c.y),
                   "f"(c.z), "f"(c.w));
    return (float4)(x, y, z, w);
#else
    const int lid = get_local_id(0), g = lid % 32 / 4, q = lid % 4;
    __local uint *all = exchange + 6 * (lid - lid % 32); /* of the 32 work-items, six words each */
    vstore4(a, 0, exchange + 6 * lid);
    vstore2(b, 0, exchange + 6 * lid + 4);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int m = 0; m < 16; m += 2) {
        const int holder = m % 8 / 2, word = m / 8;
        __local const half *rows = (__local const half *)(all + 6 * (4 * g + holder) + 2 * word);
        __local const half *first = (__local const half *)(all + 6 * (8 * q + holder) + 4 + word);
        __local const half *second = first + 2 * 6 * 4;
        const float4 av = vload_half4(0, rows);
        const float2 u = vload_half2(0, first), v = vload_half2(0, second);
        c = fma((float4)(av.x, av.x, av.z, av.z), (float4)(u.x, v.x, u.x, v.x), c);
        c = fma((float4)(av.y, av.y, av.w, av.w), (float4)(u.y, v.y, u.y, v.y), c);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return c;
#endif
}

/* The place in the tile of row i, and of the first column of run j, of a work-item. */
int held_row(int lid, int i)
{
    return lid / 32 * 32 + i / 2 * 16 + lid % 32 / 4 * 2 + i % 2;
}

int held_column(int lid, int j)
{
    return 16 * j + lid % 4 * 4;
}

/* Adds the STEP terms in local memory; acc[i][j]: row i, run j. */
void held_add(__local product_cell (*a)[PITCH], __local product_cell (*b)[PITCH], int lid,
              float4 acc[HELD_ROWS][HELD_RUNS], __local uint *exchange)
{
    const int q = lid % 4;
#if MATRIX == 2
#pragma unroll
#endif
    for (int i = 0; i < HELD_ROWS; i += 2) {
        const int row = held_row(lid, i);
        const uint2 first = vload2(0, (__local const uint *)a[q] + row);
        const uint2 second = vload2(0, (__local const uint *)a[q + 4] + row);
        const uint4 av = (uint4)(first.x, first.y, second.x, second.y);
#if MATRIX == 2
#pragma unroll
#endif
        for (int j = 0; j < HELD_RUNS; j++) {
            const int column = 16 * j + lid % 32 / 4 * 2;
            const uint2 low = vload2(0, (__local const uint *)b[q] + column);
            const uint2 high = vload2(0, (__local const uint *)b[q + 4] + column);
            const float4 u = acc[i][j], v = acc[i + 1][j];
            const float4 even = matrix_multiply((float4)(u.x, u.z, v.x, v.z), av,
                                                (uint2)(low.x, high.x), exchange);
            const float4 odd = matrix_multiply((float4)(u.y, u.w, v.y, v.w), av,
                                               (uint2)(low.y, high.y), exchange);
            acc[i][j] = (float4)(even.x, odd.x, even.y, odd.y);
            acc[i + 1][j] = (float4)(even.z, odd.z, even.w, odd.w);
        }
    }
}
