#include "harness.h"

static const limn_op_case cases[] = {
    {"height=2 width=2", 1, {LIMN_F4(1, 1, 1, 1)}, false},
    {"height=4 width=2", 1, {LIMN_F4(1, 2, 3, 2)}, false},
    {"height=3 width=5", 1, {LIMN_F4(2, 3, 5, 3)}, false},
    {"height=7 width=3", 1, {LIMN_F4(1, 16, 17, 17)}, false},
    {"height=17 width=33", 1, {LIMN_F4(1, 4, 5, 16)}, false},
    {"height=1 width=1", 1, {LIMN_F4(2, 9, 8, 65)}, false},
    {"height=64 width=65", 1, {LIMN_F4(1, 3, 2, 1)}, false},
};

/* Computed with PyTorch 1.13 in double precision (align_corners false). */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F4(1, 2, 3, 1)};
    static const double x[] = {1, 2, 4, 8, 16, 32};
    static const double *const values[] = {x};
    static const double up[] = {
        1.0, 1.625, 2.75, 4.0, 4.5, 7.312499999999999, 12.374999999999998, 17.999999999999996,
        8.0, 13.0,  22.0, 32.0};
    static const double mixed[] = {4.5, 6.300000000000001, 9.0, 14.399999999999999, 18.0};
    return limn_expect(device, "resize_bilinear", "height=3 width=4", 1, in, values, up, 2e-6) +
           limn_expect(device, "resize_bilinear", "height=1 width=5", 1, in, values, mixed, 2e-6);
}

const limn_op_test limn_test_resize_bilinear = {
    .op = "resize_bilinear",
    .tolerance = 1e-6,
    .backward_tolerance = 4e-6,
    .reason = "four products with weights rounded once; backward sums up to 64 * 65 terms of one "
              "sign of weight, in practice 1e-6",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
