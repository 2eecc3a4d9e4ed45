/* Devices: which one a user's words mean, buffers and their pool, launches, timing, the cache. */
#include "device/device.h"

#include "base/memory.h"
#include "device/select.h"
#include "ops/op.h"
#include "support_device.h"
#include "support_faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static int open_faulty_device(void **state)
{
    return open_device_by(state, faults_api());
}

/* ---- selection over an invented list
 * -------------------------------------------------------------- */

static const limn_device_info invented[] = {
    {.index = 0,
     .name = "Slow CPU",
     .platform = "PoCL",
     .type = "cpu",
     .compute_units = 2,
     .usable = true,
     .reason = ""},
    {.index = 1,
     .name = "Radeon RX",
     .platform = "AMD",
     .type = "gpu",
     .compute_units = 32,
     .usable = true,
     .reason = ""},
    {.index = 2,
     .name = "GeForce",
     .platform = "NVIDIA",
     .type = "gpu",
     .compute_units = 80,
     .usable = true,
     .reason = ""},
    {.index = 3,
     .name = "Broken GPU",
     .platform = "Old",
     .type = "gpu",
     .compute_units = 999,
     .usable = false,
     .reason = "its driver has no compiler"},
    {.index = 4,
     .name = "Card",
     .platform = "Acme",
     .type = "accelerator",
     .compute_units = 8,
     .usable = true,
     .reason = ""},
};

static limn_status select_from(limn_context *ctx, size_t count, const char *which, int *out)
{
    limn_device_info rows[5];
    limn_found_device found[5];
    memcpy(rows, invented, sizeof rows);
    memset(found, 0, sizeof found);
    for (int i = 0; i < 5; i++)
        found[i].clock = 1000;
    const limn_device_list list = {count, rows};
    return limn_select_device(ctx, &list, found, which, out);
}

static void words_select_devices(void **state)
{
    static const struct {
        const char *which;
        limn_status status;
        int chosen;
    } cases[] = {
        {NULL, LIMN_OK, 2},
        {"", LIMN_OK, 2},
        {"0", LIMN_OK, 0},
        {"gpu", LIMN_OK, 2},
        {"cpu", LIMN_OK, 0},
        {"accelerator", LIMN_OK, 4},
        {"radeon", LIMN_OK, 1},
        {"nvidia", LIMN_OK, 2},
        {"R", LIMN_BAD_USAGE, 0},
        {"7", LIMN_NO_DEVICE, 0},
        {"intel", LIMN_NO_DEVICE, 0},
        {"3", LIMN_NO_DEVICE, 0},
        {"broken", LIMN_NO_DEVICE, 0},
    };
    const rig *r = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int chosen = -1;
        assert_int_equal(select_from(r->ctx, 5, cases[i].which, &chosen), cases[i].status);
        if (cases[i].status == LIMN_OK)
            assert_int_equal(chosen, cases[i].chosen);
    }
    int chosen;
    assert_int_equal(select_from(r->ctx, 0, NULL, &chosen), LIMN_NO_DEVICE);
    assert_non_null(strstr(limn_error_hint(r->ctx), "apt-get install pocl-opencl-icd"));
}

/* ---- buffers
 * ----------------------------------------------------------------------------------------- */

static void buffers_return_to_the_pool(void **state)
{
    const rig *r = *state;
    limn_buffer *a, *b;
    uint64_t before, between, after, peak;
    limn_device_trim(r->device);
    limn_device_memory(r->device, &before, &peak);
    assert_int_equal(limn_buffer_create(r->device, 1000, &a), LIMN_OK);
    limn_device_memory(r->device, &between, &peak);
    assert_true(between >= before + 1000 && peak >= between);
    limn_buffer_destroy(&a);
    assert_null(a);
    assert_int_equal(limn_buffer_create(r->device, 990, &b), LIMN_OK);
    limn_device_memory(r->device, &after, &peak);
    assert_int_equal(after, between);
    limn_buffer_destroy(&b);
    limn_device_trim(r->device);
    limn_device_memory(r->device, &after, &peak);
    assert_int_equal(after, before);
}

