/* test-ops [--list] [FILTER]: tests every op; a failing case is printed as the filter that repeats
 * it.  LIMN_TEST_SEED changes the drawn values; LIMN_TEST_SIMULATOR says that it runs in one;
 * LIMN_TEST_GPU_FORMS runs what GPUs would. */
#include "harness.h"
#include "simulator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_list.h"

#define LIMN_TEST_DECLARE(name) extern const limn_op_test limn_test_##name;
LIMN_OP_LIST(LIMN_TEST_DECLARE)

static const limn_op_test *const tests[] = {
#define LIMN_TEST_ROW(name) &limn_test_##name,
    LIMN_OP_LIST(LIMN_TEST_ROW)};

typedef struct tally {
    int passed, failed;
} tally;

static void case_text(const limn_op_test *test, const limn_op_case *c, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s %s", test->op, c->params);
    for (int i = 0; i < c->in_count && used < size; i++) {
        char desc[64];
        used += (size_t)snprintf(text + used, size - used, " %s",
                                 limn_desc_text(&c->in[i], desc, sizeof desc));
    }
}

/* sum(out * grad_out) of the reference, with the inputs as they are. */
static double objective(limn_op_values *v)
{
    limn_op_values_forward(v);
    double sum = 0;
    for (int i = 0; i < v->plan.out_count; i++)
        if (v->plan.out[i].dtype == LIMN_F32)
            for (int64_t j = 0; j < limn_desc_count(&v->plan.out[i]); j++)
                sum += v->out[i][j] * v->grad_out[i][j];
    return sum;
}

/* Central difference at one element; `kink` tells that two step sizes disagree, as at a ReLU's
 * corner or a max-pool's tie. */
static double difference(limn_op_values *v, double *at, double step, bool *kink)
{
    double slope[2];
    const double middle = *at;
    for (int i = 0; i < 2; i++, step /= 2) {
        *at = middle + step;
        const double high = objective(v);
        *at = middle - step;
        slope[i] = (high - objective(v)) / (2 * step);
        *at = middle;
    }
    *kink = fabs(slope[0] - slope[1]) > 1e-3 * (fabs(slope[0]) + fabs(slope[1]) + 1e-3);
    return slope[1];
}

/* About how many operations a forward of the reference takes, and what it is compared by. */
static double reference_cost(const limn_op_values *v)
{
    double elements = 0;
    for (int i = 0; i < v->in_count; i++)
        elements += (double)limn_desc_count(&v->in_desc[i]);
    for (int i = 0; i < v->plan.out_count; i++)
        elements += (double)limn_desc_count(&v->plan.out[i]);
    return v->plan.flops + 8 * elements;
}

/* The reference's backward against central differences of its forward, at up to 40 elements of
 * each input, at fewer where a forward is long, at none where one is very long: it is the same
 * reference that small cases probe.  Returns the number of elements that disagree. */
static int check_differences(limn_op_values *v, double step)
{
    static const double budget = 2e7, very_long = 1e8; /* operations, for an input */
    const double cost = reference_cost(v), runs = budget / cost;
    const int64_t most = runs > 40 ? 40 : runs > 1 ? (int64_t)runs : 1;
    int wrong = 0;
    if (cost > very_long)
        return 0;
    objective(v);
    limn_op_values_backward(v);
    for (int i = 0; i < v->in_count; i++) {
        if (!v->grad_in[i])
            continue;
        const int64_t count = limn_desc_count(&v->in_desc[i]);
        const int64_t stride = count > most ? count / most : 1;
        double scale = 1e-6;
        for (int64_t j = 0; j < count; j++)
            scale = fmax(scale, fabs(v->grad_in[i][j]));
        for (int64_t j = 0; j < count; j += stride) {
            const double stated = v->grad_in[i][j];
            bool kink;
            const double seen = difference(v, &v->in[i][j], step, &kink);
            if (!kink && !(fabs(seen - stated) <= 1e-4 * scale + 1e-7)) {
                printf("  input %d element %lld: reference gradient %g, central difference %g\n", i,
                       (long long)j, stated, seen);
                wrong++;
            }
        }
    }
    return wrong;
}

