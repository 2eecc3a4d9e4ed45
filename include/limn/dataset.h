/* limn/dataset.h: labelled images in one file.
 *
 * A data set is a safetensors file: `images` U8 [N,H,W,C], `labels` I32 [N], optionally `masks` U8
 * [N,H,W]; its metadata holds the class names (a JSON array), and mean and standard deviation of
 * each channel, of pixel values divided by 255 (JSON arrays).  The keys are `classes`, `mean` and
 * `std`; a file without `classes` names them "0" to the highest label, one without `mean` and `std`
 * has them computed from the images while it is opened.  Other tensors and keys are left alone.
 */
#ifndef LIMN_DATASET_H
#define LIMN_DATASET_H

#include "limn/context.h"
#include "limn/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LIMN_MAX_CHANNELS = 4 };

/** An opened data set: its file is mapped; of the tensors only the labels are copied.  Read-only. */
typedef struct limn_dataset {
    const char *path;
    int64_t count, height, width, channels;
    const uint8_t *images;          /**< [N,H,W,C] */
    const int32_t *labels;          /**< [N]; -1 marks an unlabelled image.  Checked: < class_count */
    const uint8_t *masks;           /**< [N,H,W] or NULL */
    int class_count;
    const char *const *classes;     /**< class names, class_count of them */
    float mean[LIMN_MAX_CHANNELS], std[LIMN_MAX_CHANNELS]; /**< of values in 0..1 */
    uint64_t digest[2];             /**< XXH3-128 of the file's bytes, low half first; 0,0 until
                                         limn_dataset_digest was called */
} limn_dataset;

/** Opens and checks a data set: types and shapes agree, at least one image, extents at least 1, 1 to
 *  LIMN_MAX_CHANNELS channels, every label is -1 or below the class count, mean and std are one
 *  finite number a channel, std above 0.  LIMN_BAD_INPUT names file, offset or tensor, and reason.
 */
LIMN_API limn_status limn_dataset_open(limn_context *ctx, const char *path,
                                       const limn_dataset **out);
LIMN_API void limn_dataset_close(const limn_dataset **dataset);

/** An unlabelled data set in memory of pictures that all have one size and number of channels (else
 *  LIMN_BAD_INPUT).  The pixels are copied.  `name` stands as its path; its digest is that of the
 *  file it would be. */
LIMN_API limn_status limn_dataset_from_images(limn_context *ctx, const char *name,
                                              const limn_image *images, size_t count,
                                              const limn_dataset **out);

/** XXH3-128 of the file as 32 hexadecimal digits and NUL, high half first, as `xxhsum -H2` prints
 *  it.  The first call reads the whole file and keeps the result in `digest`. */
LIMN_API void limn_dataset_digest(const limn_dataset *dataset, char hex[33]);

/** Writes a data set image by image.  Memory holds the labels only; masks wait in a temporary file
 *  beside `path`.  The file appears when finished. */
typedef struct limn_dataset_writer limn_dataset_writer;

typedef struct limn_dataset_writer_params {
    int64_t height, width, channels; /**< of every image; channels 1 or 3 */
    int class_count;
    const char *const *classes;      /**< copied */
    bool masks;                      /**< every image comes with a mask */
} limn_dataset_writer_params;

LIMN_API limn_status limn_dataset_writer_open(limn_context *ctx, const char *path,
                                              const limn_dataset_writer_params *params,
                                              limn_dataset_writer **out);
/** `pixels`: height*width*channels bytes, rows top to bottom, channels interleaved.  `label`: -1 or
 *  below class_count.  `mask`: height*width bytes, NULL where the writer has none. */
LIMN_API limn_status limn_dataset_writer_add(limn_dataset_writer *writer, const uint8_t *pixels,
                                             int32_t label, const uint8_t *mask);
/** Computes mean and population std of each channel over all pixels, from exact integer counts (a
 *  std below one grey step, 1/255, is written as 1/255, so a constant channel divides well); writes
 *  labels and header, makes the file appear.  A data set without any image is LIMN_BAD_INPUT.  Destroys the writer in every case and sets `*writer` to NULL. */
LIMN_API limn_status limn_dataset_writer_finish(limn_dataset_writer **writer);
/** Drops everything written; NULL is accepted. */
LIMN_API void limn_dataset_writer_discard(limn_dataset_writer **writer);

#ifdef __cplusplus
}
#endif
#endif
