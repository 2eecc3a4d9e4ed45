/* Update rules: each is an op over weight, gradient and state, in place. */
#ifndef LIMN_TRAIN_OPTIMIZER_H
#define LIMN_TRAIN_OPTIMIZER_H

#include "limn/train.h"

#include "nn/model.h"

enum { LIMN_MAX_STATES = 2, LIMN_OPTIMIZER_TEXT = 256 };

typedef struct limn_optimizer {
    const char *name, *op;
    int state_count;
    const char *states[LIMN_MAX_STATES]; /**< what the op keeps for each weight */
    /** Parameters of the op for one step. */
    void (*print)(const limn_train_params *params, double lr, double decay,
                  char text[LIMN_OPTIMIZER_TEXT]);
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