static bool judge(const limn_op_test *test, const limn_op_case *c, const limn_op_check *seen)
{
    const double growth = test->growth ? test->growth(c) : 1, forward = growth * test->tolerance,
                 backward = growth * test->backward_tolerance;
    bool good = true;
    if (!(seen->forward_error <= forward)) {
        printf("  forward error %.3g, allowed %.3g\n", seen->forward_error, forward);
        good = false;
    }
    if (seen->has_backward && !(seen->backward_error <= backward)) {
        printf("  backward error %.3g, allowed %.3g\n", seen->backward_error, backward);
        good = false;
    }
    if (!c->zero_reference &&
        (seen->forward_scale == 0 || (seen->has_backward && seen->backward_scale == 0))) {
        printf("  the reference is all zero: nothing was judged\n");
        good = false;
    }
    if (!seen->guards_intact)
        printf("  bytes after a buffer were overwritten\n");
    if (!seen->inputs_intact)
        printf("  an input was changed\n");
    if (!seen->repeats)
        printf("  a second run gave other bits\n");
    return good && seen->guards_intact && seen->inputs_intact && seen->repeats;
}

/* One way to run a case; what is wrong is said with that way. */
static bool check_way(limn_context *ctx, limn_device *device, const limn_op_test *test,
                      const limn_op_case *c, uint64_t seed, limn_op_check_way way)
{
    limn_op_check seen;
    const limn_status status = limn_op_check_run(device, limn_op_find(test->op), c->params, c->in,
                                                 c->in_count, seed, &way, &seen);
    if (limn_test_simulated())
        limn_device_trim(device); /* the next gets fresh buffers: see simulator.h */
    if (status != LIMN_OK)
        printf("  %s\n", limn_error_text(ctx));
    if (status == LIMN_OK && judge(test, c, &seen))
        return true;
    if (way.in_place >= 0)
        printf("  in place of input %d\n", way.in_place);
    else if (way.asked != ~0u)
        printf("  asked for gradients %#x alone\n", way.asked);
    return false;
}

static bool reference_holds(limn_device *device, const limn_op_test *test, const limn_op_case *c,
                            uint64_t seed)
{
    limn_op_values v;
    if (limn_op_values_create(device, limn_op_find(test->op), c->params, c->in, c->in_count, seed,
                              &v) != LIMN_OK)
        return false;
    const double step = test->difference_step ? test->difference_step : 1e-5;
    const bool good = check_differences(&v, step) == 0;
    limn_op_values_free(&v);
    return good;
}

/* `probe`: whether the reference is to be probed, too. */
static bool run_case(limn_context *ctx, limn_device *device, const limn_op_test *test,
                     const limn_op_case *c, uint64_t seed, bool probe)
{
    const limn_op *op = limn_op_find(test->op);
    bool good = check_way(ctx, device, test, c, seed, (limn_op_check_way){~0u, -1});
    if (op->differentiable && probe)
        good = reference_holds(device, test, c, seed) && good;
    for (int i = 0; i < c->in_count; i++)
        if (op->in_place >> i & 1)
            good = check_way(ctx, device, test, c, seed, (limn_op_check_way){0, i}) && good;
    for (size_t i = 0; test->asked[i]; i++)
        if (test->asked[i] < 1u << c->in_count)
            good = check_way(ctx, device, test, c, seed, (limn_op_check_way){test->asked[i], -1}) &&
                   good;
    return good;
}

bool limn_test_simulated(void)
{
    return getenv("LIMN_TEST_SIMULATOR") != NULL;
}

int limn_op_case_form(const limn_op_case *c)
{
    static const char key[] = "impl=";
    const size_t length = strlen(key);
    return strncmp(c->params, key, length) == 0 ? (int)strtol(c->params + length, NULL, 10) : 0;
}

static bool names_one_of(const limn_op_case *c, unsigned forms)
{
    const int form = limn_op_case_form(c);
    return form && (forms >> form & 1);
}

/* A case's parameters without its form. */
static const char *params_of_all(const limn_op_case *c)
{
    return limn_op_case_form(c) ? c->params + strcspn(c->params, " ") : c->params;
}

/* Whether two cases have one reference: they differ in their form at most. */
static bool same_reference(const limn_op_case *a, const limn_op_case *b)
{
    if (a->in_count != b->in_count || strcmp(params_of_all(a), params_of_all(b)) != 0)
        return false;
    for (int i = 0; i < a->in_count; i++)
        if (!limn_desc_equal(&a->in[i], &b->in[i]))
            return false;
    return true;
}

