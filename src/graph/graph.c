/* Building a graph. */
#include "graph/internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* Of what lasts: bytes, and the part of the largest value.  Preparing takes as long as two passes
 * over its result, which is little beside the products that a graph of large values makes of it. */
enum { LEAST_ROOM = 16 << 20, ROOM_SHARE = 4 };

limn_status limn_graph_create(limn_device *device, limn_graph **out)
{
    limn_context *ctx = limn_device_context(device);
    const limn_status status = limn_alloc(ctx, "graph", 1, sizeof **out, (void **)out);
    if (status == LIMN_OK) {
        (*out)->device = device;
        (*out)->ctx = ctx;
        (*out)->root = -1;
    }
    return status;
}

void limn_graph_destroy(limn_graph **handle)
{
    limn_graph *g = handle ? *handle : NULL;
    if (!g)
        return;
    for (int i = 0; i < g->slot_count; i++)
        limn_buffer_destroy(&g->slots[i]);
    for (int i = 0; i < g->name_count; i++)
        limn_free(g->names[i].text);
    for (int i = 0; i < g->apply_count; i++) {
        limn_free(g->applies[i].name);
        limn_free(g->applies[i].params);
    }
    for (int i = 0; i < g->step_count; i++)
        limn_free(g->steps[i].own_plan);
    limn_free(g->slots);
    limn_free(g->names);
    limn_free(g->applies);
    limn_free(g->nodes);
    limn_free(g->values);
    limn_free(g->steps);
    limn_free(g);
    *handle = NULL;
}

limn_status limn_graph_grow(limn_graph *g, void *array, int count, int *capacity, size_t size)
{
    if (count < *capacity)
        return LIMN_OK;
    const int wanted = *capacity ? *capacity * 2 : 32;
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    grown = limn_realloc(old, (size_t)wanted, size);
    if (!grown)
        return limn_out_of_memory(g->ctx, "graph");
    memset((char *)grown + (size_t)count * size, 0, (size_t)(wanted - count) * size);
    memcpy(array, &grown, sizeof grown);
    *capacity = wanted;
    return LIMN_OK;
}

limn_status limn_graph_new_value(limn_graph *g, const limn_desc *desc, size_t bytes, int *out)
{
    const limn_status status =
        limn_graph_grow(g, &g->values, g->value_count, &g->value_capacity, sizeof *g->values);
    if (status != LIMN_OK)
        return status;
    limn_value *value = &g->values[g->value_count];
    *value = (limn_value){.bytes = bytes, .first = -1, .last = -1, .home = g->value_count};
    if (desc)
        value->tensor.desc = *desc;
    *out = g->value_count++;
    return LIMN_OK;
}

limn_status limn_graph_new_step(limn_graph *g, limn_step **out)
{
    const limn_status status =
        limn_graph_grow(g, &g->steps, g->step_count, &g->step_capacity, sizeof *g->steps);
    if (status == LIMN_OK) {
        *out = &g->steps[g->step_count++];
        **out = (limn_step){.scratch = -1};
    }
    return status;
}

void limn_value_touch(limn_graph *g, int value, int at)
{
    if (value < 0)
        return;
    limn_value *v = &g->values[value];
    if (v->first < 0)
        v->first = at;
    if (at > v->last)
        v->last = at;
}

static limn_status name_node(limn_graph *g, limn_node node, const char *name)
{
    if (!name)
        return LIMN_OK;
    if (limn_graph_find(g, name) >= 0)
        return limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", name, "the name is taken");
    const limn_status status =
        limn_graph_grow(g, &g->names, g->name_count, &g->name_capacity, sizeof *g->names);
    if (status != LIMN_OK)
        return status;
    char *copy = limn_strdup(name);
    if (!copy)
        return limn_out_of_memory(g->ctx, name);
    g->names[g->name_count++] = (limn_name){copy, node};
    return LIMN_OK;
}

static limn_status add_node(limn_graph *g, const char *name, const limn_desc *desc, limn_node *out)
{
    limn_status status =
        limn_graph_grow(g, &g->nodes, g->node_count, &g->node_capacity, sizeof *g->nodes);
    int value;
    if (status == LIMN_OK)
        status = limn_graph_new_value(g, desc, limn_desc_bytes(desc), &value);
    if (status == LIMN_OK)
        status = name_node(g, g->node_count, name);
    if (status != LIMN_OK)
        return status;
    g->nodes[g->node_count] =
        (limn_graph_node){.desc = *desc, .apply = -1, .value = value, .gradient = -1, .again = -1};
    *out = g->node_count++;
    return LIMN_OK;
}

