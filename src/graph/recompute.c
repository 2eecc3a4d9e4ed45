/* Recomputation: the forward steps are cut into segments, and values inside of one are made again
 * when backward comes to it (Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost).
 *
 * A cut lies behind an op whose output is the only value that later ops read of all that was made
 * so far: in a residual network, behind its blocks.  What lies on a cut is kept, the rest is free
 * after its last forward step and lives once more in backward, from its replay on.  What lies
 * behind the last segment stays, and so does that one: it would be made again at once. */
#include "graph/internal.h"

#include "base/memory.h"

enum { LEAST = 3 }; /* ops in a segment; with fewer there is little to free */

/* The last op that reads each node's value; -1: none. */
static limn_status find_readers(const limn_graph *g, int **out)
{
    const limn_status status =
        limn_alloc(g->ctx, "graph", (size_t)g->node_count, sizeof **out, (void **)out);
    for (int n = 0; n < g->node_count && status == LIMN_OK; n++)
        (*out)[n] = -1;
    for (int a = 0; a < g->apply_count && status == LIMN_OK; a++)
        for (int i = 0; i < g->applies[a].in_count; i++)
            (*out)[g->applies[a].in[i]] = a;
    return status;
}

/* Whether of the values made up to op `at` later ops read its first output alone. */
static bool is_cut(const limn_graph *g, const int *readers, int at)
{
    for (int n = 0; n < g->node_count; n++) {
        const limn_graph_node *node = &g->nodes[n];
        const bool crosses = node->apply >= 0 && node->apply <= at && readers[n] > at;
        if (crosses != (n == g->applies[at].out[0]))
            return false;
    }
    return true;
}

/* Whether an op can run twice without a trace. */
static bool can_replay(const limn_apply *apply)
{
    return !apply->op->updates || apply->op->replays;
}

limn_status limn_graph_cut(limn_graph *g)
{
    int *readers, last = 0;
    const limn_status status = find_readers(g, &readers);
    if (status != LIMN_OK)
        return status;
    for (int a = 0, first = 0; a < g->apply_count; a++) {
        if (a - first + 1 < LEAST || g->applies[a].plan.out_count < 1 || !is_cut(g, readers, a))
            continue;
        bool fits = true;
        for (int k = first; k <= a; k++)
            fits = fits && can_replay(&g->applies[k]);
        last = fits ? last + 1 : last;
        for (int k = first; k <= a && fits; k++)
            g->applies[k].segment = last;
        first = a + 1;
    }
    for (int a = 0; a < g->apply_count; a++)
        if (g->applies[a].segment == last)
            g->applies[a].segment = 0;
    limn_free(readers);
    return LIMN_OK;
}

static bool has_output(const limn_apply *apply, limn_node node)
{
    for (int i = 0; i < apply->plan.out_count; i++)
        if (apply->out[i] == node)
            return true;
    return false;
}

/* Whether the node's value is read by the backward step of an op of the segment, or by a replay. */
static bool is_needed(const limn_graph *g, int segment, const bool *replayed, limn_node node)
{
    for (int a = 0; a < g->apply_count; a++) {
        const limn_apply *apply = &g->applies[a];
        if (apply->segment != segment)
            continue;
        for (int i = 0; i < apply->in_count; i++)
            if (apply->in[i] == node && (replayed[a] || (apply->plan.backward_in >> i & 1)))
                return true;
        for (int i = 0; i < apply->plan.out_count; i++)
            if (apply->out[i] == node && (apply->plan.backward_out >> i & 1))
                return true;
    }
    return false;
}

/* The ops of a segment that have to run again. */
static void choose(const limn_graph *g, int segment, int end, bool *replayed)
{
    for (int a = end - 1; a >= 0; a--) {
        const limn_apply *apply = &g->applies[a];
        for (int n = 0; n < g->node_count && apply->segment == segment; n++)
            if (has_output(apply, n) && limn_graph_is_passing(g, n) &&
                is_needed(g, segment, replayed, n))
                replayed[a] = true;
    }
}

limn_status limn_graph_add_replays(limn_graph *g, int segment)
{
    int end = g->apply_count - 1; /* the op before the cut, whose output is kept */
    while (end > 0 && g->applies[end].segment != segment)
        end--;
    bool *replayed;
    limn_status status =
        limn_alloc(g->ctx, "graph", (size_t)g->apply_count, sizeof *replayed, (void **)&replayed);
    if (status == LIMN_OK)
        choose(g, segment, end, replayed);
    for (int a = 0; a < end && status == LIMN_OK; a++) {
        const limn_apply *apply = &g->applies[a];
        for (int i = 0; i < apply->plan.out_count && replayed[a] && status == LIMN_OK; i++)
            if (limn_graph_is_passing(g, apply->out[i]))
                status = limn_graph_new_value(g, &apply->plan.out[i],
                                              limn_desc_bytes(&apply->plan.out[i]),
                                              &g->nodes[apply->out[i]].again);
        if (replayed[a] && status == LIMN_OK)
            status = limn_graph_add_forward_step(g, a, true);
    }
    limn_free(replayed);
    return status;
}
