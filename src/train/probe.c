/* A linear classifier on features that were taken once. */
#include "limn/predict.h"
#include "limn/train.h"

#include "base/memory.h"
#include "data/sampler.h"
#include "nn/model.h"
#include "train/classifier.h"

#include <math.h>
#include <string.h>

/* Labelled images of one data set. */
typedef struct probe_set {
    int64_t count;
    int32_t *labels;
    float *rows; /* [count, width] */
} probe_set;

typedef struct probe {
    limn_model *model;
    limn_context *ctx;
    const limn_dataset *data;
    limn_probe_params params;
    int64_t width, batch;
    int class_count;
    probe_set train, validation;
    double *mean, *deviation; /* of the training features */
    float *weight, *bias;     /* on plain features, once fitted */
    limn_graph *graph;
    limn_node features, labels, loss, nodes[2];
    limn_tensor *parameters[2], *momentum[2]; /* weight, bias */
    limn_sampler sampler;
    int64_t *wanted;
    float *batch_rows;
    int32_t *batch_labels;
} probe;

static limn_status take_set(probe *p, const limn_dataset *data, probe_set *set)
{
    const size_t width = (size_t)p->width;
    limn_status status = limn_alloc(p->ctx, data->path, (size_t)data->count, sizeof *set->labels,
                                    (void **)&set->labels);
    if (status == LIMN_OK)
        status = limn_alloc(p->ctx, "features", (size_t)data->count, width * sizeof *set->rows,
                            (void **)&set->rows);
    const limn_predict_params params = {.features = set->rows};
    if (status == LIMN_OK)
        status = limn_predict(p->model, data, &params);
    for (int64_t i = 0; status == LIMN_OK && i < data->count; i++) {
        if (data->labels[i] < 0)
            continue;
        memmove(set->rows + (size_t)set->count * width, set->rows + (size_t)i * width,
                width * sizeof *set->rows);
        set->labels[set->count++] = data->labels[i];
    }
    if (status == LIMN_OK && !set->count)
        status = limn_fail(p->ctx, LIMN_BAD_INPUT, "no labels", data->path,
                           "a probe needs labelled images, every label is -1");
    return status;
}

/* Mean and deviation of each feature over the training images; a constant one has deviation 1. */
static limn_status measure(probe *p)
{
    const size_t width = (size_t)p->width;
    limn_status status = limn_alloc(p->ctx, "probe", width, sizeof *p->mean, (void **)&p->mean);
    if (status == LIMN_OK)
        status = limn_alloc(p->ctx, "probe", width, sizeof *p->deviation, (void **)&p->deviation);
    if (status != LIMN_OK)
        return status;
    const double count = (double)p->train.count;
    for (int64_t i = 0; i < p->train.count; i++)
        for (size_t k = 0; k < width; k++)
            p->mean[k] += (double)p->train.rows[(size_t)i * width + k] / count;
    for (int64_t i = 0; i < p->train.count; i++)
        for (size_t k = 0; k < width; k++) {
            const double d = (double)p->train.rows[(size_t)i * width + k] - p->mean[k];
            p->deviation[k] += d * d / count;
        }
    for (size_t k = 0; k < width; k++) {
        p->deviation[k] = sqrt(p->deviation[k]);
        if (p->deviation[k] <= 1e-6 * fabs(p->mean[k]) || p->deviation[k] < 1e-30)
            p->deviation[k] = 1;
    }
    return LIMN_OK;
}

static limn_status build(probe *p)
{
    limn_device *device = p->model->device;
    const limn_desc rows = limn_desc_make(LIMN_F32, 2, p->batch, p->width, 0, 0);
    const limn_desc labels = limn_desc_make(LIMN_I32, 1, p->batch, 0, 0, 0);
    const limn_desc descs[2] = {limn_desc_make(LIMN_F32, 2, p->class_count, p->width, 0, 0),
                                limn_desc_make(LIMN_F32, 1, p->class_count, 0, 0, 0)};
    static const char *const names[2] = {"weight", "bias"};
    limn_node logits = -1;
    limn_status status = limn_graph_create(device, &p->graph);
    if (status == LIMN_OK)
        status = limn_graph_input(p->graph, "features", &rows, &p->features);
    if (status == LIMN_OK)
        status = limn_graph_input(p->graph, "labels", &labels, &p->labels);
    for (int i = 0; i < 2 && status == LIMN_OK; i++) {
        status = limn_tensor_create(device, &descs[i], &p->parameters[i]);
        if (status == LIMN_OK)
            status = limn_tensor_create(device, &descs[i], &p->momentum[i]);
        if (status == LIMN_OK)
            status = limn_tensor_zero(p->parameters[i]);
        if (status == LIMN_OK)
            status = limn_tensor_zero(p->momentum[i]);
        if (status == LIMN_OK)
            status = limn_graph_extern(p->graph, names[i], p->parameters[i], &p->nodes[i]);
        if (status == LIMN_OK)
            status = limn_graph_want_gradient(p->graph, p->nodes[i]);
    }
    const limn_node in[3] = {p->features, p->nodes[0], p->nodes[1]};
    if (status == LIMN_OK)
        status = limn_graph_apply(p->graph, "linear", "logits", in, 3, &logits, " ");
    const limn_node judged[2] = {logits, p->labels};
    if (status == LIMN_OK)
        status = limn_graph_apply(p->graph, "cross_entropy", "loss", judged, 2, &p->loss, " ");
    return status == LIMN_OK ? limn_graph_compile(p->graph, p->loss) : status;
}

