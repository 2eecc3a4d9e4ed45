/* Fusion: where chains are replaced, where they must not be, and that the numbers stay. */
#include "graph/internal.h"

#include "support_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROWS = 37, C = 20, COUNT = ROWS * C };

/* ---- y = relu(batch_norm(x) [+ residual]) -------------------------------------------------------
 */

enum { WEIGHT, BIAS, MEAN, VARIANCE, PARTS };

typedef struct block {
    limn_graph *g;
    limn_tensor *parts[PARTS];
    limn_node x, residual, part[PARTS], norm, sum, y;
} block;

typedef struct options {
    bool train, residual, swapped, part_gradients, x_gradient, apart;
} options;

/* Everything that a run leaves behind. */
typedef struct results {
    float y[COUNT], x_gradient[COUNT], residual_gradient[COUNT], parts[PARTS][C],
        part_gradients[2][C];
} results;

static float value(int which, int i)
{
    const unsigned mixed = (unsigned)(i * 7919 + which * 104729) * 2654435761u;
    return (float)(mixed >> 8) / 8388608.0f - 1.0f;
}

static void write_values(limn_tensor *tensor, int which)
{
    float values[COUNT];
    for (int i = 0; i < COUNT; i++)
        values[i] = which == VARIANCE ? 0.5f + value(which, i) * value(which, i) : value(which, i);
    assert_int_equal(limn_tensor_write(tensor, values), LIMN_OK);
}

static void build_block(const rig *r, const options *o, block *b)
{
    const limn_desc rows = limn_desc_make(LIMN_F32, 2, ROWS, C, 0, 0);
    const limn_desc part = limn_desc_make(LIMN_F32, 1, C, 0, 0, 0);
    *b = (block){.residual = -1};
    assert_int_equal(limn_graph_create(r->device, &b->g), LIMN_OK);
    assert_int_equal(limn_graph_input(b->g, "x", &rows, &b->x), LIMN_OK);
    limn_node in[5] = {b->x};
    for (int i = 0; i < PARTS; i++) {
        assert_int_equal(limn_tensor_create(r->device, &part, &b->parts[i]), LIMN_OK);
        write_values(b->parts[i], i);
        assert_int_equal(limn_graph_extern(b->g, NULL, b->parts[i], &b->part[i]), LIMN_OK);
        in[1 + i] = b->part[i];
    }
    assert_int_equal(
        limn_graph_apply(b->g, "batch_norm", "bn", in, 5, &b->norm, "train=%d", o->train), LIMN_OK);
    b->sum = b->norm;
    if (o->residual) {
        assert_int_equal(limn_graph_input(b->g, "residual", &rows, &b->residual), LIMN_OK);
        const limn_node both[2] = {o->swapped ? b->residual : b->norm,
                                   o->swapped ? b->norm : b->residual};
        assert_int_equal(limn_graph_apply(b->g, "add", NULL, both, 2, &b->sum, " "), LIMN_OK);
    }
    assert_int_equal(limn_graph_apply(b->g, "relu", "block", &b->sum, 1, &b->y, " "), LIMN_OK);
}

static void free_block(block *b)
{
    limn_graph_destroy(&b->g);
    for (int i = 0; i < PARTS; i++)
        limn_tensor_destroy(&b->parts[i]);
}

static void read_gradient(block *b, limn_node node, float *out)
{
    limn_tensor *gradient = limn_graph_gradient(b->g, node);
    if (gradient)
        assert_int_equal(limn_tensor_read(gradient, out), LIMN_OK);
}

