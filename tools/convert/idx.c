/* The IDX format of MNIST and its relatives.
 *
 * Big-endian: 00 00 type nd, nd sizes of 32 bits, data.  Images: type 08 (unsigned bytes), [N,H,W]
 * or [N,H,W,C]; labels: an integer type, [N].  Each file may be gzip. */
#include "convert/sink.h"
#include "convert/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDX_MAX_DIMS = 4, IDX_MAX_SIDE = 16384, IDX_MAX_LABEL = 65535, LABEL_CHUNK = 1 << 16 };

typedef struct idx_header {
    int type;
    int dims;
    uint32_t size[IDX_MAX_DIMS];
} idx_header;

/* One of the two files of a part. */
typedef struct idx_file {
    source *from;
    size_t entry;
} idx_file;

typedef struct idx_part {
    idx_file images, labels; /* from == NULL: not there */
    int32_t *label;
    size_t count, first; /* rank of its first image */
    bool selected;
} idx_part;

typedef struct idx_job {
    convert_job *job;
    idx_part parts[PART_COUNT];
    convert_sink *sink;
    size_t total; /* ranks, after the limit */
    int height, width, channels;
    int32_t most; /* highest label */
    idx_part *current;
} idx_job;

static size_t element_size(int type)
{
    switch (type) {
    case 0x08:
    case 0x09:
        return 1;
    case 0x0B:
        return 2;
    case 0x0C:
    case 0x0D:
        return 4;
    case 0x0E:
        return 8;
    default:
        return 0;
    }
}

static limn_status broken(source_stream *stream, const char *why)
{
    return convert_fail(stream->job, LIMN_BAD_INPUT, "broken IDX file", stream->where, "%s", why);
}

static limn_status read_exactly(source_stream *stream, void *data, size_t size)
{
    size_t got = 0;
    const limn_status status = source_read(stream, data, size, &got);
    if (status || got == size)
        return status;
    return broken(stream, "it is cut off");
}

static limn_status read_header(source_stream *stream, idx_header *header)
{
    unsigned char bytes[4 * IDX_MAX_DIMS];
    limn_status status = read_exactly(stream, bytes, 4);
    if (status)
        return status;
    if (bytes[0] || bytes[1] || element_size(bytes[2]) == 0)
        return broken(stream, "it does not begin with 00 00 and a known type");
    if (bytes[3] < 1 || bytes[3] > IDX_MAX_DIMS)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "broken IDX file", stream->where,
                            "it claims %d dimensions; 1 to 4 are possible", bytes[3]);
    *header = (idx_header){.type = bytes[2], .dims = bytes[3]};
    if ((status = read_exactly(stream, bytes, 4 * (size_t)header->dims)) != LIMN_OK)
        return status;
    uint64_t data = element_size(header->type);
    for (int i = 0; i < header->dims; i++) {
        const unsigned char *at = bytes + 4 * i;
        header->size[i] =
            (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | (uint32_t)at[3];
        if (header->size[i] && data > (UINT64_C(1) << 48) / header->size[i])
            return broken(stream, "its dimensions are too large");
        data *= header->size[i];
    }
    const uint64_t expected = 4 + 4 * (uint64_t)header->dims + data;
    if (stream->size != SOURCE_SIZE_UNKNOWN && stream->size != expected)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "broken IDX file", stream->where,
                            "%llu bytes expected from its header, %llu found",
                            (unsigned long long)expected, (unsigned long long)stream->size);
    if (expected > stream->most)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "broken IDX file", stream->where,
                            "it is cut off: its header announces %llu bytes",
                            (unsigned long long)expected);
    return LIMN_OK;
}

/* Reading on to the end also checks the CRC of a gzip file. */
static limn_status expect_end(source_stream *stream)
{
    unsigned char byte;
    size_t got = 0;
    const limn_status status = source_read(stream, &byte, 1, &got);
    if (status || got == 0)
        return status;
    return broken(stream, "more bytes follow than its header announces");
}

static int32_t label_value(const unsigned char *at, int type)
{
    switch (type) {
    case 0x08:
        return at[0];
    case 0x09:
        return (int8_t)at[0];
    case 0x0B:
        return (int16_t)((uint16_t)at[0] << 8 | at[1]);
    default:
        return (int32_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 |
                         (uint32_t)at[3]);
    }
}

static limn_status check_label(source_stream *stream, idx_job *idx, size_t index, int32_t label)
{
    if (label < 0 || label > IDX_MAX_LABEL)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "broken IDX file", stream->where,
                            "label %ld of image %zu is not within 0..%d", (long)label, index,
                            (int)IDX_MAX_LABEL);
    if (label > idx->most)
        idx->most = label;
    return LIMN_OK;
}

