#define _POSIX_C_SOURCE 200809L
#include "convert/source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Deeper than any data set, and an end to links that lead in a circle. */
enum { MAX_DEPTH = 40 };
/* About 4 GiB of names. */
enum { MAX_ENTRIES = 1 << 25 };

limn_status source_add(source *s, const char *name, size_t length, uint64_t size,
                       const char *unusable)
{
    if (s->count == s->capacity) {
        if (s->count >= MAX_ENTRIES)
            return convert_fail(s->job, LIMN_BAD_INPUT, "cannot read", s->path,
                                "it holds more than %d files", (int)MAX_ENTRIES);
        const size_t capacity = s->capacity ? 2 * s->capacity : 64;
        source_entry *grown = realloc(s->entries, capacity * sizeof *grown);
        if (!grown)
            return convert_no_memory(s->job);
        s->entries = grown;
        s->capacity = capacity;
    }
    char *copy = malloc(length + 1);
    if (!copy)
        return convert_no_memory(s->job);
    memcpy(copy, name, length);
    copy[length] = '\0';
    s->entries[s->count++] = (source_entry){copy, size, unusable};
    return LIMN_OK;
}

/* What file managers, notebooks and archivers leave behind. */
bool source_is_hidden(const char *name)
{
    for (const char *part = name; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (*part == '.' || strncmp(part, "__MACOSX/", 9) == 0)
            return true;
    }
    return false;
}

typedef struct walk {
    source *source;
    char path[4096];
    size_t root; /* where the names inside the source begin */
    struct {
        dev_t device;
        ino_t inode;
    } above[MAX_DEPTH];
    size_t hidden;
    char first_hidden[256];
} walk;

static limn_status walk_folder(walk *w, size_t length, int depth);

static limn_status walk_item(walk *w, size_t length, const char *name, int depth)
{
    if (source_is_hidden(name) || strcmp(name, "__MACOSX") == 0) {
        if (w->hidden++ == 0)
            snprintf(w->first_hidden, sizeof w->first_hidden, "%s", name);
        return LIMN_OK;
    }
    const size_t added = strlen(name);
    if (length + added + 2 > sizeof w->path)
        return convert_fail(w->source->job, LIMN_BAD_INPUT, "cannot read", w->path,
                            "the path of '%s' is too long", name);
    w->path[length] = '/';
    memcpy(w->path + length + 1, name, added + 1);
    const size_t end = length + 1 + added;
    struct stat info;
    limn_status status = LIMN_OK;
    if (stat(w->path, &info) != 0)
        status = source_add(w->source, w->path + w->root, end - w->root, 0,
                            errno == ENOENT ? "the link leads nowhere" : strerror(errno));
    else if (S_ISDIR(info.st_mode))
        status = walk_folder(w, end, depth + 1);
    else
        status = source_add(w->source, w->path + w->root, end - w->root, (uint64_t)info.st_size,
                            S_ISREG(info.st_mode) ? NULL : "it is not a regular file");
    w->path[length] = '\0';
    return status;
}

static limn_status walk_folder(walk *w, size_t length, int depth)
{
    convert_job *job = w->source->job;
    DIR *folder = opendir(w->path);
    struct stat info;
    if (!folder || fstat(dirfd(folder), &info) != 0) {
        const int reason = errno;
        if (folder)
            closedir(folder);
        return convert_fail(job, LIMN_BAD_INPUT, "cannot read", w->path, "%s", strerror(reason));
    }
    bool circle = depth >= MAX_DEPTH;
    for (int i = 0; i < depth && !circle; i++)
        circle = w->above[i].device == info.st_dev && w->above[i].inode == info.st_ino;
    if (circle) {
        closedir(folder);
        return convert_fail(job, LIMN_BAD_INPUT, "cannot read", w->path,
                            "its folders lie more than %d deep, or a link leads back up",
                            (int)MAX_DEPTH);
    }
    w->above[depth].device = info.st_dev;
    w->above[depth].inode = info.st_ino;
    limn_status status = LIMN_OK;
    errno = 0;
    for (struct dirent *item; !status && (item = readdir(folder)) != NULL; errno = 0) {
        if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
            status = walk_item(w, length, item->d_name, depth);
    }
    if (!status && errno)
        status = convert_fail(job, LIMN_BAD_INPUT, "cannot read", w->path, "%s", strerror(errno));
    closedir(folder);
    return status;
}

static limn_status list_folder(source *s)
{
    walk *w = calloc(1, sizeof *w);
    if (!w)
        return convert_no_memory(s->job);
    w->source = s;
    limn_status status = LIMN_OK;
    size_t length = strlen(s->path);
    while (length > 1 && s->path[length - 1] == '/')
        length--;
    if (length + 2 > sizeof w->path) {
        status =
            convert_fail(s->job, LIMN_BAD_INPUT, "cannot read", s->path, "the path is too long");
    } else {
        memcpy(w->path, s->path, length);
        w->root = length + 1;
        status = walk_folder(w, length, 0);
    }
    if (!status && w->hidden)
        convert_warn(s->job, "%s: %zu hidden files or folders left out (%s%s)", s->path, w->hidden,
                     w->first_hidden, w->hidden > 1 ? ", ..." : "");
    free(w);
    return status;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const source_entry *)a)->name, ((const source_entry *)b)->name);
}

