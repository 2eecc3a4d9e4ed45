/* Measuring which implementation of an op serves a case best. */
#ifndef LIMN_OPS_TUNE_H
#define LIMN_OPS_TUNE_H

#include "limn/tune.h"
#include "ops/op.h"

/** One direction of one case of an op that has `choices`. */
typedef struct limn_tune_job {
    const limn_op *op;
    const void *params; /**< borrowed */
    limn_desc in[LIMN_OP_MAX_IN];
    int in_count, direction;
    double weight; /**< the heaviest come first */
} limn_tune_job;

typedef struct limn_tune_options {
    bool automatic; /**< unasked: only what has no finding, for a few seconds on a device in all,
                         then defaults are taken down; nothing where findings cannot be kept; a
                         note is logged */
    bool all;       /**< try what is not worth it, too */
    int64_t batch;  /**< most images; 0: 64 */
    uint64_t seed;
} limn_tune_options;

/** Measures every job that more than one implementation is worth a try for, and keeps what it
 *  found; what this opened device has measured already is passed over.  Each implementation must
 *  first be right: within its bound of the plain form, on few images and, against the others, on
 *  many; the same bits twice; no byte behind the result touched.  One that fails is turned down
 *  with the reason.  The default stays unless another is faster by a twentieth.  Sorts `jobs`.
 *  `seen` may be NULL. */
limn_status limn_tune_jobs(limn_device *device, limn_tune_job *jobs, int count,
                           const limn_tune_options *options, limn_tune_fn seen, void *user);

#endif
