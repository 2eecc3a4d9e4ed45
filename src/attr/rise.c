/* Random masks weighted by the scores they leave: V. Petsiuk, A. Das, K. Saenko, "RISE", BMVC 2018,
 * with the authors' grids, shifts and estimate. */
#include "attr/attribution.h"

/* What the masks of all images share. */
typedef struct masks {
    limn_tensor *masks; /* [batch,H,W] */
    limn_tensor *map;   /* [H,W] */
} masks;

/* Masks `first` to first + count - 1 of the image under work: map += score mask / (N p). */
static limn_status run_batch(limn_attr_job *job, limn_attr_perturbed *p, masks *m, int64_t first,
                             int64_t count)
{
    const limn_attribution_params *q = &job->params;
    const float zero = 0;
    const size_t used = (size_t)count * sizeof zero;
    limn_tensor *x = limn_graph_tensor(p->net.graph, p->net.x);
    limn_tensor *scores = limn_graph_tensor(p->net.graph, p->net.score);
    limn_tensor *masked[] = {p->image, m->masks, p->baseline};
    limn_tensor *sums[] = {m->map, m->masks, scores};
    limn_status status = limn_op_call(
        job->device, "rise_masks", NULL, 0, &m->masks, 1,
        "batch=%lld height=%lld width=%lld seed=%llu first=%lld cells=%lld p=%.9g",
        (long long)p->net.batch, (long long)job->height, (long long)job->width,
        (unsigned long long)q->seed, (long long)first, (long long)q->grid, (double)q->p);
    if (status == LIMN_OK)
        status = limn_op_call(job->device, "apply_masks", masked, 3, &x, 1, " ");
    if (status == LIMN_OK)
        status = limn_graph_forward(p->net.graph);
    /* Masks beyond the last one take no part. */
    if (status == LIMN_OK && count < p->net.batch)
        status = limn_buffer_fill(scores->buffer, used, limn_desc_bytes(&scores->desc) - used,
                                  &zero, sizeof zero);
    return status == LIMN_OK ? limn_op_call(job->device, "accumulate_masks", sums, 3, NULL, 0,
                                            "scale=%.17g", 1 / ((double)q->masks * (double)q->p))
                             : status;
}

static limn_status run_image(limn_attr_job *job, limn_attr_perturbed *p, masks *m, int64_t index)
{
    const int64_t total = job->params.masks;
    limn_status status = limn_attr_perturbed_load(job, p, index);
    if (status == LIMN_OK)
        status = limn_tensor_zero(m->map);
    for (int64_t first = 0; first < total && status == LIMN_OK; first += p->net.batch) {
        const int64_t rest = total - first, count = rest < p->net.batch ? rest : p->net.batch;
        status = run_batch(job, p, m, first, count);
        if (status == LIMN_OK)
            status =
                limn_attr_progress(job, "masks", index * total + first + count, job->count * total);
    }
    return status == LIMN_OK
               ? limn_tensor_read(m->map, job->maps + index * job->height * job->width)
               : status;
}

static limn_status run(limn_attr_job *job)
{
    limn_attr_perturbed p;
    masks m = {0};
    limn_status status = limn_attr_perturbed_create(job, job->params.masks, &p);
    const limn_desc many = limn_desc_make(LIMN_F32, 3, p.net.batch, job->height, job->width, 0);
    const limn_desc map = limn_desc_make(LIMN_F32, 2, job->height, job->width, 0, 0);
    if (status == LIMN_OK)
        status = limn_tensor_create(job->device, &many, &m.masks);
    if (status == LIMN_OK)
        status = limn_tensor_create(job->device, &map, &m.map);
    for (int64_t i = 0; i < job->count && status == LIMN_OK; i++)
        status = run_image(job, &p, &m, i);
    limn_tensor_destroy(&m.masks);
    limn_tensor_destroy(&m.map);
    limn_attr_perturbed_free(&p);
    return status;
}

const limn_attr_method limn_attr_rise = {
    .info = {.name = "rise",
             .summary = "scores of randomly masked copies, summed over the masks",
             .formula = "sum over masks M of score(x M + baseline (1 - M)) M / (N p)",
             .source = "Petsiuk et al., BMVC 2018",
             .parameters =
                 (const char *const[]){"score", "masks", "grid", "p", "baseline", "seed", NULL},
             .score = LIMN_SCORE_PROBABILITY},
    .run = run,
};
