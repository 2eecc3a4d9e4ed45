/* limn/train.h: training an encoder on a data set, and a linear classifier on a frozen encoder.
 *
 * A run lives in a folder of its own: `config.ini` (every setting), `log.csv` (a row a step),
 * `checkpoint.safetensors` (all that an exact continuation needs) and, once it is complete,
 * `model.safetensors`.  On one device a run is a pure function of its data, its settings and the
 * tuner's findings (limn/tune.h) that it began with: the same bits, also when it was interrupted
 * and resumed.  Which implementation serves each layer, its plan, is in the checkpoint; on the same
 * device a resumed run follows it.
 */
#ifndef LIMN_TRAIN_H
#define LIMN_TRAIN_H

#include "limn/model.h"
#include "limn/precision.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Settings of a run.  Fill it with limn_train_defaults, then change what shall differ.  Strings
 * are borrowed until the call that uses them returns.  Every setting has the name of its command
 * line option, which config.ini and limn_train_set use. */
typedef struct limn_train_params {
    limn_model_params model; /**< arch, class_count, mean, std override init and data; the rest is
                                  ignored */
    const char *init;        /**< weight file to start from, or NULL: fresh values from `seed` */
    const char *loss;        /**< "ce", "supcon" */
    int64_t epochs;          /**< passes over the data, 1 or more; used where steps is 0 */
    int64_t steps;           /**< updates in all; 0: by epochs */
    int64_t batch;         /**< images in a step, `views` rows each; 0: 128 for ce, 256 for supcon,
                                at most what the data has */
    const char *optimizer; /**< "sgd" (Sutskever et al. 2013, in PyTorch's form) */
    double lr;             /**< highest learning rate, above 0 */
    double momentum;       /**< 0 to below 1 */
    double weight_decay;   /**< added to the gradient as weight_decay * w */
    bool nesterov;
    bool no_decay_norm_bias; /**< batch norm's parameters and biases do not decay */
    /** Values inside of blocks are made again in backward: less device memory, more time, the same
     *  bits. */
    bool recompute;
    /** For this run, whatever the device was set to (limn/precision.h), with its validation and
     *  probe.  Weights, their updates and statistics are in single precision with FP16, too. */
    limn_precision precision;
    const char *schedule;   /**< "cosine" (to 0), "step", "constant" */
    double warmup;          /**< epochs of linear growth from 0, a value a step */
    const char *milestones; /**< "step": "30,40", epochs at which lr is multiplied by `decay`; NULL:
                                 60, 75 and 90 % of the run */
    double decay;           /**< "step": factor, 0 to 1 */
    double temperature;     /**< supcon: above 0 */
    double base_temperature;  /**< supcon: multiplies the loss by temperature / base_temperature; 0:
                                   no factor */
    double label_smoothing;   /**< ce: 0 to below 1 (Szegedy et al. 2016) */
    const char *augment;      /**< "none", "crop-flip", "contrastive" */
    int64_t views;            /**< supcon: augmented copies of an image in a batch, 1 or 2 */
    bool no_shuffle;          /**< file order, last partial batch used; else it is dropped */
    uint64_t seed;            /**< of initial values, order and augmentation */
    bool probe;               /**< when trained, fit a linear classifier and store it as fc.* */
    int64_t checkpoint_every; /**< steps between checkpoints beside those at the end of each epoch;
                                 0: none */
    bool resume; /**< go on from the checkpoint in the folder; LIMN_BAD_USAGE names every setting
                      that is not the run's own.  epochs, steps, val and checkpoint_every may differ
                      (a schedule that depends on the length follows the new one) */
    bool force;  /**< replace the run that the folder holds */
} limn_train_params;

/** The defaults of a loss; LIMN_BAD_USAGE where there is none of this name.  NULL: "ce". */
LIMN_API limn_status limn_train_defaults(limn_context *ctx, const char *loss,
                                         limn_train_params *out);

