/* y[n, oh, ow, before + c] = x[n, oh * stride, ow * stride, c], 0 in the other channels;
 * dx[n, h, w, c] = dy[n, h / stride, w / stride, before + c] where stride divides h and w, else 0.
 *
 *   x [N][H][W][C]      y [N][OH][OW][K],  before = (K - C) / 2
 *
 * Forward: global size (K, N * OH * OW); backward: (C, N * H * W).  One work-item: one element.
 */
__kernel void subsample_pad_forward(int N, int H, int W, int C, int OH, int OW, int K, int stride,
                                    __global const float *restrict x, __global float *restrict y)
{
    const int k = get_global_id(0), pixel = get_global_id(1), c = k - (K - C) / 2;
    if (k >= K || pixel >= N * OH * OW)
        return;
    const int ow = pixel % OW, oh = pixel / OW % OH, n = pixel / OW / OH;
    const size_t from = ((size_t)n * H + oh * stride) * W + ow * stride;
    y[(size_t)pixel * K + k] = c >= 0 && c < C ? x[from * C + c] : 0.0f;
}

__kernel void subsample_pad_backward(int N, int H, int W, int C, int OH, int OW, int K, int stride,
                                     __global const float *restrict dy, __global float *restrict dx)
{
    const int c = get_global_id(0), pixel = get_global_id(1);
    if (c >= C || pixel >= N * H * W)
        return;
    const int w = pixel % W, h = pixel / W % H, n = pixel / W / H;
    const size_t from = ((size_t)n * OH + h / stride) * OW + w / stride;
    const int taken = h % stride == 0 && w % stride == 0;
    dx[(size_t)pixel * C + c] = taken ? dy[from * K + (K - C) / 2 + c] : 0.0f;
}
