/* Models: what each architecture holds, weight files that fit and files that do not. */
#define _XOPEN_SOURCE 700
#include "nn/model.h"
#include "nn/weights.h"

#include "base/memory.h"
#include "support_device.h"
#include "support_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const char *path; /* of the test at hand */

static limn_model *create(const char *arch, int64_t channels, int classes, bool head)
{
    const limn_model_params params = {
        .arch = arch, .channels = channels, .class_count = classes, .head = head, .seed = 7};
    limn_model *model;
    assert_int_equal(limn_model_create(the.device, &params, &model), LIMN_OK);
    return model;
}

/* Counts from torchvision 0.14 (resnet18/34/50, 1000 classes) and from the CIFAR ResNets' authors
 * (He et al. 2016, table 6, counted exactly for option A and 10 classes). */
static void parameter_counts_are_those_of_the_literature(void **state)
{
    static const struct {
        const char *arch;
        int classes;
        int64_t count;
    } cases[] = {
        {"resnet18", 1000, 11689512},   {"resnet34", 1000, 21797672},
        {"resnet50", 1000, 25557032},   {"cifar-resnet20", 10, 269722},
        {"cifar-resnet56", 10, 853018},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_model *model = create(cases[i].arch, 3, cases[i].classes, false);
        assert_int_equal(limn_model_describe(model)->parameter_count, cases[i].count);
        limn_model_destroy(&model);
    }
}

static void names_are_those_of_torchvision(void **state)
{
    static const char *const names[] = {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv1.weight",
        "layer2.0.downsample.0.weight",
        "layer2.0.downsample.1.bias",
        "layer4.1.bn2.running_mean",
        "fc.weight",
        "fc.bias",
        "head.0.weight",
        "head.2.bias",
    };
    (void)state;
    limn_model *model = create("cifar-resnet18", 3, 10, true);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(limn_model_find(model, names[i]));
    assert_null(limn_model_find(model, "layer1.0.downsample.0.weight"));
    limn_model_destroy(&model);
    model = create("cnn-small", 1, 0, false);
    assert_non_null(limn_model_find(model, "layer3.conv.weight"));
    assert_null(limn_model_find(model, "fc.weight"));
    limn_model_destroy(&model);
}

static void unknown_names_suggest(void **state)
{
    const limn_model_params params = {.arch = "cifar-resnet21"};
    limn_model *model;
    (void)state;
    assert_int_equal(limn_model_create(the.device, &params, &model), LIMN_BAD_USAGE);
    assert_null(model);
    assert_non_null(strstr(limn_error_hint(the.ctx), "cifar-resnet20"));
}

static float *values_of(limn_model *model, const char *name, size_t *count)
{
    const limn_parameter *p = limn_model_find(model, name);
    assert_non_null(p);
    *count = (size_t)limn_desc_count(&p->tensor->desc);
    float *values = limn_calloc(*count, sizeof *values);
    assert_non_null(values);
    assert_int_equal(limn_tensor_read(p->tensor, values), LIMN_OK);
    return values;
}

/* Standard deviation sqrt(2 / (channels out x 9)) within four of its own standard errors. */
static void initial_values_have_the_right_spread(void **state)
{
    (void)state;
    limn_model *model = create("cnn-small", 3, 10, false);
    size_t count;
    float *w = values_of(model, "layer3.conv.weight", &count);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)w[i];
        squares += (double)w[i] * (double)w[i];
    }
    const double wanted = sqrt(2.0 / (128 * 9)), n = (double)count;
    assert_true(fabs(sum / n) < 4 * wanted / sqrt(n));
    assert_true(fabs(sqrt(squares / n) / wanted - 1) < 4 / sqrt(2 * n));
    limn_free(w);
    w = values_of(model, "fc.weight", &count);
    for (size_t i = 0; i < count; i++)
        assert_true(fabs((double)w[i]) <= 1 / sqrt(128.0));
    limn_free(w);
    limn_model_destroy(&model);
}

static void a_saved_model_loads_as_it_was(void **state)
{
    path = ((const fixture *)*state)->path;
    limn_model *a = create("cifar-resnet20", 1, 4, true), *b;
    assert_int_equal(limn_model_save(a, path), LIMN_OK);
    assert_int_equal(limn_model_load(the.device, path, NULL, &b), LIMN_OK);
    const limn_model_info *info = limn_model_describe(b);
    assert_string_equal(info->arch, "cifar-resnet20");
    assert_int_equal(info->channels, 1);
    assert_int_equal(info->class_count, 4);
    assert_int_equal(info->embedding, 128);
    assert_int_equal(strlen(info->digest), 32);
    assert_int_equal(a->parameter_count, b->parameter_count);
    for (int i = 0; i < a->parameter_count; i++) {
        size_t count, other;
        float *x = values_of(a, a->parameters[i].name, &count);
        float *y = values_of(b, a->parameters[i].name, &other);
        assert_int_equal(count, other);
        assert_memory_equal(x, y, count * sizeof *x);
        limn_free(x);
        limn_free(y);
    }
    limn_model_destroy(&a);
    limn_model_destroy(&b);
}