/* Memory grows with what is really there, not with what the header says. */
static limn_status read_labels(source_stream *stream, idx_job *idx, const idx_header *header)
{
    idx_part *part = idx->current;
    const size_t size = element_size(header->type), count = header->size[0];
    unsigned char chunk[LABEL_CHUNK];
    while (part->count < count) {
        const size_t left = count - part->count, most = sizeof chunk / size;
        const size_t here = left < most ? left : most;
        limn_status status = read_exactly(stream, chunk, here * size);
        if (status)
            return status;
        int32_t *grown = realloc(part->label, (part->count + here) * sizeof *grown);
        if (!grown)
            return convert_no_memory(stream->job);
        part->label = grown;
        for (size_t i = 0; i < here; i++, part->count++) {
            grown[part->count] = label_value(chunk + i * size, header->type);
            status = check_label(stream, idx, part->count, grown[part->count]);
            if (status)
                return status;
        }
    }
    return expect_end(stream);
}

static limn_status labels_from(source_stream *stream, idx_job *idx)
{
    idx_header header = {0};
    const limn_status status = read_header(stream, &header);
    if (status)
        return status;
    if (header.dims != 1)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "no label file", stream->where,
                            "it has %d dimensions where labels have one", header.dims);
    if (header.type == 0x0D || header.type == 0x0E)
        return convert_fail(stream->job, LIMN_BAD_INPUT, "no label file", stream->where,
                            "it holds fractions");
    return read_labels(stream, idx, &header);
}

static limn_status check_images(source_stream *stream, idx_job *idx, const idx_header *header)
{
    convert_job *job = idx->job;
    if (header->dims < 3)
        return convert_fail(job, LIMN_BAD_INPUT, "no image file", stream->where,
                            "it has %d dimensions where images have 3 or 4", header->dims);
    if (header->type != 0x08)
        return convert_fail(job, LIMN_BAD_INPUT, "no image file", stream->where,
                            "its values are not unsigned bytes");
    if (header->size[0] != idx->current->count)
        return convert_fail(job, LIMN_BAD_INPUT, "images and labels differ", stream->where,
                            "%lu images, but %zu labels", (unsigned long)header->size[0],
                            idx->current->count);
    if (header->size[0] == 0)
        return convert_fail(job, LIMN_BAD_INPUT, "no images", stream->where, "it holds none");
    const uint32_t channels = header->dims == 4 ? header->size[3] : 1;
    if (header->size[1] < 1 || header->size[1] > IDX_MAX_SIDE || header->size[2] < 1 ||
        header->size[2] > IDX_MAX_SIDE || (channels != 1 && channels != 3))
        return convert_fail(job, LIMN_BAD_INPUT, "unfit images", stream->where,
                            "they are %lux%lux%lu; sides go from 1 to %d, channels are 1 or 3",
                            (unsigned long)header->size[1], (unsigned long)header->size[2],
                            (unsigned long)channels, (int)IDX_MAX_SIDE);
    return LIMN_OK;
}

/* The first file decides the size of all. */
static limn_status open_sink(source_stream *stream, idx_job *idx, const limn_image *image)
{
    convert_job *job = idx->job;
    if (idx->sink) {
        const bool fits =
            image->channels == idx->channels &&
            (job->height || (image->height == idx->height && image->width == idx->width));
        if (fits)
            return LIMN_OK;
        return convert_fail(job, LIMN_BAD_INPUT, "images differ", stream->where,
                            "%dx%dx%d here, %dx%dx%d in the other part", image->height,
                            image->width, image->channels, idx->height, idx->width, idx->channels);
    }
    idx->height = image->height;
    idx->width = image->width;
    idx->channels = image->channels;
    return convert_sink_open(job, idx->total, job->height ? job->height : image->height,
                             job->width ? job->width : image->width, image->channels, &idx->sink);
}

