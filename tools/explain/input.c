/* The images that are explained: a data set, or pictures. */
#include "explain/explain.h"

#include "files.h"

#include "limn/image.h"

#include <stdlib.h>

limn_status explain_out_of_memory(explain_job *j)
{
    return cli_fail(j->c, LIMN_FAILED, "out of memory", "explain", "the host has no more memory");
}

/* One picture in the model's number of channels and, with --size, in that size. */
static limn_status read_picture(explain_job *j, const char *path, limn_image *out)
{
    const int channels = (int)limn_model_describe(j->model)->channels;
    int64_t height = 0, width = 0;
    limn_image read = {0}, fitted = {0};
    if (channels != 1 && channels != 3)
        return cli_fail(j->c, LIMN_BAD_INPUT, "model and images do not fit", path,
                        "the model takes %d channels, pictures have 1 or 3", channels);
    limn_status status = limn_image_read(j->ctx, path, &read);
    const bool fit = cli_size(j->c, "size", &height, &width);
    if (status == LIMN_OK && fit)
        status = limn_image_fit(j->ctx, &read, (int)width, (int)height, &fitted);
    if (status == LIMN_OK)
        status = limn_image_convert(j->ctx, fit ? &fitted : &read, channels, out);
    limn_image_free(&fitted);
    limn_image_free(&read);
    return status;
}

static limn_status read_pictures(explain_job *j, const char *const *paths, int count)
{
    limn_image *images = calloc((size_t)count, sizeof *images);
    if (!images)
        return explain_out_of_memory(j);
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++)
        status = read_picture(j, paths[i], &images[i]);
    for (int i = 1; i < count && status == LIMN_OK; i++)
        if (images[i].width != images[0].width || images[i].height != images[0].height) {
            status = cli_fail(j->c, LIMN_BAD_INPUT, "images of different sizes", paths[i],
                              "%d x %d, but %s is %d x %d", images[i].height, images[i].width,
                              paths[0], images[0].height, images[0].width);
            cli_hint(j->c, "--size HxW brings all to one size");
        }
    if (status == LIMN_OK)
        status = limn_dataset_from_images(j->ctx, count == 1 ? paths[0] : "images", images,
                                          (size_t)count, &j->data);
    for (int i = 0; i < count; i++)
        limn_image_free(&images[i]);
    free(images);
    j->pictures = true;
    j->names = paths;
    return status;
}

limn_status explain_open_images(explain_job *j)
{
    const int count = cli_argument_count(j->c) - 1;
    const char *const *paths = cli_arguments(j->c) + 1;
    limn_status status = files_is_picture(j->c, paths[0], &j->pictures);
    if (status == LIMN_OK)
        status = j->pictures ? read_pictures(j, paths, count)
                 : count > 1 ? cli_fail(j->c, LIMN_BAD_USAGE, "unexpected argument", paths[1],
                                        "only one data set is explained at a time, and %s is no "
                                        "picture",
                                        paths[0])
                             : limn_dataset_open(j->ctx, paths[0], &j->data);
    if (status != LIMN_OK)
        return status;
    int64_t to = j->data->count;
    cli_range(j->c, "index", &j->first, &to);
    j->count = to - j->first;
    return to > j->data->count ? cli_fail(j->c, LIMN_BAD_USAGE, "index out of range", "--index",
                                          "%lld:%lld is not within 0:%lld", (long long)j->first,
                                          (long long)to, (long long)j->data->count)
                               : LIMN_OK;
}
