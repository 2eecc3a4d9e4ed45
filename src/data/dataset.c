#define _POSIX_C_SOURCE 200809L
#include "data/dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "tensor/safetensors.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    CLASSES_MAX = 1 << 16,
    RESERVE = 1024, /* header room: digits of counts and offsets, mean and std */
    CHUNK = 1 << 16 /* bytes copied at once */
};

/* How often each grey value occurs in each channel: exact, and all that mean and std need. */
typedef struct histogram {
    uint64_t bins[LIMN_MAX_CHANNELS][256];
} histogram;

static void count_values(histogram *values, const uint8_t *pixels, size_t count, int channels)
{
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < channels; c++)
            values->bins[c][*pixels++]++;
}

/* Of values in 0..1; std is that of the population, at least one grey step. */
static void moments(const histogram *values, int channels, float *mean, float *std)
{
    for (int c = 0; c < channels; c++) {
        uint64_t count = 0;
        double sum = 0, squares = 0;
        for (int v = 0; v < 256; v++) {
            count += values->bins[c][v];
            sum += (double)values->bins[c][v] * v;
        }
        const double m = sum / (double)count;
        for (int v = 0; v < 256; v++)
            squares += (double)values->bins[c][v] * (v - m) * (v - m);
        const double s = sqrt(squares / (double)count);
        mean[c] = (float)(m / 255);
        std[c] = (float)((s > 1 ? s : 1) / 255);
    }
}

/* A data set with what it owns. */
typedef struct opened {
    limn_dataset set; /* first: the two are converted into each other */
    limn_safetensors *file;
    int32_t *labels;
    char **classes;
    void *bytes; /* the file's, where limn_dataset_own gave them */
} opened;

static limn_status refuse(limn_context *ctx, const opened *data, const char *why)
{
    return limn_fail(ctx, LIMN_BAD_INPUT, "not a data set", data->file->path, "%s", why);
}

static const limn_safetensors_entry *find(const opened *data, const char *name,
                                          limn_safetensors_dtype dtype, int rank)
{
    const limn_safetensors_entry *entry = limn_safetensors_find(data->file, name);
    return entry && entry->dtype == dtype && entry->rank == rank ? entry : NULL;
}

static limn_status read_tensors(limn_context *ctx, opened *data)
{
    limn_dataset *set = &data->set;
    const limn_safetensors_entry *images = find(data, "images", LIMN_SAFETENSORS_U8, 4);
    const limn_safetensors_entry *labels = find(data, "labels", LIMN_SAFETENSORS_I32, 1);
    const limn_safetensors_entry *masks = find(data, "masks", LIMN_SAFETENSORS_U8, 3);
    if (!images)
        return refuse(ctx, data, "it has no tensor 'images' of U8 [N,H,W,C]");
    if (!images->size)
        return refuse(ctx, data, "'images' is empty");
    if (images->dim[3] > LIMN_MAX_CHANNELS)
        return refuse(ctx, data, "'images' has more than 4 channels");
    if (!labels || labels->dim[0] != images->dim[0])
        return refuse(ctx, data, "it has no tensor 'labels' of I32 [N], N as in 'images'");
    if (limn_safetensors_find(data->file, "masks") &&
        (!masks || memcmp(masks->dim, images->dim, 3 * sizeof *masks->dim) != 0))
        return refuse(ctx, data, "'masks' is not U8 [N,H,W] as in 'images'");
    set->images = images->data;
    set->masks = masks ? masks->data : NULL;
    /* The product of all four fits a size_t, so each fits an int64_t. */
    set->count = (int64_t)images->dim[0];
    set->height = (int64_t)images->dim[1];
    set->width = (int64_t)images->dim[2];
    set->channels = (int64_t)images->dim[3];
    const limn_status status =
        limn_alloc(ctx, "labels", labels->dim[0], sizeof *data->labels, (void **)&data->labels);
    if (status != LIMN_OK)
        return status;
    memcpy(data->labels, labels->data, labels->size);
    set->labels = data->labels;
    return LIMN_OK;
}

