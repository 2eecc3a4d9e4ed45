/* Attribution methods as the library's own files see them: one row each, working on any function
 * that can be built as a graph. */
#ifndef LIMN_ATTR_ATTRIBUTION_H
#define LIMN_ATTR_ATTRIBUTION_H

#include "graph/graph.h"
#include "limn/attribution.h"

typedef struct limn_attr_job limn_attr_job;

/** One method: what the public row says, and how it runs. */
typedef struct limn_attr_method {
    limn_attribution_method info;
    limn_status (*run)(limn_attr_job *job);
} limn_attr_method;

extern const limn_attr_method *const limn_attr_methods[];
extern const size_t limn_attr_method_count;

/** The function to be explained.  `x`: [batch,H,W,C], normalised.  `condition`: what else the score
 *  of a row depends on, its class i32[batch] or its reference vector f32[batch,D].  `score`
 * receives f32[batch], `last` the default layer of class activation maps. */
typedef limn_status limn_attr_build_fn(limn_attr_job *job, limn_graph *graph, limn_node x,
                                       limn_node condition, limn_node *score, limn_node *last);

/** Images to be explained and everything a method needs. */
struct limn_attr_job {
    limn_device *device;
    limn_context *ctx;
    int64_t count, height, width, channels;
    limn_attribution_params params; /**< resolved */
    limn_attr_build_fn *build;
    void *function; /**< for `build` */
    /** Normalised image `index` (below count), [H,W,C]. */
    void (*image)(const limn_attr_job *job, int64_t index, float *out);
    const void *source;             /**< for `image` */
    float black[LIMN_MAX_CHANNELS]; /**< pixel value 0 in normalised space */
    const int32_t *classes;         /**< [count], or NULL: then `directions` */
    const float *directions;        /**< rows of `direction_size` floats, or NULL */
    int64_t direction_size;
    const int32_t *direction_of; /**< [count]: row of each image */
    const char *task;            /**< method's name, for progress */
    float *maps;                 /**< result */
};

/* ---- graphs of batches ------------------------------------------------------------------------
 */

/** A compiled function for batches of one size. */
typedef struct limn_attr_network {
    limn_graph *graph;
    limn_node x, condition, score, last;
    int64_t batch;
} limn_attr_network;

/** Which gradients are wanted. */
typedef struct limn_attr_wanted {
    bool input;                /**< gradient of x */
    const char *const *layers; /**< values and gradients of these nodes */
    int layer_count;
    bool last; /**< those of the default layer */
} limn_attr_wanted;

/** Builds and compiles for `batch` or, where the device has no room, half of it and so on.  Without
 *  anything wanted the graph runs forward only. */
limn_status limn_attr_network_create(limn_attr_job *job, int64_t batch,
                                     const limn_attr_wanted *wanted, limn_attr_network *out);
void limn_attr_network_free(limn_attr_network *net);

/** Builds without compiling, to look at the nodes.  To be freed too. */
limn_status limn_attr_network_sketch(limn_attr_job *job, limn_attr_network *out);

/** A node by name that has a spatial extent and lies before the score; LIMN_BAD_USAGE with near
 *  names otherwise. */
limn_status limn_attr_find_layer(limn_attr_job *job, const limn_attr_network *net, const char *name,
                                 limn_node *out);

/** Writes normalised images `at` to at + count - 1 into the rows of x, with their classes or
 *  directions; further rows become zero. */
limn_status limn_attr_load(limn_attr_job *job, limn_attr_network *net, int64_t at, int64_t count);
/** Writes the class or direction of one image into every row. */
limn_status limn_attr_condition(limn_attr_job *job, limn_attr_network *net, int64_t index);
/** Seeds backward with 1 for the first `count` scores, forward, backward. */
limn_status limn_attr_backward(limn_attr_network *net, int64_t count);
/** Calls limn_report with the job's task, when all but the latest work is done: limn_device_pace. */
limn_status limn_attr_progress(limn_attr_job *job, const char *unit, int64_t done, int64_t total);

/* ---- shared by methods ------------------------------------------------------------------------
 */

/** Runs all images through forward and backward; `take` gets the gradients [batch,H,W,C] of the
 *  images at to at + count - 1. */
typedef void limn_attr_gradient_fn(limn_attr_job *job, const float *gradients, int64_t at,
                                   int64_t count);
limn_status limn_attr_gradients(limn_attr_job *job, limn_attr_gradient_fn *take);

/** One image on the device under many changes: the graph that scores the copies, and what the
 *  changes are made from. */
typedef struct limn_attr_perturbed {
    limn_attr_network net;
    limn_tensor *image, *baseline; /**< [H,W,C] */
    float *values;                 /**< host copy of one image */
    float *stand_in;               /**< and of its baseline */
} limn_attr_perturbed;

/** For `copies` changed copies of each image.  Free it in every case. */
limn_status limn_attr_perturbed_create(limn_attr_job *job, int64_t copies,
                                       limn_attr_perturbed *out);
void limn_attr_perturbed_free(limn_attr_perturbed *p);
/** Makes image `index` the one under work: uploads it, its baseline and its class or direction. */
limn_status limn_attr_perturbed_load(limn_attr_job *job, limn_attr_perturbed *p, int64_t index);

/** What stands in for pixels of a normalised image [H,W,C], by the job's parameters. */
limn_status limn_attr_baseline(limn_attr_job *job, const float *image, float *out);

#endif