static bool has_suffix(const char *text, const char *suffix)
{
    const size_t length = strlen(text), tail = strlen(suffix);
    return length > tail && strcmp(text + length - tail, suffix) == 0;
}

/* First 512 bytes, expanded where they are gzip. */
static limn_status read_head(source *s, bool expand, unsigned char head[512], size_t *got)
{
    memset(head, 0, 512);
    *got = 0;
    source_stream file = {0};
    source_gunzip gunzip;
    limn_status status = source_file_stream(&file, s->job, s->path);
    if (status)
        return status;
    if (!expand) {
        status = source_read(&file, head, 512, got);
    } else if ((status = source_gunzip_open(&gunzip, &file)) == LIMN_OK) {
        status = source_read(&gunzip.stream, head, 512, got);
        source_gunzip_close(&gunzip);
    }
    source_file_close(&file);
    return status;
}

/* By content where it is certain, by name where an old or damaged archive lacks a mark. */
static limn_status is_archive(source *s, bool *yes)
{
    static const char *const suffixes[] = {".tar", ".tar.gz",  ".tgz",  ".tar.xz",
                                           ".txz", ".tar.zst", ".tzst", ".zip"};
    *yes = true;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (has_suffix(s->path, suffixes[i]))
            return LIMN_OK;
    }
    unsigned char head[512];
    size_t got = 0;
    limn_status status = read_head(s, false, head, &got);
    if (status)
        return status;
    if (memcmp(head, "\x1F\x8B", 2) == 0 && read_head(s, true, head, &got) != LIMN_OK)
        memset(head, 0, sizeof head); /* whoever reads the file will say what is wrong */
    *yes = memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0 ||
           memcmp(head,
                  "\xFD"
                  "7zXZ",
                  6) == 0 ||
           memcmp(head, "\x28\xB5\x2F\xFD", 4) == 0 || memcmp(head + 257, "ustar", 5) == 0;
    return LIMN_OK;
}

static limn_status list_file(source *s, uint64_t size)
{
    const char *slash = strrchr(s->path, '/');
    const char *name = slash ? slash + 1 : s->path;
    return source_add(s, name, strlen(name), size, NULL);
}

limn_status source_open(convert_job *job, const char *path, source **out)
{
    *out = NULL;
    struct stat info;
    if (stat(path, &info) != 0)
        return convert_fail(job, LIMN_BAD_INPUT, "cannot open", path, "%s", strerror(errno));
    source *s = calloc(1, sizeof *s);
    if (!s)
        return convert_no_memory(job);
    s->job = job;
    s->path = strdup(path);
    if (!s->path) {
        source_close(&s);
        return convert_no_memory(job);
    }
    limn_status status = LIMN_OK;
    bool archive = false;
    if (S_ISDIR(info.st_mode)) {
        s->kind = SOURCE_FOLDER;
        status = list_folder(s);
        if (!status && s->count)
            qsort(s->entries, s->count, sizeof *s->entries, compare_entries);
    } else if (!S_ISREG(info.st_mode)) {
        status = convert_fail(job, LIMN_BAD_INPUT, "cannot read", path,
                              "it is neither a file nor a folder");
    } else if ((status = is_archive(s, &archive)) == LIMN_OK) {
        s->kind = archive ? SOURCE_ARCHIVE : SOURCE_FILE;
        status = archive ? source_list_archive(s) : list_file(s, (uint64_t)info.st_size);
    }
    if (!status && s->count == 0)
        status = convert_fail(job, LIMN_BAD_INPUT, "nothing to convert", path, "it holds no files");
    if (status)
        source_close(&s);
    *out = s;
    return status;
}

void source_close(source **handle)
{
    source *s = *handle;
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free(s->entries[i].name);
    free(s->entries);
    free(s->order);
    free(s->path);
    free(s);
    *handle = NULL;
}

char *source_where(const source *s, size_t entry)
{
    const char *name = s->kind == SOURCE_FILE ? "" : s->entries[entry].name;
    const size_t length = strlen(s->path);
    char *where = malloc(length + strlen(name) + 2);
    if (!where)
        return NULL;
    strcpy(where, s->path);
    if (*name) {
        if (length && where[length - 1] == '/')
            where[length - 1] = '\0';
        strcat(where, s->kind == SOURCE_ARCHIVE ? ":" : "/");
        strcat(where, name);
    }
    return where;
}

static limn_status visit_file(source *s, size_t entry, source_visit_fn visit, void *user)
{
    char *where = source_where(s, entry);
    if (!where)
        return convert_no_memory(s->job);
    source_stream stream = {0};
    limn_status status = source_file_stream(&stream, s->job, where);
    if (!status) {
        stream.name = s->entries[entry].name;
        status = visit(user, entry, &stream);
        source_file_close(&stream);
    }
    free(where);
    return status;
}

limn_status source_visit(source *s, const size_t *entries, size_t count, source_visit_fn visit,
                         void *user)
{
    if (s->kind == SOURCE_ARCHIVE)
        return source_visit_archive(s, entries, count, visit, user);
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < count && !status; i++)
        status = visit_file(s, entries[i], visit, user);
    return status;
}
