#include "harness.h"

static const limn_op_case cases[] = {
    {"kernel=2", 1, {LIMN_F4(1, 2, 2, 1)}, false},
    {"kernel=3 stride=2 pad=1", 1, {LIMN_F4(2, 5, 4, 3)}, false},
    {"kernel=3 stride=1 pad=1", 1, {LIMN_F4(1, 3, 4, 17)}, false},
    {"kernel=3 stride=2 pad=1", 1, {LIMN_F4(2, 16, 17, 64)}, false},
    {"kernel=2 stride=3", 1, {LIMN_F4(2, 9, 8, 65)}, false},
    {"kernel=4 stride=1 pad=2", 1, {LIMN_F4(1, 7, 5, 16)}, false},
    {"kernel=1 stride=2", 1, {LIMN_F4(3, 5, 5, 2)}, false},
    {"kernel=3 stride=2 pad=1", 1, {LIMN_F4(1, 4, 3, 530)}, false}, /* spans of channels */
};

/* All negative: a pad of 0 instead of -infinity would show. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F4(1, 3, 3, 1)};
    static const double x[] = {-1, -2, -3, -4, -5, -6, -7, -8, -9};
    static const double *const values[] = {x};
    static const double padded[] = {-1, -2, -4, -5}, plain[] = {-1, -2, -4, -5};
    return limn_expect(device, "max_pool", "kernel=3 stride=2 pad=1", 1, in, values, padded, 0) +
           limn_expect(device, "max_pool", "kernel=2 stride=1", 1, in, values, plain, 0);
}

const limn_op_test limn_test_max_pool = {
    .op = "max_pool",
    .tolerance = 0,
    .backward_tolerance = 1e-6,
    .reason = "a selection; backward adds at most 16 values",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
