/* limn_precision_set with a driver in which calls fail: what is left out, and who is blamed. */
#include "limn/precision.h"

#include "support_device.h"
#include "support_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int set_up(void **state)
{
    const int failed = open_device_by(state, faults_api());
    if (!failed) /* on a CPU device nothing is looked for */
        ((limn_device_limits *)(uintptr_t)limn_device_get_limits(the.device))->is_cpu = false;
    return failed;
}

static unsigned allowed(void)
{
    return limn_device_get_limits(the.device)->half_forms;
}

/* A failing call leaves forms out or ends the whole; a form stays only where it ran right. */
static void every_driver_fault_is_seen(void **state)
{
    static const cl_int codes[] = {CL_OUT_OF_RESOURCES, CL_MEM_OBJECT_ALLOCATION_FAILURE,
                                   CL_BUILD_PROGRAM_FAILURE};
    (void)state;
    assert_int_equal(limn_precision_set(the.device, LIMN_PRECISION_FP16), LIMN_OK);
    const unsigned all = allowed();
    limn_device_trim(the.device);
    faults_set(0, false, 0);
    assert_int_equal(limn_precision_set(the.device, LIMN_PRECISION_FP16), LIMN_OK);
    const unsigned long calls = faults_set(0, false, 0);
    assert_true(calls > 10);
    /* Others for each code: each run builds the probes of all kinds of matrix units anew. */
    const unsigned long step = calls / 16 + 1;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        for (unsigned long nth = 1 + i * step / 3; nth <= calls; nth += step) {
            limn_device_trim(the.device);
            faults_set(nth, true, codes[i]);
            const limn_status status = limn_precision_set(the.device, LIMN_PRECISION_FP16);
            faults_set(0, false, 0);
            assert_int_equal(allowed() & ~all, 0);
            assert_true((status == LIMN_OK) == (allowed() != 0));
            if (status != LIMN_OK)
                assert_true(limn_error_text(the.ctx)[0] != '\0');
            limn_error_clear(the.ctx);
        }
    assert_int_equal(limn_precision_set(the.device, LIMN_PRECISION_FP16), LIMN_OK);
    assert_int_equal(allowed(), all);
}

static void no_form_at_all_is_an_error(void **state)
{
    (void)state;
    limn_device_trim(the.device);
    faults_set(1, true, CL_INVALID_VALUE);
    const limn_status status = limn_precision_set(the.device, LIMN_PRECISION_FP16);
    faults_set(0, false, 0);
    assert_int_equal(status, LIMN_NO_DEVICE);
    assert_non_null(strstr(limn_error_text(the.ctx), "half precision"));
    assert_int_equal(allowed(), 0);
    limn_error_clear(the.ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_driver_fault_is_seen),
        cmocka_unit_test(no_form_at_all_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, close_device);
}
