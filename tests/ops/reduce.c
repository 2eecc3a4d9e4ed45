#include "harness.h"

static const limn_op_case cases[] = {
    {"axis=0 mean=0", 1, {LIMN_F2(1, 1)}, false},
    {"axis=0 mean=0", 1, {LIMN_F1(65)}, false},
    {"axis=0 mean=0", 1, {LIMN_F2(300, 64)}, false},
    {"axis=0 mean=0", 1, {LIMN_F2(17, 1000)}, false},
    {"axis=0 mean=1", 1, {LIMN_F2(3, 2)}, false},
    {"axis=0 mean=1", 1, {LIMN_F4(2, 3, 5, 17)}, false},
    {"axis=1 mean=0", 1, {LIMN_F2(1, 1)}, false},
    {"axis=1 mean=0", 1, {LIMN_F1(65)}, false},
    {"axis=1 mean=0", 1, {LIMN_F2(300, 64)}, false},
    {"axis=1 mean=0", 1, {LIMN_F2(17, 1000)}, false},
    {"axis=1 mean=1", 1, {LIMN_F2(3, 2)}, false},
    {"axis=1 mean=1", 1, {LIMN_F4(2, 3, 5, 17)}, false},
};

/* By hand: both axes, sums and means. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F2(2, 4)};
    static const double x[] = {1, 2, 3, 6, -1, 0, 5, 8};
    static const double *const values[] = {x};
    static const double columns[] = {0, 2, 8, 14}, halves[] = {0, 1, 4, 7};
    static const double rows[] = {12, 12}, quarters[] = {3, 3};
    return limn_expect(device, "reduce", "axis=0", 1, in, values, columns, 0) +
           limn_expect(device, "reduce", "axis=0 mean=1", 1, in, values, halves, 0) +
           limn_expect(device, "reduce", "axis=1", 1, in, values, rows, 0) +
           limn_expect(device, "reduce", "axis=1 mean=1", 1, in, values, quarters, 0);
}

const limn_op_test limn_test_reduce = {
    .op = "reduce",
    .tolerance = 4e-6,
    .backward_tolerance = 1e-7,
    .reason = "sums of up to 1000 terms in 16 lanes or runs of 128, of the size of the square root "
              "of their count; backward: one division",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
