/* Kernels with one fault each, and some without: what the checks must tell apart. */

kernel void clean(global int *a)
{
    a[get_global_id(0)] = 1;
}

kernel void overrun(global int *a)
{
    a[get_global_id(0) + 1] = 1;
}

kernel void race(global int *a)
{
    local int shared[4];
    shared[get_local_id(0)] = 1;
    a[get_global_id(0)] = shared[3 - get_local_id(0)];
}

kernel void diverge(global int *a)
{
    if (get_local_id(0) == 0)
        barrier(CLK_LOCAL_MEM_FENCE);
    a[get_global_id(0)] = 1;
}

kernel void unwritten(global int *a)
{
    local int shared[4];
    a[get_global_id(0)] = shared[get_local_id(0)];
}

/* No fault, but 21.10 reports one: it compares lane numbers with LLVM's number for "undefined", 11,
 * and so takes lane 11 of a choice of lanes for one that nobody wrote. */
kernel void mistaken(global float *a)
{
    const float16 all = vload16(0, a);
    vstore8(all.hi, 0, a);
}

/* Likewise: it reads the scalar as a vector, and what lies behind it. */
kernel void mistaken_scalar(global int *a)
{
    const int16 at = vload16(0, a);
    int low[16], high[16];
    vstore16(min(at + 1, 7), 0, low);
    vstore16(max(at, 7), 0, high);
    for (int i = 0; i < 16; i++)
        a[low[i] + high[i]] = i;
}

/* The way round `mistaken`, as in limn_upper8 of cl/common/sum.h. */
kernel void upper(global float *a)
{
    const float16 all = vload16(0, a);
    vstore8((float8)(all.s8, all.s9, all.sa, all.sb, all.sc, all.sd, all.se, all.sf), 0, a);
}
