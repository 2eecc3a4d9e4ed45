/* Windows of the image replaced one at a time: M. Zeiler, R. Fergus, "Visualizing and understanding
 * convolutional networks", ECCV 2014. */
#include "attr/attribution.h"

#include "base/memory.h"
#include "ops/window.h"

#include <stdio.h>

/* What the windows of all images share. */
typedef struct windows {
    int64_t count;
    char places[160];           /* of windows, as parameters of ops */
    limn_tensor *sum, *covered; /* [H,W] */
    limn_tensor *map;           /* [H,W] */
    limn_tensor *reference;     /* [1]: score of the unchanged image */
    float *references;          /* [count] */
} windows;

static void find_places(const limn_attr_job *job, windows *w)
{
    const limn_attribution_params *p = &job->params;
    w->count = limn_window_count(job->height, p->window[0], p->stride[0]) *
               limn_window_count(job->width, p->window[1], p->stride[1]);
    snprintf(w->places, sizeof w->places,
             "window_h=%lld window_w=%lld stride_h=%lld stride_w=%lld cut=%d",
             (long long)p->window[0], (long long)p->window[1], (long long)p->stride[0],
             (long long)p->stride[1], p->preset == LIMN_PRESET_CAPTUM);
}

static limn_status create(limn_attr_job *job, windows *w)
{
    const limn_desc map = limn_desc_make(LIMN_F32, 2, job->height, job->width, 0, 0);
    const limn_desc one = limn_desc_make(LIMN_F32, 1, 1, 0, 0, 0);
    limn_tensor **tensors[] = {&w->sum, &w->covered, &w->map};
    limn_status status = LIMN_OK;
    for (int i = 0; i < 3 && status == LIMN_OK; i++)
        status = limn_tensor_create(job->device, &map, tensors[i]);
    if (status == LIMN_OK)
        status = limn_tensor_create(job->device, &one, &w->reference);
    if (status == LIMN_OK)
        status = limn_alloc(job->ctx, "scores", (size_t)job->count, sizeof *w->references,
                            (void **)&w->references);
    return status;
}

static void release(windows *w)
{
    limn_tensor_destroy(&w->sum);
    limn_tensor_destroy(&w->covered);
    limn_tensor_destroy(&w->map);
    limn_tensor_destroy(&w->reference);
    limn_free(w->references);
}

/* Scores of the unchanged images from the graph that scores the changed ones, so that a window
 * without influence gives a drop of exactly zero. */
static limn_status score_images(limn_attr_job *job, limn_attr_network *net, windows *w)
{
    limn_status status = LIMN_OK;
    for (int64_t at = 0; at < job->count && status == LIMN_OK; at += net->batch) {
        const int64_t rest = job->count - at, count = rest < net->batch ? rest : net->batch;
        status = limn_attr_load(job, net, at, count);
        if (status == LIMN_OK)
            status = limn_graph_forward(net->graph);
        if (status == LIMN_OK)
            status = limn_buffer_read(limn_graph_tensor(net->graph, net->score)->buffer, 0,
                                      w->references + at, (size_t)count * sizeof *w->references);
    }
    return status;
}

/* Windows `first` to first + count - 1 of the image under work. */
static limn_status run_batch(limn_attr_job *job, limn_attr_perturbed *p, windows *w, int64_t first,
                             int64_t count)
{
    limn_tensor *x = limn_graph_tensor(p->net.graph, p->net.x);
    limn_tensor *occluded[] = {p->image, p->baseline};
    limn_tensor *sums[] = {w->sum, w->covered, limn_graph_tensor(p->net.graph, p->net.score),
                           w->reference};
    limn_status status =
        limn_op_call(job->device, "occlude", occluded, 2, &x, 1, "batch=%lld first=%lld %s",
                     (long long)p->net.batch, (long long)first, w->places);
    if (status == LIMN_OK)
        status = limn_graph_forward(p->net.graph);
    if (status == LIMN_OK)
        status =
            limn_op_call(job->device, "accumulate_occlusion", sums, 4, NULL, 0,
                         "batch=%lld first=%lld %s", (long long)count, (long long)first, w->places);
    return status;
}

/* Mean over the windows that cover a pixel of the drop in score. */
static limn_status run_image(limn_attr_job *job, limn_attr_perturbed *p, windows *w, int64_t index)
{
    limn_tensor *fraction[] = {w->sum, w->covered};
    limn_status status = limn_attr_perturbed_load(job, p, index);
    if (status == LIMN_OK)
        status = limn_tensor_write(w->reference, &w->references[index]);
    for (int i = 0; i < 2 && status == LIMN_OK; i++)
        status = limn_tensor_zero(fraction[i]);
    for (int64_t first = 0; first < w->count && status == LIMN_OK; first += p->net.batch) {
        const int64_t rest = w->count - first, count = rest < p->net.batch ? rest : p->net.batch;
        status = run_batch(job, p, w, first, count);
        if (status == LIMN_OK)
            status = limn_attr_progress(job, "windows", index * w->count + first + count,
                                        job->count * w->count);
    }
    if (status == LIMN_OK)
        status = limn_op_call(job->device, "divide", fraction, 2, &w->map, 1, " ");
    return status == LIMN_OK
               ? limn_tensor_read(w->map, job->maps + index * job->height * job->width)
               : status;
}

static limn_status run(limn_attr_job *job)
{
    limn_attr_perturbed p;
    windows w = {0};
    find_places(job, &w);
    limn_status status = limn_attr_perturbed_create(job, w.count, &p);
    if (status == LIMN_OK)
        status = create(job, &w);
    if (status == LIMN_OK)
        status = score_images(job, &p.net, &w);
    for (int64_t i = 0; i < job->count && status == LIMN_OK; i++)
        status = run_image(job, &p, &w, i);
    release(&w);
    limn_attr_perturbed_free(&p);
    return status;
}

const limn_attr_method limn_attr_occlusion = {
    .info = {.name = "occlusion",
             .summary = "drop of the score where a window is hidden, all channels at once",
             .formula = "mean of score(x) - score(x without window) over windows on a pixel",
             .source = "Zeiler and Fergus, ECCV 2014",
             .parameters =
                 (const char *const[]){"score", "window", "stride", "baseline", "preset", NULL},
             .score = LIMN_SCORE_LOGIT},
    .run = run,
};
