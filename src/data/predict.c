#include "limn/predict.h"

#include "base/memory.h"
#include "nn/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_BATCH = 128 };

/* A model built for batches of one size, from pixels to what is wanted. */
typedef struct network {
    limn_graph *graph;
    limn_tensor *mean, *std;
    limn_node images;
    limn_model_nodes nodes;
    int64_t batch;
} network;

static void free_network(network *net)
{
    limn_graph_destroy(&net->graph);
    limn_tensor_destroy(&net->mean);
    limn_tensor_destroy(&net->std);
}

static limn_status upload_numbers(limn_device *device, const float *values, int64_t count,
                                  limn_tensor **out)
{
    const limn_desc desc = limn_desc_make(LIMN_F32, 1, count, 0, 0, 0);
    const limn_status status = limn_tensor_create(device, &desc, out);
    return status == LIMN_OK ? limn_tensor_write(*out, values) : status;
}

static limn_status build(limn_model *m, const limn_dataset *data, const limn_predict_params *params,
                         int64_t batch, network *net)
{
    *net = (network){.batch = batch};
    const limn_desc pixels =
        limn_desc_make(LIMN_U8, 4, batch, data->height, data->width, data->channels);
    limn_node in[3], x;
    limn_status status = upload_numbers(m->device, m->info.mean, data->channels, &net->mean);
    if (status == LIMN_OK)
        status = upload_numbers(m->device, m->info.std, data->channels, &net->std);
    if (status == LIMN_OK)
        status = limn_graph_create(m->device, &net->graph);
    if (status == LIMN_OK)
        status = limn_graph_input(net->graph, "images", &pixels, &in[0]);
    if (status == LIMN_OK)
        status = limn_graph_extern(net->graph, "mean", net->mean, &in[1]);
    if (status == LIMN_OK)
        status = limn_graph_extern(net->graph, "std", net->std, &in[2]);
    if (status == LIMN_OK)
        status = limn_graph_apply(net->graph, "normalize", NULL, in, 3, &x, " ");
    const limn_build_options options = {.classifier = params->logits != NULL,
                                        .head = params->embeddings != NULL};
    limn_node *parameters = NULL;
    if (status == LIMN_OK)
        status = limn_alloc(m->ctx, "parameters", (size_t)m->parameter_count, sizeof *parameters,
                            (void **)&parameters);
    if (status == LIMN_OK)
        status = limn_model_build(m, net->graph, x, &options, &net->nodes, parameters);
    limn_free(parameters);
    const limn_node wanted[] = {net->nodes.features, net->nodes.logits, net->nodes.embedding};
    for (int i = 0; i < 3 && status == LIMN_OK; i++)
        if (wanted[i] >= 0)
            status = limn_graph_keep(net->graph, wanted[i]);
    if (status == LIMN_OK)
        status = limn_graph_freeze(net->graph);
    if (status == LIMN_OK)
        status = limn_graph_compile(net->graph, -1);
    net->images = in[0];
    return status;
}

/* In half precision a value out of its range made what it takes part in NaN. */
static limn_status check_range(limn_model *m, const float *row, size_t width, int64_t image)
{
    size_t i = 0;
    while (i < width && isfinite(row[i]))
        i++;
    if (i == width)
        return LIMN_OK;
    char where[48];
    snprintf(where, sizeof where, "image %lld", (long long)image);
    const limn_status status =
        limn_fail(m->ctx, LIMN_BAD_INPUT, "beyond half precision", where,
                  "what the model makes of it is not finite: fp16 holds values up to 65504");
    limn_hint(m->ctx, "take fp32, which holds values up to 3.4e38");
    return status;
}

/* The first `count` rows of a node, to row `at` of `out`. */
static limn_status read_rows(limn_model *m, network *net, limn_node node, int64_t first, int64_t at,
                             int64_t count, float *out)
{
    if (!out)
        return LIMN_OK;
    const limn_tensor *tensor = limn_graph_tensor(net->graph, node);
    const size_t width = (size_t)tensor->desc.dim[1];
    float *rows = out + (size_t)at * width;
    limn_status status =
        limn_buffer_read(tensor->buffer, 0, rows, (size_t)count * width * sizeof(float));
    const bool half = limn_device_may_round(m->device);
    for (int64_t i = 0; i < count && half && status == LIMN_OK; i++)
        status = check_range(m, rows + (size_t)i * width, width, first + at + i);
    return status;
}

