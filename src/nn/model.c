#include "nn/model.h"

#include "base/memory.h"
#include "nn/arch.h"
#include "nn/init.h"
#include "nn/parts.h"

#include <math.h>
#include <string.h>

limn_parameter *limn_model_find(limn_model *model, const char *name)
{
    for (int i = 0; i < model->parameter_count; i++)
        if (strcmp(model->parameters[i].name, name) == 0)
            return &model->parameters[i];
    return NULL;
}

const limn_model_info *limn_model_describe(const limn_model *model)
{
    return &model->info;
}

static void free_classes(limn_model *m)
{
    for (int i = 0; m->classes && i < m->info.class_count; i++)
        limn_free(m->classes[i]);
    limn_free(m->classes);
    m->classes = NULL;
    m->info.classes = NULL;
    m->info.class_count = 0;
}

void limn_model_destroy(limn_model **handle)
{
    limn_model *m = handle ? *handle : NULL;
    if (!m)
        return;
    for (int i = 0; i < m->parameter_count; i++) {
        limn_free(m->parameters[i].name);
        limn_tensor_destroy(&m->parameters[i].tensor);
    }
    limn_free(m->parameters);
    free_classes(m);
    limn_free(m);
    *handle = NULL;
}

limn_status limn_model_set_classes(limn_model *m, int count, const char *const *classes)
{
    free_classes(m);
    limn_status status =
        limn_alloc(m->ctx, "classes", (size_t)count, sizeof *m->classes, (void **)&m->classes);
    if (status != LIMN_OK)
        return status;
    m->info.class_count = count;
    m->info.classes = (const char *const *)m->classes;
    for (int i = 0; i < count; i++) {
        m->classes[i] = classes ? limn_strdup(classes[i]) : limn_format("%d", i);
        if (!m->classes[i])
            return limn_out_of_memory(m->ctx, "classes");
    }
    return LIMN_OK;
}

/* The parameters of one part, through the same code that builds graphs. */
limn_status limn_model_declare(limn_model *m, limn_part part, int64_t inner, int64_t outputs)
{
    limn_builder b = {.model = m, .part = part, .status = LIMN_OK};
    limn_flow x = {-1, m->info.channels}, last;
    switch (part) {
    case LIMN_PART_ENCODER:
        limn_arch_encode(&b, m->arch, x, &last);
        break;
    case LIMN_PART_CLASSIFIER:
        x.channels = m->info.features;
        limn_layer_linear(&b, "fc", x, outputs);
        break;
    case LIMN_PART_HEAD:
        x.channels = m->info.features;
        limn_layer_linear(&b, "head.2", limn_layer_linear(&b, "head.0", x, inner), outputs);
        m->info.embedding = outputs;
        break;
    }
    return b.status;
}

void limn_model_count(limn_model *m)
{
    m->info.parameter_count = 0;
    for (int i = 0; i < m->parameter_count; i++)
        if (m->parameters[i].trained)
            m->info.parameter_count += limn_desc_count(&m->parameters[i].tensor->desc);
}

/* Initial values of the parameters from number `first` on. */
static limn_status init_from(limn_model *m, int first, uint64_t seed)
{
    limn_status status = LIMN_OK;
    for (int i = first; i < m->parameter_count && status == LIMN_OK; i++)
        status = limn_parameter_init(m->ctx, &m->parameters[i], seed);
    limn_model_count(m);
    return status;
}

static void drop_part(limn_model *m, limn_part part)
{
    int kept = 0;
    for (int i = 0; i < m->parameter_count; i++) {
        if (m->parameters[i].part == part) {
            limn_free(m->parameters[i].name);
            limn_tensor_destroy(&m->parameters[i].tensor);
        } else {
            m->parameters[kept++] = m->parameters[i];
        }
    }
    m->parameter_count = kept;
}

limn_status limn_model_set_classifier(limn_model *m, int class_count, const char *const *classes,
                                      uint64_t seed)
{
    drop_part(m, LIMN_PART_CLASSIFIER);
    const int first = m->parameter_count;
    limn_status status = limn_model_declare(m, LIMN_PART_CLASSIFIER, 0, class_count);
    if (status == LIMN_OK)
        status = limn_model_set_classes(m, class_count, classes);
    m->class_names_given = classes != NULL;
    return status == LIMN_OK ? init_from(m, first, seed) : status;
}

