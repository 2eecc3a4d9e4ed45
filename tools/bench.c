#define _POSIX_C_SOURCE 200809L /* open_memstream */
/* limn bench: how fast is this device? */
#include "bench.h"
#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void bench_print_peak(const bench_sheet *s)
{
    if (bench_prints(s))
        printf("%s: peak %.1f GFLOP/s, %.2f GB/s\n", s->device, 1e-9 * s->peak.flops,
               1e-9 * s->peak.bandwidth);
}

/* ---- ops --------------------------------------------------------------------------------------
 */

static void note(void *user, const limn_bench_row *row)
{
    bench_sheet *s = user;
    const double seconds = row->time.seconds;
    const double share = limn_bench_least_seconds(&s->peak, row->flops, row->bytes) / seconds;
    if (!s->headed)
        bench_print_peak(s);
    if (bench_prints(s) && !s->headed) {
        printf("\n%-18s %-9s %10s %7s %9s %8s %7s  %s\n", "op", "", "ms", "spread", "GFLOP/s",
               "GB/s", "of peak", "case");
    }
    s->headed = true;
    if (bench_prints(s)) {
        printf("%-18s %-9s %10.4f %6.1f%% %9.2f %8.2f %6.1f%%  %s\n", row->op, row->direction,
               1e3 * seconds, 100 * row->time.spread, 1e-9 * row->flops / seconds,
               1e-9 * row->bytes / seconds, 100 * share, row->shape);
        fflush(stdout);
    }
    fprintf(s->csv, "%s,%s,\"%s\",%.9g,%.9g,%d,%.9g,%.9g,%.9g\n", row->op, row->direction,
            row->shape, seconds, row->time.spread, row->time.samples, 1e-9 * row->flops / seconds,
            1e-9 * row->bytes / seconds, share);
    json_array_append_new(
        s->rows,
        json_pack("{ss ss ss sf sf sf si sf sf sf sI}", "op", row->op, "direction", row->direction,
                  "case", row->shape, "seconds", seconds, "cpu_seconds", row->time.cpu, "spread",
                  row->time.spread, "samples", row->time.samples, "gflops",
                  1e-9 * row->flops / seconds, "gbytes", 1e-9 * row->bytes / seconds, "of_peak",
                  share, "bytes", (json_int_t)row->memory));
}

