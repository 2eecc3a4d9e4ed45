#include "harness.h"

static const limn_op_case cases[] = {
    {"seed=1", 2, {LIMN_U4(1, 1, 1, 1), LIMN_I1(1)}, false},
    {"seed=18446744073709551615 epoch=3", 2, {LIMN_U4(33, 13, 11, 3), LIMN_I1(33)}, false},
    {"seed=5 view=1 jitter=1", 2, {LIMN_U4(17, 8, 9, 1), LIMN_I1(17)}, false},
    {"seed=2 scale_min=0.9",
     2,
     {LIMN_U4(3, 4, 19, 3), LIMN_I1(3)},
     false},                                                            /* tries that all fail */
    {"seed=4 jitter=1", 2, {LIMN_U4(2, 50, 47, 3), LIMN_I1(2)}, false}, /* several work-items */
    {"seed=3 jitter=1 hue=0.5 brightness=1 contrast=1 saturation=1 grey=0",
     2,
     {LIMN_U4(30, 7, 7, 3), LIMN_I1(30)},
     false},
};

/* A script in double precision: Philox again, torch's interpolate, Python's colorsys.  A mirrored
 * crop with hue, contrast and two more jitters, and a greyscale one. */
static const double jittered[] = {
    0.3210806, 0.6333187, 0.3613744, 0.4654305, 0.5155645, 0.4755423, 0.6513032, 0.3338561,
    0.641717,  0.2916409, 0.2635072, 0.4587659, 0.1179271, 0.29312,   0.4037789, 0.3839655,
    0.5857856, 0.3026823, 0.4624362, 0.550798,  0.3151901, 0.5330773, 0.4421781, 0.3142908,
    0.3071818, 0.3240031, 0.312513,  0.1578201, 0.2487158, 0.3172374, 0.5089995, 0.6223109,
    0.263347,  0.4972495, 0.5815388, 0.2700703, 0.4796245, 0.5203806, 0.2801552, 0.3768747,
    0.3881755, 0.3036293, 0.3083749, 0.3000387, 0.3192787, 0.7009863, 0.736954,  0.3183595,
    0.5652259, 0.5992209, 0.3652622, 0.373442,  0.4020312, 0.4394078, 0.4681786, 0.4233218,
    0.4237643, 0.5309929, 0.4364349, 0.4122545};
static const double grey[] = {
    0.3391447, 0.3391447, 0.3391447, 0.3308553, 0.3308553, 0.3308553, 0.2996878, 0.2996878,
    0.2996878, 0.3188554, 0.3188554, 0.3188554, 0.3316338, 0.3316338, 0.3316338, 0.3820192,
    0.3820192, 0.3820192, 0.3679261, 0.3679261, 0.3679261, 0.3460059, 0.3460059, 0.3460059,
    0.3475851, 0.3475851, 0.3475851, 0.3486379, 0.3486379, 0.3486379, 0.4539911, 0.4539911,
    0.4539911, 0.4479999, 0.4479999, 0.4479999, 0.4386422, 0.4386422, 0.4386422, 0.4050446,
    0.4050446, 0.4050446, 0.3826462, 0.3826462, 0.3826462, 0.4926066, 0.4926066, 0.4926066,
    0.485225,  0.485225,  0.485225,  0.4766344, 0.4766344, 0.4766344, 0.4337744, 0.4337744,
    0.4337744, 0.3996504, 0.3996504, 0.3996504};

/* Scale 1: what fits here is the whole image. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_U4(1, 4, 5, 3), LIMN_I1(1)};
    double bytes[60], number[] = {77}, copied[60], mirrored[60];
    for (int i = 0; i < 60; i++)
        bytes[i] = (i * i * 7 + i * 13) % 256;
    for (int i = 0; i < 60; i++) {
        const int row = i / 15, column = i / 3 % 5, c = i % 3;
        copied[i] = bytes[i] / 255;
        mirrored[i] = bytes[row * 15 + (4 - column) * 3 + c] / 255;
    }
    const double *values[] = {bytes, number};
    int wrong = limn_expect(device, "contrastive_augment", "scale_min=1 jitter=0 grey=0 flip=0", 2,
                            in, values, copied, 1e-6);
    wrong += limn_expect(device, "contrastive_augment", "scale_min=1 jitter=0 grey=0 flip=1", 2, in,
                         values, mirrored, 1e-6);
    wrong += limn_expect(device, "contrastive_augment", "seed=9 jitter=1 grey=0", 2, in, values,
                         jittered, 1e-5);
    return wrong + limn_expect(device, "contrastive_augment", "seed=2 jitter=1 grey=1 hue=0.5", 2,
                               in, values, grey, 1e-5);
}

const limn_op_test limn_test_contrastive_augment = {
    .op = "contrastive_augment",
    .tolerance = 1e-5,
    .reason = "coordinates to 1e-6 of the image, then about twenty roundings",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
