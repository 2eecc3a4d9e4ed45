/* The training loop. */
#define _POSIX_C_SOURCE 200809L
#include "base/context.h"
#include "base/memory.h"
#include "data/sampler.h"
#include "train/checkpoint.h"
#include "train/folder.h"
#include "train/plan.h"
#include "train/prepare.h"
#include "train/schedule.h"
#include "train/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct trainer {
    limn_device *device;
    limn_context *ctx;
    limn_train_params params; /* with what data and model add */
    const limn_dataset *data, *validation;
    const limn_loss *loss;
    const limn_schedule *schedule;
    limn_run_folder folder;
    char digest[33];
    char *plan;          /* as checkpoints hold it */
    unsigned half_forms; /* what the device allowed before */
    limn_model *model;
    limn_sampler sampler;
    limn_loader *loader;
    int64_t *indices;                     /* of the step that is loaded next */
    limn_train_graph whole, rest, *graph; /* graph: that of the batch which is on the device */
    limn_optimizer_state state;
    limn_schedule_span span;
    int64_t step, total, saved; /* updates made; in all; in the last checkpoint, -1 for none */
    limn_train_result *out;
    double loss_sum;
    int64_t loss_count;
} trainer;

static const double mebibyte = 1 << 20;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- before the first step ------------------------------------------------------------------ */

static limn_status out_of_device_memory(trainer *t)
{
    limn_train_graph_free(&t->whole);
    limn_train_graph_free(&t->rest);
    const int64_t fits = limn_train_graph_fit(t->model, t->data, &t->params, t->params.batch / 2);
    limn_fail(t->ctx, LIMN_OUT_OF_DEVICE_MEMORY, "out of device memory", "training",
              "a step of %lld images does not fit", (long long)t->params.batch);
    if (fits)
        limn_hint(t->ctx, "a batch of %lld fits: --batch %lld (the result depends on it)",
                  (long long)fits, (long long)fits);
    else
        limn_hint(t->ctx, "not even one image fits: take a smaller model or another device");
    return LIMN_OUT_OF_DEVICE_MEMORY;
}

static limn_status make_sampler(trainer *t)
{
    if (!t->params.batch) {
        const int64_t usual = t->loss->batch;
        t->params.batch = usual < t->data->count ? usual : t->data->count;
    }
    limn_status status = limn_sampler_init(t->ctx, t->data->count, t->params.batch,
                                           !t->params.no_shuffle, t->params.seed, &t->sampler);
    if (status != LIMN_OK)
        return status;
    t->total = t->params.steps ? t->params.steps : t->params.epochs * t->sampler.steps_per_epoch;
    t->span = limn_schedule_span_of(&t->params, t->sampler.steps_per_epoch, t->total);
    return limn_alloc(t->ctx, "batch", (size_t)t->params.batch, sizeof *t->indices,
                      (void **)&t->indices);
}

static limn_status open_model(trainer *t, limn_checkpoint **checkpoint)
{
    limn_status status;
    if (!t->params.resume) {
        status = limn_train_make_model(t->device, t->data, &t->params, t->loss, &t->model);
    } else {
        status = limn_checkpoint_open(t->device, t->folder.checkpoint, &t->params, t->digest,
                                      checkpoint);
        if (status == LIMN_OK)
            status = limn_checkpoint_model(*checkpoint, &t->model);
    }
    if (status == LIMN_OK)
        status = limn_model_adopt(t->model, t->data);
    if (status == LIMN_OK && t->validation)
        status = limn_model_adopt(t->model, t->validation);
    if (status == LIMN_OK)
        t->params.model.arch = t->model->info.arch;
    return status;
}

static limn_status make_state(trainer *t, limn_checkpoint *checkpoint)
{
    const limn_model *m = t->model;
    bool *reached;
    limn_status status = limn_alloc(t->ctx, "parameters", (size_t)m->parameter_count,
                                    sizeof *reached, (void **)&reached);
    for (int i = 0; status == LIMN_OK && i < m->parameter_count; i++)
        reached[i] = m->parameters[i].trained && t->whole.parameters[i] >= 0;
    if (status == LIMN_OK)
        status = limn_optimizer_state_init(limn_optimizer_find(t->params.optimizer), t->model,
                                           reached, &t->state);
    limn_free(reached);
    if (status != LIMN_OK || !checkpoint)
        return status;
    t->step = t->saved = limn_checkpoint_step(checkpoint);
    if (t->step > t->total)
        return limn_fail(t->ctx, LIMN_BAD_USAGE, "cannot resume", t->folder.path,
                         "%lld steps are made already, %lld are asked for", (long long)t->step,
                         (long long)t->total);
    return limn_checkpoint_state(checkpoint, &t->state);
}