/* Metadata value as a JSON array; `*out` is NULL where the key is absent. */
static limn_status read_array(limn_context *ctx, const opened *data, const char *key, json_t **out)
{
    const char *text = limn_safetensors_metadata(data->file, key);
    *out = NULL;
    if (!text)
        return LIMN_OK;
    json_error_t error;
    *out = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!*out && json_error_code(&error) == json_error_out_of_memory)
        return limn_out_of_memory(ctx, data->file->path);
    if (json_is_array(*out))
        return LIMN_OK;
    json_decref(*out);
    *out = NULL;
    return limn_fail(ctx, LIMN_BAD_INPUT, "not a data set", data->file->path,
                     "metadata '%s' is not a JSON array", key);
}

static limn_status name_classes(limn_context *ctx, opened *data, const json_t *names, size_t count)
{
    limn_status status =
        limn_alloc(ctx, "class names", count, sizeof *data->classes, (void **)&data->classes);
    if (status != LIMN_OK)
        return status;
    data->set.classes = (const char *const *)data->classes;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (names && !name)
            return refuse(ctx, data, "metadata 'classes' holds something else than text");
        data->classes[i] = name ? limn_strdup(name) : limn_format("%zu", i);
        if (!data->classes[i])
            return limn_out_of_memory(ctx, "class names");
        data->set.class_count++;
    }
    return LIMN_OK;
}

static limn_status read_classes(limn_context *ctx, opened *data)
{
    int32_t lowest = 0, highest = -1;
    int64_t worst = 0;
    for (int64_t i = 0; i < data->set.count; i++) {
        const int32_t label = data->labels[i];
        if (label > highest) {
            highest = label;
            worst = i;
        }
        if (label < lowest)
            lowest = label;
    }
    if (lowest < -1)
        return limn_fail(ctx, LIMN_BAD_INPUT, "not a data set", data->file->path,
                         "a label is %ld; the lowest legal one is -1, unlabelled", (long)lowest);
    json_t *names;
    limn_status status = read_array(ctx, data, "classes", &names);
    if (status != LIMN_OK)
        return status;
    const size_t count = names ? json_array_size(names) : (size_t)((int64_t)highest + 1);
    if (count > CLASSES_MAX)
        status = refuse(ctx, data, "it has more than 65536 classes");
    else if (highest >= 0 && (size_t)highest >= count)
        status = limn_fail(ctx, LIMN_BAD_INPUT, "not a data set", data->file->path,
                           "label %ld of image %lld is not below the number of classes, %zu",
                           (long)highest, (long long)worst, count);
    else
        status = name_classes(ctx, data, names, count);
    json_decref(names);
    return status;
}

/* One number a channel from the metadata `key`; `*found` tells whether it is there. */
static limn_status read_numbers(limn_context *ctx, const opened *data, const char *key, float *out,
                                bool *found)
{
    json_t *numbers;
    limn_status status = read_array(ctx, data, key, &numbers);
    *found = numbers != NULL;
    if (status != LIMN_OK || !numbers)
        return status;
    if (json_array_size(numbers) != (size_t)data->set.channels)
        status = limn_fail(ctx, LIMN_BAD_INPUT, "not a data set", data->file->path,
                           "metadata '%s' has %zu values for %lld channels", key,
                           json_array_size(numbers), (long long)data->set.channels);
    for (size_t c = 0; status == LIMN_OK && c < (size_t)data->set.channels; c++) {
        const json_t *number = json_array_get(numbers, c);
        const double value = json_number_value(number);
        if (!json_is_number(number) || !(fabs(value) <= 1e6))
            status = limn_fail(ctx, LIMN_BAD_INPUT, "not a data set", data->file->path,
                               "metadata '%s' holds something else than numbers up to 1e6", key);
        else
            out[c] = (float)value;
    }
    json_decref(numbers);
    return status;
}

