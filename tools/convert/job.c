#include "convert/convert.h"

#include "convert/source.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const part_names[PART_COUNT] = {"train", "test", "val"};

int convert_part_find(const char *name, size_t length)
{
    for (int i = 0; i < PART_COUNT; i++) {
        if (strlen(part_names[i]) == length && memcmp(part_names[i], name, length) == 0)
            return i;
    }
    return -1;
}

const char *convert_part_name(int part)
{
    return part_names[part];
}

static void copy_printable(char *to, size_t size, const char *text)
{
    char *clean = utf8_printable(text);
    snprintf(to, size, "%s", clean ? clean : "out of memory");
    free(clean);
}

limn_status convert_fail(convert_job *job, limn_status status, const char *what, const char *where,
                         const char *why, ...)
{
    char reason[sizeof job->error.why];
    va_list args;
    va_start(args, why);
    vsnprintf(reason, sizeof reason, why, args);
    va_end(args);
    job->error.library = false;
    job->error.hint[0] = '\0';
    copy_printable(job->error.what, sizeof job->error.what, what);
    copy_printable(job->error.where, sizeof job->error.where, where ? where : "");
    copy_printable(job->error.why, sizeof job->error.why, reason);
    return status;
}

void convert_hint(convert_job *job, const char *format, ...)
{
    char text[sizeof job->error.hint];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    copy_printable(job->error.hint, sizeof job->error.hint, text);
}

limn_status convert_no_memory(convert_job *job)
{
    return convert_fail(job, LIMN_FAILED, "out of memory", NULL, "the host has no more to give");
}

limn_status convert_fail_from_library(convert_job *job, limn_status status)
{
    job->error.library = true;
    return status;
}

void convert_warn(convert_job *job, const char *format, ...)
{
    if (!job->warn)
        return;
    char text[1024], clean[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    copy_printable(clean, sizeof clean, text);
    job->warn(job->user, clean);
}

limn_status convert_reject_add(convert_job *job, size_t rank, const char *name, const char *reason)
{
    if (job->reject_count == job->reject_capacity) {
        const size_t capacity = job->reject_capacity ? 2 * job->reject_capacity : 16;
        convert_reject *grown = realloc(job->rejects, capacity * sizeof *grown);
        if (!grown)
            return convert_no_memory(job);
        job->rejects = grown;
        job->reject_capacity = capacity;
    }
    const convert_reject reject = {utf8_printable(name), utf8_printable(reason), rank};
    if (!reject.name || !reject.reason) {
        free(reject.name);
        free(reject.reason);
        return convert_no_memory(job);
    }
    job->rejects[job->reject_count++] = reject;
    return LIMN_OK;
}

limn_status convert_progress(convert_job *job, double done, double total, bool finished)
{
    if (job->progress && !job->progress(job->user, done, total, finished))
        return convert_fail(job, LIMN_INTERRUPTED, "interrupted", job->output,
                            "nothing was written");
    return LIMN_OK;
}

limn_status convert_part_check(convert_job *job, const char *where, const bool *found)
{
    if (job->part < 0 || found[job->part])
        return LIMN_OK;
    char text[64] = "";
    for (int i = 0; i < PART_COUNT; i++) {
        if (found[i]) {
            strcat(text, text[0] ? ", " : "");
            strcat(text, part_names[i]);
        }
    }
    if (!text[0])
        return convert_fail(job, LIMN_BAD_USAGE, "cannot pick a part", "--split", "%s has no parts",
                            where);
    return convert_fail(job, LIMN_BAD_INPUT, "part not found", where, "it has no '%s', only: %s",
                        part_names[job->part], text);
}

static void free_classes(convert_job *job)
{
    for (int i = 0; i < job->class_name_count; i++)
        free(job->class_names[i]);
    free(job->class_names);
    job->class_names = NULL;
    job->class_name_count = 0;
}

limn_status convert_set_classes(convert_job *job, const char *const *names, int count)
{
    if (job->classes) {
        if (job->class_count < count)
            return convert_fail(job, LIMN_BAD_USAGE, "too few class names", "--classes",
                                "%d given, but the data has %d classes", job->class_count, count);
        names = job->classes;
        count = job->class_count;
    }
    free_classes(job);
    job->class_names = calloc(count ? (size_t)count : 1, sizeof *job->class_names);
    if (!job->class_names)
        return convert_no_memory(job);
    for (int i = 0; i < count; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        const char *name = names ? names[i] : number;
        if (!utf8_valid(name))
            return convert_fail(job, LIMN_BAD_INPUT, "class name cannot be used", name,
                                "it is not UTF-8");
        char *copy = malloc(strlen(name) + 1);
        if (!copy)
            return convert_no_memory(job);
        strcpy(copy, name);
        job->class_names[i] = copy;
        job->class_name_count = i + 1;
    }
    return LIMN_OK;
}

void convert_job_clear(convert_job *job)
{
    for (size_t i = 0; i < job->reject_count; i++) {
        free(job->rejects[i].name);
        free(job->rejects[i].reason);
    }
    free(job->rejects);
    job->rejects = NULL;
    job->reject_count = job->reject_capacity = 0;
    free_classes(job);
}