/* The training graph, with the choices of the run that goes on, else those of today. */
static limn_status make_graph(trainer *t, const limn_checkpoint *checkpoint)
{
    const int64_t count = t->params.batch < t->data->count ? t->params.batch : t->data->count;
    const char *plan = checkpoint ? limn_checkpoint_plan(checkpoint) : NULL;
    limn_status status = LIMN_OK;
    if (plan)
        status = limn_plan_pin(t->device, t->folder.checkpoint, plan);
    if (status == LIMN_OK)
        status = limn_train_graph_init(t->model, t->data, &t->params, count, &t->whole);
    if (status == LIMN_OK && plan)
        status = limn_plan_check(t->ctx, t->folder.checkpoint, plan, t->whole.graph);
    return status == LIMN_OK ? limn_plan_text(t->ctx, t->whole.graph, &t->plan) : status;
}

static limn_status prepare(trainer *t, const char *path)
{
    limn_status status = limn_train_check(t->ctx, &t->params);
    if (status == LIMN_OK)
        status = limn_run_folder_init(t->ctx, path, &t->folder);
    if (status == LIMN_OK)
        status = limn_run_folder_check(&t->folder, &t->params);
    if (status != LIMN_OK)
        return status;
    t->loss = limn_loss_find(t->ctx, t->params.loss);
    t->schedule = limn_schedule_find(t->params.schedule);
    status = limn_train_check_data(t->ctx, t->data, t->validation, t->loss, &t->params);
    if (status == LIMN_OK)
        status = make_sampler(t);
    if (status != LIMN_OK)
        return status;
    limn_dataset_digest(t->data, t->digest);
    limn_checkpoint *checkpoint = NULL;
    status = open_model(t, &checkpoint);
    if (status == LIMN_OK)
        status = limn_precision_set(t->device, t->params.precision);
    if (status == LIMN_OK)
        status = make_graph(t, checkpoint);
    if (status == LIMN_OK)
        status = make_state(t, checkpoint);
    limn_checkpoint_close(&checkpoint);
    if (status == LIMN_OK)
        status = limn_loader_create(t->ctx, t->data, t->params.batch, &t->loader);
    return status == LIMN_OUT_OF_DEVICE_MEMORY && t->model ? out_of_device_memory(t) : status;
}

/* ---- the loop ------------------------------------------------------------------------------- */

/* Has the batch of a step gathered while the device works. */
static void load(trainer *t, int64_t step)
{
    if (step < t->total) {
        const int64_t count = limn_sampler_step(&t->sampler, step, t->indices);
        limn_loader_request(t->loader, t->indices, count);
    }
}

/* The graph for a batch: the usual one, or one for the rest at the end of an epoch. */
static limn_status graph_for(trainer *t, int64_t count)
{
    t->graph = count == t->whole.count ? &t->whole : &t->rest;
    if (count == t->graph->count)
        return LIMN_OK;
    return limn_train_graph_init(t->model, t->data, &t->params, count, &t->rest);
}

/* Sends the batch of a step, which was asked for before, to the device, and asks for the next. */
static limn_status fetch(trainer *t, int64_t step)
{
    if (step >= t->total)
        return LIMN_OK;
    const double started = now();
    const limn_host_batch *batch = limn_loader_take(t->loader);
    t->out->data_seconds += now() - started;
    load(t, step + 1);
    const limn_status status = graph_for(t, batch->count);
    return status == LIMN_OK ? limn_train_graph_upload(t->graph, batch) : status;
}

/* What is left of the upload when the device is ready for it. */
static limn_status await_batch(trainer *t)
{
    const double started = now();
    const limn_status status = limn_device_uploaded(t->device);
    t->out->data_seconds += now() - started;
    return status;
}

