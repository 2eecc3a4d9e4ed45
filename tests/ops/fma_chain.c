#include "harness.h"

static const limn_op_case cases[] = {
    {"rounds=0", 1, {LIMN_F1(5)}, false},
    {"rounds=1", 1, {LIMN_F1(1)}, false},
    {"rounds=3 scale=0.5 shift=-1", 1, {LIMN_F2(7, 129)}, false},
    {"rounds=6", 1, {LIMN_F4(2, 8, 8, 16)}, false},
};

/* 1, 2 -> 0.5 x + 1 twice: 1.75, 2. */
static int known_answers(limn_device *device)
{
    const limn_desc in = LIMN_F1(2);
    const double x[] = {1, 2}, *const values[] = {x}, y[] = {1.75, 2};
    return limn_expect(device, "fma_chain", "rounds=2 scale=0.5 shift=1", 1, &in, values, y, 0);
}

const limn_op_test limn_test_fma_chain = {
    .op = "fma_chain",
    .tolerance = 2e-6,
    .reason = "up to six roundings of values up to 2.5",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
