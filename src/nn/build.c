/* A model as a graph. */
#include "nn/arch.h"
#include "nn/parts.h"

limn_status limn_model_build(limn_model *m, limn_graph *graph, limn_node images,
                             const limn_build_options *options, limn_model_nodes *nodes,
                             limn_node *parameter_nodes)
{
    *nodes = (limn_model_nodes){-1, -1, -1, -1};
    if ((options->classifier && !m->info.class_count) || (options->head && !m->info.embedding))
        return limn_fail(m->ctx, LIMN_BAD_INPUT, "incomplete model", m->info.arch, "it has no %s",
                         options->classifier && !m->info.class_count ? "classifier (fc)"
                                                                     : "projection head (head)");
    for (int i = 0; parameter_nodes && i < m->parameter_count; i++)
        parameter_nodes[i] = -1;
    limn_builder b = {.model = m,
                      .graph = graph,
                      .parameter_nodes = parameter_nodes,
                      .train = options->train_encoder,
                      .status = LIMN_OK};
    limn_flow last = {-1, 0};
    const limn_flow features =
        limn_arch_encode(&b, m->arch, (limn_flow){images, m->info.channels}, &last);
    nodes->features = features.node;
    nodes->last_block = last.node;
    if (options->classifier)
        nodes->logits = limn_layer_linear(&b, "fc", features, m->info.class_count).node;
    if (options->head) {
        limn_flow x = limn_layer_linear(&b, "head.0", features, limn_model_head_width(m));
        x = limn_layer_apply(&b, "relu", "head.1", x, " ");
        x = limn_layer_linear(&b, "head.2", x, m->info.embedding);
        nodes->embedding = limn_layer_apply(&b, "l2_normalize", "embedding", x, " ").node;
    }
    return b.status;
}
