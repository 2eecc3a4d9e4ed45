#include "harness.h"

static const limn_op_case cases[] = {
    {"", 2, {LIMN_F1(65), LIMN_F1(65)}, false},
    {"", 2, {LIMN_F2(7, 129), LIMN_F2(7, 129)}, false},
};

static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_F1(4), LIMN_F1(4)};
    const double a[] = {6, 3, -1, 0}, b[] = {4, 0, 0.5, 2};
    const double *values[] = {a, b}, expected[] = {1.5, 0, -2, 0};
    return limn_expect(device, "divide", "", 2, in, values, expected, 1e-6);
}

const limn_op_test limn_test_divide = {
    .op = "divide",
    .tolerance = 3e-7,
    .reason = "a division of 2.5 ulp",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
