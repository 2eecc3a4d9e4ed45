/* Writing tensors and a model's metadata into a safetensors file: for models and checkpoints. */
#ifndef LIMN_NN_WEIGHTS_H
#define LIMN_NN_WEIGHTS_H

#include "nn/model.h"
#include "tensor/safetensors.h"

/** A training checkpoint is a model file with more in it: this metadata key, and tensors of this
 *  prefix, which are left out where a model is loaded. */
#define LIMN_CHECKPOINT_KEY "checkpoint"
#define LIMN_OPTIMIZER_PREFIX "optimizer."

/** arch, classes, mean and std. */
limn_status limn_model_put_metadata(limn_model *model, limn_safetensors_writer *writer);
/** Declares a float tensor / writes its values, in device order. */
limn_status limn_tensor_declare(limn_safetensors_writer *writer, const char *name,
                                const limn_desc *desc);
limn_status limn_tensor_append(limn_context *ctx, limn_safetensors_writer *writer,
                               const limn_tensor *tensor);

#endif
