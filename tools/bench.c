#define _POSIX_C_SOURCE 200809L /* open_memstream */
/* limn bench: how fast is this device? */
#include "cli.h"
#include "model.h"

#include "limn/bench.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPS = 256 };

typedef struct sheet {
    cli *c;
    json_t *rows;
    limn_bench_params params;
    limn_bench_peak peak;
    FILE *csv;
    bool headed;
} sheet;

static bool prints(const sheet *s)
{
    return !cli_json(s->c) && !cli_quiet(s->c);
}

/* ---- ops --------------------------------------------------------------------------------------
 */

static void note(void *user, const limn_bench_row *row)
{
    sheet *s = user;
    const double seconds = row->time.seconds;
    const double share = limn_bench_least_seconds(&s->peak, row->flops, row->bytes) / seconds;
    if (prints(s) && !s->headed) {
        printf("\n%-18s %-9s %10s %7s %9s %8s %7s  %s\n", "op", "", "ms", "spread", "GFLOP/s",
               "GB/s", "of peak", "case");
        s->headed = true;
    }
    if (prints(s)) {
        printf("%-18s %-9s %10.4f %6.1f%% %9.2f %8.2f %6.1f%%  %s\n", row->op, row->direction,
               1e3 * seconds, 100 * row->time.spread, 1e-9 * row->flops / seconds,
               1e-9 * row->bytes / seconds, 100 * share, row->shape);
        fflush(stdout);
    }
    fprintf(s->csv, "%s,%s,\"%s\",%.9g,%.9g,%d,%.9g,%.9g,%.9g\n", row->op, row->direction,
            row->shape, seconds, row->time.spread, row->time.samples, 1e-9 * row->flops / seconds,
            1e-9 * row->bytes / seconds, share);
    json_array_append_new(s->rows,
                          json_pack("{ss ss ss sf sf si sf sf sf}", "op", row->op, "direction",
                                    row->direction, "case", row->shape, "seconds", seconds,
                                    "spread", row->time.spread, "samples", row->time.samples,
                                    "gflops", 1e-9 * row->flops / seconds, "gbytes",
                                    1e-9 * row->bytes / seconds, "of_peak", share));
}

/* The arguments, each checked before anything is measured; none: all. */
static limn_status choose_ops(cli *c, const char *ops[MAX_OPS + 1])
{
    const char *known[MAX_OPS + 1] = {NULL};
    for (size_t i = 0; i < MAX_OPS && (known[i] = limn_bench_op_at(i)); i++)
        ops[i] = known[i];
    for (int a = 0; a < cli_argument_count(c) && a < MAX_OPS; a++) {
        const char *wanted = cli_argument(c, a);
        size_t i = 0;
        while (known[i] && strcmp(known[i], wanted) != 0)
            i++;
        if (!known[i]) {
            const char *nearest = cli_nearest(wanted, known);
            cli_fail(c, LIMN_BAD_USAGE, "unknown op", wanted, "there is no benchmark of it");
            if (nearest)
                cli_hint(c, "did you mean %s?", nearest);
            else
                cli_hint(c, "`limn help bench` lists the ops");
            return LIMN_BAD_USAGE;
        }
        ops[a] = known[i];
        ops[a + 1] = NULL;
    }
    return LIMN_OK;
}

/* ---- a whole step -----------------------------------------------------------------------------
 */

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
} op_time;

