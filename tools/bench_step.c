/* limn bench: whole steps and explanations. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { STEP_BATCH = 64, STEP_SIDE = 32, IMAGE_SIDE = 224 };

/* Bytes after `key` in /proc/self/status; 0 where there is no such file. */
static uint64_t process_memory(const char *key)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    uint64_t kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            kilobytes = strtoull(line + strlen(key), NULL, 10);
    if (file)
        fclose(file);
    return 1024 * kilobytes;
}

/* Starts the peak anew; where the system will not, the peak stays that of the whole process. */
static void reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (file) {
        fputs("5", file);
        fclose(file);
    }
}

/* Kernels of one op together. */
typedef struct op_time {
    const char *op;
    double seconds, launches;
    double least; /* seconds that a perfect program would need; 0: not known */
} op_time;

static int longest_first(const void *a, const void *b)
{
    const op_time *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static int sum_by_op(const limn_bench_step_result *r, const limn_bench_peak *peak,
                     op_time ops[BENCH_MAX_OPS])
{
    int count = 0;
    for (size_t i = 0; i < r->kernel_count; i++) {
        const limn_bench_kernel *kernel = &r->kernels[i];
        int at = 0;
        while (at < count && strcmp(ops[at].op, kernel->op) != 0)
            at++;
        if (at == BENCH_MAX_OPS)
            continue;
        if (at == count)
            ops[count++] = (op_time){.op = kernel->op};
        ops[at].seconds += kernel->seconds;
        ops[at].launches += kernel->launches;
    }
    for (size_t i = 0; i < r->work_count; i++)
        for (int at = 0; at < count; at++)
            if (strcmp(ops[at].op, r->works[i].op) == 0)
                ops[at].least +=
                    limn_bench_least_seconds(peak, r->works[i].flops, r->works[i].bytes);
    qsort(ops, (size_t)count, sizeof *ops, longest_first);
    return count;
}

static void print_profile(const limn_bench_step_result *r, const op_time *ops, int count)
{
    double total = 0;
    for (int i = 0; i < count; i++)
        total += ops[i].seconds;
    printf("\n%-34s %10s %9s %7s %8s\n", "op, kernel", "ms", "launches", "share", "of bound");
    for (int i = 0; i < count; i++) {
        printf("%-34s %10.3f %9.0f %6.1f%%", ops[i].op, 1e3 * ops[i].seconds, ops[i].launches,
               100 * ops[i].seconds / total);
        if (ops[i].least > 0)
            printf(" %7.1f%%", 100 * ops[i].least / ops[i].seconds);
        printf("\n");
        for (size_t k = 0; k < r->kernel_count; k++)
            if (strcmp(r->kernels[k].op, ops[i].op) == 0)
                printf("  %-32s %10.3f %9.0f %6.1f%%\n", r->kernels[k].kernel,
                       1e3 * r->kernels[k].seconds, r->kernels[k].launches,
                       100 * r->kernels[k].seconds / total);
    }
    printf("%-34s %10.3f\n", "all kernels", 1e3 * total);
}

static json_t *op_rows(const op_time *ops, int count)
{
    json_t *rows = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(rows, json_pack("{ss sf sf sf}", "op", ops[i].op, "launches",
                                              ops[i].launches, "seconds", ops[i].seconds,
                                              "least_seconds", ops[i].least));
    return rows;
}

static json_t *kernel_rows(const limn_bench_step_result *r)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->kernel_count; i++)
        json_array_append_new(
            rows, json_pack("{ss ss sf sf}", "op", r->kernels[i].op, "kernel", r->kernels[i].kernel,
                            "launches", r->kernels[i].launches, "seconds", r->kernels[i].seconds));
    return rows;
}

/* One measured step and what the process held before it and at most. */
typedef struct step_report {
    limn_bench_step_params params;
    limn_bench_step_result result;
    double of_peak;
    uint64_t held, peak;
    op_time ops[BENCH_MAX_OPS];
    int op_count;
} step_report;

static void print_step(const step_report *t)
{
    const limn_bench_step_params *p = &t->params;
    const limn_bench_step_result *r = &t->result;
    const double seconds = r->time.seconds, mebibyte = 1 << 20;
    printf("\n%s, %s%s, batch %lld%s, %lldx%lld\n", p->arch,
           p->inference ? "inference" : "training step by ", p->inference ? "" : p->loss,
           (long long)p->batch, p->views > 1 ? ", two views" : "", (long long)p->height,
           (long long)p->width);
    printf("  %.2f ms (spread %.1f %%, %d samples), %.1f images/s, %.2f GFLOP/s "
           "(%.1f %% of peak)\n",
           1e3 * seconds, 100 * r->time.spread, r->time.samples, (double)p->batch / seconds,
           1e-9 * r->flops / seconds, 100 * t->of_peak);
    printf("  planned %.1f MiB, parameters and momentum %.1f MiB", (double)r->memory / mebibyte,
           (double)r->state / mebibyte);
    if (t->held)
        printf("; the process grew by %.1f MiB", ((double)t->peak - (double)t->held) / mebibyte);
    printf("\n");
    if (t->op_count)
        print_profile(r, t->ops, t->op_count);
}

