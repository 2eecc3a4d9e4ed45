#include "harness.h"

static const limn_op_case cases[] = {
    {"seed=1 pad=0 flip=0", 2, {LIMN_U4(1, 1, 1, 1), LIMN_I1(1)}, false},
    {"seed=18446744073709551615 epoch=3", 2, {LIMN_U4(9, 13, 11, 3), LIMN_I1(9)}, false},
    {"seed=5 view=1 pad=2", 2, {LIMN_U4(17, 8, 9, 1), LIMN_I1(17)}, false},
};

/* Without padding what is drawn is the flip alone: chance 0 copies, chance 1 mirrors. */
static int known_answers(limn_device *device)
{
    const limn_desc in[] = {LIMN_U4(1, 2, 3, 1), LIMN_I1(1)};
    const double bytes[] = {0, 51, 102, 153, 204, 255}, number[] = {77};
    const double *values[] = {bytes, number};
    const double kept[] = {0, 0.2, 0.4, 0.6, 0.8, 1}, mirrored[] = {0.4, 0.2, 0, 1, 0.8, 0.6};
    int wrong = limn_expect(device, "crop_flip", "seed=3 pad=0 flip=0", 2, in, values, kept, 2e-7);
    wrong += limn_expect(device, "crop_flip", "seed=3 pad=0 flip=1", 2, in, values, mirrored, 2e-7);

    /* Philox-4x32-10 by an independent program: key (3, 0), counter (77, 2, 0, 3) gives the words
     * fdef7ea8 b8a21042 33d02183: dy 2, dx 2, flipped. */
    const double cropped[] = {0, 1, 0.8, 0, 0, 0};
    return wrong +
           limn_expect(device, "crop_flip", "seed=3 epoch=2 pad=1", 2, in, values, cropped, 2e-7);
}

const limn_op_test limn_test_crop_flip = {
    .op = "crop_flip",
    .tolerance = 3e-7,
    .reason = "one division of 2.5 ulp",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
