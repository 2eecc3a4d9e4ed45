/* Attribution on a device with little memory, and on one whose calls fail. */
#include "toy.h"

#include "support_faults.h"

extern const limn_attr_method limn_attr_gradcam, limn_attr_occlusion, limn_attr_rise;

enum { SIDE = 64, PIXELS = SIDE * SIDE, MANY_CALLS = 5000 };

static unsigned long failing_call;
static limn_cl_api driver;
static size_t largest_buffer; /* bytes; 0: any */
static int warnings;

static cl_mem CL_API_CALL limited(cl_context context, cl_mem_flags flags, size_t size, void *host,
                                  cl_int *code)
{
    if (!largest_buffer || size <= largest_buffer)
        return faults_api()->CreateBuffer(context, flags, size, host, code);
    *code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return NULL;
}

static void count_warnings(void *user, limn_log_level level, const char *text)
{
    (void)user;
    warnings += level == LIMN_LOG_WARNING && strstr(text, "no room") != NULL;
}

static int open_limited(void **state)
{
    (void)state;
    driver = *faults_api();
    driver.CreateBuffer = limited;
    if (limn_context_create(&(limn_context_params){.log = count_warnings}, &toy_context))
        return 1;
    limn_context_set_driver(toy_context, &driver);
    return limn_device_open(toy_context, NULL, &toy_device) != LIMN_OK;
}

/* Occlusion of a sum over a large image: 64 windows. */
static limn_status explain_sum(float *map)
{
    static float weights[PIXELS], image[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        weights[i] = (float)(i % 7) - 3;
        image[i] = (float)(i % 5);
    }
    const toy_function f = {
        .layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                   {"linear", NULL, {LIMN_F32, 2, {1, PIXELS}}, weights, 0, NULL}}};
    const limn_attribution_params p = {.window = {8, 8}, .stride = {8, 8}};
    return toy_explain(&f, &limn_attr_occlusion, &p, image, 1, (const int64_t[]){SIDE, SIDE, 1},
                       map);
}

static void little_memory_halves_the_batch(void **state)
{
    static float whole[PIXELS], halved[PIXELS];
    (void)state;
    assert_int_equal(explain_sum(whole), LIMN_OK);
    assert_int_equal(warnings, 0);
    limn_device_trim(toy_device);
    largest_buffer = 20 * PIXELS * sizeof(float); /* room for 16 images, not for 32 */
    assert_int_equal(explain_sum(halved), LIMN_OK);
    assert_int_equal(warnings, 2);
    assert_memory_equal(whole, halved, sizeof whole);
    limn_device_trim(toy_device);
    largest_buffer = 1000; /* not even for one */
    const limn_desc desc = {LIMN_F32, 1, {PIXELS}};
    limn_tensor *tensor = NULL;
    assert_int_equal(limn_tensor_create(toy_device, &desc, &tensor), LIMN_OUT_OF_DEVICE_MEMORY);
    largest_buffer = 0;
}

static void set_fault(bool begins)
{
    faults_set(begins ? failing_call : 0, true, CL_OUT_OF_RESOURCES);
}

/* Call 1, 2, ... and all after it fail while a method runs; nothing stays allocated. */
static void survives(const limn_attr_method *method, const limn_attribution_params *params)
{
    float map[16];
    uint64_t before, after, peak;
    limn_status status = LIMN_FAILED;
    unsigned long nth = 0;
    toy_before = set_fault;
    while (status != LIMN_OK && nth < MANY_CALLS) {
        limn_device_trim(toy_device);
        limn_device_memory(toy_device, &before, &peak);
        failing_call = ++nth;
        status = toy_explain(&toy_convnet, method, params, toy_squares, 1, toy_square, map);
        if (status != LIMN_OK)
            assert_true(strlen(limn_error_text(toy_context)) > 0);
        limn_device_trim(toy_device);
        limn_device_memory(toy_device, &after, &peak);
        assert_int_equal(before, after);
    }
    assert_int_equal(status, LIMN_OK);
    assert_true(nth > 10);
    toy_before = NULL;
}

static void methods_survive_every_call_that_fails(void **state)
{
    (void)state;
    survives(&limn_attr_gradcam, &(limn_attribution_params){0});
    survives(&limn_attr_occlusion,
             &(limn_attribution_params){.window = {2, 2}, .stride = {2, 2}, .batch = 2});
    survives(&limn_attr_rise,
             &(limn_attribution_params){.masks = 3, .grid = 2, .p = 0.5f, .batch = 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_memory_halves_the_batch),
        cmocka_unit_test(methods_survive_every_call_that_fails),
    };
    return cmocka_run_group_tests(tests, open_limited, toy_close);
}
