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
    static const double y[] = {0.0889468172974043,  0.24178251715880075,
                               0.6572330228318554,  0.012037642711939448,
                               0.6224593312018546,  0,
                               0.37754066879814546, 0};
    return limn_expect(device, "softmax", "", 1, in, values, y, 1e-7);
}

const limn_op_test limn_test_softmax = {
    .op = "softmax",
    .tolerance = 1e-6,
    .backward_tolerance = 4e-6,
    .reason = "exp to 3 ulp and sums of up to 1000 terms in 16 lanes: 60 * 2^-24 at worst; "
              "backward subtracts two numbers of like size",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