static json_t *json_step(const step_report *t)
{
    const limn_bench_step_params *p = &t->params;
    const limn_bench_step_result *r = &t->result;
    const double seconds = r->time.seconds;
    return json_pack("{ss sb ss* sI sI sI sI sf sf sf si sf sf sf sI sI sI sI so so}", "arch",
                     p->arch, "inference", p->inference, "loss", p->inference ? NULL : p->loss,
                     "views", (json_int_t)p->views, "batch", (json_int_t)p->batch, "height",
                     (json_int_t)p->height, "width", (json_int_t)p->width, "seconds", seconds,
                     "cpu_seconds", r->time.cpu, "spread", r->time.spread, "samples",
                     r->time.samples, "images_per_second", (double)p->batch / seconds, "gflops",
                     1e-9 * r->flops / seconds, "of_peak", t->of_peak, "planned_bytes",
                     (json_int_t)r->memory, "state_bytes", (json_int_t)r->state, "resident_before",
                     (json_int_t)t->held, "resident_peak", (json_int_t)t->peak, "ops",
                     op_rows(t->ops, t->op_count), "kernels", kernel_rows(r));
}

limn_status bench_step(bench_sheet *s, limn_device *device, json_t **out)
{
    cli *c = s->c;
    step_report t = {.params = {.arch = cli_text(c, "arch"),
                                .batch = cli_has(c, "batch") ? cli_int(c, "batch") : STEP_BATCH,
                                .channels = cli_int(c, "channels"),
                                .class_count = (int)cli_int(c, "classes"),
                                .inference = cli_flag(c, "inference"),
                                .recompute = cli_flag(c, "recompute"),
                                .loss = cli_has(c, "loss") ? cli_text(c, "loss") : "ce",
                                .views = cli_int(c, "views"),
                                .height = STEP_SIDE,
                                .width = STEP_SIDE}};
    cli_size(c, "size", &t.params.height, &t.params.width);
    limn_bench_step *step = NULL;
    limn_status status = limn_bench_step_create(device, &t.params, s->params.seed, &step);
    reset_peak();
    t.held = process_memory("VmRSS:");
    if (status == LIMN_OK)
        status = limn_bench_step_run(step, &s->params, cli_flag(c, "profile"), &t.result);
    t.peak = process_memory("VmHWM:");
    if (status == LIMN_OK) {
        const limn_bench_time *time = &t.result.time;
        t.of_peak = limn_bench_least_seconds(&s->peak, t.result.flops, 0) / time->seconds;
        t.op_count = sum_by_op(&t.result, &s->peak, t.ops);
        if (!s->headed)
            bench_print_peak(s);
        if (bench_prints(s))
            print_step(&t);
        fprintf(s->csv, "%s,%s,\"f32[%lld,%lld,%lld,%lld]\",%.9g,%.9g,%d,%.9g,,%.9g\n",
                t.params.arch, t.params.inference ? "inference" : "training",
                (long long)t.params.batch, (long long)t.params.height, (long long)t.params.width,
                (long long)t.params.channels, time->seconds, time->spread, time->samples,
                1e-9 * t.result.flops / time->seconds, t.of_peak);
        *out = json_step(&t);
    }
    limn_bench_step_destroy(&step);
    return status;
}

/* ---- explanations -----------------------------------------------------------------------------
 */

limn_status bench_explain(bench_sheet *s, limn_device *device, json_t **out)
{
    cli *c = s->c;
    limn_bench_explain_params p = {.arch = cli_text(c, "arch"),
                                   .method = cli_text(c, "method"),
                                   .masks = cli_int(c, "masks"),
                                   .batch = cli_int(c, "batch"),
                                   .height = IMAGE_SIDE,
                                   .width = IMAGE_SIDE,
                                   .channels = cli_int(c, "channels"),
                                   .class_count = (int)cli_int(c, "classes")};
    limn_bench_explain_result r = {0};
    limn_bench_explain *explain = NULL;
    cli_size(c, "size", &p.height, &p.width);
    limn_status status = limn_bench_explain_create(device, &p, s->params.seed, &explain);
    reset_peak();
    const uint64_t held = process_memory("VmRSS:");
    if (status == LIMN_OK)
        status = limn_bench_explain_run(explain, &s->params, &r);
    const uint64_t peak = process_memory("VmHWM:");
    limn_bench_explain_destroy(&explain);
    if (status != LIMN_OK)
        return status;
    if (!s->headed)
        bench_print_peak(s);
    if (bench_prints(s)) {
        printf("\n%s, %s, %lldx%lld\n", p.arch, p.method, (long long)p.height, (long long)p.width);
        printf("  %.2f ms an image (spread %.1f %%, %d samples)", 1e3 * r.time.seconds,
               100 * r.time.spread, r.time.samples);
        if (p.masks)
            printf(", %.3f ms a mask, forward %.2f GFLOP/s", 1e3 * r.time.seconds / (double)p.masks,
                   1e-9 * r.flops * (double)p.masks / r.time.seconds);
        if (held)
            printf("\n  the process grew by %.1f MiB", ((double)peak - (double)held) / (1 << 20));
        printf("\n");
    }
    fprintf(s->csv, "%s,%s,\"f32[1,%lld,%lld,%lld]\",%.9g,%.9g,%d,,,\n", p.arch, p.method,
            (long long)p.height, (long long)p.width, (long long)p.channels, r.time.seconds,
            r.time.spread, r.time.samples);
    *out = json_pack("{ss ss sI sI sI sI sf sf sf si sI sI sI}", "arch", p.arch, "method", p.method,
                     "masks", (json_int_t)p.masks, "batch", (json_int_t)p.batch, "height",
                     (json_int_t)p.height, "width", (json_int_t)p.width, "seconds", r.time.seconds,
                     "cpu_seconds", r.time.cpu, "spread", r.time.spread, "samples", r.time.samples,
                     "state_bytes", (json_int_t)r.state, "resident_before", (json_int_t)held,
                     "resident_peak", (json_int_t)peak);
    return LIMN_OK;
}
