/* Graphs: gradients where values are shared, memory that is reused, and what goes wrong. */
#include "graph/graph.h"

#include "base/memory.h"
#include "support_device.h"
#include "support_faults.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { N = 2, C = 8 };

static int open_faulty_device(void **state)
{
    return open_device_by(state, faults_api());
}

static limn_desc rows(void)
{
    return limn_desc_make(LIMN_F32, 2, N, C, 0, 0);
}

/* y = relu(x); z = y + x; w = z + z; v = w + y: every kind of sharing.  v = 3 y + 2 x. */
static limn_status build_shared(limn_graph *g, limn_node *x, limn_node *v)
{
    const limn_desc desc = rows();
    limn_node y, z, w;
    limn_status status = limn_graph_input(g, "x", &desc, x);
    if (status == LIMN_OK)
        status = limn_graph_apply(g, "relu", "y", x, 1, &y, " ");
    if (status == LIMN_OK)
        status = limn_graph_apply(g, "add", "z", (limn_node[]){y, *x}, 2, &z, " ");
    if (status == LIMN_OK)
        status = limn_graph_apply(g, "add", "w", (limn_node[]){z, z}, 2, &w, " ");
    if (status == LIMN_OK)
        status = limn_graph_apply(g, "add", "v", (limn_node[]){w, y}, 2, v, " ");
    return status;
}

static limn_status run_shared(limn_device *device, bool keep_all, float *value, float *gradient)
{
    limn_graph *g = NULL;
    limn_node x, v;
    float in[N * C], ones[N * C];
    for (int i = 0; i < N * C; i++) {
        in[i] = (float)(i - 5) * 0.5f;
        ones[i] = 1;
    }
    limn_status status = limn_graph_create(device, &g);
    if (status == LIMN_OK)
        status = build_shared(g, &x, &v);
    if (status == LIMN_OK)
        status = limn_graph_want_gradient(g, x);
    for (int i = 0; keep_all && i < v && status == LIMN_OK; i++)
        status = limn_graph_keep(g, i);
    if (status == LIMN_OK)
        status = limn_graph_compile(g, v);
    if (status == LIMN_OK)
        status = limn_tensor_write(limn_graph_tensor(g, x), in);
    if (status == LIMN_OK)
        status = limn_tensor_write(limn_graph_gradient(g, v), ones);
    if (status == LIMN_OK)
        status = limn_graph_forward(g);
    if (status == LIMN_OK)
        status = limn_graph_backward(g);
    if (status == LIMN_OK)
        status = limn_tensor_read(limn_graph_tensor(g, v), value);
    if (status == LIMN_OK)
        status = limn_tensor_read(limn_graph_gradient(g, x), gradient);
    limn_graph_destroy(&g);
    return status;
}

static void check_shared(const float *value, const float *gradient)
{
    for (int i = 0; i < N * C; i++) {
        const float x = (float)(i - 5) * 0.5f, y = x > 0 ? x : 0;
        assert_true(value[i] == 2 * (y + x) + y);
        assert_true(gradient[i] == (x > 0 ? 5.0f : 2.0f));
    }
}

static void shared_values_sum_their_gradients(void **state)
{
    const rig *r = *state;
    float value[N * C], gradient[N * C];
    for (int keep_all = 0; keep_all < 2; keep_all++) {
        assert_int_equal(run_shared(r->device, keep_all, value, gradient), LIMN_OK);
        check_shared(value, gradient);
    }
}

/* A long chain must not take memory in proportion to its length. */
static void a_chain_reuses_memory(void **state)
{
    const rig *r = *state;
    const limn_desc desc = limn_desc_make(LIMN_F32, 2, 64, 64, 0, 0);
    size_t memory[2];
    for (int which = 0; which < 2; which++) {
        limn_graph *g;
        limn_node x;
        assert_int_equal(limn_graph_create(r->device, &g), LIMN_OK);
        assert_int_equal(limn_graph_input(g, "x", &desc, &x), LIMN_OK);
        for (int i = 0; i < 4 + 60 * which; i++) {
            const limn_node both[2] = {x, x};
            assert_int_equal(
                limn_graph_apply(g, i % 2 ? "add" : "relu", NULL, both, 1 + i % 2, &x, " "),
                LIMN_OK);
        }
        assert_int_equal(limn_graph_keep(g, x), LIMN_OK);
        assert_int_equal(limn_graph_compile(g, -1), LIMN_OK);
        memory[which] = limn_graph_get_cost(g).memory;
        limn_graph_destroy(&g);
    }
    assert_int_equal(memory[0], memory[1]);
}

