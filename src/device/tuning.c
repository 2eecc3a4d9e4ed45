#include "device/tuning.h"

#include "base/file.h"
#include "base/memory.h"
#include "device/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Counts up when a name or a class comes to mean something else, or an implementation comes to serve
 * more: what was found without it would keep it out. */
static const char first_line[] = "limn tuning 3\n";

enum { MAX_BYTES = 1 << 20, MAX_FINDINGS = 8192, FIELDS = 5, END_LINE = 48 };
static const size_t field_size[FIELDS] = {LIMN_TUNING_OP, LIMN_TUNING_SHAPE, LIMN_TUNING_OP,
                                          LIMN_TUNING_CHOICE, LIMN_TUNING_OP};

typedef struct finding {
    char op[LIMN_TUNING_OP], shape[LIMN_TUNING_SHAPE], direction[LIMN_TUNING_OP];
    char choice[LIMN_TUNING_CHOICE];
    limn_tuning_source source;
    bool fresh; /* not in the file yet */
    bool here;  /* set by this process, not read */
} finding;

typedef struct table {
    finding *items;
    size_t count, capacity;
} table;

struct limn_tuning {
    table table;
    limn_tune_mode mode;
    bool loaded;
    double spent;
};

/* ---- the table ------------------------------------------------------------------------------ */

static bool kept(limn_tuning_source source)
{
    return source == LIMN_TUNING_ASSUMED || source == LIMN_TUNING_MEASURED;
}

/* Findings share one place, the other sources have one each. */
static int rank(limn_tuning_source source)
{
    return kept(source) ? 0 : (int)source;
}

static finding *find(const table *t, const limn_tuning_key *key, int wanted)
{
    for (size_t i = 0; i < t->count; i++) {
        finding *f = &t->items[i];
        if (rank(f->source) == wanted && strcmp(f->shape, key->shape) == 0 &&
            strcmp(f->op, key->op) == 0 && strcmp(f->direction, key->direction) == 0)
            return f;
    }
    return NULL;
}

static bool well_formed(const char *text, size_t size)
{
    const size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return length > 0 && length < size;
}

/* False where memory is exhausted. */
static bool put(table *t, const limn_tuning_key *key, const char *choice, limn_tuning_source source,
                bool fresh)
{
    finding *f = find(t, key, rank(source));
    if (!f) {
        if (t->count == t->capacity) {
            const size_t wanted = t->capacity ? 2 * t->capacity : 64;
            finding *grown = limn_realloc(t->items, wanted, sizeof *grown);
            if (!grown)
                return false;
            t->items = grown;
            t->capacity = wanted;
        }
        f = &t->items[t->count++];
        *f = (finding){.source = source};
        snprintf(f->op, sizeof f->op, "%s", key->op);
        snprintf(f->shape, sizeof f->shape, "%s", key->shape);
        snprintf(f->direction, sizeof f->direction, "%s", key->direction);
    }
    snprintf(f->choice, sizeof f->choice, "%s", choice);
    f->source = source;
    f->fresh = fresh;
    f->here = fresh;
    return true;
}

static limn_tuning_key key_of(const finding *f)
{
    return (limn_tuning_key){f->op, f->shape, f->direction};
}

static void free_table(table *t)
{
    limn_free(t->items);
    *t = (table){0};
}

/* ---- the file ------------------------------------------------------------------------------- */

static uint64_t identity_hash(const limn_device *device)
{
    return XXH3_64bits(device->identity, strlen(device->identity));
}

char *limn_tuning_path(const limn_device *device)
{
    const char *folder = limn_cache_dir(device->ctx);
    return folder ? limn_format("%s/tuning/%016llx.txt", folder,
                                (unsigned long long)identity_hash(device))
                  : NULL;
}

