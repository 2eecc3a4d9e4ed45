#include "harness.h"

#define F3(a, b, c)                                                                                \
    {                                                                                              \
        LIMN_F32, 3,                                                                               \
        {                                                                                          \
            a, b, c                                                                                \
        }                                                                                          \
    }

static const limn_op_case cases[] = {
    {"", 3, {F3(1, 1, 1), F3(1, 1, 1), F3(1, 1, 1)}, false},
    {"", 3, {F3(7, 11, 3), F3(9, 7, 11), F3(7, 11, 3)}, false},
    {"", 3, {LIMN_F4(1, 9, 8, 2), F3(3, 9, 8), LIMN_F4(1, 9, 8, 2)}, false},
};

/* A mask of 1, 0.5, 0 of (2, 4, 6) over a baseline of 1: by hand. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {F3(1, 3, 1), F3(2, 1, 3), F3(1, 3, 1)};
    const double image[] = {2, 4, 6}, masks[] = {1, 0.5, 0, 0, 0, 1}, base[] = {1, 1, 1};
    const double *values[] = {image, masks, base}, expected[] = {2, 2.5, 1, 1, 1, 6};
    return limn_expect(device, "apply_masks", "", 3, in, values, expected, 1e-6);
}

const limn_op_test limn_test_apply_masks = {
    .op = "apply_masks",
    .tolerance = 3e-7,
    .reason = "three roundings",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
