/* limn convert: turns data sets of other formats into one file. */
#include "convert/convert.h"

#include "cli.h"

#include <jansson.h>
#include <string.h>

enum { MAX_SIDE = 65535 };

static bool on_progress(void *user, double done, double total, bool finished)
{
    const limn_progress report = {.task = "converting",
                                  .unit = "images",
                                  .detail = "",
                                  .done = done,
                                  .total = total,
                                  .finished = finished};
    return cli_report(user, &report) == LIMN_OK;
}

static void on_warning(void *user, const char *text)
{
    cli_note(user, "warning: %s", text);
}

static limn_status print_json(cli *c, const convert_job *job)
{
    json_t *rejected = json_array(), *names = json_array();
    bool failed = !rejected || !names;
    for (size_t i = 0; i < job->reject_count && !failed; i++)
        failed = json_array_append_new(rejected, json_pack("{ss ss}", "name", job->rejects[i].name,
                                                           "reason", job->rejects[i].reason)) != 0;
    for (int i = 0; i < job->class_name_count && !failed; i++)
        failed = json_array_append_new(names, json_string(job->class_names[i])) != 0;
    if (failed) {
        json_decref(rejected);
        json_decref(names);
        return cli_print_json(c, NULL);
    }
    return cli_print_json(
        c, json_pack("{so sI si sI sI sI so so}", "output", cli_json_text(job->output), "images",
                     (json_int_t)job->images, "classes", job->class_name_count, "height",
                     (json_int_t)job->out_height, "width", (json_int_t)job->out_width, "channels",
                     (json_int_t)job->channels, "rejected", rejected, "class_names", names));
}

static void print_text(const convert_job *job)
{
    printf("%s: %lld images, %d classes, %lldx%lldx%lld (height x width x channels)\n", job->output,
           (long long)job->images, job->class_name_count, (long long)job->out_height,
           (long long)job->out_width, (long long)job->channels);
    for (int i = 0; i < job->class_name_count && job->class_name_count <= 20; i++)
        printf("%s%s%s", i ? ", " : "classes: ", job->class_names[i],
               i + 1 == job->class_name_count ? "\n" : "");
    printf("rejected: %zu\n", job->reject_count);
    for (size_t i = 0; i < job->reject_count; i++)
        printf("  %s: %s\n", job->rejects[i].name, job->rejects[i].reason);
}

/* FORMAT as a row, NULL for `auto`. */
static limn_status find_format(cli *c, const convert_format **out)
{
    const char *name = cli_argument(c, 0), *names[32] = {"auto"};
    *out = NULL;
    if (strcmp(name, "auto") == 0 || (*out = convert_format_find(name)) != NULL)
        return LIMN_OK;
    char all[256] = "auto";
    for (size_t i = 0; convert_formats[i] && i + 2 < sizeof names / sizeof *names; i++) {
        names[i + 1] = convert_formats[i]->name;
        snprintf(all + strlen(all), sizeof all - strlen(all), ", %s", names[i + 1]);
    }
    const char *near = cli_nearest(name, names);
    const limn_status status =
        cli_fail(c, LIMN_BAD_USAGE, "unknown format", name, "FORMAT is one of %s", all);
    if (near)
        cli_hint(c, "did you mean '%s'?", near);
    return status;
}

static limn_status fail(cli *c, const convert_job *job, limn_status status)
{
    if (job->error.library)
        return status;
    cli_fail(c, status, job->error.what, job->error.where[0] ? job->error.where : NULL, "%s",
             job->error.why);
    if (job->error.hint[0])
        cli_hint(c, "%s", job->error.hint);
    return status;
}

static limn_status run(cli *c)
{
    const convert_format *format = NULL;
    limn_status status = find_format(c, &format);
    if (status)
        return status;
    convert_job job = {.ctx = cli_context(c),
                       .output = cli_text(c, "output"),
                       .part = cli_choice(c, "split"),
                       .limit = -1,
                       .progress = on_progress,
                       .warn = on_warning,
                       .user = c};
    int64_t height = 0, width = 0;
    if (cli_size(c, "size", &height, &width)) {
        job.height = (int)height;
        job.width = (int)width;
    }
    if (cli_has(c, "limit"))
        job.limit = cli_int(c, "limit");
    job.classes = cli_list(c, "classes", &job.class_count);
    status = convert_run(&job, format, cli_arguments(c) + 1, (size_t)cli_argument_count(c) - 1);
    if (status)
        fail(c, &job, status);
    else if (cli_json(c))
        status = print_json(c, &job);
    else if (!cli_quiet(c))
        print_text(&job);
    convert_job_clear(&job);
    return status;
}

static void print_formats(FILE *out)
{
    fprintf(out, "\nFormats, in the order in which auto tries them:\n");
    for (size_t i = 0; convert_formats[i]; i++)
        cli_print_row(out, convert_formats[i]->name, convert_formats[i]->help);
}

static const char *const usage[] = {"FORMAT SOURCE... -o OUT.safetensors [OPTIONS]", NULL};

/* In the order of convert_part. */
static const char *const parts[] = {"train", "test", "val", NULL};

static const limn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .argument = "OUT.safetensors",
     .required = true,
     .help = "the data set to write; it appears whole or not at all"},
    {.name = "split",
     .kind = CLI_CHOICE,
     .choices = parts,
     .shown = "all parts, train first",
     .help = "part to take, where the source has parts"},
    {.name = "size",
     .kind = CLI_SIZE,
     .min = 1,
     .max = MAX_SIDE,
     .shown = "as the pictures are",
     .help = "bring every picture to this size: short side resized, centre cut out"},
    {.name = "limit",
     .kind = CLI_INT,
     .min = 1,
     .max = 9e15,
     .shown = "all",
     .help = "take only the first N pictures of the source, in its order; rejected ones count"},
    {.name = "classes",
     .kind = CLI_LIST,
     .argument = "A,B,C",
     .shown = "from the source",
     .help = "names of the classes, in the order of their numbers"},
    {0},
};

static const limn_example examples[] = {
    {"limn convert idx /usr/share/datasets/fashion-mnist --split train -o train.safetensors",
     "the 60,000 training images of Fashion-MNIST"},
    {"limn convert cifar10 cifar-10-binary.tar.gz --split test -o test.safetensors",
     "straight from the archive"},
    {"limn convert imagefolder photos.zip --size 224 -o photos.safetensors",
     "JPEG and PNG, one folder a class, brought to 224 x 224"},
    {0},
};

const limn_command convert_command = {
    .name = "convert",
    .summary = "turn a folder, a file or an archive of images into a data set",
    .usage = usage,
    .text = "SOURCE is a folder, one file, or an archive (.tar .tar.gz .tar.xz .tar.zst .zip), "
            "which is read as a stream and not unpacked. Images keep the order of the source: "
            "class folders sorted by name, then files by name. A class is numbered by the place of "
            "its name among all class names of the source, so parts converted one by one "
            "agree.\n\n"
            "Pictures that cannot be read are rejected: counted, named and explained, while the "
            "rest goes on. If all pictures are grey the data set has one channel, else three. "
            "Pictures in no class folder at all become unlabelled. A broken archive or record file "
            "ends the run with exit code 4.",
    .arguments = "FORMAT SOURCE",
    .min_arguments = 2,
    .max_arguments = -1,
    .options = options,
    .more_help = print_formats,
    .examples = examples,
    .run = run,
};
