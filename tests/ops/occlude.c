#include "harness.h"

#define F3(a, b, c)                                                                                \
    {                                                                                              \
        LIMN_F32, 3,                                                                               \
        {                                                                                          \
            a, b, c                                                                                \
        }                                                                                          \
    }

static const limn_op_case cases[] = {
    {"", 2, {F3(1, 1, 1), F3(1, 1, 1)}, false},
    {"batch=20 window_h=3 window_w=4 stride_h=2 stride_w=3",
     2,
     {F3(8, 11, 3), F3(8, 11, 3)},
     false},
    {"batch=3 first=7 window_h=9 window_w=2 stride_w=5",
     2,
     {LIMN_F4(1, 7, 33, 1), F3(7, 33, 1)},
     false},
    {"batch=20 window_h=3 window_w=4 stride_h=3 stride_w=4 cut=1",
     2,
     {F3(8, 11, 3), F3(8, 11, 3)},
     false},
    {"batch=4 first=1000000000000 window_h=2 window_w=2", 2, {F3(5, 5, 1), F3(5, 5, 1)}, false},
};

/* One row of five, window 2, stride 2: places 0, 2 and, flush with the border, 3; then none. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {F3(1, 5, 1), F3(1, 5, 1)};
    const double image[] = {1, 2, 3, 4, 5}, base[] = {0, 0, 0, 0, 0};
    const double *values[] = {image, base};
    const double expected[] = {0, 0, 3, 4, 5, 1, 2, 0, 0, 5, 1, 2, 3, 0, 0, 1, 2, 3, 4, 5};
    return limn_expect(device, "occlude", "batch=4 window_h=1 window_w=2 stride_w=2", 2, in, values,
                       expected, 0);
}

const limn_op_test limn_test_occlude = {
    .op = "occlude",
    .tolerance = 0,
    .reason = "copies",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
