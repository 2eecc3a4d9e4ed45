/* Whole training steps and inference, measured. */
#include "base/memory.h"
#include "nn/model.h"
#include "ops/bench.h"
#include "train/loss.h"
#include "train/optimizer.h"

#include <string.h>

enum { PROFILED_STEPS = 3 };
static const double learning_rate = 0.01;

/* What a step needs beside the model: taken for a run, given back after it. */
typedef struct workload {
    limn_graph *graph;
    limn_node images, labels, loss;
    limn_node *nodes;           /* of each parameter of the model */
    limn_optimizer_state state; /* nothing where nothing is trained */
} workload;

struct limn_bench_step {
    limn_device *device;
    limn_context *ctx;
    limn_bench_step_params params;
    uint64_t seed;
    const limn_loss *loss;
    limn_train_params settings; /* of the loss and the update */
    limn_model *model;
    workload work;
    limn_bench_kernel *kernels;
    char **names; /* of the kernels */
    size_t kernel_count;
    limn_bench_work *works;
    size_t work_count;
};

static void free_workload(limn_bench_step *s)
{
    limn_graph_destroy(&s->work.graph);
    limn_optimizer_state_free(&s->work.state);
    limn_free(s->work.nodes);
    s->work = (workload){0};
    limn_device_trim(s->device);
}

static limn_status finish_inference(limn_bench_step *s, limn_node logits)
{
    s->work.loss = s->work.labels = -1;
    limn_status status = limn_graph_keep(s->work.graph, logits);
    if (status == LIMN_OK)
        status = limn_graph_freeze(s->work.graph);
    return status == LIMN_OK ? limn_graph_compile(s->work.graph, -1) : status;
}

static int64_t rows(const limn_bench_step *s)
{
    return s->params.batch * s->params.views;
}

static limn_status finish_training(limn_bench_step *s, const limn_model_nodes *nodes)
{
    workload *w = &s->work;
    const limn_desc labels = limn_desc_make(LIMN_I32, 1, rows(s), 0, 0, 0);
    limn_status status = limn_graph_input(w->graph, "labels", &labels, &w->labels);
    if (status == LIMN_OK)
        status = s->loss->append(w->graph, &s->settings, nodes, w->labels, &w->loss);
    for (int i = 0; i < s->model->parameter_count && status == LIMN_OK; i++)
        if (s->model->parameters[i].trained && w->nodes[i] >= 0)
            status = limn_graph_want_gradient(w->graph, w->nodes[i]);
    if (status == LIMN_OK && s->params.recompute)
        status = limn_graph_recompute(w->graph);
    return status == LIMN_OK ? limn_graph_compile(w->graph, w->loss) : status;
}

static limn_status build(limn_bench_step *s)
{
    workload *w = &s->work;
    const limn_bench_step_params *p = &s->params;
    const limn_desc images = limn_desc_make(LIMN_F32, 4, rows(s), p->height, p->width, p->channels);
    const limn_build_options options = {.train_encoder = !p->inference,
                                        .classifier = p->inference || s->loss->classifier,
                                        .head = !p->inference && s->loss->head};
    const size_t count = (size_t)s->model->parameter_count;
    limn_model_nodes made;
    limn_status status = limn_graph_create(s->device, &w->graph);
    if (status == LIMN_OK)
        status = limn_alloc(s->ctx, "bench", count, sizeof *w->nodes, (void **)&w->nodes);
    if (status == LIMN_OK)
        status = limn_graph_input(w->graph, "images", &images, &w->images);
    if (status == LIMN_OK)
        status = limn_model_build(s->model, w->graph, w->images, &options, &made, w->nodes);
    if (status != LIMN_OK)
        return status;
    return p->inference ? finish_inference(s, made.logits) : finish_training(s, &made);
}

static limn_status fill_labels(limn_bench_step *s)
{
    int32_t *labels;
    limn_status status =
        limn_alloc(s->ctx, "bench", (size_t)rows(s), sizeof *labels, (void **)&labels);
    for (int64_t i = 0; i < rows(s) && status == LIMN_OK; i++)
        labels[i] = (int32_t)(i % s->params.batch % s->params.class_count);
    if (status == LIMN_OK)
        status = limn_tensor_write(limn_graph_tensor(s->work.graph, s->work.labels), labels);
    limn_free(labels);
    return status;
}

