#include "train/classifier.h"

#include <math.h>

void limn_judge_logits(const float *logits, const int32_t *labels, int64_t count, int64_t classes,
                       double *accuracy, double *loss)
{
    int64_t judged = 0, right = 0;
    double sum = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *row = logits + i * classes;
        int64_t best = 0;
        double total = 0;
        if (labels[i] < 0)
            continue;
        for (int64_t k = 1; k < classes; k++)
            if (row[k] > row[best])
                best = k;
        for (int64_t k = 0; k < classes; k++)
            total += exp((double)row[k] - (double)row[best]);
        sum += log(total) + (double)row[best] - (double)row[labels[i]];
        right += best == labels[i];
        judged++;
    }
    *accuracy = judged ? (double)right / (double)judged : 0;
    *loss = judged ? sum / (double)judged : 0;
}
