/* Training as a program calls it: what is left behind when memory, device or driver fail. */
#define _XOPEN_SOURCE 700
#include "limn/train.h"

#include "base/context.h"
#include "base/memory.h"
#include "device/device.h"
#include "../support_faults.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { IMAGES = 64, SIDE = 24 };

static struct {
    limn_context *ctx;
    limn_device *device;
    const limn_dataset *data;
    char folder[64], run[96], data_path[96];
} the;

static size_t buffer_limit; /* bytes of one buffer; 0: none */

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                        void *host, cl_int *code)
{
    if (buffer_limit == 0 || size <= buffer_limit)
        return limn_cl_default_api.CreateBuffer(context, flags, size, host, code);
    *code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return NULL;
}

static void make_data(void)
{
    static const char *const classes[] = {"up", "down", "both"};
    const limn_dataset_writer_params params = {
        .height = SIDE, .width = SIDE, .channels = 1, .class_count = 3, .classes = classes};
    limn_dataset_writer *writer;
    assert_int_equal(limn_dataset_writer_open(the.ctx, the.data_path, &params, &writer), LIMN_OK);
    for (int i = 0; i < IMAGES; i++) {
        uint8_t pixels[SIDE * SIDE];
        for (int k = 0; k < SIDE * SIDE; k++)
            pixels[k] = (uint8_t)((k * 37 + i * 101 + (i % 3) * k * k) % 251);
        assert_int_equal(limn_dataset_writer_add(writer, pixels, i % 3, NULL), LIMN_OK);
    }
    assert_int_equal(limn_dataset_writer_finish(&writer), LIMN_OK);
    assert_int_equal(limn_dataset_open(the.ctx, the.data_path, &the.data), LIMN_OK);
}

static int set_up(void **state)
{
    static limn_cl_api api;
    (void)state;
    strcpy(the.folder, "/tmp/limn-test-XXXXXX");
    if (!mkdtemp(the.folder) || limn_context_create(NULL, &the.ctx) != LIMN_OK)
        return 1;
    snprintf(the.run, sizeof the.run, "%s/run", the.folder);
    snprintf(the.data_path, sizeof the.data_path, "%s/data.safetensors", the.folder);
    api = *faults_api();
    api.CreateBuffer = create_buffer;
    limn_context_set_driver(the.ctx, &api);
    if (limn_device_open(the.ctx, NULL, &the.device) != LIMN_OK)
        return 1;
    make_data();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    limn_dataset_close(&the.data);
    limn_device_close(&the.device);
    limn_context_destroy(&the.ctx);
    unlink(the.data_path);
    return rmdir(the.folder);
}

static limn_train_params small_run(const char *loss)
{
    limn_train_params params;
    assert_int_equal(limn_train_defaults(the.ctx, loss, &params), LIMN_OK);
    params.batch = 16;
    params.steps = 2;
    params.checkpoint_every = 1;
    return params;
}

/* Files in the run's folder, which is removed with them; -1 where there is no folder. */
static int clear_run(bool *model)
{
    DIR *folder = opendir(the.run);
    int count = 0;
    *model = false;
    if (!folder)
        return -1;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        if (entry->d_name[0] == '.')
            continue;
        assert_null(strstr(entry->d_name, ".part"));
        *model = *model || strcmp(entry->d_name, "model.safetensors") == 0;
        snprintf(path, sizeof path, "%s/%s", the.run, entry->d_name);
        assert_int_equal(unlink(path), 0);
        count++;
    }
    closedir(folder);
    assert_int_equal(rmdir(the.run), 0);
    return count;
}

static limn_status train(const limn_train_params *params, limn_train_result *result)
{
    return limn_train(the.device, the.data, the.data, params, the.run, result);
}

static void a_run_measures_and_probes(void **state)
{
    (void)state;
    static const char *const losses[] = {"ce", "supcon"};
    for (int i = 0; i < 2; i++) {
        limn_train_params params = small_run(losses[i]);
        limn_train_result result;
        bool model;
        params.probe = i == 1;
        assert_int_equal(train(&params, &result), LIMN_OK);
        assert_int_equal(result.steps, 2);
        assert_true(result.loss > 0 && result.loss < 10 && result.images_per_second > 0);
        assert_int_equal(result.validation.count, i == 0 ? 2 : 1);
        assert_int_equal(result.probed, params.probe);
        if (result.probed)
            assert_true(result.probe.train_accuracy == result.probe.val_accuracy &&
                        result.probe.val_accuracy > 0.5);
        assert_int_equal(clear_run(&model), 4);
        assert_true(model);
    }
}

/* A file of the run, with a NUL behind. */
static char *contents(const char *name, size_t *size)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", the.run, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    rewind(file);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    bytes[*size] = '\0';
    fclose(file);
    return bytes;
}

/* Whether a layer's direction is in half precision by the plan in a checkpoint, a JSON text that
 * follows eight bytes of length. */
static bool plans_half(const char *checkpoint, const char *direction)
{
    char half[64], matrix[64];
    snprintf(half, sizeof half, "%s\\tlocal-half", direction);
    snprintf(matrix, sizeof matrix, "%s\\tlocal-matrix", direction);
    return strstr(checkpoint + 8, half) || strstr(checkpoint + 8, matrix);
}

/* By the kernels for GPUs, on whatever device there is: learns as in single precision but for
 * roundings, goes on to the same bits, and leaves the device as it was. */
