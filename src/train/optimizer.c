#include "train/optimizer.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static void print_sgd(const limn_train_params *params, double lr, double decay,
                      char text[LIMN_OPTIMIZER_TEXT])
{
    snprintf(text, LIMN_OPTIMIZER_TEXT, "lr=%.17g momentum=%.17g weight_decay=%.17g nesterov=%d",
             lr, params->momentum, decay, params->nesterov);
}

static const limn_optimizer table[] = {{"sgd", "sgd", 1, {"momentum"}, print_sgd}};

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
    limn_status status = LIMN_OK;
    for (int i = 0; i < state->count && status == LIMN_OK; i++) {
        const limn_parameter *p = &state->model->parameters[i];
        limn_tensor *gradient = nodes[i] < 0 ? NULL : limn_graph_gradient(graph, nodes[i]);
        if (!gradient)
            continue;
        char text[LIMN_OPTIMIZER_TEXT];
        const bool spared = p->norm_or_bias && params->no_decay_norm_bias;
        state->optimizer->print(params, lr, spared ? 0 : params->weight_decay, text);
        limn_tensor *in[2 + LIMN_MAX_STATES] = {p->tensor, gradient};
        for (int s = 0; s < state->optimizer->state_count; s++)
            in[2 + s] = state->tensors[i][s];
        status = limn_op_call(state->model->device, state->optimizer->op, in,
                              2 + state->optimizer->state_count, NULL, 0, "%s", text);
    }
    return status;
}
