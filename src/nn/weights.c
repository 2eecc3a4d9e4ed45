/* Models in safetensors files. */
#include "nn/weights.h"

#include "base/file.h"
#include "base/memory.h"
#include "nn/arch.h"
#include "nn/parts.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* A tensor of the file under the name that limn uses. */
typedef struct named {
    const char *name; /* within the file's own name, or one of the fixed names */
    const limn_safetensors_entry *entry;
    bool used;
} named;

typedef struct loading {
    limn_model *model;
    const limn_safetensors *file;
    const char *path;
    named *names; /* sorted */
    size_t count;
    char *problems; /* "a; b; c" */
    size_t problem_count;
} loading;

static limn_status complain(loading *l, const char *format, ...) LIMN_PRINTF(2, 3);

static limn_status complain(loading *l, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char *longer = l->problems ? limn_format("%s; %s", l->problems, text) : limn_strdup(text);
    if (!longer)
        return limn_out_of_memory(l->model->ctx, l->path);
    limn_free(l->problems);
    l->problems = longer;
    l->problem_count++;
    return LIMN_OK;
}

/* ---- names --------------------------------------------------------------------------------------
 */

static const char *own_name(const char *name)
{
    static const struct {
        const char *from, *to;
    } renamed[] = {{"linear.weight", "fc.weight"}, {"linear.bias", "fc.bias"}};
    while (strncmp(name, "module.", 7) == 0)
        name += 7;
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++)
        if (strcmp(name, renamed[i].from) == 0)
            return renamed[i].to;
    return name;
}