static limn_status read_moments(limn_context *ctx, opened *data)
{
    limn_dataset *set = &data->set;
    bool mean, std;
    limn_status status = read_numbers(ctx, data, "mean", set->mean, &mean);
    if (status == LIMN_OK)
        status = read_numbers(ctx, data, "std", set->std, &std);
    if (status != LIMN_OK)
        return status;
    if (mean != std)
        return refuse(ctx, data, "it has only one of the metadata 'mean' and 'std'");
    if (mean) {
        for (int c = 0; c < set->channels; c++)
            if (!(set->std[c] > 0))
                return refuse(ctx, data, "metadata 'std' holds a value that is not above 0");
        return LIMN_OK;
    }
    limn_log(ctx, LIMN_LOG_INFO,
             "%s: no mean and std in its metadata; computing them from the images",
             data->file->path);
    histogram *values;
    status = limn_alloc(ctx, "mean and std", 1, sizeof *values, (void **)&values);
    if (status != LIMN_OK)
        return status;
    count_values(values, set->images, (size_t)(set->count * set->height * set->width),
                 (int)set->channels);
    moments(values, (int)set->channels, set->mean, set->std);
    limn_free(values);
    return LIMN_OK;
}

/* Takes `file` over in every case. */
static limn_status read_dataset(limn_context *ctx, limn_safetensors *file, const limn_dataset **out)
{
    *out = NULL;
    opened *data;
    limn_status status = limn_alloc(ctx, file->path, 1, sizeof *data, (void **)&data);
    if (status != LIMN_OK) {
        limn_safetensors_close(&file);
        return status;
    }
    data->file = file;
    data->set.path = file->path;
    *out = &data->set;
    status = read_tensors(ctx, data);
    if (status == LIMN_OK)
        status = read_classes(ctx, data);
    if (status == LIMN_OK)
        status = read_moments(ctx, data);
    if (status != LIMN_OK)
        limn_dataset_close(out);
    return status;
}

limn_status limn_dataset_open(limn_context *ctx, const char *path, const limn_dataset **out)
{
    *out = NULL;
    limn_safetensors *file;
    const limn_status status = limn_safetensors_open(ctx, path, &file);
    return status == LIMN_OK ? read_dataset(ctx, file, out) : status;
}

limn_status limn_dataset_parse(limn_context *ctx, const char *path, const void *bytes, size_t size,
                               const limn_dataset **out)
{
    *out = NULL;
    limn_safetensors *file;
    const limn_status status = limn_safetensors_parse(ctx, path, bytes, size, &file);
    return status == LIMN_OK ? read_dataset(ctx, file, out) : status;
}

void limn_dataset_close(const limn_dataset **dataset)
{
    opened *data = dataset ? (opened *)*dataset : NULL;
    if (!data)
        return;
    for (int i = 0; i < data->set.class_count; i++)
        limn_free(data->classes[i]);
    limn_free(data->classes);
    limn_free(data->labels);
    limn_safetensors_close(&data->file);
    limn_free(data->bytes);
    limn_free(data);
    *dataset = NULL;
}

void limn_dataset_own(const limn_dataset *dataset, void *bytes)
{
    ((opened *)dataset)->bytes = bytes; /* made by limn_calloc, so it may be written */
}

void limn_dataset_digest(const limn_dataset *dataset, char hex[33])
{
    opened *data = (opened *)dataset; /* made by limn_calloc, so it may be written */
    if (!data->set.digest[0] && !data->set.digest[1]) {
        const XXH128_hash_t digest = XXH3_128bits(data->file->bytes, data->file->size);
        data->set.digest[0] = digest.low64;
        data->set.digest[1] = digest.high64;
    }
    snprintf(hex, 33, "%016llx%016llx", (unsigned long long)data->set.digest[1],
             (unsigned long long)data->set.digest[0]);
}

struct limn_dataset_writer {
    limn_context *ctx;
    limn_safetensors_writer *file;
    int64_t height, width, channels;
    int class_count;
    size_t count, capacity;
    int32_t *labels;
    histogram values;
    FILE *masks; /* they follow the images in the file, so they wait here */
    char *masks_path;
};

static limn_status put_array(limn_dataset_writer *writer, const char *key, json_t *array)
{
    char *text = array ? json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(array);
    if (!text)
        return limn_out_of_memory(writer->ctx, key);
    const limn_status status = limn_safetensors_writer_metadata(writer->file, key, text);
    free(text);
    return status;
}

