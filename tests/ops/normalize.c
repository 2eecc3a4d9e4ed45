#include "harness.h"

static const limn_op_case cases[] = {
    {"", 3, {LIMN_U4(1, 1, 1, 1), LIMN_F1(1), LIMN_F1(1)}, false},
    {"", 3, {LIMN_U4(3, 7, 13, 3), LIMN_F1(3), LIMN_F1(3)}, false},
    {"", 3, {LIMN_F4(2, 5, 17, 3), LIMN_F1(3), LIMN_F1(3)}, false},
};

/* CIFAR-10's first channel: (0 - 0.4914) / 0.2023 and (1 - 0.4914) / 0.2023, by hand. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_U4(1, 1, 3, 1), LIMN_F1(1), LIMN_F1(1)};
    const double bytes[] = {0, 255, 51}, mean[] = {0.4914}, std[] = {0.2023};
    const double *values[] = {bytes, mean, std};
    const double expected[] = {-2.4290657439, 2.5140879881, -1.4404349975};
    return limn_expect(device, "normalize", "", 3, in, values, expected, 2e-6);
}

const limn_op_test limn_test_normalize = {
    .op = "normalize",
    .tolerance = 1e-6,
    .reason = "two divisions of 2.5 ulp and a difference",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