static limn_status still_open(limn_graph *g)
{
    return g->compiled
               ? limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", NULL, "it is compiled already")
               : LIMN_OK;
}

limn_status limn_graph_input(limn_graph *g, const char *name, const limn_desc *desc, limn_node *out)
{
    limn_status status = still_open(g);
    if (status == LIMN_OK)
        status = add_node(g, name, desc, out);
    if (status == LIMN_OK)
        limn_value_touch(g, g->nodes[*out].value, LIMN_STEP_FOREVER);
    if (status == LIMN_OK)
        g->values[g->nodes[*out].value].first = 0;
    return status;
}

limn_status limn_graph_extern(limn_graph *g, const char *name, limn_tensor *tensor, limn_node *out)
{
    limn_status status = still_open(g);
    if (status == LIMN_OK)
        status = add_node(g, name, &tensor->desc, out);
    if (status == LIMN_OK) {
        limn_value *value = &g->values[g->nodes[*out].value];
        value->tensor = *tensor;
        value->borrowed = true;
    }
    return status;
}

static bool is_node(const limn_graph *g, limn_node node)
{
    return node >= 0 && node < g->node_count;
}

/* Parameters and plan of a new apply; on failure the reason names the node. */
static limn_status fill_apply(limn_graph *g, limn_apply *apply, const char *label, const char *text)
{
    limn_desc desc[LIMN_OP_MAX_IN];
    limn_status status = limn_alloc(g->ctx, label, 1, apply->op->params_size, &apply->params);
    if (status == LIMN_OK)
        status = limn_op_parse(g->ctx, apply->op, text, apply->params);
    for (int i = 0; i < apply->in_count; i++)
        desc[i] = g->nodes[apply->in[i]].desc;
    if (status == LIMN_OK)
        status = limn_op_make_plan(g->device, apply->op, apply->params, desc, apply->in_count,
                                   &apply->plan);
    if (status == LIMN_OK || status == LIMN_FAILED)
        return status;
    char *reason = limn_strdup(limn_error_text(g->ctx));
    limn_fail(g->ctx, status, "bad graph", label, "%s", reason ? reason : "");
    limn_free(reason);
    return status;
}

static limn_status make_outputs(limn_graph *g, int index, limn_node *out)
{
    limn_status status = LIMN_OK;
    const limn_op_plan plan = g->applies[index].plan;
    for (int i = 0; i < plan.out_count && status == LIMN_OK; i++) {
        limn_apply *apply = &g->applies[index];
        status = add_node(g, i == 0 ? apply->name : NULL, &plan.out[i], &apply->out[i]);
        if (status == LIMN_OK) {
            g->nodes[apply->out[i]].apply = index;
            g->nodes[apply->out[i]].output = i;
            out[i] = apply->out[i];
        }
    }
    for (int i = 0; i < plan.saved_count && status == LIMN_OK; i++)
        status = limn_graph_new_value(g, &plan.saved[i], limn_desc_bytes(&plan.saved[i]),
                                      &g->applies[index].saved[i]);
    return status;
}

limn_status limn_graph_apply(limn_graph *g, const char *op, const char *name, const limn_node *in,
                             int in_count, limn_node *out, const char *format, ...)
{
    limn_status status = still_open(g);
    if (status == LIMN_OK)
        status =
            limn_graph_grow(g, &g->applies, g->apply_count, &g->apply_capacity, sizeof *g->applies);
    if (status != LIMN_OK)
        return status;
    limn_apply apply = {.op = limn_op_find(op), .in_count = in_count};
    if (!apply.op)
        return limn_fail(g->ctx, LIMN_BAD_USAGE, "bad op", op, "there is no such op");
    for (int i = 0; i < in_count; i++) {
        if (i >= LIMN_OP_MAX_IN || !is_node(g, in[i]))
            return limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", name ? name : op,
                             "input %d is no node", i);
        apply.in[i] = in[i];
    }
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (name && !(apply.name = limn_strdup(name)))
        return limn_out_of_memory(g->ctx, name);
    status = fill_apply(g, &apply, name ? name : op, text);
    if (status != LIMN_OK) {
        limn_free(apply.params);
        limn_free(apply.name);
        return status;
    }
    g->applies[g->apply_count++] = apply;
    return make_outputs(g, g->apply_count - 1, out);
}

