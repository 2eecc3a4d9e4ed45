/* Stochastic gradient descent with momentum, one step, in place, as PyTorch's SGD:
 *
 *   g' = g + decay * w;  m = mu * m + g';  w -= lr * (nesterov ? g' + mu * m : m)
 *
 * Memory: w, g, m hold `count` floats each.  One work-item: one element.
 */
__kernel void sgd_step(long count, float lr, float mu, float decay, int nesterov,
                       __global float *restrict w, __global const float *restrict g,
                       __global float *restrict m)
{
    const size_t i = get_global_id(0);
    if (i >= (size_t)count)
        return;
    const float step = g[i] + decay * w[i], speed = mu * m[i] + step;
    m[i] = speed;
    w[i] -= lr * (nesterov ? step + mu * speed : speed);
}
