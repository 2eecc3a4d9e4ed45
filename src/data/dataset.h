/* Data sets from bytes in memory. */
#ifndef LIMN_DATA_DATASET_H
#define LIMN_DATA_DATASET_H

#include "limn/dataset.h"

#include <stddef.h>

/** As limn_dataset_open, for bytes in memory, which must outlive the result.  `path` serves error
 *  texts. */
limn_status limn_dataset_parse(limn_context *ctx, const char *path, const void *bytes, size_t size,
                               const limn_dataset **out);

/** Hands memory that was allocated through base/memory.h over to a data set, which frees it when it
 *  is closed. */
void limn_dataset_own(const limn_dataset *dataset, void *bytes);

#endif
