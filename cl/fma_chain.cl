/* y = x after `rounds` times x = scale * x + shift, over `count` floats, |scale| <= 1.
 * One work-item: V * CHAINS neighbouring floats as CHAINS independent vectors of V, which stay in
 * registers; where fewer are left, one after the other. */
#ifndef V
#define V 2 /* 2, 4, 8 or 16 */
#endif
#ifndef CHAINS
#define CHAINS 8
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, V) lanes;

__kernel void fma_chain_run(long count, int rounds, float scale, float shift,
                            __global const float *restrict x, __global float *restrict y)
{
    const size_t first = get_global_id(0) * (V * CHAINS);
    if (first + V * CHAINS <= (size_t)count) {
        const lanes a = scale, b = shift;
        lanes chain[CHAINS];
#pragma unroll
        for (int i = 0; i < CHAINS; i++)
            chain[i] = JOIN(vload, V)(i, x + first);
        for (int round = 0; round < rounds; round++)
#pragma unroll
            for (int i = 0; i < CHAINS; i++)
                chain[i] = fma(a, chain[i], b);
#pragma unroll
        for (int i = 0; i < CHAINS; i++)
            JOIN(vstore, V)(chain[i], i, y + first);
        return;
    }
    for (size_t i = first; i < (size_t)count; i++) {
        float value = x[i];
        for (int round = 0; round < rounds; round++)
            value = fma(scale, value, shift);
        y[i] = value;
    }
}