static void run_block(const rig *r, const options *o, int steps, results *out)
{
    block b;
    memset(out, 0, sizeof *out);
    build_block(r, o, &b);
    if (o->apart)
        assert_int_equal(limn_graph_keep(b.g, b.norm), LIMN_OK);
    if (o->x_gradient)
        assert_int_equal(limn_graph_want_gradient(b.g, b.x), LIMN_OK);
    if (o->residual)
        assert_int_equal(limn_graph_want_gradient(b.g, b.residual), LIMN_OK);
    for (int i = WEIGHT; o->part_gradients && i <= BIAS; i++)
        assert_int_equal(limn_graph_want_gradient(b.g, b.part[i]), LIMN_OK);
    assert_int_equal(limn_graph_compile(b.g, b.y), LIMN_OK);
    assert_int_equal(b.g->apply_count, steps);
    write_values(limn_graph_tensor(b.g, b.x), 5);
    if (o->residual)
        write_values(limn_graph_tensor(b.g, b.residual), 6);
    write_values(limn_graph_gradient(b.g, b.y), 7);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(limn_graph_forward(b.g), LIMN_OK);
        assert_int_equal(limn_graph_backward(b.g), LIMN_OK);
    }
    assert_int_equal(limn_tensor_read(limn_graph_tensor(b.g, b.y), out->y), LIMN_OK);
    read_gradient(&b, b.x, out->x_gradient);
    if (o->residual)
        read_gradient(&b, b.residual, out->residual_gradient);
    for (int i = 0; i < PARTS; i++)
        assert_int_equal(limn_tensor_read(b.parts[i], out->parts[i]), LIMN_OK);
    for (int i = WEIGHT; i <= BIAS; i++)
        read_gradient(&b, b.part[i], out->part_gradients[i]);
    free_block(&b);
}

/* In one op and in two or three: the same bits, whichever gradients are asked for. */
static void a_fused_block_gives_the_same_bits(void **state)
{
    static const options all[] = {
        {.train = true, .part_gradients = true, .x_gradient = true},
        {.train = false, .part_gradients = true, .x_gradient = true},
        {.train = false, .x_gradient = true},
        {.train = true, .residual = true, .part_gradients = true, .x_gradient = true},
        {.train = true, .residual = true, .swapped = true, .part_gradients = true},
        {.train = true, .residual = true},
        {.train = false, .residual = true, .part_gradients = true, .x_gradient = true},
        {.train = false, .residual = true, .x_gradient = true},
        {.train = false, .residual = true},
    };
    static results fused, apart;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        options o = all[i];
        run_block(*state, &o, 1, &fused);
        o.apart = true;
        run_block(*state, &o, o.residual ? 3 : 2, &apart);
        assert_memory_equal(&fused, &apart, sizeof fused);
        int positive = 0;
        for (int k = 0; k < COUNT; k++)
            positive += fused.y[k] > 0;
        assert_in_range(positive, COUNT / 4, COUNT * 3 / 4);
    }
}

static int applies_after(block *b, limn_node root)
{
    assert_int_equal(limn_graph_compile(b->g, root), LIMN_OK);
    const int count = b->g->apply_count;
    free_block(b);
    return count;
}

/* What somebody may ask for is computed. */
static void a_wanted_node_is_never_swallowed(void **state)
{
    const options o = {.train = true, .residual = true};
    block b;
    limn_node z;
    build_block(*state, &o, &b);
    assert_int_equal(limn_graph_keep(b.g, b.norm), LIMN_OK);
    assert_int_equal(applies_after(&b, -1), 3);

    build_block(*state, &o, &b);
    assert_int_equal(limn_graph_keep(b.g, b.sum), LIMN_OK);
    assert_int_equal(applies_after(&b, -1), 3);

    build_block(*state, &o, &b);
    assert_int_equal(limn_graph_want_gradient(b.g, b.sum), LIMN_OK);
    assert_int_equal(applies_after(&b, b.y), 3);

    build_block(*state, &o, &b);
    assert_int_equal(limn_graph_want_gradient(b.g, b.x), LIMN_OK);
    assert_int_equal(applies_after(&b, b.sum), 3);

    build_block(*state, &o, &b); /* read by something else */
    assert_int_equal(limn_graph_apply(b.g, "relu", NULL, &b.norm, 1, &z, " "), LIMN_OK);
    assert_int_equal(applies_after(&b, -1), 4);

    build_block(*state, &o, &b); /* the end may be anything */
    assert_int_equal(limn_graph_keep(b.g, b.y), LIMN_OK);
    assert_int_equal(applies_after(&b, -1), 1);
}

/* A second batch norm over the same running statistics stays after the first. */
static void updates_keep_their_order(void **state)
{
    const options o = {.train = true};
    block b;
    build_block(*state, &o, &b);
    const limn_node in[5] = {b.x, b.part[0], b.part[1], b.part[2], b.part[3]};
    limn_node second, y, norm;
    assert_int_equal(limn_graph_apply(b.g, "batch_norm", "n", in, 5, &norm, "train=1"), LIMN_OK);
    assert_int_equal(limn_graph_apply(b.g, "batch_norm", "m", in, 5, &second, "train=0"), LIMN_OK);
    assert_int_equal(limn_graph_apply(b.g, "relu", NULL, &norm, 1, &y, " "), LIMN_OK);
    assert_int_equal(limn_graph_compile(b.g, -1), LIMN_OK);
    assert_int_equal(b.g->apply_count, 4); /* bn with its relu; n, m and the other relu alone */
    assert_string_equal(b.g->applies[0].name, "bn");
    assert_string_equal(b.g->applies[1].name, "n");
    free_block(&b);
}

