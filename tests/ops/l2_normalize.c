#include "harness.h"

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F2(3, 3)}, false},      {"", 1, {LIMN_F2(2, 16)}, false},
    {"", 1, {LIMN_F2(3, 17)}, false},     {"", 1, {LIMN_F4(2, 3, 1, 64)}, false},
    {"", 1, {LIMN_F2(5, 65)}, false},     {"", 1, {LIMN_F1(100)}, false},
    {"", 1, {LIMN_F2(2, 1000)}, false},   {"", 1, {LIMN_F2(2, 1)}, true},
    {"eps=1", 1, {LIMN_F2(3, 2)}, false}, {"eps=0.5", 1, {LIMN_F2(4, 17)}, false},
};

/* Computed with PyTorch 1.13 in double precision; and rows whose squares overflow or vanish, a row
 * shorter than eps, a row of zeros. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F2(2, 4)}, hard[] = {LIMN_F2(4, 2)};
    static const double x[] = {1, 2, 3, -1, 100, -100, 99.5, 0};
    static const double far[] = {3e37, -4e37, 3e-10, 4e-10, 3e-15, 4e-15, 0, 0};
    static const double *const values[] = {x}, *const far_values[] = {far};
    static const double y[] = {
        0.2581988897471611, 0.5163977794943222,  0.7745966692414834, -0.2581988897471611,
        0.5783125142768363, -0.5783125142768363, 0.575420951705452,  0};
    static const double far_y[] = {0.6, -0.8, 0.6, 0.8, 0.003, 0.004, 0, 0};
    return limn_expect(device, "l2_normalize", "", 1, in, values, y, 2e-7) +
           limn_expect(device, "l2_normalize", "", 1, hard, far_values, far_y, 2e-7);
}

const limn_op_test limn_test_l2_normalize = {
    .op = "l2_normalize",
    .tolerance = 1e-6,
    .backward_tolerance = 4e-6,
    .reason = "sums of up to 1000 squares in 16 lanes, a root, divisions: 40 * 2^-24; backward "
              "subtracts two numbers of like size",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
