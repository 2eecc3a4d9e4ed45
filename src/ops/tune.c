#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "ops/tune.h"

#include "base/memory.h"
#include "device/tuning.h"
#include "ops/tune_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_WAYS = 16, DEFAULT_BATCH = 64, CHECKED_IMAGES = 5, ROUNDS = 9, AUTO_ROUNDS = 5 };
static const double auto_seconds = 6;      /* on one device, in all */
static const double sample_seconds = 5e-3; /* of one sample at least */
static const double margin = 0.95;         /* of the default's time, to replace it */
static const double hopeless = 1.6;        /* times the fastest: not timed any further */

/* Arithmetic of one run on CPU devices and on others: enough to fill the device, done soon. */
static const double timed_flops[] = {4e9, 8e10}, checked_flops[] = {5e7, 2e9};

typedef struct candidate {
    int which;
    limn_tune_way way;
    bool alive;
    double samples[ROUNDS];
    char fault[256];
} candidate;

/* The work on one job. */
typedef struct contest {
    limn_device *device;
    limn_context *ctx;
    const limn_tune_job *job;
    const limn_tune_options *options;
    candidate ways[MAX_WAYS];
    limn_tune_trial trials[MAX_WAYS];
    int count, rounds;
    double deadline; /* after which none but the default is tried any more */
    bool cut_short;
} contest;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static limn_choice_case case_of(limn_device *device, const limn_tune_job *job)
{
    return (limn_choice_case){device, job->params, job->in, job->in_count};
}

/* Implementations that serve the job; the plain form only where it is worth a try. */
static int list(limn_device *device, const limn_tune_job *job, bool all, int which[MAX_WAYS])
{
    const limn_op_choices *choices = job->op->choices;
    const limn_choice_case c = case_of(device, job);
    int count = 0;
    for (int i = 0; i < choices->count && count < MAX_WAYS; i++) {
        char why[192];
        const bool plain = i == choices->count - 1;
        choices->refusal(&c, job->direction, i, all && !plain, why, sizeof why);
        if (!why[0])
            which[count++] = i;
    }
    return count;
}

/* ---- right? --------------------------------------------------------------------------------- */

/* What ends the whole run; all else turns one implementation down. */
static bool is_fatal(limn_status status)
{
    return status == LIMN_NO_DEVICE || status == LIMN_INTERRUPTED;
}

static void turn_down(contest *t, candidate *c)
{
    c->alive = false;
    snprintf(c->fault, sizeof c->fault, "%.200s", limn_error_text(t->ctx));
    limn_error_clear(t->ctx);
    limn_tune_way_free(&c->way);
    limn_device_trim(t->device);
}

static void judge(candidate *c, double error, double allowed, bool intact, bool repeats)
{
    if (!(error <= allowed))
        snprintf(c->fault, sizeof c->fault, "wrong: error %.2g, at most %.2g is allowed", error,
                 allowed);
    else if (!intact)
        snprintf(c->fault, sizeof c->fault, "wrong: it writes behind its result");
    else if (!repeats)
        snprintf(c->fault, sizeof c->fault, "a second run gives other bits");
    c->alive = !c->fault[0];
}

/* One implementation against the plain form's values. */
static limn_status check(contest *t, limn_tune_rig *rig, int index, const float *plain)
{
    candidate *c = &t->ways[index];
    limn_tune_trial *trial = &t->trials[index];
    const limn_op_choices *choices = t->job->op->choices;
    const limn_choice_case on = {t->device, t->job->params, rig->in, t->job->in_count};
    float *first = NULL, *second = NULL;
    bool intact = true, still_intact = true;
    limn_status status = limn_tune_way_make(rig, c->which, &c->way);
    if (status == LIMN_OK)
        status = limn_tune_way_read(rig, &c->way, &first, &intact);
    if (status == LIMN_OK)
        status = limn_tune_way_read(rig, &c->way, &second, &still_intact);
    if (status == LIMN_OK) {
        trial->error = limn_tune_error(first, plain, rig->bytes / sizeof *plain);
        trial->bound = choices->bound(&on, t->job->direction, c->which);
        judge(c, trial->error, trial->bound, intact && still_intact,
              memcmp(first, second, rig->bytes) == 0);
    }
    limn_free(first);
    limn_free(second);
    limn_tune_way_free(&c->way);
    if (status == LIMN_OK || is_fatal(status))
        return status;
    turn_down(t, c);
    return LIMN_OK;
}