/* Cuts one line into its fields; false where it is not as it should be. */
static bool parse_line(const char *line, size_t length, table *out)
{
    char fields[FIELDS][LIMN_TUNING_CHOICE];
    for (int i = 0; i < FIELDS; i++) {
        const char *tab = memchr(line, '\t', length);
        const size_t part = tab ? (size_t)(tab - line) : length;
        if ((tab == NULL) != (i == FIELDS - 1) || part >= field_size[i])
            return false;
        memcpy(fields[i], line, part);
        fields[i][part] = '\0';
        if (strlen(fields[i]) != part || !well_formed(fields[i], field_size[i]))
            return false;
        line += part + 1;
        length -= tab ? part + 1 : part;
    }
    const bool measured = strcmp(fields[4], "measured") == 0;
    if (!measured && strcmp(fields[4], "assumed") != 0)
        return false;
    const limn_tuning_key key = {fields[0], fields[1], fields[2]};
    return !find(out, &key, 0) && out->count < MAX_FINDINGS &&
           put(out, &key, fields[3], measured ? LIMN_TUNING_MEASURED : LIMN_TUNING_ASSUMED, false);
}

void limn_tuning_seal(char *text, size_t size, size_t room, size_t count)
{
    snprintf(text + size, room - size, "end %zu %016llx\n", count,
             (unsigned long long)XXH3_64bits(text, size));
}

static bool starts(const char **at, const char *end, const char *text)
{
    const size_t length = strlen(text);
    if ((size_t)(end - *at) < length || memcmp(*at, text, length) != 0)
        return false;
    *at += length;
    return true;
}

/* NULL, or what is wrong. */
static const char *parse(const limn_device *device, const char *data, size_t size, table *out)
{
    char device_line[64], last_line[END_LINE];
    const char *at = data, *end = data + size;
    snprintf(device_line, sizeof device_line, "device %016llx\n",
             (unsigned long long)identity_hash(device));
    if (size > MAX_BYTES)
        return "it is too large";
    if (!starts(&at, end, first_line))
        return "another version of limn wrote it";
    if (!starts(&at, end, device_line))
        return "it belongs to another device";
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            break;
        if (memchr(at, '\t', (size_t)(stop - at)) == NULL) {
            snprintf(last_line, sizeof last_line, "end %zu %016llx\n", out->count,
                     (unsigned long long)XXH3_64bits(data, (size_t)(at - data)));
            return starts(&at, end, last_line) && at == end ? NULL : "its checksum is wrong";
        }
        if (!parse_line(at, (size_t)(stop - at), out))
            return "a line is malformed";
        at = stop + 1;
    }
    return "it is cut short";
}

/* The findings of the file; none where it is not as it should be. */
static void read_file(limn_device *device, table *out)
{
    char *path = limn_tuning_path(device);
    limn_mapping file = {0};
    *out = (table){0};
    if (path && limn_file_exists(path)) {
        const char *fault = NULL;
        if (limn_file_map(device->ctx, path, &file) != LIMN_OK)
            fault = limn_error_text(device->ctx);
        else
            fault = parse(device, file.data ? (const char *)file.data : "", file.size, out);
        if (fault) {
            limn_log(device->ctx, LIMN_LOG_DEBUG, "findings ignored (%s): %s", path, fault);
            limn_error_clear(device->ctx);
            free_table(out);
        }
    }
    limn_file_unmap(&file);
    limn_free(path);
}

static limn_status add_text(limn_context *ctx, char **text, size_t *length, const char *more)
{
    const size_t extra = strlen(more);
    char *grown = limn_realloc(*text, *length + extra + 1, 1);
    if (!grown)
        return limn_out_of_memory(ctx, "tuning");
    memcpy(grown + *length, more, extra + 1);
    *text = grown;
    *length += extra;
    return LIMN_OK;
}

