/* Supervised contrastive loss of the projection head's output (Khosla et al. 2020, L_out). */
#include "train/loss.h"

static limn_status append(limn_graph *graph, const limn_train_params *params,
                          const limn_model_nodes *nodes, limn_node labels, limn_node *loss)
{
    const limn_node in[] = {nodes->embedding, labels};
    const double scale =
        params->base_temperature > 0 ? params->temperature / params->base_temperature : 1;
    return limn_graph_apply(graph, "supcon", "loss", in, 2, loss, "temperature=%.17g scale=%.17g",
                            params->temperature, scale);
}

const limn_loss limn_loss_supcon = {
    .name = "supcon",
    .summary = "supervised contrastive (Khosla et al. 2020, L_out)",
    .head = true,
    .single_warning = true,
    .max_views = 2,
    .batch = 256,
    .defaults = {.epochs = 10,
                 .lr = 0.1,
                 .weight_decay = 1e-4,
                 .warmup = 1,
                 .augment = "contrastive",
                 .views = 2},
    .append = append,
    .validate = limn_validate_knn,
    .measure_count = 1,
    .measures = {"val_knn"},
};
