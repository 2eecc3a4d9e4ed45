#include "quality/classification.h"

#include <math.h>

/* The label counts as found where fewer than five logits are larger. */
static double value(const limn_predictions *p)
{
    int64_t labelled = 0, right = 0;
    for (int64_t i = 0; i < p->count; i++) {
        const float *logits = p->logits + i * p->class_count;
        if (p->labels[i] < 0)
            continue;
        int larger = 0;
        for (int k = 0; k < p->class_count; k++)
            larger += logits[k] > logits[p->labels[i]];
        labelled++;
        right += larger < 5;
    }
    return labelled ? (double)right / (double)labelled : NAN;
}

const limn_eval_metric limn_metric_top5 = {
    "top5", "share of images whose label is among the five largest logits", false, value};
