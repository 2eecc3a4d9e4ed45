/* The table of formats, and the run of one job. */
#include "convert/convert.h"

#include "convert/source.h"

#include <stdlib.h>
#include <string.h>

const convert_format *const convert_formats[] = {
    &convert_idx, &convert_cifar10, &convert_cifar100, &convert_imagefolder, NULL,
};

const convert_format *convert_format_find(const char *name)
{
    for (size_t i = 0; convert_formats[i]; i++) {
        if (strcmp(convert_formats[i]->name, name) == 0)
            return convert_formats[i];
    }
    return NULL;
}

static limn_status detect(convert_job *job, const convert_format **out)
{
    source *first = job->sources[0];
    for (size_t i = 0; convert_formats[i]; i++) {
        bool yes = false;
        const limn_status status = convert_formats[i]->detect(job, first, &yes);
        if (status)
            return status;
        if (yes) {
            *out = convert_formats[i];
            return LIMN_OK;
        }
    }
    convert_fail(job, LIMN_BAD_INPUT, "unknown format", first->path,
                 "nothing in it looks like a data set");
    convert_hint(job, "'limn convert --help' lists what the formats look for");
    return LIMN_BAD_INPUT;
}

static int compare_rejects(const void *a, const void *b)
{
    const convert_reject *x = a, *y = b;
    return (x->rank > y->rank) - (x->rank < y->rank);
}

limn_status convert_run(convert_job *job, const convert_format *format, const char *const *paths,
                        size_t count)
{
    source **sources = calloc(count ? count : 1, sizeof(source *));
    if (!sources)
        return convert_no_memory(job);
    job->sources = sources;
    job->source_count = count;
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = source_open(job, paths[i], &sources[i]);
    if (!status && !format)
        status = detect(job, &format);
    if (!status && count > format->max_sources)
        status = convert_fail(job, LIMN_BAD_USAGE, "too many sources", paths[format->max_sources],
                              "%s takes at most %zu", format->name, format->max_sources);
    if (!status)
        status = format->convert(job);
    if (job->reject_count)
        qsort(job->rejects, job->reject_count, sizeof *job->rejects, compare_rejects);
    for (size_t i = 0; i < count; i++)
        source_close(&sources[i]);
    free(sources);
    job->sources = NULL;
    job->source_count = 0;
    return status;
}
