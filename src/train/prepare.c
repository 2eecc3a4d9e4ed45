#include "train/prepare.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Names the classes that have exactly one image: it has no positive but its own other view. */
static limn_status warn_of_singles(limn_context *ctx, const limn_dataset *data)
{
    int64_t *images;
    const limn_status status =
        limn_alloc(ctx, "classes", (size_t)data->class_count, sizeof *images, (void **)&images);
    if (status != LIMN_OK)
        return status;
    for (int64_t i = 0; i < data->count; i++)
        if (data->labels[i] >= 0)
            images[data->labels[i]]++;
    char names[1024] = "";
    int found = 0;
    for (int k = 0; k < data->class_count; k++) {
        if (images[k] != 1)
            continue;
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", found++ ? ", " : "", data->classes[k]);
    }
    if (found)
        limn_log(ctx, LIMN_LOG_WARNING,
                 "%s: %d %s a single image, which no other image is similar to: %s", data->path,
                 found, found == 1 ? "class has" : "classes have", names);
    limn_free(images);
    return LIMN_OK;
}

limn_status limn_train_check_data(limn_context *ctx, const limn_dataset *data,
                                  const limn_dataset *validation, const limn_loss *loss,
                                  const limn_train_params *params)
{
    int64_t labelled = 0;
    for (int64_t i = 0; i < data->count; i++)
        labelled += data->labels[i] >= 0;
    if (!labelled)
        return limn_fail(ctx, LIMN_BAD_INPUT, "no labels", data->path,
                         "the loss %s needs labelled images, every label is -1", loss->name);
    if (data->count > INT32_MAX)
        return limn_fail(ctx, LIMN_BAD_INPUT, "too many images", data->path,
                         "%lld, training takes up to 2^31 - 1", (long long)data->count);
    if (params->model.class_count && params->model.class_count < data->class_count)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad value", "classes",
                         "the data has %d classes, not %d", data->class_count,
                         params->model.class_count);
    if (validation && validation->class_count > data->class_count)
        return limn_fail(ctx, LIMN_BAD_INPUT, "data sets do not fit", validation->path,
                         "it has %d classes, the training data %d", validation->class_count,
                         data->class_count);
    return loss->single_warning ? warn_of_singles(ctx, data) : LIMN_OK;
}

limn_status limn_train_make_model(limn_device *device, const limn_dataset *data,
                                  const limn_train_params *params, const limn_loss *loss,
                                  limn_model **out)
{
    limn_model_params model = params->model;
    const int classes = model.class_count ? model.class_count : data->class_count;
    const char *const *names = classes == data->class_count ? data->classes : NULL;
    if (params->init) {
        model.class_count = 0;
        model.classes = NULL;
        limn_status status = limn_model_load(device, params->init, &model, out);
        if (status == LIMN_OK && loss->classifier && !(*out)->info.class_count)
            status = limn_model_set_classifier(*out, classes, names, params->seed);
        if (status == LIMN_OK && loss->head)
            status = limn_model_add_head(*out, params->seed);
        return status;
    }
    if (!(model.has_mean && model.has_std)) {
        const bool has_mean = model.has_mean, has_std = model.has_std;
        if (!has_mean)
            memcpy(model.mean, data->mean, sizeof model.mean);
        if (!has_std)
            memcpy(model.std, data->std, sizeof model.std);
        model.has_mean = model.has_std = true;
    }
    model.channels = data->channels;
    model.class_count = loss->classifier ? classes : 0;
    model.classes = loss->classifier ? names : NULL;
    model.head = loss->head;
    model.seed = params->seed;
    return limn_model_create(device, &model, out);
}

limn_status limn_train_find_broken(limn_model *m, char **name)
{
    *name = NULL;
    for (int i = 0; i < m->parameter_count; i++) {
        const limn_tensor *tensor = m->parameters[i].tensor;
        const size_t count = (size_t)limn_desc_count(&tensor->desc);
        float *values;
        bool broken = false;
        limn_status status =
            limn_alloc(m->ctx, m->parameters[i].name, count, sizeof *values, (void **)&values);
        if (status == LIMN_OK)
            status = limn_tensor_read(tensor, values);
        for (size_t k = 0; k < count && status == LIMN_OK; k++)
            broken = broken || !isfinite(values[k]);
        limn_free(values);
        if (status == LIMN_OK && broken && !(*name = limn_strdup(m->parameters[i].name)))
            status = limn_out_of_memory(m->ctx, "training");
        if (status != LIMN_OK || broken)
            return status;
    }
    return LIMN_OK;
}
