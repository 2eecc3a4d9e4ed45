/* Small functions with known explanations, built from ops, and jobs that explain them. */
#ifndef LIMN_TESTS_ATTR_TOY_H
#define LIMN_TESTS_ATTR_TOY_H

#include "attr/attribution.h"
#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { TOY_LAYERS = 6, TOY_OTHERS = 3 };

/* One op on the value so far; with `weight` rank 0: none. */
typedef struct toy_layer {
    const char *op, *name;
    limn_desc weight;
    const float *weights;
    int outputs; /* of the bias; 0: none */
    const float *bias;
} toy_layer;

/** A further input of a function, held fixed while the image is explained: one channel. */
typedef struct toy_input {
    const float *values; /**< NULL: none */
    int64_t height, width;
} toy_input;

/** The layers are applied to the image or, where there are others, to the sum of all inputs: those
 *  smaller than `height` x `width` are spread over it. */
typedef struct toy_function {
    toy_layer layers[TOY_LAYERS];
    toy_input others[TOY_OTHERS];
    int64_t height, width;
    limn_tensor *weights[TOY_LAYERS], *biases[TOY_LAYERS], *fixed[TOY_OTHERS];
} toy_function;

static limn_context *toy_context;
static limn_device *toy_device;
static unsigned long toy_fail_at;       /* allocation that fails while a method runs; 0: none */
static void (*toy_before)(bool begins); /* called before and after a method runs, or NULL */
static int toy_reports_left = -1;       /* progress reports until one says stop; below 0: never */

static bool toy_progress(void *user, const limn_progress *progress)
{
    (void)user;
    (void)progress;
    return toy_reports_left < 0 || toy_reports_left-- > 0;
}

static inline int toy_open(void **state)
{
    (void)state;
    if (limn_context_create(&(limn_context_params){.progress = toy_progress}, &toy_context))
        return 1;
    return limn_device_open(toy_context, NULL, &toy_device) != LIMN_OK;
}

static int toy_close(void **state)
{
    (void)state;
    limn_device_close(&toy_device);
    limn_context_destroy(&toy_context);
    return 0;
}

/* The same values in each row of a batch. */
static limn_status toy_repeat(const toy_input *input, int64_t batch, limn_tensor **out)
{
    const limn_desc desc = limn_desc_make(LIMN_F32, 4, batch, input->height, input->width, 1);
    const size_t size = (size_t)(input->height * input->width);
    limn_status status = limn_tensor_create(toy_device, &desc, out);
    for (size_t row = 0; row < (size_t)batch && status == LIMN_OK; row++)
        status = limn_buffer_write((*out)->buffer, row * size * sizeof(float), input->values,
                                   size * sizeof(float));
    return status;
}

/* Adds an input to the sum of those before it; -1 is none. */
static limn_status toy_add(const toy_function *f, limn_graph *graph, limn_node input,
                           limn_node *sum)
{
    limn_status status =
        limn_graph_apply(graph, "resize_bilinear", NULL, &input, 1, &input,
                         "height=%lld width=%lld", (long long)f->height, (long long)f->width);
    if (status == LIMN_OK && *sum >= 0)
        status = limn_graph_apply(graph, "add", NULL, (limn_node[]){*sum, input}, 2, &input, " ");
    *sum = input;
    return status;
}

/* The sum of x and the other inputs. */
static limn_status toy_join(toy_function *f, limn_graph *graph, limn_node *x)
{
    const int64_t batch = limn_graph_desc(graph, *x)->dim[0];
    limn_node sum = -1;
    limn_status status = toy_add(f, graph, *x, &sum);
    for (int i = 0; i < TOY_OTHERS && f->others[i].values && status == LIMN_OK; i++) {
        limn_node other;
        limn_tensor_destroy(&f->fixed[i]);
        status = toy_repeat(&f->others[i], batch, &f->fixed[i]);
        if (status == LIMN_OK)
            status = limn_graph_extern(graph, NULL, f->fixed[i], &other);
        if (status == LIMN_OK)
            status = toy_add(f, graph, other, &sum);
    }
    *x = sum;
    return status;
}

static limn_status toy_build(limn_attr_job *job, limn_graph *graph, limn_node x,
                             limn_node condition, limn_node *score, limn_node *last)
{
    toy_function *f = job->function;
    limn_status status = f->others[0].values ? toy_join(f, graph, &x) : LIMN_OK;
    *last = -1;
    for (int l = 0; l < TOY_LAYERS && f->layers[l].op && status == LIMN_OK; l++) {
        limn_node in[3] = {x, -1, -1};
        int count = 1;
        if (f->weights[l])
            status = limn_graph_extern(graph, NULL, f->weights[l], &in[count++]);
        if (f->biases[l] && status == LIMN_OK)
            status = limn_graph_extern(graph, NULL, f->biases[l], &in[count++]);
        if (status == LIMN_OK)
            status =
                limn_graph_apply(graph, f->layers[l].op, f->layers[l].name, in, count, &x, " ");
        if (status == LIMN_OK && limn_graph_desc(graph, x)->rank == 4)
            *last = x;
    }
    return status == LIMN_OK
               ? limn_graph_apply(graph, "gather", NULL, (limn_node[]){x, condition}, 2, score, " ")
               : status;
}

