#define _POSIX_C_SOURCE 200809L
#include "convert/source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GUNZIP_BUFFER = 1 << 16 };

/* A match of 258 bytes takes two bits at least, so deflate cannot expand to more (zlib manual). */
#define DEFLATE_MOST 1032

limn_status source_read(source_stream *stream, void *data, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        size_t part = 0;
        const limn_status status =
            stream->read(stream, (unsigned char *)data + *got, size - *got, &part);
        if (status)
            return status;
        if (part == 0)
            break;
        *got += part;
    }
    return LIMN_OK;
}

limn_status source_read_all(source_stream *stream, size_t most, unsigned char **data,
                            size_t *capacity, size_t *size)
{
    *size = 0;
    if (stream->size != SOURCE_SIZE_UNKNOWN && stream->size > most)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "cannot read", stream->where,
                            "%llu bytes, more than the %zu allowed",
                            (unsigned long long)stream->size, most);
    for (;;) {
        if (*size == *capacity) {
            const size_t grown = *capacity ? 2 * *capacity : 1 << 16;
            unsigned char *block = realloc(*data, grown);
            if (!block)
                return convert_no_memory(stream->job);
            *data = block;
            *capacity = grown;
        }
        size_t got = 0;
        const limn_status status = source_read(stream, *data + *size, *capacity - *size, &got);
        if (status)
            return status;
        *size += got;
        if (*size > most)
            return convert_fail(stream->job, LIMN_BAD_INPUT, "cannot read", stream->where,
                                "more than the %zu bytes allowed", most);
        if (*size < *capacity)
            return LIMN_OK;
    }
}

static limn_status file_read(source_stream *stream, void *data, size_t size, size_t *got)
{
    const int fd = *(const int *)stream->state;
    ssize_t count = 0;
    do {
        count = read(fd, data, size > SSIZE_MAX ? SSIZE_MAX : size);
    } while (count < 0 && errno == EINTR);
    if (count < 0)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "cannot read", stream->where, "%s",
                            strerror(errno));
    *got = (size_t)count;
    return LIMN_OK;
}

limn_status source_file_stream(source_stream *stream, convert_job *job, const char *path)
{
    int *fd = malloc(sizeof *fd);
    if (!fd)
        return convert_no_memory(job);
    struct stat info;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &info) != 0) {
        const int reason = errno;
        if (*fd >= 0)
            close(*fd);
        free(fd);
        return convert_fail(job, LIMN_BAD_INPUT, "cannot open", path, "%s", strerror(reason));
    }
    *stream = (source_stream){.job = job,
                              .name = path,
                              .where = path,
                              .size = (uint64_t)info.st_size,
                              .most = (uint64_t)info.st_size,
                              .read = file_read,
                              .state = fd};
    return LIMN_OK;
}

void source_file_close(source_stream *stream)
{
    close(*(const int *)stream->state);
    free(stream->state);
    stream->state = NULL;
}

static limn_status refill(source_gunzip *gunzip)
{
    size_t got = 0;
    gunzip->start = gunzip->end = 0;
    const limn_status status = source_read(gunzip->inner, gunzip->buffer, GUNZIP_BUFFER, &got);
    gunzip->end = got;
    gunzip->ended = !status && got == 0;
    return status;
}

static limn_status gunzip_failed(source_gunzip *gunzip, const char *why)
{
    return convert_fail(gunzip->stream.job, LIMN_BAD_INPUT, "broken gzip file",
                        gunzip->stream.where, "%s", why);
}

/* Inflates up to `size` bytes; members that follow each other are one stream (RFC 1952). */
static limn_status gunzip_inflate(source_gunzip *gunzip, void *data, size_t size, size_t *got)
{
    gunzip->z.next_out = data;
    gunzip->z.avail_out = size > UINT_MAX ? UINT_MAX : (uInt)size;
    const uInt room = gunzip->z.avail_out;
    while (gunzip->z.avail_out == room) {
        if (gunzip->start == gunzip->end) {
            const limn_status status = refill(gunzip);
            if (status)
                return status;
        }
        if (gunzip->ended) {
            if (gunzip->inside)
                return gunzip_failed(gunzip, "it is cut off");
            break;
        }
        if (!gunzip->inside) {
            if (gunzip->buffer[gunzip->start] != 0x1F)
                return gunzip_failed(gunzip, "other bytes follow its end");
            inflateReset(&gunzip->z);
            gunzip->inside = true;
        }
        gunzip->z.next_in = gunzip->buffer + gunzip->start;
        gunzip->z.avail_in = (uInt)(gunzip->end - gunzip->start);
        const int result = inflate(&gunzip->z, Z_NO_FLUSH);
        gunzip->start = gunzip->end - gunzip->z.avail_in;
        if (result == Z_MEM_ERROR)
            return convert_no_memory(gunzip->stream.job);
        if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
            return gunzip_failed(gunzip, gunzip->z.msg ? gunzip->z.msg : "its data is damaged");
        if (result == Z_STREAM_END)
            gunzip->inside = false;
    }
    *got = room - gunzip->z.avail_out;
    return LIMN_OK;
}

static limn_status gunzip_read(source_stream *stream, void *data, size_t size, size_t *got)
{
    source_gunzip *gunzip = stream->state;
    *got = 0;
    if (gunzip->compressed)
        return gunzip_inflate(gunzip, data, size, got);
    if (gunzip->start == gunzip->end)
        return gunzip->inner->read(gunzip->inner, data, size, got);
    *got = gunzip->end - gunzip->start < size ? gunzip->end - gunzip->start : size;
    memcpy(data, gunzip->buffer + gunzip->start, *got);
    gunzip->start += *got;
    return LIMN_OK;
}

limn_status source_gunzip_open(source_gunzip *gunzip, source_stream *inner)
{
    *gunzip = (source_gunzip){.inner = inner};
    gunzip->stream = *inner;
    gunzip->stream.read = gunzip_read;
    gunzip->stream.state = gunzip;
    gunzip->buffer = malloc(GUNZIP_BUFFER);
    if (!gunzip->buffer)
        return convert_no_memory(inner->job);
    limn_status status = refill(gunzip);
    gunzip->compressed =
        !status && gunzip->end >= 2 && gunzip->buffer[0] == 0x1F && gunzip->buffer[1] == 0x8B;
    if (gunzip->compressed) {
        gunzip->stream.size = SOURCE_SIZE_UNKNOWN;
        gunzip->stream.most =
            inner->most > UINT64_MAX / DEFLATE_MOST ? UINT64_MAX : inner->most * DEFLATE_MOST;
        gunzip->inside = true;
        /* 15 + 16: the largest window, gzip framing only; inflate then checks CRC and length. */
        if (inflateInit2(&gunzip->z, 15 + 16) != Z_OK)
            status = convert_no_memory(inner->job);
        else
            gunzip->started = true;
    }
    if (status)
        source_gunzip_close(gunzip);
    return status;
}

void source_gunzip_close(source_gunzip *gunzip)
{
    if (gunzip->started)
        inflateEnd(&gunzip->z);
    gunzip->started = false;
    free(gunzip->buffer);
    gunzip->buffer = NULL;
}