static void mistakes_are_named(void **state)
{
    const rig *r = *state;
    limn_graph *g;
    limn_node x, y, z;
    const limn_desc desc = rows(), other = limn_desc_make(LIMN_F32, 2, N, C + 1, 0, 0);
    assert_int_equal(limn_graph_create(r->device, &g), LIMN_OK);
    assert_int_equal(limn_graph_input(g, "x", &desc, &x), LIMN_OK);
    assert_int_equal(limn_graph_input(g, "y", &other, &y), LIMN_OK);
    assert_int_equal(limn_graph_input(g, "x", &desc, &z), LIMN_BAD_USAGE);
    assert_int_equal(limn_graph_apply(g, "no_such_op", NULL, &x, 1, &z, " "), LIMN_BAD_USAGE);
    assert_int_equal(limn_graph_apply(g, "add", "here", (limn_node[]){x, y}, 2, &z, " "),
                     LIMN_BAD_USAGE);
    assert_non_null(strstr(limn_error_text(r->ctx), "here"));
    assert_int_equal(limn_graph_apply(g, "relu", NULL, &x, 1, &z, "no_such=1"), LIMN_BAD_USAGE);
    assert_int_equal(limn_graph_apply(g, "relu", NULL, (limn_node[]){99}, 1, &z, " "),
                     LIMN_BAD_USAGE);
    assert_int_equal(limn_graph_find(g, "nowhere"), -1);
    limn_graph_destroy(&g);
}

static void every_driver_fault_is_an_error(void **state)
{
    const rig *r = *state;
    float value[N * C], gradient[N * C];
    faults_set(0, false, 0);
    assert_int_equal(run_shared(r->device, false, value, gradient), LIMN_OK);
    limn_device_trim(r->device);
    const unsigned long calls = faults_set(0, false, 0);
    assert_true(calls > 10);
    for (int lasting = 0; lasting < 2; lasting++)
        for (unsigned long nth = 1; nth <= calls; nth++) {
            limn_device_trim(r->device);
            faults_set(nth, lasting, CL_OUT_OF_RESOURCES);
            const limn_status status = run_shared(r->device, false, value, gradient);
            const unsigned long made = faults_set(0, false, 0);
            /* One refused allocation is tried again after the pool was emptied. */
            if (status == LIMN_OK)
                check_shared(value, gradient);
            else
                assert_true(*limn_error_text(r->ctx));
            assert_true(made >= nth);
        }
    assert_int_equal(run_shared(r->device, false, value, gradient), LIMN_OK);
    check_shared(value, gradient);
}

static void a_full_device_is_said(void **state)
{
    const rig *r = *state;
    float value[N * C], gradient[N * C];
    limn_device_trim(r->device);
    faults_set(1, true, CL_MEM_OBJECT_ALLOCATION_FAILURE);
    const limn_status status = run_shared(r->device, false, value, gradient);
    faults_set(0, false, 0);
    assert_int_equal(status, LIMN_OUT_OF_DEVICE_MEMORY);
    assert_non_null(strstr(limn_error_text(r->ctx), "out of device memory"));
}

static void every_failed_allocation_is_an_error(void **state)
{
    const rig *r = *state;
    float value[N * C], gradient[N * C];
    limn_memory_fail_at(0, false);
    assert_int_equal(run_shared(r->device, false, value, gradient), LIMN_OK);
    const unsigned long made = limn_memory_fail_at(0, false);
    for (unsigned long nth = 1; nth <= made; nth++) {
        limn_memory_fail_at(nth, false);
        const limn_status status = run_shared(r->device, false, value, gradient);
        limn_memory_fail_at(0, false);
        /* Returning a buffer to the pool needs memory; without it the buffer is released. */
        if (status != LIMN_OK)
            assert_int_equal(status, LIMN_FAILED);
    }
    assert_int_equal(run_shared(r->device, false, value, gradient), LIMN_OK);
    check_shared(value, gradient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_values_sum_their_gradients),
        cmocka_unit_test(a_chain_reuses_memory),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(every_driver_fault_is_an_error),
        cmocka_unit_test(a_full_device_is_said),
        cmocka_unit_test(every_failed_allocation_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_faulty_device, close_device);
}
