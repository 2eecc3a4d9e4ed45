/* Matrix units of Intel (XMX), as common/matrix.h takes them, by the extension
 * cl_intel_subgroup_matrix_multiply_accumulate: MATRIX 5 on devices whose smallest sub-group is of
 * 8 work-items, 6 where it is of 16.  No other size is allowed there.
 *
 * Work-item n < LANES holds
 *
 *   a   of each of 8 rows   MATRIX 5  terms 2n and 2n + 1, a word a row    6  term n, half a word
 *   b   column n, all terms
 *   c   column n, all rows
 */
#if MATRIX > 0 && (!defined(cl_intel_subgroup_matrix_multiply_accumulate) || \
                   !defined(cl_intel_required_subgroup_size))
#error "no matrix units of Intel"
#endif
#define UNIT_ROWS 8
#if MATRIX == 5 || MATRIX == -5
#define LANES 8
#define A_WORDS 8
typedef uint8 unit_a_words;
#define UNIT_A(a) as_int8(a)
#else
#define LANES 16
#define A_WORDS 4
typedef uint4 unit_a_words;
#define UNIT_A(a) as_short8(a)
#endif
#define UNIT_COLUMNS LANES
#define B_WORDS 8
#define C_ROWS 8
#define C_COLUMNS 1
#define HELD_ROWS 16 /* of a tile, by one work-item */
#define HELD_RUNS 1  /* of four columns */
typedef uint8 unit_b_words;
typedef float8 unit_c;
typedef uint4 unit_columns;
#if MATRIX > 0
#define HELD_GROUP reqd_work_group_size(GROUP, 1, 1), intel_reqd_sub_group_size(LANES)
#endif

int unit_row(int lane, int i)
{
    return i;
}

int unit_column(int lane)
{
    return lane;
}

int unit_b_column(int lane)
{
    return lane;
}

int unit_b_pair(int lane, int w)
{
    return w;
}

unit_a_words unit_load_a(__local product_cell (*tile)[PITCH], int row, int lane)
{
    const int pair = lane * 8 / LANES;
    const uint4 x = tile[pair][row / 4], y = tile[pair][row / 4 + 1];
#if LANES == 8
    return (uint8)(x.x, x.y, x.z, x.w, y.x, y.y, y.z, y.w);
#else
    const uint4 first = (uint4)(x.x, x.z, y.x, y.z), second = (uint4)(x.y, x.w, y.y, y.w);
    return lane % 2 ? first >> 16 | (second & 0xffff0000u) : (first & 0xffffu) | second << 16;
#endif
}

#if MATRIX > 0
unit_c unit_multiply(unit_c c, unit_a_words a, unit_b_words b)
{
    return intel_sub_group_f16_f16_matrix_mad_k16(UNIT_A(a), as_int8(b), c);
}
#else
int unit_a(int row, int term)
{
    const int terms = 2 * A_WORDS / UNIT_ROWS; /* of a row, by one work-item */
    return 2 * A_WORDS * (term / terms) + row * terms + term % terms;
}

int unit_b(int column, int term)
{
    return 2 * B_WORDS * column + term;
}
#endif
