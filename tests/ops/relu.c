#include "harness.h"

#include <math.h>
#include <stdio.h>

static const limn_op_case cases[] = {
    {"", 1, {LIMN_F1(65)}, false},
    {"", 1, {LIMN_F2(7, 129)}, false},
    {"", 1, {LIMN_F4(2, 5, 3, 16)}, false},
};

/* Special values, and the form that writes over its input. */
static int known_answers(limn_device *device)
{
    const float given[] = {-1.5F, -0.0F, 0, 2.25F, NAN, INFINITY, -INFINITY};
    const float wanted[] = {0, 0, 0, 2.25F, NAN, INFINITY, 0};
    enum { COUNT = sizeof given / sizeof *given };
    const limn_desc desc = LIMN_F1(COUNT);
    limn_tensor *tensors[2] = {NULL, NULL};
    int wrong = 0;
    for (int form = 0; form < 2; form++) {
        float got[COUNT];
        limn_status status = LIMN_OK;
        for (int i = 0; i < 2 && status == LIMN_OK; i++)
            status = limn_tensor_create(device, &desc, &tensors[i]);
        if (status == LIMN_OK)
            status = limn_tensor_write(tensors[0], given);
        limn_tensor *out = tensors[form ? 0 : 1];
        if (status == LIMN_OK)
            status = limn_op_call(device, "relu", tensors, 1, &out, 1, "%s", "");
        if (status == LIMN_OK)
            status = limn_tensor_read(out, got);
        for (int i = 0; i < COUNT; i++)
            if (status != LIMN_OK ||
                !(got[i] == wanted[i] || (isnan(got[i]) && isnan(wanted[i])))) {
                printf("  relu %s: element %d\n", form ? "in place" : "", i);
                wrong++;
            }
        for (int i = 0; i < 2; i++)
            limn_tensor_destroy(&tensors[i]);
    }
    return wrong;
}

const limn_op_test limn_test_relu = {
    .op = "relu",
    .tolerance = 0,
    .backward_tolerance = 0,
    .reason = "a selection, nothing is rounded",
    LIMN_CASES(cases),
    .known_answers = known_answers,
};
