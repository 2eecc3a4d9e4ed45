/* Targets with what the library's own files need beside the public part. */
#ifndef LIMN_ATTR_TARGET_H
#define LIMN_ATTR_TARGET_H

#include "limn/attribution.h"

typedef struct limn_target_set {
    limn_targets set; /**< first: the two are converted into each other */
    int32_t *classes;
    float *logits, *probabilities, *cosines;
    float *directions;     /**< reference vectors of length 1, rows of `features` floats */
    int32_t *direction_of; /**< [count]: row of each image */
    int64_t features;
} limn_target_set;

#endif
