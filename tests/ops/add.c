#include "harness.h"

static const limn_op_case cases[] = {
    {"", 2, {LIMN_F1(1), LIMN_F1(1)}, false},
    {"", 2, {LIMN_F2(7, 129), LIMN_F2(7, 129)}, false},
    {"", 2, {LIMN_F4(2, 5, 3, 16), LIMN_F4(2, 5, 3, 16)}, false},
};

const limn_op_test limn_test_add = {
    .op = "add",
    .tolerance = 1e-7,
    .backward_tolerance = 0,
    .reason = "one rounding; the gradient is a copy",
    LIMN_CASES(cases),
};
