/* Filters rearranged for the tiled convolution kernels, once for as long as they do not change.
 *
 *   w     [K][CG][R*S]          filters in file order, K = groups * KG output channels
 *   bias  [K]                   read where has_bias is not 0
 *   u     [zeros][bias][panels]
 *         zeros   `zeros` floats of 0: what a tap outside the image reads
 *         bias    [groups * blocks * KB]
 *         panels  [groups * blocks][R*S][D][KB]
 *
 * A panel holds KB = 16 * NV output channels side by side for each depth d that the sum runs over;
 * lanes past the last channel are 0.
 *   forward: output channels are those of y, d counts the CG input channels of the group;
 *   data:    output channels are those of x, d counts the KG filters of the group, no bias.
 *
 * Launch: global size (D, groups * blocks).  One work-item writes one depth of one panel, all taps.
 */
#ifndef NV
#define NV 4 /* float16 vectors in a panel row */
#endif
#define KB (16 * NV)

/* What both kernels share: zeros and bias. */
void conv2d_head(__global const float *bias, __global float *u, int has_bias, int zeros, int d,
                 int depth, int panel, int first, int count)
{
    if (panel == 0)
        for (int i = d; i < zeros; i += depth)
            u[i] = 0.0f;
    if (d == 0)
        for (int j = 0; j < KB; j++)
            u[zeros + panel * KB + j] = has_bias && j < count ? bias[first + j] : 0.0f;
}

__kernel void conv2d_pack_forward(__global const float *restrict w,
                                  __global const float *restrict bias, __global float *restrict u,
                                  int has_bias, int zeros, int panels, int blocks, int kg, int cg,
                                  int taps)
{
    const int c = get_global_id(0), panel = get_global_id(1);
    if (c >= cg || panel >= panels)
        return;
    const int k0 = panel % blocks * KB, first = panel / blocks * kg + k0, count = min(KB, kg - k0);
    conv2d_head(bias, u, has_bias, zeros, c, cg, panel, first, count);
    __global float *to = u + zeros + panels * KB + ((size_t)panel * taps * cg + c) * KB;
    __global const float *from = w + ((size_t)first * cg + c) * taps;
    for (int j = 0; j < KB; j++)
        for (int t = 0; t < taps; t++)
            to[(size_t)t * cg * KB + j] = j < count ? from[(size_t)j * cg * taps + t] : 0.0f;
}

__kernel void conv2d_pack_data(__global const float *restrict w, __global float *restrict u,
                               int zeros, int panels, int blocks, int kg, int cg, int taps)
{
    const int k = get_global_id(0), panel = get_global_id(1);
    if (k >= kg || panel >= panels)
        return;
    const int c0 = panel % blocks * KB, count = min(KB, cg - c0);
    conv2d_head(w, u, 0, zeros, k, kg, panel, 0, 0);
    __global float *to = u + zeros + panels * KB + ((size_t)panel * taps * kg + k) * KB;
    __global const float *from = w + ((size_t)(panel / blocks * kg + k) * cg + c0) * taps;
    for (int j = 0; j < KB; j++)
        for (int t = 0; t < taps; t++)
            to[(size_t)t * kg * KB + j] = j < count ? from[j * taps + t] : 0.0f;
}
