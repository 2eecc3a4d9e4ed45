/* limn/model.h: image encoders with an optional classifier and projection head.
 *
 * A model is a safetensors file with torchvision's parameter names: the encoder's own names,
 * `fc.*` for the classifier, `head.0.*` and `head.2.*` for the projection head.  Its metadata says
 * what it needs to be used: arch, classes (JSON array), mean and std (JSON arrays).
 */
#ifndef LIMN_MODEL_H
#define LIMN_MODEL_H

#include "limn/context.h"
#include "limn/dataset.h"
#include "limn/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One architecture that limn knows. */
typedef struct limn_arch_info {
    const char *name;
    const char *summary;
    int64_t features; /**< length of the encoder's output */
} limn_arch_info;

/** Architecture number `index`, from 0; NULL past the last.  Static. */
LIMN_API const limn_arch_info *limn_arch_at(size_t index);

/** What a model is made of or what overrides its metadata.  Zero-initialised members are "not
 *  given". */
typedef struct limn_model_params {
    const char *arch;
    int64_t channels;           /**< input channels; 0: from the file (load) or 3 (create) */
    int class_count;            /**< classifier outputs; 0: no classifier (create) */
    const char *const *classes; /**< class_count names, or NULL: "0", "1", ... */
    bool has_mean, has_std;
    float mean[LIMN_MAX_CHANNELS]; /**< normalisation: (pixel / 255 - mean) / std; NaN: not given,
                                        refused where the model has that channel */
    float std[LIMN_MAX_CHANNELS];
    bool head;     /**< create: with a projection head features-features-128 */
    uint64_t seed; /**< create: of the initial values */
} limn_model_params;

typedef struct limn_model limn_model;

/** A fresh model.  Convolutions: Kaiming normal, fan out; linear layers: uniform within
 *  1/sqrt(inputs); batch norm: 1 and 0 (He et al. 2015; PyTorch's defaults).  The device must
 *  outlive the model.  LIMN_BAD_USAGE: unknown architecture (the nearest one is named). */
LIMN_API limn_status limn_model_create(limn_device *device, const limn_model_params *params,
                                       limn_model **out);

/** Loads a model; `overrides` may be NULL and wins over the file's metadata.  `linear.*` is read as
 *  `fc.*`, a `module.` prefix is dropped, `num_batches_tracked` is ignored.  LIMN_BAD_INPUT lists
 *  every missing, extra and misshapen tensor and every one that holds NaN or infinity. */
LIMN_API limn_status limn_model_load(limn_device *device, const char *path,
                                     const limn_model_params *overrides, limn_model **out);

/** Writes all parameters and the metadata; the file appears whole or not at all. */
LIMN_API limn_status limn_model_save(limn_model *model, const char *path);

LIMN_API void limn_model_destroy(limn_model **model);

/** Facts about a model; owned by it. */
typedef struct limn_model_info {
    const char *arch;
    int64_t channels, features;
    int64_t embedding; /**< length of the head's output, 0 where there is no head */
    int class_count;   /**< 0 where there is no classifier */
    const char *const *classes;
    bool normalised; /**< mean and std are known */
    float mean[LIMN_MAX_CHANNELS], std[LIMN_MAX_CHANNELS];
    int64_t parameter_count; /**< trained values: no running statistics */
    const char *digest;      /**< 32 hexadecimal digits of the file it was loaded from, or "" */
} limn_model_info;

LIMN_API const limn_model_info *limn_model_describe(const limn_model *model);

/** Completes what the model does not know from a data set (normalisation, class names) and checks
 *  that both fit: channels, number of classes where the model has a classifier. */
LIMN_API limn_status limn_model_adopt(limn_model *model, const limn_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