/* How many images make about so much arithmetic. */
static int64_t images_for(const contest *t, const double flops[2], int64_t most)
{
    limn_op_plan plan;
    limn_desc in[LIMN_OP_MAX_IN];
    memcpy(in, t->job->in, sizeof in);
    in[0].dim[0] = 1;
    if (limn_op_make_plan(t->device, t->job->op, t->job->params, in, t->job->in_count, &plan) !=
        LIMN_OK) {
        limn_error_clear(t->ctx); /* the rig says it again */
        return 1;
    }
    const double limit = flops[limn_device_get_limits(t->device)->is_cpu ? 0 : 1];
    const double fits = plan.flops > 0 ? limit / plan.flops : (double)most;
    return fits >= (double)most ? most : fits < 1 ? 1 : (int64_t)fits;
}

static limn_status check_all(contest *t)
{
    limn_tune_rig rig;
    limn_tune_way plain = {.scratch = NULL};
    float *values = NULL;
    bool intact;
    limn_status status = limn_tune_rig_make(
        t->device, t->job, images_for(t, checked_flops, CHECKED_IMAGES), t->options->seed, &rig);
    if (status == LIMN_OK)
        status = limn_tune_way_make(&rig, t->job->op->choices->count - 1, &plain);
    if (status == LIMN_OK)
        status = limn_tune_way_read(&rig, &plain, &values, &intact);
    limn_tune_way_free(&plain);
    for (int i = 0; i < t->count && status == LIMN_OK; i++) {
        if (i > 0 && now() > t->deadline) {
            snprintf(t->ways[i].fault, sizeof t->ways[i].fault, "not tried, the time is up");
            t->cut_short = true;
        } else {
            status = check(t, &rig, i, values);
        }
    }
    limn_free(values);
    limn_tune_rig_free(&rig);
    return status;
}

/* ---- fast? ---------------------------------------------------------------------------------- */

static limn_status sample(contest *t, limn_tune_rig *rig, const limn_tune_way *way, int runs,
                          double *seconds)
{
    const double start = now();
    limn_status status = LIMN_OK;
    for (int i = 0; i < runs && status == LIMN_OK; i++)
        status = limn_tune_way_run(rig, way);
    const limn_status finished = limn_device_finish(t->device);
    *seconds = (now() - start) / runs;
    return status == LIMN_OK ? finished : status;
}

/* What all implementations are to agree with. */
typedef struct witness {
    float *values;
    double bound;
    bool is_plain;
} witness;

/* A run at full size, which compiles what is not compiled yet.  The first becomes the witness where
 * there is none.  Who differs from the plain form is turned down; who differs from another one only
 * raises a doubt. */
static limn_status confirm(contest *t, limn_tune_rig *rig, int index, witness *w, bool *doubt)
{
    candidate *c = &t->ways[index];
    const limn_op_choices *choices = t->job->op->choices;
    const limn_choice_case on = {t->device, t->job->params, rig->in, t->job->in_count};
    float *values = NULL;
    bool intact;
    limn_tune_way_free(&c->way);
    limn_status status = limn_tune_way_make(rig, c->which, &c->way);
    if (status == LIMN_OK)
        status = limn_tune_way_read(rig, &c->way, &values, &intact);
    if (status != LIMN_OK) {
        if (is_fatal(status))
            return status;
        turn_down(t, c);
        return LIMN_OK;
    }
    const double allowed = choices->bound(&on, t->job->direction, c->which);
    const double error =
        w->values ? limn_tune_error(values, w->values, rig->bytes / sizeof *values) : 0;
    if (w->is_plain || !intact)
        judge(c, error, allowed, intact, true);
    else
        *doubt = *doubt || !(error <= allowed + w->bound);
    if (!w->values) {
        *w = (witness){values, allowed, false};
        values = NULL;
    }
    limn_free(values);
    return LIMN_OK;
}

