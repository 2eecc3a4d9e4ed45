/* The binary layout of CIFAR-10 and CIFAR-100.
 *
 * Records without any header: the label bytes (10: one; 100: coarse, then fine), then 32x32 bytes
 * of red, of green and of blue, rows top to bottom. */
#include "convert/sink.h"
#include "convert/source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, LARGEST_RECORD = 2 + 3 * PLANE, MAX_NAMES_FILE = 1 << 16 };

/* What tells the two apart. */
typedef struct cifar_kind cifar_kind;
struct cifar_kind {
    const char *name;
    const cifar_kind *other;
    size_t labels;                 /* label bytes of a record */
    unsigned limits[2];            /* classes that each of them counts */
    const char *stems[PART_COUNT]; /* file name; '#' stands for a number */
    const char *names_file;
    const char *const *classes; /* as published, by the last label byte */
    int class_count;
};

static const char *const classes10[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};

static const char *const classes100[] = {
    "apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
    "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
    "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
    "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
    "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
    "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
    "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
    "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
    "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
    "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
    "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
    "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
    "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
    "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
    "table",       "tank",          "telephone", "television", "tiger",        "tractor",
    "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
    "willow_tree", "wolf",          "woman",     "worm"};

enum { CIFAR_10, CIFAR_100 };

static const cifar_kind kinds[] = {
    [CIFAR_10] =
        {
            .name = "CIFAR-10",
            .other = &kinds[CIFAR_100],
            .labels = 1,
            .limits = {10},
            .stems = {[PART_TRAIN] = "data_batch_#.bin", [PART_TEST] = "test_batch.bin"},
            .names_file = "batches.meta.txt",
            .classes = classes10,
            .class_count = 10,
        },
    [CIFAR_100] =
        {
            .name = "CIFAR-100",
            .other = &kinds[CIFAR_10],
            .labels = 2,
            .limits = {20, 100},
            .stems = {[PART_TRAIN] = "train.bin", [PART_TEST] = "test.bin"},
            .names_file = "fine_label_names.txt",
            .classes = classes100,
            .class_count = 100,
        },
};

/* One record file. */
typedef struct record_file {
    source *from;
    size_t entry;
    int part; /* -1: a file given by itself */
    unsigned long number;
    size_t count, first; /* records; rank of the first */
} record_file;

typedef struct cifar_job {
    convert_job *job;
    const cifar_kind *kind;
    record_file *files;
    size_t file_count, capacity;
    source *names_from;
    size_t names_entry;
    const source *visited;
    convert_sink *sink;
    limn_image image;
    size_t total, done;
} cifar_job;

