#include "harness.h"

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F4(1, 1, 1, 1)}, false},    {"", 1, {LIMN_F4(2, 3, 5, 17)}, false},
    {"", 1, {LIMN_F4(3, 4, 4, 3)}, false},    {"", 1, {LIMN_F4(2, 8, 8, 64)}, false},
    {"", 1, {LIMN_F4(1, 17, 16, 65)}, false},
};

static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F4(1, 2, 2, 2)};
    static const double x[] = {1, -1, 2, -3, 3, -5, 6, -7}, y[] = {3, -4};
    static const double *const values[] = {x};
    return limn_expect(device, "global_avg_pool", "", 1, in, values, y, 0);
}

const limn_op_test limn_test_global_avg_pool = {
    .op = "global_avg_pool",
    .tolerance = 4e-6,
    .backward_tolerance = 2e-7,
    .reason = "forward: 272 additions in eight sums, each rounded: 40 * 2^-24 of the sum of "
              "magnitudes, which is some times the sum; backward: one division",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
