/* Models as the library's own files use them: parameters on the device, and graphs of them. */
#ifndef LIMN_NN_MODEL_H
#define LIMN_NN_MODEL_H

#include "graph/graph.h"
#include "limn/model.h"

/** Which part of a model a parameter belongs to. */
typedef enum limn_part { LIMN_PART_ENCODER, LIMN_PART_CLASSIFIER, LIMN_PART_HEAD } limn_part;

/** How a parameter starts. */
typedef enum limn_init {
    LIMN_INIT_KAIMING_FAN_OUT, /**< normal, standard deviation sqrt(2 / fan_out) */
    LIMN_INIT_FAN_IN_UNIFORM,  /**< uniform within 1/sqrt(fan_in) */
    LIMN_INIT_ONE,
    LIMN_INIT_ZERO
} limn_init;

typedef struct limn_parameter {
    char *name;
    limn_part part;
    limn_init init;
    int64_t fan;       /**< fan out or fan in, as `init` needs it */
    bool trained;      /**< false: running statistic */
    bool norm_or_bias; /**< exempt under --no-decay-norm-bias */
    limn_tensor *tensor;
} limn_parameter;

struct limn_model {
    limn_device *device;
    limn_context *ctx;
    const struct limn_arch *arch;
    limn_model_info info;
    char **classes;
    bool class_names_given; /* not made up from numbers */
    char digest[33];
    limn_parameter *parameters; /**< in torch's order: encoder, fc, head */
    int parameter_count, parameter_capacity;
};

/** NULL where there is none of this name. */
limn_parameter *limn_model_find(limn_model *model, const char *name);

/** Replaces the classifier by a fresh one of `class_count` outputs, or adds one. */
limn_status limn_model_set_classifier(limn_model *model, int class_count,
                                      const char *const *classes, uint64_t seed);
/** Adds a fresh projection head where there is none. */
limn_status limn_model_add_head(limn_model *model, uint64_t seed);

typedef struct limn_build_options {
    bool train_encoder; /**< batch norm uses and updates batch statistics */
    bool classifier;    /**< build logits */
    bool head;          /**< build embedding */
} limn_build_options;

/** Nodes of a built model; -1 where not built. */
typedef struct limn_model_nodes {
    limn_node features;   /**< [N, features], un-normalised encoder output */
    limn_node logits;     /**< [N, classes] */
    limn_node embedding;  /**< [N, 128], L2-normalised head output */
    limn_node last_block; /**< [N, h, w, c]: default layer of the CAM family */
} limn_model_nodes;

/** Builds the model on `images` ([N,H,W,C], normalised).  Nodes carry torchvision's module paths.
 *  `parameter_nodes` (NULL or parameter_count items) receives the node of each parameter, -1 where
 *  the built part does not use it. */
limn_status limn_model_build(limn_model *model, limn_graph *graph, limn_node images,
                             const limn_build_options *options, limn_model_nodes *nodes,
                             limn_node *parameter_nodes);

#endif