/* A simulator interprets: it gets the small cases. */
static bool too_large(const limn_op_test *test, size_t which)
{
    enum { MOST = 2000, MOST_IF_SLOW = 1400 };
    const limn_op_case *c = &test->cases[which];
    int64_t count = 0;
    for (int i = 0; i < c->in_count; i++)
        count += limn_desc_count(&c->in[i]);
    return limn_test_simulated() && which >= test->simulated &&
           count > (names_one_of(c, test->slow_forms) ? MOST_IF_SLOW : MOST);
}

static bool gpu_forms(void)
{
    return getenv("LIMN_TEST_GPU_FORMS") != NULL;
}

static void count_one(bool good, tally *sum)
{
    sum->passed += good;
    sum->failed += !good;
}

static void run_cases(limn_context *ctx, limn_device *device, const limn_op_test *test,
                      const char *filter, uint64_t seed, bool list, tally *sum)
{
    const limn_op_case *probed = NULL;
    for (size_t i = 0; i < test->case_count; i++) {
        char text[512];
        case_text(test, &test->cases[i], text, sizeof text);
        if (strncmp(text, filter, strlen(filter)) != 0 || too_large(test, i) ||
            (gpu_forms() && names_one_of(&test->cases[i], test->cpu_forms)))
            continue;
        if (list) {
            puts(text);
            continue;
        }
        limn_device_allow_half(device, names_one_of(&test->cases[i], test->half_forms) ? ~0u : 0);
        const bool probe = !probed || !same_reference(probed, &test->cases[i]);
        const bool good = run_case(ctx, device, test, &test->cases[i], seed, probe);
        limn_device_allow_half(device, 0);
        probed = &test->cases[i];
        if (!good)
            printf("FAILED: '%s' (seed %llu)\n", text, (unsigned long long)seed);
        count_one(good, sum);
    }
}

/* Whether a filter takes all of an op: "", "conv2d", "conv2d ". */
static bool takes_op(const char *filter, const char *op)
{
    const size_t length = strcspn(filter, " ");
    return strncmp(op, filter, length) == 0 && (length == 0 || !op[length]) &&
           !filter[length + strspn(filter + length, " ")];
}

static void set_cpu(limn_device *device, bool is_cpu)
{
    ((limn_device_limits *)(uintptr_t)limn_device_get_limits(device))->is_cpu = is_cpu;
}

/* In a simulator: the kernels for GPUs too, then whether any of the op's never ran. */
static void simulate_more(limn_context *ctx, limn_device *device, const limn_op_test *test,
                          const char *filter, uint64_t seed, tally *sum)
{
    if (!test->names_forms) {
        set_cpu(device, false);
        run_cases(ctx, device, test, filter, seed, false, sum);
        set_cpu(device, true);
    }
    const int missed = simulator_missed(test->op);
    if (missed)
        printf("FAILED: %d kernels of %s\n", missed, test->op);
    count_one(!missed, sum);
}

static void run_test(limn_context *ctx, limn_device *device, const limn_op_test *test,
                     const char *filter, uint64_t seed, bool list, tally *sum)
{
    run_cases(ctx, device, test, filter, seed, list, sum);
    if (!list && takes_op(filter, test->op)) {
        const int wrong = test->known_answers ? test->known_answers(device) : 0;
        if (wrong)
            printf("FAILED: %d known answers of %s\n", wrong, test->op);
        if (test->known_answers)
            count_one(!wrong, sum);
        if (limn_test_simulated())
            simulate_more(ctx, device, test, filter, seed, sum);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
    const char *filter = argc > 1 + list ? argv[1 + list] : "";
    const char *seed_text = getenv("LIMN_TEST_SEED");
    const uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 1;
    limn_context *ctx;
    limn_device *device;
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return 1;
    const limn_cl_api api = simulator_api();
    if (limn_test_simulated())
        limn_context_set_driver(ctx, &api);
    const limn_status opened = limn_device_open(ctx, NULL, &device);
    if (opened != LIMN_OK) {
        printf("skipped: %s\n", limn_error_text(ctx));
        limn_context_destroy(&ctx);
        return opened == LIMN_NO_DEVICE ? 77 : 1;
    }
    if (gpu_forms())
        set_cpu(device, false);
    tally sum = {0};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        run_test(ctx, device, tests[i], filter, seed, list, &sum);
    limn_device_close(&device);
    limn_context_destroy(&ctx);
    if (!list)
        printf("%d passed, %d failed\n", sum.passed, sum.failed);
    return sum.failed || (!list && !sum.passed) ? 1 : 0;
}