/* In memory of the host's on CPU devices: it is given back, whatever fails, and holds its bytes. */
static void large_buffers_come_and_go(void **state)
{
    enum { BYTES = (4 << 20) + 1000 };
    const rig *r = *state;
    limn_buffer *a;
    uint64_t before, after, peak;
    limn_device_trim(r->device);
    limn_device_memory(r->device, &before, &peak);
    for (unsigned long nth = 1; nth <= 3; nth++) {
        const unsigned char byte = (unsigned char)(nth + 1);
        unsigned char last = 0;
        limn_memory_fail_at(nth, false);
        limn_status status = limn_buffer_create(r->device, BYTES, &a);
        limn_memory_fail_at(0, false);
        assert_int_equal(status == LIMN_OK, a != NULL);
        limn_buffer_destroy(&a);
        limn_device_trim(r->device);
        faults_set(nth, false, CL_OUT_OF_RESOURCES);
        status = limn_buffer_create(r->device, BYTES, &a);
        faults_set(0, false, 0);
        assert_int_equal(status == LIMN_OK, a != NULL);
        limn_buffer_destroy(&a);
        limn_device_trim(r->device);
        assert_int_equal(limn_buffer_create(r->device, BYTES, &a), LIMN_OK);
        assert_int_equal(limn_buffer_fill(a, 0, BYTES, &byte, 1), LIMN_OK);
        assert_int_equal(limn_buffer_read(a, BYTES - 1, &last, 1), LIMN_OK);
        assert_int_equal(last, byte);
        limn_buffer_destroy(&a);
        limn_device_trim(r->device);
    }
    limn_device_memory(r->device, &after, &peak);
    assert_int_equal(after, before);
}

static cl_bool unified;        /* what a driver says of the device's memory */
static cl_mem_flags asked_for; /* of its last buffer */

static cl_int CL_API_CALL say_unified(cl_device_id id, cl_device_info what, size_t size,
                                      void *value, size_t *needed)
{
    const cl_int code = limn_cl_default_api.GetDeviceInfo(id, what, size, value, needed);
    if (what == CL_DEVICE_HOST_UNIFIED_MEMORY && value)
        memcpy(value, &unified, sizeof unified);
    return code;
}

static cl_mem CL_API_CALL note_flags(cl_context context, cl_mem_flags flags, size_t size,
                                     void *host, cl_int *code)
{
    asked_for = flags;
    return limn_cl_default_api.CreateBuffer(context, flags, size, host, code);
}

/* Only a CPU device that says so uses the host's memory in place. */
static void memory_is_shared_where_the_device_says_so(void **state)
{
    (void)state;
    limn_cl_api driver = limn_cl_default_api;
    driver.GetDeviceInfo = say_unified;
    driver.CreateBuffer = note_flags;
    for (int shared = 0; shared < 2; shared++) {
        limn_context *ctx;
        limn_device *device;
        limn_buffer *buffer, *small;
        unified = shared ? CL_TRUE : CL_FALSE;
        assert_int_equal(limn_context_create(NULL, &ctx), LIMN_OK);
        limn_context_set_driver(ctx, &driver);
        assert_int_equal(limn_device_open(ctx, NULL, &device), LIMN_OK);
        const bool is_cpu = limn_device_get_limits(device)->is_cpu;
        assert_int_equal(limn_buffer_create(device, 2 * LIMN_LARGE_PAGE, &buffer), LIMN_OK);
        assert_int_equal((asked_for & CL_MEM_USE_HOST_PTR) != 0, is_cpu && shared);
        assert_int_equal(limn_buffer_create(device, 1000, &small), LIMN_OK);
        assert_int_equal(asked_for & CL_MEM_USE_HOST_PTR, 0);
        limn_buffer_destroy(&small);
        limn_buffer_destroy(&buffer);
        limn_device_close(&device);
        limn_context_destroy(&ctx);
    }
}

static void ranges_are_checked(void **state)
{
    const rig *r = *state;
    limn_buffer *a;
    char bytes[16] = {0};
    assert_int_equal(limn_buffer_create(r->device, 16, &a), LIMN_OK);
    assert_int_equal(limn_buffer_write(a, 0, bytes, 16), LIMN_OK);
    assert_int_equal(limn_buffer_write(a, 8, bytes, 9), LIMN_BAD_USAGE);
    assert_int_equal(limn_buffer_read(a, 17, bytes, 0), LIMN_BAD_USAGE);
    assert_int_equal(limn_buffer_read(a, SIZE_MAX, bytes, 2), LIMN_BAD_USAGE);
    assert_int_equal(limn_buffer_fill(a, 0, 17, bytes, 1), LIMN_BAD_USAGE);
    limn_buffer_destroy(&a);
}

