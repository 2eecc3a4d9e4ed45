/* Pieces of a model that its own files share. */
#ifndef LIMN_NN_PARTS_H
#define LIMN_NN_PARTS_H

#include "nn/model.h"

/** An empty model of an architecture: no parameters, no channels yet. */
limn_status limn_model_new(limn_device *device, const char *arch, limn_model **out);
/** Declares one part's parameters, values undefined.  Encoder: `inner` and `outputs` unused;
 *  classifier: `outputs` classes; head: features -> inner -> outputs. */
limn_status limn_model_declare(limn_model *model, limn_part part, int64_t inner, int64_t outputs);
/** Class names, copied; NULL: "0", "1", ... */
limn_status limn_model_set_classes(limn_model *model, int count, const char *const *classes);
/** LIMN_BAD_USAGE where a channel has no finite mean or no std above 0. */
limn_status limn_model_set_normalisation(limn_model *model, const float *mean, const float *std);
/** Counts the trained values anew. */
void limn_model_count(limn_model *model);
/** Width between the head's two layers. */
int64_t limn_model_head_width(limn_model *model);

#endif
