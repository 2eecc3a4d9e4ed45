#define _POSIX_C_SOURCE 200809L
#include "convert/source.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Limits against archives made to exhaust: what they expand to in all, and against their own size
 * (pictures barely shrink, raw pixels seldom below a hundredth). */
#define MAX_TOTAL (UINT64_C(1) << 44)
#define RATIO_FROM (UINT64_C(1) << 30)
#define MAX_RATIO 1000

enum { FEED_BUFFER = 1 << 16 };

/* An opened archive.  A gzip file is expanded by our own reader, which checks its CRC. */
typedef struct feed {
    source *source;
    struct archive *archive;
    source_stream file;
    source_gunzip gunzip;
    unsigned char *buffer;
    bool opened, expanding, failed;
    locale_t names, before;
} feed;

static la_ssize_t feed_read(struct archive *archive, void *user, const void **data)
{
    feed *f = user;
    size_t got = 0;
    *data = f->buffer;
    if (source_read(&f->gunzip.stream, f->buffer, FEED_BUFFER, &got) != LIMN_OK) {
        f->failed = true;
        archive_set_error(archive, EIO, "broken gzip file");
        return -1;
    }
    return (la_ssize_t)got;
}

/* The gzip reader has said more than libarchive can. */
static limn_status feed_broken(feed *f)
{
    if (f->failed)
        return LIMN_BAD_INPUT;
    const char *text = f->archive ? archive_error_string(f->archive) : NULL;
    return convert_fail(f->source->job, LIMN_BAD_INPUT, "broken archive", f->source->path, "%s",
                        text ? text : "it cannot be read");
}

static void feed_close(feed *f)
{
    if (f->archive)
        archive_read_free(f->archive);
    if (f->expanding)
        source_gunzip_close(&f->gunzip);
    if (f->opened)
        source_file_close(&f->file);
    if (f->names != (locale_t)0) {
        uselocale(f->before);
        freelocale(f->names);
    }
    free(f->buffer);
}

static limn_status feed_open(feed *f, source *s)
{
    *f = (feed){.source = s};
    convert_job *job = s->job;
    /* libarchive hands out names in the character set of this thread's locale, or not at all. */
    f->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (f->names != (locale_t)0)
        f->before = uselocale(f->names);
    f->archive = archive_read_new();
    f->buffer = malloc(FEED_BUFFER);
    if (!f->archive || !f->buffer)
        return convert_no_memory(job);
    archive_read_support_format_tar(f->archive);
    archive_read_support_format_zip(f->archive);
    archive_read_support_filter_gzip(f->archive);
    archive_read_support_filter_bzip2(f->archive);
    archive_read_support_filter_xz(f->archive);
    archive_read_support_filter_zstd(f->archive);
    limn_status status = source_file_stream(&f->file, job, s->path);
    if (status)
        return status;
    f->opened = true;
    if ((status = source_gunzip_open(&f->gunzip, &f->file)) != LIMN_OK)
        return status;
    f->expanding = true;
    const int result = f->gunzip.compressed
                           ? archive_read_open(f->archive, f, NULL, feed_read, NULL)
                           : archive_read_open_filename(f->archive, s->path, FEED_BUFFER);
    return result == ARCHIVE_OK || result == ARCHIVE_WARN ? LIMN_OK : feed_broken(f);
}

/* The next entry, or NULL at the end. */
static limn_status feed_next(feed *f, struct archive_entry **entry)
{
    *entry = NULL;
    const int result = archive_read_next_header(f->archive, entry);
    if (result == ARCHIVE_EOF)
        *entry = NULL;
    else if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
        return feed_broken(f);
    return LIMN_OK;
}

/* Cleans "./a//b" to "a/b" in place; returns false for a name that leads outside. */
static bool clean_name(char *name)
{
    if (name[0] == '/' || name[0] == '\\' || (name[0] && name[1] == ':' && name[2] == '\\'))
        return false;
    char *to = name;
    for (const char *part = name; *part;) {
        const size_t length = strcspn(part, "/");
        if (length == 2 && memcmp(part, "..", 2) == 0)
            return false;
        if (length && !(length == 1 && *part == '.')) {
            if (to != name)
                *to++ = '/';
            memmove(to, part, length);
            to += length;
        }
        part += length;
        part += *part == '/';
    }
    *to = '\0';
    return strncmp(name, "..\\", 3) != 0 && !strstr(name, "\\..\\");
}

