/* limn/evaluate.h: how well a model classifies. */
#ifndef LIMN_EVALUATE_H
#define LIMN_EVALUATE_H

#include "limn/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What the metrics look at: host arrays of the caller's. */
typedef struct limn_predictions {
    int64_t count;
    int class_count;        /**< columns of `logits` */
    const float *logits;    /**< [count, class_count] or NULL */
    int64_t feature_count;  /**< columns of `features` */
    const float *features;  /**< [count, feature_count] or NULL */
    const int32_t *labels;  /**< [count]; -1: left out of every metric */
} limn_predictions;

/** One metric of predictions. */
typedef struct limn_eval_metric {
    const char *name;
    const char *formula;      /**< one line for people */
    bool needs_features;      /**< needs features, not logits */
    /** Value of the metric; NaN where no image has a label. */
    double (*value)(const limn_predictions *predictions);
} limn_eval_metric;

/** Metric number `index`, from 0; NULL past the last.  Static. */
LIMN_API const limn_eval_metric *limn_eval_metric_at(size_t index);

/** Column of the largest logit of one image; the lower column wins a tie. */
LIMN_API int limn_predicted_class(const float *logits, int class_count);

#ifdef __cplusplus
}
#endif
#endif
