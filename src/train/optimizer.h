/* Update rules: each changes weights and their state in place, many in one launch. */
#ifndef LIMN_TRAIN_OPTIMIZER_H
#define LIMN_TRAIN_OPTIMIZER_H

#include "limn/train.h"

#include "nn/model.h"

enum { LIMN_MAX_STATES = 2 };

/** One parameter of a step. */
typedef struct limn_update {
    limn_tensor *weight, *gradient, *states[LIMN_MAX_STATES];
    bool decayed; /**< has weight decay */
} limn_update;

typedef struct limn_optimizer {
    const char *name;
    int state_count;
    const char *states[LIMN_MAX_STATES]; /**< what is kept for each weight */
    /** Queues one step. */
    limn_status (*update)(limn_device *device, const limn_update *updates, int count,
                          const limn_train_params *params, double lr);
} limn_optimizer;

/** NULL where there is none of this name. */
const limn_optimizer *limn_optimizer_find(const char *name);

/** The state of a model's parameters; none for those that are not updated. */
typedef struct limn_optimizer_state {
    const limn_optimizer *optimizer;
    limn_model *model;
    int count; /**< parameters; the model may get further ones later */
    limn_tensor *(*tensors)[LIMN_MAX_STATES]; /**< one row a parameter */
} limn_optimizer_state;

/** All zero, for the parameters whose `reached` is set.  Free it in every case. */
limn_status limn_optimizer_state_init(const limn_optimizer *optimizer, limn_model *model,
                                      const bool *reached, limn_optimizer_state *state);
void limn_optimizer_state_free(limn_optimizer_state *state);

/** Updates every parameter that has a gradient; `nodes` as limn_model_build filled it. */
limn_status limn_optimizer_step(limn_optimizer_state *state, const limn_train_params *params,
                                double lr, limn_graph *graph, const limn_node *nodes);

#endif
