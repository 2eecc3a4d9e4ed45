/* What a converter is, and what it can ask of the job it works for.
 *
 * One format = one file beside this one + one row in formats.c + one test.  A converter reads its
 * sources through source.h, hands pictures to the sink (sink.h) under their rank in the source
 * order, and reports through the calls below.
 */
#ifndef LIMN_TOOLS_CONVERT_CONVERT_H
#define LIMN_TOOLS_CONVERT_CONVERT_H

#include "limn/context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CONVERT_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define CONVERT_PRINTF(text, first)
#endif

struct source;

/** Parts of a source, in the order in which they are written. */
typedef enum convert_part { PART_TRAIN, PART_TEST, PART_VAL, PART_COUNT } convert_part;

/** A picture that was left out, and why. */
typedef struct convert_reject {
    char *name, *reason;
    size_t rank;
} convert_reject;

typedef struct convert_job {
    limn_context *ctx;

    /* What was asked for. */
    struct source *const *sources;
    size_t source_count;
    const char *output;
    int part;                   /**< a convert_part, or -1: all */
    int width, height;          /**< 0: as the pictures are */
    int64_t limit;              /**< at most this many pictures of the source; -1: all */
    const char *const *classes; /**< names given on the command line, or NULL */
    int class_count;

    /** Called often; false stops the job with LIMN_INTERRUPTED.  May be NULL. */
    bool (*progress)(void *user, double done, double total, bool finished);
    /** One line about something odd that does not stop the job.  May be NULL. */
    void (*warn)(void *user, const char *text);
    void *user;

    /* What came of it. */
    struct {
        bool library; /**< the library's context holds the text, the rest here is unused */
        char what[128], where[640], why[768], hint[512]; /**< `where` may be "" */
    } error;                                             /**< of the failure */
    convert_reject *rejects;
    size_t reject_count, reject_capacity;
    int64_t images, out_height, out_width, channels;
    char **class_names; /**< owned */
    int class_name_count;
} convert_job;

typedef struct convert_format {
    const char *name;
    const char *help; /**< one line: what it reads */
    size_t max_sources;
    /** Whether the first source looks like this format.  Used by `auto`, in table order. */
    limn_status (*detect)(convert_job *job, struct source *source, bool *yes);
    limn_status (*convert)(convert_job *job);
} convert_format;

extern const convert_format convert_idx, convert_cifar10, convert_cifar100, convert_imagefolder;

/** The table, in the order of detection; ends with NULL. */
extern const convert_format *const convert_formats[];

/** The row of that name, or NULL. */
const convert_format *convert_format_find(const char *name);

/** Opens `paths`, finds the format where `format` is NULL (`auto`), converts.  The data set appears
 *  under `job->output` or not at all.  On failure `job->error` says why. */
limn_status convert_run(convert_job *job, const convert_format *format, const char *const *paths,
                        size_t count);

/** Frees what a job holds. */
void convert_job_clear(convert_job *job);

/** Records "WHAT (WHERE): WHY" and clears the hint; returns `status`. */
limn_status convert_fail(convert_job *job, limn_status status, const char *what, const char *where,
                         const char *why, ...) CONVERT_PRINTF(5, 6);
void convert_hint(convert_job *job, const char *format, ...) CONVERT_PRINTF(2, 3);
limn_status convert_no_memory(convert_job *job);

/** Says that a library call left the error in the context; returns `status`. */
limn_status convert_fail_from_library(convert_job *job, limn_status status);

void convert_warn(convert_job *job, const char *format, ...) CONVERT_PRINTF(2, 3);

/** Notes a picture that is left out. */
limn_status convert_reject_add(convert_job *job, size_t rank, const char *name, const char *reason);

limn_status convert_progress(convert_job *job, double done, double total, bool finished);

/** The part of that name ("train", "test", "val"), or -1. */
int convert_part_find(const char *name, size_t length);
const char *convert_part_name(int part);

/** Checks that a wanted part is among those found (`found` has PART_COUNT entries). */
limn_status convert_part_check(convert_job *job, const char *where, const bool *found);

/** Decides the class names: those of the command line where given, which must be at least `count`;
 *  else `names`; else "0", "1", ...  They are kept in the job. */
limn_status convert_set_classes(convert_job *job, const char *const *names, int count);

#endif
