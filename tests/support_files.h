/* Tests that write files: a folder for each test, which must be empty but for `path` at the end. */
#ifndef LIMN_TESTS_SUPPORT_FILES_H
#define LIMN_TESTS_SUPPORT_FILES_H

#include "limn/context.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

typedef struct fixture {
    limn_context *ctx;
    char folder[64], path[80];
} fixture;

static inline int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f)
        return 1;
    *state = f;
    strcpy(f->folder, "/tmp/limn-test-XXXXXX");
    if (!mkdtemp(f->folder) || limn_context_create(NULL, &f->ctx) != LIMN_OK)
        return 1;
    snprintf(f->path, sizeof f->path, "%s/file", f->folder);
    return 0;
}

/* Fails where the test left a partial or temporary file. */
static inline int tear_down(void **state)
{
    fixture *f = *state;
    limn_context_destroy(&f->ctx);
    unlink(f->path);
    const int left = rmdir(f->folder);
    free(f);
    return left;
}

/* From now on no file grows beyond `bytes`: what a full disk looks like; RLIM_INFINITY ends it. */
static inline int limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR || getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return -1;
    limit.rlim_cur = bytes;
    return setrlimit(RLIMIT_FSIZE, &limit);
}

static inline int write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return -1;
    const size_t written = fwrite(data, 1, size, file);
    return fclose(file) != 0 || written != size ? -1 : 0;
}

#endif
