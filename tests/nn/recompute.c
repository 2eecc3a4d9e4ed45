/* Training graphs that make values again in backward: the same bits in less memory. */
#include "nn/model.h"

#include "base/memory.h"
#include "support_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

enum { BATCH = 8, SIDE = 16, STEPS = 2 };

/* What a run leaves: logits, then every gradient and every parameter, running statistics too. */
typedef struct result {
    float *values;
    size_t count, capacity;
    size_t memory;
} result;

static void append(result *r, const limn_tensor *tensor)
{
    const size_t count = (size_t)limn_desc_count(&tensor->desc);
    while (r->capacity < r->count + count) {
        r->capacity = 2 * r->capacity + count;
        r->values = limn_realloc(r->values, r->capacity, sizeof *r->values);
        assert_non_null(r->values);
    }
    assert_int_equal(limn_tensor_read(tensor, r->values + r->count), LIMN_OK);
    r->count += count;
}

static void fill(limn_tensor *tensor, unsigned seed)
{
    const size_t count = (size_t)limn_desc_count(&tensor->desc);
    float *values = limn_calloc(count, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(((unsigned)i * 7919u + seed) * 2654435761u >> 8) / 8388608.0f - 1.0f;
    assert_int_equal(limn_tensor_write(tensor, values), LIMN_OK);
    limn_free(values);
}

static void build(limn_model *model, bool recompute, limn_graph *g, limn_node *images,
                  limn_node *parameters, limn_node *logits)
{
    const limn_desc desc = limn_desc_make(LIMN_F32, 4, BATCH, SIDE, SIDE, 3);
    const limn_build_options options = {.train_encoder = true, .classifier = true};
    limn_model_nodes nodes;
    assert_int_equal(limn_graph_input(g, "images", &desc, images), LIMN_OK);
    assert_int_equal(limn_model_build(model, g, *images, &options, &nodes, parameters), LIMN_OK);
    for (int i = 0; i < model->parameter_count; i++)
        if (model->parameters[i].trained && parameters[i] >= 0)
            assert_int_equal(limn_graph_want_gradient(g, parameters[i]), LIMN_OK);
    assert_int_equal(limn_graph_want_gradient(g, *images), LIMN_OK);
    if (recompute)
        assert_int_equal(limn_graph_recompute(g), LIMN_OK);
    *logits = nodes.logits;
    assert_int_equal(limn_graph_compile(g, *logits), LIMN_OK);
}

static void run(const char *arch, bool recompute, result *r)
{
    const limn_model_params params = {.arch = arch, .channels = 3, .class_count = 5, .seed = 3};
    limn_model *model;
    limn_graph *g;
    limn_node images, logits;
    *r = (result){0};
    assert_int_equal(limn_model_create(the.device, &params, &model), LIMN_OK);
    limn_node *parameters = limn_calloc((size_t)model->parameter_count, sizeof *parameters);
    assert_non_null(parameters);
    assert_int_equal(limn_graph_create(the.device, &g), LIMN_OK);
    build(model, recompute, g, &images, parameters, &logits);
    for (unsigned step = 0; step < STEPS; step++) {
        fill(limn_graph_tensor(g, images), 17 + step);
        fill(limn_graph_gradient(g, logits), 23 + step);
        assert_int_equal(limn_graph_forward(g), LIMN_OK);
        assert_int_equal(limn_graph_backward(g), LIMN_OK);
        append(r, limn_graph_tensor(g, logits));
        append(r, limn_graph_gradient(g, images));
        for (int i = 0; i < model->parameter_count; i++) {
            append(r, model->parameters[i].tensor);
            if (model->parameters[i].trained)
                append(r, limn_graph_gradient(g, parameters[i]));
        }
    }
    r->memory = limn_graph_get_cost(g).memory;
    limn_graph_destroy(&g);
    limn_free(parameters);
    limn_model_destroy(&model);
}

static void recomputing_gives_the_same_bits_in_less_memory(void **state)
{
    static const struct {
        const char *arch;
        double most; /* of the memory without, gradients among it */
    } cases[] = {{"cifar-resnet20", 0.85}, {"cnn-small", 0.99}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        result plain, again;
        run(cases[i].arch, false, &plain);
        run(cases[i].arch, true, &again);
        assert_int_equal(plain.count, again.count);
        assert_memory_equal(plain.values, again.values, plain.count * sizeof *plain.values);
        print_message("%s: %zu bytes, %zu where values are made again\n", cases[i].arch,
                      plain.memory, again.memory);
        assert_true((double)again.memory <= cases[i].most * (double)plain.memory);
        limn_free(plain.values);
        limn_free(again.values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recomputing_gives_the_same_bits_in_less_memory),
    };
    return cmocka_run_group_tests_name("recompute", tests, open_device, close_device);
}
