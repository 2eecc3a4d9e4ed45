#include "train/checkpoint.h"

#include "base/memory.h"
#include "nn/weights.h"
#include "train/settings.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version of the format. */
static const char version[] = "1";

/* ---- writing -------------------------------------------------------------------------------- */

static char *state_name(const limn_optimizer_state *state, int parameter, int index)
{
    return limn_format(LIMN_OPTIMIZER_PREFIX "%s.%s", state->optimizer->states[index],
                       state->model->parameters[parameter].name);
}

static char *device_text(limn_device *device)
{
    const limn_device_info *info = limn_device_describe(device);
    return limn_format("%s, %s, %s", info->name, info->platform, info->driver);
}

/* All settings as one JSON object of texts. */
static char *settings_text(const limn_train_params *params)
{
    json_t *object = json_object();
    const limn_setting *s;
    for (size_t i = 0; object && (s = limn_setting_at(i)) != NULL; i++) {
        char text[LIMN_SETTING_TEXT];
        if (limn_setting_print(s, params, text, sizeof text))
            json_object_set_new(object, limn_setting_name(s), json_string(text));
    }
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

static limn_status put_facts(limn_context *ctx, limn_safetensors_writer *writer,
                             limn_device *device, const limn_run_facts *facts)
{
    char *settings = settings_text(facts->params), *on = device_text(device);
    char step[32];
    snprintf(step, sizeof step, "%lld", (long long)facts->step);
    const struct {
        const char *key, *value;
    } pairs[] = {
        {LIMN_CHECKPOINT_KEY, version}, {"settings", settings}, {"device", on}, {"step", step},
        {"data", facts->data_digest},   {"plan", facts->plan}};
    limn_status status = settings && on ? LIMN_OK : limn_out_of_memory(ctx, "checkpoint");
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs && status == LIMN_OK; i++)
        status = limn_safetensors_writer_metadata(writer, pairs[i].key, pairs[i].value);
    free(settings);
    limn_free(on);
    return status;
}

static limn_status declare(const limn_optimizer_state *state, limn_safetensors_writer *writer)
{
    const limn_model *m = state->model;
    limn_status status = LIMN_OK;
    for (int i = 0; i < m->parameter_count && status == LIMN_OK; i++)
        status = limn_tensor_declare(writer, m->parameters[i].name, &m->parameters[i].tensor->desc);
    for (int i = 0; i < state->count; i++)
        for (int s = 0; s < LIMN_MAX_STATES && status == LIMN_OK; s++) {
            if (!state->tensors[i][s])
                continue;
            char *name = state_name(state, i, s);
            status = name ? limn_tensor_declare(writer, name, &state->tensors[i][s]->desc)
                          : limn_out_of_memory(m->ctx, "checkpoint");
            limn_free(name);
        }
    return status;
}

static limn_status append(const limn_optimizer_state *state, limn_safetensors_writer *writer)
{
    const limn_model *m = state->model;
    limn_status status = LIMN_OK;
    for (int i = 0; i < m->parameter_count && status == LIMN_OK; i++)
        status = limn_tensor_append(m->ctx, writer, m->parameters[i].tensor);
    for (int i = 0; i < state->count; i++)
        for (int s = 0; s < LIMN_MAX_STATES && status == LIMN_OK; s++)
            if (state->tensors[i][s])
                status = limn_tensor_append(m->ctx, writer, state->tensors[i][s]);
    return status;
}