/* A file like the model's, changed on the way. */
typedef struct change {
    const char *skip;      /* left out */
    const char *from, *to; /* renamed */
    const char *extra;     /* added, of one value */
    const char *poison;    /* its first value becomes NaN */
    const char *flatten;   /* written with one extent */
    const char *prefix;    /* before every name */
} change;

static void write_changed(limn_model *m, const change *c)
{
    limn_safetensors_writer *w;
    assert_int_equal(limn_safetensors_writer_open(the.ctx, path, &w), LIMN_OK);
    assert_int_equal(limn_model_put_metadata(m, w), LIMN_OK);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < m->parameter_count; i++) {
            const limn_parameter *p = &m->parameters[i];
            if (c->skip && strcmp(c->skip, p->name) == 0)
                continue;
            const bool renamed = c->from && strcmp(c->from, p->name) == 0;
            limn_desc desc = p->tensor->desc;
            if (c->flatten && strcmp(c->flatten, p->name) == 0)
                desc = limn_desc_make(LIMN_F32, 1, limn_desc_count(&desc), 0, 0, 0);
            char *name = limn_format("%s%s", c->prefix ? c->prefix : "", renamed ? c->to : p->name);
            size_t count;
            float *values = values_of(m, p->name, &count);
            if (c->poison && strcmp(c->poison, p->name) == 0)
                values[0] = NAN;
            assert_int_equal(pass ? limn_safetensors_writer_data(w, values, count * sizeof *values)
                                  : limn_tensor_declare(w, name, &desc),
                             LIMN_OK);
            limn_free(values);
            limn_free(name);
        }
        const float one = 1;
        const limn_desc scalar = limn_desc_make(LIMN_F32, 1, 1, 0, 0, 0);
        if (c->extra)
            assert_int_equal(pass ? limn_safetensors_writer_data(w, &one, sizeof one)
                                  : limn_tensor_declare(w, c->extra, &scalar),
                             LIMN_OK);
        if (!pass)
            assert_int_equal(limn_safetensors_writer_begin(w, 0), LIMN_OK);
    }
    assert_int_equal(limn_safetensors_writer_finish(&w), LIMN_OK);
}

static limn_status load_changed(const change *c)
{
    limn_model *m = create("cnn-small", 1, 3, false), *loaded;
    write_changed(m, c);
    const limn_status status = limn_model_load(the.device, path, NULL, &loaded);
    assert_true((status == LIMN_OK) == (loaded != NULL));
    if (loaded)
        assert_int_equal(limn_model_describe(loaded)->class_count, 3);
    limn_model_destroy(&loaded);
    limn_model_destroy(&m);
    return status;
}

