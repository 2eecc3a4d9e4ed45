/* Fusion: a chain of ops for which there is one op is replaced by it, before steps are made.
 *
 * A row matches where each op of the chain reads the first output of the one before, and that
 * value is read by nothing else, not kept, not the root, and no gradient of it is wanted.  The
 * fused op runs where the last of the chain ran.  It takes the inputs of the chain in order, less
 * the values handed along, and the chain's parameters by name. */
#include "graph/internal.h"

#include "base/memory.h"

#include <string.h>

enum { MAX_CHAIN = 4 };

typedef struct link {
    const char *op;
    int in_count;       /* exactly; 0: any */
    const char *params; /* values that it must have, or NULL */
} link;

typedef struct rewrite {
    link chain[MAX_CHAIN + 1]; /* ends with a NULL op */
    const char *fused, *params;
    bool inference; /* only in graphs without backward */
} rewrite;

#define NORM                                                                                       \
    {                                                                                              \
        "batch_norm", 5, "relu=0"                                                                  \
    }
#define CONV                                                                                       \
    {"conv2d", 2, NULL},                                                                           \
    {                                                                                              \
        "batch_norm", 5, "relu=0 train=0"                                                          \
    }
#define ADD                                                                                        \
    {                                                                                              \
        "add", 2, NULL                                                                             \
    }
#define RELU                                                                                       \
    {                                                                                              \
        "relu", 1, NULL                                                                            \
    }
/* Of two that match at the same end, the first counts. */
static const rewrite rewrites[] = {
    {{CONV, ADD, RELU}, "conv2d_norm", "relu=1", true},
    {{CONV, RELU}, "conv2d_norm", "relu=1", true},
    {{CONV}, "conv2d_norm", "", true},
    {{NORM, ADD, RELU}, "batch_norm", "relu=1", false},
    {{NORM, RELU}, "batch_norm", "relu=1", false},
};
#undef CONV
#undef NORM
#undef ADD
#undef RELU

/* A match: the applies of the chain, and which input of each is the value handed along. */
typedef struct match {
    const rewrite *row;
    int count, apply[MAX_CHAIN], passed[MAX_CHAIN];
} match;

static limn_status count_readers(const limn_graph *g, int **out)
{
    const limn_status status =
        limn_alloc(g->ctx, "graph", (size_t)g->node_count, sizeof **out, (void **)out);
    for (int a = 0; a < g->apply_count && status == LIMN_OK; a++)
        for (int i = 0; i < g->applies[a].in_count; i++)
            (*out)[g->applies[a].in[i]]++;
    return status;
}

/* Whether an apply is what a link asks for. */
static limn_status suits(const limn_graph *g, const limn_apply *apply, const link *wanted,
                         bool *out)
{
    *out = apply->op && strcmp(apply->op->name, wanted->op) == 0 &&
           (!wanted->in_count || apply->in_count == wanted->in_count);
    if (!*out || !wanted->params)
        return LIMN_OK;
    void *params;
    limn_status status = limn_alloc(g->ctx, wanted->op, 1, apply->op->params_size, &params);
    if (status != LIMN_OK)
        return status;
    memcpy(params, apply->params, apply->op->params_size);
    status = limn_op_set(g->ctx, apply->op, wanted->params, params);
    *out = status == LIMN_OK && memcmp(params, apply->params, apply->op->params_size) == 0;
    limn_free(params);
    return status;
}

static bool only_handed_along(const limn_graph *g, const int *readers, limn_node node)
{
    const limn_graph_node *n = &g->nodes[node];
    return n->apply >= 0 && n->output == 0 && g->applies[n->apply].plan.out_count == 1 &&
           readers[node] == 1 && !n->keep && !n->want_gradient && node != g->root;
}

/* Tries a row with its last op at apply `end`; `m->count` 0 where it does not match. */
static limn_status try_row(const limn_graph *g, const int *readers, const rewrite *row, int end,
                           match *m)
{
    int length = 0;
    while (length < MAX_CHAIN && row->chain[length].op)
        length++;
    *m = (match){.row = row};
    m->apply[length - 1] = end;
    bool fits;
    limn_status status = suits(g, &g->applies[end], &row->chain[length - 1], &fits);
    for (int at = length - 1; at > 0 && fits && status == LIMN_OK; at--) {
        const limn_apply *apply = &g->applies[m->apply[at]];
        fits = false;
        for (int i = 0; i < apply->in_count && !fits && status == LIMN_OK; i++) {
            if (!only_handed_along(g, readers, apply->in[i]))
                continue;
            m->passed[at] = i;
            m->apply[at - 1] = g->nodes[apply->in[i]].apply;
            status = suits(g, &g->applies[m->apply[at - 1]], &row->chain[at - 1], &fits);
        }
    }
    m->count = fits && status == LIMN_OK ? length : 0;
    return status;
}

