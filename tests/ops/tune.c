/* The tuner on an op of its own, some of whose implementations are faulty, and under faults. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp, setenv */
#include "ops/tune.h"

#include "base/memory.h"
#include "device/tuning.h"
#include "support_faults.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ---- an op that copies, in good and in bad ways --------------------------------------------- */

enum way { SLOW, FAST, HALF, BROKEN, BEHIND, RESTLESS, FAILING, MANY, DECLINING, PLAIN, WAYS };
static const char *const names[WAYS] = {"slow",     "fast",    "half", "broken",    "behind",
                                        "restless", "failing", "many", "declining", "plain"};
enum { SMALL_BATCH = 5 };

/* Which are worth a try in a test, and the first of them is the default. */
typedef struct fake_params {
    bool offered[WAYS];
    int runs;
} fake_params;

static const char *way_name(int which)
{
    return names[which];
}

static void shape(const limn_choice_case *c, char *text, size_t size)
{
    snprintf(text, size, "w%lld", (long long)c->in[0].dim[1]);
}

static void refusal(const limn_choice_case *c, int direction, int which, bool forced, char *why,
                    size_t size)
{
    const fake_params *p = c->params;
    (void)direction;
    const bool serves =
        which == PLAIN ? p->offered[which] || forced : p->offered[which] && which != DECLINING;
    snprintf(why, size, "%s", serves ? "" : "not offered");
}

static double bound(const limn_choice_case *c, int direction, int which)
{
    (void)c, (void)direction, (void)which;
    return 1e-6;
}

static const char *const directions[] = {"forward", "data", NULL};
static const limn_op_choices choices = {.directions = directions,
                                        .count = WAYS,
                                        .name = way_name,
                                        .shape = shape,
                                        .refusal = refusal,
                                        .bound = bound};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    const limn_choice_case c = {device, params, in, in_count};
    p->out_count = 1;
    p->out[0] = in[0];
    for (int d = 0; d < 2; d++)
        p->choice[d] = limn_op_choose("fake", &choices, &c, d);
    p->forward_scratch = p->choice[0] == FAST ? 64 : 0;
    p->flops = (double)limn_desc_count(&in[0]);
    return LIMN_OK;
}

static limn_status spoil(const limn_tensor *to, size_t offset, float value)
{
    return limn_buffer_fill(to->buffer, offset, sizeof value, &value, sizeof value);
}

static limn_status copy(const limn_op_run *r, const limn_tensor *from, limn_tensor *to, int which)
{
    fake_params *p = (fake_params *)(void *)(uintptr_t)r->params;
    const size_t bytes = limn_desc_bytes(&from->desc);
    limn_context *ctx = limn_device_context(r->device);
    limn_status status = LIMN_OK;
    p->runs++;
    for (int i = 0; i < (which == SLOW ? 200 : 1) && status == LIMN_OK; i++)
        status = limn_buffer_copy(from->buffer, 0, to->buffer, 0, bytes);
    if (status != LIMN_OK)
        return status;
    switch (which) {
    case HALF:
        return spoil(to, bytes / 2 / 4 * 4, 0.5f);
    case BROKEN:
        return spoil(to, 0, NAN);
    case BEHIND:
        return spoil(to, bytes + 16, 0);
    case RESTLESS: /* the sign of a zero: equal, but other bits */
        return spoil(to, 0, p->runs % 2 ? 0.0f : -0.0f);
    case FAILING:
        return limn_fail(ctx, LIMN_FAILED, "no such kernel", "fake", "it does not compile");
    case MANY:
        return from->desc.dim[0] > SMALL_BATCH ? spoil(to, bytes - 4, 2) : LIMN_OK;
    default:
        return LIMN_OK;
    }
}

static limn_status forward(const limn_op_run *r)
{
    return copy(r, r->in[0], r->out[0], r->plan->choice[0]);
}

static limn_status backward(const limn_op_run *r)
{
    return copy(r, r->grad_out[0], r->grad_in[0], r->plan->choice[1]);
}

