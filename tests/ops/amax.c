#include "harness.h"

#include <math.h>

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F1(1)}, false},         {"", 1, {LIMN_F2(7, 129)}, false},
    {"", 1, {LIMN_F2(1, 1031)}, false},   {"", 1, {LIMN_F4(2, 33, 5, 31)}, false},
    {"", 1, {LIMN_F2(301, 4099)}, false}, /* several rounds of every work-item */
};

/* Signs do not count, nor do values that are not finite. */
static int known_answers(limn_device *device)
{
    static const struct {
        double x[5], y;
    } rows[] = {
        {{1, -7, 3, 0, 6.5}, 7},
        {{0x1p-40, -0x1p-39, 0, 0, 0x1p-41}, 0x1p-39},
        {{0x1p127, NAN, -INFINITY, INFINITY, 2}, 0x1p127},
        {{0, -0.0, 0, 0, 0}, 0},
        {{NAN, NAN, INFINITY, -INFINITY, NAN}, 0},
    };
    const limn_desc in = LIMN_F1(5);
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const double *const values[] = {rows[i].x};
        wrong += limn_expect(device, "amax", "", 1, &in, values, &rows[i].y, 0);
    }
    return wrong;
}

const limn_op_test limn_test_amax = {
    .op = "amax",
    .tolerance = 0,
    .reason = "nothing is rounded",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
