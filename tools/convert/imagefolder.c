/* Folders of pictures: one folder a class, perhaps under train/, test/ and val/.
 *
 * The number of a class is its position among all class names of the source sorted by code point,
 * so that the parts agree.  Pictures come in the order: part, class, folder, file name. */
#define _POSIX_C_SOURCE 200809L
#include "convert/sink.h"
#include "convert/source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Larger files are no training pictures. */
enum { MAX_PICTURE = 1 << 28 };

typedef struct picture {
    size_t entry, rank;
    int part;            /* -1: no parts */
    const char *name;    /* below the part */
    size_t class_length; /* of the class in front of `name`; 0: in no class folder */
    size_t folder_length;
    int32_t label;
} picture;

typedef struct folder_job {
    convert_job *job;
    source *from;
    picture *pictures; /* sorted */
    size_t count;
    size_t total;     /* how many of them are taken */
    size_t *by_entry; /* index into pictures, SIZE_MAX: none */
    bool has_parts, parts_beside, found[PART_COUNT],
        flat[PART_COUNT + 1]; /* flat[part + 1]: no class folders */
    convert_sink *sink;
    int channels; /* 0: decided by the first picture */
    bool mixed;   /* a grey beginning turned out to be a colour set: start again */
    int height, width;
    char *first_name;
    unsigned char *bytes;
    size_t capacity, done;
} folder_job;

/* The endings that other tools take for pictures.  Which of them can be read is for the decoder to
 * say, so that a picture in another format is rejected by name and not passed over. */
static bool is_picture(const char *name)
{
    static const char *const endings[] = {"jpg", "jpeg", "png",  "ppm", "bmp",
                                          "pgm", "tif",  "tiff", "webp"};
    const char *dot = strrchr(name, '.');
    if (!dot || strchr(dot, '/'))
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t k = 0;
        while (endings[i][k] && tolower((unsigned char)dot[1 + k]) == endings[i][k])
            k++;
        if (!endings[i][k] && !dot[1 + k])
            return true;
    }
    return false;
}

static limn_status collect(folder_job *f)
{
    f->pictures = calloc(f->from->count, sizeof *f->pictures);
    if (!f->pictures)
        return convert_no_memory(f->job);
    for (size_t i = 0; i < f->from->count; i++) {
        if (is_picture(f->from->entries[i].name))
            f->pictures[f->count++] =
                (picture){.entry = i, .part = -1, .name = f->from->entries[i].name, .label = -1};
    }
    const size_t others = f->from->count - f->count;
    if (!f->count)
        return convert_fail(f->job, LIMN_BAD_INPUT, "no pictures found", f->from->path,
                            "no file ends as pictures do (.jpg, .png, ...)");
    if (others)
        convert_warn(f->job, "%s: %zu files that are no pictures left out", f->from->path, others);
    return LIMN_OK;
}

/* Length of the folder in front of a name, 0 where there is none. */
static size_t first_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

/* How many of the folders at the top are named as parts are; -1: all of them. */
static int count_parts(const folder_job *f, size_t skip)
{
    bool seen[PART_COUNT] = {false}, other = false;
    int parts = 0;
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->pictures[i].name + skip;
        const int part = convert_part_find(name, first_folder(name));
        if (part < 0)
            other = true;
        else if (!seen[part])
            parts += seen[part] = true;
    }
    return other ? parts : -1;
}

/* Archives mostly hold one folder with everything in it; so may a folder. */
static size_t wrapper_length(const folder_job *f)
{
    size_t skip = 0;
    for (;;) {
        const char *top = f->pictures[0].name + skip;
        const size_t length = first_folder(top);
        if (!length || count_parts(f, skip) == -1)
            return skip;
        for (size_t i = 0; i < f->count; i++) {
            const char *name = f->pictures[i].name + skip;
            if (first_folder(name) != length || memcmp(name, top, length) != 0 ||
                first_folder(name + length + 1) == 0)
                return skip;
        }
        if (f->from->kind == SOURCE_FOLDER && count_parts(f, skip + length + 1) != -1)
            return skip;
        skip += length + 1;
    }
}

static void split_names(folder_job *f)
{
    const size_t skip = wrapper_length(f);
    const int parts = count_parts(f, skip);
    f->has_parts = parts == -1;
    f->parts_beside = parts > 1;
    for (int i = 0; i <= PART_COUNT; i++)
        f->flat[i] = true;
    for (size_t i = 0; i < f->count; i++) {
        picture *p = &f->pictures[i];
        p->name += skip;
        if (f->has_parts) {
            const size_t length = first_folder(p->name);
            p->part = convert_part_find(p->name, length);
            p->name += length + 1;
            f->found[p->part] = true;
        }
        p->class_length = first_folder(p->name);
        const char *slash = strrchr(p->name, '/');
        p->folder_length = slash ? (size_t)(slash - p->name) : 0;
        if (p->class_length)
            f->flat[p->part + 1] = false;
    }
}

