#define _POSIX_C_SOURCE 200809L
#include "base/file.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct limn_writer {
    limn_context *ctx;
    FILE *file;
    char *path, *temporary;
    bool failed;
};

limn_status limn_file_map(limn_context *ctx, const char *path, limn_mapping *out)
{
    *out = (limn_mapping){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return limn_fail(ctx, LIMN_BAD_INPUT, "cannot open", path, "%s", strerror(errno));
    struct stat info;
    limn_status status = LIMN_OK;
    if (fstat(fd, &info) != 0) {
        status = limn_fail(ctx, LIMN_BAD_INPUT, "cannot read", path, "%s", strerror(errno));
    } else if (!S_ISREG(info.st_mode)) {
        status = limn_fail(ctx, LIMN_BAD_INPUT, "cannot read", path, "%s",
                           S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a regular file");
    } else if (info.st_size > 0) {
        void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            status = limn_fail(ctx, LIMN_FAILED, "cannot map", path, "%s", strerror(errno));
        else
            *out = (limn_mapping){data, (size_t)info.st_size};
    }
    close(fd);
    return status;
}

void limn_file_unmap(limn_mapping *mapping)
{
    if (mapping->data)
        munmap((void *)mapping->data, mapping->size);
    *mapping = (limn_mapping){0};
}

limn_status limn_writer_open(limn_context *ctx, const char *path, limn_writer **out)
{
    *out = NULL;
    limn_writer *writer = limn_calloc(1, sizeof *writer);
    if (!writer)
        return limn_out_of_memory(ctx, path);
    writer->ctx = ctx;
    writer->path = limn_strdup(path);
    writer->temporary = limn_format("%s.%ld.part", path, (long)getpid());
    if (!writer->path || !writer->temporary) {
        limn_writer_discard(&writer);
        return limn_out_of_memory(ctx, path);
    }
    writer->file = fopen(writer->temporary, "wb+");
    if (!writer->file) {
        limn_fail(ctx, LIMN_FAILED, "cannot write", path, "%s", strerror(errno));
        limn_free(writer->temporary);
        writer->temporary = NULL;
        limn_writer_discard(&writer);
        return LIMN_FAILED;
    }
    *out = writer;
    return LIMN_OK;
}

static limn_status write_failed(limn_writer *writer)
{
    const int reason = errno;
    writer->failed = true;
    return limn_fail(writer->ctx, LIMN_FAILED, "cannot write", writer->path, "%s",
                     reason ? strerror(reason) : "an earlier write failed");
}

limn_status limn_writer_write(limn_writer *writer, const void *data, size_t size)
{
    errno = 0;
    if (writer->failed || (size && fwrite(data, 1, size, writer->file) != size))
        return write_failed(writer);
    return LIMN_OK;
}

limn_status limn_writer_printf(limn_writer *writer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    errno = 0;
    const bool failed = writer->failed || vfprintf(writer->file, format, args) < 0;
    va_end(args);
    return failed ? write_failed(writer) : LIMN_OK;
}

limn_status limn_writer_patch(limn_writer *writer, uint64_t offset, const void *data, size_t size)
{
    errno = 0;
    if (writer->failed || fseeko(writer->file, (off_t)offset, SEEK_SET) != 0 ||
        fwrite(data, 1, size, writer->file) != size || fseeko(writer->file, 0, SEEK_END) != 0)
        return write_failed(writer);
    return LIMN_OK;
}

/* The rename itself reaches the disk only with the folder that holds the name. */
static int sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? limn_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : limn_strdup(".");
    if (!folder)
        return ENOMEM;
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    limn_free(folder);
    if (fd < 0)
        return 0; /* a folder that may be written but not read cannot be synced */
    const int failed = fsync(fd) != 0 && errno != EINVAL && errno != EROFS ? errno : 0;
    close(fd);
    return failed;
}

limn_status limn_writer_commit(limn_writer **handle)
{
    limn_writer *writer = *handle;
    errno = 0;
    bool failed = writer->failed || fflush(writer->file) != 0 || fsync(fileno(writer->file)) != 0;
    int reason = errno;
    if (fclose(writer->file) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    writer->file = NULL;
    if (!failed && rename(writer->temporary, writer->path) != 0) {
        failed = true;
        reason = errno;
    }
    limn_status status = LIMN_OK;
    if (failed) {
        status = limn_fail(writer->ctx, LIMN_FAILED, "cannot write", writer->path, "%s",
                           reason ? strerror(reason) : "an earlier write failed");
    } else {
        limn_free(writer->temporary);
        writer->temporary = NULL;
        if ((reason = sync_folder_of(writer->path)) != 0)
            status = limn_fail(writer->ctx, LIMN_FAILED, "cannot write", writer->path, "%s",
                               strerror(reason));
    }
    limn_writer_discard(handle);
    return status;
}

void limn_writer_discard(limn_writer **handle)
{
    limn_writer *writer = handle ? *handle : NULL;
    if (!writer)
        return;
    if (writer->file)
        fclose(writer->file);
    if (writer->temporary)
        unlink(writer->temporary);
    limn_free(writer->temporary);
    limn_free(writer->path);
    limn_free(writer);
    *handle = NULL;
}

limn_status limn_make_folder(limn_context *ctx, const char *path)
{
    char *copy = limn_strdup(path);
    if (!copy)
        return limn_out_of_memory(ctx, path);
    int reason = 0;
    for (char *at = copy + 1; !reason; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        const char end = *at;
        *at = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            reason = errno;
        *at = end;
        if (!end)
            break;
    }
    if (!reason && !limn_is_folder(copy))
        reason = ENOTDIR;
    limn_free(copy);
    if (reason)
        return limn_fail(ctx, LIMN_FAILED, "cannot make folder", path, "%s", strerror(reason));
    return LIMN_OK;
}

bool limn_file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool limn_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}
