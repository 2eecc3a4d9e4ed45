#include "harness.h"

static const limn_op_case cases[] = {
    {"", 2, {LIMN_F2(2, 3), LIMN_F2(2, 3)}, false},
    {"", 2, {LIMN_F2(65, 37), LIMN_F2(1, 37)}, false},
    {"", 2, {LIMN_F2(7, 130), LIMN_F2(7, 130)}, false},
};

/* By hand: parallel, opposite, orthogonal, 45 degrees, a zero row. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_F2(5, 2), LIMN_F2(1, 2)};
    const double rows[] = {3, 0, -0.5, 0, 0, 2, 7, 7, 0, 0}, reference[] = {2, 0};
    const double *values[] = {rows, reference}, expected[] = {1, -1, 0, 0.70710678118654752, 0};
    return limn_expect(device, "cosine", "", 2, in, values, expected, 1e-6);
}

const limn_op_test limn_test_cosine = {
    .op = "cosine",
    .tolerance = 3e-6,
    .backward_tolerance = 5e-6,
    .reason = "sums of D products; the gradient is a difference of such",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
