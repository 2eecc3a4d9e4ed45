/* y = max(x, 0) over `count` floats of any shape.  A NaN stays one, so fmax will not do.
 * One work-item: one element. */
__kernel void relu_forward(long count, __global const float *restrict x, __global float *restrict y)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        y[i] = x[i] < 0.0f ? 0.0f : x[i];
}

__kernel void relu_in_place(long count, __global float *restrict x)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        x[i] = x[i] < 0.0f ? 0.0f : x[i];
}

/* dx = dy where y > 0, else 0 */
__kernel void relu_backward(long count, __global const float *restrict y,
                            __global const float *restrict dy, __global float *restrict dx)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        dx[i] = y[i] > 0.0f ? dy[i] : 0.0f;
}
