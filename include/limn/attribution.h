/* limn/attribution.h: which pixels a model's answer rests on.
 *
 * The usual way: decide what is explained with limn_targets_create (one class or one reference for
 * each image, and the model's score for it), then compute maps with limn_attribute, once for each
 * method.  All methods explain one number per image, the score:
 *
 *   logit        the classifier's output for the target class;
 *   probability  its softmax;
 *   cosine       of a model without classifier, or by choice: the cosine similarity of the
 * encoder's features and a reference vector, the prototype of a class or the features of one image.
 *
 * Maps are raw: nothing is rescaled, clipped or shifted to a zero minimum.  Same model, data,
 * parameters, seed and device: same bits, whatever the batch size.
 */
#ifndef LIMN_ATTRIBUTION_H
#define LIMN_ATTRIBUTION_H

#include "limn/dataset.h"
#include "limn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what is explained ---------------------------------------------------------------------- */

typedef enum limn_target_kind {
    LIMN_TARGET_PREDICTED = 0, /**< the class with the highest logit; without classifier (or with
                                    `prototype`): the class with the nearest prototype */
    LIMN_TARGET_LABEL,         /**< the image's label */
    LIMN_TARGET_CLASS,         /**< one class for all images */
    LIMN_TARGET_IMAGE          /**< similarity to one image of the reference data */
} limn_target_kind;

/** Zero-initialised: the predicted class of all images. */
typedef struct limn_target_params {
    limn_target_kind kind;
    int64_t first, count;          /**< images first to first + count - 1; count 0: to the end */
    int class_index;               /**< for LIMN_TARGET_CLASS */
    bool prototype;                /**< cosine similarity to class prototypes although the model has
                                        a classifier; a model without one always uses them */
    int64_t image;                 /**< for LIMN_TARGET_IMAGE: its index in `reference` */
    const limn_dataset *reference; /**< where prototypes or the other image come from; NULL: the
                                        images' own data set */
    int64_t batch;                 /**< images at a time; 0: 128 or what fits */
} limn_target_params;

/** What is explained of each image.  Arrays of [count], owned by the struct; NULL where they do not
 *  apply. */
typedef struct limn_targets {
    int64_t first, count;
    bool cosine;            /**< the score is a cosine similarity, else logit or probability */
    const int32_t *classes; /**< class explained; NULL for LIMN_TARGET_IMAGE */
    const float *logits;    /**< scores before anything is changed */
    const float *probabilities;
    const float *cosines;
} limn_targets;

/** Runs the model over the images (and over the reference data) and decides.
 *
 *  The prototype of a class is the mean over its images of the encoder's features divided by their
 *  length (features are those before a projection head).  Images without a label have no part in
 * it.
 *
 *  LIMN_BAD_USAGE: range, class or image out of range, a label is asked for where an image has
 * none, a class without images in the reference data.  LIMN_BAD_INPUT: the data does not fit the
 * model. */
LIMN_API limn_status limn_targets_create(limn_model *model, const limn_dataset *data,
                                         const limn_target_params *params, limn_targets **out);
/** Sets `*targets` to NULL; NULL is accepted. */
LIMN_API void limn_targets_destroy(limn_targets **targets);

/* ---- methods and their parameters ----------------------------------------------------------- */

typedef enum limn_score {
    LIMN_SCORE_DEFAULT = 0, /**< the method's own, see limn_attribution_method */
    LIMN_SCORE_LOGIT,
    LIMN_SCORE_PROBABILITY,
    LIMN_SCORE_COSINE /**< only as an answer: follows from the target */
} limn_score;

/** What stands in for pixels that are taken away. */
typedef enum limn_baseline {
    LIMN_BASELINE_ZERO = 0, /**< zero in normalised space: the training data's mean colour */
    LIMN_BASELINE_MEAN,     /**< the image's own mean of each channel */
    LIMN_BASELINE_BLACK,    /**< pixel value 0 */
    LIMN_BASELINE_BLUR,     /**< the image under a Gaussian of sigma = shorter side / 10, cut at
                                 three sigma, edges repeated */
    LIMN_BASELINE_VALUE     /**< `baseline_value`, in normalised space */
} limn_baseline;

