/* Reverse-mode differentiation: appends one backward step per op that lies between the root and a
 * wanted gradient, in reverse order, and sums where a node has several readers. */
#include "graph/internal.h"

#include "base/memory.h"

/* A node carries a gradient where a wanted one lies at or before it. */
void limn_graph_mark_carriers(limn_graph *g)
{
    for (int n = 0; n < g->node_count; n++)
        g->nodes[n].carries_gradient = g->nodes[n].want_gradient;
    for (int a = 0; a < g->apply_count; a++) {
        const limn_apply *apply = &g->applies[a];
        bool any = false;
        for (int i = 0; i < apply->in_count; i++)
            any = any ||
                  ((apply->op->differentiable >> i & 1) && g->nodes[apply->in[i]].carries_gradient);
        for (int i = 0; i < apply->plan.out_count; i++)
            if (any && apply->plan.out[i].dtype == LIMN_F32)
                g->nodes[apply->out[i]].carries_gradient = true;
    }
}

static void own(limn_graph *g, limn_node node, int value)
{
    g->nodes[node].gradient = value;
    g->values[value].owners++;
}

/* gradient(node) += value, as an add step; in place where nobody else needs the old sum. */
static limn_status accumulate(limn_graph *g, limn_node node, int value)
{
    const int old = g->nodes[node].gradient;
    const bool in_place = g->values[old].owners == 1;
    int sum = old;
    limn_status status = LIMN_OK;
    if (!in_place)
        status = limn_graph_new_value(g, &g->nodes[node].desc,
                                      limn_desc_bytes(&g->nodes[node].desc), &sum);
    limn_step *step = NULL;
    if (status == LIMN_OK)
        status = limn_graph_new_step(g, &step);
    if (status != LIMN_OK)
        return status;
    const int at = g->step_count - 1;
    const limn_desc in[2] = {g->nodes[node].desc, g->nodes[node].desc};
    *step = (limn_step){.op = limn_op_find("add"),
                        .name = "sum of gradients",
                        .apply = -1,
                        .sum = {old + 1, value + 1, sum + 1},
                        .scratch = -1};
    status = limn_alloc(g->ctx, "graph", 1, sizeof *step->own_plan, (void **)&step->own_plan);
    if (status == LIMN_OK)
        status = limn_op_make_plan(g->device, step->op, NULL, in, 2, step->own_plan);
    if (status != LIMN_OK)
        return status;
    limn_value_touch(g, old, at);
    limn_value_touch(g, value, at);
    limn_value_touch(g, sum, at);
    if (!in_place) {
        g->values[old].owners--;
        own(g, node, sum);
    }
    return LIMN_OK;
}

/* Adds a contribution to a node's gradient. */
static limn_status contribute(limn_graph *g, limn_node node, int value)
{
    if (g->nodes[node].gradient >= 0)
        return accumulate(g, node, value);
    own(g, node, value);
    return LIMN_OK;
}