static void too_large_is_out_of_memory(void **state)
{
    const rig *r = *state;
    limn_buffer *a;
    assert_int_equal(limn_buffer_create(r->device, SIZE_MAX / 4, &a), LIMN_OUT_OF_DEVICE_MEMORY);
    assert_null(a);
    assert_int_equal(limn_buffer_create(r->device, SIZE_MAX, &a), LIMN_OUT_OF_DEVICE_MEMORY);
}

static void a_refused_buffer_says_why(void **state)
{
    static const struct {
        cl_int code;
        limn_status status;
    } cases[] = {{CL_MEM_OBJECT_ALLOCATION_FAILURE, LIMN_OUT_OF_DEVICE_MEMORY},
                 {CL_OUT_OF_RESOURCES, LIMN_OUT_OF_DEVICE_MEMORY},
                 {CL_OUT_OF_HOST_MEMORY, LIMN_FAILED},
                 {CL_DEVICE_NOT_AVAILABLE, LIMN_NO_DEVICE}};
    const rig *r = *state;
    limn_buffer *a;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_device_trim(r->device);
        faults_set(1, true, cases[i].code);
        const limn_status status = limn_buffer_create(r->device, 64, &a);
        faults_set(0, false, 0);
        assert_int_equal(status, cases[i].status);
        assert_null(a);
    }
}

/* ---- launches
 * ---------------------------------------------------------------------------------------- */

/* Ends of rounds, in their order: those asked for and those waited for. */
static cl_event asked[4], waited[4];
static int asked_count, waited_count;

static cl_int CL_API_CALL note_marker(cl_command_queue queue, cl_uint waits, const cl_event *list,
                                      cl_event *event)
{
    const cl_int code = limn_cl_default_api.EnqueueMarkerWithWaitList(queue, waits, list, event);
    asked[asked_count++] = *event;
    return code;
}

static cl_int CL_API_CALL note_wait(cl_uint count, const cl_event *events)
{
    waited[waited_count++] = events[0];
    return limn_cl_default_api.WaitForEvents(count, events);
}

static void a_paced_loop_is_one_round_ahead(void **state)
{
    (void)state;
    limn_cl_api driver = limn_cl_default_api;
    limn_context *ctx;
    limn_device *device;
    driver.EnqueueMarkerWithWaitList = note_marker;
    driver.WaitForEvents = note_wait;
    assert_int_equal(limn_context_create(NULL, &ctx), LIMN_OK);
    limn_context_set_driver(ctx, &driver);
    assert_int_equal(limn_device_open(ctx, NULL, &device), LIMN_OK);
    for (int round = 0; round < 4; round++) {
        assert_int_equal(limn_device_pace(device), LIMN_OK);
        assert_int_equal(asked_count, round + 1);
        assert_int_equal(waited_count, round);
        if (round > 0)
            assert_ptr_equal(waited[round - 1], asked[round - 1]);
    }
    limn_device_close(&device);
    limn_context_destroy(&ctx);
}

static void a_failing_wait_is_reported(void **state)
{
    const rig *r = *state;
    assert_int_equal(limn_device_pace(r->device), LIMN_OK);
    for (unsigned long nth = 1; nth <= 2; nth++) { /* the marker, the wait */
        faults_set(nth, false, CL_DEVICE_NOT_AVAILABLE);
        const limn_status status = limn_device_pace(r->device);
        faults_set(0, false, 0);
        assert_int_equal(status, LIMN_NO_DEVICE);
        limn_error_clear(r->ctx);
        assert_int_equal(limn_device_pace(r->device), LIMN_OK);
    }
}

