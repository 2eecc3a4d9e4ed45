/* What an op is: one row of the op table.
 *
 * An op owns three files of one name: src/ops/NAME.c (this row, its launches, its reference),
 * cl/NAME.cl (its kernels, called NAME_something) and tests/ops/NAME.c (its cases).  The name
 * stands once more, in the array `ops` of meson.build.  Callers know an op by name only.
 */
#ifndef LIMN_OPS_OP_H
#define LIMN_OPS_OP_H

#include "tensor/tensor.h"

enum {
    LIMN_OP_MAX_IN = 8,
    LIMN_OP_MAX_OUT = 3,
    LIMN_OP_MAX_SAVED = 3,
    LIMN_OP_MAX_CHOICES = 3,
    LIMN_OP_MAX_PREPARED = 2
};

/* ---- parameters ---------------------------------------------------------------------------- */

typedef enum limn_param_type {
    LIMN_PARAM_INT,  /**< int64_t */
    LIMN_PARAM_U64,  /**< uint64_t: seeds and counters */
    LIMN_PARAM_FLOAT /**< double; written with %.9g or more, it survives the text */
} limn_param_type;

/** One parameter: where it lies in the op's own parameter struct, and what is allowed. */
typedef struct limn_param_spec {
    const char *name;
    limn_param_type type;
    size_t offset;
    double default_value;
    double min, max;
} limn_param_spec;

/* ---- shapes and memory --------------------------------------------------------------------- */

/** What an op makes of its inputs. */
typedef struct limn_op_plan {
    int out_count;
    limn_desc out[LIMN_OP_MAX_OUT];
    int saved_count; /**< tensors that forward leaves for backward */
    limn_desc saved[LIMN_OP_MAX_SAVED];
    size_t prepared[LIMN_OP_MAX_PREPARED]; /**< bytes of what prepare leaves for forward; 0: none */
    size_t forward_scratch;                /**< bytes, contents undefined at entry */
    size_t backward_scratch;
    unsigned backward_in, backward_out; /**< the row's, unless plan clears bits of them */
    double flops, bytes;                /**< of forward: arithmetic, least memory traffic */
    double backward_flops, backward_bytes;
    int choice[LIMN_OP_MAX_CHOICES]; /**< of an op with `choices`: which serves each direction */
} limn_op_plan;

/* ---- several implementations of one op ------------------------------------------------------- */

/** What a choice is made for. */
typedef struct limn_choice_case {
    limn_device *device;
    const void *params;
    const limn_desc *in; /**< dimension 0 of in[0] is the batch */
    int in_count;
} limn_choice_case;

/** An op with several implementations, numbered from 0, the best guess first, the plain form, which
 *  serves every case, last.  Direction 0 is forward, direction i the gradient of input i - 1.  The
 *  op's parameter `impl` asks for one by its number plus 1; 0: for none. */
typedef struct limn_op_choices {
    const char *const *directions; /**< names; ends with NULL */
    int count;
    const char *(*name)(int which);
    /** Writes the class of shapes that share a choice: printable, below LIMN_TUNING_SHAPE bytes,
     *  without the batch. */
    void (*shape)(const limn_choice_case *c, char *text, size_t size);
    /** Writes why one does not serve a case, "" where it does.  Unless `forced`, also why it is not
     *  worth a try there: it is made for another kind of device. */
    void (*refusal)(const limn_choice_case *c, int direction, int which, bool forced, char *why,
                    size_t size);
    /** Largest |result - plain form's| over largest |plain form's| on values uniform in [-1, 1). */
    double (*bound)(const limn_choice_case *c, int direction, int which);
    /** Whether one rounds what it multiplies to half precision, whose `bound` is wider by
     *  LIMN_HALF_BOUND; it runs only where limits->half_forms has its bit.  NULL: none does. */
    bool (*half)(int which);
    int half_bit; /**< which bit that is for implementation 0; the others' follow */
} limn_op_choices;

/** Each factor of each product is off by 2^-11 of itself at most (gradients: and by 2^-39 of the
 *  largest); over a sum that adds up like a random walk, as the sum itself does.  Twice over, for
 *  results of few products or few sums. */
#define LIMN_HALF_BOUND (4 * 0x1p-11)

/** What serves a direction: what a plan or the tuner says, where that serves the case, else the
 *  first that is worth a try. */
int limn_op_choose(const char *op, const limn_op_choices *choices, const limn_choice_case *c,
                   int direction);
/** The latter alone. */
int limn_op_preset(const limn_op_choices *choices, const limn_choice_case *c, int direction);
/** Error of a sum of `terms` products of such values in single precision, and of another order of
 *  it, in the measure of `bound`: (16 + 4 sqrt(terms)) 2^-24.  Rounding errors of a sum add up like
 *  a random walk, and so does the sum itself. */
double limn_op_sum_bound(double terms);

/* ---- one execution -------------------------------------------------------------------------- */