/* `what` has gone wrong; `tensor` is the first that is not finite, or NULL. */
static limn_status diverged(trainer *t, const char *what, const char *tensor)
{
    char saved[64] = "there is none yet";
    if (t->saved >= 0)
        snprintf(saved, sizeof saved, "of step %lld", (long long)t->saved);
    limn_fail(t->ctx, LIMN_FAILED, "training diverged", t->folder.path,
              "%s; first tensor that is not finite: %s; last good checkpoint: %s", what,
              tensor ? tensor : "none, the loss itself overflowed", saved);
    limn_hint(t->ctx, "a smaller --lr or a longer --warmup helps%s",
              limn_device_may_round(t->device)
                  ? "; fp16 holds values up to 65504, a new run with --precision fp32 larger ones"
                  : "");
    return LIMN_FAILED;
}

static limn_status loss_diverged(trainer *t, double loss)
{
    char what[96], *tensor;
    snprintf(what, sizeof what, "the loss of step %lld is %g", (long long)(t->step + 1), loss);
    limn_status status = limn_train_find_broken(t->model, &tensor);
    if (status == LIMN_OK)
        status = diverged(t, what, tensor);
    limn_free(tensor);
    return status;
}

/* Before weights are measured or kept: a finite loss says nothing of the update after it. */
static limn_status check_weights(trainer *t)
{
    char what[96], *tensor;
    snprintf(what, sizeof what, "the update of step %lld went too far", (long long)t->step);
    limn_status status = limn_train_find_broken(t->model, &tensor);
    if (status == LIMN_OK && tensor)
        status = diverged(t, what, tensor);
    limn_free(tensor);
    return status;
}

static limn_status save(trainer *t)
{
    const limn_run_facts facts = {&t->params, t->digest, t->step, t->plan};
    const limn_status status = limn_checkpoint_save(t->folder.checkpoint, &t->state, &facts);
    if (status == LIMN_OK)
        t->saved = t->step;
    return status;
}

static limn_status validate(trainer *t)
{
    return t->validation ? t->loss->validate(t->model, t->validation, t->out->validation.values)
                         : LIMN_OK;
}

static limn_status report(trainer *t, double loss, double lr)
{
    char detail[96];
    const double batch = (double)t->params.batch;
    snprintf(detail, sizeof detail, "loss %.4f  lr %.3g  epoch %lld", loss, lr,
             (long long)((t->step - 1) / t->sampler.steps_per_epoch + 1));
    const limn_progress progress = {.task = "training",
                                    .unit = "images",
                                    .detail = detail,
                                    .done = (double)t->step * batch,
                                    .total = (double)t->total * batch,
                                    .finished = t->step == t->total};
    return limn_report(t->ctx, &progress);
}

/* One update; `started` is when the previous one had ended. */
static limn_status make_step(trainer *t, double *started)
{
    limn_train_graph *graph = t->graph;
    const int64_t epoch = t->step / t->sampler.steps_per_epoch;
    const double lr = limn_schedule_lr(t->schedule, &t->span, t->step);
    double loss = 0;
    limn_status status = await_batch(t);
    if (status == LIMN_OK)
        status = limn_train_graph_forward(graph, epoch, &loss);
    if (status == LIMN_OK && !isfinite(loss))
        return loss_diverged(t, loss);
    if (status == LIMN_OK)
        status = limn_train_graph_backward(graph);
    if (status == LIMN_OK)
        status = limn_optimizer_step(&t->state, &t->params, lr, graph->graph, graph->parameters);
    if (status == LIMN_OK)
        status = limn_device_flush(t->device);
    if (status != LIMN_OK)
        return status;
    t->step++;
    status = fetch(t, t->step);
    if (status == LIMN_OK)
        status = limn_device_finish(t->device);
    if (status != LIMN_OK)
        return status;
    const double ended = now(), seconds = ended - *started;
    t->out->seconds += seconds;
    t->loss_sum += loss;
    t->loss_count++;
    const bool ends_epoch = t->step % t->sampler.steps_per_epoch == 0;
    const bool measures = ends_epoch || t->step == t->total;
    const int64_t every = t->params.checkpoint_every;
    const bool keeps = measures || (every && t->step % every == 0);
    if (keeps && (status = check_weights(t)) != LIMN_OK)
        return status;
    /* Ctrl-C while measuring: the step counts, its row stays without what is measured. */
    const limn_status measured = measures ? validate(t) : LIMN_OK;
    if (measured != LIMN_OK && measured != LIMN_INTERRUPTED)
        return measured;
    if (measures) {
        t->out->loss = t->loss_sum / (double)t->loss_count;
        t->loss_sum = 0;
        t->loss_count = 0;
    }
    status = limn_run_log(&t->folder, t->step, epoch + 1, loss, lr, (double)graph->count / seconds,
                          &t->out->validation, measures && measured == LIMN_OK);
    if (status == LIMN_OK && keeps)
        status = save(t);
    if (status == LIMN_OK)
        status = measured == LIMN_OK ? report(t, loss, lr) : measured;
    *started = now();
    return status;
}

