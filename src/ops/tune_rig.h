/* Inside the tuner: one direction of one case, ready to run with any of its implementations. */
#ifndef LIMN_OPS_TUNE_RIG_H
#define LIMN_OPS_TUNE_RIG_H

#include "ops/tune.h"

/** One implementation on a rig. */
typedef struct limn_tune_way {
    limn_op_plan plan;
    limn_buffer *scratch;
} limn_tune_way;

typedef struct limn_tune_rig {
    const limn_tune_job *job;
    limn_context *ctx;
    limn_desc in[LIMN_OP_MAX_IN]; /**< those of the job with another batch */
    limn_op_run run;
    limn_tensor *result; /**< output, or gradient of an input; borrowed from `run` */
    size_t bytes;        /**< of the result; bytes to guard it follow */
} limn_tune_rig;

/** Takes memory and fills it with random values.  After a failure too, free it. */
limn_status limn_tune_rig_make(limn_device *device, const limn_tune_job *job, int64_t batch,
                               uint64_t seed, limn_tune_rig *rig);
void limn_tune_rig_free(limn_tune_rig *rig);

/** Plans implementation `which` and takes its scratch.  After a failure too, free it. */
limn_status limn_tune_way_make(const limn_tune_rig *rig, int which, limn_tune_way *way);
void limn_tune_way_free(limn_tune_way *way);

/** Queues one run. */
limn_status limn_tune_way_run(limn_tune_rig *rig, const limn_tune_way *way);

/** Runs once on a result of NaN and reads it, of `rig->bytes` bytes; false in `*intact` where bytes
 *  behind it changed.  `*values` is to be limn_free'd. */
limn_status limn_tune_way_read(limn_tune_rig *rig, const limn_tune_way *way, float **values,
                               bool *intact);

/** Largest |a - b| over largest |b|; infinite where one is not finite. */
double limn_tune_error(const float *a, const float *b, size_t count);

#endif
