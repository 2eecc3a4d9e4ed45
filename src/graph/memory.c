/* The memory plan: values whose lives do not overlap share a slot. */
#include "graph/internal.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Whether forward step `s` may write its result over its input `which`: nobody reads that input
 * afterwards, nor twice. */
static bool can_overwrite(const limn_graph *g, int s, int which)
{
    const limn_apply *apply = &g->applies[g->steps[s].apply];
    const limn_graph_node *in = &g->nodes[apply->in[which]];
    const limn_value *from = &g->values[in->value];
    for (int i = 0; i < apply->in_count; i++)
        if (i != which && g->nodes[apply->in[i]].value == in->value)
            return false;
    return in->apply >= 0 && from->last == s &&
           from->bytes == g->values[g->nodes[apply->out[0]].value].bytes;
}

static void share_in_place(limn_graph *g)
{
    for (int s = 0; s < g->forward_steps; s++) {
        const limn_apply *apply = &g->applies[g->steps[s].apply];
        for (int i = 0; i < apply->in_count && apply->plan.out_count > 0; i++) {
            if (!(apply->op->in_place >> i & 1) || !can_overwrite(g, s, i))
                continue;
            limn_value *to = &g->values[g->nodes[apply->out[0]].value];
            to->home = g->values[g->nodes[apply->in[i]].value].home;
            limn_value *home = &g->values[to->home];
            if (to->last > home->last)
                home->last = to->last;
            break;
        }
    }
}

typedef struct slot {
    size_t bytes;
    int *tenants; /* values that live here, as many as there are values at most */
    int count;
} slot;

static bool overlaps(const limn_graph *g, const slot *at, const limn_value *value)
{
    for (int i = 0; i < at->count; i++) {
        const limn_value *tenant = &g->values[at->tenants[i]];
        if (value->first <= tenant->last && tenant->first <= value->last)
            return true;
    }
    return false;
}

typedef struct order {
    size_t bytes;
    int value;
} order;

static int largest_first(const void *a, const void *b)
{
    const order *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->value > y->value) - (x->value < y->value);
}

/* Largest value first, each into the first slot that is free throughout its life. */
static limn_status assign(limn_graph *g, const order *sorted, int count, slot *slots, int *of_value,
                          int *slot_count)
{
    *slot_count = 0;
    for (int i = 0; i < count; i++) {
        const int value = sorted[i].value;
        int at = 0;
        while (at < *slot_count && overlaps(g, &slots[at], &g->values[value]))
            at++;
        if (at == *slot_count) {
            slots[at].bytes = sorted[i].bytes;
            ++*slot_count;
        }
        int *tenants =
            limn_realloc(slots[at].tenants, (size_t)slots[at].count + 1, sizeof *tenants);
        if (!tenants)
            return limn_out_of_memory(g->ctx, "memory plan");
        slots[at].tenants = tenants;
        tenants[slots[at].count++] = value;
        of_value[value] = at;
    }
    return LIMN_OK;
}

static limn_status allocate(limn_graph *g, const slot *slots, int slot_count, const int *of_value)
{
    limn_status status =
        limn_alloc(g->ctx, "graph", (size_t)slot_count, sizeof *g->slots, (void **)&g->slots);
    for (int i = 0; i < slot_count && status == LIMN_OK; i++) {
        status = limn_buffer_create(g->device, slots[i].bytes, &g->slots[i]);
        g->slot_count = i + (status == LIMN_OK);
        g->cost.memory += slots[i].bytes;
    }
    for (int v = 0; v < g->value_count && status == LIMN_OK; v++) {
        limn_value *value = &g->values[v];
        if (!value->borrowed && g->values[value->home].first >= 0)
            value->tensor.buffer = g->slots[of_value[value->home]];
    }
    return status;
}

static limn_tensor *tensor_of(limn_graph *g, int index_plus_one)
{
    return index_plus_one ? &g->values[index_plus_one - 1].tensor : NULL;
}

static void resolve(limn_graph *g, limn_step *step)
{
    limn_op_run *run = &step->run;
    run->device = g->device;
    if (step->scratch >= 0)
        run->scratch = g->values[step->scratch].tensor.buffer;
    if (step->apply < 0) {
        run->plan = step->own_plan;
        run->in_count = 2;
        run->in[0] = tensor_of(g, step->sum[0]);
        run->in[1] = tensor_of(g, step->sum[1]);
        run->out[0] = tensor_of(g, step->sum[2]);
        return;
    }
    const limn_apply *apply = &g->applies[step->apply];
    const bool late = step->backward || step->replay;
    run->replay = step->replay;
    run->params = apply->params;
    run->plan = &apply->plan;
    run->in_count = apply->in_count;
    for (int i = 0; i < apply->in_count; i++) {
        run->in[i] = &g->values[limn_graph_value_of(g, apply->in[i], late)].tensor;
        run->grad_in[i] = tensor_of(g, step->grad_in[i]);
    }
    for (int i = 0; i < apply->plan.out_count; i++) {
        run->out[i] = &g->values[limn_graph_value_of(g, apply->out[i], late)].tensor;
        run->grad_out[i] = tensor_of(g, step->grad_out[i]);
    }
    for (int i = 0; i < LIMN_OP_MAX_PREPARED; i++)
        if (step->prepared[i])
            run->prepared[i] = g->values[step->prepared[i] - 1].tensor.buffer;
    for (int i = 0; i < apply->plan.saved_count; i++)
        if (g->values[apply->saved[i]].first >= 0)
            run->saved[i] = &g->values[apply->saved[i]].tensor;
}

limn_status limn_graph_place(limn_graph *g)
{
    share_in_place(g);
    const size_t values = (size_t)g->value_count;
    order *sorted = limn_calloc(values, sizeof *sorted);
    slot *slots = limn_calloc(values, sizeof *slots);
    int *of_value = limn_calloc(values, sizeof *of_value);
    int count = 0, slot_count = 0;
    limn_status status =
        sorted && slots && of_value ? LIMN_OK : limn_out_of_memory(g->ctx, "memory plan");
    if (status == LIMN_OK) {
        for (int v = 0; v < g->value_count; v++)
            if (!g->values[v].borrowed && g->values[v].home == v && g->values[v].first >= 0)
                sorted[count++] = (order){g->values[v].bytes, v};
        qsort(sorted, (size_t)count, sizeof *sorted, largest_first);
        status = assign(g, sorted, count, slots, of_value, &slot_count);
    }
    if (status == LIMN_OK)
        status = allocate(g, slots, slot_count, of_value);
    for (int s = 0; s < g->step_count && status == LIMN_OK; s++)
        resolve(g, &g->steps[s]);
    for (size_t i = 0; slots && i < values; i++)
        limn_free(slots[i].tenants);
    limn_free(of_value);
    limn_free(slots);
    limn_free(sorted);
    return status;
}
