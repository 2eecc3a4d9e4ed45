/* limn tune: which implementation of each layer is the fastest here? */
#include "cli.h"
#include "model.h"

#include "limn/model.h"
#include "limn/tune.h"

#include <jansson.h>
#include <string.h>

/* Measured without --arch: shapes of small and of large images, basic and bottleneck blocks. */
static const char *const common[] = {"cnn-small", "cifar-resnet18", "resnet18", "resnet50", NULL};

enum { MAX_ARCHS = 256 };

typedef struct sheet {
    cli *c;
    json_t *rows;
    bool headed;
} sheet;

static bool prints(const cli *c)
{
    return !cli_json(c) && !cli_quiet(c);
}

/* ---- measuring ------------------------------------------------------------------------------ */

static const limn_tune_trial *trial_of(const limn_tune_row *row, const char *name)
{
    for (int i = 0; i < row->trial_count; i++)
        if (strcmp(row->trials[i].name, name) == 0)
            return &row->trials[i];
    return NULL;
}

static void print_row(sheet *s, const limn_tune_row *row)
{
    if (!s->headed)
        printf("\n%-8s %-8s %-34s %-10s %10s   %s\n", "op", "", "shapes", "chosen", "ms", "others");
    s->headed = true;
    const limn_tune_trial *chosen = trial_of(row, row->chosen);
    printf("%-8s %-8s %-34s %-10s ", row->op, row->direction, row->shape, row->chosen);
    if (chosen)
        printf("%10.3f  ", 1e3 * chosen->seconds);
    else
        printf("%10s  ", "-"); /* the plain form, because no other is right */
    for (int i = 0; i < row->trial_count; i++) {
        const limn_tune_trial *t = &row->trials[i];
        if (t == chosen)
            continue;
        if (*t->fault)
            printf(" %s: %s", t->name, t->fault);
        else
            printf(" %s %.3f", t->name, 1e3 * t->seconds);
    }
    printf("\n");
    fflush(stdout);
}

static void note(void *user, const limn_tune_row *row)
{
    sheet *s = user;
    if (prints(s->c))
        print_row(s, row);
    json_t *trials = json_array();
    for (int i = 0; i < row->trial_count; i++) {
        const limn_tune_trial *t = &row->trials[i];
        json_array_append_new(trials,
                              json_pack("{ss sf sf sf so}", "name", t->name, "seconds", t->seconds,
                                        "error", t->error < 1e30 ? t->error : -1, "bound", t->bound,
                                        "fault", cli_json_text(t->fault)));
    }
    json_array_append_new(s->rows, json_pack("{ss ss ss ss ss so}", "op", row->op, "shapes",
                                             row->shape, "direction", row->direction, "default",
                                             row->preset, "chosen", row->chosen, "trials", trials));
}

/* --arch, each name checked before anything is measured; without it the common ones. */
static limn_status choose_archs(cli *c, const char *const **out)
{
    const char *known[MAX_ARCHS + 1] = {NULL};
    const limn_arch_info *arch;
    *out = common;
    for (size_t i = 0; i < MAX_ARCHS && (arch = limn_arch_at(i)); i++)
        known[i] = arch->name;
    if (!cli_has(c, "arch"))
        return LIMN_OK;
    *out = cli_list(c, "arch", NULL);
    for (const char *const *name = *out; *name; name++) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], *name) != 0)
            i++;
        if (known[i])
            continue;
        const char *nearest = cli_nearest(*name, known);
        cli_fail(c, LIMN_BAD_USAGE, "unknown architecture", *name, "limn does not know it");
        cli_hint(c, "did you mean %s? `limn help tune` lists all", nearest ? nearest : known[0]);
        return LIMN_BAD_USAGE;
    }
    return LIMN_OK;
}

static limn_status measure(sheet *s, limn_device *device, const char *const *archs)
{
    cli *c = s->c;
    limn_tune_params params = {.batch = cli_int(c, "batch"),
                               .channels = cli_int(c, "channels"),
                               .inference = cli_flag(c, "inference"),
                               .all = cli_flag(c, "all"),
                               .seed = (uint64_t)cli_int(c, "seed")};
    cli_size(c, "size", &params.height, &params.width);
    limn_status status = LIMN_OK;
    for (; *archs && status == LIMN_OK; archs++) {
        params.arch = *archs;
        if (prints(c)) {
            printf("%s%s", s->headed ? "\n" : "", *archs);
            s->headed = false;
            fflush(stdout);
        }
        const size_t before = json_array_size(s->rows);
        status = limn_tune_arch(device, &params, note, s);
        if (prints(c) && status == LIMN_OK && json_array_size(s->rows) == before)
            printf(
                ": nothing to measure; one implementation suits each layer, or it is measured\n");
    }
    return status;
}

/* ---- what is known -------------------------------------------------------------------------- */

