/* The gradient of the score with respect to the normalised image (D. Baehrens et al., 2010;
 * K. Simonyan et al., 2014). */
#include "attr/attribution.h"

#include "base/memory.h"

enum { DEFAULT_BATCH = 64 };

static limn_status run_batch(limn_attr_job *job, limn_attr_network *net, int64_t at, int64_t count,
                             float *gradients)
{
    limn_status status = limn_attr_load(job, net, at, count);
    if (status == LIMN_OK)
        status = limn_attr_backward(net, count);
    return status == LIMN_OK ? limn_tensor_read(limn_graph_gradient(net->graph, net->x), gradients)
                             : status;
}

limn_status limn_attr_gradients(limn_attr_job *job, limn_attr_gradient_fn *take)
{
    const int64_t wished = job->params.batch ? job->params.batch : DEFAULT_BATCH;
    limn_attr_network net = {0};
    float *gradients = NULL;
    limn_status status = limn_attr_network_create(job, wished < job->count ? wished : job->count,
                                                  &(limn_attr_wanted){.input = true}, &net);
    if (status == LIMN_OK)
        status = limn_alloc(job->ctx, "gradients",
                            (size_t)(net.batch * job->height * job->width * job->channels),
                            sizeof *gradients, (void **)&gradients);
    for (int64_t at = 0; at < job->count && status == LIMN_OK; at += net.batch) {
        const int64_t rest = job->count - at, count = rest < net.batch ? rest : net.batch;
        status = run_batch(job, &net, at, count, gradients);
        if (status != LIMN_OK)
            break;
        take(job, gradients, at, count);
        status = limn_attr_progress(job, "images", at + count, job->count);
    }
    limn_free(gradients);
    limn_attr_network_free(&net);
    return status;
}

static void keep(limn_attr_job *job, const float *gradients, int64_t at, int64_t count)
{
    const int64_t size = job->height * job->width * job->channels;
    limn_nhwc_to_nchw(gradients, job->maps + at * size, count, job->height, job->width,
                      job->channels);
}

static limn_status run(limn_attr_job *job)
{
    return limn_attr_gradients(job, keep);
}

const limn_attr_method limn_attr_gradient = {
    .info = {.name = "gradient",
             .summary = "gradient of the score with respect to the normalised image",
             .formula = "d score / d x, one value per channel",
             .source = "Baehrens et al., JMLR 2010",
             .parameters = (const char *const[]){"score", NULL},
             .score = LIMN_SCORE_LOGIT,
             .channels = true},
    .run = run,
};
