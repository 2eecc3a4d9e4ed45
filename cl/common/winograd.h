/* Winograd's minimal filtering in one dimension: 4 outputs of a filter of 3 taps from 6 inputs,
 * with 6 products; likewise the gradient of the 3 taps from 6 inputs and 4 gradients of outputs.
 *
 *   outputs = A^T [(G filter) * (B^T inputs)],  taps = C^T [(H gradients) * (B^T inputs)]
 *
 * by Toom and Cook's construction on the points 0, p, -p, q, -q and infinity (Lavin and Gray 2016
 * give it with p = 1, q = 2).  p = 3/4 and q = 3/2 keep the coefficients near one, which loses
 * least in single precision: a quarter of the error of 1 and 2.  With a point t of the five, A[t] =
 * C[t] = (1, t, t^2, ..),  G[t] = H[t] = (1, t, t^2, ..) / prod_{s != t} (t - s), B[t] =
 * coefficients of prod_{s != t} (x - s),  at infinity those of prod_s (x - s), G and A the highest
 * power alone.  P2 = p^2, Q2 = q^2.
 *
 * A shorter tile, of 3 or 2 outputs, takes the points 0, p, -p, q, infinity or 0, p, -p, infinity,
 * so that it meets the same transformed filters: G and H stay, and B[t] is multiplied by prod_{left
 * out r} (t - r), which cancels what G divides by too much.  Its values at the points left out are
 * 0, its highest power is lower.
 */
#include "common/lanes.h"

#define WINO_SIDE 6 /* points of a side of a tile */
#define WINO_IN 6   /* inputs of a side of a tile, and outputs */
#define WINO_OUT 4
#define WINO_IN_STEP 1 /* inputs, and outputs, to a position */
#define WINO_OUT_STEP 1

#define WINO_P 0.75f
#define WINO_Q 1.5f
#define WINO_P2 0.5625f
#define WINO_Q2 2.25f
#define WINO_SUM 2.8125f       /* P2 + Q2 */
#define WINO_PRODUCT 1.265625f /* P2 * Q2 */
/* 1 / prod of the differences, at 0, at p and -p, at q and -q */
#define WINO_N0 0.79012345679f  /* 1 / (P2 * Q2) */
#define WINO_NP -0.52674897119f /* 1 / (2 * P2 * (P2 - Q2)) */
#define WINO_NQ 0.13168724280f  /* 1 / (2 * Q2 * (Q2 - P2)) */

/* The value of the filter, of 6, that meets point i. */
int winograd_value(int i)
{
    return i;
}

/* Whether a tile of `outputs` leaves out point i of the six. */
int winograd_left_out(int i, int outputs)
{
    return outputs == 3 ? i == 4 : outputs == 2 && (i == 3 || i == 4);
}

/* v = B^T d, of the outputs + 2 first of d */
void winograd_input(const lanes d[6], lanes v[6], int outputs)
{
    if (outputs == 4) {
        const lanes even_p = fma(d[2], (lanes)(-WINO_Q2), d[4]);
        const lanes even_q = fma(d[2], (lanes)(-WINO_P2), d[4]);
        const lanes odd_p = fma(d[1], (lanes)(-WINO_Q2), d[3]);
        const lanes odd_q = fma(d[1], (lanes)(-WINO_P2), d[3]);
        v[0] = fma(d[0], (lanes)(WINO_PRODUCT), fma(d[2], (lanes)(-WINO_SUM), d[4]));
        v[1] = fma(odd_p, (lanes)(WINO_P), even_p);
        v[2] = fma(odd_p, (lanes)(-WINO_P), even_p);
        v[3] = fma(odd_q, (lanes)(WINO_Q), even_q);
        v[4] = fma(odd_q, (lanes)(-WINO_Q), even_q);
        v[5] = fma(d[1], (lanes)(WINO_PRODUCT), fma(d[3], (lanes)(-WINO_SUM), d[5]));
        return;
    }
    const lanes low = fma(d[0], (lanes)(-WINO_P2), d[2]), high = fma(d[1], (lanes)(-WINO_P2), d[3]);
    v[3] = 0.0f;
    v[4] = 0.0f;
    if (outputs == 3) {
        const lanes even = fma(d[2], (lanes)(-WINO_Q), d[3]),
                    odd = fma(d[1], (lanes)(-WINO_Q), d[2]);
        v[0] = fma(high, (lanes)(WINO_Q), low * -WINO_Q2);
        v[1] = fma(odd, (lanes)(WINO_P), even) * (WINO_P + WINO_Q);
        v[2] = fma(odd, (lanes)(-WINO_P), even) * (WINO_Q - WINO_P);
        v[3] = high * (2.0f * WINO_Q);
        v[5] = fma(d[3], (lanes)(-WINO_Q), d[4]) - fma(d[1], (lanes)(-WINO_Q), d[2]) * WINO_P2;
    } else {
        const lanes even = d[2] * (WINO_P2 - WINO_Q2), odd = d[1] * (WINO_P2 - WINO_Q2);
        v[0] = low * -WINO_Q2;
        v[1] = fma(odd, (lanes)(WINO_P), even);
        v[2] = fma(odd, (lanes)(-WINO_P), even);
        v[5] = high;
    }
}