/* Whether an apply reads what the node holds, under whichever name. */
static bool reads(const limn_graph *g, const limn_apply *apply, limn_node node)
{
    const limn_value *value = &g->values[g->nodes[node].value];
    for (int i = 0; i < apply->in_count; i++) {
        const limn_value *other = &g->values[g->nodes[apply->in[i]].value];
        if (other == value || (value->borrowed && other->tensor.buffer == value->tensor.buffer))
            return true;
    }
    return false;
}

/* Fusing moves the chain's first ops to the place of its last: nothing in between may see what they
 * update in place. */
static bool can_move(const limn_graph *g, const match *m)
{
    for (int k = 0; k + 1 < m->count; k++) {
        const limn_apply *moved = &g->applies[m->apply[k]];
        for (int i = 0; i < moved->in_count; i++) {
            if (!(moved->op->updates >> i & 1))
                continue;
            for (int a = m->apply[k] + 1; a <= m->apply[m->count - 1]; a++)
                if (g->applies[a].op && reads(g, &g->applies[a], moved->in[i]))
                    return false;
        }
    }
    return true;
}

/* Inputs, parameters and plan of the fused op. */
static limn_status fill(limn_graph *g, const match *m, limn_apply *fused)
{
    const limn_op *op = limn_op_find(m->row->fused);
    *fused = (limn_apply){.op = op};
    limn_status status = limn_alloc(g->ctx, op->name, 1, op->params_size, &fused->params);
    if (status == LIMN_OK)
        status = limn_op_parse(g->ctx, op, "", fused->params);
    limn_desc desc[LIMN_OP_MAX_IN];
    for (int k = 0; k < m->count && status == LIMN_OK; k++) {
        const limn_apply *apply = &g->applies[m->apply[k]];
        limn_op_inherit(op, fused->params, apply->op, apply->params);
        for (int i = 0; i < apply->in_count; i++) {
            if (k > 0 && i == m->passed[k])
                continue;
            desc[fused->in_count] = g->nodes[apply->in[i]].desc;
            fused->in[fused->in_count++] = apply->in[i];
        }
    }
    if (status == LIMN_OK)
        status = limn_op_set(g->ctx, op, m->row->params, fused->params);
    if (status == LIMN_OK)
        status =
            limn_op_make_plan(g->device, op, fused->params, desc, fused->in_count, &fused->plan);
    for (int i = 0; i < fused->plan.saved_count && status == LIMN_OK; i++)
        status = limn_graph_new_value(g, &fused->plan.saved[i],
                                      limn_desc_bytes(&fused->plan.saved[i]), &fused->saved[i]);
    return status;
}

/* Puts the fused op at the place of the chain's last; its name is the first that the chain has. */
static limn_status replace(limn_graph *g, const match *m)
{
    const int end = m->apply[m->count - 1];
    limn_apply fused;
    const limn_status status = fill(g, m, &fused);
    if (status != LIMN_OK) {
        limn_free(fused.params);
        return status;
    }
    fused.out[0] = g->applies[end].out[0];
    for (int k = 0; k < m->count; k++) {
        limn_apply *old = &g->applies[m->apply[k]];
        if (!fused.name) {
            fused.name = old->name;
            old->name = NULL;
        }
        g->nodes[old->out[0]].apply = end;
        limn_free(old->name);
        limn_free(old->params);
        *old = (limn_apply){0};
    }
    g->applies[end] = fused;
    return LIMN_OK;
}

/* Closes the gaps that the swallowed ops left. */
static void compact(limn_graph *g)
{
    int count = 0;
    for (int a = 0; a < g->apply_count; a++) {
        if (!g->applies[a].op)
            continue;
        for (int n = 0; n < g->node_count; n++)
            if (g->nodes[n].apply == a)
                g->nodes[n].apply = count;
        g->applies[count++] = g->applies[a];
    }
    g->apply_count = count;
}

limn_status limn_graph_rewrite(limn_graph *g)
{
    int *readers;
    limn_status status = count_readers(g, &readers);
    /* From the end, so that a chain is seen before what it begins with. */
    for (int a = g->apply_count - 1; a >= 0 && status == LIMN_OK; a--)
        for (size_t i = 0; i < sizeof rewrites / sizeof *rewrites && status == LIMN_OK; i++) {
            match m;
            if (rewrites[i].inference && g->root >= 0)
                continue;
            status = try_row(g, readers, &rewrites[i], a, &m);
            if (status == LIMN_OK && m.count && can_move(g, &m)) {
                status = replace(g, &m);
                break;
            }
        }
    compact(g);
    limn_free(readers);
    return status;
}
