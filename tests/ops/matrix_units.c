/* Which matrix units are found, with a driver that seems to be a GPU's and to have some: plain
 * arithmetic in the same layout stands in for them. */
#include "ops/check.h"
#include "ops/matrix_units.h"
#include "support_device.h"

#include <CL/cl_ext.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct {
    limn_matrix_units kind; /* that the driver has */
    bool wrong;             /* the last of their sums is off by one */
    size_t subgroup;        /* the smallest; 0: the driver says nothing of it */
    unsigned tried;         /* bit i: kind i was */
} fake;

static cl_int CL_API_CALL get_device_info(cl_device_id id, cl_device_info what, size_t size,
                                          void *value, size_t *needed)
{
    static const char extension[] = "cl_intel_required_subgroup_size";
    const size_t sizes[2] = {32, fake.subgroup};
    const cl_device_type gpu = CL_DEVICE_TYPE_GPU;
    const void *said = NULL;
    size_t bytes = 0;
    if (what == CL_DEVICE_TYPE) {
        said = &gpu;
        bytes = sizeof gpu;
    } else if (what == CL_DEVICE_EXTENSIONS && fake.subgroup) {
        said = extension;
        bytes = sizeof extension;
    } else if (what == CL_DEVICE_SUB_GROUP_SIZES_INTEL && fake.subgroup) {
        said = sizes;
        bytes = sizeof sizes;
    } else {
        return limn_cl_default_api.GetDeviceInfo(id, what, size, value, needed);
    }
    if (value && size < bytes)
        return CL_INVALID_VALUE;
    if (value)
        memcpy(value, said, bytes);
    if (needed)
        *needed = bytes;
    return CL_SUCCESS;
}

static cl_int CL_API_CALL build_program(cl_program program, cl_uint count,
                                        const cl_device_id *devices, const char *options,
                                        void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    static const char define[] = "-DMATRIX=";
    char text[512];
    int kind = 0;
    const char *at = strstr(options, define);
    if (at)
        at += strlen(define);
    if (!at || sscanf(at, "%d", &kind) != 1 || kind <= 0)
        return limn_cl_default_api.BuildProgram(program, count, devices, options, notify, user);
    fake.tried |= 1u << kind;
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - options), options,
             kind == (int)fake.kind ? "-" : "", at);
    return limn_cl_default_api.BuildProgram(program, count, devices, text, notify, user);
}

static cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                                      size_t offset, size_t size, void *to, cl_uint count,
                                      const cl_event *after, cl_event *event)
{
    const cl_int code = limn_cl_default_api.EnqueueReadBuffer(queue, buffer, blocking, offset, size,
                                                              to, count, after, event);
    if (fake.wrong)
        ((float *)to)[size / sizeof(float) - 1] += 1;
    return code;
}

static void count_warnings(void *user, limn_log_level level, const char *text)
{
    (void)text;
    *(int *)user += level == LIMN_LOG_WARNING;
}

/* What is found on a fresh device. */
static limn_device_limits found(int *warnings)
{
    limn_cl_api driver = limn_cl_default_api;
    driver.GetDeviceInfo = get_device_info;
    driver.BuildProgram = build_program;
    driver.EnqueueReadBuffer = read_buffer;
    const limn_context_params params = {.log = count_warnings, .user = warnings, .cache_dir = ""};
    limn_context *ctx;
    limn_device *device;
    fake.tried = 0;
    *warnings = 0;
    assert_int_equal(limn_context_create(&params, &ctx), LIMN_OK);
    limn_context_set_driver(ctx, &driver);
    assert_int_equal(limn_device_open(ctx, NULL, &device), LIMN_OK);
    assert_int_equal(limn_matrix_find(device), LIMN_OK);
    const limn_device_limits limits = *limn_device_get_limits(device);
    limn_device_close(&device);
    limn_context_destroy(&ctx);
    return limits;
}

static void each_kind_is_found_by_its_probe(void **state)
{
    int warnings;
    (void)state;
    for (int i = LIMN_MATRIX_NONE + 1; i < LIMN_MATRIX_KINDS; i++) {
        fake.kind = (limn_matrix_units)i;
        fake.subgroup = i == LIMN_MATRIX_XMX8 ? 8 : 16;
        const limn_device_limits limits = found(&warnings);
        assert_int_equal(limits.smallest_subgroup, fake.subgroup);
        assert_int_equal(limits.matrix_units, i);
        assert_int_equal(warnings, 0);
    }
}