static limn_status entry_name(feed *f, struct archive_entry *entry, char **out)
{
    convert_job *job = f->source->job;
    const char *raw = archive_entry_pathname(entry);
    if (!raw)
        raw = archive_entry_pathname_utf8(entry);
    if (!raw || !*raw)
        return convert_fail(job, LIMN_BAD_INPUT, "broken archive", f->source->path,
                            "an entry has no readable name");
    char *name = strdup(raw);
    if (!name)
        return convert_no_memory(job);
    if (!clean_name(name)) {
        free(name);
        return convert_fail(job, LIMN_BAD_INPUT, "unsafe archive", f->source->path,
                            "the name '%s' leads outside", raw);
    }
    *out = name;
    return LIMN_OK;
}

static const char *entry_unusable(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
        return "a link inside an archive is not followed";
    if (archive_entry_filetype(entry) != AE_IFREG)
        return "it is not a regular file";
    if (archive_entry_is_encrypted(entry))
        return "it is encrypted";
    return NULL;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const source_entry *)a)->name, ((const source_entry *)b)->name);
}

/* Sorts the entries by name and notes for each position in the archive where its entry went. */
static limn_status sort_entries(source *s, const size_t *listed)
{
    typedef struct keyed {
        source_entry entry; /* first: compare_entries reads it */
        size_t index;
    } keyed;
    keyed *all = malloc((s->count ? s->count : 1) * sizeof *all);
    size_t *moved = malloc((s->count ? s->count : 1) * sizeof *moved);
    limn_status status = all && moved ? LIMN_OK : convert_no_memory(s->job);
    if (!status) {
        for (size_t i = 0; i < s->count; i++)
            all[i] = (keyed){s->entries[i], i};
        qsort(all, s->count, sizeof *all, compare_entries);
        for (size_t i = 0; i < s->count; i++) {
            s->entries[i] = all[i].entry;
            moved[all[i].index] = i;
        }
        for (size_t i = 0; i < s->positions; i++)
            s->order[i] = listed[i] == SIZE_MAX ? SIZE_MAX : moved[listed[i]];
        for (size_t i = 1; i < s->count && !status; i++) {
            if (strcmp(s->entries[i - 1].name, s->entries[i].name) == 0)
                status = convert_fail(s->job, LIMN_BAD_INPUT, "ambiguous archive", s->path,
                                      "it holds '%s' twice", s->entries[i].name);
        }
    }
    free(all);
    free(moved);
    return status;
}

typedef struct listing {
    feed feed;
    size_t *listed, capacity;
    uint64_t total, stored;
    size_t hidden;
} listing;

static limn_status note_position(listing *l, size_t index)
{
    source *s = l->feed.source;
    if (s->positions == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 256;
        size_t *grown = realloc(l->listed, capacity * sizeof *grown);
        if (!grown)
            return convert_no_memory(s->job);
        l->listed = grown;
        l->capacity = capacity;
    }
    l->listed[s->positions++] = index;
    return LIMN_OK;
}

static limn_status list_entry(listing *l, struct archive_entry *entry)
{
    source *s = l->feed.source;
    const uint64_t size = archive_entry_size_is_set(entry) ? (uint64_t)archive_entry_size(entry)
                                                           : SOURCE_SIZE_UNKNOWN;
    if (size != SOURCE_SIZE_UNKNOWN) {
        if (size > MAX_TOTAL - l->total)
            return convert_fail(s->job, LIMN_BAD_INPUT, "unsafe archive", s->path,
                                "it expands to more than %llu bytes",
                                (unsigned long long)MAX_TOTAL);
        l->total += size;
        if (l->total > RATIO_FROM && l->total / MAX_RATIO > l->stored)
            return convert_fail(s->job, LIMN_BAD_INPUT, "unsafe archive", s->path,
                                "%llu bytes expand to more than %d times as many",
                                (unsigned long long)l->stored, MAX_RATIO);
    }
    char *name = NULL;
    limn_status status = entry_name(&l->feed, entry, &name);
    if (status)
        return status;
    size_t index = SIZE_MAX;
    if (archive_entry_filetype(entry) == AE_IFDIR && !archive_entry_hardlink(entry)) {
        l->hidden += *name && source_is_hidden(name);
    } else if (source_is_hidden(name)) {
        l->hidden++;
    } else if (*name) {
        index = s->count;
        status = source_add(s, name, strlen(name), size, entry_unusable(entry));
    }
    free(name);
    return status ? status : note_position(l, index);
}

