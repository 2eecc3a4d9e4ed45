/* Prediction with a driver in which calls fail, a device with little memory, a host without any. */
#include "limn/predict.h"

#include "base/memory.h"
#include "device/device.h"
#include "limn/model.h"
#include "support_faults.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { COUNT = 5, SIDE = 8, CLASSES = 3, FEATURES = 128, WARNING_MAX = 512 };

/* Runs of one test are at most about this many: the stride through the calls follows. */
enum { MOST_RUNS = 40 };

typedef struct outputs {
    float logits[COUNT * CLASSES], features[COUNT * FEATURES];
} outputs;

static struct {
    limn_context *ctx;
    limn_device *device;
    limn_model *model;
    const limn_dataset *data;
    outputs right;
    char warning[WARNING_MAX];
} the;

static void note(void *user, limn_log_level level, const char *text)
{
    (void)user;
    if (level == LIMN_LOG_WARNING)
        strncpy(the.warning, text, WARNING_MAX - 1);
}

static limn_status predict(int64_t batch, outputs *out)
{
    memset(out, 0xff, sizeof *out); /* NaN */
    const limn_predict_params params = {
        .batch = batch, .logits = out->logits, .features = out->features};
    return limn_predict(the.model, the.data, &params);
}

static void assert_right(const outputs *found)
{
    assert_memory_equal(found->logits, the.right.logits, sizeof found->logits);
    assert_memory_equal(found->features, the.right.features, sizeof found->features);
}

static int set_up(void **state)
{
    (void)state;
    uint8_t pixels[COUNT][SIDE * SIDE];
    limn_image images[COUNT];
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < SIDE * SIDE; k++)
            pixels[i][k] = (uint8_t)((i + 3) * k * 7);
        images[i] = (limn_image){SIDE, SIDE, 1, pixels[i]};
    }
    const limn_context_params context = {.log = note};
    const limn_model_params model = {.arch = "cnn-small", .channels = 1, .class_count = CLASSES};
    if (limn_context_create(&context, &the.ctx) != LIMN_OK)
        return 1;
    limn_context_set_driver(the.ctx, faults_api());
    return limn_device_open(the.ctx, NULL, &the.device) != LIMN_OK ||
           limn_model_create(the.device, &model, &the.model) != LIMN_OK ||
           limn_dataset_from_images(the.ctx, "images", images, COUNT, &the.data) != LIMN_OK ||
           predict(0, &the.right) != LIMN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    limn_dataset_close(&the.data);
    limn_model_destroy(&the.model);
    limn_device_close(&the.device);
    limn_context_destroy(&the.ctx);
    return 0;
}

static void results_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    outputs found;
    for (int64_t batch = 1; batch <= COUNT + 1; batch++) {
        assert_int_equal(predict(batch, &found), LIMN_OK);
        assert_right(&found);
    }
}

static void ranges_are_checked(void **state)
{
    (void)state;
    static const struct {
        int64_t first, count, batch;
    } cases[] = {{-1, 1, 0}, {0, COUNT + 1, 0}, {COUNT, 0, 0}, {1, INT64_MAX, 0},
                 {0, -1, 0}, {INT64_MAX, 1, 0}, {0, 0, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const limn_predict_params params = {
            .first = cases[i].first, .count = cases[i].count, .batch = cases[i].batch};
        assert_int_equal(limn_predict(the.model, the.data, &params), LIMN_BAD_USAGE);
    }
}

static unsigned long stride_of(const char *what, unsigned long calls)
{
    const unsigned long stride = (calls + MOST_RUNS - 1) / MOST_RUNS;
    print_message("%s: %lu calls, every %lu\n", what, calls, stride);
    return stride;
}

static void every_driver_fault_is_an_error(void **state)
{
    static const struct {
        cl_int code;
        bool lasting;
    } cases[] = {{CL_OUT_OF_RESOURCES, false},
                 {CL_OUT_OF_RESOURCES, true},
                 {CL_MEM_OBJECT_ALLOCATION_FAILURE, false},
                 {CL_MEM_OBJECT_ALLOCATION_FAILURE, true},
                 {CL_DEVICE_NOT_AVAILABLE, true}};
    (void)state;
    outputs found;
    limn_device_trim(the.device);
    faults_set(0, false, 0);
    assert_int_equal(predict(2, &found), LIMN_OK);
    const unsigned long calls = faults_set(0, false, 0);
    const unsigned long stride = stride_of("driver", calls);
    assert_true(calls > 50);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (unsigned long nth = 1 + i % stride; nth <= calls; nth += stride) {
            limn_device_trim(the.device);
            faults_set(nth, cases[i].lasting, cases[i].code);
            const limn_status status = predict(2, &found);
            const unsigned long made = faults_set(0, false, 0);
            assert_true(made >= nth);
            if (status == LIMN_OK)
                assert_right(&found);
            else
                assert_true(*limn_error_text(the.ctx));
            if (cases[i].lasting)
                assert_true(status != LIMN_OK);
            if (cases[i].code == CL_DEVICE_NOT_AVAILABLE)
                assert_int_equal(status, LIMN_NO_DEVICE);
            if (cases[i].code == CL_MEM_OBJECT_ALLOCATION_FAILURE)
                assert_int_equal(status, cases[i].lasting ? LIMN_OUT_OF_DEVICE_MEMORY : LIMN_OK);
        }
    assert_int_equal(predict(2, &found), LIMN_OK);
    assert_right(&found);
}

/* Drivers may take memory only when it is first used: the last write is of the last images. */
static void a_device_that_fills_up_gets_smaller_batches(void **state)
{
    (void)state;
    outputs found;
    limn_device_trim(the.device);
    faults_set(0, false, 0);
    assert_int_equal(predict(4, &found), LIMN_OK);
    const unsigned long calls = faults_set(0, false, 0);
    the.warning[0] = '\0';
    limn_device_trim(the.device);
    faults_set(calls - 1, false, CL_MEM_OBJECT_ALLOCATION_FAILURE);
    assert_int_equal(predict(4, &found), LIMN_OK);
    faults_set(0, false, 0);
    assert_right(&found);
    assert_non_null(strstr(the.warning, "batches of 4 images, going on with 2"));
}

static void every_failed_allocation_is_an_error(void **state)
{
    (void)state;
    outputs found;
    limn_memory_fail_at(0, false);
    assert_int_equal(predict(2, &found), LIMN_OK);
    const unsigned long made = limn_memory_fail_at(0, false), stride = stride_of("host", made);
    for (int lasting = 0; lasting < 2; lasting++)
        for (unsigned long nth = 1 + (unsigned long)lasting; nth <= made; nth += stride) {
            limn_memory_fail_at(nth, lasting);
            const limn_status status = predict(2, &found);
            limn_memory_fail_at(0, false);
            if (status == LIMN_OK)
                assert_right(&found);
            else
                assert_int_equal(status, LIMN_FAILED);
        }
    assert_int_equal(predict(2, &found), LIMN_OK);
    assert_right(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_do_not_depend_on_the_batch),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(every_driver_fault_is_an_error),
        cmocka_unit_test(a_device_that_fills_up_gets_smaller_batches),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