static limn_status print(limn_device *device, const table *t, char **text, size_t *length)
{
    char line[512];
    size_t count = 0;
    limn_status status = add_text(device->ctx, text, length, first_line);
    snprintf(line, sizeof line, "device %016llx\n", (unsigned long long)identity_hash(device));
    if (status == LIMN_OK)
        status = add_text(device->ctx, text, length, line);
    for (size_t i = 0; i < t->count && status == LIMN_OK; i++) {
        const finding *f = &t->items[i];
        if (!kept(f->source))
            continue;
        snprintf(line, sizeof line, "%s\t%s\t%s\t%s\t%s\n", f->op, f->shape, f->direction,
                 f->choice, f->source == LIMN_TUNING_MEASURED ? "measured" : "assumed");
        status = add_text(device->ctx, text, length, line);
        count++;
    }
    if (status != LIMN_OK)
        return status;
    const size_t sealed = *length;
    memset(line, ' ', END_LINE);
    line[END_LINE] = '\0';
    status = add_text(device->ctx, text, length, line);
    if (status == LIMN_OK) {
        limn_tuning_seal(*text, sealed, sealed + END_LINE, count);
        *length = strlen(*text);
    }
    return status;
}

static limn_status write_file(limn_device *device, const table *t)
{
    char *path = limn_tuning_path(device), *text = NULL;
    char *folder = path ? limn_format("%s/tuning", limn_cache_dir(device->ctx)) : NULL;
    size_t length = 0;
    limn_writer *writer = NULL;
    limn_status status =
        folder ? limn_make_folder(device->ctx, folder) : limn_out_of_memory(device->ctx, "tuning");
    if (status == LIMN_OK)
        status = print(device, t, &text, &length);
    if (status == LIMN_OK)
        status = limn_writer_open(device->ctx, path, &writer);
    if (status == LIMN_OK)
        status = limn_writer_write(writer, text, length);
    if (status == LIMN_OK)
        status = limn_writer_commit(&writer);
    limn_writer_discard(&writer);
    limn_free(text);
    limn_free(folder);
    limn_free(path);
    return status;
}

/* ---- what others see ------------------------------------------------------------------------ */

/* NULL where memory is exhausted. */
static limn_tuning *tuning_of(limn_device *device)
{
    if (!device->tuning)
        device->tuning = limn_calloc(1, sizeof *device->tuning);
    return device->tuning;
}

static limn_tuning *loaded(limn_device *device)
{
    limn_tuning *t = tuning_of(device);
    if (t && !t->loaded && t->mode != LIMN_TUNE_OFF) {
        table file;
        read_file(device, &file);
        t->loaded = true;
        for (size_t i = 0; i < file.count; i++) {
            const limn_tuning_key key = key_of(&file.items[i]);
            if (!find(&t->table, &key, 0))
                put(&t->table, &key, file.items[i].choice, file.items[i].source, false);
        }
        free_table(&file);
    }
    return t;
}

static bool switched_off(void)
{
    const char *asked = getenv("LIMN_TUNE");
    return asked && strcmp(asked, "0") == 0;
}

void limn_tune_set_mode(limn_device *device, limn_tune_mode mode)
{
    limn_tuning *t = tuning_of(device);
    if (t)
        t->mode = mode;
}

limn_tune_mode limn_tuning_get_mode(const limn_device *device)
{
    if (switched_off())
        return LIMN_TUNE_OFF;
    return device->tuning ? device->tuning->mode : LIMN_TUNE_KNOWN;
}

double *limn_tuning_spent(limn_device *device)
{
    limn_tuning *t = tuning_of(device);
    return t ? &t->spent : NULL;
}

bool limn_tuning_has_store(const limn_device *device)
{
    return limn_cache_dir(device->ctx) != NULL;
}

const char *limn_tuning_find(limn_device *device, const limn_tuning_key *key)
{
    const bool off = limn_tuning_get_mode(device) == LIMN_TUNE_OFF;
    const limn_tuning *t = off ? device->tuning : loaded(device);
    const int order[] = {LIMN_TUNING_TRIAL, LIMN_TUNING_PINNED, 0};
    for (int i = 0; t && i < (off ? 2 : 3); i++) {
        const finding *f = find(&t->table, key, order[i]);
        if (f)
            return f->choice;
    }
    return NULL;
}

bool limn_tuning_known(limn_device *device, const limn_tuning_key *key)
{
    const limn_tuning *t = loaded(device);
    return t && (find(&t->table, key, 0) || find(&t->table, key, LIMN_TUNING_PINNED));
}

