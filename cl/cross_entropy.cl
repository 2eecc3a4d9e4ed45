/* Mean cross-entropy with label smoothing e over rows of logits x[n][k] and labels y[n]:
 *
 *   loss = 1/count * sum_i [ lse_i - (1 - e) x[i][y_i] - e/k sum_c x[i][c] ]
 *   lse_i = max_i + log sum_c exp(x[i][c] - max_i)
 *
 * Rows whose label is outside 0..k-1 are skipped: they add nothing and are not counted.
 * Memory: x and dx [n][k] row-major, y [n], row_loss [n], lse [n], count [1], loss [1].
 */
#include "common/sum.h"

/* One work-item: one row.  Writes row_loss (0 for a skipped row) and lse. */
__kernel void cross_entropy_rows(int n, int k, float smoothing, __global const float *restrict x,
                                 __global const int *restrict y, __global float *restrict row_loss,
                                 __global float *restrict lse)
{
    const int i = get_global_id(0);
    if (i >= n)
        return;
    __global const float *row = x + (size_t)i * k;
    float largest = row[0];
    for (int c = 1; c < k; c++)
        largest = fmax(largest, row[c]);
    float exps = 0.0f, shifted = 0.0f;
    for (int c = 0; c < k; c++) {
        exps += exp(row[c] - largest);
        shifted += row[c] - largest;
    }
    const float log_sum = log(exps);
    const int label = y[i];
    lse[i] = largest + log_sum;
    row_loss[i] = label < 0 || label >= k ? 0.0f
                                          : log_sum - (1.0f - smoothing) * (row[label] - largest) -
                                                smoothing / k * shifted;
}

/* One work-item in all: the mean, in one fixed order, and the number of rows in it. */
__kernel void cross_entropy_mean(int n, int k, __global const float *restrict row_loss,
                                 __global const int *restrict y, __global float *restrict count,
                                 __global float *restrict loss)
{
    if (get_global_id(0) > 0)
        return;
    int used = 0;
    for (int i = 0; i < n; i++)
        used += y[i] >= 0 && y[i] < k;
    count[0] = used;
    loss[0] = used ? limn_sum(row_loss, n) / used : 0.0f;
}

/* dx[i][c] = dloss/count * (exp(x - lse_i) - (1 - e)[c = y_i] - e/k); 0 in skipped rows.
 * One work-item: one element. */
__kernel void cross_entropy_backward(long elements, int k, float smoothing,
                                     __global const float *restrict x,
                                     __global const int *restrict y,
                                     __global const float *restrict lse,
                                     __global const float *restrict count,
                                     __global const float *restrict dloss,
                                     __global float *restrict dx)
{
    const size_t at = get_global_id(0);
    if (at >= (size_t)elements)
        return;
    const size_t i = at / (size_t)k;
    const int c = (int)(at - i * k), label = y[i];
    if (label < 0 || label >= k) {
        dx[at] = 0.0f;
        return;
    }
    const float target = (c == label ? 1.0f - smoothing : 0.0f) + smoothing / k;
    dx[at] = dloss[0] / count[0] * (exp(x[at] - lse[i]) - target);
}
