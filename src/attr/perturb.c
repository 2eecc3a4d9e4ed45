/* One image on the device under many changes. */
#include "attr/attribution.h"

#include "base/memory.h"

/* Measured on CPU devices with networks for 224 x 224: from 4 copies on the time of one stays the
 * same, while memory grows with the batch. */
enum { LARGE_BATCH = 64, SMALL_BATCH = 8, CPU_PIXELS = 1 << 20 };

static int64_t default_batch(const limn_attr_job *job)
{
    int64_t batch = LARGE_BATCH;
    while (limn_device_get_limits(job->device)->is_cpu && batch > SMALL_BATCH &&
           batch * job->height * job->width > CPU_PIXELS)
        batch /= 2;
    return batch;
}

limn_status limn_attr_perturbed_create(limn_attr_job *job, int64_t copies, limn_attr_perturbed *out)
{
    const int64_t wished = job->params.batch ? job->params.batch : default_batch(job);
    const limn_desc image = limn_desc_make(LIMN_F32, 3, job->height, job->width, job->channels, 0);
    const size_t size = (size_t)limn_desc_count(&image);
    *out = (limn_attr_perturbed){0};
    limn_status status = limn_attr_network_create(job, wished < copies ? wished : copies,
                                                  &(limn_attr_wanted){0}, &out->net);
    if (status == LIMN_OK)
        status = limn_tensor_create(job->device, &image, &out->image);
    if (status == LIMN_OK)
        status = limn_tensor_create(job->device, &image, &out->baseline);
    if (status == LIMN_OK)
        status = limn_alloc(job->ctx, "image", size, sizeof(float), (void **)&out->values);
    if (status == LIMN_OK)
        status = limn_alloc(job->ctx, "baseline", size, sizeof(float), (void **)&out->stand_in);
    return status;
}

void limn_attr_perturbed_free(limn_attr_perturbed *p)
{
    limn_attr_network_free(&p->net);
    limn_tensor_destroy(&p->image);
    limn_tensor_destroy(&p->baseline);
    limn_free(p->values);
    limn_free(p->stand_in);
}

limn_status limn_attr_perturbed_load(limn_attr_job *job, limn_attr_perturbed *p, int64_t index)
{
    job->image(job, index, p->values);
    limn_status status = limn_attr_baseline(job, p->values, p->stand_in);
    if (status == LIMN_OK)
        status = limn_tensor_write(p->image, p->values);
    if (status == LIMN_OK)
        status = limn_tensor_write(p->baseline, p->stand_in);
    return status == LIMN_OK ? limn_attr_condition(job, &p->net, index) : status;
}