/** Everything forward and backward work on.  All pointers are the caller's. */
typedef struct limn_op_run {
    limn_device *device;
    const void *params;
    const limn_op_plan *plan;
    int in_count;
    limn_tensor *in[LIMN_OP_MAX_IN];
    limn_tensor *out[LIMN_OP_MAX_OUT];
    limn_tensor *saved[LIMN_OP_MAX_SAVED]; /**< NULL as the row's `saves_for_backward` says */
    limn_buffer
        *prepared[LIMN_OP_MAX_PREPARED]; /**< as planned; NULL: forward prepares by itself */
    limn_buffer *scratch; /**< of the size that the plan asked for, or NULL; not for prepare */
    /** Forward once more on the same inputs: `saved` holds what the first run left, `out` is to be
     *  made again, to the same bits, and nothing that the row's `updates` names changes. */
    bool replay;
    /* backward only: */
    limn_tensor *grad_out[LIMN_OP_MAX_OUT]; /**< NULL where no gradient arrives */
    limn_tensor *grad_in[LIMN_OP_MAX_IN];   /**< to be overwritten; NULL where none is asked */
} limn_op_run;

/** The same on the host in double precision, for the reference.  Integers are held as doubles. */
typedef struct limn_op_reference {
    const void *params;
    const limn_op_plan *plan;
    int in_count;
    const limn_desc *in_desc;
    double *in[LIMN_OP_MAX_IN]; /**< written only where the row's `updates` has the bit */
    double *out[LIMN_OP_MAX_OUT];
    double *saved[LIMN_OP_MAX_SAVED];
    const double *grad_out[LIMN_OP_MAX_OUT]; /**< NULL where none arrives */
    double *grad_in[LIMN_OP_MAX_IN];         /**< zeroed at entry; NULL where none is asked */
} limn_op_reference;

/* ---- the row -------------------------------------------------------------------------------- */

/** A case small enough for the self-test on a user's device. */
typedef struct limn_op_example {
    const char *params;
    int in_count;
    limn_desc in[LIMN_OP_MAX_IN];
    double tolerance; /**< largest |device - reference| over largest |reference| */
} limn_op_example;

typedef struct limn_op {
    const char *name;
    const char *formula; /**< one line for people */
    size_t params_size;
    const limn_param_spec *params; /**< ends with a NULL name; NULL where there is none */
    int min_in, max_in;
    unsigned backward_in;     /**< bit i: backward reads the value of input i */
    unsigned backward_out;    /**< bit i: backward reads the value of output i */
    unsigned differentiable;  /**< bit i: input i can have a gradient; 0: no backward */
    unsigned updates;         /**< bit i: forward changes input i in place */
    bool replays;             /**< forward minds run->replay; of no matter where updates is 0 */
    bool saves_for_backward;  /**< only backward reads `saved`: without one to follow it is NULL */
    unsigned passes_gradient; /**< bit i: the gradient of input i is that of output 0, unchanged */
    unsigned in_place;        /**< bit i: out[0] may be the tensor in[i] */
    /** Checks inputs and parameters and fills the plan.  LIMN_BAD_USAGE with the reason where they
     *  do not fit. */
    limn_status (*plan)(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *plan);
    /** NULL, or the part of forward that depends on the contents of the inputs of `prepare_in`
     * only: it fills run->prepared, once for as many forward runs as those inputs stay as they are.
     */
    limn_status (*prepare)(const limn_op_run *run);
    unsigned prepare_in;
    limn_status (*forward)(const limn_op_run *run);
    limn_status (*backward)(const limn_op_run *run);
    void (*forward_reference)(const limn_op_reference *r);
    void (*backward_reference)(const limn_op_reference *r);
    /** Fills inputs for tests where uniform values in [-1, 1) will not do (labels, positive
     *  variances); NULL: uniform.  `draw` gives the next uniform value in [0, 1). */
    void (*fill)(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state);
    const limn_op_example *example;
    /** Shapes of real work for benchmarks, their `tolerance` unused; ends with NULL `params`. NULL:
     *  the op is not benched. */
    const limn_op_example *bench;
    const limn_op_choices *choices; /**< NULL: there is one way only */
} limn_op;

/** All ops, in the order of meson.build. */
extern const limn_op *const limn_op_table[];
extern const size_t limn_op_count;

/** NULL where there is no such op. */
const limn_op *limn_op_find(const char *name);

/** Parses "stride=2 pad=1" into a struct of op->params_size bytes, defaults first.  Names what is
 *  unknown, malformed or out of range: LIMN_BAD_USAGE. */
limn_status limn_op_parse(limn_context *ctx, const limn_op *op, const char *text, void *params);

/** Sets what the text names and leaves the rest of the struct. */
limn_status limn_op_set(limn_context *ctx, const limn_op *op, const char *text, void *params);
/** Gives `to` the values of those parameters that `from` has under the same name and type. */
void limn_op_inherit(const limn_op *to, void *to_params, const limn_op *from,
                     const void *from_params);

/** Input count checked, then op->plan with all of it zeroed before. */
limn_status limn_op_make_plan(limn_device *device, const limn_op *op, const void *params,
                              const limn_desc *in, int in_count, limn_op_plan *plan);

/** Prepares in memory of its own, then runs forward. */
limn_status limn_op_forward(const limn_op *op, const limn_op_run *run);

/** Runs one op outside a graph: parses, plans, takes scratch, launches.  `out` tensors must have
 * the planned descriptions (checked).  For perturbations, updates and losses that stand alone. */
limn_status limn_op_call(limn_device *device, const char *op, limn_tensor *const *in, int in_count,
                         limn_tensor *const *out, int out_count, const char *params, ...)
    LIMN_PRINTF(7, 8);

#endif
