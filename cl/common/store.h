/* Vectors of 16 floats to any address that a float may have, as one store where the compiler lets a
 * type say so: some take vstore16 apart into stores of 4 and 8. */
#ifdef __clang__
typedef float16 float16_at_float __attribute__((aligned(4)));
typedef int16 int16_at_int __attribute__((aligned(4)));
#endif

void store16(float16 v, __global float *to)
{
#ifdef __clang__
    *(__global float16_at_float *)to = v;
#else
    vstore16(v, 0, to);
#endif
}

void store_int16(int16 v, __global int *to)
{
#ifdef __clang__
    *(__global int16_at_int *)to = v;
#else
    vstore16(v, 0, to);
#endif
}
