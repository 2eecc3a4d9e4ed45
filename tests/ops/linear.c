#include "harness.h"

/* Forms: 1 cpu, 2 matrix units, 3 to 6 CLBlast, 7 halves, 8 gpu, 9 plain. */
static const limn_op_case cases[] = {
#ifdef LIMN_HAVE_CLBLAST
    {"impl=3", 3, {LIMN_F2(7, 33), LIMN_F2(10, 33), LIMN_F1(10)}, false},
    {"impl=3", 2, {LIMN_F2(17, 5), LIMN_F2(3, 5)}, false},
    {"impl=4", 3, {LIMN_F2(65, 33), LIMN_F2(10, 33), LIMN_F1(10)}, false},
    {"impl=5", 3, {LIMN_F2(65, 33), LIMN_F2(10, 33), LIMN_F1(10)}, false},
    {"impl=6", 3, {LIMN_F2(70, 129), LIMN_F2(129, 129), LIMN_F1(129)}, false},
#endif
    {"impl=9", 3, {LIMN_F2(1, 1), LIMN_F2(1, 1), LIMN_F1(1)}, false},
    {"impl=9", 3, {LIMN_F2(3, 16), LIMN_F2(17, 16), LIMN_F1(17)}, false},
    {"impl=9", 3, {LIMN_F2(8, 17), LIMN_F2(32, 17), LIMN_F1(32)}, false},
    {"impl=9", 3, {LIMN_F2(65, 33), LIMN_F2(10, 33), LIMN_F1(10)}, false},
    {"impl=9", 2, {LIMN_F2(17, 64), LIMN_F2(65, 64)}, false},
    {"impl=9", 3, {LIMN_F2(70, 300), LIMN_F2(129, 300), LIMN_F1(129)}, false},
    {"impl=1", 3, {LIMN_F2(1, 1), LIMN_F2(1, 1), LIMN_F1(1)}, false},
    {"impl=1", 3, {LIMN_F2(3, 16), LIMN_F2(17, 16), LIMN_F1(17)}, false},
    {"impl=1", 3, {LIMN_F2(8, 17), LIMN_F2(32, 17), LIMN_F1(32)}, false},
    {"impl=1", 3, {LIMN_F2(65, 33), LIMN_F2(10, 33), LIMN_F1(10)}, false},
    {"impl=1", 2, {LIMN_F2(17, 64), LIMN_F2(65, 64)}, false},
    {"impl=1", 3, {LIMN_F2(70, 300), LIMN_F2(129, 300), LIMN_F1(129)}, false},
    {"impl=1", 2, {LIMN_F2(24, 13), LIMN_F2(12, 13)}, false},
    {"impl=1", 2, {LIMN_F2(11, 40), LIMN_F2(13, 40)}, false},
    {"impl=8", 3, {LIMN_F2(1, 1), LIMN_F2(1, 1), LIMN_F1(1)}, false},
    {"impl=8", 3, {LIMN_F2(3, 16), LIMN_F2(17, 16), LIMN_F1(17)}, false},
    {"impl=8", 3, {LIMN_F2(8, 17), LIMN_F2(32, 17), LIMN_F1(32)}, false},
    {"impl=8", 3, {LIMN_F2(65, 33), LIMN_F2(10, 33), LIMN_F1(10)}, false},
    {"impl=8", 2, {LIMN_F2(17, 64), LIMN_F2(65, 64)}, false},
    {"impl=8", 3, {LIMN_F2(70, 300), LIMN_F2(129, 300), LIMN_F1(129)}, false},
    /* halves: with matrix units and without */
    {"impl=7", 3, {LIMN_F2(1, 1), LIMN_F2(1, 1), LIMN_F1(1)}, false},
    {"impl=2", 3, {LIMN_F2(1, 1), LIMN_F2(1, 1), LIMN_F1(1)}, false},
    {"impl=7", 3, {LIMN_F2(9, 17), LIMN_F2(32, 17), LIMN_F1(32)}, false},
    {"impl=2", 3, {LIMN_F2(9, 17), LIMN_F2(32, 17), LIMN_F1(32)}, false},
    {"impl=7", 2, {LIMN_F2(65, 33), LIMN_F2(10, 33)}, false},
    {"impl=2", 2, {LIMN_F2(65, 33), LIMN_F2(10, 33)}, false},
    {"impl=7", 2, {LIMN_F2(17, 64), LIMN_F2(66, 64)}, false},
    {"impl=2", 2, {LIMN_F2(17, 64), LIMN_F2(66, 64)}, false},
    {"impl=7", 3, {LIMN_F2(70, 300), LIMN_F2(129, 300), LIMN_F1(129)}, false},
    {"impl=2", 3, {LIMN_F2(70, 300), LIMN_F2(129, 300), LIMN_F1(129)}, false},
    {"impl=0", 3, {LIMN_F2(1, 1), LIMN_F2(1, 1), LIMN_F1(1)}, false},
    {"impl=0", 3, {LIMN_F2(3, 16), LIMN_F2(17, 16), LIMN_F1(17)}, false},
    {"impl=0", 3, {LIMN_F2(8, 17), LIMN_F2(32, 17), LIMN_F1(32)}, false},
    {"impl=0", 3, {LIMN_F2(65, 33), LIMN_F2(10, 33), LIMN_F1(10)}, false},
    {"impl=0", 2, {LIMN_F2(17, 64), LIMN_F2(65, 64)}, false},
    {"impl=0", 3, {LIMN_F2(70, 300), LIMN_F2(129, 300), LIMN_F1(129)}, false},
};

/* By hand: rows of x with rows of w, and the bias. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F2(2, 3), LIMN_F2(2, 3), LIMN_F1(2)};
    static const double x[] = {1, 2, 3, -1, 0, 4}, w[] = {1, 0, -1, 2, 5, 0.5}, b[] = {10, -10};
    static const double y[] = {8, 3.5, 5, -10};
    static const double *const values[] = {x, w, b};
    static const char *const forms[] = {"impl=9", "impl=1", "impl=8", "impl=7", "impl=2", ""};
    int wrong = 0;
    limn_device_allow_half(device, ~0u);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        wrong += limn_expect(device, "linear", forms[i], 3, in, values, y, 0);
    limn_device_allow_half(device, 0);
    return wrong;
}

/* Two factors of 2^-11 each; a third of that is seen, twice over for sums of few products. */
static double growth(const limn_op_case *c)
{
    const int form = limn_op_case_form(c);
    return form == 2 || form == 7 ? 500 : 1;
}

const limn_op_test limn_test_linear = {
    .op = "linear",
    .tolerance = 4e-6,
    .backward_tolerance = 4e-6,
    .reason = "sums of up to 300 rounded products: at worst 300 * 2^-24 of the sum of magnitudes, "
              "in practice its square root: 20 * 6e-8, and some room",
    LIMN_CASES(cases),
    .names_forms = true,
    .slow_forms = LIMN_FORM(2) | LIMN_FORM(7),
    .half_forms = LIMN_FORM(2) | LIMN_FORM(7),
    .growth = growth,
    .known_answers = known_answers,
};
