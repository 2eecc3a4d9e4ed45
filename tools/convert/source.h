/* A source of files: a folder, one file, or an archive that is read as a stream.
 *
 * Opening lists what there is; visiting hands out the contents.  Nothing is unpacked to disk.
 */
#ifndef LIMN_TOOLS_CONVERT_SOURCE_H
#define LIMN_TOOLS_CONVERT_SOURCE_H

#include "convert/convert.h"

#include <zlib.h>

typedef enum source_kind { SOURCE_FILE, SOURCE_FOLDER, SOURCE_ARCHIVE } source_kind;

#define SOURCE_SIZE_UNKNOWN UINT64_MAX

/** One file.  Folders are not listed, hidden files and what lies in hidden folders neither. */
typedef struct source_entry {
    char *name;           /**< path inside the source, parts separated by '/' */
    uint64_t size;        /**< bytes, or SOURCE_SIZE_UNKNOWN */
    const char *unusable; /**< why it cannot be read (a link, a device), or NULL */
} source_entry;

typedef struct source {
    source_kind kind;
    char *path;
    source_entry *entries; /**< sorted by name, byte by byte, which is by code point */
    size_t count;
    /* Private. */
    convert_job *job;
    size_t capacity;
    size_t *order; /**< archive: entry index by position, SIZE_MAX where left out */
    size_t positions;
} source;

/** The bytes of one entry.  `name` and `where` (for error texts) live during the visit. */
typedef struct source_stream source_stream;
struct source_stream {
    convert_job *job;
    const char *name, *where;
    uint64_t size; /**< bytes in all, or SOURCE_SIZE_UNKNOWN */
    uint64_t most; /**< more bytes than this cannot come */
    limn_status (*read)(source_stream *stream, void *data, size_t size, size_t *got);
    void *state;
};

/** Opens and lists.  LIMN_BAD_INPUT: missing, a broken archive, an archive with a name that leads
 *  outside (`..` or absolute), with the same name twice, or above the size limits. */
limn_status source_open(convert_job *job, const char *path, source **out);
void source_close(source **source);

/** Name of an entry as error texts show it; to be freed. NULL: memory exhausted. */
char *source_where(const source *source, size_t entry);

typedef limn_status (*source_visit_fn)(void *user, size_t entry, source_stream *stream);

/** Calls `visit` for each of the entries: those of a folder in the order given, those of an archive
 *  in the order in which they are stored.  The stream lives during the call and need not be read to
 *  its end.  Stops at the first failure. */
limn_status source_visit(source *source, const size_t *entries, size_t count, source_visit_fn visit,
                         void *user);

/** Reads `size` bytes; fewer only where the stream ends. */
limn_status source_read(source_stream *stream, void *data, size_t size, size_t *got);

/** Reads the rest into `*data`, which is grown as needed and belongs to the caller.  More than
 *  `most` bytes is LIMN_BAD_INPUT. */
limn_status source_read_all(source_stream *stream, size_t most, unsigned char **data,
                            size_t *capacity, size_t *size);

/** A stream over another that expands gzip where the first two bytes say so and passes the bytes
 *  on unchanged where not.  At the end CRC and length are checked; bytes after the last gzip member
 *  are LIMN_BAD_INPUT. */
typedef struct source_gunzip {
    source_stream stream; /**< read from this */
    source_stream *inner;
    z_stream z;
    bool started, compressed, ended, inside;
    unsigned char *buffer;
    size_t start, end;
} source_gunzip;

limn_status source_gunzip_open(source_gunzip *gunzip, source_stream *inner);
void source_gunzip_close(source_gunzip *gunzip);

/** For the files of this folder. */
limn_status source_add(source *source, const char *name, size_t length, uint64_t size,
                       const char *unusable);
bool source_is_hidden(const char *name);
limn_status source_list_archive(source *source);
limn_status source_visit_archive(source *source, const size_t *entries, size_t count,
                                 source_visit_fn visit, void *user);
limn_status source_file_stream(source_stream *stream, convert_job *job, const char *path);
void source_file_close(source_stream *stream);

#endif
