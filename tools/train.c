/* limn train: an encoder trained on a data set. */
#include "cli.h"
#include "model.h"

#include "limn/train.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    cli *c;
    limn_context *ctx;
    limn_device *device;
    const limn_dataset *data, *validation;
    limn_train_params params;
    limn_train_result result;
} job;

/* ---- settings: command line, --config, the run that is resumed ------------------------------- */

/* Without white space at both ends. */
static char *trim(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

/* One line: a comment, the heading [train], or a setting. */
static limn_status read_line(cli *c, char *line, const char *where)
{
    char *name = trim(line), *value = strchr(name, '=');
    if (!*name || *name == ';' || *name == '#' || strcmp(name, "[train]") == 0)
        return LIMN_OK;
    if (!value)
        return cli_fail(c, LIMN_BAD_INPUT, "bad configuration", where, "'%.80s' is no name = value",
                        name);
    *value++ = '\0';
    return cli_set(c, trim(name), trim(value), where);
}

/* Not by inih: as Debian builds it, it cuts lines at 200 bytes, and paths may be longer. */
static limn_status read_config(cli *c, const char *path)
{
    enum { LINE = 8192 };
    char line[LINE], where[LINE];
    limn_status status = LIMN_OK;
    FILE *file = fopen(path, "r");
    if (!file)
        return cli_fail(c, LIMN_BAD_INPUT, "cannot open", path, "%s", strerror(errno));
    for (int number = 1; status == LIMN_OK && fgets(line, sizeof line, file); number++) {
        snprintf(where, sizeof where, "%s:%d", path, number);
        if (strlen(line) == sizeof line - 1)
            status =
                cli_fail(c, LIMN_BAD_INPUT, "bad configuration", where, "the line is too long");
        else
            status = read_line(c, line, where);
    }
    if (status == LIMN_OK && ferror(file))
        status = cli_fail(c, LIMN_BAD_INPUT, "cannot read", path, "%s", strerror(errno));
    fclose(file);
    return status;
}

/* config.ini of the run to be resumed comes first, so that all else wins over it. */
static limn_status read_configs(cli *c)
{
    const char *folder = cli_text(c, "output"), *given = cli_text(c, "config");
    limn_status status = LIMN_OK;
    if (cli_flag(c, "resume")) {
        char *path = malloc(strlen(folder) + sizeof "/config.ini");
        if (!path)
            return cli_fail(c, LIMN_FAILED, "out of memory", "train", "no room for a path");
        sprintf(path, "%s/config.ini", folder);
        FILE *there = fopen(path, "r");
        if (there) {
            fclose(there);
            status = read_config(c, path);
        }
        free(path);
    }
    return status == LIMN_OK && given ? read_config(c, given) : status;
}

static bool is_flag(const char *name)
{
    return strcmp(name, "nesterov") == 0 || strcmp(name, "no-decay-norm-bias") == 0 ||
           strcmp(name, "no-shuffle") == 0 || strcmp(name, "recompute") == 0 ||
           strcmp(name, "probe") == 0;
}

static limn_status read_params(job *j)
{
    limn_status status = limn_train_defaults(j->ctx, cli_text(j->c, "loss"), &j->params);
    const char *name;
    for (size_t i = 0; status == LIMN_OK && (name = limn_train_setting(i)) != NULL; i++) {
        const char *text =
            is_flag(name) ? (cli_flag(j->c, name) ? "yes" : "no") : cli_text(j->c, name);
        if (text)
            status = limn_train_set(j->ctx, &j->params, name, text);
    }
    if (cli_given(j->c, "epochs") && !cli_given(j->c, "steps"))
        j->params.steps = 0;
    j->params.resume = cli_flag(j->c, "resume");
    j->params.force = cli_flag(j->c, "force");
    return status;
}

/* ---- results -------------------------------------------------------------------------------- */

static limn_status print_json(job *j)
{
    const limn_train_result *r = &j->result;
    json_t *root = json_pack(
        "{so ss ss sI sI sf sf sf sf sI sI}", "folder", cli_json_text(cli_text(j->c, "output")),
        "loss_name", j->params.loss, "precision", cli_text(j->c, "precision"), "steps",
        (json_int_t)r->steps, "epochs", (json_int_t)r->epochs, "loss", r->loss, "seconds",
        r->seconds, "images_per_second", r->images_per_second, "data_seconds", r->data_seconds,
        "planned_bytes", (json_int_t)r->planned_memory, "peak_bytes", (json_int_t)r->peak_memory);
    for (int i = 0; root && i < r->validation.count; i++)
        json_object_set_new(root, r->validation.names[i], json_real(r->validation.values[i]));
    if (root && r->probed) {
        json_object_set_new(root, "probe_train_accuracy", json_real(r->probe.train_accuracy));
        if (r->probe.validated)
            json_object_set_new(root, "probe_val_accuracy", json_real(r->probe.val_accuracy));
    }
    return cli_print_json(j->c, root);
}

static limn_status print_result(job *j)
{
    const limn_train_result *r = &j->result;
    if (cli_json(j->c))
        return print_json(j);
    if (cli_quiet(j->c))
        return LIMN_OK;
    if (r->seconds > 0)
        printf("%lld steps, %lld epochs, loss %.4f, %.0f images/s\n", (long long)r->steps,
               (long long)r->epochs, r->loss, r->images_per_second);
    else
        printf("%lld steps, %lld epochs: the run was complete; --steps or --epochs may be more\n",
               (long long)r->steps, (long long)r->epochs);
    for (int i = 0; i < r->validation.count; i++)
        printf("%s %.4f\n", r->validation.names[i], r->validation.values[i]);
    if (r->probed)
        printf("probe: train accuracy %.4f\n", r->probe.train_accuracy);
    if (r->probed && r->probe.validated)
        printf("probe: val accuracy %.4f\n", r->probe.val_accuracy);
    printf("model: %s/model.safetensors\n", cli_text(j->c, "output"));
    return LIMN_OK;
}

static limn_status run(cli *c)
{
    job j = {.c = c, .ctx = cli_context(c)};
    limn_status status = read_configs(c);
    if (status == LIMN_OK)
        status = read_params(&j);
    if (status == LIMN_OK)
        status = limn_dataset_open(j.ctx, cli_argument(c, 0), &j.data);
    if (status == LIMN_OK && cli_text(c, "val"))
        status = limn_dataset_open(j.ctx, cli_text(c, "val"), &j.validation);
    if (status == LIMN_OK)
        status = cli_device_open(c, &j.device);
    if (status == LIMN_OK)
        status =
            limn_train(j.device, j.data, j.validation, &j.params, cli_text(c, "output"), &j.result);
    if (status == LIMN_OK)
        status = print_result(&j);
    limn_device_close(&j.device);
    limn_dataset_close(&j.validation);
    limn_dataset_close(&j.data);
    return status;
}

static void more_help(FILE *out)
{
    const char *name, *summary;
    fprintf(out, "\nLosses:\n");
    for (size_t i = 0; limn_train_loss(i, &name, &summary); i++)
        cli_print_row(out, name, summary);
    model_help(out);
}

static const char *const usage[] = {"DATA.safetensors -o RUN [OPTIONS]",
                                    "DATA.safetensors -o RUN --resume", NULL};
static const char *const optimizers[] = {"sgd", NULL};
static const char *const schedules[] = {"cosine", "step", "constant", NULL};
static const char *const augments[] = {"none", "crop-flip", "contrastive", NULL};

static const limn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .argument = "RUN",
     .required = true,
     .help = "folder of the run: model, checkpoint, log, settings"},
    {.name = "loss",
     .kind = CLI_TEXT,
     .argument = "NAME",
     .fallback = "ce",
     .help = "what is minimised, see below"},
    {.name = "epochs",
     .kind = CLI_INT,
     .min = 1,
     .max = 1e9,
     .shown = "10",
     .help = "passes over the data"},
    {.name = "steps",
     .kind = CLI_INT,
     .min = 1,
     .max = 1e15,
     .shown = "by --epochs",
     .help = "updates in all, instead of --epochs"},
    {.name = "batch",
     .kind = CLI_INT,
     .min = 1,
     .max = 1 << 24,
     .shown = "128; supcon: 256",
     .help = "images in a step"},
    {.name = "augment",
     .kind = CLI_CHOICE,
     .choices = augments,
     .shown = "none; supcon: contrastive",
     .help = "random changes of the images: crop-flip, a crop of the image padded by 4 and a flip; "
             "contrastive, a resized crop, flip, colour jitter, greyscale"},
    {.name = "views",
     .kind = CLI_INT,
     .min = 1,
     .max = 2,
     .shown = "1; supcon: 2",
     .help = "augmented copies of an image in one batch"},
    {.name = "no-shuffle",
     .kind = CLI_FLAG,
     .help = "take the images in file order, and a last batch that is not full"},
    {.name = "recompute",
     .kind = CLI_FLAG,
     .help = "make values inside of blocks again in backward: less device memory, about a third "
             "more time, the same result"},
    {.name = "val",
     .kind = CLI_TEXT,
     .argument = "DATA.safetensors",
     .help = "measure on this data after each epoch: loss and accuracy, or k nearest neighbours "
             "where the loss has no classifier"},
    {.name = "probe",
     .kind = CLI_FLAG,
     .help = "at the end fit a linear classifier on the frozen encoder, kept as fc"},
    {.name = "init",
     .kind = CLI_TEXT,
     .argument = "WEIGHTS.safetensors",
     .shown = "fresh values drawn from --seed",
     .help = "weights to start from"},
    {.name = "resume",
     .kind = CLI_FLAG,
     .help = "go on from RUN's checkpoint, with RUN's settings; --epochs or --steps may be more"},
    {.name = "force", .kind = CLI_FLAG, .help = "replace the run that RUN holds"},
    {.name = "checkpoint-every",
     .kind = CLI_INT,
     .min = 1,
     .max = 1e15,
     .argument = "STEPS",
     .shown = "at the end of each epoch only",
     .help = "write the checkpoint more often"},
    {.name = "config",
     .kind = CLI_TEXT,
     .argument = "FILE.ini",
     .help = "read options from lines 'name = value'; the command line wins"},
    {.name = "Optimisation", .kind = CLI_GROUP},
    {.name = "optimizer",
     .kind = CLI_CHOICE,
     .choices = optimizers,
     .fallback = "sgd",
     .help = "update rule"},
    {.name = "lr",
     .kind = CLI_FLOAT,
     .min = CLI_ABOVE_0,
     .max = 1e6,
     .shown = "0.1",
     .help = "highest learning rate"},
    {.name = "momentum", .kind = CLI_FLOAT, .max = 1, .shown = "0.9", .help = "of sgd, below 1"},
    {.name = "nesterov", .kind = CLI_FLAG, .help = "Nesterov's momentum"},
    {.name = "weight-decay",
     .kind = CLI_FLOAT,
     .max = 1e6,
     .shown = "0.0005; supcon: 0.0001",
     .help = "pulls every trained parameter to 0"},
    {.name = "no-decay-norm-bias",
     .kind = CLI_FLAG,
     .help = "no decay of biases and of batch norm's parameters"},
    {.name = "schedule",
     .kind = CLI_CHOICE,
     .choices = schedules,
     .fallback = "cosine",
     .help = "how the learning rate falls: cosine, to 0 at the end; step, by --decay at "
             "--milestones; constant"},
    {.name = "warmup",
     .kind = CLI_FLOAT,
     .max = 1e9,
     .shown = "1",
     .argument = "EPOCHS",
     .help = "epochs in which the learning rate grows from 0, step by step"},
    {.name = "milestones",
     .kind = CLI_TEXT,
     .argument = "A,B,...",
     .shown = "60, 75 and 90 % of the run",
     .help = "epochs at which schedule step falls"},
    {.name = "decay",
     .kind = CLI_FLOAT,
     .max = 1,
     .shown = "0.1",
     .help = "factor of schedule step at each milestone"},
    {.name = "Loss", .kind = CLI_GROUP},
    {.name = "label-smoothing",
     .kind = CLI_FLOAT,
     .max = 1,
     .shown = "0",
     .help = "ce: share of the target spread over all classes, below 1"},
    {.name = "temperature",
     .kind = CLI_FLOAT,
     .min = 1e-3,
     .max = 1e3,
     .shown = "0.1",
     .help = "supcon: divides similarities"},
    {.name = "base-temperature",
     .kind = CLI_FLOAT,
     .min = 1e-3,
     .max = 1e3,
     .shown = "no factor",
     .help = "supcon: the loss is multiplied by temperature / base-temperature"},
    {0},
};

static const limn_example examples[] = {
    {"limn train train.safetensors -o run",
     "cross-entropy on cnn-small, 10 epochs, into the folder run"},
    {"limn train train.safetensors -o contrast --loss supcon --probe --val test.safetensors",
     "supervised contrastive, then a linear classifier on the frozen encoder"},
    {"limn train train.safetensors -o run --resume --epochs 20", "go on, for longer"},
    {"limn train train.safetensors -o fast --arch resnet18 --precision fp16",
     "on a GPU, with products of halves"},
    {"limn train train.safetensors -o again --config run/config.ini --seed 1",
     "the same with another seed"},
    {0},
};

const limn_command train_command = {
    .name = "train",
    .summary = "train an encoder",
    .usage = usage,
    .text =
        "Writes RUN/model.safetensors when the run is complete, RUN/checkpoint.safetensors after "
        "each epoch, RUN/log.csv with a row a step and RUN/config.ini with every setting. Ctrl-C "
        "finishes the step and writes the checkpoint; --resume goes on to the same bits as if "
        "nothing had happened.",
    .arguments = "DATA.safetensors",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options,
    .model_options = true,
    .precision = CLI_RUN_PRECISION,
    .more_help = more_help,
    .examples = examples,
    .run = run,
};
