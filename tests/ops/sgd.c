#include "harness.h"
#include "ops/bench.h"
#include "ops/sgd.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const limn_op_case cases[] = {
    {"lr=0.5", 3, {LIMN_F1(1), LIMN_F1(1), LIMN_F1(1)}, false},
    {"lr=0.1 momentum=0.9 weight_decay=0.5",
     3,
     {LIMN_F2(7, 129), LIMN_F2(7, 129), LIMN_F2(7, 129)},
     false},
    {"lr=0.1 momentum=0.9 weight_decay=0.5 nesterov=1",
     3,
     {LIMN_F4(4, 3, 3, 5), LIMN_F4(4, 3, 3, 5), LIMN_F4(4, 3, 3, 5)},
     false},
};

/* Three steps from a momentum of zero, the gradient s times (0.25, -1, 2) in step s. */
static limn_status three_steps(limn_device *device, limn_tensor *const *t, int nesterov,
                               float *weight, float *momentum)
{
    const float first[3] = {1.0f, -2.0f, 0.5f};
    limn_status status = limn_tensor_write(t[0], first);
    if (status == LIMN_OK)
        status = limn_tensor_zero(t[2]);
    for (int s = 1; s <= 3 && status == LIMN_OK; s++) {
        const float gradient[3] = {0.25f * (float)s, -1.0f * (float)s, 2.0f * (float)s};
        status = limn_tensor_write(t[1], gradient);
        if (status == LIMN_OK)
            status = limn_op_call(device, "sgd", t, 3, NULL, 0,
                                  "lr=0.1 momentum=0.9 weight_decay=0.5 nesterov=%d", nesterov);
    }
    if (status == LIMN_OK)
        status = limn_tensor_read(t[0], weight);
    if (status == LIMN_OK)
        status = limn_tensor_read(t[2], momentum);
    return status;
}

enum { TENSORS = 37, LARGEST = 9001 }; /* two launches; up to three spans */

/* One parameter: weight, gradient, momentum, drawn from its number. */
static limn_status make_parameter(limn_device *device, int which, limn_tensor **t)
{
    const int64_t sizes[] = {1, 15, 64, 4095, 4096, 4097, LARGEST};
    const limn_desc desc = LIMN_F1(sizes[which % 7]);
    limn_status status = LIMN_OK;
    for (int i = 0; i < 3 && status == LIMN_OK; i++) {
        if (!t[i])
            status = limn_tensor_create(device, &desc, &t[i]);
        if (status == LIMN_OK)
            status = limn_bench_fill_uniform(device, 11, (uint64_t)(3 * which + i), t[i]);
    }
    return status;
}

/* Every parameter by itself, then all at once: 1 where a weight or a momentum has other bits. */
static limn_status compare_many(limn_device *device, limn_tensor *(*t)[3], int nesterov, int *wrong)
{
    static float alone[2 * TENSORS][LARGEST], together[LARGEST];
    limn_sgd_item items[TENSORS];
    limn_status status = LIMN_OK;
    for (int k = 0; k < TENSORS && status == LIMN_OK; k++) {
        status = make_parameter(device, k, t[k]);
        if (status == LIMN_OK)
            status = limn_op_call(device, "sgd", t[k], 3, NULL, 0,
                                  "lr=0.1 momentum=0.9 weight_decay=%g nesterov=%d",
                                  k % 3 ? 0.3 : 0.0, nesterov);
        for (int i = 0; i < 2 && status == LIMN_OK; i++)
            status = limn_tensor_read(t[k][2 * i], alone[2 * k + i]);
        if (status == LIMN_OK)
            status = make_parameter(device, k, t[k]);
        items[k] = (limn_sgd_item){t[k][0], t[k][1], t[k][2], k % 3 != 0};
    }
    const limn_sgd_rates rates = {0.1, 0.9, 0.3, nesterov != 0};
    if (status == LIMN_OK)
        status = limn_sgd_many(device, items, TENSORS, &rates);
    for (int k = 0; k < 2 * TENSORS && status == LIMN_OK; k++) {
        const limn_tensor *tensor = t[k / 2][k % 2 * 2];
        status = limn_tensor_read(tensor, together);
        *wrong += memcmp(together, alone[k], limn_desc_bytes(&tensor->desc)) != 0;
    }
    return status;
}

static int many_at_once(limn_device *device)
{
    limn_tensor *t[TENSORS][3] = {0};
    limn_status status = LIMN_OK;
    int wrong = 0;
    for (int nesterov = 0; nesterov < 2 && status == LIMN_OK; nesterov++)
        status = compare_many(device, t, nesterov, &wrong);
    if (wrong)
        printf("  sgd: %d of %d tensors have other bits when all are updated at once\n", wrong,
               4 * TENSORS);
    const limn_sgd_item uneven = {t[0][0], t[1][1], t[0][2], true};
    const limn_sgd_rates rates = {.lr = 1};
    if (status == LIMN_OK && limn_sgd_many(device, &uneven, 1, &rates) != LIMN_BAD_USAGE) {
        printf("  sgd: a gradient of another shape is not refused\n");
        wrong++;
    }
    if (status != LIMN_OK)
        printf("  %s\n", limn_error_text(limn_device_context(device)));
    for (int k = 0; k < TENSORS; k++)
        for (int i = 0; i < 3; i++)
            limn_tensor_destroy(&t[k][i]);
    return wrong + (status != LIMN_OK);
}

/* torch.optim.SGD in double precision. */
static int known_answers(limn_device *device)
{
    const double weights[2][3] = {{0.5008125, -0.5405, -1.4788125},
                                  {0.2889564375, 0.1070995, -2.4243181875}};
    const double momenta[2][3] = {{2.604375, -7.895, 11.375625},
                                  {2.50351875, -7.61105, 11.01680625}};
    const limn_desc desc = LIMN_F1(3);
    limn_tensor *t[3] = {0};
    limn_status status = LIMN_OK;
    int wrong = 0;
    for (int i = 0; i < 3 && status == LIMN_OK; i++)
        status = limn_tensor_create(device, &desc, &t[i]);
    for (int nesterov = 0; nesterov < 2 && status == LIMN_OK; nesterov++) {
        float weight[3], momentum[3];
        status = three_steps(device, t, nesterov, weight, momentum);
        for (int i = 0; i < 3 && status == LIMN_OK; i++)
            if (!(fabs(weight[i] - weights[nesterov][i]) <= 2e-6) ||
                !(fabs(momentum[i] - momenta[nesterov][i]) <= 4e-6)) {
                printf("  sgd nesterov=%d: weight %g, momentum %g, known answer %g, %g\n", nesterov,
                       weight[i], momentum[i], weights[nesterov][i], momenta[nesterov][i]);
                wrong++;
            }
    }
    if (status != LIMN_OK)
        printf("  %s\n", limn_error_text(limn_device_context(device)));
    for (int i = 0; i < 3; i++)
        limn_tensor_destroy(&t[i]);
    return wrong + (status != LIMN_OK) + many_at_once(device);
}

const limn_op_test limn_test_sgd = {
    .op = "sgd",
    .tolerance = 5e-7,
    .reason = "five roundings",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
