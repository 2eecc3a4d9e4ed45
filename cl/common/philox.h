/* Philox-4x32-10 for kernels: the same function as src/base/philox.c, where the source is named. */
#ifndef LIMN_PHILOX
#define LIMN_PHILOX

#define LIMN_PURPOSE_INIT 1
#define LIMN_PURPOSE_SHUFFLE 2
#define LIMN_PURPOSE_AUGMENT 3
#define LIMN_PURPOSE_MASK 4
#define LIMN_PURPOSE_NOISE 5
#define LIMN_PURPOSE_DROPOUT 6
#define LIMN_PURPOSE_TEST 7

/* The four draws addressed by (seed, purpose, index, sub). */
uint4 limn_draw(ulong seed, uint purpose, ulong index, uint sub)
{
    uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
    uint c0 = (uint)index, c1 = (uint)(index >> 32), c2 = sub, c3 = purpose;
    for (int round = 0; round < 10; round++) {
        const uint h0 = mul_hi(0xD2511F53u, c0), l0 = 0xD2511F53u * c0;
        const uint h1 = mul_hi(0xCD9E8D57u, c2), l1 = 0xCD9E8D57u * c2;
        c0 = h1 ^ c1 ^ k0;
        c1 = l1;
        c2 = h0 ^ c3 ^ k1;
        c3 = l0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (uint4)(c0, c1, c2, c3);
}

/* Uniform in [0, 1): the top 24 bits, exact in single precision. */
float limn_uniform(uint bits)
{
    return (float)(bits >> 8) * 0x1p-24f;
}
#endif