/* Momentum of every parameter that has a gradient. */
static limn_status take_state(limn_bench_step *s)
{
    bool *reached;
    limn_status status = limn_alloc(s->ctx, "bench", (size_t)s->model->parameter_count,
                                    sizeof *reached, (void **)&reached);
    for (int i = 0; i < s->model->parameter_count && status == LIMN_OK; i++)
        reached[i] = limn_graph_gradient(s->work.graph, s->work.nodes[i]) != NULL;
    if (status == LIMN_OK)
        status = limn_optimizer_state_init(limn_optimizer_find("sgd"), s->model, reached,
                                           &s->work.state);
    limn_free(reached);
    return status;
}

/* Images, labels, momentum, d(loss) / d(loss) = 1. */
static limn_status take_workload(limn_bench_step *s)
{
    workload *w = &s->work;
    limn_status status = build(s);
    if (status == LIMN_OK)
        status =
            limn_bench_fill_uniform(s->device, s->seed, 0, limn_graph_tensor(w->graph, w->images));
    if (status != LIMN_OK || s->params.inference)
        return status;
    const float one = 1;
    status = fill_labels(s);
    if (status == LIMN_OK)
        status = limn_tensor_write(limn_graph_gradient(w->graph, w->loss), &one);
    return status == LIMN_OK ? take_state(s) : status;
}

static limn_status one_step(void *user)
{
    limn_bench_step *s = user;
    workload *w = &s->work;
    limn_status status = limn_graph_forward(w->graph);
    if (status != LIMN_OK || s->params.inference)
        return status;
    status = limn_graph_backward(w->graph);
    return status == LIMN_OK
               ? limn_optimizer_step(&w->state, &s->settings, s->settings.lr, w->graph, w->nodes)
               : status;
}

static limn_bench_step_params with_defaults(const limn_bench_step_params *given)
{
    limn_bench_step_params p = *given;
    p.batch = p.batch ? p.batch : 64;
    p.height = p.height ? p.height : 32;
    p.width = p.width ? p.width : 32;
    p.channels = p.channels ? p.channels : 3;
    p.class_count = p.class_count ? p.class_count : 10;
    p.loss = p.loss ? p.loss : "ce";
    p.views = p.views ? p.views : 1;
    return p;
}

static limn_status check_params(limn_bench_step *s)
{
    const limn_bench_step_params *p = &s->params;
    s->loss = limn_loss_find(s->ctx, p->loss);
    if (!s->loss)
        return LIMN_BAD_USAGE;
    if (p->views < 1 || p->views > s->loss->max_views || (p->inference && p->views > 1))
        return limn_fail(s->ctx, LIMN_BAD_USAGE, "views out of range", "views",
                         "%lld, %s takes 1 to %lld", (long long)p->views,
                         p->inference ? "inference" : p->loss,
                         p->inference ? 1LL : (long long)s->loss->max_views);
    const limn_status status = limn_train_defaults(s->ctx, p->loss, &s->settings);
    s->settings.lr = learning_rate;
    return status;
}

limn_status limn_bench_step_create(limn_device *device, const limn_bench_step_params *params,
                                   uint64_t seed, limn_bench_step **out)
{
    limn_bench_step *s;
    *out = NULL;
    limn_context *ctx = limn_device_context(device);
    limn_status status = limn_alloc(ctx, "bench", 1, sizeof *s, (void **)&s);
    if (status != LIMN_OK)
        return status;
    s->device = device;
    s->ctx = ctx;
    s->seed = seed;
    s->params = with_defaults(params);
    status = check_params(s);
    const limn_model_params model = {.arch = params->arch,
                                     .channels = s->params.channels,
                                     .class_count = s->params.class_count,
                                     .head = status == LIMN_OK && s->loss->head,
                                     .seed = seed};
    if (status == LIMN_OK)
        status = limn_model_create(device, &model, &s->model);
    if (status == LIMN_OK)
        status = take_workload(s);
    if (status == LIMN_OK)
        status = one_step(s);
    if (status == LIMN_OK)
        status = limn_device_finish(device);
    if (status == LIMN_OK) {
        free_workload(s);
        limn_memory_trim();
        *out = s;
    } else {
        limn_bench_step_destroy(&s);
    }
    return status;
}

static void free_kernels(limn_bench_step *s)
{
    for (size_t i = 0; i < s->kernel_count; i++)
        limn_free(s->names[i]);
    limn_free(s->names);
    limn_free(s->kernels);
    limn_free(s->works);
    s->names = NULL;
    s->kernels = NULL;
    s->kernel_count = 0;
    s->works = NULL;
    s->work_count = 0;
}

