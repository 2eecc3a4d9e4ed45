#include "base/philox.h"

void limn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void limn_draw(uint64_t seed, limn_purpose purpose, uint64_t index, uint32_t sub, uint32_t out[4])
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), sub, (uint32_t)purpose};
    limn_philox(key, counter, out);
}

float limn_uniform(uint32_t bits)
{
    return (float)(bits >> 8) * 0x1p-24f;
}

double limn_test_draw(void *draws)
{
    limn_test_draws *d = draws;
    uint32_t bits[4];
    limn_draw(d->seed, LIMN_PURPOSE_TEST, d->index++, 0, bits);
    return limn_uniform(bits[0]);
}
