/* Leave-one-out nearest neighbours: Wu et al. 2018 with the images as each other's bank. */
#include "quality/classification.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

enum { NEIGHBOURS = 20 };

typedef struct neighbour {
    double similarity;
    int32_t label;
} neighbour;

static double dot(const float *a, const float *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Keeps the list sorted, most similar first; the earlier image wins a tie. */
static int insert(neighbour *list, int count, neighbour item)
{
    int at = count;
    while (at > 0 && list[at - 1].similarity < item.similarity)
        at--;
    if (at >= NEIGHBOURS)
        return count;
    const int moved = (count < NEIGHBOURS ? count : NEIGHBOURS - 1) - at;
    memmove(&list[at + 1], &list[at], (size_t)moved * sizeof *list);
    list[at] = item;
    return count < NEIGHBOURS ? count + 1 : count;
}

/* Class with the largest sum of exp(similarity / 0.07) over the neighbours. */
static int32_t vote(const neighbour *list, int count)
{
    int32_t best = -1;
    double best_weight = -1;
    for (int i = 0; i < count; i++) {
        double weight = 0;
        for (int j = 0; j < count; j++)
            if (list[j].label == list[i].label)
                weight += exp((list[j].similarity - 1) / 0.07);
        if (weight > best_weight) {
            best_weight = weight;
            best = list[i].label;
        }
    }
    return best;
}

static double value(const limn_predictions *p)
{
    int64_t labelled = 0, right = 0;
    double *length = limn_calloc((size_t)p->count, sizeof *length);
    if (!length)
        return NAN;
    for (int64_t i = 0; i < p->count; i++) {
        const float *f = p->features + i * p->feature_count;
        length[i] = sqrt(dot(f, f, p->feature_count)) + 1e-12;
    }
    for (int64_t i = 0; i < p->count; i++) {
        neighbour list[NEIGHBOURS];
        int count = 0;
        if (p->labels[i] < 0)
            continue;
        for (int64_t j = 0; j < p->count; j++) {
            if (j == i || p->labels[j] < 0)
                continue;
            const double similarity =
                dot(p->features + i * p->feature_count, p->features + j * p->feature_count,
                    p->feature_count) /
                (length[i] * length[j]);
            count = insert(list, count, (neighbour){similarity, p->labels[j]});
        }
        labelled++;
        right += vote(list, count) == p->labels[i];
    }
    limn_free(length);
    return labelled ? (double)right / (double)labelled : NAN;
}

const limn_eval_metric limn_metric_knn = {
    "knn", "accuracy of 20 nearest neighbours by cosine of the features, leaving one out", true,
    value};