/** Name of setting number `index`, from 0; NULL past the last.  Static. */
LIMN_API const char *limn_train_setting(size_t index);
/** Sets one by name and text ("lr", "0.1"; "yes" or "no" for flags).  `value` is borrowed.
 *  LIMN_BAD_USAGE names what is unknown, malformed or out of range. */
LIMN_API limn_status limn_train_set(limn_context *ctx, limn_train_params *params, const char *name,
                                    const char *value);
/** Name and one line about loss number `index`, from 0; false past the last. */
LIMN_API bool limn_train_loss(size_t index, const char **name, const char **summary);

/** Most columns that validation measures. */
enum { LIMN_MAX_MEASURES = 4 };

/** Named numbers: what was measured on validation data. */
typedef struct limn_measures {
    int count;
    const char *names[LIMN_MAX_MEASURES]; /**< "val_loss", "val_accuracy"; static */
    double values[LIMN_MAX_MEASURES];
} limn_measures;

/** Of a linear classifier; accuracies in 0..1 over labelled images. */
typedef struct limn_probe_result {
    double train_accuracy, train_loss;
    bool validated;
    double val_accuracy, val_loss;
} limn_probe_result;

typedef struct limn_train_result {
    int64_t steps, epochs;    /**< done in all, with those before a resume; epochs: complete ones */
    double loss;              /**< mean over the last epoch's steps made by this call */
    double seconds;           /**< spent in steps by this call */
    double images_per_second; /**< of this call, views not counted */
    double data_seconds;      /**< of `seconds`: waited for images, not for the device */
    uint64_t planned_memory;  /**< bytes of device memory of a step's values and gradients */
    uint64_t peak_memory;     /**< most bytes of device memory held at once, of this device */
    limn_measures validation; /**< at the end; count 0 without validation data */
    bool probed;
    limn_probe_result probe;
} limn_train_result;

/** Trains.  `validation` may be NULL; else it is measured at the end of each epoch: loss and
 *  accuracy for ce; for contrastive losses `val_knn`, which is the metric `knn` of limn/evaluate.h:
 *  the accuracy of a vote of the 20 nearest validation images by cosine of encoder features.
 *
 *  Everything is checked and all device memory taken before the folder is made or touched.
 *  LIMN_BAD_USAGE: a setting; a folder that holds another run.  LIMN_BAD_INPUT: data that does not
 *  fit, a checkpoint of another run or other data, a plan that limn can no longer follow.
 *  LIMN_OUT_OF_DEVICE_MEMORY: the hint names a batch that fits.  LIMN_FAILED: disk; or the loss is
 *  NaN or infinite: text names step, first tensor that is not finite, last good checkpoint.
 *  LIMN_INTERRUPTED: the step was finished, the checkpoint written. */
LIMN_API limn_status limn_train(limn_device *device, const limn_dataset *data,
                                const limn_dataset *validation, const limn_train_params *params,
                                const char *folder, limn_train_result *out);

/** How a linear classifier is fitted.  Zero-initialised members are the defaults. */
typedef struct limn_probe_params {
    int64_t epochs; /**< 0: 50 */
    int64_t batch;  /**< 0: 512 */
    double lr;      /**< 0: 0.1 */
    uint64_t seed;
} limn_probe_params;

/** Fits a linear classifier to the encoder's output (not the head's) and puts it into the model as
 *  `fc`, replacing one that is there.  Features are taken once, in evaluation mode, without
 *  augmentation, and scaled to mean 0 and deviation 1 while fitting, which is folded into the
 *  weights at the end.  SGD, momentum 0.9, cosine schedule, no weight decay.  Unlabelled images are
 *  left out.  `validation` may be NULL.  After a failure the model's `fc` is undefined. */
LIMN_API limn_status limn_probe(limn_model *model, const limn_dataset *data,
                                const limn_dataset *validation, const limn_probe_params *params,
                                limn_probe_result *out);

#ifdef __cplusplus
}
#endif
#endif
