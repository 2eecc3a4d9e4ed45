#include "harness.h"

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F4(1, 2, 3, 1)}, false},
    {"stride=2 channels=4", 1, {LIMN_F4(2, 3, 4, 2)}, false},
    {"stride=1 channels=5", 1, {LIMN_F4(1, 3, 3, 3)}, false},
    {"stride=3", 1, {LIMN_F4(2, 7, 8, 17)}, false},
    {"stride=2 channels=32", 1, {LIMN_F4(2, 8, 8, 16)}, false},
    {"stride=2 channels=67", 1, {LIMN_F4(1, 5, 5, 65)}, false},
};

/* By hand: one of four pixels, its two channels between zeros. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F4(1, 2, 2, 2)};
    static const double x[] = {1, 10, 2, 20, 3, 30, 4, 40}, y[] = {0, 1, 10, 0};
    static const double *const values[] = {x};
    return limn_expect(device, "subsample_pad", "stride=2 channels=4", 1, in, values, y, 0);
}

const limn_op_test limn_test_subsample_pad = {
    .op = "subsample_pad",
    .tolerance = 0,
    .backward_tolerance = 0,
    .reason = "a copy",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