limn_status limn_graph_name(limn_graph *g, limn_node node, const char *name)
{
    return is_node(g, node)
               ? name_node(g, node, name)
               : limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", name, "it names no node");
}

const char *limn_graph_name_at(const limn_graph *g, int index, limn_node *node)
{
    if (index < 0 || index >= g->name_count)
        return NULL;
    *node = g->names[index].node;
    return g->names[index].text;
}

bool limn_graph_is_output(const limn_graph *g, limn_node node)
{
    return is_node(g, node) && g->nodes[node].apply >= 0;
}

limn_node limn_graph_find(const limn_graph *g, const char *name)
{
    for (int i = 0; i < g->name_count; i++)
        if (strcmp(g->names[i].text, name) == 0)
            return g->names[i].node;
    return -1;
}

const limn_desc *limn_graph_desc(const limn_graph *g, limn_node node)
{
    return is_node(g, node) ? &g->nodes[node].desc : NULL;
}

limn_status limn_graph_keep(limn_graph *g, limn_node node)
{
    limn_status status = still_open(g);
    if (status == LIMN_OK && !is_node(g, node))
        status = limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", NULL, "no node to keep");
    if (status == LIMN_OK)
        g->nodes[node].keep = true;
    return status;
}

limn_status limn_graph_want_gradient(limn_graph *g, limn_node node)
{
    limn_status status = still_open(g);
    if (status == LIMN_OK && !is_node(g, node))
        status =
            limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", NULL, "no node to differentiate by");
    if (status == LIMN_OK)
        g->nodes[node].want_gradient = true;
    return status;
}

limn_status limn_graph_freeze(limn_graph *g)
{
    const limn_status status = still_open(g);
    if (status == LIMN_OK)
        g->frozen = true;
    return status;
}

limn_status limn_graph_recompute(limn_graph *g)
{
    const limn_status status = still_open(g);
    if (status == LIMN_OK)
        g->recomputes = true;
    return status;
}

bool limn_graph_is_passing(const limn_graph *g, limn_node node)
{
    const limn_graph_node *n = &g->nodes[node];
    return n->apply >= 0 && !n->keep && node != g->root;
}

/* Whether everything that an op prepares from stays as it is while the graph lives. */
static bool prepares_once(const limn_graph *g, const limn_apply *apply)
{
    bool constant = g->frozen;
    for (int i = 0; i < apply->in_count; i++) {
        const limn_value *value = &g->values[g->nodes[apply->in[i]].value];
        if (!(apply->op->prepare_in >> i & 1))
            continue;
        constant = constant && value->borrowed;
        for (int a = 0; a < g->apply_count && constant; a++)
            for (int k = 0; k < g->applies[a].in_count; k++)
                if ((g->applies[a].op->updates >> k & 1) &&
                    g->values[g->nodes[g->applies[a].in[k]].value].tensor.buffer ==
                        value->tensor.buffer)
                    constant = false;
    }
    return constant;
}

/* Memory for what an op prepares, at forward step `at`. */
static limn_status add_prepared(limn_graph *g, const limn_apply *apply, int at)
{
    limn_status status = LIMN_OK;
    size_t bytes = 0;
    for (int i = 0; i < LIMN_OP_MAX_PREPARED; i++)
        bytes += apply->plan.prepared[i];
    g->steps[at].prepares = apply->op->prepare != NULL;
    g->steps[at].lasts = g->steps[at].prepares && bytes <= g->room && prepares_once(g, apply);
    g->room -= g->steps[at].lasts ? bytes : 0;
    for (int i = 0; i < LIMN_OP_MAX_PREPARED && status == LIMN_OK; i++) {
        int value;
        if (!apply->plan.prepared[i])
            continue;
        status = limn_graph_new_value(g, NULL, apply->plan.prepared[i], &value);
        if (status != LIMN_OK)
            break;
        limn_value_touch(g, value, g->steps[at].lasts ? 0 : at);
        limn_value_touch(g, value, g->steps[at].lasts ? LIMN_STEP_FOREVER : at);
        g->steps[at].prepared[i] = value + 1;
    }
    return status;
}

