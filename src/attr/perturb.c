/* One image on the device under many changes. */
#include "attr/attribution.h"

#include "base/memory.h"

enum { DEFAULT_BATCH = 64 };

limn_status limn_attr_perturbed_create(limn_attr_job *job, int64_t copies, limn_attr_perturbed *out)
{
    const int64_t wished = job->params.batch ? job->params.batch : DEFAULT_BATCH;
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