static limn_status read_images(source_stream *stream, idx_job *idx, limn_image *image)
{
    idx_part *part = idx->current;
    const size_t bytes = (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    for (size_t i = 0; i < part->count; i++) {
        limn_status status = read_exactly(stream, image->pixels, bytes);
        const size_t rank = part->first + i;
        if (!status && rank < idx->total)
            status = convert_sink_put(idx->sink, rank, image, part->label[i]);
        if (!status && i % 64 == 0)
            status =
                convert_progress(idx->job, (double)(part->first + i), (double)idx->total, false);
        if (status)
            return status;
    }
    return expect_end(stream);
}

static limn_status images_from(source_stream *stream, idx_job *idx)
{
    idx_header header = {0};
    limn_status status = read_header(stream, &header);
    if (!status)
        status = check_images(stream, idx, &header);
    if (status)
        return status;
    limn_image image = {0};
    status = limn_image_create(idx->job->ctx, (int)header.size[2], (int)header.size[1],
                               header.dims == 4 ? (int)header.size[3] : 1, &image);
    if (status)
        return convert_fail_from_library(idx->job, status);
    status = open_sink(stream, idx, &image);
    if (!status)
        status = read_images(stream, idx, &image);
    limn_image_free(&image);
    return status;
}

typedef struct idx_visit {
    idx_job *idx;
    bool images;
} idx_visit;

static limn_status visit(void *user, size_t entry, source_stream *stream)
{
    const idx_visit *v = user;
    for (int i = 0; i < PART_COUNT; i++) {
        const idx_file *file = v->images ? &v->idx->parts[i].images : &v->idx->parts[i].labels;
        /* A file source has one entry, so only the stream's path tells two of them apart. */
        if (!file->from || file->entry != entry ||
            (file->from->kind == SOURCE_FILE && strcmp(file->from->path, stream->where) != 0))
            continue;
        v->idx->current = &v->idx->parts[i];
        source_gunzip gunzip;
        limn_status status = source_gunzip_open(&gunzip, stream);
        if (status)
            return status;
        status = (v->images ? images_from : labels_from)(&gunzip.stream, v->idx);
        source_gunzip_close(&gunzip);
        return status;
    }
    return LIMN_OK;
}

/* Reads the label files, or the images of the selected parts, each source once from its start. */
static limn_status read_all(idx_job *idx, bool images)
{
    idx_visit v = {idx, images};
    limn_status status = LIMN_OK;
    for (size_t s = 0; s < idx->job->source_count && !status; s++) {
        source *from = idx->job->sources[s];
        size_t entries[PART_COUNT], count = 0;
        for (int i = 0; i < PART_COUNT; i++) {
            const idx_part *part = &idx->parts[i];
            const idx_file *file = images ? &part->images : &part->labels;
            if (file->from == from && (part->selected || !images))
                entries[count++] = file->entry;
        }
        if (count)
            status = source_visit(from, entries, count, visit, &v);
    }
    return status;
}

/* "train-images-idx3-ubyte", ".gz" or not; some copies write a dot before "idx". */
static bool is_named(const char *path, const char *stem, const char *kind, bool *compressed)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t length = strlen(stem);
    if (strncmp(name, stem, length) != 0 || (name[length] != '-' && name[length] != '.') ||
        strncmp(name + length + 1, kind, strlen(kind)) != 0)
        return false;
    const char *rest = name + length + 1 + strlen(kind);
    *compressed = strcmp(rest, ".gz") == 0;
    return *compressed || *rest == '\0';
}

static limn_status find_file(convert_job *job, source *from, const char *stem, const char *kind,
                             idx_file *out)
{
    bool have_compressed = false;
    for (size_t i = 0; i < from->count; i++) {
        const source_entry *entry = &from->entries[i];
        bool compressed = false;
        if (!is_named(entry->name, stem, kind, &compressed))
            continue;
        if (entry->unusable)
            return convert_fail(job, LIMN_BAD_INPUT, "cannot read", entry->name, "%s",
                                entry->unusable);
        if (out->from && compressed == have_compressed)
            return convert_fail(job, LIMN_BAD_INPUT, "ambiguous source", from->path,
                                "both '%s' and '%s' fit", from->entries[out->entry].name,
                                entry->name);
        if (out->from && compressed)
            continue; /* the expanded copy is read */
        *out = (idx_file){from, i};
        have_compressed = compressed;
    }
    return LIMN_OK;
}

static const char *const stems[PART_COUNT] = {[PART_TRAIN] = "train", [PART_TEST] = "t10k"};

static limn_status find_parts(idx_job *idx, bool *found)
{
    convert_job *job = idx->job;
    source *from = job->sources[0];
    bool any = false;
    for (int i = 0; i < PART_COUNT; i++) {
        if (!stems[i])
            continue;
        idx_part *part = &idx->parts[i];
        char stem[32];
        snprintf(stem, sizeof stem, "%s-images", stems[i]);
        limn_status status = find_file(job, from, stem, "idx3-ubyte", &part->images);
        if (status)
            return status;
        snprintf(stem, sizeof stem, "%s-labels", stems[i]);
        if ((status = find_file(job, from, stem, "idx1-ubyte", &part->labels)) != LIMN_OK)
            return status;
        if (!part->images.from != !part->labels.from)
            return convert_fail(job, LIMN_BAD_INPUT, "file not found", from->path,
                                "it has no %s-%s", stems[i],
                                part->images.from ? "labels-idx1-ubyte" : "images-idx3-ubyte");
        found[i] = part->images.from != NULL;
        any = any || found[i];
    }
    if (any)
        return LIMN_OK;
    convert_fail(job, LIMN_BAD_INPUT, "no IDX files found", from->path,
                 "train-images-idx3-ubyte, t10k-images-idx3-ubyte and their labels, .gz or not, "
                 "are looked for");
    convert_hint(job, "other names: limn convert idx IMAGES LABELS -o %s", job->output);
    return LIMN_BAD_INPUT;
}