static void a_run_in_half_precision(void **state)
{
    (void)state;
    limn_device_limits *limits =
        (limn_device_limits *)(uintptr_t)limn_device_get_limits(the.device);
    const bool is_cpu = limits->is_cpu;
    limn_train_params params = small_run("ce");
    limn_train_result single, half, resumed;
    size_t sizes[3];
    bool model;
    params.model.arch = "cifar-resnet20";
    params.schedule = "constant";
    params.batch = 8;
    params.steps = 3;
    limits->is_cpu = false;
    assert_int_equal(train(&params, &single), LIMN_OK);
    char *plan = contents("checkpoint.safetensors", &sizes[0]);
    assert_false(plans_half(plan, "forward"));
    free(plan);
    clear_run(&model);
    params.precision = LIMN_PRECISION_FP16;
    assert_int_equal(train(&params, &half), LIMN_OK);
    assert_int_equal(limits->half_forms, 0);
    char *whole = contents("model.safetensors", &sizes[1]);
    clear_run(&model);
    params.steps = 1;
    assert_int_equal(train(&params, &resumed), LIMN_OK);
    plan = contents("checkpoint.safetensors", &sizes[0]);
    assert_true(plans_half(plan, "forward"));
    assert_true(plans_half(plan, "data"));
    assert_true(plans_half(plan, "filter"));
    free(plan);
    params.steps = 3;
    params.resume = true;
    assert_int_equal(train(&params, &resumed), LIMN_OK);
    char *parts = contents("model.safetensors", &sizes[2]);
    clear_run(&model);
    limits->is_cpu = is_cpu;
    print_message("loss %.9g, in half precision %.9g\n", single.loss, half.loss);
    assert_true(half.loss < single.loss || half.loss > single.loss);
    assert_true(fabs(half.loss - single.loss) < 0.01 * single.loss);
    assert_int_equal(sizes[1], sizes[2]);
    assert_memory_equal(whole, parts, sizes[1]);
    free(whole);
    free(parts);
}

static void a_full_device_names_a_batch_that_fits(void **state)
{
    (void)state;
    limn_train_params params = small_run("ce");
    limn_train_result result;
    bool model;
    params.batch = 64;
    limn_device_trim(the.device);
    buffer_limit = (size_t)63 * SIDE * SIDE * 32 * sizeof(float);
    assert_int_equal(train(&params, &result), LIMN_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(clear_run(&model), -1);
    const char *named = strstr(limn_error_hint(the.ctx), "--batch ");
    assert_non_null(named);
    params.batch = atoi(named + strlen("--batch "));
    assert_in_range(params.batch, 1, 32);
    assert_int_equal(train(&params, &result), LIMN_OK);
    buffer_limit = 0;
    assert_int_equal(clear_run(&model), 4);
}

/* Programs and pooled buffers are there from now on: further runs make the same calls. */
static void warm_up(const limn_train_params *params)
{
    limn_train_result result;
    bool model;
    assert_int_equal(train(params, &result), LIMN_OK);
    clear_run(&model);
}

/* After a failure there is no model, no partial file, and a folder only with a checkpoint. */
static void check_failure(limn_status status, limn_status wanted, unsigned long at)
{
    bool model;
    const int files = clear_run(&model);
    if (status != wanted || model || (files != -1 && files != 3)) {
        print_error("fault %lu: status %d, files %d: %s\n", at, status, files,
                    limn_error_text(the.ctx));
        fail();
    }
}

static void failed_allocations_leave_nothing_half_made(void **state)
{
    (void)state;
    const limn_train_params params = small_run("ce");
    limn_train_result result;
    bool model;
    warm_up(&params);
    limn_memory_fail_at(0, false);
    assert_int_equal(train(&params, &result), LIMN_OK);
    const unsigned long made = limn_memory_fail_at(0, false);
    clear_run(&model);
    for (unsigned long at = 1; at <= made; at += 1 + made / 60) {
        limn_memory_fail_at(at, true);
        const limn_status status = train(&params, &result);
        limn_memory_fail_at(0, false);
        if (status == LIMN_OK && at > made / 2)
            break; /* buffers pooled by earlier runs need no further memory */
        check_failure(status, LIMN_FAILED, at);
    }
    clear_run(&model);
}

static void failed_driver_calls_leave_nothing_half_made(void **state)
{
    (void)state;
    const limn_train_params params = small_run("supcon");
    limn_train_result result;
    bool model;
    warm_up(&params);
    faults_set(0, false, 0);
    assert_int_equal(train(&params, &result), LIMN_OK);
    const unsigned long made = faults_set(0, false, 0);
    clear_run(&model);
    for (unsigned long at = 1; at <= made; at += 1 + made / 40) {
        faults_set(at, true, CL_OUT_OF_HOST_MEMORY);
        const limn_status status = train(&params, &result);
        faults_set(0, false, 0);
        if (status == LIMN_OK && at > made / 2)
            break;
        check_failure(status, LIMN_FAILED, at);
    }
    clear_run(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_measures_and_probes),
        cmocka_unit_test(a_run_in_half_precision),
        cmocka_unit_test(a_full_device_names_a_batch_that_fits),
        cmocka_unit_test(failed_allocations_leave_nothing_half_made),
        cmocka_unit_test(failed_driver_calls_leave_nothing_half_made),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
