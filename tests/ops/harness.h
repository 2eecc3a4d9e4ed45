/* How an op is tested: tests/ops/NAME.c holds one limn_op_test called limn_test_NAME.
 *
 * Every case is judged four ways: forward against the row's scalar reference, backward likewise and
 * that reference against central differences, guard bytes after every buffer and inputs left alone,
 * and a second run with the same bits.  Where the plan allows it, forward runs in place too.  Cases
 * in a row that differ in their form alone have one reference, which is probed once.
 *
 * In a simulator (tests/oclgrind/) the small cases run, once more with the kernels for GPUs where
 * cases do not name their forms; and of every kernel of the op one launch must have been seen.
 */
#ifndef LIMN_TESTS_OPS_HARNESS_H
#define LIMN_TESTS_OPS_HARNESS_H

#include "ops/check.h"
#include "ops/op.h"

typedef struct limn_op_case {
    const char *params;
    int in_count;
    limn_desc in[LIMN_OP_MAX_IN];
    bool zero_reference; /**< this case's reference may be all zero */
} limn_op_case;

typedef struct limn_op_test {
    const char *op;
    double tolerance; /**< largest error over largest reference value, forward */
    double backward_tolerance;
    const char *reason; /**< why these tolerances */
    /** Times the tolerances, for a case of a form with a bound of its own; NULL: 1. */
    double (*growth)(const limn_op_case *c);
    double difference_step; /**< of the central differences; 0: 1e-5 */
    const limn_op_case *cases;
    size_t case_count;
    size_t simulated; /**< so many first cases are for a simulator too, whatever their size */
    /** Forms, as LIMN_FORM of the number in impl=, that a simulator takes long for: it gets smaller
     *  cases of them. */
    unsigned slow_forms;
    bool names_forms; /**< the cases name their forms, also those for GPUs */
    /** Sets of inputs, bit i for input i, whose gradients are asked for alone, after all at once;
     *  0 ends them. */
    unsigned asked[4];
    /** Forms that only CPU devices run: their cases are left out where those for GPUs are tested.
     */
    unsigned cpu_forms;
    /** Forms in half precision: it is allowed for their cases. */
    unsigned half_forms;
    /** Known answers from elsewhere; prints what is wrong and returns how many failed. NULL: none.
     */
    int (*known_answers)(limn_device *device);
} limn_op_test;

#define LIMN_CASES(array) .cases = array, .case_count = sizeof(array) / sizeof *(array)

#define LIMN_FORM(number) (1u << (number))
/** The number after "impl=" where a case's parameters begin with that, else 0. */
int limn_op_case_form(const limn_op_case *c);

/** Shapes as one writes them. */
#define LIMN_F1(a)                                                                                 \
    {                                                                                              \
        LIMN_F32, 1,                                                                               \
        {                                                                                          \
            a                                                                                      \
        }                                                                                          \
    }
#define LIMN_F2(a, b)                                                                              \
    {                                                                                              \
        LIMN_F32, 2,                                                                               \
        {                                                                                          \
            a, b                                                                                   \
        }                                                                                          \
    }
#define LIMN_F4(a, b, c, d)                                                                        \
    {                                                                                              \
        LIMN_F32, 4,                                                                               \
        {                                                                                          \
            a, b, c, d                                                                             \
        }                                                                                          \
    }

#define LIMN_I1(a)                                                                                 \
    {                                                                                              \
        LIMN_I32, 1,                                                                               \
        {                                                                                          \
            a                                                                                      \
        }                                                                                          \
    }
#define LIMN_U4(a, b, c, d)                                                                        \
    {                                                                                              \
        LIMN_U8, 4,                                                                                \
        {                                                                                          \
            a, b, c, d                                                                             \
        }                                                                                          \
    }

/** Whether this runs in a simulator: an interpreter, and one that remembers what was written. */
bool limn_test_simulated(void);

/** Runs an op on given float inputs (int inputs are converted) and compares output 0 with the
 *  expected values: |difference| <= tolerance.  Returns 0, or 1 after printing what is wrong. */
int limn_expect(limn_device *device, const char *op, const char *params, int in_count,
                const limn_desc *in, const double *const *values, const double *expected,
                double tolerance);

#endif
