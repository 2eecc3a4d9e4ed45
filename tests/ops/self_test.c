/* The self-test where memory runs out or the driver refuses: which of them is blamed. */
#include "limn/self_test.h"

#include "base/memory.h"
#include "device/device.h"
#include "support_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { MOST = 2000 };

typedef struct rig {
    limn_context *ctx;
    limn_device *device;
    bool brief; /* stop after the first op */
    int wrong;  /* ops found wrong */
} rig;

static bool go_on(void *user, const limn_progress *progress)
{
    (void)progress;
    return !((rig *)user)->brief;
}

static void note(void *user, const limn_self_test_row *row)
{
    ((rig *)user)->wrong += !row->passed;
}

static int set_up(void **state)
{
    static rig r;
    *state = &r;
    const limn_context_params params = {.progress = go_on, .user = &r, .cache_dir = ""};
    if (limn_context_create(&params, &r.ctx) != LIMN_OK)
        return 1;
    limn_context_set_driver(r.ctx, faults_api());
    return limn_device_open(r.ctx, NULL, &r.device) != LIMN_OK;
}

static int tear_down(void **state)
{
    rig *r = *state;
    limn_device_close(&r->device);
    limn_context_destroy(&r->ctx);
    return 0;
}

/* The first op with the nth allocation failing. */
static limn_status run_short_of_memory(rig *r, unsigned long nth, bool lasting)
{
    r->brief = true;
    r->wrong = 0;
    limn_device_trim(r->device);
    limn_memory_fail_at(nth, lasting);
    const limn_status status = limn_self_test(r->device, note, r);
    limn_memory_fail_at(0, false);
    return status;
}

static void expect_host_memory(const rig *r, limn_status status)
{
    assert_int_equal(status, LIMN_FAILED);
    assert_non_null(strstr(limn_error_text(r->ctx), "out of memory"));
    assert_int_equal(r->wrong, 0);
}

static void a_host_without_memory_is_no_wrong_device(void **state)
{
    rig *r = *state;
    unsigned long nth = 0;
    limn_status status = LIMN_FAILED;
    while (status != LIMN_INTERRUPTED && nth < MOST) {
        status = run_short_of_memory(r, ++nth, true);
        if (status != LIMN_INTERRUPTED)
            expect_host_memory(r, status);
    }
    assert_true(nth > 10 && nth < MOST);
    /* A single failure may be one that the device layer can do without. */
    int failures = 0;
    for (unsigned long single = 1; single < nth; single++) {
        status = run_short_of_memory(r, single, false);
        if (status != LIMN_INTERRUPTED)
            expect_host_memory(r, status);
        failures += status != LIMN_INTERRUPTED;
        assert_int_equal(r->wrong, 0);
    }
    assert_true(failures > 10);
}

/* The first op with the nth driver call and all later ones failing with `code`. */
static limn_status run_with_faults(rig *r, unsigned long nth, cl_int code)
{
    r->brief = true;
    r->wrong = 0;
    limn_device_trim(r->device);
    faults_set(nth, true, code);
    const limn_status status = limn_self_test(r->device, note, r);
    faults_set(0, false, CL_SUCCESS);
    return status;
}

static void a_driver_without_host_memory_is_no_wrong_device(void **state)
{
    rig *r = *state;
    unsigned long nth = 0;
    limn_status status = LIMN_FAILED;
    while (status != LIMN_INTERRUPTED && nth < MOST) {
        status = run_with_faults(r, ++nth, CL_OUT_OF_HOST_MEMORY);
        assert_true(status == LIMN_INTERRUPTED || status == LIMN_FAILED ||
                    status == LIMN_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(r->wrong, 0);
        if (status == LIMN_FAILED)
            assert_non_null(strstr(limn_error_text(r->ctx), "CL_OUT_OF_HOST_MEMORY"));
    }
    assert_true(nth > 10 && nth < MOST);
}

static void a_device_without_memory_says_so(void **state)
{
    rig *r = *state;
    assert_int_equal(run_with_faults(r, 1, CL_MEM_OBJECT_ALLOCATION_FAILURE),
                     LIMN_OUT_OF_DEVICE_MEMORY);
    assert_int_equal(r->wrong, 0);
}

static void a_driver_that_refuses_kernels_is_named(void **state)
{
    rig *r = *state;
    const limn_device_info *info = limn_device_describe(r->device);
    r->brief = false;
    r->wrong = 0;
    faults_set(1, true, CL_INVALID_OPERATION);
    assert_int_equal(limn_self_test(r->device, note, r), LIMN_NO_DEVICE);
    faults_set(0, false, CL_SUCCESS);
    assert_true(r->wrong > 20);
    assert_non_null(strstr(limn_error_text(r->ctx), info->name));
    assert_non_null(strstr(limn_error_text(r->ctx), "conv2d"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_without_memory_is_no_wrong_device),
        cmocka_unit_test(a_driver_without_host_memory_is_no_wrong_device),
        cmocka_unit_test(a_device_without_memory_says_so),
        cmocka_unit_test(a_driver_that_refuses_kernels_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
