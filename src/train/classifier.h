/* Judging logits. */
#ifndef LIMN_TRAIN_CLASSIFIER_H
#define LIMN_TRAIN_CLASSIFIER_H

#include <stdint.h>

/** Share of rows whose largest logit (the first of equals) is the label's, and mean cross-entropy,
 *  over rows with a label of 0 or more; both 0 where there is none. */
void limn_judge_logits(const float *logits, const int32_t *labels, int64_t count, int64_t classes,
                       double *accuracy, double *loss);

#endif