static limn_status put_classes(limn_dataset_writer *writer, const char *const *classes)
{
    json_t *array = json_array();
    for (int i = 0; array && i < writer->class_count; i++) {
        json_t *name = json_string_nocheck(classes[i]), *checked = json_string(classes[i]);
        const bool bad = name && !checked;
        json_decref(checked);
        if (bad) {
            json_decref(name);
            json_decref(array);
            return limn_fail(writer->ctx, LIMN_BAD_INPUT, "bad class name", classes[i],
                             "it is not UTF-8 text");
        }
        if (json_array_append_new(array, name) != 0) {
            json_decref(array);
            array = NULL;
        }
    }
    return put_array(writer, "classes", array);
}

static limn_status put_numbers(limn_dataset_writer *writer, const char *key, const float *numbers)
{
    json_t *array = json_array();
    for (int c = 0; array && c < writer->channels; c++)
        if (json_array_append_new(array, json_real((double)numbers[c])) != 0) {
            json_decref(array);
            array = NULL;
        }
    return put_array(writer, key, array);
}

static limn_status start(limn_dataset_writer *writer, const limn_dataset_writer_params *params,
                         const char *path)
{
    limn_status status = limn_safetensors_writer_open(writer->ctx, path, &writer->file);
    if (status == LIMN_OK)
        status = put_classes(writer, params->classes);
    const uint64_t images[4] = {0, (uint64_t)writer->height, (uint64_t)writer->width,
                                (uint64_t)writer->channels};
    if (status == LIMN_OK)
        status =
            limn_safetensors_writer_declare(writer->file, "images", LIMN_SAFETENSORS_U8, 4, images);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_declare(writer->file, "labels", LIMN_SAFETENSORS_I32, 1,
                                                 images);
    if (status == LIMN_OK && params->masks)
        status =
            limn_safetensors_writer_declare(writer->file, "masks", LIMN_SAFETENSORS_U8, 3, images);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_begin(writer->file, RESERVE);
    if (status != LIMN_OK || !params->masks)
        return status;
    writer->masks_path = limn_format("%s.%ld.masks.part", path, (long)getpid());
    if (!writer->masks_path)
        return limn_out_of_memory(writer->ctx, path);
    writer->masks = fopen(writer->masks_path, "wb+");
    if (!writer->masks)
        return limn_fail(writer->ctx, LIMN_FAILED, "cannot write", writer->masks_path,
                         "the file for the masks cannot be made");
    return LIMN_OK;
}

limn_status limn_dataset_writer_open(limn_context *ctx, const char *path,
                                     const limn_dataset_writer_params *params,
                                     limn_dataset_writer **out)
{
    *out = NULL;
    size_t bytes = 0;
    if (params->height < 1 || params->width < 1 ||
        (params->channels != 1 && params->channels != 3) ||
        !limn_size_mul((size_t)params->height, (size_t)params->width, &bytes) ||
        !limn_size_mul(bytes, (size_t)params->channels, &bytes) || bytes > INT32_MAX)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad image size", path,
                         "%lld x %lld x %lld (channels are 1 or 3, an image has less than 2 GiB)",
                         (long long)params->height, (long long)params->width,
                         (long long)params->channels);
    if (params->class_count < 0 || params->class_count > CLASSES_MAX)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad class count", path, "%d is not in 0..65536",
                         params->class_count);
    limn_dataset_writer *writer;
    limn_status status = limn_alloc(ctx, path, 1, sizeof *writer, (void **)&writer);
    if (status != LIMN_OK)
        return status;
    writer->ctx = ctx;
    writer->height = params->height;
    writer->width = params->width;
    writer->channels = params->channels;
    writer->class_count = params->class_count;
    if ((status = start(writer, params, path)) != LIMN_OK)
        limn_dataset_writer_discard(&writer);
    *out = writer;
    return status;
}

