/* limn/predict.h: what a model says about images. */
#ifndef LIMN_PREDICT_H
#define LIMN_PREDICT_H

#include "limn/dataset.h"
#include "limn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Zero-initialised: the whole data set, a batch of up to 128 images, nothing wanted. */
typedef struct limn_predict_params {
    int64_t first, count; /**< images first to first + count - 1; count 0: up to the end */
    int64_t batch;        /**< 0: 128 or what fits; results do not depend on it */
    float *logits;        /**< receives [count, classes], or NULL */
    float *features;      /**< receives [count, features]: the encoder's output, or NULL */
    float *embeddings; /**< receives [count, embedding]: the head's output of length 1, or NULL */
} limn_predict_params;

/** Runs the model in evaluation mode over a data set.  The model must have what is wanted
 *  (LIMN_BAD_INPUT) and fit the data (limn_model_adopt is called).  Where the device has too little
 *  memory the batch is halved, with a warning, until it fits.  LIMN_BAD_INPUT, naming the image:
 *  fp16 is allowed (limn/precision.h) and what comes out is not finite.  LIMN_BAD_USAGE: the range
 *  does not lie in the data, the batch is below 0. */
LIMN_API limn_status limn_predict(limn_model *model, const limn_dataset *data,
                                  const limn_predict_params *params);

#ifdef __cplusplus
}
#endif
#endif
