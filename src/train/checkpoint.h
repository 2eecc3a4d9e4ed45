/* Checkpoints: a model file that also holds the optimiser's state and what the run was. */
#ifndef LIMN_TRAIN_CHECKPOINT_H
#define LIMN_TRAIN_CHECKPOINT_H

#include "train/optimizer.h"

/** What a checkpoint belongs to. */
typedef struct limn_run_facts {
    const limn_train_params *params;
    const char *data_digest;
    int64_t step;     /**< updates made */
    const char *plan; /**< of the training graph (train/plan.h) */
} limn_run_facts;

/** Writes one; the file appears whole or not at all. */
limn_status limn_checkpoint_save(const char *path, const limn_optimizer_state *state,
                                 const limn_run_facts *facts);

/** An opened checkpoint. */
typedef struct limn_checkpoint limn_checkpoint;

/** Opens one for going on: its settings and data must be those given, but for the settings that may
 *  change (LIMN_BAD_USAGE names all others at once; LIMN_BAD_INPUT: other data, no checkpoint). */
limn_status limn_checkpoint_open(limn_device *device, const char *path,
                                 const limn_train_params *params, const char *data_digest,
                                 limn_checkpoint **out);
void limn_checkpoint_close(limn_checkpoint **checkpoint);

int64_t limn_checkpoint_step(const limn_checkpoint *checkpoint);
/** The plan of the run; NULL where another device wrote the checkpoint, or a limn without plans. */
const char *limn_checkpoint_plan(const limn_checkpoint *checkpoint);
/** Loads the model as it was. */
limn_status limn_checkpoint_model(limn_checkpoint *checkpoint, limn_model **out);
/** Fills the optimiser's state. */
limn_status limn_checkpoint_state(limn_checkpoint *checkpoint, limn_optimizer_state *state);

#endif
