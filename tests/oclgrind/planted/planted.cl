/* Kernels with one fault each, and one without: what the checks must tell apart. */

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
