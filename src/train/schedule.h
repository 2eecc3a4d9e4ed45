/* Learning rates as pure functions of the step. */
#ifndef LIMN_TRAIN_SCHEDULE_H
#define LIMN_TRAIN_SCHEDULE_H

#include "limn/train.h"

enum { LIMN_MAX_MILESTONES = 16 };

/** What a schedule depends on, in steps. */
typedef struct limn_schedule_span {
    double lr, decay;
    int64_t total, warmup;
    int milestone_count;
    double milestones[LIMN_MAX_MILESTONES];
} limn_schedule_span;

typedef struct limn_schedule {
    const char *name;
    /** Factor of lr for step `step`, from 0, after the warm-up. */
    double (*factor)(const limn_schedule_span *span, int64_t step);
} limn_schedule;

/** NULL where there is none of this name. */
const limn_schedule *limn_schedule_find(const char *name);

/** "30,40.5" into `out`; -1 where it is no list of at most LIMN_MAX_MILESTONES growing numbers. */
int limn_milestones_parse(const char *text, double out[LIMN_MAX_MILESTONES]);

limn_schedule_span limn_schedule_span_of(const limn_train_params *params, int64_t steps_per_epoch,
                                         int64_t total);
/** The learning rate of step `step`, from 0. */
double limn_schedule_lr(const limn_schedule *schedule, const limn_schedule_span *span,
                        int64_t step);

#endif
