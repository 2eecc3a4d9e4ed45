#include "harness.h"

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F1(1)}, false},
    {"", 1, {LIMN_F2(7, 129)}, false},
    {"", 1, {LIMN_F1(4096)}, false},
    {"", 1, {LIMN_F4(2, 33, 5, 31)}, false},
};

const limn_op_test limn_test_copy = {
    .op = "copy",
    .tolerance = 0,
    .backward_tolerance = 0,
    .reason = "nothing is computed",
    LIMN_CASES(cases),
};
