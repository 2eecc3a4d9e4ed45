/* The tuner on the layers of an architecture. */
#include "limn/tune.h"

#include "base/memory.h"
#include "nn/arch.h"
#include "nn/model.h"

#include <string.h>

enum { DEFAULT_BATCH = 64, CLASSES = 10 };

/* Small images where the name says so. */
static int64_t usual_side(const char *arch)
{
    return strncmp(arch, "cifar-", 6) == 0 || strcmp(arch, "cnn-small") == 0 ? 32 : 224;
}

/* A graph of encoder, classifier and head; every trained parameter wants a gradient. */
static limn_status build(limn_model *model, const limn_tune_params *p, limn_graph *graph)
{
    const limn_build_options options = {
        .train_encoder = !p->inference, .classifier = true, .head = true};
    const int64_t side = usual_side(p->arch), height = p->height ? p->height : side,
                  width = p->width ? p->width : side;
    const limn_desc desc = limn_desc_make(LIMN_F32, 4, p->batch ? p->batch : DEFAULT_BATCH, height,
                                          width, model->info.channels);
    limn_model_nodes made;
    limn_node images, *nodes;
    limn_status status = limn_alloc(model->ctx, "tuning", (size_t)model->parameter_count,
                                    sizeof *nodes, (void **)&nodes);
    if (status == LIMN_OK)
        status = limn_graph_input(graph, "images", &desc, &images);
    if (status == LIMN_OK)
        status = limn_model_build(model, graph, images, &options, &made, nodes);
    for (int i = 0; i < model->parameter_count && status == LIMN_OK; i++)
        if (nodes[i] >= 0 && model->parameters[i].trained)
            status = limn_graph_want_gradient(graph, nodes[i]);
    limn_free(nodes);
    return status;
}

limn_status limn_tune_arch(limn_device *device, const limn_tune_params *params, limn_tune_fn seen,
                           void *user)
{
    limn_context *ctx = limn_device_context(device);
    const limn_arch *arch = limn_arch_find(ctx, params->arch);
    if (!arch)
        return LIMN_BAD_USAGE;
    const limn_model_params shape = {.arch = params->arch,
                                     .channels = params->channels,
                                     .class_count = CLASSES,
                                     .head = true,
                                     .seed = params->seed};
    const limn_tune_options options = {
        .all = params->all, .batch = params->batch, .seed = params->seed};
    limn_model *model = NULL;
    limn_graph *graph = NULL;
    limn_status status = limn_model_create(device, &shape, &model);
    if (status == LIMN_OK)
        status = limn_graph_create(device, &graph);
    if (status == LIMN_OK)
        status = build(model, params, graph);
    if (status == LIMN_OK)
        status = limn_graph_tune(graph, !params->inference, &options, seen, user);
    limn_graph_destroy(&graph);
    limn_model_destroy(&model);
    return status;
}
