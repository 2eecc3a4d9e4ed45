/* Static graphs of ops: built once per batch shape, planned, run many times. */
#ifndef LIMN_GRAPH_GRAPH_H
#define LIMN_GRAPH_GRAPH_H

#include "ops/op.h"
#include "ops/tune.h"

typedef struct limn_graph limn_graph;

/** One choice; the strings live during the call. */
typedef limn_status limn_graph_choice_fn(void *user, const char *op, const char *shape,
                                         const char *direction, const char *choice);

/** A value in a graph.  Negative is no node. */
typedef int limn_node;

limn_status limn_graph_create(limn_device *device, limn_graph **out);
/** Frees the graph and its tensors, not the tensors it was given.  NULL is accepted. */
void limn_graph_destroy(limn_graph **graph);

/* ---- building ------------------------------------------------------------------------------- */

/** A value that the caller writes before each run through limn_graph_tensor. */
limn_status limn_graph_input(limn_graph *g, const char *name, const limn_desc *desc,
                             limn_node *out);

/** A tensor of the caller's (a parameter, a running statistic), borrowed for the graph's life. */
limn_status limn_graph_extern(limn_graph *g, const char *name, limn_tensor *tensor, limn_node *out);

/** Applies an op.  `name` is the module's path ("layer1.0.conv1") or NULL; `out` receives as many
 *  nodes as the op has outputs.  Errors name the node, the op and the shapes. */
limn_status limn_graph_apply(limn_graph *g, const char *op, const char *name, const limn_node *in,
                             int in_count, limn_node *out, const char *params, ...)
    LIMN_PRINTF(7, 8);

/** Gives a node a further name (a block's path for its last value). */
limn_status limn_graph_name(limn_graph *g, limn_node node, const char *name);
/** -1 where there is none of this name. */
limn_node limn_graph_find(const limn_graph *g, const char *name);
/** Name number `index` in the order of naming, and its node; NULL past the last. */
const char *limn_graph_name_at(const limn_graph *g, int index, limn_node *node);
const limn_desc *limn_graph_desc(const limn_graph *g, limn_node node);
/** Whether the node is the output of an op, not an input or an extern. */
bool limn_graph_is_output(const limn_graph *g, limn_node node);

/** Keeps the node's value (or its gradient) readable after a run.  Such a node is always computed;
 *  others may vanish inside a fused op (rewrite.c). */
limn_status limn_graph_keep(limn_graph *g, limn_node node);
limn_status limn_graph_want_gradient(limn_graph *g, limn_node node);

/** Says, before compiling, that the externs' contents stay as they are from one forward run to the
 *  next: what ops make of externs alone (packed filters) is made in the first run and kept, as far
 *  as that takes no more memory than a quarter of the graph's largest value or 16 MiB.  The rest is
 *  made anew in every run, in memory that other values use before and after. */
limn_status limn_graph_freeze(limn_graph *g);
/** They changed after all: the next forward run prepares anew.  Any time. */
void limn_graph_refresh(limn_graph *g);

/** Saves memory for time: backward makes the values inside of blocks again, one block after the
 *  other, and only what passes from block to block is kept.  Results have the same bits. */
limn_status limn_graph_recompute(limn_graph *g);

/** Ends building.  `root`: the node that backward starts from, or -1 for a forward-only graph.  The
 *  caller writes d(result)/d(root) into limn_graph_gradient(g, root) before each backward run.
 *  Plans memory by lifetime and allocates all of it.  LIMN_OUT_OF_DEVICE_MEMORY leaves the graph to
 *  be destroyed only. */
limn_status limn_graph_compile(limn_graph *g, limn_node root);

/* ---- running -------------------------------------------------------------------------------- */

/** Value of an input, an extern, a kept node or the root; else NULL.  Owned by the graph. */
limn_tensor *limn_graph_tensor(limn_graph *g, limn_node node);
/** Gradient of a wanted node or of the root; else NULL. */
limn_tensor *limn_graph_gradient(limn_graph *g, limn_node node);

limn_status limn_graph_forward(limn_graph *g);
/** After a forward run; goes only as far as a gradient is wanted. */
limn_status limn_graph_backward(limn_graph *g);

/** Planned device memory of the graph's own tensors, in bytes; arithmetic of one run. */
typedef struct limn_graph_cost {
    size_t memory;
    double forward_flops, backward_flops;
} limn_graph_cost;
limn_graph_cost limn_graph_get_cost(const limn_graph *g);

/** One step of a compiled graph, forward or backward: an op, its arithmetic and its least memory
 *  traffic in bytes.  Of backward all gradients that the op can have are counted. */
typedef struct limn_graph_work {
    const char *op;
    double flops, bytes;
} limn_graph_work;
/** False past the last step. */
bool limn_graph_work_at(const limn_graph *g, int step, limn_graph_work *out);

/* ---- which implementations ------------------------------------------------------------------ */

/** Measures which implementation serves each op best (ops/tune.h): forward, and the gradients that
 *  `gradients` asks for: of everything that a wanted gradient lies at or before.  For a graph that
 *  is not compiled. */
limn_status limn_graph_tune(limn_graph *g, bool gradients, const limn_tune_options *options,
                            limn_tune_fn seen, void *user);

/** Calls `seen` for every choice of a compiled graph: as often as it is made. */
limn_status limn_graph_choices(const limn_graph *g, limn_graph_choice_fn seen, void *user);

#endif
