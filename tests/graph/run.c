/* What ops prepare from their filters: once in a frozen graph, in every run elsewhere. */
#include "graph/internal.h"

#include "support_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

enum { N = 2, SIDE = 5, CHANNELS = 8, FILTERS = 16, TAPS = 9 };
enum { X_COUNT = N * SIDE * SIDE * CHANNELS, W_COUNT = FILTERS * CHANNELS * TAPS };
enum { Y_COUNT = N * SIDE * SIDE * FILTERS };

/* y = conv(x, w), w an extern or an input. */
typedef struct network {
    limn_graph *g;
    limn_tensor *filters;
    limn_node x, w, y;
} network;

static void build(const rig *r, bool frozen, bool given, network *net)
{
    const limn_desc x = limn_desc_make(LIMN_F32, 4, N, SIDE, SIDE, CHANNELS);
    const limn_desc w = limn_desc_make(LIMN_F32, 4, FILTERS, CHANNELS, 3, 3);
    static float values[X_COUNT];
    for (int i = 0; i < X_COUNT; i++)
        values[i] = (float)(i % 7 - 3);
    *net = (network){.w = -1};
    assert_int_equal(limn_graph_create(r->device, &net->g), LIMN_OK);
    assert_int_equal(limn_graph_input(net->g, "x", &x, &net->x), LIMN_OK);
    assert_int_equal(limn_tensor_create(r->device, &w, &net->filters), LIMN_OK);
    if (given)
        assert_int_equal(limn_graph_input(net->g, "w", &w, &net->w), LIMN_OK);
    else
        assert_int_equal(limn_graph_extern(net->g, "w", net->filters, &net->w), LIMN_OK);
    const limn_node in[2] = {net->x, net->w};
    assert_int_equal(limn_graph_apply(net->g, "conv2d", "conv", in, 2, &net->y, "pad=1"), LIMN_OK);
    assert_int_equal(limn_graph_keep(net->g, net->y), LIMN_OK);
    if (frozen)
        assert_int_equal(limn_graph_freeze(net->g), LIMN_OK);
    assert_int_equal(limn_graph_compile(net->g, -1), LIMN_OK);
    assert_int_equal(limn_tensor_write(limn_graph_tensor(net->g, net->x), values), LIMN_OK);
}

static void destroy(network *net)
{
    limn_graph_destroy(&net->g);
    limn_tensor_destroy(&net->filters);
}

/* Filters of one value; what the second pixel of the second row then becomes. */
static float run(network *net, float value)
{
    static float w[W_COUNT], y[Y_COUNT];
    for (int i = 0; i < W_COUNT; i++)
        w[i] = value;
    assert_int_equal(limn_tensor_write(limn_graph_tensor(net->g, net->w), w), LIMN_OK);
    assert_int_equal(limn_graph_forward(net->g), LIMN_OK);
    assert_int_equal(limn_tensor_read(limn_graph_tensor(net->g, net->y), y), LIMN_OK);
    return y[(SIDE + 1) * FILTERS];
}

static float expected(float value)
{
    float sum = 0;
    for (int h = 0; h < 3; h++)
        for (int w = 0; w < 3; w++)
            for (int c = 0; c < CHANNELS; c++)
                sum += (float)(((h * SIDE + w) * CHANNELS + c) % 7 - 3) * value;
    return sum;
}

static void changed_filters_count_at_once(void **state)
{
    for (int given = 0; given < 2; given++) {
        network net;
        build(*state, given, given, &net); /* an input is never taken for constant */
        assert_true(expected(1) != 0);
        assert_true(run(&net, 1) == expected(1));
        assert_true(run(&net, 2) == expected(2));
        assert_true(run(&net, -1) == expected(-1));
        destroy(&net);
    }
}

static void a_frozen_graph_prepares_once(void **state)
{
    network net;
    build(*state, true, false, &net);
    assert_true(run(&net, 1) == expected(1));
    const float stale = run(&net, 2);
    assert_true(stale == expected(1)); /* the device's form of it packs its filters */
    limn_graph_refresh(net.g);
    assert_true(run(&net, 2) == expected(2));
    assert_true(run(&net, 3) == expected(2));
    destroy(&net);
}

static void freezing_comes_before_compiling(void **state)
{
    const rig *r = *state;
    network net;
    build(r, false, false, &net);
    assert_int_equal(limn_graph_freeze(net.g), LIMN_BAD_USAGE);
    destroy(&net);
}

/* Filters beyond 16 MiB that outweigh a quarter of every value are not kept twice. */
static void what_lasts_is_not_larger_than_the_values(void **state)
{
    const rig *r = *state;
    const limn_desc x = limn_desc_make(LIMN_F32, 4, 1, 2, 2, 1024);
    const limn_desc w[2] = {limn_desc_make(LIMN_F32, 4, 1024, 1024, 3, 3),
                            limn_desc_make(LIMN_F32, 4, 16, 1024, 1, 1)};
    limn_tensor *filters[2];
    limn_graph *g;
    limn_node in[2], y;
    assert_int_equal(limn_graph_create(r->device, &g), LIMN_OK);
    assert_int_equal(limn_graph_input(g, "x", &x, &in[0]), LIMN_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(limn_tensor_create(r->device, &w[i], &filters[i]), LIMN_OK);
        assert_int_equal(limn_graph_extern(g, NULL, filters[i], &in[1]), LIMN_OK);
        assert_int_equal(limn_graph_apply(g, "conv2d", NULL, in, 2, &y, "pad=%d", 1 - i), LIMN_OK);
        in[0] = y;
    }
    assert_int_equal(limn_graph_freeze(g), LIMN_OK);
    assert_int_equal(limn_graph_compile(g, -1), LIMN_OK);
    assert_true(g->steps[0].prepares && !g->steps[0].lasts);
    assert_true(g->steps[1].prepares && g->steps[1].lasts);
    limn_graph_destroy(&g);
    for (int i = 0; i < 2; i++)
        limn_tensor_destroy(&filters[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changed_filters_count_at_once),
        cmocka_unit_test(a_frozen_graph_prepares_once),
        cmocka_unit_test(freezing_comes_before_compiling),
        cmocka_unit_test(what_lasts_is_not_larger_than_the_values),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
