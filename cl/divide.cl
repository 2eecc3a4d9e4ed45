/* y = a / b over `count` floats, 0 where b is 0.  One work-item: one element. */
__kernel void divide_forward(long count, __global const float *restrict a,
                             __global const float *restrict b, __global float *restrict y)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        y[i] = b[i] == 0.0f ? 0.0f : a[i] / b[i];
}
