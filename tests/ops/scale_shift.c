#include "harness.h"

static const limn_op_case cases[] = {
    {"", 3, {LIMN_F2(3, 2), LIMN_F1(2), LIMN_F1(2)}, false},
    {"", 3, {LIMN_F2(3, 2), LIMN_F1(1), LIMN_F1(1)}, false},
    {"", 3, {LIMN_F4(2, 3, 5, 17), LIMN_F1(17), LIMN_F1(1)}, false},
    {"", 3, {LIMN_F4(2, 3, 5, 16), LIMN_F1(1), LIMN_F1(16)}, false},
    {"", 3, {LIMN_F1(65), LIMN_F1(65), LIMN_F1(65)}, false},
    {"", 3, {LIMN_F2(300, 64), LIMN_F1(64), LIMN_F1(64)}, false},
    {"", 3, {LIMN_F2(5, 1), LIMN_F1(1), LIMN_F1(1)}, false},
    {"", 3, {LIMN_F2(129, 65), LIMN_F1(1), LIMN_F1(1)}, false},
};

/* By hand. */
static int known_answers(limn_device *device)
{
    static const limn_desc each[] = {LIMN_F2(2, 2), LIMN_F1(2), LIMN_F1(2)};
    static const limn_desc single[] = {LIMN_F2(2, 2), LIMN_F1(1), LIMN_F1(1)};
    static const double x[] = {1, 2, 3, 4}, w[] = {2, -1}, b[] = {10, 0.5};
    static const double *const values[] = {x, w, b};
    static const double y[] = {12, -1.5, 16, -3.5}, s[] = {12, 14, 16, 18};
    return limn_expect(device, "scale_shift", "", 3, each, values, y, 0) +
           limn_expect(device, "scale_shift", "", 3, single, values, s, 0);
}

const limn_op_test limn_test_scale_shift = {
    .op = "scale_shift",
    .tolerance = 2e-7,
    .backward_tolerance = 1e-4,
    .reason = "forward: one fused rounding; backward: a single sum of up to 8385 terms, in runs of "
              "128 rows, may "
              "cancel to a hundredth of its size: 100 * sqrt(129) * 2^-24",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