/* The arguments, each checked before anything is measured; none: all. */
static limn_status choose_ops(cli *c, const char *ops[BENCH_MAX_OPS + 1])
{
    const char *known[BENCH_MAX_OPS + 1] = {NULL};
    for (size_t i = 0; i < BENCH_MAX_OPS && (known[i] = limn_bench_op_at(i)); i++)
        ops[i] = known[i];
    for (int a = 0; a < cli_argument_count(c) && a < BENCH_MAX_OPS; a++) {
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

/* ---- the command ------------------------------------------------------------------------------
 */

static limn_status check_arch(cli *c, const char *wanted)
{
    const char *known[BENCH_MAX_OPS + 1] = {NULL};
    const limn_arch_info *arch;
    for (size_t i = 0; i < BENCH_MAX_OPS && (arch = limn_arch_at(i)); i++) {
        if (strcmp(arch->name, wanted) == 0)
            return LIMN_OK;
        known[i] = arch->name;
    }
    const char *nearest = cli_nearest(wanted, known);
    cli_fail(c, LIMN_BAD_USAGE, "unknown architecture", wanted, "limn does not know it");
    cli_hint(c, "did you mean %s? `limn help bench` lists all", nearest ? nearest : known[0]);
    return LIMN_BAD_USAGE;
}

static limn_status needs(cli *c, const char *option, const char *what, const char *hint)
{
    cli_fail(c, LIMN_BAD_USAGE, "option out of place", option, "%s", what);
    cli_hint(c, "%s", hint);
    return LIMN_BAD_USAGE;
}

/* Options that mean nothing without another. */
static limn_status check_options(cli *c)
{
    static const char *const whole[] = {"batch", "size",  "channels", "inference", "profile",
                                        "loss",  "views", "method",   "recompute", NULL};
    static const char *const step[] = {"inference", "profile", "loss", "views", "recompute", NULL};
    const bool arch = cli_has(c, "arch"), method = cli_has(c, "method");
    if (cli_given(c, "cases") && cli_argument_count(c) != 1)
        return needs(c, "--cases", "they are of one op",
                     "for example `limn bench relu --cases f32[8,32,32,64]`");
    for (int i = 0; whole[i] && !arch; i++)
        if (cli_given(c, whole[i]))
            return needs(c, whole[i], "it is about a whole network, which needs --arch",
                         "`limn help bench` lists the architectures");
    if (cli_given(c, "masks") && !method)
        return needs(c, "masks", "it is about explanations, which need --method",
                     "for example --method rise");
    for (int i = 0; step[i] && method; i++)
        if (cli_given(c, step[i]))
            return needs(c, step[i], "it is about a step, not about explanations",
                         "leave it or --method out");
    if (cli_flag(c, "inference") && (cli_given(c, "loss") || cli_given(c, "views")))
        return needs(c, "inference", "it has no loss and one view", "leave --loss and --views out");
    if (cli_flag(c, "inference") && cli_flag(c, "recompute"))
        return needs(c, "recompute", "it is about backward, which inference has not",
                     "leave it or --inference out");
    return arch ? check_arch(c, cli_text(c, "arch")) : LIMN_OK;
}

static limn_status measure(bench_sheet *s, limn_device *device)
{
    cli *c = s->c;
    const char *ops[BENCH_MAX_OPS + 1] = {NULL};
    json_t *step = NULL, *explain = NULL;
    limn_status status = choose_ops(c, ops);
    const limn_bench_params brief = {.seconds = 0.5};
    if (status == LIMN_OK)
        status = limn_bench_peak_measure(device, &brief, &s->peak);
    s->device = limn_device_describe(device)->name;
    const bool whole = cli_has(c, "arch");
    for (int i = 0; ops[i] && status == LIMN_OK && (!whole || cli_argument_count(c)); i++)
        status = limn_bench_op(device, ops[i], &s->params, note, s);
    if (status == LIMN_OK && whole && cli_has(c, "method"))
        status = bench_explain(s, device, &explain);
    else if (status == LIMN_OK && whole)
        status = bench_step(s, device, &step);
    if (status == LIMN_OK && cli_json(c))
        return cli_print_json(c, json_pack("{ss ss ss s{sf sf} sO so* so*}", "device",
                                           limn_device_describe(device)->name, "driver",
                                           limn_device_describe(device)->driver, "precision",
                                           cli_text(c, "precision"), "peak", "gflops",
                                           1e-9 * s->peak.flops, "gbytes", 1e-9 * s->peak.bandwidth,
                                           "ops", s->rows, "step", step, "explain", explain));
    json_decref(step);
    json_decref(explain);
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
    bench_sheet s = {.c = c,
                     .params = {.seconds = cli_float(c, "seconds"),
                                .samples = (int)cli_int(c, "samples"),
                                .seed = (uint64_t)cli_int(c, "seed"),
                                .cases = cli_text(c, "cases")}};
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
        (const char *const[]){"[OP...]", "OP --cases TEXT",
                              "--arch NAME [--loss NAME] [--batch N] [--inference] [--profile]",
                              "--arch NAME --method NAME [--masks N]", NULL},
    .text =
        "First the device's own peaks: fused multiply-adds in registers, and a copy between two "
        "large buffers. Then each op, forward and backward, at shapes of real networks; or, with "
        "--arch, a training step (forward, loss, backward, SGD) or inference on random images; or, "
        "with --method, the explanation of one image of 224x224 by a fresh network. Times are "
        "medians; spread is the distance of the quartiles over the median. GB/s "
        "counts every input and output once, or twice what an op has to see as a whole before it "
        "can write (batch_norm in training). 'of peak' is the time that a perfect program would "
        "need, whichever of arithmetic and memory traffic takes longer, over the time measured.\n"
        "With --profile 'of bound' is the same for an op's steps together; an algorithm that needs "
        "less "
        "arithmetic than the op's definition may pass 100 %.\n"
        "With --arch the growth of the process is its peak resident set during the measured steps "
        "less what it held when the model was made and all kernels were compiled.",
    .arguments = "[OP...]",
    .max_arguments = -1,
    .options = (const limn_option[]){{.name = "cases",
                                      .kind = CLI_TEXT,
                                      .argument = "TEXT",
                                      .shown = "the op's own",
                                      .help = "parameters and inputs of one op, as the column "
                                              "'case' shows them; ';' between cases"},
                                     {.name = "batch",
                                      .kind = CLI_INT,
                                      .shown = "64, with --method what it chooses",
                                      .min = 1,
                                      .max = 65536,
                                      .help = "with --arch: images in a step, changed copies at a "
                                              "time"},
                                     {.name = "size",
                                      .kind = CLI_SIZE,
                                      .shown = "32, with --method 224",
                                      .min = 1,
                                      .max = 8192,
                                      .help = "with --arch: height and width of the images"},
                                     {.name = "loss",
                                      .kind = CLI_TEXT,
                                      .argument = "NAME",
                                      .shown = "ce",
                                      .help = "with --arch: loss of a training step, as in train"},
                                     {.name = "views",
                                      .kind = CLI_INT,
                                      .fallback = "1",
                                      .min = 1,
                                      .max = 2,
                                      .help = "with --arch: rows of each image in a step"},
                                     {.name = "method",
                                      .kind = CLI_TEXT,
                                      .argument = "NAME",
                                      .help = "with --arch: explain an image by this method"},
                                     {.name = "masks",
                                      .kind = CLI_INT,
                                      .shown = "the method's",
                                      .min = 1,
                                      .max = 1e8,
                                      .help = "with --method: number of masks"},
                                     {.name = "channels",
                                      .kind = CLI_INT,
                                      .fallback = "3",
                                      .min = 1,
                                      .max = LIMN_MAX_CHANNELS,
                                      .help = "with --arch: channels of the images"},
                                     {.name = "inference",
                                      .kind = CLI_FLAG,
                                      .help = "with --arch: forward only, no training"},
                                     {.name = "recompute",
                                      .kind = CLI_FLAG,
                                      .help = "with --arch: values inside of blocks are made again "
                                              "in backward, less memory for about a third more "
                                              "time"},
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
    .precision = CLI_DEVICE_PRECISION,
    .more_help = more_help,
    .examples =
        (const limn_example[]){
            {"limn bench conv2d linear", "two ops, forward and backward"},
            {"limn bench --arch cifar-resnet18 --batch 64 --profile",
             "a training step, and where its time goes"},
            {"limn bench conv2d --cases 'pad=1 f32[32,56,56,64] f32[64,64,3,3]'",
             "one layer of one's own"},
            {"limn bench --arch cifar-resnet18 --loss supcon --views 2 --batch 128",
             "a contrastive step of 256 rows"},
            {"limn bench --arch resnet18 --method rise --masks 2000", "a heatmap by random masks"},
            {"limn bench --arch resnet50 --size 224 --batch 8 --inference --json",
             "inference, for scripts"},
            {0}},
    .run = run,
};
