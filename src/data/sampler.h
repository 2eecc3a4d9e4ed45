/* Which images make up which training step. */
#ifndef LIMN_DATA_SAMPLER_H
#define LIMN_DATA_SAMPLER_H

#include "base/context.h"

/** The order of an epoch is a pure function of (seed, epoch), so any step can be asked for at any
 *  time: nothing has to be saved to go on after an interruption. */
typedef struct limn_sampler {
    limn_context *ctx;
    int64_t count, batch;
    bool shuffle;
    uint64_t seed;
    int64_t steps_per_epoch; /**< shuffled: the last partial batch is dropped */
    int64_t *order;          /**< images of epoch `epoch`; NULL in file order */
    int64_t epoch;           /**< -1: none yet */
} limn_sampler;

/** LIMN_BAD_USAGE where no batch can be filled.  `sampler` need not be initialised. */
limn_status limn_sampler_init(limn_context *ctx, int64_t count, int64_t batch, bool shuffle,
                              uint64_t seed, limn_sampler *sampler);
void limn_sampler_free(limn_sampler *sampler);

/** Images of step `step`, from 0: writes up to `batch` indices, returns how many. */
int64_t limn_sampler_step(limn_sampler *sampler, int64_t step, int64_t *indices);

#endif
