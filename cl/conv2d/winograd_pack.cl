/* Filters of a 3x3 convolution in Winograd's domain: U = G f G^T (common/winograd.h, or
 * common/winograd_strided.h with STRIDE 2).
 *
 *   w  [K][C][9]  filters in file order;  bias [K], read where has_bias is not 0
 *   u  [zeros][bias][36][u_plane], u_plane vectors of which [vectors][depth] are used: see
 *      conv2d/winograd.cl; zeros, bias and depth in whole vectors
 *
 * Forward: `rows` counts input channels, `width` output channels, w is [width][rows][9].  For the
 * gradient of the input (turned not 0) they change places, w is [rows][width][9], and each filter
 * is turned by half a circle.  Rows past `rows` and lanes past `width` are 0.
 *
 * stream 1: u is too large for the caches and is written around them.
 *
 * Launch: global size (depth / 16, vectors), local size 1.  One work-item: 16 rows of one vector
 * of output channels, read as runs of neighbouring filters.
 */
#include "common/stream.h"
#include "common/transpose.h"
#include "common/winograd_tiles.h"

__kernel void conv2d_winograd_pack(__global const float *restrict w,
                                   __global const float *restrict bias, __global float *restrict u,
                                   int has_bias, int zeros, int u_plane, int vectors, int rows,
                                   int width, int turned, int stream)
{
    const int block = get_global_id(0), vector = get_global_id(1), depth = (rows + 15) / 16 * 16;
    if (16 * block >= depth || vector >= vectors)
        return;
    const int k0 = 16 * vector, row0 = 16 * block;
    if (vector == 0)
        store16((float16)(0.0f), u + 16 * block);
    if (block == 0)
        for (int l = 0; l < 16; l++)
            u[zeros * 16 + k0 + l] = has_bias && k0 + l < width ? bias[k0 + l] : 0.0f;
    /* 16 filters in the lanes, the rest of what lies side by side in w: [of 16][tap] */
    const int filter0 = turned ? row0 : k0, filters = turned ? rows : width;
    const int inner0 = turned ? k0 : row0, inner = turned ? width : rows;
    float16 f[16 * 9], part[16];
    for (int j = 0; j < 9; j++) {
        for (int l = 0; l < 16; l++)
            part[l] = filter0 + l < filters
                          ? load_lanes(w + ((size_t)(filter0 + l) * inner + inner0) * 9 + 16 * j,
                                       9 * (inner - inner0) - 16 * j)
                          : (float16)(0.0f);
        limn_transpose16(part);
        for (int i = 0; i < 16; i++)
            f[16 * j + i] = part[i];
    }
    if (turned) /* lanes and rows change places */
        for (int t = 0; t < 5; t++) {
            float16 other[16];
            for (int l = 0; l < 16; l++) {
                part[l] = f[9 * l + t];
                other[l] = f[9 * l + 8 - t];
            }
            limn_transpose16(part);
            limn_transpose16(other);
            for (int row = 0; row < 16; row++) {
                f[9 * row + t] = other[row];
                f[9 * row + 8 - t] = part[row];
            }
        }
    __global float *to = u + (zeros + vectors + (size_t)vector * depth + row0) * 16;
    for (int row = 0; row < 16; row++) {
        float16 columns[3][6];
        for (int s = 0; s < 3; s++) {
            const float16 g[3] = {f[9 * row + s], f[9 * row + 3 + s], f[9 * row + 6 + s]};
            winograd_filter(g, columns[s]);
        }
        for (int i = 0; i < 6; i++) {
            const float16 g[3] = {columns[0][i], columns[1][i], columns[2][i]};
            float16 o[6];
            winograd_filter(g, o);
            for (int s = 0; s < 6; s++)
                stream_lanes(o[s], stream, to + ((size_t)(6 * i + s) * u_plane + row) * 16, 16);
        }
    }
}
