/* Explanations of one image, measured. */
#include "attr/attribution.h"
#include "base/memory.h"
#include "base/philox.h"
#include "nn/model.h"
#include "ops/bench.h"

/* Of the run that compiles: what methods take at a time where they choose, or more. */
enum { FIRST_MASKS = 64 };

struct limn_bench_explain {
    limn_device *device;
    limn_context *ctx;
    limn_bench_explain_params params;
    uint64_t seed;
    const limn_attribution_method *method;
    limn_model *model;
    const limn_dataset *image;
    limn_targets *targets;
    float *maps;
    double flops;
    int64_t masks; /* of the next run */
};

static limn_bench_explain_params with_defaults(const limn_bench_explain_params *given)
{
    limn_bench_explain_params p = *given;
    p.height = p.height ? p.height : 224;
    p.width = p.width ? p.width : 224;
    p.channels = p.channels ? p.channels : 3;
    p.class_count = p.class_count ? p.class_count : 10;
    return p;
}

static limn_status explain_once(void *user)
{
    limn_bench_explain *e = user;
    const limn_attribution_params params = {
        .batch = e->params.batch, .masks = e->masks, .seed = e->seed};
    return limn_attribute(e->model, e->image, e->targets, e->method, &params, e->maps);
}

/* Random pixels. */
static limn_status make_image(limn_bench_explain *e)
{
    const limn_bench_explain_params *p = &e->params;
    limn_image image;
    limn_status status =
        limn_image_create(e->ctx, (int)p->width, (int)p->height, (int)p->channels, &image);
    const int64_t size = p->width * p->height * p->channels;
    for (int64_t i = 0; i < size && status == LIMN_OK; i++) {
        uint32_t bits[4];
        limn_draw(e->seed, LIMN_PURPOSE_TEST, (uint64_t)i, 0, bits);
        image.pixels[i] = (uint8_t)(bits[0] >> 24);
    }
    if (status == LIMN_OK)
        status = limn_dataset_from_images(e->ctx, "random image", &image, 1, &e->image);
    limn_image_free(&image);
    return status;
}

/* Arithmetic of one forward run. */
static limn_status count_flops(limn_bench_explain *e)
{
    const limn_bench_explain_params *p = &e->params;
    const limn_desc x = limn_desc_make(LIMN_F32, 4, 1, p->height, p->width, p->channels);
    const limn_build_options options = {.classifier = true};
    limn_model_nodes nodes;
    limn_graph *graph;
    limn_node in;
    limn_status status = limn_graph_create(e->device, &graph);
    if (status == LIMN_OK)
        status = limn_graph_input(graph, NULL, &x, &in);
    if (status == LIMN_OK)
        status = limn_model_build(e->model, graph, in, &options, &nodes, NULL);
    if (status == LIMN_OK)
        status = limn_graph_keep(graph, nodes.logits);
    if (status == LIMN_OK)
        status = limn_graph_compile(graph, -1);
    if (status == LIMN_OK)
        e->flops = limn_graph_get_cost(graph).forward_flops;
    limn_graph_destroy(&graph);
    return status;
}

static limn_status prepare(limn_bench_explain *e)
{
    const limn_bench_explain_params *p = &e->params;
    const limn_model_params model = {
        .arch = p->arch, .channels = p->channels, .class_count = p->class_count, .seed = e->seed};
    const limn_target_params target = {.kind = LIMN_TARGET_CLASS};
    limn_status status = limn_model_create(e->device, &model, &e->model);
    if (status == LIMN_OK)
        status = make_image(e);
    if (status == LIMN_OK)
        status = limn_model_adopt(e->model, e->image);
    if (status == LIMN_OK)
        status = limn_targets_create(e->model, e->image, &target, &e->targets);
    if (status == LIMN_OK)
        status = count_flops(e);
    const size_t channels = e->method->channels ? (size_t)p->channels : 1;
    if (status == LIMN_OK)
        status = limn_alloc(e->ctx, "maps", channels * (size_t)(p->height * p->width),
                            sizeof *e->maps, (void **)&e->maps);
    const int64_t first = p->batch ? p->batch : FIRST_MASKS;
    e->masks = p->masks && p->masks < first ? p->masks : first;
    return status == LIMN_OK ? explain_once(e) : status;
}

limn_status limn_bench_explain_create(limn_device *device, const limn_bench_explain_params *params,
                                      uint64_t seed, limn_bench_explain **out)
{
    limn_bench_explain *e;
    *out = NULL;
    limn_context *ctx = limn_device_context(device);
    limn_status status = limn_alloc(ctx, "bench", 1, sizeof *e, (void **)&e);
    if (status != LIMN_OK)
        return status;
    e->device = device;
    e->ctx = ctx;
    e->seed = seed;
    e->params = with_defaults(params);
    e->method = limn_attribution_find(params->method);
    status = e->method ? prepare(e)
                       : limn_fail(ctx, LIMN_BAD_USAGE, "unknown method", params->method,
                                   "limn does not know it");
    if (status == LIMN_OK) {
        limn_device_trim(device);
        limn_memory_trim();
        *out = e;
    } else {
        limn_bench_explain_destroy(&e);
    }
    return status;
}

limn_status limn_bench_explain_run(limn_bench_explain *e, const limn_bench_params *params,
                                   limn_bench_explain_result *out)
{
    *out = (limn_bench_explain_result){.flops = e->flops};
    for (int i = 0; i < e->model->parameter_count; i++)
        out->state += limn_desc_bytes(&e->model->parameters[i].tensor->desc);
    e->masks = e->params.masks;
    return limn_bench_measure_long(e->device, explain_once, e, params, &out->time);
}

void limn_bench_explain_destroy(limn_bench_explain **explain)
{
    limn_bench_explain *e = *explain;
    if (!e)
        return;
    limn_targets_destroy(&e->targets);
    if (e->image)
        limn_dataset_close(&e->image);
    limn_model_destroy(&e->model);
    limn_free(e->maps);
    limn_free(e);
    *explain = NULL;
}
