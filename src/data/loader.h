/* Batches gathered on the host by a thread of its own while the device works. */
#ifndef LIMN_DATA_LOADER_H
#define LIMN_DATA_LOADER_H

#include "limn/dataset.h"

#include <stddef.h>

/** Images as bytes [count,H,W,C] with their labels and their numbers in the data set. */
typedef struct limn_host_batch {
    int64_t count;
    uint8_t *images;
    int32_t *labels, *indices;
} limn_host_batch;

/** The thread touches host memory only: the data set's mapping and the loader's own two batches. */
typedef struct limn_loader limn_loader;

/** `capacity`: images in the largest batch. */
limn_status limn_loader_create(limn_context *ctx, const limn_dataset *data, int64_t capacity,
                               limn_loader **out);
/** Waits for the thread to end; NULL and *NULL are accepted. */
void limn_loader_destroy(limn_loader **loader);

/** Asks for a batch; at most one request may be open, and the batch taken last stays valid. */
void limn_loader_request(limn_loader *loader, const int64_t *indices, int64_t count);
/** Waits for the batch asked for.  It is valid until the request after the next. */
const limn_host_batch *limn_loader_take(limn_loader *loader);

#endif
