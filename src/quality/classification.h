/* The rows of the table of classification metrics; one file each. */
#ifndef LIMN_QUALITY_CLASSIFICATION_H
#define LIMN_QUALITY_CLASSIFICATION_H

#include "limn/evaluate.h"

extern const limn_eval_metric limn_metric_accuracy;
extern const limn_eval_metric limn_metric_knn;
extern const limn_eval_metric limn_metric_loss;
extern const limn_eval_metric limn_metric_top5;

#endif
