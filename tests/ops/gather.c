#include "harness.h"

static const limn_op_case cases[] = {
    {"", 2, {LIMN_F2(1, 1), LIMN_I1(1)}, false},
    {"", 2, {LIMN_F2(5, 3), LIMN_I1(5)}, false},
    {"", 2, {LIMN_F2(67, 130), LIMN_I1(67)}, false},
};

static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_F2(3, 2), LIMN_I1(3)};
    const double x[] = {1, 2, 3, 4, 5, 6}, index[] = {1, 0, 1};
    const double *values[] = {x, index};
    const double expected[] = {2, 3, 6};
    return limn_expect(device, "gather", "", 2, in, values, expected, 0);
}

const limn_op_test limn_test_gather = {
    .op = "gather",
    .tolerance = 0,
    .backward_tolerance = 0,
    .reason = "copies",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
