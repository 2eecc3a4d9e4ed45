/* Matrix units of NVIDIA (tensor cores), as common/matrix.h takes them: mma.m16n8k16 of PTX.
 *
 * Of the instruction's rows, g and g + 8 are rows 2g and 2g + 1 here: which is which is free.
 * Work-item 4 * g + q, g < 8, q < 4, holds
 *
 *   a   words 0 and 1  rows 2g and 2g + 1, terms 2q and 2q + 1     2 and 3  terms 2q + 8 and 2q + 9
 *   b   word 0         column g, terms 2q and 2q + 1               1        terms 2q + 8 and 2q + 9
 *   c   rows 2g and 2g + 1, columns 2q and 2q + 1
 *
 * the lower term of two in the lower 16 bits.  It reads two neighbours of a tile at a time, without
 * bank conflicts.
 */
#if MATRIX > 0 && !defined(cl_nv_pragma_unroll) && !defined(__NV_CL_C_VERSION) && \
    !defined(__NVPTX__)
#error "no PTX: a compiler that does not know it need not survive it"
#endif
#define LANES 32
#define UNIT_ROWS 16
#define UNIT_COLUMNS 8
#define A_WORDS 4
#define B_WORDS 2
#define C_ROWS 2
#define C_COLUMNS 2
#define HELD_ROWS 4 /* of a tile, by one work-item */
#define HELD_RUNS 4 /* of four columns */
typedef uint4 unit_a_words;
typedef uint2 unit_b_words;
typedef float4 unit_c;
typedef uint2 unit_columns;

int unit_row(int lane, int i)
{
    return lane / 4 * 2 + i;
}

int unit_column(int lane)
{
    return lane % 4 * 2;
}

uint4 unit_load_a(__local product_cell (*tile)[PITCH], int row, int lane)
{
    const int q = lane % 4, r = row + lane / 4 * 2;
    const uint2 low = *(__local const uint2 *)((__local const uint *)tile[q] + r);
    const uint2 high = *(__local const uint2 *)((__local const uint *)tile[q + 4] + r);
    return (uint4)(low.x, low.y, high.x, high.y);
}

int unit_b_column(int lane)
{
    return lane / 4;
}

int unit_b_pair(int lane, int w)
{
    return lane % 4 + 4 * w;
}

#if MATRIX > 0
float4 unit_multiply(float4 c, uint4 a, uint2 b)
{
    float x, y, z, w;
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};"
                 : "=f"(x), "=f"(y), "=f"(z), "=f"(w)
                 : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b.x), "r"(b.y), "f"(c.x), "f"(c.y),
                   "f"(c.z), "f"(c.w));
    return (float4)(x, y, z, w);
}
#else
int unit_a(int row, int term)
{
    return 2 * A_WORDS * (row / 2 * 4 + term % 8 / 2) + term / 8 * 4 + row % 2 * 2 + term % 2;
}

int unit_b(int column, int term)
{
    return 2 * B_WORDS * (column * 4 + term % 8 / 2) + term / 8 * 2 + term % 2;
}
#endif