/* A gzip file is read to its end, so that its CRC is checked even where the archive ends before. */
static limn_status check_tail(feed *f)
{
    size_t got = 1;
    limn_status status = LIMN_OK;
    while (f->gunzip.compressed && !status && got)
        status = source_read(&f->gunzip.stream, f->buffer, FEED_BUFFER, &got);
    return status;
}

limn_status source_list_archive(source *s)
{
    struct stat info;
    listing l = {.stored = stat(s->path, &info) == 0 ? (uint64_t)info.st_size : 0};
    limn_status status = feed_open(&l.feed, s);
    struct archive_entry *entry = NULL;
    while (!status && (status = feed_next(&l.feed, &entry)) == LIMN_OK && entry)
        status = list_entry(&l, entry);
    if (!status)
        status = check_tail(&l.feed);
    feed_close(&l.feed);
    if (!status) {
        s->order = malloc((s->positions ? s->positions : 1) * sizeof *s->order);
        status = s->order ? sort_entries(s, l.listed) : convert_no_memory(s->job);
    }
    free(l.listed);
    if (!status && l.hidden)
        convert_warn(s->job, "%s: %zu hidden files or folders left out", s->path, l.hidden);
    return status;
}

static limn_status entry_read(source_stream *stream, void *data, size_t size, size_t *got)
{
    feed *f = stream->state;
    const la_ssize_t count = archive_read_data(f->archive, data, size);
    if (count < 0)
        return feed_broken(f);
    *got = (size_t)count;
    return LIMN_OK;
}

static limn_status visit_entry(feed *f, struct archive_entry *entry, size_t index,
                               source_visit_fn visit, void *user)
{
    source *s = f->source;
    char *name = NULL, *where = NULL;
    limn_status status = entry_name(f, entry, &name);
    if (status)
        return status;
    if (strcmp(name, s->entries[index].name) != 0) {
        status = convert_fail(s->job, LIMN_BAD_INPUT, "cannot read", s->path,
                              "it changed while it was read");
    } else if (!(where = source_where(s, index))) {
        status = convert_no_memory(s->job);
    } else {
        source_stream stream = {.job = s->job,
                                .name = s->entries[index].name,
                                .where = where,
                                .size = s->entries[index].size,
                                .most = s->entries[index].size,
                                .read = entry_read,
                                .state = f};
        status = visit(user, index, &stream);
    }
    free(where);
    free(name);
    return status;
}

static limn_status visit_wanted(feed *f, const bool *wanted, size_t left, source_visit_fn visit,
                                void *user)
{
    source *s = f->source;
    for (size_t position = 0; left; position++) {
        struct archive_entry *entry = NULL;
        limn_status status = feed_next(f, &entry);
        if (status)
            return status;
        if (!entry || position >= s->positions)
            return convert_fail(s->job, LIMN_BAD_INPUT, "cannot read", s->path,
                                "it changed while it was read");
        const size_t index = s->order[position];
        if (index == SIZE_MAX || !wanted[index])
            continue;
        left--;
        if ((status = visit_entry(f, entry, index, visit, user)) != LIMN_OK)
            return status;
    }
    return LIMN_OK;
}

limn_status source_visit_archive(source *s, const size_t *entries, size_t count,
                                 source_visit_fn visit, void *user)
{
    bool *wanted = calloc(s->count, sizeof *wanted);
    if (!wanted)
        return convert_no_memory(s->job);
    for (size_t i = 0; i < count; i++)
        wanted[entries[i]] = true;
    feed f;
    limn_status status = feed_open(&f, s);
    if (!status)
        status = visit_wanted(&f, wanted, count, visit, user);
    feed_close(&f);
    free(wanted);
    return status;
}
