/* From bytes on the host to what a network takes: upload, augmentation, normalisation. */
#ifndef LIMN_DATA_FEED_H
#define LIMN_DATA_FEED_H

#include "data/loader.h"
#include "tensor/tensor.h"

/** A way to make views of images.  `op` takes bytes [N,H,W,C] and image numbers [N] and gives
 * floats of 0..1 of the same shape; its parameters include seed, epoch and view. */
typedef struct limn_augment {
    const char *name, *summary;
    const char *op;     /**< NULL: images as they are */
    const char *params; /**< beside seed, epoch and view */
} limn_augment;

extern const limn_augment limn_augment_table[];
extern const size_t limn_augment_count;

/** NULL where there is none of this name. */
const limn_augment *limn_augment_find(const char *name);

/** Device memory for batches of one size. */
typedef struct limn_feed limn_feed;

typedef struct limn_feed_params {
    int64_t count, height, width, channels; /**< of one batch */
    int views;                              /**< 1 or more */
    const limn_augment *augment;
    uint64_t seed;
    const float *mean, *std; /**< `channels` each */
} limn_feed_params;

limn_status limn_feed_create(limn_device *device, const limn_feed_params *params, limn_feed **out);
void limn_feed_destroy(limn_feed **feed);

/** Starts the way of a batch to the device, beside whatever runs there.  The batch stays as it is
 *  until the limn_feed_run that takes it; at most one is under way.  Launches of the run before the
 *  last must have ended. */
limn_status limn_feed_upload(limn_feed *feed, const limn_host_batch *batch);

/** Writes the normalised views of the batch uploaded last, [view 1; view 2; ...], into `out`, f32
 *  [views * count, H, W, C].  A batch smaller than `count` leaves its last rows undefined. */
limn_status limn_feed_run(limn_feed *feed, int64_t epoch, limn_tensor *out);

#endif