/* The first value is 0, so that RESTLESS is right. */
static void fill(const void *params, const limn_desc *in, int in_count, int which, double *values,
                 double (*draw)(void *state), void *state)
{
    (void)params, (void)in_count, (void)which, (void)draw, (void)state;
    const int64_t count = limn_desc_count(&in[0]);
    for (int64_t i = 0; i < count; i++)
        values[i] = i == 0 ? 0 : 1 / (double)(i + 1);
}

static const limn_op fake = {.name = "fake",
                             .params_size = sizeof(fake_params),
                             .min_in = 1,
                             .max_in = 1,
                             .differentiable = 1,
                             .plan = plan,
                             .forward = forward,
                             .backward = backward,
                             .fill = fill,
                             .choices = &choices};

/* ---- the rig -------------------------------------------------------------------------------- */

typedef struct rig {
    limn_context *ctx;
    limn_device *device;
    char folder[64];
    int notes, warnings;
    /* what was seen last */
    int rows, trials;
    char chosen[32], preset[32];
    char faults[WAYS][64];
    double seconds[WAYS];
} rig;

static void hear(void *user, limn_log_level level, const char *text)
{
    rig *r = user;
    (void)text;
    r->notes += level == LIMN_LOG_NOTE;
    r->warnings += level == LIMN_LOG_WARNING;
}

static int set_up(void **state)
{
    static rig r;
    r = (rig){.notes = 0};
    *state = &r;
    unsetenv("LIMN_TUNE");
    snprintf(r.folder, sizeof r.folder, "/tmp/limn-tune-XXXXXX");
    if (!mkdtemp(r.folder))
        return 1;
    const limn_context_params params = {.cache_dir = r.folder, .log = hear, .user = &r};
    if (limn_context_create(&params, &r.ctx) != LIMN_OK)
        return 1;
    limn_context_set_driver(r.ctx, faults_api());
    return limn_device_open(r.ctx, NULL, &r.device) != LIMN_OK;
}