void limn_bench_step_destroy(limn_bench_step **step)
{
    limn_bench_step *s = *step;
    if (!s)
        return;
    free_workload(s);
    free_kernels(s);
    limn_model_destroy(&s->model);
    limn_free(s);
    *step = NULL;
}

/* The op, shortest name first, that a kernel, or an op which uses another's kernels, is named
 * after. */
static const char *op_of(const char *name)
{
    const char *best = NULL;
    for (size_t i = 0; i < limn_op_count; i++) {
        const char *op = limn_op_table[i]->name;
        const size_t length = strlen(op);
        if (strncmp(name, op, length) == 0 && (name[length] == '_' || name[length] == '\0') &&
            (!best || length < strlen(best)))
            best = op;
    }
    return best ? best : "";
}

static limn_status keep_works(limn_bench_step *s)
{
    limn_graph_work work;
    size_t count = 0;
    while (limn_graph_work_at(s->work.graph, (int)count, &work))
        count++;
    const limn_status status =
        limn_alloc(s->ctx, "bench", count, sizeof *s->works, (void **)&s->works);
    for (size_t i = 0; i < count && status == LIMN_OK; i++) {
        limn_graph_work_at(s->work.graph, (int)i, &work);
        s->works[s->work_count++] =
            (limn_bench_work){.op = op_of(work.op), .flops = work.flops, .bytes = work.bytes};
    }
    return status;
}

static limn_status keep_times(limn_bench_step *s)
{
    const limn_kernel_time *times;
    size_t count;
    limn_status status = limn_device_times(s->device, &times, &count);
    if (status == LIMN_OK)
        status = limn_alloc(s->ctx, "bench", count, sizeof *s->kernels, (void **)&s->kernels);
    if (status == LIMN_OK)
        status = limn_alloc(s->ctx, "bench", count, sizeof *s->names, (void **)&s->names);
    for (size_t i = 0; i < count && status == LIMN_OK; i++) {
        s->names[i] = limn_strdup(times[i].kernel);
        if (!s->names[i])
            return limn_out_of_memory(s->ctx, "bench");
        s->kernel_count++;
        s->kernels[i] = (limn_bench_kernel){.op = op_of(s->names[i]),
                                            .kernel = s->names[i],
                                            .launches = (double)times[i].launches / PROFILED_STEPS,
                                            .seconds = times[i].seconds / PROFILED_STEPS};
    }
    return status;
}

static limn_status profile(limn_bench_step *s)
{
    limn_status status = limn_device_timing(s->device, true);
    if (status != LIMN_OK)
        return status;
    for (int i = 0; i < PROFILED_STEPS && status == LIMN_OK; i++)
        status = one_step(s);
    if (status == LIMN_OK)
        status = keep_times(s);
    if (status == LIMN_OK)
        status = keep_works(s);
    const limn_status ended = limn_device_timing(s->device, false);
    return status == LIMN_OK ? ended : status;
}

/* Bytes of the model's tensors and of the momentum. */
static uint64_t state_bytes(const limn_bench_step *s)
{
    uint64_t bytes = 0;
    for (int i = 0; i < s->model->parameter_count; i++)
        bytes += limn_desc_bytes(&s->model->parameters[i].tensor->desc);
    for (int i = 0; s->work.state.tensors && i < s->work.state.count; i++)
        for (int k = 0; k < LIMN_MAX_STATES; k++)
            if (s->work.state.tensors[i][k])
                bytes += limn_desc_bytes(&s->work.state.tensors[i][k]->desc);
    return bytes;
}

limn_status limn_bench_step_run(limn_bench_step *s, const limn_bench_params *params,
                                bool with_profile, limn_bench_step_result *out)
{
    *out = (limn_bench_step_result){0};
    free_kernels(s);
    limn_status status = take_workload(s);
    if (status == LIMN_OK) {
        const limn_graph_cost cost = limn_graph_get_cost(s->work.graph);
        out->flops = cost.forward_flops + cost.backward_flops;
        out->memory = cost.memory;
        out->state = state_bytes(s);
        status = limn_bench_measure(s->device, one_step, s, params, &out->time);
    }
    if (status == LIMN_OK && with_profile)
        status = profile(s);
    out->kernels = s->kernels;
    out->kernel_count = s->kernel_count;
    out->works = s->works;
    out->work_count = s->work_count;
    free_workload(s);
    return status;
}
