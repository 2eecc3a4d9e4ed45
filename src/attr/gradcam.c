/* Gradient-weighted class activation maps: R. Selvaraju et al., "Grad-CAM", ICCV 2017. */
#include "attr/attribution.h"

#include "base/memory.h"

enum { DEFAULT_BATCH = 64 };

/* One layer's map at its own resolution, and that at the input's. */
typedef struct layer_maps {
    limn_node node;
    limn_tensor *small, *large;
} layer_maps;

static limn_status create_maps(limn_attr_job *job, limn_attr_network *net, layer_maps *maps)
{
    const limn_desc *layer = limn_graph_desc(net->graph, maps->node);
    const limn_desc small =
        limn_desc_make(LIMN_F32, 3, net->batch, layer->dim[1], layer->dim[2], 0);
    const limn_desc large = limn_desc_make(LIMN_F32, 4, net->batch, job->height, job->width, 1);
    const limn_status status = limn_tensor_create(job->device, &small, &maps->small);
    return status == LIMN_OK ? limn_tensor_create(job->device, &large, &maps->large) : status;
}

/* relu(sum_k w_k A_k), w_k = mean over positions of d score / d A_k; then bilinear to the image. */
static limn_status draw(limn_attr_job *job, limn_attr_network *net, const layer_maps *maps)
{
    limn_tensor *in[2] = {limn_graph_tensor(net->graph, maps->node),
                          limn_graph_gradient(net->graph, maps->node)};
    const int64_t *dim = maps->small->desc.dim;
    limn_tensor small = {limn_desc_make(LIMN_F32, 4, dim[0], dim[1], dim[2], 1),
                         maps->small->buffer};
    limn_tensor *resized = &small;
    const limn_status status = limn_op_call(job->device, "cam", in, 2, &maps->small, 1, "relu=%d",
                                            job->params.no_relu ? 0 : 1);
    return status == LIMN_OK ? limn_op_call(job->device, "resize_bilinear", &resized, 1,
                                            &maps->large, 1, "height=%lld width=%lld",
                                            (long long)job->height, (long long)job->width)
                             : status;
}

/* Adds each layer's share to the maps of images `at` to at + count - 1, which start as zero. */
static limn_status run_batch(limn_attr_job *job, limn_attr_network *net, const layer_maps *layers,
                             int layer_count, int64_t at, int64_t count, float *values)
{
    const int64_t pixels = job->height * job->width;
    limn_status status = limn_attr_load(job, net, at, count);
    if (status == LIMN_OK)
        status = limn_attr_backward(net, count);
    for (int l = 0; l < layer_count && status == LIMN_OK; l++) {
        float *maps = job->maps + at * pixels;
        status = draw(job, net, &layers[l]);
        if (status == LIMN_OK)
            status = limn_tensor_read(layers[l].large, values);
        for (int64_t i = 0; i < count * pixels && status == LIMN_OK; i++)
            maps[i] = (l ? maps[i] : 0) + values[i] / (float)layer_count;
    }
    return status;
}

static limn_status run_all(limn_attr_job *job, limn_attr_network *net, layer_maps *layers,
                           int layer_count)
{
    float *values = NULL;
    limn_status status =
        limn_alloc(job->ctx, "maps", (size_t)(net->batch * job->height * job->width),
                   sizeof *values, (void **)&values);
    for (int l = 0; l < layer_count && status == LIMN_OK; l++) {
        layers[l].node = net->last;
        if (job->params.layer_count)
            status = limn_attr_find_layer(job, net, job->params.layers[l], &layers[l].node);
        if (status == LIMN_OK)
            status = create_maps(job, net, &layers[l]);
    }
    for (int64_t at = 0; at < job->count && status == LIMN_OK; at += net->batch) {
        const int64_t rest = job->count - at, count = rest < net->batch ? rest : net->batch;
        status = run_batch(job, net, layers, layer_count, at, count, values);
        if (status == LIMN_OK)
            status = limn_attr_progress(job, "images", at + count, job->count);
    }
    limn_free(values);
    return status;
}

static limn_status run(limn_attr_job *job)
{
    const int64_t wished = job->params.batch ? job->params.batch : DEFAULT_BATCH;
    const int layer_count = job->params.layer_count ? job->params.layer_count : 1;
    const limn_attr_wanted wanted = {.layers = job->params.layers,
                                     .layer_count = job->params.layer_count,
                                     .last = job->params.layer_count == 0};
    limn_attr_network net = {0};
    layer_maps *layers;
    limn_status status =
        limn_alloc(job->ctx, "layers", (size_t)layer_count, sizeof *layers, (void **)&layers);
    if (status != LIMN_OK)
        return status;
    status =
        limn_attr_network_create(job, wished < job->count ? wished : job->count, &wanted, &net);
    if (status == LIMN_OK)
        status = run_all(job, &net, layers, layer_count);
    for (int l = 0; l < layer_count; l++) {
        limn_tensor_destroy(&layers[l].small);
        limn_tensor_destroy(&layers[l].large);
    }
    limn_free(layers);
    limn_attr_network_free(&net);
    return status;
}

const limn_attr_method limn_attr_gradcam = {
    .info = {.name = "gradcam",
             .summary = "class activation map weighted by gradients, of any layer",
             .formula = "relu(sum_k w_k A_k), w_k = mean of d score / d A_k, then bilinear",
             .source = "Selvaraju et al., ICCV 2017",
             .parameters = (const char *const[]){"score", "layer", "relu", NULL},
             .score = LIMN_SCORE_LOGIT},
    .run = run,
};