limn_status limn_dataset_writer_add(limn_dataset_writer *writer, const uint8_t *pixels,
                                    int32_t label, const uint8_t *mask)
{
    limn_context *ctx = writer->ctx;
    if (label < -1 || label >= writer->class_count)
        return limn_fail(ctx, LIMN_BAD_INPUT, "bad label", NULL,
                         "%ld of image %zu is neither -1 nor below the number of classes, %d",
                         (long)label, writer->count, writer->class_count);
    if ((mask != NULL) != (writer->masks != NULL))
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad image", NULL, "image %zu %s", writer->count,
                         mask ? "has a mask, the data set has none" : "has no mask");
    if (writer->count == writer->capacity) {
        const size_t more = writer->capacity ? 2 * writer->capacity : 1024;
        int32_t *grown = limn_realloc(writer->labels, more, sizeof *grown);
        if (!grown)
            return limn_out_of_memory(ctx, "labels");
        writer->labels = grown;
        writer->capacity = more;
    }
    const size_t area = (size_t)(writer->height * writer->width);
    const limn_status status =
        limn_safetensors_writer_data(writer->file, pixels, area * (size_t)writer->channels);
    if (status != LIMN_OK)
        return status;
    if (mask && fwrite(mask, 1, area, writer->masks) != area)
        return limn_fail(ctx, LIMN_FAILED, "cannot write", writer->masks_path,
                         "writing the masks failed; is the disk full?");
    count_values(&writer->values, pixels, area, (int)writer->channels);
    writer->labels[writer->count++] = label;
    return LIMN_OK;
}

static limn_status copy_masks(limn_dataset_writer *writer)
{
    unsigned char *chunk;
    limn_status status = limn_alloc(writer->ctx, "masks", CHUNK, 1, (void **)&chunk);
    if (status != LIMN_OK)
        return status;
    size_t left = writer->count * (size_t)(writer->height * writer->width);
    bool failed = fflush(writer->masks) != 0 || fseek(writer->masks, 0, SEEK_SET) != 0;
    while (!failed && left && status == LIMN_OK) {
        const size_t size = left < CHUNK ? left : CHUNK;
        failed = fread(chunk, 1, size, writer->masks) != size;
        if (!failed)
            status = limn_safetensors_writer_data(writer->file, chunk, size);
        left -= size;
    }
    limn_free(chunk);
    if (failed)
        return limn_fail(writer->ctx, LIMN_FAILED, "cannot write", writer->masks_path,
                         "copying the masks failed; is the disk full?");
    return status;
}

static limn_status complete(limn_dataset_writer *writer)
{
    if (!writer->count)
        return limn_fail(writer->ctx, LIMN_BAD_INPUT, "empty data set", NULL, "it has no image");
    static const char *const names[] = {"images", "labels", "masks"};
    limn_status status = LIMN_OK;
    for (int i = 0; status == LIMN_OK && i < (writer->masks ? 3 : 2); i++)
        status = limn_safetensors_writer_resize(writer->file, names[i], writer->count);
    float mean[LIMN_MAX_CHANNELS], std[LIMN_MAX_CHANNELS];
    moments(&writer->values, (int)writer->channels, mean, std);
    if (status == LIMN_OK)
        status = put_numbers(writer, "mean", mean);
    if (status == LIMN_OK)
        status = put_numbers(writer, "std", std);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_data(writer->file, writer->labels,
                                              writer->count * sizeof *writer->labels);
    if (status == LIMN_OK && writer->masks)
        status = copy_masks(writer);
    return status == LIMN_OK ? limn_safetensors_writer_finish(&writer->file) : status;
}

limn_status limn_dataset_writer_finish(limn_dataset_writer **writer)
{
    const limn_status status = complete(*writer);
    limn_dataset_writer_discard(writer);
    return status;
}

void limn_dataset_writer_discard(limn_dataset_writer **handle)
{
    limn_dataset_writer *writer = handle ? *handle : NULL;
    if (!writer)
        return;
    limn_safetensors_writer_discard(&writer->file);
    if (writer->masks) {
        fclose(writer->masks);
        remove(writer->masks_path);
    }
    limn_free(writer->masks_path);
    limn_free(writer->labels);
    limn_free(writer);
    *handle = NULL;
}