static limn_status list(sheet *s, limn_device *device)
{
    limn_tune_finding f;
    size_t count = 0;
    for (; limn_tune_finding_at(device, count, &f); count++) {
        if (prints(s->c))
            printf("%-8s %-8s %-34s %-10s %s\n", f.op, f.direction, f.shape, f.choice,
                   f.measured ? "measured" : "default, not measured");
        json_array_append_new(s->rows, json_pack("{ss ss ss ss sb}", "op", f.op, "shapes", f.shape,
                                                 "direction", f.direction, "chosen", f.choice,
                                                 "measured", f.measured));
    }
    if (prints(s->c) && count == 0)
        printf("nothing was found on this device yet\n");
    return LIMN_OK;
}

static limn_status run(cli *c)
{
    sheet s = {.c = c, .rows = json_array()};
    limn_device *device = NULL;
    const char *const *archs = NULL;
    limn_status status =
        s.rows ? choose_archs(c, &archs)
               : cli_fail(c, LIMN_FAILED, "out of memory", "tune", "the host has no more memory");
    if (status == LIMN_OK && cli_flag(c, "list") && cli_flag(c, "clear"))
        status = cli_fail(c, LIMN_BAD_USAGE, "bad options", "--list, --clear",
                          "only one of them can be done");
    if (status == LIMN_OK)
        status = cli_flag(c, "list") || cli_flag(c, "clear") ? cli_device_open_unchecked(c, &device)
                                                             : cli_device_open(c, &device);
    if (status == LIMN_OK && prints(c)) {
        const limn_device_info *info = limn_device_describe(device);
        printf("%s, driver %s of %s\n", info->name, info->driver, info->platform);
    }
    if (status == LIMN_OK)
        status = cli_flag(c, "clear")  ? limn_tune_clear(device)
                 : cli_flag(c, "list") ? list(&s, device)
                                       : measure(&s, device, archs);
    if (status == LIMN_OK && cli_json(c)) {
        const limn_device_info *info = limn_device_describe(device);
        status = cli_print_json(c, json_pack("{so so so sO}", "device", cli_json_text(info->name),
                                             "driver", cli_json_text(info->driver), "platform",
                                             cli_json_text(info->platform), "rows", s.rows));
    }
    json_decref(s.rows);
    limn_device_close(&device);
    return status;
}

const limn_command tune_command = {
    .name = "tune",
    .summary = "find the fastest implementation of each layer on a device",
    .usage = (const char *const[]){"[--arch NAME[,NAME...]] [--batch N] [--inference] [--all]",
                                   "--list | --clear", NULL},
    .text =
        "Runs every implementation that suits a layer on random data, forward and backward, checks "
        "it against the plain form, times those that are right and keeps the fastest. A default "
        "stays unless another is faster by 5 %. Findings are kept for this device, driver and "
        "class of shapes (all of a layer's sizes but the batch) in the cache directory; train, "
        "eval, explain, probe and bench use them.\n"
        "Those commands measure by themselves, for a few seconds, when shapes are new to a device; "
        "this one takes its time and replaces what they found. The same findings give the same "
        "bits. --no-tune or LIMN_TUNE=0 takes the defaults, and so does a system without a cache "
        "directory. A training run goes on with the choices that it began with.",
    .options =
        (const limn_option[]){
            {.name = "arch",
             .kind = CLI_LIST,
             .argument = "NAME[,NAME...]",
             .shown = "cnn-small,cifar-resnet18,resnet18,resnet50",
             .help = "architectures whose layers are measured"},
            {.name = "batch",
             .kind = CLI_INT,
             .fallback = "64",
             .min = 1,
             .max = 65536,
             .help = "images in a run; fewer where one run would take long"},
            {.name = "size",
             .kind = CLI_SIZE,
             .min = 1,
             .max = 8192,
             .shown = "32 for cnn-small and cifar-*, else 224",
             .help = "height and width of the images"},
            {.name = "channels",
             .kind = CLI_INT,
             .fallback = "3",
             .min = 1,
             .max = LIMN_MAX_CHANNELS,
             .help = "channels of the images"},
            {.name = "inference", .kind = CLI_FLAG, .help = "forward only"},
            {.name = "all",
             .kind = CLI_FLAG,
             .help = "also try what is known to be slow on this kind of device (on a CPU CLBlast, "
                     "whose kernels take long to compile)"},
            {.name = "list", .kind = CLI_FLAG, .help = "measure nothing, print what is known"},
            {.name = "clear", .kind = CLI_FLAG, .help = "measure nothing, forget what is known"},
            {0}},
    .precision = CLI_DEVICE_PRECISION,
    .more_help = model_help,
    .examples =
        (const limn_example[]){
            {"limn tune --arch cifar-resnet18", "the layers of one architecture"},
            {"limn tune --list --json", "what is known about the default device, for scripts"},
            {"limn tune --device gpu --size 64 --arch resnet18,resnet50",
             "two architectures at another size"},
            {0}},
    .run = run,
};
