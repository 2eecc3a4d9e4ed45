/* limn/precision.h: what fp16 changes of a model, what it leaves, and what it refuses. */
#include "limn/precision.h"

#include "limn/model.h"
#include "limn/predict.h"
#include "ops/op.h"
#include "support_device.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { COUNT = 3, SIDE = 8, PIXELS = SIDE * SIDE * 3, CLASSES = 10 };

static char noted[512];

static void note(void *user, limn_log_level level, const char *text)
{
    (void)user;
    if (level <= LIMN_LOG_NOTE)
        snprintf(noted, sizeof noted, "%s", text);
}

static int set_up(void **state)
{
    const limn_context_params context = {.log = note};
    *state = &the;
    if (limn_context_create(&context, &the.ctx) != LIMN_OK)
        return 1;
    if (limn_device_open(the.ctx, NULL, &the.device) == LIMN_OK)
        return 0;
    printf("skipped: %s\n", limn_error_text(the.ctx));
    exit(77);
}

/* The kernels for GPUs, on whatever device there is. */
static void pretend_gpu(void)
{
    ((limn_device_limits *)(uintptr_t)limn_device_get_limits(the.device))->is_cpu = false;
}

static limn_status predict(limn_precision precision, float deviation, float logits[])
{
    uint8_t pixels[COUNT][PIXELS];
    limn_image images[COUNT];
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < PIXELS; k++)
            pixels[i][k] = (uint8_t)((i + 3) * k * 7);
        images[i] = (limn_image){SIDE, SIDE, 3, pixels[i]};
    }
    const limn_model_params params = {.arch = "cifar-resnet18",
                                      .channels = 3,
                                      .class_count = CLASSES,
                                      .has_mean = true,
                                      .has_std = true,
                                      .mean = {0.5f, 0.5f, 0.5f},
                                      .std = {deviation, deviation, deviation},
                                      .seed = 5};
    const limn_predict_params wanted = {.logits = logits};
    const limn_dataset *data = NULL;
    limn_model *model = NULL;
    pretend_gpu();
    limn_status status = limn_precision_set(the.device, precision);
    if (status == LIMN_OK)
        status = limn_dataset_from_images(the.ctx, "images", images, COUNT, &data);
    if (status == LIMN_OK)
        status = limn_model_create(the.device, &params, &model);
    if (status == LIMN_OK)
        status = limn_predict(model, data, &wanted);
    limn_model_destroy(&model);
    limn_dataset_close(&data);
    return status;
}

static void it_is_a_permission_for_forms_that_were_checked(void **state)
{
    (void)state;
    unsigned half = 0;
    for (size_t op = 0; op < limn_op_count; op++) {
        const limn_op_choices *choices = limn_op_table[op]->choices;
        unsigned own = 0;
        for (int i = 0; choices && choices->half && i < choices->count; i++)
            own |= choices->half(i) ? 1u << (choices->half_bit + i) : 0;
        assert_int_equal(half & own, 0);
        half |= own;
    }
    assert_true(half != 0);
    const limn_device_limits *limits = limn_device_get_limits(the.device);
    assert_int_equal(limits->half_forms, 0);
    noted[0] = '\0';
    assert_int_equal(limn_precision_set(the.device, LIMN_PRECISION_FP16), LIMN_OK);
    assert_int_equal(limits->half_forms, limits->is_cpu ? 0 : half);
    assert_true(!limits->is_cpu == !strstr(noted, "fp16 changes nothing"));
    pretend_gpu();
    noted[0] = '\0';
    assert_int_equal(limn_precision_set(the.device, LIMN_PRECISION_FP16), LIMN_OK);
    assert_int_equal(limits->half_forms, half);
    assert_string_equal(noted, "");
    assert_true(limn_device_may_round(the.device));
    assert_int_equal(limn_precision_set(the.device, LIMN_PRECISION_FP32), LIMN_OK);
    assert_int_equal(limits->half_forms, 0);
    assert_int_equal(limn_precision_set(the.device, (limn_precision)7), LIMN_BAD_USAGE);
    limn_error_clear(the.ctx);
}

/* Layers below each other add up errors of 2^-11; a hundredth is far from chance agreement. */
static void logits_are_close_and_not_the_same(void **state)
{
    (void)state;
    float single[COUNT * CLASSES], half[COUNT * CLASSES], again[COUNT * CLASSES];
    assert_int_equal(predict(LIMN_PRECISION_FP32, 0.25f, single), LIMN_OK);
    assert_int_equal(predict(LIMN_PRECISION_FP16, 0.25f, half), LIMN_OK);
    assert_int_equal(predict(LIMN_PRECISION_FP32, 0.25f, again), LIMN_OK);
    float largest = 0, difference = 0;
    for (int i = 0; i < COUNT * CLASSES; i++) {
        largest = fmaxf(largest, fabsf(single[i]));
        difference = fmaxf(difference, fabsf(single[i] - half[i]));
    }
    print_message("logits up to %g, difference %g\n", (double)largest, (double)difference);
    assert_true(difference > 0 && difference <= 0.01f * largest);
    assert_memory_equal(single, again, sizeof single);
}

/* Values of a million are none for half precision. */
static void what_it_cannot_hold_is_refused(void **state)
{
    (void)state;
    float logits[COUNT * CLASSES];
    assert_int_equal(predict(LIMN_PRECISION_FP32, 1e-7f, logits), LIMN_OK);
    for (int i = 0; i < COUNT * CLASSES; i++)
        assert_true(isfinite(logits[i]));
    assert_int_equal(predict(LIMN_PRECISION_FP16, 1e-7f, logits), LIMN_BAD_INPUT);
    assert_non_null(strstr(limn_error_text(the.ctx), "image 0"));
    assert_non_null(strstr(limn_error_text(the.ctx), "65504"));
    limn_error_clear(the.ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_a_permission_for_forms_that_were_checked),
        cmocka_unit_test(logits_are_close_and_not_the_same),
        cmocka_unit_test(what_it_cannot_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, close_device);
}