static size_t record_size(const cifar_kind *kind)
{
    return kind->labels + 3 * PLANE;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Compares a name with a stem in which '#' stands for a number. */
static bool is_named(const char *name, const char *stem, unsigned long *number)
{
    *number = 0;
    for (; *stem; stem++) {
        if (*stem == '#') {
            if (!isdigit((unsigned char)*name))
                return false;
            char *end = NULL;
            *number = strtoul(name, &end, 10);
            name = end;
        } else if (*name++ != *stem) {
            return false;
        }
    }
    return *name == '\0';
}

static int part_of(const cifar_kind *kind, const char *name, unsigned long *number)
{
    for (int i = 0; i < PART_COUNT; i++) {
        if (kind->stems[i] && is_named(base_name(name), kind->stems[i], number))
            return i;
    }
    return -1;
}

static limn_status add_file(cifar_job *c, source *from, size_t entry, int part,
                            unsigned long number)
{
    const source_entry *e = &from->entries[entry];
    const size_t record = record_size(c->kind);
    char *where = source_where(from, entry);
    if (!where)
        return convert_no_memory(c->job);
    limn_status status = LIMN_OK;
    if (e->unusable) {
        status = convert_fail(c->job, LIMN_BAD_INPUT, "cannot read", where, "%s", e->unusable);
    } else if (e->size == SOURCE_SIZE_UNKNOWN) {
        status = convert_fail(c->job, LIMN_BAD_INPUT, "broken record file", where,
                              "the archive does not say how long it is");
    } else if (e->size == 0 || e->size % record != 0) {
        status = convert_fail(c->job, LIMN_BAD_INPUT, "broken record file", where,
                              "%llu bytes are no whole number of %s records of %zu bytes",
                              (unsigned long long)e->size, c->kind->name, record);
        if (e->size && e->size % record_size(c->kind->other) == 0)
            convert_hint(c->job, "its length fits %s", c->kind->other->name);
    }
    free(where);
    if (status)
        return status;
    if (c->file_count == c->capacity) {
        const size_t capacity = c->capacity ? 2 * c->capacity : 8;
        record_file *grown = realloc(c->files, capacity * sizeof *grown);
        if (!grown)
            return convert_no_memory(c->job);
        c->files = grown;
        c->capacity = capacity;
    }
    c->files[c->file_count++] =
        (record_file){from, entry, part, number, (size_t)(e->size / record), 0};
    return LIMN_OK;
}

/* By part, then number, then the order of the sources. */
static int compare_files(const void *a, const void *b)
{
    const record_file *x = a, *y = b;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static limn_status find_in(cifar_job *c, source *from, bool *found)
{
    if (from->kind == SOURCE_FILE)
        return add_file(c, from, 0, -1, 0);
    const size_t before = c->file_count;
    for (size_t i = 0; i < from->count; i++) {
        const char *name = from->entries[i].name;
        unsigned long number = 0;
        if (strcmp(base_name(name), c->kind->names_file) == 0 && !from->entries[i].unusable) {
            c->names_from = from;
            c->names_entry = i;
        }
        const int part = part_of(c->kind, name, &number);
        if (part < 0)
            continue;
        found[part] = true;
        for (size_t k = before; k < c->file_count; k++) {
            if (c->files[k].part == part && c->files[k].number == number)
                return convert_fail(c->job, LIMN_BAD_INPUT, "ambiguous source", from->path,
                                    "both '%s' and '%s' fit", from->entries[c->files[k].entry].name,
                                    name);
        }
        const limn_status status = add_file(c, from, i, part, number);
        if (status)
            return status;
    }
    if (c->file_count == before)
        return convert_fail(c->job, LIMN_BAD_INPUT, "no record files found", from->path,
                            "%s and %s are looked for", c->kind->stems[PART_TRAIN],
                            c->kind->stems[PART_TEST]);
    return LIMN_OK;
}

static limn_status find_files(cifar_job *c)
{
    convert_job *job = c->job;
    bool found[PART_COUNT] = {false};
    limn_status status = LIMN_OK;
    for (size_t s = 0; s < job->source_count && !status; s++)
        status = find_in(c, job->sources[s], found);
    if (!status)
        status = convert_part_check(job, job->sources[0]->path, found);
    if (status)
        return status;
    size_t kept = 0;
    for (size_t i = 0; i < c->file_count; i++) {
        c->files[i].first = i;
        if (job->part < 0 || c->files[i].part == job->part)
            c->files[kept++] = c->files[i];
    }
    c->file_count = kept;
    qsort(c->files, c->file_count, sizeof *c->files, compare_files);
    for (size_t i = 0; i < c->file_count; i++) {
        c->files[i].first = c->total;
        c->total += c->files[i].count;
    }
    if (job->limit >= 0 && (uint64_t)job->limit < c->total)
        c->total = (size_t)job->limit;
    return LIMN_OK;
}

typedef struct text {
    unsigned char *bytes;
    size_t capacity, size;
} text;

static limn_status read_text(void *user, size_t entry, source_stream *stream)
{
    (void)entry;
    text *t = user;
    return source_read_all(stream, MAX_NAMES_FILE, &t->bytes, &t->capacity, &t->size);
}

/* Class names, one a line; empty lines do not count. */
static limn_status read_classes(cifar_job *c)
{
    const char *names[100];
    int count = 0;
    if (!c->names_from)
        return convert_set_classes(c->job, c->kind->classes, c->kind->class_count);
    text t = {0};
    limn_status status = source_visit(c->names_from, &c->names_entry, 1, read_text, &t);
    char *rest = status ? NULL : malloc(t.size + 1);
    char *const owned = rest;
    if (!status && !owned)
        status = convert_no_memory(c->job);
    if (!status) {
        memcpy(rest, t.bytes, t.size);
        rest[t.size] = '\0';
    }
    while (!status && *rest) {
        char *line = rest;
        const size_t length = strcspn(line, "\r\n");
        rest += length + (line[length] != '\0');
        line[length] = '\0';
        if (length && count < c->kind->class_count)
            names[count] = line;
        count += length > 0;
    }
    if (!status && count != c->kind->class_count)
        status =
            convert_fail(c->job, LIMN_BAD_INPUT, "broken list of classes",
                         c->names_from->entries[c->names_entry].name, "%d names where %s has %d",
                         count, c->kind->name, c->kind->class_count);
    if (!status)
        status = convert_set_classes(c->job, names, count);
    free(owned);
    free(t.bytes);
    return status;
}

static limn_status put_record(cifar_job *c, source_stream *stream, const unsigned char *record,
                              size_t index, size_t rank)
{
    const cifar_kind *kind = c->kind;
    for (size_t i = 0; i < kind->labels; i++) {
        if (record[i] >= kind->limits[i]) {
            convert_fail(c->job, LIMN_BAD_INPUT, "broken record file", stream->where,
                         "label %u of record %zu (offset %zu) is above %u", (unsigned)record[i],
                         index, index * record_size(kind) + i, kind->limits[i] - 1);
            return LIMN_BAD_INPUT;
        }
    }
    if (rank >= c->total)
        return LIMN_OK;
    const unsigned char *planes = record + kind->labels;
    for (size_t i = 0; i < PLANE; i++) {
        for (size_t k = 0; k < 3; k++)
            c->image.pixels[3 * i + k] = planes[k * PLANE + i];
    }
    return convert_sink_put(c->sink, rank, &c->image, record[kind->labels - 1]);
}

static limn_status read_records(cifar_job *c, source_stream *stream, const record_file *file)
{
    unsigned char record[LARGEST_RECORD];
    const size_t size = record_size(c->kind);
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < file->count && !status; i++) {
        size_t got = 0;
        status = source_read(stream, record, size, &got);
        if (!status && got != size)
            status = convert_fail(c->job, LIMN_BAD_INPUT, "broken record file", stream->where,
                                  "it is cut off in record %zu", i);
        if (!status)
            status = put_record(c, stream, record, i, file->first + i);
        if (!status && c->done++ % 64 == 0)
            status = convert_progress(c->job, (double)c->done, (double)c->total, false);
    }
    return status;
}

static limn_status visit(void *user, size_t entry, source_stream *stream)
{
    cifar_job *c = user;
    for (size_t i = 0; i < c->file_count; i++) {
        if (c->files[i].from == c->visited && c->files[i].entry == entry)
            return read_records(c, stream, &c->files[i]);
    }
    return LIMN_OK;
}

static limn_status read_source(cifar_job *c, source *from)
{
    size_t *entries = malloc(c->file_count * sizeof *entries), count = 0;
    if (!entries)
        return convert_no_memory(c->job);
    for (size_t i = 0; i < c->file_count; i++) {
        if (c->files[i].from == from)
            entries[count++] = c->files[i].entry;
    }
    c->visited = from;
    const limn_status status = count ? source_visit(from, entries, count, visit, c) : LIMN_OK;
    free(entries);
    return status;
}

static limn_status convert(convert_job *job, const cifar_kind *kind)
{
    cifar_job c = {.job = job, .kind = kind};
    limn_status status = find_files(&c);
    if (!status)
        status = read_classes(&c);
    if (!status && (status = limn_image_create(job->ctx, SIDE, SIDE, 3, &c.image)) != LIMN_OK)
        convert_fail_from_library(job, status);
    if (!status)
        status = convert_sink_open(job, c.total, job->height ? job->height : SIDE,
                                   job->width ? job->width : SIDE, 3, &c.sink);
    for (size_t s = 0; s < job->source_count && !status; s++)
        status = read_source(&c, job->sources[s]);
    if (!status)
        status = convert_progress(job, (double)c.total, (double)c.total, true);
    if (status)
        convert_sink_discard(&c.sink);
    else
        status = convert_sink_finish(&c.sink);
    limn_image_free(&c.image);
    free(c.files);
    return status;
}

/* A record file given by itself has no header: its length and every label must fit. */
typedef struct probe {
    const cifar_kind *kind;
    bool fits;
} probe;

static limn_status probe_records(void *user, size_t entry, source_stream *stream)
{
    (void)entry;
    probe *p = user;
    unsigned char record[LARGEST_RECORD];
    const size_t size = record_size(p->kind);
    p->fits = stream->size != 0 && stream->size % size == 0;
    for (size_t got = size; p->fits && got == size;) {
        const limn_status status = source_read(stream, record, size, &got);
        if (status)
            return status;
        for (size_t i = 0; i < p->kind->labels && got == size; i++)
            p->fits = p->fits && record[i] < p->kind->limits[i];
    }
    return LIMN_OK;
}

static limn_status detect(source *from, const cifar_kind *kind, bool *yes)
{
    if (from->kind == SOURCE_FILE) {
        probe p = {.kind = kind};
        const limn_status status = source_visit(from, &(size_t){0}, 1, probe_records, &p);
        *yes = p.fits;
        return status;
    }
    unsigned long number = 0;
    for (size_t i = 0; i < from->count && !*yes; i++)
        *yes = part_of(kind, from->entries[i].name, &number) >= 0;
    return LIMN_OK;
}

static limn_status detect10(convert_job *job, source *from, bool *yes)
{
    (void)job;
    return detect(from, &kinds[CIFAR_10], yes);
}

static limn_status detect100(convert_job *job, source *from, bool *yes)
{
    (void)job;
    return detect(from, &kinds[CIFAR_100], yes);
}

static limn_status convert10(convert_job *job)
{
    return convert(job, &kinds[CIFAR_10]);
}

static limn_status convert100(convert_job *job)
{
    return convert(job, &kinds[CIFAR_100]);
}

const convert_format convert_cifar10 = {
    .name = "cifar10",
    .help = "CIFAR-10 binary: data_batch_N.bin, test_batch.bin in a folder or archive, or alone",
    .max_sources = 64,
    .detect = detect10,
    .convert = convert10,
};

const convert_format convert_cifar100 = {
    .name = "cifar100",
    .help = "CIFAR-100 binary, fine labels: train.bin, test.bin in a folder or archive, or alone",
    .max_sources = 64,
    .detect = detect100,
    .convert = convert100,
};
