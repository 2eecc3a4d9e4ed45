#include "quality/classification.h"

#include <math.h>

static double value(const limn_predictions *p)
{
    int64_t labelled = 0, right = 0;
    for (int64_t i = 0; i < p->count; i++) {
        if (p->labels[i] < 0)
            continue;
        labelled++;
        right += limn_predicted_class(p->logits + i * p->class_count, p->class_count) ==
                 p->labels[i];
    }
    return labelled ? (double)right / (double)labelled : NAN;
}

const limn_eval_metric limn_metric_accuracy = {
    "accuracy", "share of images whose largest logit is at their label", false, value};
