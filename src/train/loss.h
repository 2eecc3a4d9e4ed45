/* A loss is one row: what it needs of the model, its op, its defaults, what validation measures. */
#ifndef LIMN_TRAIN_LOSS_H
#define LIMN_TRAIN_LOSS_H

#include "limn/train.h"

#include "nn/model.h"

/** Measures on validation data, one value a column. */
typedef limn_status limn_validate_fn(limn_model *model, const limn_dataset *validation,
                                     double *values);

typedef struct limn_loss {
    const char *name, *summary;
    bool classifier, head; /**< what of the model it stands on */
    bool single_warning;   /**< a class with one image deserves a warning */
    int64_t max_views;
    int64_t batch; /**< images in a step where the user does not say; less where there are less */
    limn_train_params defaults; /**< of what depends on the loss; the rest is zero */
    /** Appends the loss, f32[1]; `labels` are those of all rows. */
    limn_status (*append)(limn_graph *graph, const limn_train_params *params,
                          const limn_model_nodes *nodes, limn_node labels, limn_node *loss);
    limn_validate_fn *validate;
    int measure_count;
    const char *measures[LIMN_MAX_MEASURES];
} limn_loss;

extern const limn_loss limn_loss_ce, limn_loss_supcon;

/** NULL, error set, where there is none of this name. */
const limn_loss *limn_loss_find(limn_context *ctx, const char *name);

limn_validate_fn limn_validate_classifier, limn_validate_knn;

#endif
