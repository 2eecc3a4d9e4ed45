#include "harness.h"

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F2(3, 3)}, false},    {"", 1, {LIMN_F2(2, 16)}, false},
    {"", 1, {LIMN_F2(3, 17)}, false},   {"", 1, {LIMN_F4(2, 3, 1, 64)}, false},
    {"", 1, {LIMN_F2(5, 65)}, false},   {"", 1, {LIMN_F1(100)}, false},
    {"", 1, {LIMN_F2(2, 1000)}, false}, {"", 1, {LIMN_F2(2, 1)}, true},
};

/* Computed with PyTorch 1.13 in double precision: a usual row, and one that overflows naively. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F2(2, 4)};
    static const double x[] = {1, 2, 3, -1, 100, -100, 99.5, 0};
    static const double *const values[] = {x};
    static const double y[] = {-2.4197166463153397, -1.4197166463153397, -0.4197166463153396,
                               -4.419716646315339,  -0.4740769841801067, -200.4740769841801,
                               -0.9740769841801067, -100.4740769841801};
    return limn_expect(device, "log_softmax", "", 1, in, values, y, 2e-5);
}

const limn_op_test limn_test_log_softmax = {
    .op = "log_softmax",
    .tolerance = 1e-6,
    .backward_tolerance = 4e-6,
    .reason = "exp and log to 3 ulp and sums of up to 1000 terms in 16 lanes: 60 * 2^-24 at worst",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
