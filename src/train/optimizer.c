#include "train/optimizer.h"

#include "base/memory.h"

#include "ops/sgd.h"

#include <string.h>

static limn_status update_sgd(limn_device *device, const limn_update *updates, int count,
                              const limn_train_params *params, double lr)
{
    const limn_sgd_rates rates = {lr, params->momentum, params->weight_decay, params->nesterov};
    limn_sgd_item items[LIMN_SGD_TENSORS];
    limn_status status = LIMN_OK;
    for (int first = 0; first < count && status == LIMN_OK; first += LIMN_SGD_TENSORS) {
        int n = 0;
        for (; n < LIMN_SGD_TENSORS && first + n < count; n++) {
            const limn_update *u = &updates[first + n];
            items[n] = (limn_sgd_item){u->weight, u->gradient, u->states[0], u->decayed};
        }
        status = limn_sgd_many(device, items, n, &rates);
    }
    return status;
}

static const limn_optimizer table[] = {{"sgd", 1, {"momentum"}, update_sgd}};

const limn_optimizer *limn_optimizer_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

limn_status limn_optimizer_state_init(const limn_optimizer *optimizer, limn_model *model,
                                      const bool *reached, limn_optimizer_state *state)
{
    *state = (limn_optimizer_state){
        .optimizer = optimizer, .model = model, .count = model->parameter_count};
    limn_status status = limn_alloc(model->ctx, "optimizer", (size_t)model->parameter_count,
                                    sizeof *state->tensors, (void **)&state->tensors);
    for (int i = 0; i < model->parameter_count && status == LIMN_OK; i++)
        for (int s = 0; reached[i] && s < optimizer->state_count && status == LIMN_OK; s++) {
            status = limn_tensor_create(model->device, &model->parameters[i].tensor->desc,
                                        &state->tensors[i][s]);
            if (status == LIMN_OK)
                status = limn_tensor_zero(state->tensors[i][s]);
        }
    return status;
}

void limn_optimizer_state_free(limn_optimizer_state *state)
{
    for (int i = 0; state->tensors && i < state->count; i++)
        for (int s = 0; s < LIMN_MAX_STATES; s++)
            limn_tensor_destroy(&state->tensors[i][s]);
    limn_free(state->tensors);
    state->tensors = NULL;
}

limn_status limn_optimizer_step(limn_optimizer_state *state, const limn_train_params *params,
                                double lr, limn_graph *graph, const limn_node *nodes)
{
    limn_update *updates;
    int count = 0;
    limn_status status = limn_alloc(state->model->ctx, "optimizer", (size_t)state->count,
                                    sizeof *updates, (void **)&updates);
    for (int i = 0; i < state->count && status == LIMN_OK; i++) {
        const limn_parameter *p = &state->model->parameters[i];
        limn_tensor *gradient = nodes[i] < 0 ? NULL : limn_graph_gradient(graph, nodes[i]);
        if (!gradient)
            continue;
        updates[count] = (limn_update){.weight = p->tensor,
                                       .gradient = gradient,
                                       .decayed = !(p->norm_or_bias && params->no_decay_norm_bias)};
        memcpy(updates[count].states, state->tensors[i], sizeof state->tensors[i]);
        count++;
    }
    if (status == LIMN_OK)
        status = state->optimizer->update(state->model->device, updates, count, params, lr);
    limn_free(updates);
    return status;
}
