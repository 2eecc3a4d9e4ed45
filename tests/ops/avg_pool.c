#include "harness.h"

static const limn_op_case cases[] = {
    {"kernel=2", 1, {LIMN_F4(1, 2, 2, 1)}, false},
    {"kernel=3 stride=2 pad=1", 1, {LIMN_F4(2, 5, 4, 3)}, false},
    {"kernel=3 stride=2 pad=1 count_include_pad=0", 1, {LIMN_F4(2, 5, 4, 3)}, false},
    {"kernel=3 stride=1 pad=1", 1, {LIMN_F4(1, 3, 4, 17)}, false},
    {"kernel=3 stride=2 pad=1 count_include_pad=0", 1, {LIMN_F4(2, 16, 17, 64)}, false},
    {"kernel=2 stride=3", 1, {LIMN_F4(2, 9, 8, 65)}, false},
    {"kernel=4 stride=1 pad=2", 1, {LIMN_F4(1, 7, 5, 16)}, false},
    {"kernel=1 stride=2", 1, {LIMN_F4(3, 5, 5, 2)}, false},
    {"kernel=3 stride=2 pad=1", 1, {LIMN_F4(1, 4, 3, 530)}, false}, /* spans of channels */
};

/* By hand, with the pad counted and not. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F4(1, 3, 3, 1)};
    static const double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const double *const values[] = {x};
    static const double with[] = {12. / 9, 16. / 9, 24. / 9, 28. / 9}, without[] = {3, 4, 6, 7};
    static const double plain[] = {3, 4, 6, 7};
    return limn_expect(device, "avg_pool", "kernel=3 stride=2 pad=1", 1, in, values, with, 1e-6) +
           limn_expect(device, "avg_pool", "kernel=3 stride=2 pad=1 count_include_pad=0", 1, in,
                       values, without, 0) +
           limn_expect(device, "avg_pool", "kernel=2 stride=1", 1, in, values, plain, 0);
}

const limn_op_test limn_test_avg_pool = {
    .op = "avg_pool",
    .tolerance = 2e-6,
    .backward_tolerance = 2e-6,
    .reason = "at most 16 rounded additions and divisions: 32 * 2^-24",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