static int tear_down(void **state)
{
    rig *r = *state;
    char command[128];
    faults_set(0, false, 0);
    limn_device_close(&r->device);
    limn_context_destroy(&r->ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    return system(command) != 0;
}

static void see(void *user, const limn_tune_row *row)
{
    rig *r = user;
    r->rows++;
    r->trials = row->trial_count;
    snprintf(r->chosen, sizeof r->chosen, "%s", row->chosen);
    snprintf(r->preset, sizeof r->preset, "%s", row->preset);
    for (int i = 0; i < row->trial_count; i++)
        for (int w = 0; w < WAYS; w++)
            if (strcmp(names[w], row->trials[i].name) == 0) {
                snprintf(r->faults[w], sizeof r->faults[w], "%.60s", row->trials[i].fault);
                r->seconds[w] = row->trials[i].seconds;
            }
}

static fake_params offer(const enum way *ways, size_t count)
{
    fake_params p = {.offered = {false}};
    p.offered[PLAIN] = count == 0;
    for (size_t i = 0; i < count; i++)
        p.offered[ways[i]] = true;
    return p;
}

static limn_tune_job job_of(const fake_params *p, int64_t width, int direction)
{
    return (limn_tune_job){.op = &fake,
                           .params = p,
                           .in = {{LIMN_F32, 2, {64, width}}},
                           .in_count = 1,
                           .direction = direction,
                           .weight = 1};
}

static limn_status tune(rig *r, const fake_params *p, int64_t width, bool automatic)
{
    limn_tune_job job = job_of(p, width, 0);
    const limn_tune_options options = {.automatic = automatic};
    r->rows = 0;
    return limn_tune_jobs(r->device, &job, 1, &options, see, r);
}

#define OFFER(...)                                                                                 \
    offer((const enum way[]){__VA_ARGS__}, sizeof((enum way[]){__VA_ARGS__}) / sizeof(enum way))

static int chosen_for(rig *r, const fake_params *p, int64_t rows, int64_t width)
{
    const limn_desc in = {LIMN_F32, 2, {rows, width}};
    const limn_choice_case c = {r->device, p, &in, 1};
    return limn_op_choose("fake", &choices, &c, 0);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void the_faster_one_is_taken(void **state)
{
    rig *r = *state;
    const fake_params p = OFFER(SLOW, FAST);
    assert_int_equal(chosen_for(r, &p, 7, 1000), SLOW);
    assert_int_equal(tune(r, &p, 1000, false), LIMN_OK);
    assert_int_equal(r->rows, 1);
    assert_int_equal(r->trials, 2);
    assert_string_equal(r->preset, "slow");
    assert_string_equal(r->chosen, "fast");
    assert_true(r->seconds[FAST] > 0 && r->seconds[FAST] < r->seconds[SLOW]);
    /* whatever the batch; another class knows nothing; kept for the next process */
    for (int64_t rows = 1; rows < 300; rows += 37)
        assert_int_equal(chosen_for(r, &p, rows, 1000), FAST);
    assert_int_equal(chosen_for(r, &p, 64, 1001), SLOW);
    limn_device_close(&r->device);
    assert_int_equal(limn_device_open(r->ctx, NULL, &r->device), LIMN_OK);
    assert_int_equal(chosen_for(r, &p, 7, 1000), FAST);
    limn_tune_set_mode(r->device, LIMN_TUNE_OFF);
    assert_int_equal(chosen_for(r, &p, 7, 1000), SLOW);
    limn_tune_set_mode(r->device, LIMN_TUNE_KNOWN);
    /* A finding that does not serve the case is passed over. */
    const fake_params other = OFFER(SLOW, MANY);
    assert_int_equal(chosen_for(r, &other, 7, 1000), SLOW);
}

static void another_must_be_faster_by_a_margin(void **state)
{
    rig *r = *state;
    const fake_params p = OFFER(FAST, MANY); /* the latter is right at this batch */
    limn_tune_job job = job_of(&p, 100000, 0);
    const limn_tune_options options = {.batch = SMALL_BATCH};
    assert_int_equal(limn_tune_jobs(r->device, &job, 1, &options, see, r), LIMN_OK);
    assert_string_equal(r->faults[MANY], "");
    assert_true(r->seconds[MANY] > 0);
    assert_string_equal(r->chosen, r->seconds[MANY] < 0.95 * r->seconds[FAST] ? "many" : "fast");
}

static void faulty_ones_are_turned_down(void **state)
{
    static const struct {
        enum way way;
        const char *fault;
    } cases[] = {{HALF, "wrong: error"},
                 {BROKEN, "wrong: error inf"},
                 {BEHIND, "wrong: it writes behind"},
                 {RESTLESS, "a second run gives other bits"},
                 {FAILING, "no such kernel"},
                 {MANY, "wrong: error"}};
    rig *r = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const fake_params p = OFFER(SLOW, cases[i].way);
        const int before = r->warnings;
        assert_int_equal(tune(r, &p, 800 + (int64_t)i, false), LIMN_OK);
        assert_string_equal(r->chosen, "slow");
        assert_non_null(strstr(r->faults[cases[i].way], cases[i].fault));
        assert_string_equal(r->faults[SLOW], "");
        assert_int_equal(r->warnings, before + 1);
        assert_int_equal(chosen_for(r, &p, 9, 800 + (int64_t)i), SLOW);
    }
    /* A faulty default is replaced; where all are faulty, the plain form is left. */
    const fake_params worse = OFFER(HALF, BROKEN, MANY);
    assert_int_equal(tune(r, &worse, 700, false), LIMN_OK);
    assert_string_equal(r->preset, "half");
    assert_string_equal(r->chosen, "plain");
    assert_int_equal(chosen_for(r, &worse, 9, 700), PLAIN);
    const fake_params first_wrong = OFFER(HALF, RESTLESS, DECLINING);
    assert_int_equal(tune(r, &first_wrong, 701, false), LIMN_OK);
    assert_string_equal(r->chosen, "plain");
}

static void the_gradient_has_a_choice_of_its_own(void **state)
{
    rig *r = *state;
    const fake_params p = OFFER(SLOW, FAST);
    limn_tune_job jobs[3] = {job_of(&p, 600, 1), job_of(&p, 600, 1), job_of(&p, 601, 0)};
    jobs[2].weight = 3;
    const limn_tune_options options = {.batch = 8};
    r->rows = 0;
    assert_int_equal(limn_tune_jobs(r->device, jobs, 3, &options, see, r), LIMN_OK);
    assert_int_equal(r->rows, 2); /* one key, one measurement */
    const limn_desc in = {LIMN_F32, 2, {4, 600}};
    const limn_choice_case c = {r->device, &p, &in, 1};
    assert_int_equal(limn_op_choose("fake", &choices, &c, 1), FAST);
    assert_int_equal(limn_op_choose("fake", &choices, &c, 0), SLOW);
}

static void unasked_it_measures_once_and_not_for_long(void **state)
{
    rig *r = *state;
    const fake_params p = OFFER(SLOW, FAST), single = OFFER(SLOW);
    r->notes = 0;
    assert_int_equal(tune(r, &single, 500, true), LIMN_OK);
    assert_int_equal(r->rows, 0);
    assert_int_equal(r->notes, 0); /* no choice, nothing to say */
    assert_int_equal(tune(r, &p, 500, true), LIMN_OK);
    assert_int_equal(r->rows, 1);
    assert_int_equal(r->notes, 1);
    assert_int_equal(tune(r, &p, 500, true), LIMN_OK);
    assert_int_equal(r->rows, 0);
    *limn_tuning_spent(r->device) = 1e6; /* the time is up: the default from now on */
    assert_int_equal(tune(r, &p, 501, true), LIMN_OK);
    assert_int_equal(r->rows, 0);
    assert_int_equal(r->notes, 1);
    *limn_tuning_spent(r->device) = 6 - 1e-6; /* it is up when the second's turn comes */
    assert_int_equal(tune(r, &p, 502, true), LIMN_OK);
    assert_int_equal(r->rows, 1);
    assert_string_equal(r->chosen, "slow");
    assert_non_null(strstr(r->faults[FAST], "not tried"));
    limn_device_close(&r->device);
    assert_int_equal(limn_device_open(r->ctx, NULL, &r->device), LIMN_OK);
    assert_int_equal(tune(r, &p, 501, true), LIMN_OK);
    assert_int_equal(tune(r, &p, 502, true), LIMN_OK);
    assert_int_equal(r->rows, 0);
    assert_int_equal(chosen_for(r, &p, 9, 501), SLOW);
    assert_int_equal(tune(r, &p, 501, false), LIMN_OK); /* asked, it measures */
    assert_int_equal(r->rows, 1);
    assert_int_equal(chosen_for(r, &p, 9, 501), FAST);
}

static void without_a_store_nothing_is_measured_unasked(void **state)
{
    rig *r = *state, own = {.notes = 0};
    const limn_context_params params = {.cache_dir = "", .log = hear, .user = &own};
    const fake_params p = OFFER(SLOW, FAST);
    (void)r;
    assert_int_equal(limn_context_create(&params, &own.ctx), LIMN_OK);
    assert_int_equal(limn_device_open(own.ctx, NULL, &own.device), LIMN_OK);
    assert_int_equal(tune(&own, &p, 400, true), LIMN_OK);
    assert_int_equal(own.rows + own.notes, 0);
    assert_int_equal(tune(&own, &p, 400, false), LIMN_FAILED); /* asked, it must be kept */
    limn_device_close(&own.device);
    limn_context_destroy(&own.ctx);
}

static bool stop(void *user, const limn_progress *report)
{
    (void)user;
    return report->done < 1;
}

/* Ctrl-C after the first of two: it is kept. */
static void stopped_it_keeps_what_it_found(void **state)
{
    rig *r = *state;
    const fake_params p = OFFER(SLOW, FAST);
    const limn_context_params params = {.cache_dir = r->folder, .progress = stop};
    rig own = {.notes = 0};
    assert_int_equal(limn_context_create(&params, &own.ctx), LIMN_OK);
    assert_int_equal(limn_device_open(own.ctx, NULL, &own.device), LIMN_OK);
    limn_tune_job jobs[2] = {job_of(&p, 300, 0), job_of(&p, 301, 0)};
    jobs[0].weight = 2;
    const limn_tune_options options = {.batch = 8};
    assert_int_equal(limn_tune_jobs(own.device, jobs, 2, &options, see, &own), LIMN_INTERRUPTED);
    assert_int_equal(own.rows, 1);
    limn_device_close(&own.device);
    limn_context_destroy(&own.ctx);
    assert_int_equal(chosen_for(r, &p, 9, 300), FAST);
    assert_int_equal(chosen_for(r, &p, 9, 301), SLOW);
}

static void what_was_measured_here_is_passed_over(void **state)
{
    rig *r = *state;
    const fake_params p = OFFER(SLOW, FAST);
    assert_int_equal(tune(r, &p, 200, false), LIMN_OK);
    assert_int_equal(r->rows, 1);
    assert_int_equal(tune(r, &p, 200, false), LIMN_OK);
    assert_int_equal(r->rows, 0);
    limn_device_close(&r->device);
    assert_int_equal(limn_device_open(r->ctx, NULL, &r->device), LIMN_OK);
    assert_int_equal(tune(r, &p, 200, false), LIMN_OK);
    assert_int_equal(r->rows, 1);
}

/* A call that fails turns an implementation down or ends the run in words; nothing leaks, and no
 * trial is left behind. */
static void faults_leave_nothing_behind(void **state)
{
    rig *r = *state;
    const fake_params p = OFFER(SLOW, FAST);
    uint64_t before, after, peak;
    int64_t width = 10000;
    assert_int_equal(tune(r, &p, width++, true), LIMN_OK);
    limn_device_trim(r->device);
    limn_device_memory(r->device, &before, &peak);
    for (unsigned long nth = 1; nth < 400; nth += nth < 40 ? 1 : 29) {
        faults_set(nth, false, nth % 2 ? CL_OUT_OF_RESOURCES : CL_MEM_OBJECT_ALLOCATION_FAILURE);
        *limn_tuning_spent(r->device) = 0;
        const limn_status status = tune(r, &p, width, true);
        faults_set(0, false, 0);
        if (status != LIMN_OK)
            assert_true(*limn_error_text(r->ctx));
        const int chosen = chosen_for(r, &p, 3, width++);
        assert_true(chosen == SLOW || chosen == FAST || chosen == PLAIN);
        limn_device_trim(r->device);
        limn_device_memory(r->device, &after, &peak);
        assert_int_equal(after, before);
    }
    for (unsigned long nth = 1; nth < 120; nth += 1 + nth / 20) {
        limn_memory_fail_at(0, false);
        limn_memory_fail_at(nth, false);
        *limn_tuning_spent(r->device) = 0;
        const limn_status status = tune(r, &p, width++, true);
        limn_memory_fail_at(0, false);
        assert_true(status == LIMN_OK || status == LIMN_FAILED);
        limn_device_trim(r->device);
        limn_device_memory(r->device, &after, &peak);
        assert_int_equal(after, before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_faster_one_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_must_be_faster_by_a_margin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(faulty_ones_are_turned_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_gradient_has_a_choice_of_its_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unasked_it_measures_once_and_not_for_long, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_store_nothing_is_measured_unasked, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stopped_it_keeps_what_it_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_measured_here_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(faults_leave_nothing_behind, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