static int longest_first(const void *a, const void *b)
{
    const op_time *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static int sum_by_op(const limn_bench_step_result *r, op_time ops[MAX_OPS])
{
    int count = 0;
    for (size_t i = 0; i < r->kernel_count; i++) {
        const limn_bench_kernel *kernel = &r->kernels[i];
        int at = 0;
        while (at < count && strcmp(ops[at].op, kernel->op) != 0)
            at++;
        if (at == MAX_OPS)
            continue;
        if (at == count)
            ops[count++] = (op_time){.op = kernel->op};
        ops[at].seconds += kernel->seconds;
        ops[at].launches += kernel->launches;
    }
    qsort(ops, (size_t)count, sizeof *ops, longest_first);
    return count;
}

static void print_profile(const limn_bench_step_result *r, const op_time *ops, int count)
{
    double total = 0;
    for (int i = 0; i < count; i++)
        total += ops[i].seconds;
    printf("\n%-34s %10s %9s %7s\n", "op, kernel", "ms", "launches", "share");
    for (int i = 0; i < count; i++) {
        printf("%-34s %10.3f %9.0f %6.1f%%\n", ops[i].op, 1e3 * ops[i].seconds, ops[i].launches,
               100 * ops[i].seconds / total);
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
        json_array_append_new(rows, json_pack("{ss sf sf}", "op", ops[i].op, "launches",
                                              ops[i].launches, "seconds", ops[i].seconds));
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
    op_time ops[MAX_OPS];
    int op_count;
} step_report;

static void print_step(const step_report *t)
{
    const limn_bench_step_params *p = &t->params;
    const limn_bench_step_result *r = &t->result;
    const double seconds = r->time.seconds, mebibyte = 1 << 20;
    printf("\n%s, %s, batch %lld, %lldx%lld\n", p->arch,
           p->inference ? "inference" : "training step", (long long)p->batch, (long long)p->height,
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
    return json_pack("{ss sb sI sI sI sf sf sf si sf sf sf sI sI sI sI so so}", "arch", p->arch,
                     "inference", p->inference, "batch", (json_int_t)p->batch, "height",
                     (json_int_t)p->height, "width", (json_int_t)p->width, "seconds", seconds,
                     "cpu_seconds", r->time.cpu, "spread", r->time.spread, "samples",
                     r->time.samples, "images_per_second", (double)p->batch / seconds, "gflops",
                     1e-9 * r->flops / seconds, "of_peak", t->of_peak, "planned_bytes",
                     (json_int_t)r->memory, "state_bytes", (json_int_t)r->state, "resident_before",
                     (json_int_t)t->held, "resident_peak", (json_int_t)t->peak, "ops",
                     op_rows(t->ops, t->op_count), "kernels", kernel_rows(r));
}

static limn_status bench_step(sheet *s, limn_device *device, json_t **out)
{
    cli *c = s->c;
    step_report t = {.params = {.arch = cli_text(c, "arch"),
                                .batch = cli_int(c, "batch"),
                                .channels = cli_int(c, "channels"),
                                .class_count = (int)cli_int(c, "classes"),
                                .inference = cli_flag(c, "inference")}};
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
        t.op_count = sum_by_op(&t.result, t.ops);
        if (prints(s))
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

/* ---- the command ------------------------------------------------------------------------------
 */

static limn_status check_arch(cli *c, const char *wanted)
{
    const char *known[MAX_OPS + 1] = {NULL};
    const limn_arch_info *arch;
    for (size_t i = 0; i < MAX_OPS && (arch = limn_arch_at(i)); i++) {
        if (strcmp(arch->name, wanted) == 0)
            return LIMN_OK;
        known[i] = arch->name;
    }
    const char *nearest = cli_nearest(wanted, known);
    cli_fail(c, LIMN_BAD_USAGE, "unknown architecture", wanted, "limn does not know it");
    cli_hint(c, "did you mean %s? `limn help bench` lists all", nearest ? nearest : known[0]);
    return LIMN_BAD_USAGE;
}

/* Options that mean nothing without --arch. */
static limn_status check_options(cli *c)
{
    if (cli_has(c, "arch"))
        return check_arch(c, cli_text(c, "arch"));
    static const char *const names[] = {"batch", "size", "channels", "inference", "profile", NULL};
    for (int i = 0; names[i]; i++)
        if (cli_given(c, names[i])) {
            cli_fail(c, LIMN_BAD_USAGE, "no architecture", names[i],
                     "it is about a whole step, which needs --arch");
            cli_hint(c, "`limn help bench` lists the architectures");
            return LIMN_BAD_USAGE;
        }
    return LIMN_OK;
}

static limn_status measure(sheet *s, limn_device *device)
{
    cli *c = s->c;
    const char *ops[MAX_OPS + 1] = {NULL};
    json_t *step = NULL;
    limn_status status = choose_ops(c, ops);
    const limn_bench_params brief = {.seconds = 0.5};
    if (status == LIMN_OK)
        status = limn_bench_peak_measure(device, &brief, &s->peak);
    if (status == LIMN_OK && prints(s))
        printf("%s: peak %.1f GFLOP/s, %.2f GB/s\n", limn_device_describe(device)->name,
               1e-9 * s->peak.flops, 1e-9 * s->peak.bandwidth);
    const bool whole = cli_has(c, "arch");
    for (int i = 0; ops[i] && status == LIMN_OK && (!whole || cli_argument_count(c)); i++)
        status = limn_bench_op(device, ops[i], &s->params, note, s);
    if (status == LIMN_OK && whole)
        status = bench_step(s, device, &step);
    if (status == LIMN_OK && cli_json(c))
        return cli_print_json(c, json_pack("{ss ss s{sf sf} sO so*}", "device",
                                           limn_device_describe(device)->name, "driver",
                                           limn_device_describe(device)->driver, "peak", "gflops",
                                           1e-9 * s->peak.flops, "gbytes", 1e-9 * s->peak.bandwidth,
                                           "ops", s->rows, "step", step));
    json_decref(step);
    return status;
}

/* The text appears under its name whole or not at all. */
static limn_status write_csv(cli *c, const char *path, const char *text, size_t size)
{
    char *part = malloc(strlen(path) + sizeof ".part");
    if (!part)
        return cli_fail(c, LIMN_FAILED, "out of memory", "bench", "the host has no more memory");
    sprintf(part, "%s.part", path);
    FILE *file = fopen(part, "w");
    bool whole = file && fwrite(text, 1, size, file) == size;
    if (file)
        whole = fclose(file) == 0 && whole;
    const int code = whole && rename(part, path) == 0 ? 0 : errno;
    if (code)
        remove(part);
    free(part);
    return code ? cli_fail(c, LIMN_FAILED, "cannot write", path, "%s", strerror(code)) : LIMN_OK;
}

static limn_status run(cli *c)
{
    sheet s = {.c = c,
               .params = {.seconds = cli_float(c, "seconds"),
                          .samples = (int)cli_int(c, "samples"),
                          .seed = (uint64_t)cli_int(c, "seed")}};
    char *text = NULL;
    size_t size = 0;
    limn_device *device = NULL;
    limn_status status = LIMN_OK;
    s.csv = open_memstream(&text, &size);
    s.rows = json_array();
    if (!s.csv || !s.rows)
        status = cli_fail(c, LIMN_FAILED, "out of memory", "bench", "the host has no more memory");
    else
        fputs("name,direction,case,seconds,spread,samples,gflops,gbytes,of_peak\n", s.csv);
    if (status == LIMN_OK)
        status = check_options(c);
    if (status == LIMN_OK)
        status = cli_device_open(c, &device);
    if (status == LIMN_OK)
        status = measure(&s, device);
    if (s.csv && fclose(s.csv) != 0 && status == LIMN_OK)
        status = cli_fail(c, LIMN_FAILED, "out of memory", "bench", "the host has no more memory");
    if (status == LIMN_OK && cli_has(c, "csv"))
        status = write_csv(c, cli_text(c, "csv"), text, size);
    free(text);
    json_decref(s.rows);
    limn_device_close(&device);
    return status;
}

static void more_help(FILE *out)
{
    fprintf(out, "\nOps:\n ");
    const char *name;
    int column = 1;
    for (size_t i = 0; (name = limn_bench_op_at(i)); i++) {
        const int length = (int)strlen(name) + 1;
        if (column + length > 78) {
            fprintf(out, "\n ");
            column = 1;
        }
        fprintf(out, " %s", name);
        column += length;
    }
    fprintf(out, "\n");
    model_help(out);
}

const limn_command bench_command = {
    .name = "bench",
    .summary = "measure how fast a device runs ops and training steps",
    .usage =
        (const char *const[]){"[OP...]", "--arch NAME [--batch N] [--inference] [--profile]", NULL},
    .text =
        "First the device's own peaks: fused multiply-adds in registers, and a copy between two "
        "large buffers. Then each op, forward and backward, at shapes of real networks; or, with "
        "--arch, a training step (forward, cross-entropy, backward, SGD) or inference on random "
        "images. Times are medians; spread is the distance of the quartiles over the median. GB/s "
        "counts every input and output once. 'of peak' is the time that a perfect program would "
        "need, whichever of arithmetic and memory traffic takes longer, over the time measured.\n"
        "With --arch the growth of the process is its peak resident set during the measured steps "
        "less what it held when the model was made and all kernels were compiled.",
    .arguments = "[OP...]",
    .max_arguments = -1,
    .options = (const limn_option[]){{.name = "batch",
                                      .kind = CLI_INT,
                                      .fallback = "64",
                                      .min = 1,
                                      .max = 65536,
                                      .help = "with --arch: images in a step"},
                                     {.name = "size",
                                      .kind = CLI_SIZE,
                                      .fallback = "32",
                                      .min = 1,
                                      .max = 8192,
                                      .help = "with --arch: height and width of the images"},
                                     {.name = "channels",
                                      .kind = CLI_INT,
                                      .fallback = "3",
                                      .min = 1,
                                      .max = LIMN_MAX_CHANNELS,
                                      .help = "with --arch: channels of the images"},
                                     {.name = "inference",
                                      .kind = CLI_FLAG,
                                      .help = "with --arch: forward only, no training"},
                                     {.name = "profile",
                                      .kind = CLI_FLAG,
                                      .help = "with --arch: time of every kernel within a step"},
                                     {.name = "seconds",
                                      .kind = CLI_FLOAT,
                                      .fallback = "1",
                                      .min = 0.001,
                                      .max = 3600,
                                      .help = "time limit of one measurement"},
                                     {.name = "samples",
                                      .kind = CLI_INT,
                                      .fallback = "5",
                                      .min = 1,
                                      .max = 1000,
                                      .help = "samples that are taken even when the time is up"},
                                     {.name = "csv",
                                      .kind = CLI_TEXT,
                                      .argument = "FILE",
                                      .help = "write the table there, too"},
                                     {0}},
    .model_options = true,
    .more_help = more_help,
    .examples =
        (const limn_example[]){
            {"limn bench conv2d linear", "two ops, forward and backward"},
            {"limn bench --arch cifar-resnet18 --batch 64 --profile",
             "a training step, and where its time goes"},
            {"limn bench --arch resnet50 --size 224 --batch 8 --inference --json",
             "inference, for scripts"},
            {0}},
    .run = run,
};
