/* What is explained of each image: a class, or the similarity to a reference vector. */
#include "attr/target.h"

#include "base/memory.h"
#include "limn/evaluate.h"
#include "limn/predict.h"
#include "nn/model.h"

#include <math.h>

enum { REFERENCE_CHUNK = 16384 };

/* What limn_targets_create works on. */
typedef struct work {
    limn_model *model;
    limn_context *ctx;
    const limn_dataset *data, *reference;
    const limn_target_params *params;
    limn_target_set *targets;
    float *features;  /* of the images */
    int class_count;  /* of the classifier, or of the reference data */
    int32_t *members; /* images of each class in the reference data */
} work;

void limn_targets_destroy(limn_targets **handle)
{
    limn_target_set *targets = handle ? (limn_target_set *)*handle : NULL;
    if (!targets)
        return;
    limn_free(targets->classes);
    limn_free(targets->logits);
    limn_free(targets->probabilities);
    limn_free(targets->cosines);
    limn_free(targets->directions);
    limn_free(targets->direction_of);
    limn_free(targets);
    *handle = NULL;
}

static double dot(const float *a, const float *b, int64_t size)
{
    double sum = 0;
    for (int64_t i = 0; i < size; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Makes length 1; false for a zero vector. */
static bool scale_to_one(float *a, int64_t size)
{
    const double length = sqrt(dot(a, a, size));
    for (int64_t i = 0; i < size; i++)
        a[i] = (float)(a[i] / length);
    return length > 0;
}

static limn_status check_range(const work *w)
{
    const limn_target_params *p = w->params;
    const limn_targets *t = &w->targets->set;
    if (t->first < 0 || t->count < 1 || t->first > w->data->count - t->count)
        return limn_fail(w->ctx, LIMN_BAD_USAGE, "index out of range", w->data->path,
                         "%lld images from number %lld on, of %lld", (long long)t->count,
                         (long long)t->first, (long long)w->data->count);
    if (p->kind == LIMN_TARGET_CLASS && (p->class_index < 0 || p->class_index >= w->class_count))
        return limn_fail(w->ctx, LIMN_BAD_USAGE, "class out of range", NULL,
                         "class %d, there are %d classes, from 0", p->class_index, w->class_count);
    if (p->kind == LIMN_TARGET_IMAGE && (p->image < 0 || p->image >= w->reference->count))
        return limn_fail(w->ctx, LIMN_BAD_USAGE, "image out of range", w->reference->path,
                         "image %lld of %lld", (long long)p->image, (long long)w->reference->count);
    if (p->kind != LIMN_TARGET_LABEL)
        return LIMN_OK;
    for (int64_t i = 0; i < t->count; i++)
        if (w->data->labels[t->first + i] < 0)
            return limn_fail(w->ctx, LIMN_BAD_USAGE, "no label", w->data->path,
                             "image %lld has none, so its class cannot be the target",
                             (long long)(t->first + i));
    return LIMN_OK;
}

static limn_status predict(const work *w, const limn_dataset *data, int64_t first, int64_t count,
                           float *logits, float *features)
{
    const limn_predict_params params = {.first = first,
                                        .count = count,
                                        .batch = w->params->batch,
                                        .logits = logits,
                                        .features = features};
    return limn_predict(w->model, data, &params);
}

/* ---- classes of a classifier ------------------------------------------------------------------
 */

static limn_status score_classes(work *w)
{
    limn_target_set *t = w->targets;
    const size_t count = (size_t)t->set.count, classes = (size_t)w->class_count;
    float *logits = NULL;
    limn_status status =
        limn_alloc(w->ctx, "logits", count * classes, sizeof *logits, (void **)&logits);
    if (status == LIMN_OK)
        status = limn_alloc(w->ctx, "logits", count, sizeof(float), (void **)&t->logits);
    if (status == LIMN_OK)
        status = limn_alloc(w->ctx, "logits", count, sizeof(float), (void **)&t->probabilities);
    if (status == LIMN_OK)
        status = predict(w, w->data, t->set.first, t->set.count, logits, NULL);
    for (size_t i = 0; i < count && status == LIMN_OK; i++) {
        const float *row = logits + i * classes;
        const int predicted = limn_predicted_class(row, w->class_count);
        double sum = 0;
        if (w->params->kind == LIMN_TARGET_PREDICTED)
            t->classes[i] = predicted;
        for (size_t c = 0; c < classes; c++)
            sum += exp((double)row[c] - (double)row[predicted]);
        t->logits[i] = row[t->classes[i]];
        t->probabilities[i] =
            (float)(exp((double)row[t->classes[i]] - (double)row[predicted]) / sum);
    }
    limn_free(logits);
    return status;
}

/* ---- similarities ------------------------------------------------------------------------------
 */

/* Sums the features of images first to first + count - 1, each of length 1, into their class. */
static limn_status add_to_prototypes(work *w, int64_t first, int64_t count, float *features)
{
    const int64_t size = w->targets->features;
    const limn_status status = predict(w, w->reference, first, count, NULL, features);
    for (int64_t i = 0; i < count && status == LIMN_OK; i++) {
        const int32_t label = w->reference->labels[first + i];
        if (label < 0 || !scale_to_one(features + i * size, size))
            continue;
        w->members[label]++;
        for (int64_t k = 0; k < size; k++)
            w->targets->directions[label * size + k] += features[i * size + k];
    }
    return status;
}

/* Prototypes lie along the mean of their class, so the sum scaled to length 1 serves. */
static limn_status make_prototypes(work *w)
{
    limn_target_set *t = w->targets;
    const int64_t chunk =
        w->reference->count < REFERENCE_CHUNK ? w->reference->count : REFERENCE_CHUNK;
    float *features = NULL;
    if (w->class_count < 1) {
        limn_fail(w->ctx, LIMN_BAD_USAGE, "no class prototypes", w->reference->path,
                  "its images have no labels");
        limn_hint(w->ctx, "give labelled images as reference data");
        return LIMN_BAD_USAGE;
    }
    limn_status status = limn_alloc(w->ctx, "prototypes", (size_t)w->class_count,
                                    (size_t)t->features * sizeof(float), (void **)&t->directions);
    if (status == LIMN_OK)
        status = limn_alloc(w->ctx, "prototypes", (size_t)w->class_count, sizeof *w->members,
                            (void **)&w->members);
    if (status == LIMN_OK)
        status = limn_alloc(w->ctx, "prototypes", (size_t)chunk,
                            (size_t)t->features * sizeof(float), (void **)&features);
    for (int64_t at = 0; at < w->reference->count && status == LIMN_OK; at += chunk) {
        const int64_t rest = w->reference->count - at;
        status = add_to_prototypes(w, at, rest < chunk ? rest : chunk, features);
    }
    limn_free(features);
    for (int c = 0; c < w->class_count && status == LIMN_OK; c++)
        if (w->members[c] && !scale_to_one(t->directions + c * t->features, t->features))
            w->members[c] = 0;
    return status;
}

static limn_status make_image_direction(work *w)
{
    limn_target_set *t = w->targets;
    limn_status status = limn_alloc(w->ctx, "reference", (size_t)t->features, sizeof(float),
                                    (void **)&t->directions);
    if (status == LIMN_OK)
        status = predict(w, w->reference, w->params->image, 1, NULL, t->directions);
    if (status == LIMN_OK && !scale_to_one(t->directions, t->features))
        status = limn_fail(w->ctx, LIMN_BAD_INPUT, "no direction", w->reference->path,
                           "the features of image %lld are all zero", (long long)w->params->image);
    return status;
}

static int32_t nearest_prototype(const work *w, const float *features)
{
    const limn_target_set *t = w->targets;
    int32_t best = -1;
    double nearest = -INFINITY;
    for (int c = 0; c < w->class_count; c++) {
        const double similarity = dot(features, t->directions + c * t->features, t->features);
        if (w->members[c] && similarity > nearest) {
            nearest = similarity;
            best = c;
        }
    }
    return best < 0 ? 0 : best;
}

static limn_status score_similarities(work *w)
{
    limn_target_set *t = w->targets;
    const size_t count = (size_t)t->set.count;
    limn_status status = limn_alloc(w->ctx, "features", count, (size_t)t->features * sizeof(float),
                                    (void **)&w->features);
    if (status == LIMN_OK)
        status = limn_alloc(w->ctx, "similarities", count, sizeof(float), (void **)&t->cosines);
    if (status == LIMN_OK)
        status = limn_alloc(w->ctx, "similarities", count, sizeof *t->direction_of,
                            (void **)&t->direction_of);
    if (status == LIMN_OK)
        status = t->classes ? make_prototypes(w) : make_image_direction(w);
    if (status == LIMN_OK)
        status = predict(w, w->data, t->set.first, t->set.count, NULL, w->features);
    for (size_t i = 0; i < count && status == LIMN_OK; i++) {
        const float *features = w->features + i * (size_t)t->features;
        if (w->params->kind == LIMN_TARGET_PREDICTED)
            t->classes[i] = nearest_prototype(w, features);
        const int32_t row = t->classes ? t->classes[i] : 0;
        if (t->classes && !w->members[row])
            status = limn_fail(w->ctx, LIMN_BAD_USAGE, "no class prototype", w->reference->path,
                               "it has no image of class %d", (int)row);
        t->direction_of[i] = row;
        t->cosines[i] = (float)(dot(features, t->directions + row * t->features, t->features) /
                                sqrt(dot(features, features, t->features)));
    }
    return status;
}

/* ---- both -------------------------------------------------------------------------------------
 */

static limn_status decide(work *w)
{
    limn_target_set *t = w->targets;
    limn_status status = check_range(w);
    if (status != LIMN_OK)
        return status;
    if (w->params->kind != LIMN_TARGET_IMAGE)
        status = limn_alloc(w->ctx, "targets", (size_t)t->set.count, sizeof *t->classes,
                            (void **)&t->classes);
    for (int64_t i = 0; t->classes && i < t->set.count && status == LIMN_OK; i++) {
        t->classes[i] = w->params->kind == LIMN_TARGET_LABEL ? w->data->labels[t->set.first + i]
                                                             : w->params->class_index;
        if (t->classes[i] >= w->class_count)
            status = limn_fail(w->ctx, LIMN_BAD_USAGE, "class out of range", w->data->path,
                               "label %d of image %lld, there are %d classes, from 0",
                               (int)t->classes[i], (long long)(t->set.first + i), w->class_count);
    }
    if (status != LIMN_OK)
        return status;
    return t->set.cosine ? score_similarities(w) : score_classes(w);
}

limn_status limn_targets_create(limn_model *model, const limn_dataset *data,
                                const limn_target_params *params, limn_targets **out)
{
    *out = NULL;
    work w = {.model = model,
              .ctx = model->ctx,
              .data = data,
              .reference = params->reference ? params->reference : data,
              .params = params};
    limn_status status = limn_model_adopt(model, data);
    if (status == LIMN_OK)
        status = limn_alloc(w.ctx, "targets", 1, sizeof *w.targets, (void **)&w.targets);
    if (status != LIMN_OK)
        return status;
    limn_target_set *t = w.targets;
    t->features = model->info.features;
    t->set.first = params->first;
    t->set.count = params->count ? params->count : data->count - params->first;
    t->set.cosine =
        params->kind == LIMN_TARGET_IMAGE || params->prototype || model->info.class_count == 0;
    if (t->set.cosine && w.reference != data)
        status = limn_model_adopt(model, w.reference);
    w.class_count = t->set.cosine ? w.reference->class_count : model->info.class_count;
    if (status == LIMN_OK)
        status = decide(&w);
    limn_free(w.features);
    limn_free(w.members);
    t->set.classes = t->classes;
    t->set.logits = t->logits;
    t->set.probabilities = t->probabilities;
    t->set.cosines = t->cosines;
    *out = &t->set;
    if (status != LIMN_OK)
        limn_targets_destroy(out);
    return status;
}
