/* y = x over `count` floats.  One work-item: RUN neighbouring floats, by vectors of V; the last one
 * of all may have fewer. */
#ifndef V
#define V 4 /* 4 or 16 */
#endif
#ifndef RUN
#define RUN 4 /* a multiple of V */
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

__kernel void copy_run(long count, __global const float *restrict x, __global float *restrict y)
{
    const size_t first = get_global_id(0) * RUN;
    if (first + RUN <= (size_t)count) {
        for (int i = 0; i < RUN; i += V)
            JOIN(vstore, V)(JOIN(vload, V)(0, x + first + i), 0, y + first + i);
        return;
    }
    for (size_t i = first; i < (size_t)count; i++)
        y[i] = x[i];
}