/* The backward step of one op.  Contributions are made after it, in the order of its inputs. */
static limn_status add_step(limn_graph *g, int index)
{
    const limn_apply apply = g->applies[index];
    int made[LIMN_OP_MAX_IN];
    limn_step *step;
    limn_status status = limn_graph_new_step(g, &step);
    if (status != LIMN_OK)
        return status;
    const int at = g->step_count - 1;
    *step = (limn_step){.op = apply.op,
                        .name = apply.name ? apply.name : apply.op->name,
                        .backward = true,
                        .apply = index,
                        .scratch = -1};
    for (int i = 0; i < apply.in_count; i++) {
        const limn_graph_node node = g->nodes[apply.in[i]];
        made[i] = -1;
        if (apply.plan.backward_in >> i & 1)
            limn_value_touch(g, limn_graph_value_of(g, apply.in[i], true), at);
        if (!(apply.op->differentiable >> i & 1) || !node.carries_gradient)
            continue;
        status = limn_graph_new_value(g, &node.desc, limn_desc_bytes(&node.desc), &made[i]);
        if (status != LIMN_OK)
            return status;
        limn_value_touch(g, made[i], at);
        g->steps[at].grad_in[i] = made[i] + 1;
    }
    for (int i = 0; i < apply.plan.out_count; i++) {
        const limn_graph_node *node = &g->nodes[apply.out[i]];
        if (apply.plan.backward_out >> i & 1)
            limn_value_touch(g, limn_graph_value_of(g, apply.out[i], true), at);
        limn_value_touch(g, node->gradient, at);
        g->steps[at].grad_out[i] = node->gradient + 1;
    }
    for (int i = 0; i < apply.plan.saved_count; i++)
        limn_value_touch(g, apply.saved[i], at);
    if (apply.plan.backward_scratch) {
        int scratch;
        status = limn_graph_new_value(g, NULL, apply.plan.backward_scratch, &scratch);
        if (status != LIMN_OK)
            return status;
        limn_value_touch(g, scratch, at);
        g->steps[at].scratch = scratch;
    }
    for (int i = 0; i < apply.in_count && status == LIMN_OK; i++)
        if (made[i] >= 0)
            status = contribute(g, apply.in[i], made[i]);
    /* From here on nobody needs the gradients of this op's outputs, unless they were asked for. */
    for (int i = 0; i < apply.plan.out_count; i++) {
        const limn_graph_node *node = &g->nodes[apply.out[i]];
        if (node->gradient >= 0 && !node->want_gradient)
            g->values[node->gradient].owners--;
    }
    g->cost.backward_flops += apply.plan.backward_flops;
    return status;
}

/* An op whose inputs all take the gradient of its output as it is: no step, shared memory. */
static limn_status pass_through(limn_graph *g, int index)
{
    const limn_apply apply = g->applies[index];
    const int gradient = g->nodes[apply.out[0]].gradient;
    limn_status status = LIMN_OK;
    for (int i = 0; i < apply.in_count && status == LIMN_OK; i++)
        if (g->nodes[apply.in[i]].carries_gradient)
            status = contribute(g, apply.in[i], gradient);
    if (!g->nodes[apply.out[0]].want_gradient)
        g->values[gradient].owners--;
    return status;
}

limn_status limn_graph_add_backward(limn_graph *g)
{
    limn_graph_mark_carriers(g);
    limn_graph_node *root = &g->nodes[g->root];
    if (!root->carries_gradient || root->desc.dtype != LIMN_F32)
        return limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", NULL,
                         "no wanted gradient lies before the root");
    int seed;
    limn_status status = limn_graph_new_value(g, &root->desc, limn_desc_bytes(&root->desc), &seed);
    if (status != LIMN_OK)
        return status;
    g->values[seed].first = 0; /* the caller may write it before the forward run */
    g->values[seed].last = LIMN_STEP_FOREVER;
    g->values[seed].owners = 1; /* never summed into */
    own(g, g->root, seed);
    int segment = 0; /* made again last */
    for (int a = g->apply_count - 1; a >= 0 && status == LIMN_OK; a--) {
        const limn_apply *apply = &g->applies[a];
        bool arrives = false, leaves = false;
        for (int i = 0; i < apply->plan.out_count; i++)
            arrives = arrives || g->nodes[apply->out[i]].gradient >= 0;
        for (int i = 0; i < apply->in_count; i++)
            leaves = leaves || ((apply->op->differentiable >> i & 1) &&
                                g->nodes[apply->in[i]].carries_gradient);
        if (arrives && leaves && apply->segment && apply->segment != segment) {
            segment = apply->segment;
            status = limn_graph_add_replays(g, segment);
        }
        if (arrives && leaves && status == LIMN_OK)
            status = (apply->op->differentiable & ~apply->op->passes_gradient) ? add_step(g, a)
                                                                               : pass_through(g, a);
    }
    for (int n = 0; n < g->node_count && status == LIMN_OK; n++) {
        if (!g->nodes[n].want_gradient)
            continue;
        if (g->nodes[n].gradient < 0)
            return limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", NULL,
                             "a wanted gradient does not depend on the root");
        limn_value_touch(g, g->nodes[n].gradient, LIMN_STEP_FOREVER);
    }
    return status;
}
