/* What stands in for pixels that a perturbation takes away. */
#include "attr/attribution.h"

#include "base/memory.h"

#include <math.h>

static void fill(limn_attr_job *job, const float color[LIMN_MAX_CHANNELS], float *out)
{
    const int64_t count = job->height * job->width * job->channels;
    for (int64_t i = 0; i < count; i++)
        out[i] = color[i % job->channels];
}

static void mean_color(const limn_attr_job *job, const float *image, float color[])
{
    const int64_t pixels = job->height * job->width;
    for (int64_t c = 0; c < job->channels; c++) {
        double sum = 0;
        for (int64_t i = 0; i < pixels; i++)
            sum += (double)image[i * job->channels + c];
        color[c] = (float)(sum / (double)pixels);
    }
}

/* One pass of a Gaussian along an axis of `count` elements `step` apart; edges repeated. */
static void smooth(const float *from, float *to, int64_t count, int64_t step, const double *weights,
                   int64_t radius)
{
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        for (int64_t k = -radius; k <= radius; k++) {
            const int64_t at = i + k < 0 ? 0 : i + k >= count ? count - 1 : i + k;
            sum += weights[k < 0 ? -k : k] * (double)from[at * step];
        }
        to[i * step] = (float)sum;
    }
}

static limn_status blur(limn_attr_job *job, const float *image, float *out)
{
    const int64_t h = job->height, w = job->width, c = job->channels;
    const double sigma = (double)(h < w ? h : w) / 10;
    const int64_t radius = (int64_t)ceil(3 * sigma);
    double *weights, sum = 0;
    float *rows;
    limn_status status =
        limn_alloc(job->ctx, "blur", (size_t)radius + 1, sizeof *weights, (void **)&weights);
    if (status != LIMN_OK)
        return status;
    status = limn_alloc(job->ctx, "blur", (size_t)(h * w * c), sizeof *rows, (void **)&rows);
    for (int64_t k = 0; k <= radius; k++) {
        weights[k] = exp(-(double)(k * k) / (2 * sigma * sigma));
        sum += k ? 2 * weights[k] : 1;
    }
    for (int64_t k = 0; k <= radius; k++)
        weights[k] /= sum;
    for (int64_t i = 0; i < h * c && status == LIMN_OK; i++) {
        const int64_t at = i / c * w * c + i % c;
        smooth(image + at, rows + at, w, c, weights, radius);
    }
    for (int64_t i = 0; i < w * c && status == LIMN_OK; i++)
        smooth(rows + i, out + i, h, w * c, weights, radius);
    if (status == LIMN_OK)
        limn_free(rows);
    limn_free(weights);
    return status;
}

limn_status limn_attr_baseline(limn_attr_job *job, const float *image, float *out)
{
    float color[LIMN_MAX_CHANNELS] = {0};
    const limn_baseline baseline = job->params.baseline;
    if (baseline == LIMN_BASELINE_BLUR)
        return blur(job, image, out);
    if (baseline == LIMN_BASELINE_MEAN)
        mean_color(job, image, color);
    for (int c = 0; c < LIMN_MAX_CHANNELS; c++) {
        if (baseline == LIMN_BASELINE_BLACK)
            color[c] = job->black[c];
        if (baseline == LIMN_BASELINE_VALUE)
            color[c] = job->params.baseline_value;
    }
    fill(job, color, out);
    return LIMN_OK;
}