/** How the last window of occlusion is placed where the stride leaves a rest. */
typedef enum limn_preset {
    LIMN_PRESET_LIMN = 0, /**< a full window flush with the border */
    LIMN_PRESET_CAPTUM    /**< at the next multiple of the stride, cut at the border */
} limn_preset;

/** Parameters of all methods; each method reads those that its row names.  Zero-initialised members
 *  mean the method's default. */
typedef struct limn_attribution_params {
    int64_t batch; /**< images or perturbed copies at a time; 0: 64, on CPU devices fewer copies
                        of large images.  Halved, with a warning, where the device has too
                        little memory */
    limn_score score;
    limn_baseline baseline; /**< "baseline" */
    float baseline_value;
    int64_t window[2];         /**< "window": height, width in pixels, at most the image's; 0: a
                                    quarter of the side, rounded up */
    int64_t stride[2];         /**< "stride": down, across, at most the window; 0: half a window */
    limn_preset preset;        /**< "preset" */
    int64_t masks;             /**< "masks": 0: 4000 */
    int64_t grid;              /**< "grid": cells a side, up to 64; 0: 7 */
    float p;                   /**< "p": chance that a cell is kept, in (0, 1); 0: 0.5 */
    uint64_t seed;             /**< "seed" */
    const char *const *layers; /**< "layer": names of nodes; NULL: the last block */
    int layer_count;
    bool no_relu; /**< "relu": leave the sign of class activation maps */
} limn_attribution_params;

/** One method. */
typedef struct limn_attribution_method {
    const char *name;
    const char *summary;           /**< one line, no full stop */
    const char *formula;           /**< one line for people */
    const char *source;            /**< where it comes from */
    const char *const *parameters; /**< names of what it reads, ends with NULL */
    limn_score score;              /**< its score by default where the target is a class */
    bool channels;                 /**< maps are [C,H,W], else [H,W] */
} limn_attribution_method;

/** Method number `index`, from 0; NULL past the last.  Static. */
LIMN_API const limn_attribution_method *limn_attribution_method_at(size_t index);
/** NULL where there is none of this name. */
LIMN_API const limn_attribution_method *limn_attribution_find(const char *name);

/** Checks the parameters of a method for these images and fills in what was left to the default:
 *  window, stride, masks, grid, p, score.  LIMN_BAD_USAGE: a window larger than the image, a stride
 *  larger than the window, numbers out of range, an unknown layer or one without a spatial extent
 *  (near names are hinted at), a score that does not fit the target.  Long work starts only in
 *  limn_attribute, so a caller can check everything before. */
LIMN_API limn_status limn_attribution_resolve(limn_model *model, const limn_dataset *data,
                                              const limn_targets *targets,
                                              const limn_attribution_method *method,
                                              limn_attribution_params *params);

/** Name of the layer that serves as default for class activation maps, e.g. "layer3".  Owned by the
 *  caller's buffer of `size` bytes. */
LIMN_API limn_status limn_attribution_default_layer(limn_model *model, const limn_dataset *data,
                                                    char *name, size_t size);

/** Computes the maps of the images that `targets` names, in their order.  `maps`: [count,H,W] or,
 *  for methods with `channels`, [count,C,H,W]; H, W, C as in the data.  `params` is resolved as by
 *  limn_attribution_resolve.  Progress counts images or perturbed copies.  On LIMN_INTERRUPTED and
 * on failure `maps` is incomplete. */
LIMN_API limn_status limn_attribute(limn_model *model, const limn_dataset *data,
                                    const limn_targets *targets,
                                    const limn_attribution_method *method,
                                    const limn_attribution_params *params, float *maps);

#ifdef __cplusplus
}
#endif
#endif
