/* 16 x 16 matrices in registers. */
#ifndef LIMN_TRANSPOSE
#define LIMN_TRANSPOSE

/* Transposes the rows r[0] .. r[15] in four rounds, each of which interleaves row i with i + 8. */
void limn_transpose16(float16 *r)
{
#pragma unroll
    for (int round = 0; round < 4; round++) {
        float16 t[16];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            t[2 * i].even = r[i].lo;
            t[2 * i].odd = r[i + 8].lo;
            t[2 * i + 1].even = r[i].hi;
            t[2 * i + 1].odd = r[i + 8].hi;
        }
#pragma unroll
        for (int i = 0; i < 16; i++)
            r[i] = t[i];
    }
}
#endif
