/* The table of methods, their parameters, and models as functions to be explained. */
#include "attr/attribution.h"

#include "attr/target.h"
#include "base/memory.h"
#include "nn/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define METHODS(X) X(gradient) X(saliency) X(gradcam) X(occlusion) X(rise)

#define DECLARE(name) extern const limn_attr_method limn_attr_##name;
METHODS(DECLARE)

#define ROW(name) &limn_attr_##name,
const limn_attr_method *const limn_attr_methods[] = {METHODS(ROW)};
const size_t limn_attr_method_count = sizeof limn_attr_methods / sizeof *limn_attr_methods;

const limn_attribution_method *limn_attribution_method_at(size_t index)
{
    return index < limn_attr_method_count ? &limn_attr_methods[index]->info : NULL;
}

static const limn_attr_method *find(const char *name)
{
    for (size_t i = 0; i < limn_attr_method_count; i++)
        if (strcmp(limn_attr_methods[i]->info.name, name) == 0)
            return limn_attr_methods[i];
    return NULL;
}

const limn_attribution_method *limn_attribution_find(const char *name)
{
    const limn_attr_method *method = find(name);
    return method ? &method->info : NULL;
}

/* ---- models ------------------------------------------------------------------------------------
 */

/* A model under one kind of score. */
typedef struct function {
    limn_model *model;
    const limn_dataset *data;
    int64_t first;
} function;

static limn_status build_model(limn_attr_job *job, limn_graph *graph, limn_node x,
                               limn_node condition, limn_node *score, limn_node *last)
{
    const function *f = job->function;
    const bool cosine = job->directions != NULL;
    const limn_build_options options = {.classifier = !cosine};
    limn_model_nodes nodes;
    limn_status status = limn_model_build(f->model, graph, x, &options, &nodes, NULL);
    if (status != LIMN_OK)
        return status;
    limn_node in[2] = {cosine ? nodes.features : nodes.logits, condition};
    *last = nodes.last_block;
    if (job->params.score == LIMN_SCORE_PROBABILITY)
        status = limn_graph_apply(graph, "softmax", NULL, &nodes.logits, 1, &in[0], " ");
    return status == LIMN_OK
               ? limn_graph_apply(graph, cosine ? "cosine" : "gather", NULL, in, 2, score, " ")
               : status;
}

static void read_image(const limn_attr_job *job, int64_t index, float *out)
{
    const function *f = job->source;
    const limn_model_info *info = &f->model->info;
    const int64_t size = job->height * job->width * job->channels;
    const uint8_t *pixels = f->data->images + (f->first + index) * size;
    for (int64_t i = 0; i < size; i++) {
        const int64_t c = i % job->channels;
        out[i] = ((float)pixels[i] / 255.0f - info->mean[c]) / info->std[c];
    }
}

static limn_attr_job make_job(function *f, const limn_targets *targets,
                              const limn_attribution_method *method,
                              const limn_attribution_params *params)
{
    const limn_target_set *t = (const limn_target_set *)targets;
    limn_attr_job job = {
        .device = f->model->device,
        .ctx = f->model->ctx,
        .count = targets->count,
        .height = f->data->height,
        .width = f->data->width,
        .channels = f->data->channels,
        .params = *params,
        .build = build_model,
        .function = f,
        .image = read_image,
        .source = f,
        .classes = targets->cosine ? NULL : t->classes,
        .directions = targets->cosine ? t->directions : NULL,
        .direction_size = t->features,
        .direction_of = t->direction_of,
        .task = method->name,
    };
    for (int c = 0; c < job.channels; c++)
        job.black[c] = (0.0f - f->model->info.mean[c]) / f->model->info.std[c];
    return job;
}

/* ---- parameters --------------------------------------------------------------------------------
 */

static bool reads(const limn_attribution_method *method, const char *name)
{
    for (const char *const *at = method->parameters; *at; at++)
        if (strcmp(*at, name) == 0)
            return true;
    return false;
}

static limn_status resolve_windows(limn_attr_job *job)
{
    const int64_t side[2] = {job->height, job->width};
    limn_attribution_params *p = &job->params;
    for (int i = 0; i < 2; i++) {
        if (p->window[i] == 0)
            p->window[i] = (side[i] + 3) / 4;
        if (p->window[i] < 1 || p->window[i] > side[i])
            return limn_fail(job->ctx, LIMN_BAD_USAGE, "window out of range", "window",
                             "%lld x %lld, the images are %lld x %lld", (long long)p->window[0],
                             (long long)(p->window[1] ? p->window[1] : (side[1] + 3) / 4),
                             (long long)side[0], (long long)side[1]);
        if (p->stride[i] == 0)
            p->stride[i] = p->window[i] > 1 ? p->window[i] / 2 : 1;
        if (p->stride[i] < 1 || p->stride[i] > p->window[i])
            return limn_fail(job->ctx, LIMN_BAD_USAGE, "stride out of range", "stride",
                             "%lld for a window of %lld would leave pixels out",
                             (long long)p->stride[i], (long long)p->window[i]);
    }
    return LIMN_OK;
}

