#include "harness.h"

static const limn_op_case cases[] = {
    {"relu=0", 2, {LIMN_F4(1, 1, 1, 1), LIMN_F4(1, 1, 1, 1)}, false},
    {"", 2, {LIMN_F4(3, 7, 5, 19), LIMN_F4(3, 7, 5, 19)}, false},
    {"relu=0", 2, {LIMN_F4(2, 9, 8, 64), LIMN_F4(2, 9, 8, 64)}, false},
};

/* By hand: two channels of 2 x 2, mean gradients 1 and -0.5. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_F4(1, 2, 2, 2), LIMN_F4(1, 2, 2, 2)};
    const double a[] = {1, 4, 2, 4, 0, 6, 3, 0}, g[] = {2, 0, 0, -2, 1, 1, 1, -1};
    const double *values[] = {a, g};
    const double raw[] = {-1, 0, -3, 3}, positive[] = {0, 0, 0, 3};
    return limn_expect(device, "cam", "relu=0", 2, in, values, raw, 1e-6) +
           limn_expect(device, "cam", "", 2, in, values, positive, 1e-6);
}

const limn_op_test limn_test_cam = {
    .op = "cam",
    .tolerance = 3e-6,
    .reason = "sums over positions and channels",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