limn_status limn_checkpoint_save(const char *path, const limn_optimizer_state *state,
                                 const limn_run_facts *facts)
{
    limn_context *ctx = state->model->ctx;
    limn_safetensors_writer *writer;
    limn_status status = limn_safetensors_writer_open(ctx, path, &writer);
    if (status != LIMN_OK)
        return status;
    status = limn_model_put_metadata(state->model, writer);
    if (status == LIMN_OK)
        status = put_facts(ctx, writer, state->model->device, facts);
    if (status == LIMN_OK)
        status = declare(state, writer);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_begin(writer, 0);
    if (status == LIMN_OK)
        status = append(state, writer);
    if (status == LIMN_OK)
        return limn_safetensors_writer_finish(&writer);
    limn_safetensors_writer_discard(&writer);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct limn_checkpoint {
    limn_device *device;
    limn_context *ctx;
    limn_safetensors *file;
    int64_t step;
    bool other_device; /* than the one that wrote it */
};

static limn_status malformed(const limn_checkpoint *c, const char *why)
{
    return limn_fail(c->ctx, LIMN_BAD_INPUT, "bad checkpoint", c->file->path, "%s", why);
}

static limn_status read_step(limn_checkpoint *c)
{
    const char *format = limn_safetensors_metadata(c->file, LIMN_CHECKPOINT_KEY);
    const char *text = limn_safetensors_metadata(c->file, "step");
    char *end = NULL;
    if (!format)
        return malformed(c, "it is no checkpoint of limn");
    if (strcmp(format, version) != 0)
        return malformed(c, "another version of limn wrote it");
    c->step = text ? strtoll(text, &end, 10) : -1;
    return c->step < 0 || !end || *end ? malformed(c, "it does not say its step") : LIMN_OK;
}

/* Names every setting that differs. */
static limn_status compare_settings(limn_checkpoint *c, const limn_train_params *params)
{
    const char *text = limn_safetensors_metadata(c->file, "settings");
    json_t *object = text ? json_loads(text, 0, NULL) : NULL;
    if (!json_is_object(object)) {
        json_decref(object);
        return malformed(c, "it does not hold its settings");
    }
    char differences[2048] = "";
    const limn_setting *s;
    for (size_t i = 0; (s = limn_setting_at(i)) != NULL; i++) {
        char now[LIMN_SETTING_TEXT];
        const char *then =
            limn_setting_said(s, json_string_value(json_object_get(object, limn_setting_name(s))));
        if (limn_setting_may_resume(s, params, then))
            continue;
        const bool has = limn_setting_print(s, params, now, sizeof now);
        const size_t used = strlen(differences);
        snprintf(differences + used, sizeof differences - used, "%s%s was %.64s, not %.64s",
                 used ? "; " : "", limn_setting_name(s), then ? then : "not set",
                 has ? now : "not set");
    }
    json_decref(object);
    if (!*differences)
        return LIMN_OK;
    limn_fail(c->ctx, LIMN_BAD_USAGE, "cannot resume", c->file->path, "%s", differences);
    limn_hint(c->ctx, "leave these options out: a resumed run takes its settings from config.ini");
    return LIMN_BAD_USAGE;
}

static limn_status compare_data(limn_checkpoint *c, const char *digest)
{
    const char *then = limn_safetensors_metadata(c->file, "data");
    if (then && strcmp(then, digest) == 0)
        return LIMN_OK;
    limn_fail(c->ctx, LIMN_BAD_INPUT, "cannot resume", c->file->path,
              "the run was made with other data: its digest is %.32s, not %s", then ? then : "?",
              digest);
    limn_hint(c->ctx, "give the data set that the run began with");
    return LIMN_BAD_INPUT;
}

static limn_status compare_device(limn_checkpoint *c)
{
    const char *then = limn_safetensors_metadata(c->file, "device");
    char *now = device_text(c->device);
    if (!now)
        return limn_out_of_memory(c->ctx, "checkpoint");
    c->other_device = !then || strcmp(then, now) != 0;
    if (c->other_device)
        limn_log(c->ctx, LIMN_LOG_WARNING,
                 "the run was on another device (%s): it goes on, but not to the same bits",
                 then ? then : "?");
    limn_free(now);
    return LIMN_OK;
}

limn_status limn_checkpoint_open(limn_device *device, const char *path,
                                 const limn_train_params *params, const char *data_digest,
                                 limn_checkpoint **out)
{
    limn_context *ctx = limn_device_context(device);
    *out = NULL;
    limn_checkpoint *c;
    limn_status status = limn_alloc(ctx, "checkpoint", 1, sizeof *c, (void **)&c);
    if (status != LIMN_OK)
        return status;
    c->device = device;
    c->ctx = ctx;
    status = limn_safetensors_open(ctx, path, &c->file);
    if (status == LIMN_OK)
        status = read_step(c);
    if (status == LIMN_OK)
        status = compare_settings(c, params);
    if (status == LIMN_OK)
        status = compare_data(c, data_digest);
    if (status == LIMN_OK)
        status = compare_device(c);
    if (status != LIMN_OK)
        limn_checkpoint_close(&c);
    *out = c;
    return status;
}

void limn_checkpoint_close(limn_checkpoint **handle)
{
    if (!handle || !*handle)
        return;
    limn_safetensors_close(&(*handle)->file);
    limn_free(*handle);
    *handle = NULL;
}

int64_t limn_checkpoint_step(const limn_checkpoint *c)
{
    return c->step;
}

const char *limn_checkpoint_plan(const limn_checkpoint *c)
{
    return c->other_device ? NULL : limn_safetensors_metadata(c->file, "plan");
}

limn_status limn_checkpoint_model(limn_checkpoint *c, limn_model **out)
{
    return limn_model_load(c->device, c->file->path, NULL, out);
}

static limn_status read_state(limn_checkpoint *c, const char *name, limn_tensor *tensor)
{
    const limn_safetensors_entry *entry = limn_safetensors_find(c->file, name);
    if (!entry || entry->dtype != LIMN_SAFETENSORS_F32 ||
        entry->size != limn_desc_bytes(&tensor->desc))
        return limn_fail(c->ctx, LIMN_BAD_INPUT, "bad checkpoint", c->file->path,
                         "%s is missing or of another size", name);
    return limn_tensor_write(tensor, entry->data);
}

limn_status limn_checkpoint_state(limn_checkpoint *c, limn_optimizer_state *state)
{
    limn_status status = LIMN_OK;
    for (int i = 0; i < state->count; i++)
        for (int s = 0; s < LIMN_MAX_STATES && status == LIMN_OK; s++) {
            if (!state->tensors[i][s])
                continue;
            char *name = state_name(state, i, s);
            status = name ? read_state(c, name, state->tensors[i][s])
                          : limn_out_of_memory(c->ctx, "checkpoint");
            limn_free(name);
        }
    return status;
}