static int compare_spans(const char *a, size_t a_length, const char *b, size_t b_length)
{
    const int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_pictures(const void *a, const void *b)
{
    const picture *x = a, *y = b;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    int order = compare_spans(x->name, x->class_length, y->name, y->class_length);
    if (!order)
        order = compare_spans(x->name, x->folder_length, y->name, y->folder_length);
    return order ? order : strcmp(x->name, y->name);
}

static int compare_classes(const void *a, const void *b)
{
    const picture *x = *(const picture *const *)a, *y = *(const picture *const *)b;
    const int order = compare_spans(x->name, x->class_length, y->name, y->class_length);
    return order ? order : (x > y) - (x < y);
}

static bool same_class(const picture *x, const picture *y)
{
    return x->class_length == y->class_length && memcmp(x->name, y->name, x->class_length) == 0;
}

/* Whether each class occurs in each part that has classes at all. */
static void compare_parts(folder_job *f, picture *const *sorted, size_t count)
{
    bool present[PART_COUNT] = {false};
    for (size_t i = 0; f->has_parts && i < count; i++) {
        present[sorted[i]->part] = true;
        if (i + 1 < count && same_class(sorted[i], sorted[i + 1]))
            continue;
        for (int part = 0; part < PART_COUNT; part++) {
            if (f->found[part] && !f->flat[part + 1] && !present[part])
                convert_warn(f->job, "%s: class '%.*s' has no pictures in %s", f->from->path,
                             (int)sorted[i]->class_length, sorted[i]->name,
                             convert_part_name(part));
            present[part] = false;
        }
    }
}

static limn_status number_classes(folder_job *f)
{
    picture **sorted = malloc(f->count * sizeof *sorted);
    char **names = calloc(f->count, sizeof *names);
    size_t count = 0;
    int classes = 0;
    limn_status status = sorted && names ? LIMN_OK : convert_no_memory(f->job);
    for (size_t i = 0; i < f->count && !status; i++) {
        if (f->pictures[i].class_length)
            sorted[count++] = &f->pictures[i];
    }
    if (!status && count)
        qsort(sorted, count, sizeof(picture *), compare_classes);
    for (size_t i = 0; i < count && !status; i++) {
        if (i == 0 || !same_class(sorted[i - 1], sorted[i])) {
            names[classes] = strndup(sorted[i]->name, sorted[i]->class_length);
            status = names[classes] ? LIMN_OK : convert_no_memory(f->job);
            classes++;
        }
        sorted[i]->label = classes - 1;
    }
    if (!status && f->parts_beside)
        convert_warn(f->job,
                     "%s: train, test and val are read as classes, for other folders lie "
                     "beside them",
                     f->from->path);
    if (!status)
        compare_parts(f, sorted, count);
    if (!status)
        status = convert_set_classes(f->job, (const char *const *)names, classes);
    for (int i = 0; names && i < classes; i++)
        free(names[i]);
    free(names);
    free(sorted);
    return status;
}

static limn_status reject(folder_job *f, picture *p, const char *reason)
{
    if (f->sink)
        convert_sink_skip(f->sink, p->rank);
    return convert_reject_add(f->job, p->rank, f->from->entries[p->entry].name, reason);
}

/* Picks the part and the first `limit`, numbers them, and finds them by entry. */
static limn_status select_pictures(folder_job *f)
{
    qsort(f->pictures, f->count, sizeof *f->pictures, compare_pictures);
    f->by_entry = malloc(f->from->count * sizeof *f->by_entry);
    if (!f->by_entry)
        return convert_no_memory(f->job);
    for (size_t i = 0; i < f->from->count; i++)
        f->by_entry[i] = SIZE_MAX;
    for (size_t i = 0; i < f->count; i++) {
        if (f->job->part >= 0 && f->pictures[i].part != f->job->part)
            continue;
        if (f->job->limit >= 0 && (uint64_t)f->job->limit <= f->total)
            break;
        f->pictures[f->total] = f->pictures[i];
        f->pictures[f->total].rank = f->total;
        f->by_entry[f->pictures[i].entry] = f->total++;
    }
    return LIMN_OK;
}

/* The library's text is "WHAT (WHERE): WHY"; the list of rejects names the picture already. */
static const char *library_reason(const folder_job *f)
{
    const char *text = limn_error_text(f->job->ctx);
    const char *why = strstr(text, "): ");
    return why ? why + 3 : text;
}

static limn_status different_sizes(folder_job *f, const picture *p, const limn_image *image)
{
    convert_fail(f->job, LIMN_BAD_INPUT, "pictures differ in size", f->from->path,
                 "'%s' is %dx%d, '%s' is %dx%d (height x width)", f->first_name, f->height,
                 f->width, f->from->entries[p->entry].name, image->height, image->width);
    convert_hint(f->job, "give --size N or --size HxW to bring all to one size");
    return LIMN_BAD_INPUT;
}

static limn_status open_sink(folder_job *f, const picture *p, const limn_image *image)
{
    f->height = image->height;
    f->width = image->width;
    f->channels = f->mixed ? 3 : image->channels;
    const char *name = f->from->entries[p->entry].name;
    free(f->first_name);
    f->first_name = strdup(name);
    if (!f->first_name)
        return convert_no_memory(f->job);
    const limn_status status =
        convert_sink_open(f->job, f->total, f->job->height ? f->job->height : image->height,
                          f->job->width ? f->job->width : image->width, f->channels, &f->sink);
    for (size_t i = 0; i < f->job->reject_count && !status; i++)
        convert_sink_skip(f->sink, f->job->rejects[i].rank);
    return status;
}

static limn_status put_picture(folder_job *f, const picture *p, const limn_image *image)
{
    limn_status status = f->sink ? LIMN_OK : open_sink(f, p, image);
    if (status)
        return status;
    if (!f->job->height && (image->height != f->height || image->width != f->width))
        return different_sizes(f, p, image);
    if (image->channels > f->channels) {
        f->mixed = true;
        return LIMN_OK;
    }
    return convert_sink_put(f->sink, p->rank, image, p->label);
}

static limn_status visit(void *user, size_t entry, source_stream *stream)
{
    folder_job *f = user;
    convert_job *job = f->job;
    picture *p = &f->pictures[f->by_entry[entry]];
    const bool again = f->mixed && f->channels == 1;
    limn_status status = convert_progress(job, (double)f->done++, (double)f->total, false);
    if (status || again)
        return status;
    if (stream->size != SOURCE_SIZE_UNKNOWN && stream->size > MAX_PICTURE)
        return reject(f, p, "it is larger than 256 MiB");
    size_t size = 0;
    status = source_read_all(stream, MAX_PICTURE, &f->bytes, &f->capacity, &size);
    if (status == LIMN_BAD_INPUT && f->from->kind != SOURCE_ARCHIVE) {
        char why[sizeof job->error.why];
        memcpy(why, job->error.why, sizeof why);
        return reject(f, p, why);
    }
    if (status)
        return status;
    limn_image image = {0};
    status = limn_image_decode(job->ctx, f->from->entries[entry].name, f->bytes, size, &image);
    if (status == LIMN_BAD_INPUT)
        status = reject(f, p, library_reason(f));
    else if (status)
        convert_fail_from_library(job, status);
    else
        status = put_picture(f, p, &image);
    limn_image_free(&image);
    return status;
}

static void forget_rejects(convert_job *job, size_t from)
{
    while (job->reject_count > from) {
        job->reject_count--;
        free(job->rejects[job->reject_count].name);
        free(job->rejects[job->reject_count].reason);
    }
}

static limn_status read_pictures(folder_job *f)
{
    size_t *wanted = malloc((f->total ? f->total : 1) * sizeof *wanted), count = 0;
    if (!wanted)
        return convert_no_memory(f->job);
    limn_status status = LIMN_OK;
    for (size_t i = 0; i < f->total && !status; i++) {
        picture *p = &f->pictures[i];
        const source_entry *entry = &f->from->entries[p->entry];
        if (entry->unusable)
            status = reject(f, p, entry->unusable);
        else if (!p->class_length && !f->flat[p->part + 1])
            status = reject(f, p, "it lies in no class folder");
        else
            wanted[count++] = p->entry;
    }
    const size_t rejected = f->job->reject_count;
    if (!status)
        status = source_visit(f->from, wanted, count, visit, f);
    if (!status && f->mixed && f->channels == 1) {
        convert_sink_discard(&f->sink);
        forget_rejects(f->job, rejected);
        f->done = 0;
        f->channels = 0;
        status = source_visit(f->from, wanted, count, visit, f);
    }
    free(wanted);
    if (!status && f->job->reject_count == f->total) {
        status = convert_fail(f->job, LIMN_BAD_INPUT, "no picture is left", f->from->path,
                              "all %zu were rejected; '%s': %s", f->total,
                              f->job->reject_count ? f->job->rejects[0].name : "",
                              f->job->reject_count ? f->job->rejects[0].reason : "");
    }
    return status;
}

static limn_status convert(convert_job *job)
{
    folder_job f = {.job = job, .from = job->sources[0]};
    limn_status status = collect(&f);
    if (!status) {
        split_names(&f);
        status = convert_part_check(job, f.from->path, f.found);
    }
    if (!status)
        status = number_classes(&f);
    if (!status)
        status = select_pictures(&f);
    if (!status)
        status = read_pictures(&f);
    if (!status)
        status = convert_progress(job, (double)f.total, (double)f.total, true);
    if (status)
        convert_sink_discard(&f.sink);
    else
        status = convert_sink_finish(&f.sink);
    free(f.pictures);
    free(f.by_entry);
    free(f.first_name);
    free(f.bytes);
    return status;
}

static limn_status detect(convert_job *job, source *from, bool *yes)
{
    (void)job;
    for (size_t i = 0; i < from->count && !*yes; i++)
        *yes = is_picture(from->entries[i].name);
    return LIMN_OK;
}

const convert_format convert_imagefolder = {
    .name = "imagefolder",
    .help = "JPEG and PNG: one folder a class, perhaps below train/, test/, val/; or an archive",
    .max_sources = 1,
    .detect = detect,
    .convert = convert,
};
