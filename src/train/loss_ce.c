/* Cross-entropy of the classifier's logits. */
#include "train/loss.h"

static limn_status append(limn_graph *graph, const limn_train_params *params,
                          const limn_model_nodes *nodes, limn_node labels, limn_node *loss)
{
    const limn_node in[] = {nodes->logits, labels};
    return limn_graph_apply(graph, "cross_entropy", "loss", in, 2, loss, "label_smoothing=%.17g",
                            params->label_smoothing);
}

const limn_loss limn_loss_ce = {
    .name = "ce",
    .summary = "cross-entropy, with label smoothing",
    .classifier = true,
    .max_views = 1,
    .batch = 128,
    .defaults =
        {.epochs = 10, .lr = 0.1, .weight_decay = 5e-4, .warmup = 1, .augment = "none", .views = 1},
    .append = append,
    .validate = limn_validate_classifier,
    .measure_count = 2,
    .measures = {"val_loss", "val_accuracy"},
};
