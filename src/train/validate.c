/* What validation data says about a model under training. */
#include "train/classifier.h"
#include "train/loss.h"

#include "limn/predict.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

limn_status limn_validate_classifier(limn_model *model, const limn_dataset *validation,
                                     double *values)
{
    limn_predict_params params = {0};
    const int64_t classes = model->info.class_count;
    limn_status status = limn_alloc(model->ctx, "logits", (size_t)validation->count,
                                    (size_t)classes * sizeof(float), (void **)&params.logits);
    if (status == LIMN_OK)
        status = limn_predict(model, validation, &params);
    if (status == LIMN_OK)
        limn_judge_logits(params.logits, validation->labels, validation->count, classes, &values[1],
                          &values[0]);
    limn_free(params.logits);
    return status;
}

/* ---- nearest neighbours --------------------------------------------------------------------- */

enum { NEIGHBOURS = 20, QUERIES = 256 };
static const double sharpness = 1 / 0.07; /* Caron et al. 2021 */

/* Labelled images and their features, of length 1. */
typedef struct feature_set {
    int64_t count;
    int32_t *labels;
    float *rows;
} feature_set;

static void normalise(float *row, int64_t width)
{
    double sum = 0;
    for (int64_t k = 0; k < width; k++)
        sum += (double)row[k] * (double)row[k];
    const double scale = sum > 0 ? 1 / sqrt(sum) : 0;
    for (int64_t k = 0; k < width; k++)
        row[k] = (float)((double)row[k] * scale);
}

static limn_status take_features(limn_model *model, const limn_dataset *data, feature_set *set)
{
    const int64_t width = model->info.features;
    limn_status status = limn_alloc(model->ctx, "labels", (size_t)data->count, sizeof *set->labels,
                                    (void **)&set->labels);
    if (status == LIMN_OK)
        status = limn_alloc(model->ctx, "features", (size_t)data->count,
                            (size_t)width * sizeof *set->rows, (void **)&set->rows);
    const limn_predict_params params = {.features = set->rows};
    if (status == LIMN_OK)
        status = limn_predict(model, data, &params);
    for (int64_t i = 0; i < data->count && status == LIMN_OK; i++) {
        if (data->labels[i] < 0)
            continue;
        memmove(set->rows + set->count * width, set->rows + i * width,
                (size_t)width * sizeof *set->rows);
        normalise(set->rows + set->count * width, width);
        set->labels[set->count++] = data->labels[i];
    }
    return status;
}

/* The class that wins the weighted vote of the nearest to image `self`, itself left out; ties go to
 * the lower index and class. */
static int32_t vote(const float *similarity, const feature_set *bank, int64_t self, double *votes,
                    int class_count)
{
    int64_t nearest[NEIGHBOURS];
    int found = 0;
    for (int64_t i = 0; i < bank->count; i++) {
        if (i == self)
            continue;
        if (found == NEIGHBOURS && similarity[i] <= similarity[nearest[found - 1]])
            continue;
        int at = found < NEIGHBOURS ? found++ : found - 1;
        for (; at > 0 && similarity[nearest[at - 1]] < similarity[i]; at--)
            nearest[at] = nearest[at - 1];
        nearest[at] = i;
    }
    memset(votes, 0, (size_t)class_count * sizeof *votes);
    int32_t best = 0;
    for (int i = 0; i < found; i++)
        votes[bank->labels[nearest[i]]] += exp(((double)similarity[nearest[i]] - 1) * sharpness);
    for (int32_t k = 1; k < class_count; k++)
        if (votes[k] > votes[best])
            best = k;
    return best;
}

typedef struct bank_tensors {
    limn_tensor *queries, *bank, *zero, *similarities;
    float *values;
    double *votes;
} bank_tensors;

static limn_status make_bank(limn_model *model, int class_count, const feature_set *bank,
                             bank_tensors *t)
{
    const int64_t width = model->info.features;
    const limn_desc descs[] = {limn_desc_make(LIMN_F32, 2, QUERIES, width, 0, 0),
                               limn_desc_make(LIMN_F32, 2, bank->count, width, 0, 0),
                               limn_desc_make(LIMN_F32, 1, bank->count, 0, 0, 0),
                               limn_desc_make(LIMN_F32, 2, QUERIES, bank->count, 0, 0)};
    limn_tensor **tensors[] = {&t->queries, &t->bank, &t->zero, &t->similarities};
    limn_status status = LIMN_OK;
    for (int i = 0; i < 4 && status == LIMN_OK; i++)
        status = limn_tensor_create(model->device, &descs[i], tensors[i]);
    if (status == LIMN_OK)
        status = limn_buffer_write(t->bank->buffer, 0, bank->rows,
                                   (size_t)(bank->count * width) * sizeof *bank->rows);
    if (status == LIMN_OK)
        status = limn_tensor_zero(t->queries);
    if (status == LIMN_OK)
        status = limn_tensor_zero(t->zero);
    if (status == LIMN_OK)
        status = limn_alloc(model->ctx, "similarities", QUERIES,
                            (size_t)bank->count * sizeof *t->values, (void **)&t->values);
    if (status == LIMN_OK)
        status = limn_alloc(model->ctx, "votes", (size_t)class_count, sizeof *t->votes,
                            (void **)&t->votes);
    return status;
}

static limn_status count_right(limn_model *model, int class_count, const feature_set *bank,
                               bank_tensors *t, int64_t *right)
{
    const int64_t width = model->info.features;
    limn_status status = LIMN_OK;
    *right = 0;
    for (int64_t first = 0; first < bank->count && status == LIMN_OK; first += QUERIES) {
        const int64_t rest = bank->count - first, count = rest < QUERIES ? rest : QUERIES;
        limn_tensor *const in[] = {t->queries, t->bank, t->zero};
        status = limn_buffer_write(t->queries->buffer, 0, bank->rows + first * width,
                                   (size_t)(count * width) * sizeof *bank->rows);
        if (status == LIMN_OK)
            status = limn_op_call(model->device, "linear", in, 3, &t->similarities, 1, " ");
        if (status == LIMN_OK)
            status = limn_tensor_read(t->similarities, t->values);
        for (int64_t i = 0; i < count && status == LIMN_OK; i++)
            *right += vote(t->values + i * bank->count, bank, first + i, t->votes, class_count) ==
                      bank->labels[first + i];
    }
    return status;
}

limn_status limn_validate_knn(limn_model *model, const limn_dataset *validation, double *values)
{
    feature_set bank = {0};
    bank_tensors t = {0};
    int64_t right = 0;
    limn_status status = take_features(model, validation, &bank);
    if (status == LIMN_OK && bank.count)
        status = make_bank(model, validation->class_count, &bank, &t);
    if (status == LIMN_OK && bank.count)
        status = count_right(model, validation->class_count, &bank, &t, &right);
    values[0] = bank.count ? (double)right / (double)bank.count : 0;
    limn_tensor_destroy(&t.queries);
    limn_tensor_destroy(&t.bank);
    limn_tensor_destroy(&t.zero);
    limn_tensor_destroy(&t.similarities);
    limn_free(t.values);
    limn_free(t.votes);
    limn_free(bank.labels);
    limn_free(bank.rows);
    return status;
}