static limn_status prepare(probe *p)
{
    limn_status status =
        limn_sampler_init(p->ctx, p->train.count, p->batch, true, p->params.seed, &p->sampler);
    if (status == LIMN_OK)
        status = measure(p);
    if (status == LIMN_OK)
        status =
            limn_alloc(p->ctx, "probe", (size_t)p->batch, sizeof *p->wanted, (void **)&p->wanted);
    if (status == LIMN_OK)
        status = limn_alloc(p->ctx, "probe", (size_t)p->batch,
                            (size_t)p->width * sizeof *p->batch_rows, (void **)&p->batch_rows);
    if (status == LIMN_OK)
        status = limn_alloc(p->ctx, "probe", (size_t)p->batch, sizeof *p->batch_labels,
                            (void **)&p->batch_labels);
    if (status == LIMN_OK)
        status = limn_alloc(p->ctx, "probe", (size_t)p->class_count,
                            (size_t)p->width * sizeof *p->weight, (void **)&p->weight);
    if (status == LIMN_OK)
        status =
            limn_alloc(p->ctx, "probe", (size_t)p->class_count, sizeof *p->bias, (void **)&p->bias);
    return status == LIMN_OK ? build(p) : status;
}

static limn_status feed(probe *p, int64_t step)
{
    limn_sampler_step(&p->sampler, step, p->wanted);
    for (int64_t i = 0; i < p->batch; i++) {
        const float *row = p->train.rows + p->wanted[i] * p->width;
        for (int64_t k = 0; k < p->width; k++)
            p->batch_rows[i * p->width + k] =
                (float)(((double)row[k] - p->mean[k]) / p->deviation[k]);
        p->batch_labels[i] = p->train.labels[p->wanted[i]];
    }
    limn_status status = limn_tensor_write(limn_graph_tensor(p->graph, p->features), p->batch_rows);
    if (status == LIMN_OK)
        status = limn_tensor_write(limn_graph_tensor(p->graph, p->labels), p->batch_labels);
    return status;
}

static limn_status update(probe *p, double lr)
{
    const float one = 1;
    limn_status status = limn_graph_forward(p->graph);
    if (status == LIMN_OK)
        status = limn_buffer_fill(limn_graph_gradient(p->graph, p->loss)->buffer, 0, sizeof one,
                                  &one, sizeof one);
    if (status == LIMN_OK)
        status = limn_graph_backward(p->graph);
    for (int i = 0; i < 2 && status == LIMN_OK; i++) {
        limn_tensor *const in[3] = {p->parameters[i], limn_graph_gradient(p->graph, p->nodes[i]),
                                    p->momentum[i]};
        status = limn_op_call(p->model->device, "sgd", in, 3, NULL, 0, "lr=%.17g momentum=0.9", lr);
    }
    return status;
}

static limn_status fit(probe *p)
{
    const int64_t total = p->params.epochs * p->sampler.steps_per_epoch;
    limn_status status = LIMN_OK;
    for (int64_t step = 0; step < total && status == LIMN_OK; step++) {
        status = feed(p, step);
        if (status == LIMN_OK)
            status =
                update(p, p->params.lr * 0.5 *
                              (1 + cos(3.14159265358979323846 * (double)step / (double)total)));
        const limn_progress progress = {.task = "probe",
                                        .unit = "steps",
                                        .detail = "",
                                        .done = (double)(step + 1),
                                        .total = (double)total,
                                        .finished = step + 1 == total};
        if (status == LIMN_OK)
            status = limn_report(p->ctx, &progress);
    }
    return status;
}

