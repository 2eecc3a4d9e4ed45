#include "harness.h"

#define PARTS(c) LIMN_F1(c), LIMN_F1(c), LIMN_F1(c), LIMN_F1(c)

static const limn_op_case cases[] = {
    {"train=1", 5, {LIMN_F2(4, 3), PARTS(3)}, false},
    {"train=0", 5, {LIMN_F2(4, 3), PARTS(3)}, false},
    {"train=1 momentum=0.3 eps=0.001", 5, {LIMN_F4(2, 2, 3, 17), PARTS(17)}, false},
    {"train=0 eps=0.001", 5, {LIMN_F4(2, 2, 3, 17), PARTS(17)}, false},
    {"train=0", 5, {LIMN_F2(1, 16), PARTS(16)}, false},
    {"train=1", 5, {LIMN_F4(1, 1, 5, 1), PARTS(1)}, false},
    {"train=1", 5, {LIMN_F4(2, 8, 8, 16), PARTS(16)}, false},
    {"train=1", 5, {LIMN_F4(3, 11, 13, 65), PARTS(65)}, false},
    {"train=0", 5, {LIMN_F4(3, 11, 13, 65), PARTS(65)}, false},
    {"train=1", 5, {LIMN_F2(257, 64), PARTS(64)}, false},
    /* with a maximum, with a residual, with both */
    {"train=1 relu=1", 5, {LIMN_F2(4, 3), PARTS(3)}, false},
    {"train=0 relu=1", 5, {LIMN_F2(4, 3), PARTS(3)}, false},
    {"train=1", 6, {LIMN_F2(4, 3), PARTS(3), LIMN_F2(4, 3)}, false},
    {"train=0", 6, {LIMN_F2(4, 3), PARTS(3), LIMN_F2(4, 3)}, false},
    {"train=1 relu=1", 6, {LIMN_F4(2, 2, 3, 17), PARTS(17), LIMN_F4(2, 2, 3, 17)}, false},
    {"train=0 relu=1", 6, {LIMN_F4(2, 2, 3, 17), PARTS(17), LIMN_F4(2, 2, 3, 17)}, false},
    {"train=1 relu=1", 5, {LIMN_F4(3, 11, 13, 65), PARTS(65)}, false},
    {"train=0 relu=1", 5, {LIMN_F4(3, 11, 13, 65), PARTS(65)}, false},
    {"train=1 relu=1", 6, {LIMN_F4(3, 11, 13, 65), PARTS(65), LIMN_F4(3, 11, 13, 65)}, false},
    {"train=0 relu=1", 6, {LIMN_F4(3, 11, 13, 65), PARTS(65), LIMN_F4(3, 11, 13, 65)}, false},
    /* several vectors of channels at a time; results around the caches */
    {"train=1 relu=1", 6, {LIMN_F2(131, 96), PARTS(96), LIMN_F2(131, 96)}, false},
    {"train=1 relu=1", 5, {LIMN_F2(131, 192), PARTS(192)}, false},
    {"train=1 relu=1", 6, {LIMN_F2(131, 256), PARTS(256), LIMN_F2(131, 256)}, false},
    {"train=0 relu=1", 6, {LIMN_F2(131, 256), PARTS(256), LIMN_F2(131, 256)}, false},
    {"train=1", 6, {LIMN_F2(65537, 64), PARTS(64), LIMN_F2(65537, 64)}, false},
    {"train=0", 6, {LIMN_F2(65537, 64), PARTS(64), LIMN_F2(65537, 64)}, false},
};

/* Values computed with PyTorch 1.13 in double precision; and a mean far from zero. */
static int known_answers(limn_device *device)
{
    static const limn_desc in[] = {LIMN_F2(4, 2), PARTS(2), LIMN_F2(4, 2)};
    static const double x[] = {1, 10, 2, -20, 4, 5, 7, 0.5}, w[] = {2, -1}, b[] = {0.5, 0};
    static const double mean[] = {1, -2}, variance[] = {4, 0.25};
    static const double r[] = {1, -3, -20, 1, 0, 14, -7, 3};
    static const double *const values[] = {x, w, b, mean, variance, r};
    static const double fixed[] = {0.5,
                                   -23.99952001439952,
                                   1.4999987500023437,
                                   35.999280021599276,
                                   3.4999962500070314,
                                   -13.99972000839972,
                                   6.499992500014063,
                                   -4.999900002999899};
    static const double batch[] = {-1.6821768240972714, -0.9755511442014604, -0.809306094458363,
                                   1.655148570499107,   0.9364353648194541,  -0.5371011917513658,
                                   3.5550475537361796,  -0.14249623454628074};
    static const double fixed_relu[] = {
        0.5, 0, 1.4999987500023437, 35.999280021599276, 3.4999962500070314, 0, 6.499992500014063,
        0};
    static const double fixed_both[] = {
        1.5, 0, 0, 36.999280021599276, 3.4999962500070314, 0.00027999159128, 0, 0};
    static const double far[] = {4097, -8196, 4099, -8194, 4097, -8196, 4099, -8194};
    static const double one[] = {1, 1}, zero[] = {0, 0};
    static const double *const far_values[] = {far, one, zero, zero, one};
    static const double signs[] = {-1, -1, 1, 1, -1, -1, 1, 1};
    int wrong = limn_expect(device, "batch_norm", "train=0", 5, in, values, fixed, 1e-5);
    wrong += limn_expect(device, "batch_norm", "train=0 relu=1", 5, in, values, fixed_relu, 1e-5);
    wrong += limn_expect(device, "batch_norm", "train=0 relu=1", 6, in, values, fixed_both, 1e-5);
    wrong += limn_expect(device, "batch_norm", "train=1", 5, in, values, batch, 1e-6);
    wrong += limn_expect(device, "batch_norm", "train=1 eps=1e-12", 5, in, far_values, signs, 1e-6);
    return wrong;
}

const limn_op_test limn_test_batch_norm = {
    .op = "batch_norm",
    .tolerance = 4e-6,
    .backward_tolerance = 1e-5,
    .reason = "sums of up to 429 rounded terms cut into runs of 128, divided by deviations of 0.5; "
              "the gradient of the weight is such a sum of products whose terms partly cancel",
    LIMN_CASES(cases),
    .asked = {1, 1 << 5, 1 | 1 << 5}, /* no sums are needed: x, the residual, both */
    .known_answers = known_answers,
};