/* Names still find their nodes, and the step has the first module's. */
static void names_survive(void **state)
{
    const options o = {.train = false, .residual = true};
    block b;
    build_block(*state, &o, &b);
    assert_int_equal(limn_graph_keep(b.g, b.y), LIMN_OK);
    assert_int_equal(limn_graph_compile(b.g, -1), LIMN_OK);
    assert_int_equal(b.g->step_count, 1);
    assert_string_equal(b.g->steps[0].name, "bn");
    assert_int_equal(limn_graph_find(b.g, "bn"), b.norm);
    assert_int_equal(limn_graph_find(b.g, "block"), b.y);
    assert_true(limn_graph_is_output(b.g, b.norm));
    assert_null(limn_graph_tensor(b.g, b.norm));
    assert_non_null(limn_graph_tensor(b.g, b.y));
    free_block(&b);
}

/* ---- conv2d, batch_norm [, add], [relu] without backward ----------------------------------------
 */

enum { FILTERS = 24, SIDE = 6, IN_COUNT = 2 * SIDE * SIDE * C, W_COUNT = FILTERS * C * 9 };
enum { OUT_COUNT = 2 * SIDE * SIDE * FILTERS };

typedef struct convolution {
    bool residual, relu, train, backward, apart, frozen;
    bool passing; /* nobody reads the residual afterwards: the result takes its place */
    int impl;
} convolution;

static void fill(limn_tensor *tensor, int which)
{
    const int64_t count = limn_desc_count(&tensor->desc);
    float *values = calloc((size_t)count, sizeof *values);
    assert_non_null(values);
    for (int i = 0; i < count; i++)
        values[i] = which == VARIANCE ? 0.5f + value(which, i) * value(which, i) : value(which, i);
    assert_int_equal(limn_tensor_write(tensor, values), LIMN_OK);
    free(values);
}

/* Returns how many ops are left. */
static int run_convolution(const rig *r, const convolution *o, float out[OUT_COUNT])
{
    const limn_desc x = limn_desc_make(LIMN_F32, 4, 2, SIDE, SIDE, C);
    const limn_desc filters = limn_desc_make(LIMN_F32, 4, FILTERS, C, 3, 3);
    const limn_desc part = limn_desc_make(LIMN_F32, 1, FILTERS, 0, 0, 0);
    const limn_desc y = limn_desc_make(LIMN_F32, 4, 2, SIDE, SIDE, FILTERS);
    limn_graph *g;
    limn_tensor *tensors[PARTS + 1] = {NULL};
    limn_node in[2], norm[5], node, residual = -1, added, conv;
    assert_int_equal(limn_graph_create(r->device, &g), LIMN_OK);
    assert_int_equal(limn_graph_input(g, "x", &x, &in[0]), LIMN_OK);
    for (int i = 0; i <= PARTS; i++) {
        assert_int_equal(limn_tensor_create(r->device, i < PARTS ? &part : &filters, &tensors[i]),
                         LIMN_OK);
        fill(tensors[i], i);
        assert_int_equal(limn_graph_extern(g, NULL, tensors[i], i < PARTS ? &norm[i + 1] : &in[1]),
                         LIMN_OK);
    }
    if (o->residual) {
        assert_int_equal(limn_graph_input(g, "residual", &y, &residual), LIMN_OK);
        added = residual;
        if (o->passing)
            assert_int_equal(limn_graph_apply(g, "relu", NULL, &residual, 1, &added, " "), LIMN_OK);
    }
    assert_int_equal(limn_graph_apply(g, "conv2d", "conv1", in, 2, &conv, "pad=1 impl=%d", o->impl),
                     LIMN_OK);
    norm[0] = conv;
    assert_int_equal(
        limn_graph_apply(g, "batch_norm", "bn1", norm, 5, &node, "eps=0.01 train=%d", o->train),
        LIMN_OK);
    if (o->residual)
        assert_int_equal(
            limn_graph_apply(g, "add", NULL, (limn_node[]){added, node}, 2, &node, " "), LIMN_OK);
    if (o->relu)
        assert_int_equal(limn_graph_apply(g, "relu", "block", &node, 1, &node, " "), LIMN_OK);
    assert_int_equal(limn_graph_keep(g, node), LIMN_OK);
    if (o->apart)
        assert_int_equal(limn_graph_keep(g, conv), LIMN_OK);
    if (o->backward)
        assert_int_equal(limn_graph_want_gradient(g, in[1]), LIMN_OK);
    if (o->frozen)
        assert_int_equal(limn_graph_freeze(g), LIMN_OK);
    assert_int_equal(limn_graph_compile(g, o->backward ? node : -1), LIMN_OK);
    const int count = g->apply_count - o->passing;
    if (count == 1) {
        const limn_step *step = &g->steps[g->step_count - 1];
        assert_string_equal(step->op->name, "conv2d_norm");
        assert_string_equal(step->name, "conv1");
        assert_int_equal(o->passing, step->run.in_count > 6 &&
                                         step->run.in[6]->buffer == step->run.out[0]->buffer);
    }
    fill(limn_graph_tensor(g, in[0]), 5);
    if (o->residual)
        fill(limn_graph_tensor(g, residual), 6);
    for (int i = 0; i < 2; i++)
        assert_int_equal(limn_graph_forward(g), LIMN_OK);
    assert_int_equal(limn_tensor_read(limn_graph_tensor(g, node), out), LIMN_OK);
    limn_graph_destroy(&g);
    for (int i = 0; i <= PARTS; i++)
        limn_tensor_destroy(&tensors[i]);
    return count;
}

