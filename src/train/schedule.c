#include "train/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double constant(const limn_schedule_span *span, int64_t step)
{
    (void)span;
    (void)step;
    return 1;
}

/* Half a cosine from 1 at the end of the warm-up to 0 after the last step (Loshchilov and Hutter
 * 2017). */
static double cosine(const limn_schedule_span *span, int64_t step)
{
    const double length = (double)(span->total - span->warmup);
    const double at = length > 0 ? (double)(step - span->warmup) / length : 1;
    return 0.5 * (1 + cos(3.14159265358979323846 * fmin(1, at)));
}

static double step_down(const limn_schedule_span *span, int64_t step)
{
    double factor = 1;
    for (int i = 0; i < span->milestone_count; i++)
        if ((double)step >= span->milestones[i])
            factor *= span->decay;
    return factor;
}

static const limn_schedule table[] = {
    {"cosine", cosine}, {"step", step_down}, {"constant", constant}};

const limn_schedule *limn_schedule_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

int limn_milestones_parse(const char *text, double out[LIMN_MAX_MILESTONES])
{
    int count = 0;
    for (const char *at = text; *at; count++) {
        char *end;
        if (count == LIMN_MAX_MILESTONES)
            return -1;
        out[count] = strtod(at, &end);
        const bool grows = count == 0 ? out[0] > 0 : out[count] > out[count - 1];
        if (end == at || !isfinite(out[count]) || !grows || (*end && (*end != ',' || !end[1])))
            return -1;
        at = *end ? end + 1 : end;
    }
    return count;
}

limn_schedule_span limn_schedule_span_of(const limn_train_params *params, int64_t steps_per_epoch,
                                         int64_t total)
{
    limn_schedule_span span = {.lr = params->lr,
                               .decay = params->decay,
                               .total = total,
                               .warmup = llround(params->warmup * (double)steps_per_epoch)};
    if (params->milestones) {
        span.milestone_count = limn_milestones_parse(params->milestones, span.milestones);
        for (int i = 0; i < span.milestone_count; i++)
            span.milestones[i] = floor(span.milestones[i] * (double)steps_per_epoch + 0.5);
        return span;
    }
    static const double usual[] = {0.6, 0.75, 0.9};
    span.milestone_count = sizeof usual / sizeof *usual;
    for (int i = 0; i < span.milestone_count; i++)
        span.milestones[i] = floor(usual[i] * (double)total + 0.5);
    return span;
}

double limn_schedule_lr(const limn_schedule *schedule, const limn_schedule_span *span, int64_t step)
{
    if (step < span->warmup)
        return span->lr * (double)(step + 1) / (double)span->warmup;
    return span->lr * schedule->factor(span, step);
}
