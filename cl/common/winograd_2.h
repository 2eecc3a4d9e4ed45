/* What common/winograd.h says, for 2 outputs from 4 inputs with 4 products: the points 0, 1, -1 and
 * infinity.  It takes 16 products for 4 outputs of a tile, where plain sums take 36, and loses less
 * than those: every coefficient of A, B and C is 0, 1 or -1, those of G and H are halves at least,
 * so that nothing but sums is rounded, and a sum has fewer terms. */
#include "common/lanes.h"

#define WINO_SIDE 4 /* points of a side of a tile */

/* v = B^T d.  `outputs`, here and below, is 2. */
void winograd_input(const lanes d[4], lanes v[4], int outputs)
{
    v[0] = d[0] - d[2];
    v[1] = d[2] + d[1];
    v[2] = d[2] - d[1];
    v[3] = d[3] - d[1];
}

/* y = A^T m */
void winograd_output(const lanes m[4], lanes y[2], int outputs)
{
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
}

/* u = G g; its sign at 0 is turned, as that of B is */
void winograd_filter(const lanes g[3], lanes u[4])
{
    const lanes even = (g[0] + g[2]) * 0.5f;
    u[0] = g[0];
    u[1] = fma(g[1], (lanes)(0.5f), even);
    u[2] = fma(g[1], (lanes)(-0.5f), even);
    u[3] = g[2];
}

/* u = H g; likewise */
void winograd_gradient(const lanes g[2], lanes u[4], int outputs)
{
    u[0] = g[0];
    u[1] = (g[0] + g[1]) * 0.5f;
    u[2] = (g[0] - g[1]) * 0.5f;
    u[3] = g[1];
}

/* w = C^T m */
void winograd_taps(const lanes m[4], lanes w[3])
{
    const lanes even = m[1] + m[2];
    w[0] = m[0] + even;
    w[1] = m[1] - m[2];
    w[2] = even + m[3];
}
