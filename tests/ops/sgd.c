#include "harness.h"

#include <math.h>
#include <stdio.h>

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
    return wrong + (status != LIMN_OK);
}

const limn_op_test limn_test_sgd = {
    .op = "sgd",
    .tolerance = 5e-7,
    .reason = "five roundings",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