/* w (x - mean) / deviation + b as weights on plain features. */
static limn_status fold(probe *p)
{
    limn_status status = limn_tensor_read(p->parameters[0], p->weight);
    if (status == LIMN_OK)
        status = limn_tensor_read(p->parameters[1], p->bias);
    for (int k = 0; k < p->class_count && status == LIMN_OK; k++) {
        double bias = (double)p->bias[k];
        for (int64_t i = 0; i < p->width; i++) {
            float *w = &p->weight[k * p->width + i];
            const double folded = (double)*w / p->deviation[i];
            bias -= folded * p->mean[i];
            *w = (float)folded;
        }
        p->bias[k] = (float)bias;
        if (!isfinite(bias))
            status = limn_fail(p->ctx, LIMN_FAILED, "probe diverged", p->data->path,
                               "a weight is not finite: take a smaller learning rate");
    }
    return status;
}

static limn_status judge(const probe *p, const probe_set *set, double *accuracy, double *loss)
{
    float *logits;
    const limn_status status =
        limn_alloc(p->ctx, "logits", (size_t)set->count, (size_t)p->class_count * sizeof *logits,
                   (void **)&logits);
    if (status != LIMN_OK)
        return status;
    for (int64_t n = 0; n < set->count; n++)
        for (int k = 0; k < p->class_count; k++) {
            double sum = (double)p->bias[k];
            for (int64_t i = 0; i < p->width; i++)
                sum += (double)p->weight[k * p->width + i] * (double)set->rows[n * p->width + i];
            logits[n * p->class_count + k] = (float)sum;
        }
    limn_judge_logits(logits, set->labels, set->count, p->class_count, accuracy, loss);
    limn_free(logits);
    return status;
}

static limn_status store(probe *p)
{
    const limn_status status =
        limn_tensor_write(limn_model_find(p->model, "fc.weight")->tensor, p->weight);
    return status == LIMN_OK
               ? limn_tensor_write(limn_model_find(p->model, "fc.bias")->tensor, p->bias)
               : status;
}

static void release_set(probe_set *set)
{
    limn_free(set->labels);
    limn_free(set->rows);
}

static void release(probe *p)
{
    limn_graph_destroy(&p->graph);
    for (int i = 0; i < 2; i++) {
        limn_tensor_destroy(&p->parameters[i]);
        limn_tensor_destroy(&p->momentum[i]);
    }
    limn_sampler_free(&p->sampler);
    release_set(&p->train);
    release_set(&p->validation);
    limn_free(p->mean);
    limn_free(p->deviation);
    limn_free(p->weight);
    limn_free(p->bias);
    limn_free(p->wanted);
    limn_free(p->batch_rows);
    limn_free(p->batch_labels);
}

static limn_status check(const probe *p, const limn_dataset *validation)
{
    if (p->params.epochs < 0 || p->params.batch < 0 || !(p->params.lr >= 0) ||
        !isfinite(p->params.lr))
        return limn_fail(p->ctx, LIMN_BAD_USAGE, "bad value", "probe",
                         "epochs, batch and learning rate must not be negative");
    if (validation && validation->class_count > p->data->class_count)
        return limn_fail(p->ctx, LIMN_BAD_INPUT, "data sets do not fit", validation->path,
                         "it has %d classes, the training data %d", validation->class_count,
                         p->data->class_count);
    return LIMN_OK;
}

limn_status limn_probe(limn_model *model, const limn_dataset *data, const limn_dataset *validation,
                       const limn_probe_params *params, limn_probe_result *out)
{
    probe p = {.model = model, .ctx = model->ctx, .data = data, .params = *params};
    *out = (limn_probe_result){.validated = validation != NULL};
    limn_status status = check(&p, validation);
    if (status != LIMN_OK)
        return status;
    if (!p.params.epochs)
        p.params.epochs = 50;
    if (!(p.params.lr > 0))
        p.params.lr = 0.1;
    p.width = model->info.features;
    p.class_count = data->class_count;
    status = limn_model_set_classifier(model, p.class_count, data->classes, params->seed);
    if (status == LIMN_OK)
        status = take_set(&p, data, &p.train);
    if (status == LIMN_OK && validation)
        status = take_set(&p, validation, &p.validation);
    p.batch = p.params.batch ? p.params.batch : 512;
    p.batch = p.batch < p.train.count ? p.batch : p.train.count;
    if (status == LIMN_OK)
        status = prepare(&p);
    if (status == LIMN_OK)
        status = fit(&p);
    if (status == LIMN_OK)
        status = fold(&p);
    if (status == LIMN_OK)
        status = judge(&p, &p.train, &out->train_accuracy, &out->train_loss);
    if (status == LIMN_OK && validation)
        status = judge(&p, &p.validation, &out->val_accuracy, &out->val_loss);
    if (status == LIMN_OK)
        status = store(&p);
    release(&p);
    return status;
}
