/* Matrix units of AMD, as common/matrix.h takes them, by functions of the compiler (clang):
 *
 *   MATRIX 2  CDNA   v_mfma_f32_16x16x16_f16, waves of 64
 *          3  RDNA3  v_wmma_f32_16x16x16_f16, waves of 32
 *          4  RDNA4  the same, another layout
 *
 * Work-item 16 * g + n, n < 16, holds of a row n, of b column n, in both TERMS terms from g * TERMS
 * on (RDNA3: all 16, once for g 0 and once for g 1), and column n of c:
 *
 *   CDNA   TERMS 4    rows 4g to 4g + 3
 *   RDNA3  TERMS 16   rows g, g + 2, to g + 14
 *   RDNA4  TERMS 8    rows 8g to 8g + 7
 *
 * AMD's matrix instruction calculator and instruction set manuals show these layouts.
 */
#if MATRIX > 0
#if !defined(__AMDGCN__) || !defined(__clang__)
#error "not AMD's compiler"
#elif MATRIX == 2
#if !__has_builtin(__builtin_amdgcn_mfma_f32_16x16x16f16)
#error "no MFMA"
#endif
#elif MATRIX == 3
/* A compiler for RDNA4 takes the function of RDNA3 and then breaks down, and so does clang 15. */
#if __clang_major__ < 16 || !__has_builtin(__builtin_amdgcn_wmma_f32_16x16x16_f16_w32) || \
    __has_builtin(__builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12)
#error "no WMMA of RDNA3"
#endif
#elif !__has_builtin(__builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12)
#error "no WMMA of RDNA4"
#endif
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

#define UNIT_ROWS 16
#define UNIT_COLUMNS 16
#if MATRIX == 2 || MATRIX == -2
#define LANES 64
#define TERMS 4
#define C_ROWS 4
typedef uint2 unit_a_words;
typedef float4 unit_c;
#define UNIT_ROW(g, i) (4 * (g) + (i))
#define UNIT_MULTIPLY(a, b, c)                                                                     \
    __builtin_amdgcn_mfma_f32_16x16x16f16(as_half4(a), as_half4(b), c, 0, 0, 0)
#if MATRIX > 0
/* Nothing; but else clang takes the four apart between one turn of a loop and the next. */
#define UNIT_KEEP(c) __asm__("" : "+v"(c))
#endif
#elif MATRIX == 3 || MATRIX == -3
#define LANES 32
#define TERMS 16
#define C_ROWS 8
typedef uint8 unit_a_words;
typedef float8 unit_c;
#define UNIT_ROW(g, i) ((g) + 2 * (i))
#define UNIT_MULTIPLY(a, b, c)                                                                     \
    __builtin_amdgcn_wmma_f32_16x16x16_f16_w32(as_half16(a), as_half16(b), c)
#else
#define LANES 32
#define TERMS 8
#define C_ROWS 8
typedef uint4 unit_a_words;
typedef float8 unit_c;
#define UNIT_ROW(g, i) (8 * (g) + (i))
#define UNIT_MULTIPLY(a, b, c)                                                                     \
    __builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12(as_half8(a), as_half8(b), c)
#endif
#if MATRIX > 0 && defined(__AMDGCN_WAVEFRONT_SIZE) && __AMDGCN_WAVEFRONT_SIZE != LANES
#error "waves of another size"
#endif
typedef unit_a_words unit_b_words;
typedef uint4 unit_columns;
#define A_WORDS (TERMS / 2)
#define B_WORDS A_WORDS
#define C_COLUMNS 1
#define HELD_ROWS 16 /* of a tile, by one work-item */
#define HELD_RUNS 1  /* of four columns */

int unit_row(int lane, int i)
{
    return UNIT_ROW(lane / 16, i);
}

int unit_column(int lane)
{
    return lane % 16;
}

int unit_b_column(int lane)
{
    return lane % 16;
}

int unit_b_pair(int lane, int w)
{
    return lane / 16 * TERMS % 16 / 2 + w;
}

unit_a_words unit_load_a(__local product_cell (*tile)[PITCH], int row, int lane)
{
    unit_a_words a;
#pragma unroll
    for (int w = 0; w < A_WORDS; w++)
        ((uint *)&a)[w] = ((__local const uint *)tile[unit_b_pair(lane, w)])[row + lane % 16];
    return a;
}

#if MATRIX > 0
unit_c unit_multiply(unit_c c, unit_a_words a, unit_b_words b)
{
    return UNIT_MULTIPLY(a, b, c);
}
#else
int unit_a(int row, int term)
{
    return TERMS * (row + term / TERMS * 16) + term % TERMS;
}

int unit_b(int column, int term)
{
    return unit_a(column, term);
}
#endif