static void other_peoples_names_are_understood(void **state)
{
    path = ((const fixture *)*state)->path;
    static const change fine[] = {
        {.prefix = "module."},
        {.from = "fc.weight", .to = "linear.weight"},
        {.extra = "layer1.bn.num_batches_tracked"},
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        assert_int_equal(load_changed(&fine[i]), LIMN_OK);
}

static void every_mismatch_is_listed(void **state)
{
    path = ((const fixture *)*state)->path;
    static const struct {
        change change;
        const char *words[3];
    } cases[] = {
        {{.skip = "layer2.bn.weight"}, {"layer2.bn.weight is missing"}},
        {{.skip = "fc.bias", .extra = "stray"}, {"fc.bias is missing", "stray does not belong"}},
        {{.poison = "layer1.conv.weight"}, {"layer1.conv.weight holds 1 values that are NaN"}},
        {{.flatten = "layer1.conv.weight", .skip = "layer3.bn.bias", .extra = "x"},
         {"layer1.conv.weight is [288]", "layer3.bn.bias is missing", "x does not belong"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(load_changed(&cases[i].change), LIMN_BAD_INPUT);
        for (int w = 0; w < 3 && cases[i].words[w]; w++)
            assert_non_null(strstr(limn_error_text(the.ctx), cases[i].words[w]));
    }
}

/* Extents that no bytes stand behind must not make a large model. */
static void empty_giants_are_refused(void **state)
{
    path = ((const fixture *)*state)->path;
    static const struct {
        const char *name;
        uint64_t dim[2];
        const char *words;
    } cases[] = {
        {"fc.weight",
         {2000000000, 0},
         "fc.weight is [2000000000,0], the model needs [outputs,128]"},
        {"head.0.weight", {2000000000, 0}, "head.0.weight is [2000000000,0]"},
        {"linear.weight", {9, 5}, "fc.weight is [9,5]"},
        {"head.2.weight", {2000000000, 0}, "head.2.weight does not belong to it"},
    };
    limn_model *m = create("cnn-small", 1, 0, false), *loaded;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const float values[45];
        limn_safetensors_writer *w;
        assert_int_equal(limn_safetensors_writer_open(the.ctx, path, &w), LIMN_OK);
        assert_int_equal(limn_model_put_metadata(m, w), LIMN_OK);
        for (int k = 0; k < m->parameter_count; k++)
            assert_int_equal(
                limn_tensor_declare(w, m->parameters[k].name, &m->parameters[k].tensor->desc),
                LIMN_OK);
        assert_int_equal(limn_safetensors_writer_declare(w, cases[i].name, LIMN_SAFETENSORS_F32, 2,
                                                         cases[i].dim),
                         LIMN_OK);
        assert_int_equal(limn_safetensors_writer_begin(w, 0), LIMN_OK);
        for (int k = 0; k < m->parameter_count; k++)
            assert_int_equal(limn_tensor_append(the.ctx, w, m->parameters[k].tensor), LIMN_OK);
        const size_t bytes = (size_t)(cases[i].dim[0] * cases[i].dim[1]) * sizeof *values;
        assert_int_equal(limn_safetensors_writer_data(w, values, bytes), LIMN_OK);
        assert_int_equal(limn_safetensors_writer_finish(&w), LIMN_OK);
        assert_int_equal(limn_model_load(the.device, path, NULL, &loaded), LIMN_BAD_INPUT);
        assert_null(loaded);
        assert_non_null(strstr(limn_error_text(the.ctx), cases[i].words));
    }
    limn_model_destroy(&m);
}

static void normalisation_needs_a_number_a_channel(void **state)
{
    (void)state;
    static const struct {
        float mean[LIMN_MAX_CHANNELS], std[LIMN_MAX_CHANNELS];
        limn_status status;
    } cases[] = {
        {{0, 0.5f, 0}, {1, 1, 1}, LIMN_OK},        {{0, 0, NAN}, {1, 1, 1}, LIMN_BAD_USAGE},
        {{0, 0, 0, NAN}, {1, 1, 1, NAN}, LIMN_OK}, {{0, 0, 0}, {1, 1, NAN}, LIMN_BAD_USAGE},
        {{0, 0, 0}, {1, 1, 0}, LIMN_BAD_USAGE},    {{0, 0, 0}, {1, INFINITY, 1}, LIMN_BAD_USAGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_model_params params = {
            .arch = "cnn-small", .channels = 3, .has_mean = true, .has_std = true};
        memcpy(params.mean, cases[i].mean, sizeof params.mean);
        memcpy(params.std, cases[i].std, sizeof params.std);
        limn_model *m;
        assert_int_equal(limn_model_create(the.device, &params, &m), cases[i].status);
        limn_model_destroy(&m);
    }
}

static void loading_survives_failed_allocations(void **state)
{
    path = ((const fixture *)*state)->path;
    limn_model *m = create("cnn-small", 1, 3, true);
    assert_int_equal(limn_model_save(m, path), LIMN_OK);
    limn_model_destroy(&m);
    for (unsigned long nth = 1;; nth++) {
        limn_memory_fail_at(nth, false);
        const limn_status status = limn_model_load(the.device, path, NULL, &m);
        const unsigned long made = limn_memory_fail_at(0, false);
        limn_model_destroy(&m);
        if (made < nth) {
            assert_int_equal(status, LIMN_OK);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_counts_are_those_of_the_literature),
        cmocka_unit_test(names_are_those_of_torchvision),
        cmocka_unit_test(unknown_names_suggest),
        cmocka_unit_test(initial_values_have_the_right_spread),
        cmocka_unit_test_setup_teardown(a_saved_model_loads_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_peoples_names_are_understood, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_mismatch_is_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_giants_are_refused, set_up, tear_down),
        cmocka_unit_test(normalisation_needs_a_number_a_channel),
        cmocka_unit_test_setup_teardown(loading_survives_failed_allocations, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
