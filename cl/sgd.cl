/* Stochastic gradient descent with momentum, one step, in place, as PyTorch's SGD:
 *
 *   g' = g + decay * w;  m = mu * m + g';  w -= lr * (nesterov ? g' + mu * m : m)
 *
 * Memory: w, g, m hold as many floats each as their tensor has elements.
 *
 * sgd_step   one tensor; one work-item: one element.
 * sgd_many   up to 32 tensors in one launch; one group, of any size: SPAN elements of one of them.
 *            Unused tensors have n 0.  Bit k of `decayed`: tensor k has weight decay.
 */
#ifndef SPAN
#define SPAN 4096
#endif

void sgd_update(size_t i, float lr, float mu, float decay, int nesterov, __global float *restrict w,
                __global const float *restrict g, __global float *restrict m)
{
    const float step = g[i] + decay * w[i], speed = mu * m[i] + step;
    m[i] = speed;
    w[i] -= lr * (nesterov ? step + mu * speed : speed);
}

__kernel void sgd_step(long count, float lr, float mu, float decay, int nesterov,
                       __global float *restrict w, __global const float *restrict g,
                       __global float *restrict m)
{
    const size_t i = get_global_id(0);
    if (i < (size_t)count)
        sgd_update(i, lr, mu, decay, nesterov, w, g, m);
}

#define TENSOR(k) int n##k, __global float *w##k, __global const float *g##k, __global float *m##k
#define FOUR(k) TENSOR(k##0), TENSOR(k##1), TENSOR(k##2), TENSOR(k##3)

/* Takes tensor k where the group's span lies in it: spans are counted through all tensors. */
#define TRY(k, bit)                                                                                \
    {                                                                                              \
        const long spans = ((long)n##k + SPAN - 1) / SPAN;                                         \
        if (span >= 0 && span < spans) {                                                           \
            w = w##k;                                                                              \
            g = g##k;                                                                              \
            m = m##k;                                                                              \
            first = span * SPAN;                                                                   \
            end = min(first + SPAN, (long)n##k);                                                   \
            rate = decayed >> (bit)&1 ? decay : 0.0f;                                              \
        }                                                                                          \
        span -= spans;                                                                             \
    }
#define TRY_FOUR(k, bit) TRY(k##0, bit) TRY(k##1, bit + 1) TRY(k##2, bit + 2) TRY(k##3, bit + 3)

__kernel void sgd_many(float lr, float mu, float decay, uint decayed, int nesterov, FOUR(0),
                       FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5), FOUR(6), FOUR(7))
{
    long span = get_group_id(0), first = 0, end = 0;
    __global float *w = 0, *m = 0;
    __global const float *g = 0;
    float rate = 0.0f;
    TRY_FOUR(0, 0)
    TRY_FOUR(1, 4)
    TRY_FOUR(2, 8)
    TRY_FOUR(3, 12)
    TRY_FOUR(4, 16)
    TRY_FOUR(5, 20)
    TRY_FOUR(6, 24)
    TRY_FOUR(7, 28)
    for (long i = first + get_local_id(0); i < end; i += get_local_size(0))
        sgd_update(i, lr, mu, rate, nesterov, w, g, m);
}
