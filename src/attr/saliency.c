/* The magnitude of the gradient, largest over the channels: K. Simonyan, A. Vedaldi, A. Zisserman,
 * "Deep inside convolutional networks", 2014. */
#include "attr/attribution.h"

#include <math.h>

static void keep(limn_attr_job *job, const float *gradients, int64_t at, int64_t count)
{
    const int64_t pixels = job->height * job->width, channels = job->channels;
    float *maps = job->maps + at * pixels;
    for (int64_t i = 0; i < count * pixels; i++) {
        float largest = fabsf(gradients[i * channels]);
        for (int64_t c = 1; c < channels; c++) {
            const float magnitude = fabsf(gradients[i * channels + c]);
            if (!(magnitude <= largest) && !isnan(largest))
                largest = magnitude;
        }
        maps[i] = largest;
    }
}

static limn_status run(limn_attr_job *job)
{
    return limn_attr_gradients(job, keep);
}

const limn_attr_method limn_attr_saliency = {
    .info = {.name = "saliency",
             .summary = "magnitude of the gradient, largest over the channels",
             .formula = "max over channels of |d score / d x|",
             .source = "Simonyan et al., 2014",
             .parameters = (const char *const[]){"score", NULL},
             .score = LIMN_SCORE_LOGIT},
    .run = run,
};
