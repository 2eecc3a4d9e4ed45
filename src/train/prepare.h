/* What the loop needs before its first step, and looks at when it fails. */
#ifndef LIMN_TRAIN_PREPARE_H
#define LIMN_TRAIN_PREPARE_H

#include "train/train_graph.h"

/** Whether data sets fit the loss: labels, sizes; warns of classes that have a single image. */
limn_status limn_train_check_data(limn_context *ctx, const limn_dataset *data,
                                  const limn_dataset *validation, const limn_loss *loss,
                                  const limn_train_params *params);

/** A fresh model or that of --init, with the parts that the loss stands on. */
limn_status limn_train_make_model(limn_device *device, const limn_dataset *data,
                                  const limn_train_params *params, const limn_loss *loss,
                                  limn_model **out);

/** Name of the first parameter that holds NaN or infinity, to be freed; NULL where none does. */
limn_status limn_train_find_broken(limn_model *model, char **name);

#endif