static bool is_ignored(const limn_safetensors *file, const char *name)
{
    static const char suffix[] = "num_batches_tracked", state[] = LIMN_OPTIMIZER_PREFIX;
    const size_t length = strlen(name), tail = sizeof suffix - 1;
    if (strncmp(name, state, sizeof state - 1) == 0 &&
        limn_safetensors_metadata(file, LIMN_CHECKPOINT_KEY))
        return true;
    return length >= tail && strcmp(name + length - tail, suffix) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static named *find(const loading *l, const char *name)
{
    const named key = {.name = name};
    return l->count ? bsearch(&key, l->names, l->count, sizeof key, by_name) : NULL;
}

static limn_status collect_names(loading *l)
{
    limn_status status =
        limn_alloc(l->model->ctx, l->path, l->file->count, sizeof *l->names, (void **)&l->names);
    if (status != LIMN_OK)
        return status;
    for (size_t i = 0; i < l->file->count; i++)
        if (!is_ignored(l->file, l->file->entries[i].name))
            l->names[l->count++] =
                (named){.name = own_name(l->file->entries[i].name), .entry = &l->file->entries[i]};
    qsort(l->names, l->count, sizeof *l->names, by_name);
    for (size_t i = 1; i < l->count && status == LIMN_OK; i++)
        if (strcmp(l->names[i - 1].name, l->names[i].name) == 0)
            status = complain(l, "%s and %s are the same parameter", l->names[i - 1].entry->name,
                              l->names[i].entry->name);
    return status;
}

/* ---- parameters ---------------------------------------------------------------------------------
 */

static const char *shape_text(int rank, const int64_t *dim, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < rank && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "", (long long)dim[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

static bool same_shape(const limn_desc *desc, const limn_safetensors_entry *entry)
{
    if (desc->rank != entry->rank)
        return false;
    for (int i = 0; i < desc->rank; i++)
        if ((uint64_t)desc->dim[i] != entry->dim[i])
            return false;
    return true;
}

static limn_status load_values(loading *l, const limn_parameter *p,
                               const limn_safetensors_entry *entry)
{
    const size_t count = (size_t)limn_desc_count(&p->tensor->desc);
    float *data;
    limn_status status = limn_alloc(l->model->ctx, p->name, count, sizeof *data, (void **)&data);
    if (status != LIMN_OK)
        return status;
    memcpy(data, entry->data, entry->size);
    size_t broken = 0;
    for (size_t i = 0; i < count; i++)
        broken += !isfinite(data[i]);
    if (broken)
        status = complain(l, "%s holds %zu values that are NaN or infinite", p->name, broken);
    if (status == LIMN_OK)
        status = limn_tensor_write(p->tensor, data);
    limn_free(data);
    return status;
}

static limn_status load_parameter(loading *l, const limn_parameter *p)
{
    named *found = find(l, p->name);
    if (!found)
        return complain(l, "%s is missing", p->name);
    found->used = true;
    const limn_safetensors_entry *entry = found->entry;
    char wanted[96], given[160];
    int64_t dim[LIMN_SAFETENSORS_RANK];
    for (int i = 0; i < entry->rank; i++)
        dim[i] = (int64_t)entry->dim[i];
    if (!same_shape(&p->tensor->desc, entry))
        return complain(
            l, "%s is %s, the model needs %s", p->name,
            shape_text(entry->rank, dim, given, sizeof given),
            shape_text(p->tensor->desc.rank, p->tensor->desc.dim, wanted, sizeof wanted));
    if (entry->dtype != LIMN_SAFETENSORS_F32)
        return complain(l, "%s is %s, only F32 is read", p->name,
                        limn_safetensors_dtype_name(entry->dtype));
    return load_values(l, p, entry);
}

/* Extent `axis` of a tensor that the file may have; 0 where it has none of that rank. */
static int64_t extent(const loading *l, const char *name, int rank, int axis)
{
    const named *found = find(l, name);
    if (!found || found->entry->rank != rank || found->entry->dim[axis] > INT32_MAX)
        return 0;
    return (int64_t)found->entry->dim[axis];
}

/* Outputs of a linear layer that the file may have.  Its inputs must be `inputs`, so that a file
 * cannot make the model larger than itself; else this complains and the layer is left out. */
static limn_status linear_outputs(loading *l, const char *layer, int64_t inputs, int64_t *out)
{
    char weight[32], bias[32], given[160];
    int64_t dim[LIMN_SAFETENSORS_RANK];
    snprintf(weight, sizeof weight, "%s.weight", layer);
    snprintf(bias, sizeof bias, "%s.bias", layer);
    named *found = find(l, weight), *beside = find(l, bias);
    *out = 0;
    if (!found)
        return LIMN_OK;
    *out = extent(l, weight, 2, 0);
    if (*out > 0 && extent(l, weight, 2, 1) == inputs)
        return LIMN_OK;
    *out = 0;
    found->used = true;
    if (beside)
        beside->used = true;
    for (int i = 0; i < found->entry->rank; i++)
        dim[i] = (int64_t)found->entry->dim[i];
    return complain(l, "%s is %s, the model needs [outputs,%lld]", weight,
                    shape_text(found->entry->rank, dim, given, sizeof given), (long long)inputs);
}

static limn_status declare_all(loading *l, const limn_model_params *overrides)
{
    limn_model *m = l->model;
    const char *first = m->arch->stem_width ? "conv1.weight" : "layer1.conv.weight";
    m->info.channels = overrides->channels ? overrides->channels : extent(l, first, 4, 1);
    if (m->info.channels < 1 || m->info.channels > LIMN_MAX_CHANNELS)
        m->info.channels = 3; /* the misshapen tensor is listed with the others */
    limn_status status = limn_model_declare(m, LIMN_PART_ENCODER, 0, 0);
    int64_t classes = 0, inner = 0, outputs = 0;
    if (status == LIMN_OK)
        status = linear_outputs(l, "fc", m->info.features, &classes);
    if (status == LIMN_OK && classes > 0)
        status = limn_model_declare(m, LIMN_PART_CLASSIFIER, 0, classes);
    if (status == LIMN_OK && classes > 0)
        status = limn_model_set_classes(m, (int)classes, NULL);
    if (status == LIMN_OK)
        status = linear_outputs(l, "head.0", m->info.features, &inner);
    if (status == LIMN_OK && inner > 0)
        status = linear_outputs(l, "head.2", inner, &outputs);
    if (status == LIMN_OK && outputs > 0)
        status = limn_model_declare(m, LIMN_PART_HEAD, inner, outputs);
    return status;
}

static limn_status load_all(loading *l, const limn_model_params *overrides)
{
    limn_status status = collect_names(l);
    if (status == LIMN_OK)
        status = declare_all(l, overrides);
    for (int i = 0; i < l->model->parameter_count && status == LIMN_OK; i++)
        status = load_parameter(l, &l->model->parameters[i]);
    for (size_t i = 0; i < l->count && status == LIMN_OK; i++)
        if (!l->names[i].used)
            status = complain(l, "%s does not belong to it", l->names[i].entry->name);
    if (status != LIMN_OK || !l->problem_count)
        return status;
    limn_fail(l->model->ctx, LIMN_BAD_INPUT, "weights do not fit", l->path,
              "%zu tensors differ from %s: %s", l->problem_count, l->model->info.arch, l->problems);
    limn_hint(l->model->ctx, "give the architecture they were made for with --arch");
    return LIMN_BAD_INPUT;
}

/* ---- metadata -----------------------------------------------------------------------------------
 */

static limn_status bad_metadata(loading *l, const char *key, const char *why)
{
    return limn_fail(l->model->ctx, LIMN_BAD_INPUT, "bad metadata", l->path, "%s: %s", key, why);
}

static limn_status read_numbers(loading *l, const char *key, float *out, bool *found)
{
    const char *text = limn_safetensors_metadata(l->file, key);
    *found = false;
    if (!text)
        return LIMN_OK;
    json_t *array = json_loads(text, 0, NULL);
    limn_status status = LIMN_OK;
    if (!json_is_array(array) || json_array_size(array) != (size_t)l->model->info.channels)
        status = bad_metadata(l, key, "it is no list of one number a channel");
    for (size_t i = 0; status == LIMN_OK && i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        out[i] = (float)json_number_value(item);
        if (!json_is_number(item) || !isfinite(out[i]) || (*key == 's' && out[i] <= 0))
            status = bad_metadata(l, key, "a value is out of range");
    }
    json_decref(array);
    *found = status == LIMN_OK;
    return status;
}

static limn_status read_classes(loading *l)
{
    limn_model *m = l->model;
    const char *text = limn_safetensors_metadata(l->file, "classes");
    if (!text || !m->info.class_count)
        return LIMN_OK;
    json_t *array = json_loads(text, 0, NULL);
    limn_status status = LIMN_OK;
    if (!json_is_array(array) || json_array_size(array) != (size_t)m->info.class_count)
        status = bad_metadata(l, "classes", "it is no list of one name a class");
    for (size_t i = 0; status == LIMN_OK && i < json_array_size(array); i++) {
        const char *name = json_string_value(json_array_get(array, i));
        char *copy = name ? limn_strdup(name) : NULL;
        if (!name)
            status = bad_metadata(l, "classes", "a name is no text");
        else if (!copy)
            status = limn_out_of_memory(m->ctx, l->path);
        if (status != LIMN_OK)
            break;
        limn_free(m->classes[i]);
        m->classes[i] = copy;
    }
    json_decref(array);
    m->class_names_given = status == LIMN_OK;
    return status;
}

static limn_status read_metadata(loading *l, const limn_model_params *overrides)
{
    limn_model *m = l->model;
    float mean[LIMN_MAX_CHANNELS] = {0}, std[LIMN_MAX_CHANNELS] = {0};
    bool has_mean, has_std;
    limn_status status = read_numbers(l, "mean", mean, &has_mean);
    if (status == LIMN_OK)
        status = read_numbers(l, "std", std, &has_std);
    if (status == LIMN_OK)
        status = read_classes(l);
    if (status != LIMN_OK)
        return status;
    if (overrides->has_mean)
        memcpy(mean, overrides->mean, sizeof mean);
    if (overrides->has_std)
        memcpy(std, overrides->std, sizeof std);
    if ((overrides->has_mean || has_mean) && (overrides->has_std || has_std))
        status = limn_model_set_normalisation(m, mean, std);
    if (status != LIMN_OK)
        return status;
    if (!overrides->class_count || !m->info.class_count)
        return LIMN_OK;
    if (overrides->class_count != m->info.class_count)
        return limn_fail(m->ctx, LIMN_BAD_INPUT, "weights do not fit", l->path,
                         "%d classes were asked for, the classifier has %d outputs",
                         overrides->class_count, m->info.class_count);
    if (!overrides->classes)
        return LIMN_OK;
    m->class_names_given = true;
    return limn_model_set_classes(m, overrides->class_count, overrides->classes);
}

/* ---- load and save ------------------------------------------------------------------------------
 */

static limn_status load_file(limn_device *device, const char *path, const limn_safetensors *file,
                             const limn_model_params *overrides, limn_model **out)
{
    limn_context *ctx = limn_device_context(device);
    const char *arch = overrides->arch ? overrides->arch : limn_safetensors_metadata(file, "arch");
    if (!arch) {
        limn_fail(ctx, LIMN_BAD_INPUT, "unknown architecture", path,
                  "the file does not say which architecture it is for");
        limn_hint(ctx, "give it with --arch, for example --arch cifar-resnet20");
        return LIMN_BAD_INPUT;
    }
    loading l = {.file = file, .path = path};
    limn_status status = limn_model_new(device, arch, &l.model);
    if (status == LIMN_BAD_USAGE && !overrides->arch)
        status = LIMN_BAD_INPUT;
    if (status != LIMN_OK)
        return status;
    status = load_all(&l, overrides);
    if (status == LIMN_OK)
        status = read_metadata(&l, overrides);
    limn_free(l.names);
    limn_free(l.problems);
    if (status != LIMN_OK) {
        limn_model_destroy(&l.model);
        return status;
    }
    const XXH128_hash_t digest = XXH3_128bits(file->bytes, file->size);
    snprintf(l.model->digest, sizeof l.model->digest, "%016llx%016llx",
             (unsigned long long)digest.high64, (unsigned long long)digest.low64);
    limn_model_count(l.model);
    *out = l.model;
    return LIMN_OK;
}

limn_status limn_model_load(limn_device *device, const char *path,
                            const limn_model_params *overrides, limn_model **out)
{
    const limn_model_params none = {0};
    limn_safetensors *file;
    *out = NULL;
    limn_status status = limn_safetensors_open(limn_device_context(device), path, &file);
    if (status != LIMN_OK)
        return status;
    status = load_file(device, path, file, overrides ? overrides : &none, out);
    limn_safetensors_close(&file);
    return status;
}

int64_t limn_model_head_width(limn_model *m)
{
    const limn_parameter *p = limn_model_find(m, "head.0.weight");
    return p ? p->tensor->desc.dim[0] : 0;
}

/* A JSON value as a metadata string; takes the value. */
static limn_status put_json(limn_model *m, limn_safetensors_writer *writer, const char *key,
                            json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(value);
    if (!text)
        return limn_out_of_memory(m->ctx, key);
    const limn_status status = limn_safetensors_writer_metadata(writer, key, text);
    free(text);
    return status;
}

limn_status limn_model_put_metadata(limn_model *m, limn_safetensors_writer *writer)
{
    limn_status status = limn_safetensors_writer_metadata(writer, "arch", m->info.arch);
    if (status == LIMN_OK && m->info.class_count) {
        json_t *classes = json_array();
        for (int i = 0; i < m->info.class_count; i++)
            if (json_array_append_new(classes, json_string(m->classes[i])) != 0) {
                json_decref(classes);
                return limn_fail(m->ctx, LIMN_FAILED, "cannot write", "classes",
                                 "class %d has a name that is not UTF-8 text, or the host has no "
                                 "more memory",
                                 i);
            }
        status = put_json(m, writer, "classes", classes);
    }
    if (status == LIMN_OK && m->info.normalised) {
        json_t *mean = json_array(), *std = json_array();
        for (int i = 0; i < m->info.channels; i++) {
            json_array_append_new(mean, json_real((double)m->info.mean[i]));
            json_array_append_new(std, json_real((double)m->info.std[i]));
        }
        status = put_json(m, writer, "mean", mean);
        const limn_status other = put_json(m, writer, "std", std);
        status = status == LIMN_OK ? other : status;
    }
    return status;
}

limn_status limn_tensor_declare(limn_safetensors_writer *writer, const char *name,
                                const limn_desc *desc)
{
    uint64_t dim[LIMN_MAX_RANK];
    for (int i = 0; i < desc->rank; i++)
        dim[i] = (uint64_t)desc->dim[i];
    return limn_safetensors_writer_declare(writer, name, LIMN_SAFETENSORS_F32, desc->rank, dim);
}

limn_status limn_tensor_append(limn_context *ctx, limn_safetensors_writer *writer,
                               const limn_tensor *tensor)
{
    const size_t bytes = limn_desc_bytes(&tensor->desc);
    void *data;
    limn_status status = limn_alloc(ctx, "weights", bytes, 1, &data);
    if (status == LIMN_OK)
        status = limn_tensor_read(tensor, data);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_data(writer, data, bytes);
    limn_free(data);
    return status;
}

limn_status limn_model_save(limn_model *m, const char *path)
{
    limn_safetensors_writer *writer;
    limn_status status = limn_safetensors_writer_open(m->ctx, path, &writer);
    if (status != LIMN_OK)
        return status;
    status = limn_model_put_metadata(m, writer);
    for (int i = 0; i < m->parameter_count && status == LIMN_OK; i++)
        status = limn_tensor_declare(writer, m->parameters[i].name, &m->parameters[i].tensor->desc);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_begin(writer, 0);
    for (int i = 0; i < m->parameter_count && status == LIMN_OK; i++)
        status = limn_tensor_append(m->ctx, writer, m->parameters[i].tensor);
    if (status == LIMN_OK)
        return limn_safetensors_writer_finish(&writer);
    limn_safetensors_writer_discard(&writer);
    return status;
}
