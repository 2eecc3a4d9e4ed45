#define _POSIX_C_SOURCE 200809L
#include "convert.h"

#include "limn/dataset.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILES = 2, PATH_SIZE = 256 };

static void write_file(const char *path, const fuzz_file *file)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(file->data, 1, file->size, out) != file->size || fclose(out) != 0)
        abort();
}

/* Files in the folder, "." and ".." left out. */
static int count_files(const char *folder)
{
    DIR *open = opendir(folder);
    int count = -2;
    while (open && readdir(open))
        count++;
    if (open)
        closedir(open);
    return count;
}

static void check_result(const convert_job *job, limn_status status)
{
    const limn_dataset *data = NULL;
    if (status) {
        const char *text = job->error.library ? limn_error_text(job->ctx) : job->error.what;
        if (!*text || access(job->output, F_OK) == 0)
            abort();
        return;
    }
    if (limn_dataset_open(job->ctx, job->output, &data) != LIMN_OK || data->count != job->images)
        abort();
    limn_dataset_close(&data);
    unlink(job->output);
}

void fuzz_convert(const convert_format *format, const fuzz_file *files, size_t count)
{
    static const char memory[] = "/dev/shm";
    char folder[64], paths[MAX_FILES][PATH_SIZE], output[PATH_SIZE];
    const char *sources[MAX_FILES];
    limn_context *ctx = NULL;
    const limn_context_params params = {.cache_dir = ""};
    if (limn_context_create(&params, &ctx) != LIMN_OK)
        return;
    snprintf(folder, sizeof folder, "%s/limn-fuzz-XXXXXX",
             access(memory, W_OK) == 0 ? memory : "/tmp");
    if (!mkdtemp(folder))
        abort();
    snprintf(output, sizeof output, "%s/out", folder);
    for (size_t i = 0; i < count; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", folder, files[i].name);
        write_file(paths[i], &files[i]);
        sources[i] = paths[i];
    }
    convert_job job = {.ctx = ctx, .output = output, .part = -1, .limit = -1};
    check_result(&job, convert_run(&job, format, sources, count));
    convert_job_clear(&job);
    if (count_files(folder) != (int)count)
        abort();
    for (size_t i = 0; i < count; i++)
        unlink(paths[i]);
    if (rmdir(folder) != 0)
        abort();
    limn_context_destroy(&ctx);
}