/* y = A^T m; m is 0 at the points that a tile of `outputs` leaves out */
void winograd_output(const lanes m[6], lanes y[4], int outputs)
{
    const lanes even_p = m[1] + m[2], odd_p = m[1] - m[2];
    const lanes even_q = m[3] + m[4], odd_q = m[3] - m[4];
    y[0] = m[0] + even_p + even_q;
    y[1] = fma(odd_q, (lanes)(WINO_Q), odd_p * WINO_P);
    y[2] = fma(even_q, (lanes)(WINO_Q2), even_p * WINO_P2);
    y[3] = fma(odd_q, (lanes)(WINO_Q * WINO_Q2), odd_p * (WINO_P * WINO_P2));
    if (outputs == 4)
        y[3] += m[5];
    else if (outputs == 3)
        y[2] += m[5];
    else
        y[1] += m[5];
}

/* u = G g */
void winograd_filter(const lanes g[3], lanes u[6])
{
    const lanes at_p = fma(g[2], (lanes)(WINO_P2), g[0]) * WINO_NP;
    const lanes at_q = fma(g[2], (lanes)(WINO_Q2), g[0]) * WINO_NQ;
    u[0] = g[0] * WINO_N0;
    u[1] = fma(g[1], (lanes)(WINO_P * WINO_NP), at_p);
    u[2] = fma(g[1], (lanes)(-WINO_P * WINO_NP), at_p);
    u[3] = fma(g[1], (lanes)(WINO_Q * WINO_NQ), at_q);
    u[4] = fma(g[1], (lanes)(-WINO_Q * WINO_NQ), at_q);
    u[5] = g[2];
}

/* u = H g, of the `outputs` first of g; the others are 0 */
void winograd_gradient(const lanes g[4], lanes u[6], int outputs)
{
    const lanes even_p = fma(g[2], (lanes)(WINO_P2), g[0]) * WINO_NP;
    const lanes even_q = fma(g[2], (lanes)(WINO_Q2), g[0]) * WINO_NQ;
    const lanes odd_p = fma(g[3], (lanes)(WINO_P2), g[1]) * (WINO_P * WINO_NP);
    const lanes odd_q = fma(g[3], (lanes)(WINO_Q2), g[1]) * (WINO_Q * WINO_NQ);
    u[0] = g[0] * WINO_N0;
    u[1] = even_p + odd_p;
    u[2] = even_p - odd_p;
    u[3] = even_q + odd_q;
    u[4] = even_q - odd_q;
    u[5] = outputs == 4 ? g[3] : outputs == 3 ? g[2] : g[1];
}

/* w = C^T m */
void winograd_taps(const lanes m[6], lanes w[3])
{
    const lanes even_p = m[1] + m[2], odd_p = m[1] - m[2];
    const lanes even_q = m[3] + m[4], odd_q = m[3] - m[4];
    w[0] = m[0] + even_p + even_q;
    w[1] = fma(odd_q, (lanes)(WINO_Q), odd_p * WINO_P);
    w[2] = fma(even_q, (lanes)(WINO_Q2), fma(even_p, (lanes)(WINO_P2), m[5]));
}
