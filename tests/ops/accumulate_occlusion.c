#include "harness.h"

#include <math.h>
#include <stdio.h>

#define MAPS(h, w, n) LIMN_F2(h, w), LIMN_F2(h, w), LIMN_F1(n), LIMN_F1(1)

static const limn_op_case cases[] = {
    {"", 4, {MAPS(1, 1, 1)}, false},
    {"window_h=3 window_w=4 stride_h=2 stride_w=3", 4, {MAPS(8, 11, 20)}, false},
    {"first=5 batch=9 window_h=5 window_w=2", 4, {MAPS(9, 33, 12)}, false},
    {"window_h=9 window_w=3 stride_w=5", 4, {MAPS(7, 19, 8)}, false},
    {"window_h=3 window_w=4 stride_h=3 stride_w=3 cut=1", 4, {MAPS(8, 11, 20)}, false},
    {"first=1000000000000 window_h=2 window_w=2", 4, {MAPS(5, 5, 3)}, false},
};

/* Adds the scores of two windows, one launch each, and divides. */
static limn_status two_windows(limn_device *device, limn_tensor *const *t, const float *scores,
                               const char *params, float *map)
{
    const float reference = 400;
    float sum[3], count[3];
    limn_status status = limn_tensor_write(t[3], &reference);
    for (int i = 0; i < 2 && status == LIMN_OK; i++)
        status = limn_tensor_zero(t[i]);
    for (int b = 0; b < 2 && status == LIMN_OK; b++) {
        status = limn_tensor_write(t[2], &scores[b]);
        if (status == LIMN_OK)
            status = limn_op_call(device, "accumulate_occlusion", t, 4, NULL, 0, "first=%d %s", b,
                                  params);
    }
    if (status == LIMN_OK)
        status = limn_tensor_read(t[0], sum);
    if (status == LIMN_OK)
        status = limn_tensor_read(t[1], count);
    for (int i = 0; i < 3 && status == LIMN_OK; i++)
        map[i] = sum[i] / count[i];
    return status;
}

/* Captum's tests of Occlusion: f = 4 (x0 + x1 + x2) of [20, 50, 30] with windows of two, baseline
 * 10, stride 1: [200, 220, 240].  Stride 2 has places 0 and, flush with the border, 1: the same.
 * With baseline 0 and the last window cut: [280, 280, 120]. */
static int known_answers(limn_device *device)
{
    const limn_desc desc[] = {MAPS(1, 3, 1)};
    const float scores[][2] = {{200, 160}, {200, 160}, {120, 280}};
    const float expected[][3] = {{200, 220, 240}, {200, 220, 240}, {280, 280, 120}};
    const char *const params[] = {"window_w=2", "window_w=2 stride_w=2",
                                  "window_w=2 stride_w=2 cut=1"};
    limn_tensor *t[4] = {0};
    limn_status status = LIMN_OK;
    int wrong = 0;
    for (int i = 0; i < 4 && status == LIMN_OK; i++)
        status = limn_tensor_create(device, &desc[i], &t[i]);
    for (int k = 0; k < 3 && status == LIMN_OK; k++) {
        float map[3] = {0};
        status = two_windows(device, t, scores[k], params[k], map);
        for (int i = 0; i < 3; i++)
            if (!(fabsf(map[i] - expected[k][i]) <= 1e-4f)) {
                printf("  %s: position %d is %g, known answer %g\n", params[k], i, map[i],
                       expected[k][i]);
                wrong++;
            }
    }
    if (status != LIMN_OK)
        printf("  %s\n", limn_error_text(limn_device_context(device)));
    for (int i = 0; i < 4; i++)
        limn_tensor_destroy(&t[i]);
    return wrong + (status != LIMN_OK);
}

const limn_op_test limn_test_accumulate_occlusion = {
    .op = "accumulate_occlusion",
    .tolerance = 2e-6,
    .reason = "a sum over the windows of one position",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
