/* y[n, c * P + p] = x[n, p, c]: an image's channels one after the other, as a tensor [N, C, H, W]
 * is flattened.
 *
 *   x [N][P][C], P = H * W      y [N][C * P]
 *
 * Global size (C, N * P), one work-item: one element.  Backward is the same map the other way.
 */
__kernel void flatten_forward(long pixels, int P, int C, __global const float *restrict x,
                              __global float *restrict y)
{
    const int c = get_global_id(0);
    const long pixel = get_global_id(1), n = pixel / P;
    if (c < C && pixel < pixels)
        y[(n * C + c) * P + pixel % P] = x[pixel * C + c];
}

__kernel void flatten_backward(long pixels, int P, int C, __global const float *restrict dy,
                               __global float *restrict dx)
{
    const int c = get_global_id(0);
    const long pixel = get_global_id(1), n = pixel / P;
    if (c < C && pixel < pixels)
        dx[pixel * C + c] = dy[(n * C + c) * P + pixel % P];
}