static limn_status resolve_masks(limn_attr_job *job)
{
    limn_attribution_params *p = &job->params;
    if (p->masks == 0)
        p->masks = 4000;
    if (p->grid == 0)
        p->grid = 7;
    if (p->p == 0)
        p->p = 0.5f;
    if (p->masks < 1 || p->masks > 100000000)
        return limn_fail(job->ctx, LIMN_BAD_USAGE, "number of masks out of range", "masks",
                         "%lld is not in 1 to 100000000", (long long)p->masks);
    if (p->grid < 1 || p->grid > 64)
        return limn_fail(job->ctx, LIMN_BAD_USAGE, "grid out of range", "grid",
                         "%lld is not in 1 to 64", (long long)p->grid);
    if (!(p->p > 0 && p->p < 1))
        return limn_fail(job->ctx, LIMN_BAD_USAGE, "chance out of range", "p",
                         "%g is not between 0 and 1", (double)p->p);
    return LIMN_OK;
}

static limn_status resolve_layers(limn_attr_job *job)
{
    limn_attr_network net;
    limn_status status = limn_attr_network_sketch(job, &net);
    for (int i = 0; i < job->params.layer_count && status == LIMN_OK; i++) {
        limn_node node;
        status = limn_attr_find_layer(job, &net, job->params.layers[i], &node);
    }
    limn_attr_network_free(&net);
    return status;
}

static limn_status resolve_score(limn_attr_job *job, const limn_targets *targets,
                                 const limn_attribution_method *method)
{
    limn_attribution_params *p = &job->params;
    if (targets->cosine && (p->score == LIMN_SCORE_LOGIT || p->score == LIMN_SCORE_PROBABILITY))
        return limn_fail(job->ctx, LIMN_BAD_USAGE, "score does not fit the target", "score",
                         "the target is a similarity, not a class of a classifier");
    if (!targets->cosine && p->score == LIMN_SCORE_COSINE)
        return limn_fail(job->ctx, LIMN_BAD_USAGE, "score does not fit the target", "score",
                         "the target is a class, not a similarity");
    if (targets->cosine)
        p->score = LIMN_SCORE_COSINE;
    else if (p->score == LIMN_SCORE_DEFAULT)
        p->score = method->score;
    return LIMN_OK;
}

limn_status limn_attribution_resolve(limn_model *model, const limn_dataset *data,
                                     const limn_targets *targets,
                                     const limn_attribution_method *method,
                                     limn_attribution_params *params)
{
    static const struct {
        const char *parameter;
        limn_status (*resolve)(limn_attr_job *job);
    } groups[] = {{"window", resolve_windows}, {"masks", resolve_masks}, {"layer", resolve_layers}};
    function f = {model, data, targets->first};
    limn_attr_job job = make_job(&f, targets, method, params);
    if (!isfinite(params->baseline_value) || params->batch < 0)
        return limn_fail(job.ctx, LIMN_BAD_USAGE, "bad value", method->name,
                         "baseline %g, batch %lld", (double)params->baseline_value,
                         (long long)params->batch);
    limn_status status = resolve_score(&job, targets, method);
    for (size_t i = 0; i < sizeof groups / sizeof *groups && status == LIMN_OK; i++)
        if (reads(method, groups[i].parameter))
            status = groups[i].resolve(&job);
    if (status == LIMN_OK)
        *params = job.params;
    return status;
}

limn_status limn_attribution_default_layer(limn_model *model, const limn_dataset *data, char *name,
                                           size_t size)
{
    const limn_desc x = limn_desc_make(LIMN_F32, 4, 1, data->height, data->width, data->channels);
    const limn_build_options options = {.classifier = false};
    limn_model_nodes nodes = {.last_block = -1};
    limn_graph *graph;
    limn_node in, node;
    limn_status status = limn_graph_create(model->device, &graph);
    if (status == LIMN_OK)
        status = limn_graph_input(graph, NULL, &x, &in);
    if (status == LIMN_OK)
        status = limn_model_build(model, graph, in, &options, &nodes, NULL);
    /* A stage's name, "layer4", comes after that of its last block, "layer4.1". */
    const char *candidate;
    for (int i = 0; status == LIMN_OK && (candidate = limn_graph_name_at(graph, i, &node)); i++)
        if (node == nodes.last_block)
            snprintf(name, size, "%s", candidate);
    limn_graph_destroy(&graph);
    return status;
}

limn_status limn_attribute(limn_model *model, const limn_dataset *data, const limn_targets *targets,
                           const limn_attribution_method *method,
                           const limn_attribution_params *params, float *maps)
{
    const limn_attr_method *row = find(method->name);
    limn_attribution_params resolved = *params;
    limn_status status = limn_attribution_resolve(model, data, targets, method, &resolved);
    if (status != LIMN_OK)
        return status;
    function f = {model, data, targets->first};
    limn_attr_job job = make_job(&f, targets, method, &resolved);
    job.maps = maps;
    return row->run(&job);
}