static limn_status confirm_all(contest *t, limn_tune_rig *rig, witness *w, bool *doubt)
{
    int alive = 0;
    limn_status status = LIMN_OK;
    for (int i = 0; i < t->count && status == LIMN_OK; i++)
        if (t->ways[i].alive) {
            alive++;
            status = confirm(t, rig, i, w, doubt);
        }
    *doubt = *doubt || alive == 1;
    return status;
}

/* All agree with each other; in doubt, each with the plain form, which takes long. */
static limn_status warm_up(contest *t, limn_tune_rig *rig)
{
    witness w = {.values = NULL};
    bool doubt = false, intact;
    limn_status status = confirm_all(t, rig, &w, &doubt);
    if (status == LIMN_OK && doubt) {
        limn_tune_way plain;
        limn_free(w.values);
        w = (witness){.is_plain = true};
        status = limn_tune_way_make(rig, t->job->op->choices->count - 1, &plain);
        if (status == LIMN_OK)
            status = limn_tune_way_read(rig, &plain, &w.values, &intact);
        limn_tune_way_free(&plain);
        if (status == LIMN_OK)
            status = confirm_all(t, rig, &w, &doubt);
    }
    limn_free(w.values);
    return status;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The lower quartile: what else the machine does only ever adds. */
static double typical(const double *samples, int count)
{
    double sorted[ROUNDS];
    memcpy(sorted, samples, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, ascending);
    return sorted[count / 4];
}

/* All in turn, round by round, so that what else the machine does falls on all of them. */
static limn_status time_rounds(contest *t, limn_tune_rig *rig)
{
    int taken[MAX_WAYS] = {0};
    for (int round = 0; round < t->rounds; round++) {
        double fastest = INFINITY;
        for (int i = 0; i < t->count; i++) {
            candidate *c = &t->ways[i];
            double once;
            if (!c->alive || taken[i] < round)
                continue;
            const double last = round ? c->samples[round - 1] : 0;
            const int runs =
                last > 0 && last < sample_seconds ? (int)(sample_seconds / last) + 1 : 1;
            const limn_status status = sample(t, rig, &c->way, runs, &once);
            if (status != LIMN_OK && is_fatal(status))
                return status;
            if (status != LIMN_OK) {
                turn_down(t, c);
                continue;
            }
            c->samples[taken[i]++] = once;
            fastest = fmin(fastest, typical(c->samples, taken[i]));
        }
        for (int i = 0; i < t->count; i++)
            if (t->ways[i].alive && taken[i] == round + 1) {
                t->trials[i].seconds = typical(t->ways[i].samples, taken[i]);
                if (round > 0 && t->trials[i].seconds > hopeless * fastest)
                    taken[i] = 0; /* out of the rounds that follow; its time stands */
            }
    }
    return LIMN_OK;
}

static limn_status time_all(contest *t)
{
    const int64_t batch = t->options->batch ? t->options->batch : DEFAULT_BATCH;
    limn_tune_rig rig;
    limn_status status = limn_tune_rig_make(t->device, t->job, images_for(t, timed_flops, batch),
                                            t->options->seed, &rig);
    if (status == LIMN_OK)
        status = warm_up(t, &rig);
    if (status == LIMN_OK)
        status = time_rounds(t, &rig);
    for (int i = 0; i < t->count; i++)
        limn_tune_way_free(&t->ways[i].way);
    limn_tune_rig_free(&rig);
    return status;
}

/* ---- one job -------------------------------------------------------------------------------- */

/* The default, unless another is faster by the margin; the plain form where none is right. */
static int best_of(const contest *t, int preset)
{
    double limit = INFINITY;
    int best = t->job->op->choices->count - 1;
    for (int i = 0; i < t->count; i++)
        if (t->ways[i].alive && t->ways[i].which == preset) {
            best = preset;
            limit = margin * t->trials[i].seconds;
        }
    for (int i = 0; i < t->count; i++)
        if (t->ways[i].alive && t->ways[i].which != preset && t->trials[i].seconds < limit) {
            best = t->ways[i].which;
            limit = t->trials[i].seconds;
        }
    return best;
}

static limn_status run_job(limn_device *device, const limn_tune_job *job,
                           const limn_tune_options *options, double seconds,
                           const limn_tuning_key *key, limn_tune_fn seen, void *user)
{
    const limn_op_choices *choices = job->op->choices;
    const limn_choice_case c = case_of(device, job);
    const int preset = limn_op_preset(choices, &c, job->direction);
    int which[MAX_WAYS];
    contest t = {.device = device,
                 .ctx = limn_device_context(device),
                 .job = job,
                 .options = options,
                 .count = list(device, job, options->all, which),
                 .rounds = options->automatic ? AUTO_ROUNDS : ROUNDS,
                 .deadline = now() + seconds};
    for (int i = 0; i < t.count; i++) {
        t.ways[i].which = which[i];
        t.trials[i].name = choices->name(which[i]);
        t.trials[i].fault = t.ways[i].fault;
    }
    limn_status status = check_all(&t);
    if (status == LIMN_OK)
        status = time_all(&t);
    if (status != LIMN_OK)
        return status;
    for (int i = 0; i < t.count; i++)
        if (t.ways[i].fault[0] && !t.cut_short)
            limn_log(t.ctx, LIMN_LOG_WARNING, "%s %s, %s: %s is turned down: %s", key->op,
                     key->shape, key->direction, t.trials[i].name, t.ways[i].fault);
    const int best = best_of(&t, preset);
    status = limn_tuning_set(device, key, choices->name(best),
                             t.cut_short ? LIMN_TUNING_ASSUMED : LIMN_TUNING_MEASURED);
    const limn_tune_row row = {
        key->op,  key->shape, key->direction, choices->name(preset), choices->name(best),
        t.trials, t.count};
    if (status == LIMN_OK && seen)
        seen(user, &row);
    return status;
}

/* ---- all jobs ------------------------------------------------------------------------------- */

static int heaviest_first(const void *a, const void *b)
{
    const limn_tune_job *x = a, *y = b;
    return (x->weight < y->weight) - (x->weight > y->weight);
}

static limn_tuning_key key_of(limn_device *device, const limn_tune_job *job,
                              char shape[LIMN_TUNING_SHAPE])
{
    const limn_choice_case c = case_of(device, job);
    job->op->choices->shape(&c, shape, LIMN_TUNING_SHAPE);
    return (limn_tuning_key){job->op->name, shape, job->op->choices->directions[job->direction]};
}

static bool same_key(const limn_tuning_key *a, const limn_tuning_key *b)
{
    return strcmp(a->op, b->op) == 0 && strcmp(a->shape, b->shape) == 0 &&
           strcmp(a->direction, b->direction) == 0;
}

/* Leaves the jobs that there is something to measure for, one for each key, heaviest first. */
static int sift(limn_device *device, limn_tune_job *jobs, int count,
                const limn_tune_options *options)
{
    int left = 0, which[MAX_WAYS];
    for (int i = 0; i < count; i++) {
        char shape[LIMN_TUNING_SHAPE], other_shape[LIMN_TUNING_SHAPE];
        const limn_tuning_key key = key_of(device, &jobs[i], shape);
        int at = 0;
        for (; at < left; at++) {
            const limn_tuning_key other = key_of(device, &jobs[at], other_shape);
            if (same_key(&key, &other))
                break;
        }
        if (at < left)
            jobs[at].weight += jobs[i].weight;
        else if (!(options->automatic ? limn_tuning_known(device, &key)
                                      : limn_tuning_measured_here(device, &key)) &&
                 list(device, &jobs[i], options->all, which) > 1)
            jobs[left++] = jobs[i];
    }
    qsort(jobs, (size_t)left, sizeof *jobs, heaviest_first);
    return left;
}

/* Measures one job, or, where there is no time or memory for it, takes the default down.  The
 * default comes first of those that are tried unasked. */
static limn_status settle(limn_device *device, const limn_tune_job *job,
                          const limn_tune_options *options, double seconds, limn_tune_fn seen,
                          void *user)
{
    limn_context *ctx = limn_device_context(device);
    char shape[LIMN_TUNING_SHAPE];
    const limn_tuning_key key = key_of(device, job, shape);
    if (seconds > 0) {
        const limn_status status = run_job(device, job, options, seconds, &key, seen, user);
        limn_device_trim(device);
        if (status == LIMN_OK || is_fatal(status) ||
            (status != LIMN_OUT_OF_DEVICE_MEMORY && !options->automatic))
            return status;
        limn_log(ctx, options->automatic ? LIMN_LOG_INFO : LIMN_LOG_WARNING,
                 "%s %s, %s is not measured: %s", key.op, key.shape, key.direction,
                 limn_error_text(ctx));
        limn_error_clear(ctx);
    }
    if (!options->automatic)
        return LIMN_OK;
    const limn_choice_case c = case_of(device, job);
    const limn_op_choices *choices = job->op->choices;
    return limn_tuning_set(device, &key, choices->name(limn_op_preset(choices, &c, job->direction)),
                           LIMN_TUNING_ASSUMED);
}

limn_status limn_tune_jobs(limn_device *device, limn_tune_job *jobs, int count,
                           const limn_tune_options *options, limn_tune_fn seen, void *user)
{
    limn_context *ctx = limn_device_context(device);
    if (options->automatic && !limn_tuning_has_store(device))
        return LIMN_OK;
    const int left = sift(device, jobs, count, options);
    if (left == 0)
        return LIMN_OK;
    double *spent = limn_tuning_spent(device);
    if (!spent)
        return limn_out_of_memory(ctx, "tuning");
    if (options->automatic && *spent <= 0)
        limn_log(ctx, LIMN_LOG_NOTE,
                 "first use of these shapes on %s: measuring for up to %.0f s which kernels are "
                 "the fastest (--no-tune skips it, `limn tune` takes its time)",
                 limn_device_describe(device)->name, auto_seconds);
    limn_status status = LIMN_OK;
    limn_progress report = {.task = "tuning", .unit = "cases", .total = (double)left};
    for (int i = 0; i < left && status == LIMN_OK; i++) {
        const double start = now();
        status = settle(device, &jobs[i], options,
                        options->automatic ? auto_seconds - *spent : INFINITY, seen, user);
        *spent += now() - start;
        report.done = (double)(i + 1);
        report.finished = i + 1 == left;
        report.detail = jobs[i].op->name;
        if (status == LIMN_OK)
            status = limn_report(ctx, &report);
    }
    if (status != LIMN_OK && (status != LIMN_INTERRUPTED || options->automatic))
        return status;
    const limn_status written = limn_tuning_keep(device, !options->automatic);
    if (written != LIMN_OK && options->automatic) {
        limn_log(ctx, LIMN_LOG_INFO, "what was measured cannot be kept, so it is not used: %s",
                 limn_error_text(ctx));
        limn_error_clear(ctx);
        return LIMN_OK;
    }
    return status == LIMN_OK ? written : status;
}
