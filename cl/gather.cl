/* y_b = x_b[index_b], one column of each row; dx_b[c] = dy_b where c = index_b, else 0.  An index
 * outside the row gives NaN and no gradient.
 * Memory: x, dx [rows][columns]; index, y, dy [rows].
 * gather_forward: one work-item a row.  gather_backward: one work-item an element of dx. */
__kernel void gather_forward(int rows, int columns, __global const float *restrict x,
                             __global const int *restrict index, __global float *restrict y)
{
    const int b = (int)get_global_id(0);
    if (b >= rows)
        return;
    const int c = index[b];
    y[b] = c >= 0 && c < columns ? x[(size_t)b * columns + c] : NAN;
}

__kernel void gather_backward(int rows, int columns, __global const int *restrict index,
                              __global const float *restrict dy, __global float *restrict dx)
{
    const int c = (int)get_global_id(0), b = (int)get_global_id(1);
    if (b >= rows || c >= columns)
        return;
    dx[(size_t)b * columns + c] = c == index[b] ? dy[b] : 0.0f;
}
