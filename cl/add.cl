/* y = a + b over `count` floats.  One work-item: one element. */
__kernel void add_forward(long count, __global const float *restrict a,
                          __global const float *restrict b, __global float *restrict y)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        y[i] = a[i] + b[i];
}

/* a += b */
__kernel void add_in_place(long count, __global float *restrict a, __global const float *restrict b)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        a[i] += b[i];
}
