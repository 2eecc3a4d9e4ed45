#include "harness.h"

#include <stdio.h>
#include <string.h>

#define F3(a, b, c)                                                                                \
    {                                                                                              \
        LIMN_F32, 3,                                                                               \
        {                                                                                          \
            a, b, c                                                                                \
        }                                                                                          \
    }

static const limn_op_case cases[] = {
    {"", 3, {LIMN_F2(1, 1), F3(1, 1, 1), LIMN_F1(1)}, false},
    {"", 3, {LIMN_F2(9, 17), F3(65, 9, 17), LIMN_F1(65)}, false},
    {"scale=0.25", 3, {LIMN_F2(5, 8), F3(6, 5, 8), LIMN_F1(6)}, false},
};

/* Adds `batch` of the 3 masks from `first` on to a map. */
static limn_status add(limn_device *device, limn_tensor *map, int first, int batch)
{
    const float masks[3][4] = {{0.1f, 0.2f, 0.3f, 0.4f}, {1, 0, 0.7f, 0.9f}, {0.3f, 1, 0.6f, 0}};
    const float scores[3] = {0.3f, 0.7f, -0.1f};
    const limn_desc desc[] = {F3(batch, 2, 2), LIMN_F1(batch)};
    limn_tensor *t[3] = {map, NULL, NULL};
    limn_status status = limn_tensor_create(device, &desc[0], &t[1]);
    if (status == LIMN_OK)
        status = limn_tensor_create(device, &desc[1], &t[2]);
    if (status == LIMN_OK)
        status = limn_tensor_write(t[1], masks[first]);
    if (status == LIMN_OK)
        status = limn_tensor_write(t[2], scores + first);
    if (status == LIMN_OK)
        status = limn_op_call(device, "accumulate_masks", t, 3, NULL, 0, "scale=%d", 1);
    limn_tensor_destroy(&t[1]);
    limn_tensor_destroy(&t[2]);
    return status;
}

/* Sums by hand, and the same bits however the masks are cut into batches. */
static int known_answers(limn_device *device)
{
    const float expected[4] = {0.70f, -0.04f, 0.52f, 0.75f};
    const limn_desc desc = LIMN_F2(2, 2);
    float whole[4] = {0}, parts[4] = {0};
    limn_tensor *map = NULL;
    limn_status status = limn_tensor_create(device, &desc, &map);
    if (status == LIMN_OK && (status = limn_tensor_zero(map)) == LIMN_OK &&
        (status = add(device, map, 0, 3)) == LIMN_OK)
        status = limn_tensor_read(map, whole);
    if (status == LIMN_OK && (status = limn_tensor_zero(map)) == LIMN_OK &&
        (status = add(device, map, 0, 1)) == LIMN_OK &&
        (status = add(device, map, 1, 2)) == LIMN_OK)
        status = limn_tensor_read(map, parts);
    limn_tensor_destroy(&map);
    int wrong = status != LIMN_OK || memcmp(whole, parts, sizeof whole) != 0;
    for (int i = 0; i < 4; i++)
        wrong += !(whole[i] - expected[i] < 1e-6f && expected[i] - whole[i] < 1e-6f);
    if (wrong)
        printf("  accumulate_masks: %g %g %g %g\n", whole[0], whole[1], whole[2], whole[3]);
    return wrong;
}

const limn_op_test limn_test_accumulate_masks = {
    .op = "accumulate_masks",
    .tolerance = 2e-6,
    .reason = "a sum of B terms",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
