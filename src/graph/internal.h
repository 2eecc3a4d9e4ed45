/* What the files of this folder share. */
#ifndef LIMN_GRAPH_INTERNAL_H
#define LIMN_GRAPH_INTERNAL_H

#include "graph/graph.h"

/* A piece of memory with a lifetime: a node's value, its gradient, something an op saves, scratch.
 * Steps are numbered in the order in which they run; a value lives in the slot of `home`. */
typedef struct limn_value {
    limn_tensor tensor; /* buffer: borrowed from the slot, or the caller's */
    size_t bytes;
    int first, last; /* steps between which the contents matter */
    int home;        /* the value whose memory this one shares; itself where none */
    int owners;      /* gradients only: nodes that this value is the gradient of */
    bool borrowed;   /* the caller's tensor */
} limn_value;

typedef struct limn_graph_node {
    limn_desc desc;
    int apply, output;   /* who makes it: -1 for inputs and externs */
    int value, gradient; /* indices of values, -1 where there is none */
    int again;           /* value that is made once more for backward, -1: none */
    bool keep, want_gradient, carries_gradient;
} limn_graph_node;

typedef struct limn_name {
    char *text;
    limn_node node;
} limn_name;

/* One op applied to nodes. */
typedef struct limn_apply {
    const limn_op *op;
    char *name;
    void *params;
    limn_op_plan plan;
    int in_count;
    limn_node in[LIMN_OP_MAX_IN], out[LIMN_OP_MAX_OUT];
    int saved[LIMN_OP_MAX_SAVED];
    int segment; /* whose values backward makes again, from 1 on; 0: none */
} limn_apply;

/* One launch of an op's forward or backward.  Values are given by index plus one, 0 for none, until
 * the memory plan turns them into the tensors of `run`. */
typedef struct limn_step {
    const limn_op *op;
    const char *name;
    int apply; /* -1: a sum of two gradients */
    bool backward;
    bool replay; /* forward, for the sake of backward */
    int grad_in[LIMN_OP_MAX_IN], grad_out[LIMN_OP_MAX_OUT];
    int sum[3];  /* of a sum: two terms and the result */
    int scratch; /* value index, or -1 */
    int prepared[LIMN_OP_MAX_PREPARED];
    bool prepares, lasts; /* forward; what it prepares serves later runs too */
    limn_op_run run;
    limn_op_plan *own_plan; /* of a sum; else NULL */
} limn_step;

struct limn_graph {
    limn_device *device;
    limn_context *ctx;
    limn_graph_node *nodes;
    int node_count, node_capacity;
    limn_name *names;
    int name_count, name_capacity;
    limn_apply *applies;
    int apply_count, apply_capacity;
    limn_value *values;
    int value_count, value_capacity;
    limn_step *steps;
    int step_count, step_capacity, forward_steps;
    limn_buffer **slots;
    int slot_count;
    limn_node root;
    bool compiled;
    bool frozen;   /* externs stay as they are */
    bool prepared; /* and what lasts is there */
    size_t room;   /* bytes that may last yet */
    bool recomputes;
    limn_graph_cost cost;
};

/* Grows an array of `size`-byte items to hold one more; new items are zeroed. */
limn_status limn_graph_grow(limn_graph *g, void *array, int count, int *capacity, size_t size);
limn_status limn_graph_new_value(limn_graph *g, const limn_desc *desc, size_t bytes, int *out);
limn_status limn_graph_new_step(limn_graph *g, limn_step **out);
/* Extends a value's life to step `at`. */
void limn_value_touch(limn_graph *g, int value, int at);

/* Replaces chains of ops by fused ones (rewrite.c). */
limn_status limn_graph_rewrite(limn_graph *g);
/* Marks the nodes that carry a gradient (autodiff.c). */
void limn_graph_mark_carriers(limn_graph *g);
/* A node that nothing keeps the memory of. */
bool limn_graph_is_passing(const limn_graph *g, limn_node node);
/* Where a step finds a node: backward steps and replays, `late`, where it was made again. */
int limn_graph_value_of(const limn_graph *g, limn_node node, bool late);
/* Appends the forward step of an op, or its replay. */
limn_status limn_graph_add_forward_step(limn_graph *g, int apply, bool replay);
/* Cuts the forward steps into segments whose values are not kept until backward (recompute.c). */
limn_status limn_graph_cut(limn_graph *g);
/* Appends the steps that make a segment's values again, those that its backward steps need. */
limn_status limn_graph_add_replays(limn_graph *g, int segment);
/* Appends the backward steps (autodiff.c). */
limn_status limn_graph_add_backward(limn_graph *g);
/* Measures what has no finding yet, where that is wanted, and plans every op that has a choice anew
 * (plan.c).  Before ops are fused: fused ones look up what was found for their parts. */
limn_status limn_graph_settle(limn_graph *g);
/* Gives every value a slot, allocates the slots, resolves the steps' tensors (memory.c). */
limn_status limn_graph_place(limn_graph *g);

enum { LIMN_STEP_FOREVER = 1 << 30 };

#endif
