/* Files: read whole or mapped, and written so that they appear whole or not at all. */
#ifndef LIMN_BASE_FILE_H
#define LIMN_BASE_FILE_H

#include "base/context.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** Bytes of a file, mapped read-only.  An empty file has `size` 0 and `data` NULL. */
typedef struct limn_mapping {
    const unsigned char *data;
    size_t size;
} limn_mapping;

/** Maps a regular file.  LIMN_BAD_INPUT where it is missing, a folder or unreadable. */
limn_status limn_file_map(limn_context *ctx, const char *path, limn_mapping *out);
void limn_file_unmap(limn_mapping *mapping);

/** A file under way: bytes go to a temporary name beside `path`, which limn_writer_commit flushes
 *  to the disk and renames.  After the first failed write all later ones fail too. */
typedef struct limn_writer limn_writer;

limn_status limn_writer_open(limn_context *ctx, const char *path, limn_writer **out);
limn_status limn_writer_write(limn_writer *writer, const void *data, size_t size);
limn_status limn_writer_printf(limn_writer *writer, const char *format, ...) LIMN_PRINTF(2, 3);
/** Overwrites earlier bytes: `offset` + `size` must lie within what was written. */
limn_status limn_writer_patch(limn_writer *writer, uint64_t offset, const void *data, size_t size);
/** Makes the file appear under its name.  Destroys the writer in every case, `*writer` = NULL. */
limn_status limn_writer_commit(limn_writer **writer);
/** Removes the temporary file; NULL and *NULL are accepted. */
void limn_writer_discard(limn_writer **writer);

/** Makes a folder and the ones above it; an existing folder is fine. */
limn_status limn_make_folder(limn_context *ctx, const char *path);

/** Whether a path exists; whether it is a folder. */
bool limn_file_exists(const char *path);
bool limn_is_folder(const char *path);

#endif
