#include "harness.h"

/* One case: x [n,h,w,c], filters [k,c/groups,r,s], with or without a residual [n,oh,ow,k]. */
#define PARTS(k) LIMN_F1(k), LIMN_F1(k), LIMN_F1(k), LIMN_F1(k)
#define NORM(params, n, h, w, c, k, cg, r, s)                                                      \
    {                                                                                              \
        params, 6, {LIMN_F4(n, h, w, c), LIMN_F4(k, cg, r, s), PARTS(k)}, false                    \
    }
#define NORM_ADD(params, n, h, w, c, k, cg, r, s, oh, ow)                                          \
    {                                                                                              \
        params, 7, {LIMN_F4(n, h, w, c), LIMN_F4(k, cg, r, s), PARTS(k), LIMN_F4(n, oh, ow, k)},   \
            false                                                                                  \
    }
/* The same for every implementation that takes all shapes: 2 tile, 10 local, 11 plain; 9 is local's
 * wide form.  Winograd is 1 on CPU devices, 6 and 7 on GPUs; depthwise 3 and 4. */
#define EVERY(norm, params, ...)                                                                   \
    norm("impl=2 " params, __VA_ARGS__), norm("impl=10 " params, __VA_ARGS__),                     \
        norm("impl=11 " params, __VA_ARGS__)

static const limn_op_case cases[] = {
    /* chosen by the device */
    NORM_ADD("pad=1 relu=1", 2, 8, 8, 16, 16, 16, 3, 3, 8, 8),
    NORM("groups=12 pad=1 relu=1", 2, 5, 5, 12, 12, 1, 3, 3),
    NORM_ADD("pad=1 relu=1", 3, 9, 7, 32, 64, 32, 3, 3, 9, 7),
    /* full tiles, ragged ones; with each step and without */
    EVERY(NORM, "pad=1", 2, 5, 4, 4, 64, 4, 3, 3),
    EVERY(NORM, "pad=1 stride=2 relu=1", 2, 7, 6, 16, 32, 16, 3, 3),
    EVERY(NORM_ADD, "pad=1", 6, 4, 4, 8, 16, 8, 3, 3, 4, 4),
    EVERY(NORM_ADD, "pad=1 relu=1 eps=0.001", 1, 9, 4, 5, 67, 5, 3, 3, 9, 4),
    EVERY(NORM_ADD, "relu=1", 2, 3, 4, 64, 96, 64, 1, 1, 3, 4),
    EVERY(NORM, "stride=2 relu=1", 2, 7, 6, 32, 48, 32, 1, 1),
    EVERY(NORM, "stride=2 pad=3 relu=1", 1, 13, 12, 3, 20, 3, 7, 7),
    EVERY(NORM_ADD, "groups=2 pad=1 relu=1", 2, 4, 4, 32, 48, 16, 3, 3, 4, 4),
    NORM("impl=1 pad=1", 2, 8, 8, 16, 16, 16, 3, 3),
    NORM("impl=1 pad=1 relu=1", 3, 7, 9, 20, 37, 20, 3, 3),
    NORM_ADD("impl=1 pad=1 relu=1", 2, 9, 6, 33, 70, 33, 3, 3, 9, 6),
    NORM_ADD("impl=1", 1, 10, 10, 16, 64, 16, 3, 3, 8, 8),
    NORM_ADD("impl=1 stride=2 pad=1 relu=1", 2, 13, 10, 33, 70, 33, 3, 3, 7, 5),
    NORM("impl=6 pad=1 relu=1", 3, 7, 9, 20, 37, 20, 3, 3),
    NORM_ADD("impl=7 pad=1 relu=1", 2, 5, 5, 33, 70, 33, 3, 3, 5, 5),
    NORM_ADD("impl=6 pad=1 relu=1", 2, 9, 6, 33, 70, 33, 3, 3, 9, 6),
    NORM_ADD("impl=9 pad=1 relu=1", 2, 9, 6, 36, 72, 36, 3, 3, 9, 6),
    NORM("impl=9 groups=3", 2, 4, 6, 24, 36, 8, 3, 3),
    NORM_ADD("impl=5 pad=1 relu=1", 2, 9, 6, 36, 72, 36, 3, 3, 9, 6),
    NORM_ADD("impl=8 pad=1 relu=1", 2, 9, 6, 36, 72, 36, 3, 3, 9, 6),
    NORM("impl=8 groups=3", 2, 4, 6, 24, 36, 8, 3, 3),
    NORM_ADD("impl=3 groups=20 pad=1 relu=1", 2, 5, 4, 20, 20, 1, 3, 3, 5, 4),
    NORM_ADD("impl=4 groups=20 pad=1 relu=1", 2, 5, 4, 20, 20, 1, 3, 3, 5, 4),
    NORM("impl=4 groups=20 stride=2 pad=1", 2, 5, 4, 20, 20, 1, 3, 3),
    EVERY(NORM_ADD, "groups=2 pad=1", 1, 3, 3, 16, 18, 8, 3, 3, 3, 3),
};

/* Sums that can be seen by eye: window sums 12, 16, 24, 28 less a mean of 20, over a deviation of
 * 2, times 3, plus 1. */
static int known_answers(limn_device *device)
{
    static const double image[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, ones[4] = {1, 1, 1, 1};
    static const double weight[1] = {3}, bias[1] = {1}, mean[1] = {20}, variance[1] = {3};
    static const double residual[4] = {0, 5, -20, 0.5};
    static const double plain[4] = {-11, -5, 7, 13}, cut[4] = {0, 0, 7, 13};
    static const double joined[4] = {-11, 0, -13, 13.5}, both[4] = {0, 0, 0, 13.5};
    const double *const values[7] = {image, ones, weight, bias, mean, variance, residual};
    const limn_desc in[7] = {LIMN_F4(1, 3, 3, 1), LIMN_F4(1, 1, 2, 2), PARTS(1),
                             LIMN_F4(1, 2, 2, 1)};
    int wrong = limn_expect(device, "conv2d_norm", "eps=1", 6, in, values, plain, 1e-6);
    wrong += limn_expect(device, "conv2d_norm", "eps=1 relu=1", 6, in, values, cut, 1e-6);
    wrong += limn_expect(device, "conv2d_norm", "eps=1", 7, in, values, joined, 1e-6);
    return wrong + limn_expect(device, "conv2d_norm", "eps=1 relu=1", 7, in, values, both, 1e-6);
}

/* Two factors of 2^-11 each in half precision; a third of that is seen. */
static double growth(const limn_op_case *c)
{
    const int form = limn_op_case_form(c);
    return form == 5 || form == 8 ? 330 : 1;
}

const limn_op_test limn_test_conv2d_norm = {
    .op = "conv2d_norm",
    .tolerance = 3e-6,
    .reason = "sums of up to 576 products in single precision, divided by deviations from 0.7 on",
    LIMN_CASES(cases),
    .names_forms = true,
    .cpu_forms = LIMN_FORM(1) | LIMN_FORM(2) | LIMN_FORM(3),
    .growth = growth,
    .half_forms = LIMN_FORM(5) | LIMN_FORM(8),
    .known_answers = known_answers,
};
