#define _POSIX_C_SOURCE 200809L
#include "train/folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "train/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

limn_status limn_run_folder_init(limn_context *ctx, const char *path, limn_run_folder *f)
{
    *f = (limn_run_folder){.ctx = ctx, .path = limn_strdup(path)};
    f->model = limn_format("%s/model.safetensors", path);
    f->checkpoint = limn_format("%s/checkpoint.safetensors", path);
    f->log = limn_format("%s/log.csv", path);
    f->config = limn_format("%s/config.ini", path);
    return f->path && f->model && f->checkpoint && f->log && f->config
               ? LIMN_OK
               : limn_out_of_memory(ctx, path);
}

void limn_run_folder_free(limn_run_folder *f)
{
    if (f->log_file)
        fclose(f->log_file);
    limn_free(f->path);
    limn_free(f->model);
    limn_free(f->checkpoint);
    limn_free(f->log);
    limn_free(f->config);
    *f = (limn_run_folder){0};
}

static limn_status log_failed(const limn_run_folder *f)
{
    return limn_fail(f->ctx, LIMN_FAILED, "cannot write", f->log, "%s",
                     errno ? strerror(errno) : "the write failed");
}

limn_status limn_run_folder_check(const limn_run_folder *f, const limn_train_params *params)
{
    const char *files[] = {f->model, f->checkpoint, f->log, f->config};
    const char *found = NULL;
    if (params->resume && params->force)
        return limn_fail(f->ctx, LIMN_BAD_USAGE, "bad options", "--resume --force",
                         "a run is either gone on with or replaced");
    if (limn_file_exists(f->path) && !limn_is_folder(f->path))
        return limn_fail(f->ctx, LIMN_FAILED, "cannot make folder", f->path,
                         "a file of this name exists");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (limn_file_exists(files[i]))
            found = files[i];
    if (params->resume && !limn_file_exists(f->checkpoint)) {
        limn_fail(f->ctx, LIMN_BAD_INPUT, "cannot resume", f->checkpoint,
                  "there is no such checkpoint");
        limn_hint(f->ctx, "start without --resume%s", found ? ", with --force" : "");
        return LIMN_BAD_INPUT;
    }
    if (found && !params->resume && !params->force) {
        limn_fail(f->ctx, LIMN_BAD_USAGE, "output folder is taken", f->path, "it holds a run (%s)",
                  found);
        limn_hint(f->ctx, "--resume goes on with it, --force replaces it");
        return LIMN_BAD_USAGE;
    }
    return LIMN_OK;
}

static void remove_files(const limn_run_folder *f)
{
    unlink(f->model);
    unlink(f->checkpoint);
    unlink(f->log);
    unlink(f->config);
}

/* The line that begins at `at` ends where? */
static const char *line_end(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline + 1 : NULL;
}

/* Keeps the header and the whole rows up to `step`. */
static limn_status cut_log(const limn_run_folder *f, const char *header, int64_t step)
{
    limn_mapping old;
    limn_writer *writer;
    limn_status status = limn_file_map(f->ctx, f->log, &old);
    if (status != LIMN_OK)
        return status;
    const char *first = (const char *)old.data, *end = first + old.size, *at = first, *next;
    const size_t length = strlen(header);
    if (old.size < length || memcmp(first, header, length) != 0) {
        limn_file_unmap(&old);
        limn_fail(f->ctx, LIMN_BAD_USAGE, "cannot resume", f->log,
                  "its columns are others than this run's");
        limn_hint(f->ctx, "give --val exactly if the run was begun with it");
        return LIMN_BAD_USAGE;
    }
    for (at += length; at < end && (next = line_end(at, end)) != NULL; at = next)
        if (strtoll(at, NULL, 10) > step)
            break;
    status = limn_writer_open(f->ctx, f->log, &writer);
    if (status == LIMN_OK)
        status = limn_writer_write(writer, first, (size_t)(at - first));
    limn_file_unmap(&old);
    if (status == LIMN_OK)
        return limn_writer_commit(&writer);
    limn_writer_discard(&writer);
    return status;
}

static limn_status begin_log(limn_run_folder *f, bool resume, const limn_measures *columns,
                             int64_t step)
{
    char header[256];
    size_t used = (size_t)snprintf(header, sizeof header, "step,epoch,loss,lr,images_per_second");
    for (int i = 0; i < columns->count; i++)
        used += (size_t)snprintf(header + used, sizeof header - used, ",%s", columns->names[i]);
    snprintf(header + used, sizeof header - used, "\n");
    if (resume) {
        const limn_status status = cut_log(f, header, step);
        if (status != LIMN_OK)
            return status;
    }
    errno = 0;
    f->log_file = fopen(f->log, resume ? "ab" : "wb");
    if (!f->log_file || (!resume && fputs(header, f->log_file) == EOF) || fflush(f->log_file) != 0)
        return log_failed(f);
    return LIMN_OK;
}

limn_status limn_run_folder_begin(limn_run_folder *f, const limn_train_params *params,
                                  const char *validation, const limn_measures *columns,
                                  int64_t step)
{
    f->made = !limn_file_exists(f->path);
    limn_status status = limn_make_folder(f->ctx, f->path);
    if (status != LIMN_OK) {
        f->made = false;
        return status;
    }
    if (params->force)
        remove_files(f);
    status = begin_log(f, params->resume, columns, step);
    return status == LIMN_OK ? limn_train_write_config(f->ctx, params, validation, f->config)
                             : status;
}

void limn_run_folder_discard(limn_run_folder *f)
{
    if (f->log_file)
        fclose(f->log_file);
    f->log_file = NULL;
    remove_files(f);
    if (f->made)
        rmdir(f->path);
}

limn_status limn_run_log(limn_run_folder *f, int64_t step, int64_t epoch, double loss, double lr,
                         double images_per_second, const limn_measures *columns, bool measured)
{
    errno = 0;
    fprintf(f->log_file, "%lld,%lld,%.9g,%.9g,%.9g", (long long)step, (long long)epoch, loss, lr,
            images_per_second);
    for (int i = 0; i < columns->count; i++) {
        fputc(',', f->log_file);
        if (measured)
            fprintf(f->log_file, "%.9g", columns->values[i]);
    }
    fputc('\n', f->log_file);
    return fflush(f->log_file) != 0 || ferror(f->log_file) ? log_failed(f) : LIMN_OK;
}
