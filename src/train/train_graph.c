#include "train/train_graph.h"

#include "base/memory.h"

#include <string.h>

static limn_status build(limn_train_graph *tg, const limn_dataset *data,
                         const limn_train_params *params, const limn_loss *loss)
{
    const limn_build_options options = {
        .train_encoder = true, .classifier = loss->classifier, .head = loss->head};
    const int64_t rows = tg->count * tg->views;
    const limn_desc images =
        limn_desc_make(LIMN_F32, 4, rows, data->height, data->width, data->channels);
    const limn_desc labels = limn_desc_make(LIMN_I32, 1, rows, 0, 0, 0);
    limn_model_nodes nodes;
    limn_status status = limn_graph_create(tg->model->device, &tg->graph);
    if (status == LIMN_OK)
        status = limn_graph_input(tg->graph, "images", &images, &tg->images);
    if (status == LIMN_OK)
        status = limn_graph_input(tg->graph, "labels", &labels, &tg->labels);
    if (status == LIMN_OK)
        status =
            limn_model_build(tg->model, tg->graph, tg->images, &options, &nodes, tg->parameters);
    if (status == LIMN_OK)
        status = loss->append(tg->graph, params, &nodes, tg->labels, &tg->loss);
    for (int i = 0; i < tg->model->parameter_count && status == LIMN_OK; i++)
        if (tg->parameters[i] >= 0 && tg->model->parameters[i].trained)
            status = limn_graph_want_gradient(tg->graph, tg->parameters[i]);
    if (status == LIMN_OK && params->recompute)
        status = limn_graph_recompute(tg->graph);
    if (status == LIMN_OK)
        status = limn_graph_compile(tg->graph, tg->loss);
    if (status == LIMN_OK)
        tg->memory = limn_graph_get_cost(tg->graph).memory;
    return status;
}

limn_status limn_train_graph_init(limn_model *model, const limn_dataset *data,
                                  const limn_train_params *params, int64_t count,
                                  limn_train_graph *tg)
{
    const limn_loss *loss = limn_loss_find(model->ctx, params->loss);
    const limn_feed_params feed = {.count = count,
                                   .height = data->height,
                                   .width = data->width,
                                   .channels = data->channels,
                                   .views = (int)params->views,
                                   .augment = limn_augment_find(params->augment),
                                   .seed = params->seed,
                                   .mean = model->info.mean,
                                   .std = model->info.std};
    *tg = (limn_train_graph){.model = model, .count = count, .views = (int)params->views};
    limn_status status = limn_alloc(model->ctx, "graph", (size_t)model->parameter_count,
                                    sizeof *tg->parameters, (void **)&tg->parameters);
    if (status == LIMN_OK)
        status = limn_alloc(model->ctx, "labels", (size_t)(count * tg->views), sizeof *tg->rows,
                            (void **)&tg->rows);
    if (status == LIMN_OK)
        status = limn_feed_create(model->device, &feed, &tg->feed);
    return status == LIMN_OK ? build(tg, data, params, loss) : status;
}

void limn_train_graph_free(limn_train_graph *tg)
{
    limn_graph_destroy(&tg->graph);
    limn_feed_destroy(&tg->feed);
    limn_free(tg->parameters);
    limn_free(tg->rows);
    *tg = (limn_train_graph){0};
}

limn_status limn_train_graph_upload(limn_train_graph *tg, const limn_host_batch *batch)
{
    for (int v = 0; v < tg->views; v++)
        memcpy(tg->rows + v * tg->count, batch->labels, (size_t)tg->count * sizeof *tg->rows);
    return limn_feed_upload(tg->feed, batch);
}

limn_status limn_train_graph_forward(limn_train_graph *tg, int64_t epoch, double *loss)
{
    float value = 0;
    limn_status status = limn_tensor_write(limn_graph_tensor(tg->graph, tg->labels), tg->rows);
    if (status == LIMN_OK)
        status = limn_feed_run(tg->feed, epoch, limn_graph_tensor(tg->graph, tg->images));
    if (status == LIMN_OK)
        status = limn_graph_forward(tg->graph);
    if (status == LIMN_OK)
        status = limn_tensor_read(limn_graph_tensor(tg->graph, tg->loss), &value);
    *loss = (double)value;
    return status;
}

limn_status limn_train_graph_backward(limn_train_graph *tg)
{
    const float one = 1;
    limn_tensor *seed = limn_graph_gradient(tg->graph, tg->loss);
    const limn_status status = limn_buffer_fill(seed->buffer, 0, sizeof one, &one, sizeof one);
    return status == LIMN_OK ? limn_graph_backward(tg->graph) : status;
}

int64_t limn_train_graph_fit(limn_model *model, const limn_dataset *data,
                             const limn_train_params *params, int64_t count)
{
    for (; count >= 1; count /= 2) {
        limn_train_graph tg;
        limn_device_trim(model->device);
        const limn_status status = limn_train_graph_init(model, data, params, count, &tg);
        limn_train_graph_free(&tg);
        if (status == LIMN_OK)
            return count;
        if (status != LIMN_OUT_OF_DEVICE_MEMORY)
            return 0;
    }
    return 0;
}
