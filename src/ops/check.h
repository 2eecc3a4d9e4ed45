/* One op, one case, on a real device, against the op's scalar reference in double precision. */
#ifndef LIMN_OPS_CHECK_H
#define LIMN_OPS_CHECK_H

#include "ops/op.h"

/** What was seen.  Errors are the largest |device - reference| over the largest |reference| of the
 *  same tensor; NaN counts as infinite. */
typedef struct limn_op_check {
    double forward_error, backward_error;
    double forward_scale, backward_scale; /**< largest |reference|; 0: nothing was judged */
    bool guards_intact;                   /**< the bytes after every buffer are untouched */
    bool inputs_intact; /**< inputs that the row does not list in `updates` are unchanged */
    bool repeats;       /**< a second run gave the same bits */
    bool has_backward;
} limn_op_check;

/** How the op is asked to run, within what its row allows. */
typedef struct limn_op_check_way {
    unsigned asked; /**< bit i: the gradient of input i, where it has one */
    int in_place;   /**< output 0 is the tensor of this input, and no backward runs; -1: of none */
} limn_op_check_way;

/** Runs forward and, where the op has one, backward twice with inputs drawn from `seed` (through
 *  the row's `fill`), outputs filled with NaN before.  `way`: NULL for every gradient, and nothing
 *  in place.  Fails only where something could not run. */
limn_status limn_op_check_run(limn_device *device, const limn_op *op, const char *params,
                              const limn_desc *in, int in_count, uint64_t seed,
                              const limn_op_check_way *way, limn_op_check *out);

/** Host values of one case, as limn_op_check_run draws them; for tests that go further.  The arrays
 *  belong to the set. */
typedef struct limn_op_values {
    const limn_op *op;
    void *params;
    limn_op_plan plan;
    int in_count;
    limn_desc in_desc[LIMN_OP_MAX_IN];
    double *in[LIMN_OP_MAX_IN];
    double *out[LIMN_OP_MAX_OUT];
    double *saved[LIMN_OP_MAX_SAVED];
    double *grad_out[LIMN_OP_MAX_OUT];
    double *grad_in[LIMN_OP_MAX_IN];
} limn_op_values;

limn_status limn_op_values_create(limn_device *device, const limn_op *op, const char *params,
                                  const limn_desc *in, int in_count, uint64_t seed,
                                  limn_op_values *out);
void limn_op_values_free(limn_op_values *values);
/** Reference forward (into out, saved and updated inputs) and backward (into grad_in). */
void limn_op_values_forward(limn_op_values *values);
void limn_op_values_backward(limn_op_values *values);

#endif
