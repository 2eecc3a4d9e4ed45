/* Running a compiled graph. */
#include "graph/internal.h"

limn_tensor *limn_graph_tensor(limn_graph *g, limn_node node)
{
    if (node < 0 || node >= g->node_count)
        return NULL;
    const limn_graph_node *n = &g->nodes[node];
    return n->apply < 0 || n->keep || node == g->root ? &g->values[n->value].tensor : NULL;
}

limn_tensor *limn_graph_gradient(limn_graph *g, limn_node node)
{
    if (node < 0 || node >= g->node_count || g->nodes[node].gradient < 0)
        return NULL;
    const limn_graph_node *n = &g->nodes[node];
    return n->want_gradient || node == g->root ? &g->values[n->gradient].tensor : NULL;
}

static limn_status run(limn_graph *g, int from, int to)
{
    for (int s = from; s < to; s++) {
        const limn_step *step = &g->steps[s];
        limn_status status = LIMN_OK;
        if (step->prepares && !(step->lasts && g->prepared))
            status = step->op->prepare(&step->run);
        if (status == LIMN_OK)
            status =
                step->backward ? step->op->backward(&step->run) : step->op->forward(&step->run);
        if (status != LIMN_OK)
            return status;
    }
    return limn_device_flush(g->device);
}

void limn_graph_refresh(limn_graph *g)
{
    g->prepared = false;
}

limn_status limn_graph_forward(limn_graph *g)
{
    const limn_status status = run(g, 0, g->forward_steps);
    if (status == LIMN_OK)
        g->prepared = true;
    return status;
}

limn_status limn_graph_backward(limn_graph *g)
{
    return run(g, g->forward_steps, g->step_count);
}