bool limn_tuning_measured_here(limn_device *device, const limn_tuning_key *key)
{
    const limn_tuning *t = loaded(device);
    const finding *f = t ? find(&t->table, key, 0) : NULL;
    return f && f->here && f->source == LIMN_TUNING_MEASURED;
}

limn_status limn_tuning_set(limn_device *device, const limn_tuning_key *key, const char *choice,
                            limn_tuning_source source)
{
    if (!well_formed(key->op, LIMN_TUNING_OP) || !well_formed(key->shape, LIMN_TUNING_SHAPE) ||
        !well_formed(key->direction, LIMN_TUNING_OP) || !well_formed(choice, LIMN_TUNING_CHOICE))
        return limn_fail(device->ctx, LIMN_BAD_USAGE, "bad finding", "tuning",
                         "a text of it is empty, too long or not printable");
    limn_tuning *t = kept(source) ? loaded(device) : tuning_of(device);
    return t && put(&t->table, key, choice, source, kept(source))
               ? LIMN_OK
               : limn_out_of_memory(device->ctx, "tuning");
}

static void drop(table *t, int wanted, bool fresh_only)
{
    size_t left = 0;
    for (size_t i = 0; i < t->count; i++)
        if (rank(t->items[i].source) != wanted || (fresh_only && !t->items[i].fresh))
            t->items[left++] = t->items[i];
    t->count = left;
}

void limn_tuning_drop(limn_device *device, limn_tuning_source source)
{
    if (device->tuning)
        drop(&device->tuning->table, rank(source), false);
}

limn_status limn_tuning_keep(limn_device *device, bool replace)
{
    limn_tuning *t = loaded(device);
    table file;
    limn_status status = LIMN_OK;
    if (!t)
        return limn_out_of_memory(device->ctx, "tuning");
    if (!limn_tuning_has_store(device)) {
        status = limn_fail(device->ctx, LIMN_FAILED, "cannot keep findings", "tuning",
                           "there is no cache directory");
    } else {
        read_file(device, &file);
        for (size_t i = 0; i < t->table.count && status == LIMN_OK; i++) {
            finding *f = &t->table.items[i];
            const limn_tuning_key key = key_of(f);
            const finding *theirs = find(&file, &key, 0);
            if (!kept(f->source) || !f->fresh)
                continue;
            if (theirs && !replace) {
                snprintf(f->choice, sizeof f->choice, "%s", theirs->choice);
                f->source = theirs->source;
            } else if (!put(&file, &key, f->choice, f->source, false)) {
                status = limn_out_of_memory(device->ctx, "tuning");
            }
        }
        if (status == LIMN_OK)
            status = write_file(device, &file);
        free_table(&file);
    }
    if (status != LIMN_OK && !replace)
        drop(&t->table, 0, true);
    for (size_t i = 0; i < t->table.count; i++)
        t->table.items[i].fresh = false;
    return status;
}

bool limn_tune_finding_at(limn_device *device, size_t index, limn_tune_finding *out)
{
    const limn_tuning *t = loaded(device);
    for (size_t i = 0; t && i < t->table.count; i++) {
        const finding *f = &t->table.items[i];
        if (!kept(f->source) || index-- > 0)
            continue;
        *out = (limn_tune_finding){f->op, f->shape, f->direction, f->choice,
                                   f->source == LIMN_TUNING_MEASURED};
        return true;
    }
    return false;
}

limn_status limn_tune_clear(limn_device *device)
{
    char *path = limn_tuning_path(device);
    limn_status status = LIMN_OK;
    if (device->tuning)
        drop(&device->tuning->table, 0, false);
    if (path && remove(path) != 0 && errno != ENOENT)
        status = limn_fail(device->ctx, LIMN_FAILED, "cannot remove findings", path, "%s",
                           strerror(errno));
    limn_free(path);
    return status;
}

void limn_tuning_free(limn_device *device)
{
    if (device->tuning)
        free_table(&device->tuning->table);
    limn_free(device->tuning);
    device->tuning = NULL;
}