static void launches_are_checked(void **state)
{
    const rig *r = *state;
    limn_buffer *a, *b;
    assert_int_equal(limn_buffer_create(r->device, 64, &a), LIMN_OK);
    assert_int_equal(limn_buffer_create(r->device, 64, &b), LIMN_OK);
    const limn_grid grid = limn_grid_1d(16);
    assert_int_equal(LIMN_LAUNCH(r->device, "no_such_kernel", "", grid, limn_long(16)),
                     LIMN_BAD_USAGE);
    assert_int_equal(LIMN_LAUNCH(r->device, "add_in_place", "", grid, limn_long(16)),
                     LIMN_BAD_USAGE);
    assert_int_equal(
        LIMN_LAUNCH(r->device, "add_in_place", "", grid, limn_long(16), limn_inout(a), limn_in(a)),
        LIMN_BAD_USAGE);
    assert_int_equal(
        LIMN_LAUNCH(r->device, "add_in_place", "", grid, limn_int(16), limn_inout(a), limn_in(b)),
        LIMN_FAILED);
    assert_int_equal(LIMN_LAUNCH(r->device, "add_in_place", "",
                                 ((limn_grid){{1 << 20, 1, 1}, {1 << 20, 1, 1}}), limn_long(16),
                                 limn_inout(a), limn_in(b)),
                     LIMN_BAD_USAGE);
    assert_int_equal(LIMN_LAUNCH(r->device, "gather_forward", "", grid,
                                 limn_int((int64_t)INT32_MAX + 1), limn_int(1), limn_in(a),
                                 limn_in(a), limn_out(b)),
                     LIMN_FAILED);
    assert_non_null(strstr(limn_error_text(r->ctx), "argument 0"));
    assert_int_equal(
        LIMN_LAUNCH(r->device, "add_in_place", "", limn_grid_1d(0), limn_long(0), limn_inout(a)),
        LIMN_OK);
    assert_int_equal(LIMN_LAUNCH(r->device, "add_in_place", "-DBROKEN=( -Dlong=+", grid,
                                 limn_long(16), limn_inout(a), limn_in(b)),
                     LIMN_FAILED);
    assert_non_null(strstr(limn_error_text(r->ctx), "add.cl"));
    limn_buffer_destroy(&a);
    limn_buffer_destroy(&b);
}

static void timing_counts_launches(void **state)
{
    const rig *r = *state;
    limn_buffer *a, *b;
    const limn_kernel_time *times;
    size_t count;
    assert_int_equal(limn_buffer_create(r->device, 4096, &a), LIMN_OK);
    assert_int_equal(limn_buffer_create(r->device, 4096, &b), LIMN_OK);
    assert_int_equal(limn_device_timing(r->device, true), LIMN_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(LIMN_LAUNCH(r->device, "add_in_place", "", limn_grid_1d(1024),
                                     limn_long(1024), limn_inout(a), limn_in(b)),
                         LIMN_OK);
    assert_int_equal(limn_device_times(r->device, &times, &count), LIMN_OK);
    assert_int_equal(count, 1);
    assert_string_equal(times[0].kernel, "add_in_place");
    assert_int_equal(times[0].launches, 3);
    assert_true(times[0].seconds > 0);
    assert_int_equal(limn_device_timing(r->device, false), LIMN_OK);
    limn_buffer_destroy(&a);
    limn_buffer_destroy(&b);
}

/* ---- opening
 * ----------------------------------------------------------------------------------------- */

static void opening_survives_every_fault(void **state)
{
    (void)state;
    for (int lasting = 0; lasting < 2; lasting++)
        for (unsigned long nth = 1; nth <= 3; nth++) {
            limn_context *ctx;
            limn_device *device;
            assert_int_equal(limn_context_create(NULL, &ctx), LIMN_OK);
            limn_context_set_driver(ctx, faults_api());
            faults_set(nth, lasting, CL_DEVICE_NOT_AVAILABLE);
            const limn_status status = limn_device_open(ctx, NULL, &device);
            const unsigned long calls = faults_set(0, false, 0);
            assert_int_equal(status, calls >= nth ? LIMN_NO_DEVICE : LIMN_OK);
            limn_device_close(&device);
            limn_context_destroy(&ctx);
        }
    for (unsigned long nth = 1;; nth++) {
        limn_context *ctx;
        limn_device *device;
        assert_int_equal(limn_context_create(NULL, &ctx), LIMN_OK);
        limn_memory_fail_at(nth, false);
        const limn_status status = limn_device_open(ctx, NULL, &device);
        const unsigned long made = limn_memory_fail_at(0, false);
        limn_device_close(&device);
        limn_context_destroy(&ctx);
        if (made < nth) {
            assert_int_equal(status, LIMN_OK);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_select_devices),
        cmocka_unit_test(buffers_return_to_the_pool),
        cmocka_unit_test(large_buffers_come_and_go),
        cmocka_unit_test(memory_is_shared_where_the_device_says_so),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(too_large_is_out_of_memory),
        cmocka_unit_test(a_refused_buffer_says_why),
        cmocka_unit_test(a_paced_loop_is_one_round_ahead),
        cmocka_unit_test(a_failing_wait_is_reported),
        cmocka_unit_test(launches_are_checked),
        cmocka_unit_test(timing_counts_launches),
        cmocka_unit_test(opening_survives_every_fault),
    };
    return cmocka_run_group_tests(tests, open_faulty_device, close_device);
}