static void toy_image(const limn_attr_job *job, int64_t index, float *out)
{
    const size_t size = (size_t)(job->height * job->width * job->channels);
    memcpy(out, (const float *)job->source + (size_t)index * size, size * sizeof *out);
}

static void toy_upload(const limn_desc *desc, const float *values, limn_tensor **out)
{
    assert_int_equal(limn_tensor_create(toy_device, desc, out), LIMN_OK);
    assert_int_equal(limn_tensor_write(*out, values), LIMN_OK);
}

/* Explains column 0 for `count` images [H,W,C]. */
static limn_status toy_explain(const toy_function *function, const limn_attr_method *method,
                               const limn_attribution_params *params, const float *images,
                               int64_t count, const int64_t size[3], float *maps)
{
    static const int32_t classes[8];
    toy_function f = *function;
    limn_attr_job job = {.device = toy_device,
                         .ctx = toy_context,
                         .count = count,
                         .height = size[0],
                         .width = size[1],
                         .channels = size[2],
                         .params = *params,
                         .build = toy_build,
                         .function = &f,
                         .image = toy_image,
                         .source = images,
                         .classes = classes,
                         .task = method->info.name,
                         .maps = maps};
    for (int l = 0; l < TOY_LAYERS && f.layers[l].op; l++) {
        const limn_desc bias = {LIMN_F32, 1, {f.layers[l].outputs}};
        if (f.layers[l].weights)
            toy_upload(&f.layers[l].weight, f.layers[l].weights, &f.weights[l]);
        if (f.layers[l].bias)
            toy_upload(&bias, f.layers[l].bias, &f.biases[l]);
    }
    limn_memory_fail_at(toy_fail_at, true);
    if (toy_before)
        toy_before(true);
    const limn_status status = method->run(&job);
    if (toy_before)
        toy_before(false);
    limn_memory_fail_at(0, false);
    for (int l = 0; l < TOY_LAYERS; l++) {
        limn_tensor_destroy(&f.weights[l]);
        limn_tensor_destroy(&f.biases[l]);
    }
    for (int i = 0; i < TOY_OTHERS; i++)
        limn_tensor_destroy(&f.fixed[i]);
    return status;
}

static inline void toy_expect(const float *found, const double *expected, size_t count,
                              double tolerance)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)found[i] - expected[i]) <= tolerance))
            fail_msg("value %zu is %.9g, should be %.9g", i, (double)found[i], expected[i]);
}

/* Explains one image with allocation number 1, 2, ... failing, until none fails. */
static inline void toy_survives(const toy_function *f, const limn_attr_method *method,
                                const limn_attribution_params *params, const int64_t size[3])
{
    static const float image[64] = {1, 2, 3};
    float maps[64];
    limn_status status = LIMN_FAILED;
    unsigned long nth = 0;
    while (status != LIMN_OK && nth < 2000) {
        toy_fail_at = ++nth;
        status = toy_explain(f, method, params, image, 1, size, maps);
        if (status != LIMN_OK)
            assert_int_equal(status, LIMN_FAILED);
    }
    toy_fail_at = 0;
    assert_int_equal(status, LIMN_OK);
    assert_true(nth > 10);
}

/* Captum's test model of two layers: y = relu(s - 10) + 3 relu(s + 1) - 1, s the sum of three
 * inputs; the second output is larger by 2. */
static const float toy_ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
static const float toy_multilayer_bias[2][2] = {{-10, 1}, {-1, 1}};
static const float toy_multilayer_weights[4] = {1, 3, 1, 3};
static const toy_function toy_multilayer = {
    .layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
               {"linear", NULL, {LIMN_F32, 2, {2, 3}}, toy_ones, 2, toy_multilayer_bias[0]},
               {"relu", NULL, {0}, NULL, 0, NULL},
               {"linear",
                NULL,
                {LIMN_F32, 2, {2, 2}},
                toy_multilayer_weights,
                2,
                toy_multilayer_bias[1]}}};

/* Captum's test model with one convolution: two 3x3 filters of ones, biases -50 and -75, ReLU, a
 * linear layer of eight inputs and equal rows, ReLU. */
static const float toy_convnet_filters[18] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const float toy_convnet_bias[2] = {-50, -75};
static const float toy_convnet_weights[32] = {1, 1, 1, 1, 1, -1, -1, -1, 1, 1, 1, 1, 1, -1, -1, -1,
                                              1, 1, 1, 1, 1, -1, -1, -1, 1, 1, 1, 1, 1, -1, -1, -1};
static const toy_function toy_convnet = {
    .layers = {
        {"conv2d", "conv1", {LIMN_F32, 4, {2, 1, 3, 3}}, toy_convnet_filters, 2, toy_convnet_bias},
        {"relu", "relu1", {0}, NULL, 0, NULL},
        {"flatten", NULL, {0}, NULL, 0, NULL},
        {"linear", NULL, {LIMN_F32, 2, {4, 8}}, toy_convnet_weights, 0, NULL},
        {"relu", NULL, {0}, NULL, 0, NULL}}};

/* Numbers 0 to 15 in a square, and the same plus one. */
static const float toy_squares[32] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9,  10, 11, 12, 13, 14, 15,
                                      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const int64_t toy_square[3] = {4, 4, 1}, toy_row[3] = {1, 3, 1};

#endif
