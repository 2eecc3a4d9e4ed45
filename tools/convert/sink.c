#define _POSIX_C_SOURCE 200809L
#include "convert/sink.h"

#include "limn/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RANK_PENDING, RANK_WAITING, RANK_SKIPPED };

struct convert_sink {
    convert_job *job;
    limn_dataset_writer *writer;
    size_t count, next; /* ranks below `next` are written */
    unsigned char *state;
    int height, width, channels;
    size_t bytes; /* of one picture */
    FILE *spool;  /* label and pixels at rank * (4 + bytes) */
    unsigned char *slot;
    int64_t written;
};

limn_status convert_sink_open(convert_job *job, size_t count, int height, int width, int channels,
                              convert_sink **out)
{
    *out = NULL;
    convert_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return convert_no_memory(job);
    *sink = (convert_sink){.job = job,
                           .count = count,
                           .height = height,
                           .width = width,
                           .channels = channels,
                           .bytes = (size_t)height * (size_t)width * (size_t)channels};
    sink->state = calloc(count ? count : 1, 1);
    sink->slot = malloc(sink->bytes + sizeof(int32_t));
    if (!sink->state || !sink->slot) {
        convert_sink_discard(&sink);
        return convert_no_memory(job);
    }
    const limn_dataset_writer_params params = {.height = height,
                                               .width = width,
                                               .channels = channels,
                                               .class_count = job->class_name_count,
                                               .classes = (const char *const *)job->class_names};
    const limn_status status =
        limn_dataset_writer_open(job->ctx, job->output, &params, &sink->writer);
    if (status) {
        convert_sink_discard(&sink);
        return convert_fail_from_library(job, status);
    }
    *out = sink;
    return LIMN_OK;
}

static limn_status spool_failed(convert_sink *sink, const char *what)
{
    return convert_fail(sink->job, LIMN_FAILED, what, sink->job->output, "temporary file: %s",
                        errno ? strerror(errno) : "it ended early");
}

/* Beside the output: that disk has to have room for the data set anyway, /tmp need not. */
static limn_status spool_open(convert_sink *sink)
{
    static const char suffix[] = ".spool.XXXXXX";
    char *path = malloc(strlen(sink->job->output) + sizeof suffix);
    if (!path)
        return convert_no_memory(sink->job);
    strcpy(path, sink->job->output);
    strcat(path, suffix);
    limn_status status = LIMN_OK;
    errno = 0;
    const int fd = mkstemp(path);
    if (fd < 0) {
        status = spool_failed(sink, "cannot write");
    } else {
        unlink(path);
        sink->spool = fdopen(fd, "wb+");
        if (!sink->spool) {
            status = spool_failed(sink, "cannot write");
            close(fd);
        }
    }
    free(path);
    return status;
}

static limn_status spool_seek(convert_sink *sink, size_t rank)
{
    const off_t offset = (off_t)rank * (off_t)(sink->bytes + sizeof(int32_t));
    errno = 0;
    if (fseeko(sink->spool, offset, SEEK_SET) != 0)
        return spool_failed(sink, "cannot write");
    return LIMN_OK;
}

static limn_status spool_put(convert_sink *sink, size_t rank, const uint8_t *pixels, int32_t label)
{
    limn_status status = LIMN_OK;
    if (!sink->spool && (status = spool_open(sink)) != LIMN_OK)
        return status;
    if ((status = spool_seek(sink, rank)) != LIMN_OK)
        return status;
    if (fwrite(&label, sizeof label, 1, sink->spool) != 1 ||
        fwrite(pixels, 1, sink->bytes, sink->spool) != sink->bytes)
        return spool_failed(sink, "cannot write");
    sink->state[rank] = RANK_WAITING;
    return LIMN_OK;
}

static limn_status write_image(convert_sink *sink, const uint8_t *pixels, int32_t label)
{
    const limn_status status = limn_dataset_writer_add(sink->writer, pixels, label, NULL);
    if (status)
        return convert_fail_from_library(sink->job, status);
    sink->written++;
    return LIMN_OK;
}

/* Writes what is now in order: up to the first rank that is still to come. */
static limn_status drain(convert_sink *sink, bool all)
{
    for (; sink->next < sink->count; sink->next++) {
        const int state = sink->state[sink->next];
        if (state == RANK_PENDING && !all)
            break;
        if (state != RANK_WAITING)
            continue;
        limn_status status = spool_seek(sink, sink->next);
        if (status)
            return status;
        const size_t size = sink->bytes + sizeof(int32_t);
        if (fread(sink->slot, 1, size, sink->spool) != size)
            return spool_failed(sink, "cannot read");
        int32_t label = 0;
        memcpy(&label, sink->slot, sizeof label);
        if ((status = write_image(sink, sink->slot + sizeof label, label)) != LIMN_OK)
            return status;
    }
    return LIMN_OK;
}

static limn_status put_pixels(convert_sink *sink, size_t rank, const uint8_t *pixels, int32_t label)
{
    if (rank != sink->next)
        return spool_put(sink, rank, pixels, label);
    const limn_status status = write_image(sink, pixels, label);
    if (status)
        return status;
    sink->next++;
    return drain(sink, false);
}

limn_status convert_sink_put(convert_sink *sink, size_t rank, const limn_image *image,
                             int32_t label)
{
    limn_image fitted = {0}, converted = {0};
    limn_status status = LIMN_OK;
    if (image->width != sink->width || image->height != sink->height) {
        status = limn_image_fit(sink->job->ctx, image, sink->width, sink->height, &fitted);
        if (status)
            goto done;
        image = &fitted;
    }
    if (image->channels != sink->channels) {
        status = limn_image_convert(sink->job->ctx, image, sink->channels, &converted);
        if (status)
            goto done;
        image = &converted;
    }
done:
    status = status ? convert_fail_from_library(sink->job, status)
                    : put_pixels(sink, rank, image->pixels, label);
    limn_image_free(&fitted);
    limn_image_free(&converted);
    return status;
}

void convert_sink_skip(convert_sink *sink, size_t rank)
{
    sink->state[rank] = RANK_SKIPPED;
}

limn_status convert_sink_finish(convert_sink **handle)
{
    convert_sink *sink = *handle;
    convert_job *job = sink->job;
    limn_status status = drain(sink, true);
    if (!status) {
        status = limn_dataset_writer_finish(&sink->writer);
        if (status)
            convert_fail_from_library(job, status);
    }
    if (!status) {
        job->images = sink->written;
        job->out_height = sink->height;
        job->out_width = sink->width;
        job->channels = sink->channels;
    }
    convert_sink_discard(handle);
    return status;
}

void convert_sink_discard(convert_sink **handle)
{
    convert_sink *sink = *handle;
    if (!sink)
        return;
    limn_dataset_writer_discard(&sink->writer);
    if (sink->spool)
        fclose(sink->spool);
    free(sink->state);
    free(sink->slot);
    free(sink);
    *handle = NULL;
}
