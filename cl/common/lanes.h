/* V neighbouring channels as one value: a vector on a CPU device, one float elsewhere (there the
 * neighbours are the work-items beside this one).  `valid` is how many channels are left from the
 * address on; lanes past it read 0 and are not written. */
#include "common/store.h"

#ifndef V
#define V 16 /* 16 or 1 */
#endif

#if V == 16
typedef float16 lanes;
typedef int16 int_lanes;

lanes load_lanes(__global const float *from, int valid)
{
    if (valid >= 16)
        return vload16(0, from);
    float part[16];
    for (int l = 0; l < 16; l++)
        part[l] = l < valid ? from[l] : 0.0f;
    return vload16(0, part);
}

void store_lanes(lanes value, __global float *to, int valid)
{
    if (valid >= 16) {
        store16(value, to);
        return;
    }
    float part[16];
    vstore16(value, 0, part);
    for (int l = 0; l < valid; l++)
        to[l] = part[l];
}

int_lanes load_int_lanes(__global const int *from, int valid)
{
    if (valid >= 16)
        return vload16(0, from);
    int part[16];
    for (int l = 0; l < 16; l++)
        part[l] = l < valid ? from[l] : 0;
    return vload16(0, part);
}

void store_int_lanes(int_lanes value, __global int *to, int valid)
{
    if (valid >= 16) {
        store_int16(value, to);
        return;
    }
    int part[16];
    vstore16(value, 0, part);
    for (int l = 0; l < valid; l++)
        to[l] = part[l];
}

/* From an array of V, and into one. */
lanes join_lanes(const float *each)
{
    return vload16(0, each);
}

void split_lanes(lanes v, float *each)
{
    vstore16(v, 0, each);
}

void split_int_lanes(int_lanes v, int *each)
{
    vstore16(v, 0, each);
}

lanes to_lanes(int_lanes v)
{
    return convert_float16(v);
}

/* Towards zero. */
int_lanes to_int_lanes(lanes v)
{
    return convert_int16(v);
}

/* mask ? yes : no, lane by lane; `mask` as comparisons give it. */
lanes choose_lanes(int_lanes mask, lanes yes, lanes no)
{
    return select(no, yes, mask);
}

int_lanes choose_int_lanes(int_lanes mask, int_lanes yes, int_lanes no)
{
    return select(no, yes, mask);
}
#else
typedef float lanes;
typedef int int_lanes;

lanes load_lanes(__global const float *from, int valid)
{
    return *from;
}

void store_lanes(lanes value, __global float *to, int valid)
{
    *to = value;
}

int_lanes load_int_lanes(__global const int *from, int valid)
{
    return *from;
}

void store_int_lanes(int_lanes value, __global int *to, int valid)
{
    *to = value;
}

lanes join_lanes(const float *each)
{
    return *each;
}

void split_lanes(lanes v, float *each)
{
    *each = v;
}

void split_int_lanes(int_lanes v, int *each)
{
    *each = v;
}

lanes to_lanes(int_lanes v)
{
    return (float)v;
}

int_lanes to_int_lanes(lanes v)
{
    return (int)v;
}

lanes choose_lanes(int_lanes mask, lanes yes, lanes no)
{
    return mask ? yes : no;
}

int_lanes choose_int_lanes(int_lanes mask, int_lanes yes, int_lanes no)
{
    return mask ? yes : no;
}
#endif
