/* Cosine similarity of rows: y[i] = a_i . r_i / (max(|a_i|, eps) max(|r_i|, eps)), eps = 1e-12.
 *
 *   da_i = dy_i (r_i / max(|r_i|, eps) - y_i a_i / |a_i|) / |a_i|;  the second term falls away
 *   where |a_i| < eps
 *
 * Memory: a, da [n][d]; r [1][d] (stride 0) or [n][d] (stride d); y, dy [n].  One work-item: a row.
 */
#define EPS 1e-12f

/* The dot product of two rows, in one fixed order. */
float cosine_dot(int d, __global const float *a, __global const float *b)
{
    float4 parts = (float4)(0.0f);
    int k = 0;
    for (; k + 4 <= d; k += 4)
        parts += vload4(0, a + k) * vload4(0, b + k);
    float sum = (parts.x + parts.y) + (parts.z + parts.w);
    for (; k < d; k++)
        sum += a[k] * b[k];
    return sum;
}

__kernel void cosine_forward(int n, int d, int stride, __global const float *restrict a,
                             __global const float *restrict r, __global float *restrict y)
{
    const int i = get_global_id(0);
    if (i >= n)
        return;
    __global const float *x = a + (size_t)i * d, *z = r + (size_t)i * stride;
    const float of_a = fmax(sqrt(cosine_dot(d, x, x)), EPS);
    const float of_r = fmax(sqrt(cosine_dot(d, z, z)), EPS);
    y[i] = cosine_dot(d, x, z) / of_a / of_r;
}

__kernel void cosine_backward(int n, int d, int stride, __global const float *restrict a,
                              __global const float *restrict r, __global const float *restrict dy,
                              __global float *restrict da)
{
    const int i = get_global_id(0);
    if (i >= n)
        return;
    __global const float *x = a + (size_t)i * d, *z = r + (size_t)i * stride;
    __global float *to = da + (size_t)i * d;
    const float length = sqrt(cosine_dot(d, x, x)), of_a = fmax(length, EPS);
    const float of_r = fmax(sqrt(cosine_dot(d, z, z)), EPS);
    const float y = length > EPS ? cosine_dot(d, x, z) / of_a / of_r : 0.0f;
    for (int k = 0; k < d; k++)
        to[k] = dy[i] * (z[k] / of_r - y * (x[k] / of_a)) / of_a;
}
