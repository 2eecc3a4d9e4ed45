/* Winograd's minimal filtering for a filter of 3 taps and stride 2, in one dimension: 4 outputs
 * from 9 inputs with 9 products instead of 12.
 *
 *   y[i] = w[1] x[2 i + 1]  +  w[0] x[2 i] + w[2] x[2 i + 2]
 *
 * The inputs of odd place meet one tap: 4 products, which all take the filter's value 5, w[1].
 * Those of even place meet a filter of two taps and stride 1: 4 outputs from 5 inputs with 5
 * products, by Toom and Cook's construction (common/winograd.h) on the points p, -p, q, -q and
 * infinity.  Of pairs in steps of an eighth p = 3/8 and q = 5/4 lose least: hardly more than plain
 * sums.  A filter has 6 values then, as for stride 1, and a side of a tile 9 points; which of the
 * values meets a point says winograd_value.
 *
 * The gradient of the input (TURNED, with the filter turned) has the same products: inputs are 5
 * gradients of outputs, and of 8 results those of even place take one tap, the others two.
 *
 * A shorter tile, of 3 or 2 outputs (results: twice as many), takes fewer points of either kind: it
 * leaves out -q, or q too.  The factors that make it meet the same filters: common/winograd.h.
 */
#include "common/lanes.h"

#define WINO_SIDE 9 /* points of a side of a tile */
#if TURNED
#define WINO_IN 5 /* inputs of a side of a tile, and outputs */
#define WINO_OUT 8
#define WINO_IN_STEP 1 /* inputs, and outputs, to a position */
#define WINO_OUT_STEP 2
#else
#define WINO_IN 9
#define WINO_OUT 4
#define WINO_IN_STEP 2
#define WINO_OUT_STEP 1
#endif

#define WINO_P 0.375f
#define WINO_Q 1.25f
#define WINO_P2 0.140625f
#define WINO_Q2 1.5625f
#define WINO_SUM 1.703125f         /* P2 + Q2 */
#define WINO_PRODUCT 0.2197265625f /* P2 * Q2 */
/* 1 / prod of the differences at p and at q; at -p and -q it is the same with the other sign */
#define WINO_NP -0.9377289377f /* 1 / (2 * P * (P2 - Q2)) */
#define WINO_NQ 0.28131868132f /* 1 / (2 * Q * (Q2 - P2)) */

/* The value of the filter, of 6, that meets point i. */
int winograd_value(int i)
{
    return min(i, 5);
}

/* Whether a tile of `outputs` leaves out point i. */
int winograd_left_out(int i, int outputs)
{
    return i > 4 ? i - 5 >= outputs : outputs == 3 ? i == 3 : outputs == 2 && (i == 2 || i == 3);
}

/* B^T d for two taps: of the outputs + 1 first of d; 0 at points left out */
void winograd_input_of_two(const lanes d[5], lanes v[5], int outputs)
{
    if (outputs == 4) {
        const lanes even_p = fma(d[1], (lanes)(-WINO_Q2), d[3]);
        const lanes even_q = fma(d[1], (lanes)(-WINO_P2), d[3]);
        const lanes odd_p = fma(d[0], (lanes)(-WINO_Q2), d[2]);
        const lanes odd_q = fma(d[0], (lanes)(-WINO_P2), d[2]);
        v[0] = fma(odd_p, (lanes)(WINO_P), even_p);
        v[1] = fma(odd_p, (lanes)(-WINO_P), even_p);
        v[2] = fma(odd_q, (lanes)(WINO_Q), even_q);
        v[3] = fma(odd_q, (lanes)(-WINO_Q), even_q);
        v[4] = fma(d[0], (lanes)(WINO_PRODUCT), fma(d[2], (lanes)(-WINO_SUM), d[4]));
        return;
    }
    const lanes low = fma(d[0], (lanes)(-WINO_P2), d[2]);
    v[3] = 0.0f;
    if (outputs == 3) {
        const lanes even = fma(d[1], (lanes)(-WINO_Q), d[2]);
        const lanes odd = fma(d[0], (lanes)(-WINO_Q), d[1]);
        v[0] = fma(odd, (lanes)(WINO_P), even) * (WINO_P + WINO_Q);
        v[1] = fma(odd, (lanes)(-WINO_P), even) * (WINO_Q - WINO_P);
        v[2] = low * (2.0f * WINO_Q);
        v[4] = fma(low, (lanes)(-WINO_Q), fma(d[1], (lanes)(-WINO_P2), d[3]));
    } else {
        const lanes even = d[1] * (WINO_P2 - WINO_Q2), odd = d[0] * (WINO_P2 - WINO_Q2);
        v[0] = fma(odd, (lanes)(WINO_P), even);
        v[1] = fma(odd, (lanes)(-WINO_P), even);
        v[2] = 0.0f;
        v[4] = low;
    }
}