static void a_normalised_convolution_gives_the_same_bits(void **state)
{
    static float fused[OUT_COUNT], apart[OUT_COUNT];
    for (int i = 0; i < 8; i++) {
        const convolution together = {
            .relu = i & 1, .residual = i == 3 || i == 7, .frozen = i >= 4};
        convolution separate = together;
        separate.apart = true;
        assert_int_equal(run_convolution(*state, &together, fused), 1);
        assert_in_range(run_convolution(*state, &separate, apart), 2, 3);
        assert_memory_equal(fused, apart, sizeof fused);
    }
}

/* Every implementation that serves the case may write over the residual, one after the other. */
static void the_result_takes_the_place_of_the_residual(void **state)
{
    static float fused[OUT_COUNT], apart[OUT_COUNT];
    const rig *r = *state;
    const limn_op *op = limn_op_find("conv2d");
    const limn_desc in[2] = {limn_desc_make(LIMN_F32, 4, 2, SIDE, SIDE, C),
                             limn_desc_make(LIMN_F32, 4, FILTERS, C, 3, 3)};
    int64_t params[32];
    assert_true(op->params_size <= sizeof params);
    assert_int_equal(limn_op_parse(r->ctx, op, "pad=1", params), LIMN_OK);
    const limn_choice_case c = {r->device, params, in, 2};
    int served = 0;
    for (int which = 0; which < op->choices->count; which++) {
        char why[256];
        convolution o = {.relu = true, .residual = true, .passing = true, .impl = which + 1};
        op->choices->refusal(&c, 0, which, true, why, sizeof why);
        if (why[0])
            continue;
        assert_int_equal(run_convolution(r, &o, fused), 1);
        o.apart = true;
        assert_int_equal(run_convolution(r, &o, apart), 2);
        assert_memory_equal(fused, apart, sizeof fused);
        served++;
    }
    assert_true(served > 0);
}

/* Not where the statistics are the batch's, nor where a gradient has to come back. */
static void training_keeps_its_convolutions(void **state)
{
    static float out[OUT_COUNT];
    const convolution train = {.relu = true, .train = true};
    const convolution backward = {.relu = true, .backward = true};
    assert_int_equal(run_convolution(*state, &train, out), 2);
    assert_int_equal(run_convolution(*state, &backward, out), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fused_block_gives_the_same_bits),
        cmocka_unit_test(a_wanted_node_is_never_swallowed),
        cmocka_unit_test(updates_keep_their_order),
        cmocka_unit_test(names_survive),
        cmocka_unit_test(a_normalised_convolution_gives_the_same_bits),
        cmocka_unit_test(the_result_takes_the_place_of_the_residual),
        cmocka_unit_test(training_keeps_its_convolutions),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
