#include "harness.h"

static const limn_op_case cases[] = {
    {"batch=1 height=1 width=1 p=1", 0, {{0}}, false},
    {"batch=9 height=28 width=28 seed=3", 0, {{0}}, false},
    {"batch=5 height=17 width=33 cells=4 p=0.3 first=4294967290 seed=18446744073709551615",
     0,
     {{0}},
     false},
    {"batch=4 height=6 width=5 cells=1 p=0.7 seed=3", 0, {{0}}, false},
    {"batch=3 height=10 width=9 cells=3",
     2,
     {{LIMN_F32, 3, {3, 3, 3}}, {LIMN_I32, 2, {3, 2}}},
     false},
};

/* Golden masks of xaitk's test (4 x 6 pixels, 2 x 2 cells), which fixes the mirrored border. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {{LIMN_F32, 3, {2, 2, 2}}, {LIMN_I32, 2, {2, 2}}};
    const double grids[] = {0, 1, 0, 0, 1, 0, 0, 0}, shifts[] = {0, 2, 1, 1};
    const double *values[] = {grids, shifts};
    const double masks[] = {
        .037037, .185185, .333333, .481481, .629630, .555556, /* mask 0 */
        .055556, .277778, .5,      .722222, .944444, .833333, /**/
        .037037, .185185, .333333, .481481, .629630, .555556, /**/
        .018519, .092593, .166667, .240741, .314815, .277778, /**/
        .833333, .944444, .722222, .5,      .277778, .055556, /* mask 1 */
        .555556, .629630, .481481, .333333, .185185, .037037, /**/
        .277778, .314815, .240741, .166667, .092593, .018519, /**/
        0,       0,       0,       0,       0,       0,
    };
    int wrong = limn_expect(device, "rise_masks", "batch=2 height=4 width=6 cells=2", 2, in, values,
                            masks, 1e-6);

    /* With p of 1 or 0 all is kept or nothing. */
    const double kept[] = {1, 1, 1, 1, 1, 1}, none[6] = {0};
    wrong += limn_expect(device, "rise_masks", "height=2 width=3 p=1", 0, in, values, kept, 1e-6);
    return wrong +
           limn_expect(device, "rise_masks", "height=2 width=3 p=0", 0, in, values, none, 0);
}

const limn_op_test limn_test_rise_masks = {
    .op = "rise_masks",
    .tolerance = 4e-6,
    .reason = "coordinates to 1e-6 of a cell, four products",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
