/* Layers, described once and read two ways: as the parameters that a model has, and as a graph. */
#ifndef LIMN_NN_BUILDER_H
#define LIMN_NN_BUILDER_H

#include "nn/model.h"

/** The value under way through the layers. */
typedef struct limn_flow {
    limn_node node; /**< -1 while parameters are only declared */
    int64_t channels;
} limn_flow;

/** With a graph, layers are applied; without one, they declare their parameters to the model. The
 *  first failure stays in `status` and makes every later call do nothing. */
typedef struct limn_builder {
    limn_model *model;
    limn_graph *graph;
    limn_node *parameter_nodes; /**< one a parameter, filled on demand */
    limn_part part;
    bool train;
    limn_status status;
} limn_builder;

/** A convolution without bias. */
limn_flow limn_layer_conv(limn_builder *b, const char *path, limn_flow x, int64_t channels,
                          int kernel, int stride, int pad);
/** Batch norm, momentum 0.1, eps 1e-5. */
limn_flow limn_layer_norm(limn_builder *b, const char *path, limn_flow x);
limn_flow limn_layer_linear(limn_builder *b, const char *path, limn_flow x, int64_t outputs);
limn_flow limn_layer_add(limn_builder *b, limn_flow x, limn_flow y);
/** An op without parameters of its own that keeps the number of channels; `path` may be NULL. */
limn_flow limn_layer_apply(limn_builder *b, const char *op, const char *path, limn_flow x,
                           const char *params, ...) LIMN_PRINTF(5, 6);
/** A further name for a value. */
void limn_layer_name(limn_builder *b, limn_flow x, const char *path);

#endif