static limn_status find_sources(idx_job *idx, bool *found)
{
    convert_job *job = idx->job;
    if (job->source_count == 2) {
        for (int i = 0; i < 2; i++) {
            if (job->sources[i]->kind != SOURCE_FILE)
                return convert_fail(job, LIMN_BAD_INPUT, "no IDX file", job->sources[i]->path,
                                    "of two sources the first is the image file, the second the "
                                    "label file");
        }
        if (strcmp(job->sources[0]->path, job->sources[1]->path) == 0)
            return convert_fail(job, LIMN_BAD_INPUT, "no label file", job->sources[1]->path,
                                "it is the image file once more");
        idx->parts[0].images = (idx_file){job->sources[0], 0};
        idx->parts[0].labels = (idx_file){job->sources[1], 0};
        idx->parts[0].selected = true;
        return convert_part_check(job, job->sources[0]->path, found);
    }
    if (job->sources[0]->kind == SOURCE_FILE) {
        convert_fail(job, LIMN_BAD_INPUT, "labels missing", job->sources[0]->path,
                     "one IDX file holds images or labels, not both");
        convert_hint(job, "limn convert idx IMAGES LABELS -o %s", job->output);
        return LIMN_BAD_INPUT;
    }
    limn_status status = find_parts(idx, found);
    if (!status)
        status = convert_part_check(job, job->sources[0]->path, found);
    for (int i = 0; i < PART_COUNT; i++)
        idx->parts[i].selected = found[i] && (job->part < 0 || job->part == i);
    return status;
}

static limn_status convert(convert_job *job)
{
    idx_job idx = {.job = job, .most = -1};
    bool found[PART_COUNT] = {false};
    limn_status status = find_sources(&idx, found);
    if (!status)
        status = read_all(&idx, false);
    if (!status)
        status = convert_set_classes(job, NULL, (int)idx.most + 1);
    for (int i = 0; i < PART_COUNT; i++) {
        idx.parts[i].first = idx.total;
        idx.total += idx.parts[i].selected ? idx.parts[i].count : 0;
    }
    if (job->limit >= 0 && (uint64_t)job->limit < idx.total)
        idx.total = (size_t)job->limit;
    if (!status)
        status = read_all(&idx, true);
    if (!status)
        status = convert_progress(job, (double)idx.total, (double)idx.total, true);
    if (status)
        convert_sink_discard(&idx.sink);
    else
        status = convert_sink_finish(&idx.sink);
    for (int i = 0; i < PART_COUNT; i++)
        free(idx.parts[i].label);
    return status;
}

typedef struct head {
    unsigned char bytes[4];
    size_t got;
} head;

static limn_status read_head(void *user, size_t entry, source_stream *stream)
{
    (void)entry;
    head *h = user;
    source_gunzip gunzip;
    limn_status status = source_gunzip_open(&gunzip, stream);
    if (status)
        return status;
    status = source_read(&gunzip.stream, h->bytes, sizeof h->bytes, &h->got);
    source_gunzip_close(&gunzip);
    return status;
}

static limn_status detect(convert_job *job, source *from, bool *yes)
{
    (void)job;
    if (from->kind == SOURCE_FILE) {
        head h = {.got = 0};
        const limn_status status = source_visit(from, &(size_t){0}, 1, read_head, &h);
        *yes = h.got == 4 && !h.bytes[0] && !h.bytes[1] && element_size(h.bytes[2]) &&
               h.bytes[3] >= 1 && h.bytes[3] <= IDX_MAX_DIMS;
        return status;
    }
    bool compressed = false;
    for (size_t i = 0; i < from->count && !*yes; i++)
        *yes = is_named(from->entries[i].name, "train-images", "idx3-ubyte", &compressed) ||
               is_named(from->entries[i].name, "t10k-images", "idx3-ubyte", &compressed);
    return LIMN_OK;
}

const convert_format convert_idx = {
    .name = "idx",
    .help = "MNIST family: the four standard names in a folder or archive, or IMAGES LABELS",
    .max_sources = 2,
    .detect = detect,
    .convert = convert,
};
