/* Sums and the largest of many values in one fixed order, for kernels. */
#ifndef LIMN_SUM
#define LIMN_SUM

/* v.hi.  Compilers make the same of it, but Oclgrind 21.10 reports v.hi as never written: see
 * `mistaken` in tests/oclgrind/planted/planted.cl. */
float8 limn_upper8(float16 v)
{
    return (float8)(v.s8, v.s9, v.sa, v.sb, v.sc, v.sd, v.se, v.sf);
}

/* The sixteen lanes, halves added pairwise. */
float limn_sum16(float16 v)
{
    const float8 a = v.lo + limn_upper8(v);
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}

/* The largest lane. */
float limn_max16(float16 v)
{
    const float8 a = fmax(v.lo, limn_upper8(v));
    const float4 b = fmax(a.lo, a.hi);
    const float2 c = fmax(b.lo, b.hi);
    return fmax(c.x, c.y);
}

/* x[0] + ... + x[n - 1]: sixteen interleaved partial sums, then the rest one by one. */
float limn_sum(__global const float *x, long n)
{
    float16 parts = (float16)(0.0f);
    long i = 0;
    for (; i + 16 <= n; i += 16)
        parts += vload16(0, x + i);
    float sum = limn_sum16(parts);
    for (; i < n; i++)
        sum += x[i];
    return sum;
}
#endif