limn_status limn_model_add_head(limn_model *m, uint64_t seed)
{
    if (m->info.embedding)
        return LIMN_OK;
    const int first = m->parameter_count;
    const limn_status status = limn_model_declare(m, LIMN_PART_HEAD, m->info.features, 128);
    return status == LIMN_OK ? init_from(m, first, seed) : status;
}

limn_status limn_model_new(limn_device *device, const char *arch_name, limn_model **out)
{
    limn_context *ctx = limn_device_context(device);
    *out = NULL;
    const limn_arch *arch = limn_arch_find(ctx, arch_name);
    if (!arch)
        return LIMN_BAD_USAGE;
    const limn_status status = limn_alloc(ctx, "model", 1, sizeof **out, (void **)out);
    if (status != LIMN_OK)
        return status;
    limn_model *m = *out;
    m->device = device;
    m->ctx = ctx;
    m->arch = arch;
    m->info.arch = arch->info.name;
    m->info.features = arch->info.features;
    m->info.digest = m->digest;
    return LIMN_OK;
}

limn_status limn_model_set_normalisation(limn_model *m, const float *mean, const float *std)
{
    for (int c = 0; c < m->info.channels; c++)
        if (!isfinite(mean[c]) || !isfinite(std[c]) || !(std[c] > 0))
            return limn_fail(
                m->ctx, LIMN_BAD_USAGE, "bad normalisation", m->info.arch,
                "mean and std need a number for each of the %lld channels, std above 0",
                (long long)m->info.channels);
    memcpy(m->info.mean, mean, sizeof m->info.mean);
    memcpy(m->info.std, std, sizeof m->info.std);
    m->info.normalised = true;
    return LIMN_OK;
}

static limn_status check_channels(limn_context *ctx, int64_t channels)
{
    return channels >= 1 && channels <= LIMN_MAX_CHANNELS
               ? LIMN_OK
               : limn_fail(ctx, LIMN_BAD_USAGE, "bad channels", NULL, "%lld is not in 1 to %d",
                           (long long)channels, LIMN_MAX_CHANNELS);
}

limn_status limn_model_create(limn_device *device, const limn_model_params *params,
                              limn_model **out)
{
    limn_model *m;
    limn_status status = limn_model_new(device, params->arch ? params->arch : "cnn-small", &m);
    *out = NULL;
    if (status != LIMN_OK)
        return status;
    m->info.channels = params->channels ? params->channels : 3;
    status = check_channels(m->ctx, m->info.channels);
    if (status == LIMN_OK)
        status = limn_model_declare(m, LIMN_PART_ENCODER, 0, 0);
    if (status == LIMN_OK)
        status = init_from(m, 0, params->seed);
    if (status == LIMN_OK && params->class_count)
        status = limn_model_set_classifier(m, params->class_count, params->classes, params->seed);
    if (status == LIMN_OK && params->head)
        status = limn_model_add_head(m, params->seed);
    if (status == LIMN_OK && params->has_mean && params->has_std)
        status = limn_model_set_normalisation(m, params->mean, params->std);
    if (status == LIMN_OK)
        *out = m;
    else
        limn_model_destroy(&m);
    return status;
}

limn_status limn_model_adopt(limn_model *m, const limn_dataset *data)
{
    if (m->info.channels != data->channels) {
        limn_fail(m->ctx, LIMN_BAD_INPUT, "model and data do not fit", data->path,
                  "the images have %lld channels, the model takes %lld", (long long)data->channels,
                  (long long)m->info.channels);
        limn_hint(m->ctx, "convert the images again, or take a model of that many channels");
        return LIMN_BAD_INPUT;
    }
    if (m->info.class_count && data->class_count > m->info.class_count)
        return limn_fail(m->ctx, LIMN_BAD_INPUT, "model and data do not fit", data->path,
                         "the data has %d classes, the model's classifier %d", data->class_count,
                         m->info.class_count);
    if (!m->info.normalised) {
        const limn_status status = limn_model_set_normalisation(m, data->mean, data->std);
        if (status != LIMN_OK)
            return status;
    }
    if (m->info.class_count == data->class_count && m->class_names_given)
        for (int i = 0; i < data->class_count; i++)
            if (strcmp(m->classes[i], data->classes[i]) != 0) {
                limn_log(m->ctx, LIMN_LOG_WARNING,
                         "class %d is '%s' in the model and '%s' in %s: is the order the same?", i,
                         m->classes[i], data->classes[i], data->path);
                break;
            }
    if (m->info.class_count == data->class_count && !m->class_names_given) {
        m->class_names_given = true;
        return limn_model_set_classes(m, data->class_count, data->classes);
    }
    return LIMN_OK;
}