static void units_that_compute_wrong_are_left_out(void **state)
{
    static const limn_matrix_units kinds[] = {LIMN_MATRIX_PTX, LIMN_MATRIX_XMX16};
    int warnings;
    (void)state;
    fake.wrong = true;
    fake.subgroup = 16;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fake.kind = kinds[i];
        assert_int_equal(found(&warnings).matrix_units, LIMN_MATRIX_NONE);
        assert_int_equal(warnings, 1);
    }
    fake.wrong = false;
}

/* Only devices whose smallest sub-group is the one that a kind is for may be asked to run it. */
static void sub_groups_of_another_size_are_not_tried(void **state)
{
    static const size_t sizes[] = {0, 8, 16};
    int warnings;
    (void)state;
    fake.kind = LIMN_MATRIX_NONE;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fake.subgroup = sizes[i];
        assert_int_equal(found(&warnings).matrix_units, LIMN_MATRIX_NONE);
        assert_int_equal(warnings, 0);
        assert_int_equal(fake.tried >> LIMN_MATRIX_XMX8 & 1, sizes[i] == 8);
        assert_int_equal(fake.tried >> LIMN_MATRIX_XMX16 & 1, sizes[i] == 16);
        assert_true(fake.tried >> LIMN_MATRIX_PTX & fake.tried >> LIMN_MATRIX_RDNA4 & 1);
    }
}

/* As many shapes of what a work-item holds as there are: rows in one run, and groups of work-items
 * side by side in a tile.  PTX, with several runs, is in linear's own cases; conv2d's have all. */
static void linear_layers_take_other_kinds(void **state)
{
    static const limn_matrix_units kinds[] = {LIMN_MATRIX_CDNA, LIMN_MATRIX_XMX8};
    static const limn_desc in[3] = {
        {LIMN_F32, 2, {70, 83}}, {LIMN_F32, 2, {67, 83}}, {LIMN_F32, 1, {67}}};
    (void)state;
    limn_device_limits *limits =
        (limn_device_limits *)(uintptr_t)limn_device_get_limits(the.device);
    const limn_matrix_units stand_in = limits->matrix_stand_in;
    limn_device_allow_half(the.device, ~0u);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        limn_op_check seen;
        limits->matrix_stand_in = kinds[i];
        assert_int_equal(
            limn_op_check_run(the.device, limn_op_find("linear"), "impl=2", in, 3, 1, NULL, &seen),
            LIMN_OK);
        assert_true(seen.forward_error > 0 && seen.forward_error < 1e-3);
        assert_true(seen.backward_error > 0 && seen.backward_error < 2e-3);
        assert_true(seen.guards_intact && seen.repeats);
    }
    limits->matrix_stand_in = stand_in;
    limn_device_allow_half(the.device, 0);
}

/* Whatever the device is: what stands in is right, units pass where they are, and on a CPU device
 * nobody looks for them. */
static void the_device_itself_has_those_that_its_probe_passes(void **state)
{
    (void)state;
    const limn_device_limits *limits = limn_device_get_limits(the.device);
    limn_matrix_units first = LIMN_MATRIX_NONE;
    for (int i = LIMN_MATRIX_KINDS - 1; i > LIMN_MATRIX_NONE; i--) {
        bool right = false;
        assert_int_equal(limn_matrix_probe(the.device, (limn_matrix_units)i, true, &right),
                         LIMN_OK);
        assert_true(right);
        if (!limn_matrix_suits(limits, (limn_matrix_units)i))
            continue;
        const limn_status status =
            limn_matrix_probe(the.device, (limn_matrix_units)i, false, &right);
        assert_true(status == LIMN_OK || !right);
        limn_error_clear(the.ctx);
        if (right)
            first = (limn_matrix_units)i;
    }
    assert_int_equal(limn_matrix_find(the.device), LIMN_OK);
    assert_int_equal(limits->matrix_units, limits->is_cpu ? LIMN_MATRIX_NONE : first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_found_by_its_probe),
        cmocka_unit_test(units_that_compute_wrong_are_left_out),
        cmocka_unit_test(sub_groups_of_another_size_are_not_tried),
        cmocka_unit_test(linear_layers_take_other_kinds),
        cmocka_unit_test(the_device_itself_has_those_that_its_probe_passes),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
