#include "data/feed.h"

#include "base/memory.h"
#include "ops/op.h"

#include <string.h>

const limn_augment limn_augment_table[] = {
    {"none", "images as they are", NULL, ""},
    {"crop-flip", "random crop out of the image padded by 4, random flip", "crop_flip", "pad=4"},
    {"contrastive", "random resized crop, flip, colour jitter, greyscale", "contrastive_augment",
     ""},
};
const size_t limn_augment_count = sizeof limn_augment_table / sizeof *limn_augment_table;

const limn_augment *limn_augment_find(const char *name)
{
    for (size_t i = 0; i < limn_augment_count; i++)
        if (strcmp(limn_augment_table[i].name, name) == 0)
            return &limn_augment_table[i];
    return NULL;
}

struct limn_feed {
    limn_device *device;
    limn_feed_params params;
    limn_tensor *bytes[2], *indices[2]; /* one is read while the other is written */
    int current;                        /* the one uploaded last */
    limn_tensor *floats, *view;         /* indices, floats, view: only where needed */
    limn_tensor *mean, *std;
};

static limn_status make_tensors(limn_feed *f)
{
    const limn_feed_params *p = &f->params;
    limn_desc image = limn_desc_make(LIMN_U8, 4, p->count, p->height, p->width, p->channels);
    const limn_desc indices = limn_desc_make(LIMN_I32, 1, p->count, 0, 0, 0);
    const limn_desc channels = limn_desc_make(LIMN_F32, 1, p->channels, 0, 0, 0);
    limn_status status = LIMN_OK;
    for (int i = 0; i < 2 && status == LIMN_OK; i++) {
        status = limn_tensor_create(f->device, &image, &f->bytes[i]);
        if (status == LIMN_OK && p->augment->op)
            status = limn_tensor_create(f->device, &indices, &f->indices[i]);
    }
    image.dtype = LIMN_F32;
    if (status == LIMN_OK && p->augment->op)
        status = limn_tensor_create(f->device, &image, &f->floats);
    if (status == LIMN_OK && p->views > 1)
        status = limn_tensor_create(f->device, &image, &f->view);
    if (status == LIMN_OK)
        status = limn_tensor_create(f->device, &channels, &f->mean);
    if (status == LIMN_OK)
        status = limn_tensor_create(f->device, &channels, &f->std);
    /* Waits for launches that may still use what memory this came from. */
    if (status == LIMN_OK)
        status = limn_tensor_write(f->mean, p->mean);
    if (status == LIMN_OK)
        status = limn_tensor_write(f->std, p->std);
    return status;
}

limn_status limn_feed_create(limn_device *device, const limn_feed_params *params, limn_feed **out)
{
    *out = NULL;
    limn_feed *f;
    limn_status status = limn_alloc(limn_device_context(device), "feed", 1, sizeof *f, (void **)&f);
    if (status != LIMN_OK)
        return status;
    f->device = device;
    f->params = *params;
    status = make_tensors(f);
    if (status != LIMN_OK)
        limn_feed_destroy(&f);
    *out = f;
    return status;
}

void limn_feed_destroy(limn_feed **handle)
{
    limn_feed *f = handle ? *handle : NULL;
    if (!f)
        return;
    (void)limn_device_uploaded(f->device); /* nothing may write to what others get next */
    for (int i = 0; i < 2; i++) {
        limn_tensor_destroy(&f->bytes[i]);
        limn_tensor_destroy(&f->indices[i]);
    }
    limn_tensor_destroy(&f->floats);
    limn_tensor_destroy(&f->view);
    limn_tensor_destroy(&f->mean);
    limn_tensor_destroy(&f->std);
    limn_free(f);
    *handle = NULL;
}

/* One view into `out`, [count,H,W,C]. */
static limn_status make_view(limn_feed *f, int64_t epoch, int view, limn_tensor *out)
{
    const limn_augment *augment = f->params.augment;
    limn_tensor *image = f->bytes[f->current];
    limn_status status = LIMN_OK;
    if (augment->op) {
        limn_tensor *const in[] = {f->bytes[f->current], f->indices[f->current]};
        status = limn_op_call(f->device, augment->op, in, 2, &f->floats, 1,
                              "seed=%llu epoch=%lld view=%d %s", (unsigned long long)f->params.seed,
                              (long long)epoch, view, augment->params);
        image = f->floats;
    }
    limn_tensor *const in[] = {image, f->mean, f->std};
    return status == LIMN_OK ? limn_op_call(f->device, "normalize", in, 3, &out, 1, " ") : status;
}

limn_status limn_feed_upload(limn_feed *f, const limn_host_batch *batch)
{
    const limn_feed_params *p = &f->params;
    const size_t image = (size_t)(p->height * p->width * p->channels);
    const int next = 1 - f->current;
    limn_status status =
        limn_buffer_upload(f->bytes[next]->buffer, 0, batch->images, image * (size_t)batch->count);
    if (status == LIMN_OK && f->indices[next])
        status = limn_buffer_upload(f->indices[next]->buffer, 0, batch->indices,
                                    (size_t)batch->count * sizeof *batch->indices);
    f->current = next;
    return status;
}

limn_status limn_feed_run(limn_feed *f, int64_t epoch, limn_tensor *out)
{
    const limn_feed_params *p = &f->params;
    const size_t bytes = (size_t)(p->height * p->width * p->channels * p->count) * sizeof(float);
    limn_status status = limn_device_uploaded(f->device);
    for (int v = 0; v < p->views && status == LIMN_OK; v++) {
        status = make_view(f, epoch, v, p->views > 1 ? f->view : out);
        if (status == LIMN_OK && p->views > 1)
            status = limn_buffer_copy(f->view->buffer, 0, out->buffer, (size_t)v * bytes, bytes);
    }
    return status;
}
