#include "nn/builder.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static limn_parameter *new_parameter(limn_builder *b, const char *path, const char *suffix,
                                     const limn_desc *desc)
{
    limn_model *m = b->model;
    if (m->parameter_count == m->parameter_capacity) {
        const int capacity = m->parameter_capacity ? 2 * m->parameter_capacity : 64;
        limn_parameter *grown = limn_realloc(m->parameters, (size_t)capacity, sizeof *grown);
        if (!grown) {
            b->status = limn_out_of_memory(m->ctx, path);
            return NULL;
        }
        m->parameters = grown;
        m->parameter_capacity = capacity;
    }
    limn_parameter *p = &m->parameters[m->parameter_count];
    *p = (limn_parameter){.name = limn_format("%s.%s", path, suffix), .part = b->part};
    if (!p->name) {
        b->status = limn_out_of_memory(m->ctx, path);
        return NULL;
    }
    m->parameter_count++;
    b->status = limn_tensor_create(m->device, desc, &p->tensor);
    return b->status == LIMN_OK ? p : NULL;
}

/* A parameter of a layer: declared, or its node in the graph. */
static limn_node parameter(limn_builder *b, const char *path, const char *suffix,
                           const limn_desc *desc, const limn_parameter *kind)
{
    if (b->status != LIMN_OK)
        return -1;
    if (!b->graph) {
        limn_parameter *p = new_parameter(b, path, suffix, desc);
        if (p) {
            p->init = kind->init;
            p->fan = kind->fan;
            p->trained = kind->trained;
            p->norm_or_bias = kind->norm_or_bias;
        }
        return -1;
    }
    char *name = limn_format("%s.%s", path, suffix);
    limn_parameter *p = name ? limn_model_find(b->model, name) : NULL;
    limn_node node = -1;
    if (!name)
        b->status = limn_out_of_memory(b->model->ctx, path);
    else if (!p)
        b->status = limn_fail(b->model->ctx, LIMN_BAD_INPUT, "incomplete model", name,
                              "the model has no such parameter");
    else
        b->status = limn_graph_extern(b->graph, name, p->tensor, &node);
    if (p && b->status == LIMN_OK && b->parameter_nodes)
        b->parameter_nodes[p - b->model->parameters] = node;
    limn_free(name);
    return node;
}

static limn_flow apply(limn_builder *b, const char *op, const char *path, const limn_node *in,
                       int in_count, int64_t channels, const char *params)
{
    limn_flow y = {-1, channels};
    limn_node out[LIMN_OP_MAX_OUT];
    if (b->status == LIMN_OK && b->graph) {
        b->status = limn_graph_apply(b->graph, op, path, in, in_count, out, "%s", params);
        if (b->status == LIMN_OK)
            y.node = out[0];
    }
    return y;
}

limn_flow limn_layer_conv(limn_builder *b, const char *path, limn_flow x, int64_t channels,
                          int kernel, int stride, int pad)
{
    const limn_desc desc = limn_desc_make(LIMN_F32, 4, channels, x.channels, kernel, kernel);
    const limn_parameter kind = {
        .init = LIMN_INIT_KAIMING_FAN_OUT, .fan = channels * kernel * kernel, .trained = true};
    char params[64];
    snprintf(params, sizeof params, "stride=%d pad=%d", stride, pad);
    const limn_node in[2] = {x.node, parameter(b, path, "weight", &desc, &kind)};
    return apply(b, "conv2d", path, in, 2, channels, params);
}

limn_flow limn_layer_norm(limn_builder *b, const char *path, limn_flow x)
{
    const limn_desc desc = limn_desc_make(LIMN_F32, 1, x.channels, 0, 0, 0);
    const limn_parameter weight = {.init = LIMN_INIT_ONE, .trained = true, .norm_or_bias = true};
    const limn_parameter bias = {.init = LIMN_INIT_ZERO, .trained = true, .norm_or_bias = true};
    const limn_parameter mean = {.init = LIMN_INIT_ZERO}, variance = {.init = LIMN_INIT_ONE};
    limn_node in[5] = {x.node};
    in[1] = parameter(b, path, "weight", &desc, &weight);
    in[2] = parameter(b, path, "bias", &desc, &bias);
    in[3] = parameter(b, path, "running_mean", &desc, &mean);
    in[4] = parameter(b, path, "running_var", &desc, &variance);
    return apply(b, "batch_norm", path, in, 5, x.channels, b->train ? "train=1" : "train=0");
}

limn_flow limn_layer_linear(limn_builder *b, const char *path, limn_flow x, int64_t outputs)
{
    const limn_desc weight_desc = limn_desc_make(LIMN_F32, 2, outputs, x.channels, 0, 0);
    const limn_desc bias_desc = limn_desc_make(LIMN_F32, 1, outputs, 0, 0, 0);
    const limn_parameter weight = {
        .init = LIMN_INIT_FAN_IN_UNIFORM, .fan = x.channels, .trained = true};
    limn_parameter bias = weight;
    bias.norm_or_bias = true;
    limn_node in[3] = {x.node};
    in[1] = parameter(b, path, "weight", &weight_desc, &weight);
    in[2] = parameter(b, path, "bias", &bias_desc, &bias);
    return apply(b, "linear", path, in, 3, outputs, "");
}

limn_flow limn_layer_add(limn_builder *b, limn_flow x, limn_flow y)
{
    const limn_node in[2] = {x.node, y.node};
    return apply(b, "add", NULL, in, 2, x.channels, "");
}

limn_flow limn_layer_apply(limn_builder *b, const char *op, const char *path, limn_flow x,
                           const char *format, ...)
{
    char params[128];
    va_list args;
    va_start(args, format);
    vsnprintf(params, sizeof params, format, args);
    va_end(args);
    return apply(b, op, path, &x.node, 1, x.channels, params);
}

void limn_layer_name(limn_builder *b, limn_flow x, const char *path)
{
    if (b->status == LIMN_OK && b->graph)
        b->status = limn_graph_name(b->graph, x.node, path);
}