/* A^T m for two taps; m is 0 at points left out */
void winograd_output_of_two(const lanes m[5], lanes y[4], int outputs)
{
    const lanes even_p = m[0] + m[1], odd_p = m[0] - m[1];
    const lanes even_q = m[2] + m[3], odd_q = m[2] - m[3];
    y[0] = even_p + even_q;
    y[1] = fma(odd_q, (lanes)(WINO_Q), odd_p * WINO_P);
    y[2] = fma(even_q, (lanes)(WINO_Q2), even_p * WINO_P2);
    y[3] = fma(odd_q, (lanes)(WINO_Q * WINO_Q2), odd_p * (WINO_P * WINO_P2));
    if (outputs == 4)
        y[3] += m[4];
    else if (outputs == 3)
        y[2] += m[4];
    else
        y[1] += m[4];
}

/* v = B^T d */
void winograd_input(const lanes d[WINO_IN], lanes v[WINO_SIDE], int outputs)
{
#if TURNED
    winograd_input_of_two(d, v, outputs);
    for (int i = 0; i < 4; i++)
        v[5 + i] = d[i];
#else
    const lanes even[5] = {d[0], d[2], d[4], d[6], d[8]};
    winograd_input_of_two(even, v, outputs);
    for (int i = 0; i < 4; i++)
        v[5 + i] = d[2 * i + 1];
#endif
}

/* y = A^T m; m is 0 at points left out */
void winograd_output(const lanes m[WINO_SIDE], lanes y[WINO_OUT], int outputs)
{
    lanes two[4];
    winograd_output_of_two(m, two, outputs);
    for (int i = 0; i < 4; i++)
#if TURNED
    {
        y[2 * i] = m[5 + i];
        y[2 * i + 1] = two[i];
    }
#else
        y[i] = two[i] + m[5 + i];
#endif
}

/* u = G g: the filter's 6 values */
void winograd_filter(const lanes g[3], lanes u[6])
{
    const lanes at_p = g[0] * WINO_NP, at_q = g[0] * WINO_NQ;
    u[0] = fma(g[2], (lanes)(WINO_P * WINO_NP), at_p);
    u[1] = fma(g[2], (lanes)(WINO_P * WINO_NP), -at_p);
    u[2] = fma(g[2], (lanes)(WINO_Q * WINO_NQ), at_q);
    u[3] = fma(g[2], (lanes)(WINO_Q * WINO_NQ), -at_q);
    u[4] = g[2];
    u[5] = g[1];
}

/* u = H g, of the `outputs` first of g; the others are 0 */
void winograd_gradient(const lanes g[4], lanes u[WINO_SIDE], int outputs)
{
    const lanes even_p = fma(g[2], (lanes)(WINO_P2), g[0]) * WINO_NP;
    const lanes even_q = fma(g[2], (lanes)(WINO_Q2), g[0]) * WINO_NQ;
    const lanes odd_p = fma(g[3], (lanes)(WINO_P2), g[1]) * (WINO_P * WINO_NP);
    const lanes odd_q = fma(g[3], (lanes)(WINO_Q2), g[1]) * (WINO_Q * WINO_NQ);
    u[0] = odd_p + even_p;
    u[1] = odd_p - even_p;
    u[2] = odd_q + even_q;
    u[3] = odd_q - even_q;
    u[4] = outputs == 4 ? g[3] : outputs == 3 ? g[2] : g[1];
    for (int i = 0; i < 4; i++)
        u[5 + i] = g[i];
}

/* w = C^T m, of sums for the filter's 6 values */
void winograd_taps(const lanes m[6], lanes w[3])
{
    w[0] = m[0] + m[1] + m[2] + m[3];
    w[1] = m[5];
    w[2] = fma(m[2] - m[3], (lanes)(WINO_Q), fma(m[0] - m[1], (lanes)(WINO_P), m[4]));
}
