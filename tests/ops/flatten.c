#include "harness.h"

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F4(1, 2, 3, 1)}, false},  {"", 1, {LIMN_F4(2, 1, 1, 5)}, false},
    {"", 1, {LIMN_F4(2, 3, 2, 3)}, false},  {"", 1, {LIMN_F4(3, 4, 4, 17)}, false},
    {"", 1, {LIMN_F4(2, 8, 5, 65)}, false},
};

/* Pixels (a, A), (b, B), ... of two channels. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F4(1, 2, 2, 2)};
    static const double x[] = {1, 10, 2, 20, 3, 30, 4, 40}, y[] = {1, 2, 3, 4, 10, 20, 30, 40};
    static const double *const values[] = {x};
    return limn_expect(device, "flatten", "", 1, in, values, y, 0);
}

const limn_op_test limn_test_flatten = {
    .op = "flatten",
    .tolerance = 0,
    .backward_tolerance = 0,
    .reason = "a copy",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