static limn_status run_batch(limn_model *m, network *net, const limn_dataset *data,
                             const limn_predict_params *params, int64_t at, int64_t count)
{
    const int64_t first = params->first;
    limn_tensor *images = limn_graph_tensor(net->graph, net->images);
    const size_t image = (size_t)(data->height * data->width * data->channels);
    /* Rows past `count` keep what an earlier batch left; each image is independent of the others.
     */
    limn_status status =
        limn_buffer_write(images->buffer, 0, data->images + (size_t)(params->first + at) * image,
                          (size_t)count * image);
    if (status == LIMN_OK)
        status = limn_graph_forward(net->graph);
    if (status == LIMN_OK)
        status = read_rows(m, net, net->nodes.logits, first, at, count, params->logits);
    if (status == LIMN_OK)
        status = read_rows(m, net, net->nodes.features, first, at, count, params->features);
    if (status == LIMN_OK)
        status = read_rows(m, net, net->nodes.embedding, first, at, count, params->embeddings);
    return status;
}

/* Runs from image `*at` on, which it moves past what is finished. */
static limn_status predict_from(limn_model *m, const limn_dataset *data,
                                const limn_predict_params *params, int64_t batch, int64_t *at)
{
    network net;
    limn_status status = build(m, data, params, batch, &net);
    if (status == LIMN_OK)
        status = limn_tensor_zero(limn_graph_tensor(net.graph, net.images));
    limn_progress report = {
        .task = "predicting", .unit = "images", .detail = "", .total = (double)params->count};
    while (*at < params->count && status == LIMN_OK) {
        const int64_t rest = params->count - *at;
        const int64_t count = rest < batch ? rest : batch;
        status = run_batch(m, &net, data, params, *at, count);
        if (status != LIMN_OK)
            break;
        *at += count;
        report.done = (double)*at;
        report.finished = *at == params->count;
        status = limn_report(m->ctx, &report);
    }
    free_network(&net);
    return status;
}

/* Halves the batch until the device has room for it.  Some drivers take memory only when it is
 * first used, so that may show while it runs. */
static limn_status predict_fitting(limn_model *m, const limn_dataset *data,
                                   const limn_predict_params *params, int64_t batch)
{
    for (int64_t at = 0;; batch /= 2) {
        const limn_status status = predict_from(m, data, params, batch, &at);
        if (status != LIMN_OUT_OF_DEVICE_MEMORY || batch == 1)
            return status;
        limn_device_trim(m->device);
        limn_log(m->ctx, LIMN_LOG_WARNING,
                 "the device has no room for batches of %lld images, going on with %lld",
                 (long long)batch, (long long)(batch / 2));
    }
}

limn_status limn_predict(limn_model *m, const limn_dataset *data, const limn_predict_params *wanted)
{
    limn_predict_params params = *wanted;
    if (params.count == 0 && params.first >= 0)
        params.count = data->count - params.first;
    if (params.first < 0 || params.count < 1 || params.first > data->count - params.count)
        return limn_fail(m->ctx, LIMN_BAD_USAGE, "index out of range", data->path,
                         "%lld images from number %lld on, of %lld", (long long)params.count,
                         (long long)params.first, (long long)data->count);
    if (params.batch < 0)
        return limn_fail(m->ctx, LIMN_BAD_USAGE, "bad batch", data->path, "%lld is below 0",
                         (long long)params.batch);
    const limn_status status = limn_model_adopt(m, data);
    if (status != LIMN_OK)
        return status;
    const int64_t batch = params.batch ? params.batch : DEFAULT_BATCH;
    return predict_fitting(m, data, &params, batch < params.count ? batch : params.count);
}
