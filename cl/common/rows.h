/* Rows of C neighbouring floats, one group of GROUP work-items per row; a work-item visits the
 * columns  c = ROW_FIRST; c < C; c += ROW_STEP  V at a time.  CPU device: GROUP 1, V 16; elsewhere
 * GROUP 64, V 1.  A row's sums run in an order that depends on C only. */
#include "common/lanes.h"
#include "common/sum.h"

#ifndef GROUP
#define GROUP 1 /* a power of two */
#endif
#define ROW_FIRST ((int)get_local_id(0) * V)
#define ROW_STEP (GROUP * V)

/* As load_lanes; lanes past `valid` read `fill`. */
lanes load_lanes_or(__global const float *from, int valid, float fill)
{
#if V == 16
    if (valid >= 16)
        return vload16(0, from);
    float part[16];
    for (int l = 0; l < 16; l++)
        part[l] = l < valid ? from[l] : fill;
    return vload16(0, part);
#else
    return *from;
#endif
}

/* The sum of all lanes of all work-items of the group; `part` holds GROUP floats.  The barrier at
 * the end lets `part` be used again. */
float row_sum(lanes value, __local float *part)
{
#if V == 16
    float total = limn_sum16(value);
#else
    float total = value;
#endif
#if GROUP > 1
    const int t = get_local_id(0);
    part[t] = total;
    for (int half_size = GROUP / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (t < half_size)
            part[t] += part[t + half_size];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    total = part[0];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return total;
}

/* The largest lane likewise. */
float row_max(lanes value, __local float *part)
{
#if V == 16
    float largest = limn_max16(value);
#else
    float largest = value;
#endif
#if GROUP > 1
    const int t = get_local_id(0);
    part[t] = largest;
    for (int half_size = GROUP / 2; half_size > 0; half_size /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (t < half_size)
            part[t] = fmax(part[t], part[t + half_size]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    largest = part[0];
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    return largest;
}
