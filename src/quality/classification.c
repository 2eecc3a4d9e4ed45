#include "quality/classification.h"

static const limn_eval_metric *const metrics[] = {
    &limn_metric_accuracy,
    &limn_metric_loss,
    &limn_metric_top5,
    &limn_metric_knn,
};

const limn_eval_metric *limn_eval_metric_at(size_t index)
{
    return index < sizeof metrics / sizeof *metrics ? metrics[index] : NULL;
}

int limn_predicted_class(const float *logits, int class_count)
{
    int best = 0;
    for (int k = 1; k < class_count; k++)
        if (logits[k] > logits[best])
            best = k;
    return best;
}
