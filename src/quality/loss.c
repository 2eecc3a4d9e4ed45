#include "quality/classification.h"

#include <math.h>

/* Mean of log(sum_k exp(l_k)) - l_label, with the largest logit taken out first. */
static double value(const limn_predictions *p)
{
    int64_t labelled = 0;
    double sum = 0;
    for (int64_t i = 0; i < p->count; i++) {
        const float *logits = p->logits + i * p->class_count;
        if (p->labels[i] < 0)
            continue;
        const double largest = (double)logits[limn_predicted_class(logits, p->class_count)];
        double total = 0;
        for (int k = 0; k < p->class_count; k++)
            total += exp((double)logits[k] - largest);
        sum += log(total) + largest - (double)logits[p->labels[i]];
        labelled++;
    }
    return labelled ? sum / (double)labelled : NAN;
}

const limn_eval_metric limn_metric_loss = {"loss", "mean cross-entropy", false, value};
