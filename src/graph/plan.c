/* Which implementations a graph runs: measured, and named. */
#include "graph/internal.h"

#include "base/memory.h"
#include "device/tuning.h"

static int describe(const limn_graph *g, const limn_apply *apply, limn_desc in[LIMN_OP_MAX_IN])
{
    for (int i = 0; i < apply->in_count; i++)
        in[i] = g->nodes[apply->in[i]].desc;
    return apply->in_count;
}

/* Whether a direction of an op will run: forward always, a gradient where it leads on. */
static bool runs(const limn_graph *g, const limn_apply *apply, int direction, bool gradients)
{
    if (direction == 0)
        return true;
    return gradients && direction <= apply->in_count && g->nodes[apply->out[0]].carries_gradient &&
           g->nodes[apply->in[direction - 1]].carries_gradient;
}

limn_status limn_graph_tune(limn_graph *g, bool gradients, const limn_tune_options *options,
                            limn_tune_fn seen, void *user)
{
    limn_tune_job *jobs;
    int count = 0;
    limn_status status = limn_alloc(g->ctx, "tuning", (size_t)g->apply_count * LIMN_OP_MAX_CHOICES,
                                    sizeof *jobs, (void **)&jobs);
    if (status != LIMN_OK)
        return status;
    limn_graph_mark_carriers(g);
    for (int a = 0; a < g->apply_count; a++) {
        const limn_apply *apply = &g->applies[a];
        const limn_op_choices *choices = apply->op->choices;
        for (int d = 0; choices && choices->directions[d]; d++) {
            if (!runs(g, apply, d, gradients))
                continue;
            limn_tune_job *job = &jobs[count++];
            *job = (limn_tune_job){.op = apply->op,
                                   .params = apply->params,
                                   .direction = d,
                                   .weight = apply->plan.flops};
            job->in_count = describe(g, apply, job->in);
        }
    }
    status = limn_tune_jobs(g->device, jobs, count, options, seen, user);
    limn_free(jobs);
    return status;
}

limn_status limn_graph_settle(limn_graph *g)
{
    const limn_tune_options options = {.automatic = true};
    if (limn_tuning_get_mode(g->device) != LIMN_TUNE_AUTO)
        return LIMN_OK;
    limn_status status = limn_graph_tune(g, g->root >= 0, &options, NULL, NULL);
    for (int a = 0; a < g->apply_count && status == LIMN_OK; a++) {
        limn_apply *apply = &g->applies[a];
        limn_desc in[LIMN_OP_MAX_IN];
        const int count = describe(g, apply, in);
        if (apply->op->choices)
            status =
                limn_op_make_plan(g->device, apply->op, apply->params, in, count, &apply->plan);
    }
    return status;
}

limn_status limn_graph_choices(const limn_graph *g, limn_graph_choice_fn seen, void *user)
{
    limn_status status = LIMN_OK;
    for (int s = 0; s < g->step_count && status == LIMN_OK; s++) {
        const limn_step *step = &g->steps[s];
        const limn_op_choices *choices = step->op->choices;
        if (step->apply < 0 || !choices)
            continue;
        const limn_apply *apply = &g->applies[step->apply];
        limn_desc in[LIMN_OP_MAX_IN];
        const int count = describe(g, apply, in);
        const limn_choice_case c = {g->device, apply->params, in, count};
        char shape[LIMN_TUNING_SHAPE];
        choices->shape(&c, shape, sizeof shape);
        for (int d = 0; choices->directions[d] && status == LIMN_OK; d++)
            if (step->backward ? d > 0 && d <= count && step->grad_in[d - 1] : d == 0)
                status = seen(user, step->op->name, shape, choices->directions[d],
                              choices->name(apply->plan.choice[d]));
    }
    return status;
}