/* Ctrl-C: the step is finished, what it made is kept. */
static limn_status interrupted(trainer *t)
{
    if (t->saved != t->step) {
        limn_status status = check_weights(t);
        if (status == LIMN_OK)
            status = save(t);
        if (status != LIMN_OK)
            return status;
    }
    limn_fail(t->ctx, LIMN_INTERRUPTED, "interrupted", t->folder.path,
              "%lld of %lld steps are made, the checkpoint is written", (long long)t->step,
              (long long)t->total);
    limn_hint(t->ctx, "go on with: limn train %s -o %s --resume", t->data->path, t->folder.path);
    return LIMN_INTERRUPTED;
}

static limn_status loop(trainer *t)
{
    const int64_t first = t->step;
    limn_status status = LIMN_OK;
    load(t, t->step);
    double started = now();
    status = fetch(t, t->step);
    while (t->step < t->total && status == LIMN_OK)
        status = make_step(t, &started);
    const double images = (double)(t->step - first) * (double)t->params.batch;
    t->out->images_per_second = t->out->seconds > 0 ? images / t->out->seconds : 0;
    t->out->planned_memory = t->whole.memory;
    uint64_t held;
    limn_device_memory(t->device, &held, &t->out->peak_memory);
    limn_log(t->ctx, LIMN_LOG_INFO,
             "waited for data: %.2f%% of the time of a step; device memory: %.1f MiB planned for a "
             "step, %.1f MiB held at most",
             t->out->seconds > 0 ? 100 * t->out->data_seconds / t->out->seconds : 0,
             (double)t->out->planned_memory / mebibyte, (double)t->out->peak_memory / mebibyte);
    return status == LIMN_INTERRUPTED && t->step > first ? interrupted(t) : status;
}

static limn_status finish(trainer *t)
{
    limn_status status = LIMN_OK;
    t->out->steps = t->step;
    t->out->epochs = t->step / t->sampler.steps_per_epoch;
    if (t->params.probe) {
        const limn_probe_params probe = {.seed = t->params.seed};
        status = limn_probe(t->model, t->data, t->validation, &probe, &t->out->probe);
        t->out->probed = status == LIMN_OK;
        if (status == LIMN_INTERRUPTED)
            return interrupted(t);
    }
    return status == LIMN_OK ? limn_model_save(t->model, t->folder.model) : status;
}

static void release(trainer *t)
{
    limn_optimizer_state_free(&t->state);
    limn_train_graph_free(&t->whole);
    limn_train_graph_free(&t->rest);
    limn_loader_destroy(&t->loader); /* after the uploads from its batches */
    limn_sampler_free(&t->sampler);
    limn_free(t->indices);
    limn_model_destroy(&t->model);
    limn_run_folder_free(&t->folder);
    limn_plan_unpin(t->device);
    limn_device_allow_half(t->device, t->half_forms);
    limn_free(t->plan);
}

limn_status limn_train(limn_device *device, const limn_dataset *data,
                       const limn_dataset *validation, const limn_train_params *params,
                       const char *folder, limn_train_result *out)
{
    trainer t = {.device = device,
                 .ctx = limn_device_context(device),
                 .params = *params,
                 .data = data,
                 .validation = validation,
                 .half_forms = limn_device_get_limits(device)->half_forms,
                 .saved = -1,
                 .out = out};
    *out = (limn_train_result){0};
    limn_status status = prepare(&t, folder);
    if (status == LIMN_OK && validation) {
        out->validation.count = t.loss->measure_count;
        memcpy(out->validation.names, t.loss->measures, sizeof t.loss->measures);
    }
    if (status == LIMN_OK) {
        status = limn_run_folder_begin(&t.folder, &t.params, validation ? validation->path : NULL,
                                       &out->validation, t.step);
        if (status == LIMN_OK)
            status = loop(&t);
        if (status == LIMN_OUT_OF_DEVICE_MEMORY && t.saved < 0)
            status = out_of_device_memory(&t);
        if (status != LIMN_OK && t.saved < 0)
            limn_run_folder_discard(&t.folder);
        if (status == LIMN_OK)
            status = finish(&t);
    }
    release(&t);
    return status;
}