int limn_graph_value_of(const limn_graph *g, limn_node node, bool late)
{
    const limn_graph_node *n = &g->nodes[node];
    return late && n->again >= 0 ? n->again : n->value;
}

limn_status limn_graph_add_forward_step(limn_graph *g, int index, bool replay)
{
    const limn_apply *apply = &g->applies[index];
    limn_step *step;
    limn_status status = limn_graph_new_step(g, &step);
    if (status != LIMN_OK)
        return status;
    const int at = g->step_count - 1;
    step->op = apply->op;
    step->apply = index;
    step->name = apply->name ? apply->name : apply->op->name;
    step->replay = replay;
    for (int i = 0; i < apply->in_count; i++)
        limn_value_touch(g, limn_graph_value_of(g, apply->in[i], replay), at);
    for (int i = 0; i < apply->plan.out_count; i++) {
        const int value = limn_graph_value_of(g, apply->out[i], replay);
        limn_value_touch(g, value, at);
        if (!limn_graph_is_passing(g, apply->out[i]))
            limn_value_touch(g, value, LIMN_STEP_FOREVER);
    }
    for (int i = 0; i < apply->plan.saved_count; i++)
        if (g->root >= 0 || !apply->op->saves_for_backward)
            limn_value_touch(g, apply->saved[i], at);
    if (apply->plan.forward_scratch) {
        int scratch;
        if ((status = limn_graph_new_value(g, NULL, apply->plan.forward_scratch, &scratch)) !=
            LIMN_OK)
            return status;
        g->steps[at].scratch = scratch;
        limn_value_touch(g, scratch, at);
    }
    if (!replay || !g->steps[index].lasts)
        return add_prepared(g, apply, at);
    memcpy(g->steps[at].prepared, g->steps[index].prepared, sizeof g->steps[at].prepared);
    return LIMN_OK;
}

static limn_status add_forward(limn_graph *g)
{
    limn_status status = LIMN_OK;
    g->room = LEAST_ROOM;
    for (int n = 0; n < g->node_count; n++)
        if (g->nodes[n].apply >= 0 && g->values[g->nodes[n].value].bytes / ROOM_SHARE > g->room)
            g->room = g->values[g->nodes[n].value].bytes / ROOM_SHARE;
    for (int a = 0; a < g->apply_count && status == LIMN_OK; a++) {
        status = limn_graph_add_forward_step(g, a, false);
        g->cost.forward_flops += g->applies[a].plan.flops;
    }
    g->forward_steps = g->step_count;
    return status;
}

limn_status limn_graph_compile(limn_graph *g, limn_node root)
{
    limn_status status = still_open(g);
    if (status == LIMN_OK && root >= 0 && !is_node(g, root))
        status = limn_fail(g->ctx, LIMN_BAD_USAGE, "bad graph", NULL, "the root is no node");
    if (status != LIMN_OK)
        return status;
    g->compiled = true;
    g->root = root;
    status = limn_graph_settle(g); /* fused ops go by what was found for the ops in them */
    if (status == LIMN_OK)
        status = limn_graph_rewrite(g);
    if (status == LIMN_OK && g->recomputes)
        status = limn_graph_cut(g);
    if (status == LIMN_OK)
        status = add_forward(g);
    if (status == LIMN_OK && root >= 0)
        status = limn_graph_add_backward(g);
    return status == LIMN_OK ? limn_graph_place(g) : status;
}

limn_graph_cost limn_graph_get_cost(const limn_graph *g)
{
    return g->cost;
}

bool limn_graph_work_at(const limn_graph *g, int step, limn_graph_work *out)
{
    if (step < 0 || step >= g->step_count)
        return false;
    const limn_step *s = &g->steps[step];
    const limn_op_plan *plan = s->run.plan;
    *out = s->backward ? (limn_graph_work){s->op->name, plan->backward_flops, plan->backward_bytes}
                       : (limn_graph_work){s->op->name, plan->flops, plan->bytes};
    return true;
}
