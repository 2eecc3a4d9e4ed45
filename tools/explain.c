/* limn explain: which pixels a model's answers rest on. */
#define _POSIX_C_SOURCE 200809L
#include "explain/explain.h"

#include "files.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_LAYERS = 64 };

static const char *const score_choices[] = {"logit", "probability", NULL};
static const char *const preset_choices[] = {"limn", "captum", NULL};

static limn_status find_methods(explain_job *j)
{
    int count = 0;
    const char *const *names = cli_list(j->c, "method", &count);
    const char *known[EXPLAIN_METHODS + 1] = {NULL};
    for (size_t i = 0; i < EXPLAIN_METHODS && limn_attribution_method_at(i); i++)
        known[i] = limn_attribution_method_at(i)->name;
    for (int i = 0; i < count; i++) {
        const limn_attribution_method *method = limn_attribution_find(names[i]);
        if (!method) {
            const char *near = cli_nearest(names[i], known);
            cli_fail(j->c, LIMN_BAD_USAGE, "unknown method", names[i], "limn does not know it");
            cli_hint(j->c,
                     near ? "did you mean '%s'? `limn help explain` lists all"
                          : "`limn help explain` lists all%s",
                     near ? near : "");
            return LIMN_BAD_USAGE;
        }
        for (int k = 0; k < j->method_count; k++)
            if (j->methods[k] == method)
                return cli_fail(j->c, LIMN_BAD_USAGE, "method given twice", names[i],
                                "each can be asked for once");
        if (j->method_count == EXPLAIN_METHODS)
            return cli_fail(j->c, LIMN_BAD_USAGE, "too many methods", names[i], "at most %d",
                            EXPLAIN_METHODS);
        j->methods[j->method_count++] = method;
    }
    return LIMN_OK;
}

/* 0, mean, black, blur or a number. */
static limn_status read_baseline(explain_job *j, limn_attribution_params *out)
{
    static const struct {
        const char *name;
        limn_baseline baseline;
    } names[] = {{"0", LIMN_BASELINE_ZERO},
                 {"mean", LIMN_BASELINE_MEAN},
                 {"black", LIMN_BASELINE_BLACK},
                 {"blur", LIMN_BASELINE_BLUR}};
    const char *text = cli_text(j->c, "baseline");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, text) == 0) {
            out->baseline = names[i].baseline;
            return LIMN_OK;
        }
    char *end;
    out->baseline = LIMN_BASELINE_VALUE;
    out->baseline_value = strtof(text, &end);
    return *text && !*end && out->baseline_value >= -1e6f && out->baseline_value <= 1e6f
               ? LIMN_OK
               : cli_fail(j->c, LIMN_BAD_USAGE, "bad value", "--baseline",
                          "'%s' is none of 0, mean, black, blur and no number up to 1e6", text);
}

/* The options as one set of parameters, before defaults. */
static limn_status read_params(explain_job *j, limn_attribution_params *out)
{
    cli *c = j->c;
    *out = (limn_attribution_params){
        .batch = cli_int(c, "batch"),
        .preset = cli_choice(c, "preset") == 1 ? LIMN_PRESET_CAPTUM : LIMN_PRESET_LIMN,
        .masks = cli_int(c, "masks"),
        .grid = cli_int(c, "grid"),
        .p = (float)cli_float(c, "p"),
        .seed = (uint64_t)cli_int(c, "seed"),
        .no_relu = cli_flag(c, "no-relu"),
    };
    cli_size(c, "window", &out->window[0], &out->window[1]);
    cli_size(c, "stride", &out->stride[0], &out->stride[1]);
    if (cli_has(c, "score"))
        out->score = cli_choice(c, "score") == 1 ? LIMN_SCORE_PROBABILITY : LIMN_SCORE_LOGIT;
    out->layers = cli_list(c, "layer", &out->layer_count);
    if (out->layer_count > MAX_LAYERS)
        return cli_fail(c, LIMN_BAD_USAGE, "too many layers", "--layer", "at most %d", MAX_LAYERS);
    return read_baseline(j, out);
}

/* Says which given options none of the methods reads. */
static void note_unread(explain_job *j)
{
    static const struct {
        const char *option, *parameter;
    } pairs[] = {{"window", "window"}, {"stride", "stride"}, {"baseline", "baseline"},
                 {"preset", "preset"}, {"masks", "masks"},   {"grid", "grid"},
                 {"p", "p"},           {"layer", "layer"},   {"no-relu", "relu"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        bool read = !cli_given(j->c, pairs[i].option);
        for (int m = 0; m < j->method_count; m++)
            for (const char *const *at = j->methods[m]->parameters; *at; at++)
                read = read || strcmp(*at, pairs[i].parameter) == 0;
        if (!read)
            cli_note(j->c, "--%s changes nothing: no method of this run uses it", pairs[i].option);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static limn_status run_method(explain_job *j, int m)
{
    const int64_t channels = j->methods[m]->channels ? j->data->channels : 1;
    float *maps = calloc((size_t)j->count,
                         (size_t)(channels * j->data->height * j->data->width) * sizeof *maps);
    if (!maps)
        return explain_out_of_memory(j);
    const double start = now();
    limn_status status =
        limn_attribute(j->model, j->data, j->targets, j->methods[m], &j->params[m], maps);
    j->seconds[m] = now() - start;
    if (status == LIMN_OK)
        status = explain_write(j, m, maps);
    free(maps);
    return status;
}

/* Everything is checked before the first method starts, and before a folder is made. */
static limn_status explain(explain_job *j)
{
    limn_attribution_params given;
    limn_status status = read_params(j, &given);
    if (status == LIMN_OK && cli_has(j->c, "reference"))
        status = limn_dataset_open(j->ctx, cli_text(j->c, "reference"), &j->reference);
    if (status == LIMN_OK)
        status = cli_device_open(j->c, &j->device);
    if (status == LIMN_OK)
        status = model_load(j->c, j->device, cli_argument(j->c, 0), &j->model);
    if (status == LIMN_OK)
        status = explain_open_images(j);
    if (status == LIMN_OK)
        status = files_check_folder(j->c, cli_text(j->c, "output"));
    if (status == LIMN_OK)
        status = explain_make_targets(j);
    for (int m = 0; m < j->method_count && status == LIMN_OK; m++) {
        j->params[m] = given;
        status =
            limn_attribution_resolve(j->model, j->data, j->targets, j->methods[m], &j->params[m]);
    }
    if (status == LIMN_OK)
        note_unread(j);
    for (int m = 0; m < j->method_count && status == LIMN_OK; m++)
        status = run_method(j, m);
    return status == LIMN_OK ? explain_print(j) : status;
}

static limn_status run(cli *c)
{
    explain_job j = {.c = c, .ctx = cli_context(c)};
    limn_status status = find_methods(&j);
    if (status == LIMN_OK)
        status = explain(&j);
    for (int m = 0; m < EXPLAIN_METHODS; m++)
        free(j.flaws[m]);
    limn_targets_destroy(&j.targets);
    limn_model_destroy(&j.model);
    limn_device_close(&j.device);
    limn_dataset_close(&j.reference);
    limn_dataset_close(&j.data);
    return status;
}

static void more_help(FILE *out)
{
    fprintf(out, "\nMethods:\n");
    const limn_attribution_method *method;
    for (size_t i = 0; (method = limn_attribution_method_at(i)); i++) {
        fprintf(out, "  %-10s %s%s\n", method->name, method->summary,
                method->channels ? ", [n,C,H,W]" : ", [n,H,W]");
        fprintf(out, "  %-10s %s\n", "", method->formula);
        fprintf(out, "  %-10s %s; parameters:", "", method->source);
        for (const char *const *name = method->parameters; *name; name++)
            fprintf(out, " %s%s", *name, name[1] ? "," : "\n");
    }
    model_help(out);
}

static const limn_option options[] = {
    {.name = "method",
     .letter = 'm',
     .kind = CLI_LIST,
     .argument = "NAME[,NAME...]",
     .required = true,
     .help = "how to explain, see below"},
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .argument = "DIR",
     .required = true,
     .help = "folder for METHOD.npy (float32, raw values) and attributions.json"},
    {.name = "png",
     .kind = CLI_FLAG,
     .help = "also draw DIR/METHOD/00000.png over the images, numbered as in the data"},
    {.name = "target",
     .kind = CLI_TEXT,
     .argument = "TARGET",
     .fallback = "predicted",
     .help = "what is explained: predicted, label, a class (number or name), prototype[:CLASS] or "
             "image:INDEX"},
    {.name = "reference",
     .kind = CLI_TEXT,
     .argument = "DATA",
     .shown = "the explained data",
     .help = "labelled data set for class prototypes, or where image:INDEX is"},
    {.name = "index",
     .kind = CLI_RANGE,
     .argument = "A:B",
     .max = 1e15,
     .shown = "all",
     .help = "images A to B - 1 of the data"},
    {.name = "size",
     .kind = CLI_SIZE,
     .min = 1,
     .max = 4096,
     .shown = "their own size, one for all",
     .help = "pictures only: resize the short side and cut the centre"},
    {.name = "score",
     .kind = CLI_CHOICE,
     .choices = score_choices,
     .shown = "logit; rise: probability",
     .help = "which score of a class is explained"},
    {.name = "batch",
     .kind = CLI_INT,
     .argument = "N",
     .shown = "64; on CPU devices fewer copies of large images",
     .min = 1,
     .max = 65536,
     .help = "images or changed copies at a time; the results do not depend on it"},
    {.name = "Parameters of methods", .kind = CLI_GROUP},
    {.name = "window",
     .kind = CLI_SIZE,
     .min = 1,
     .max = 65535,
     .shown = "a quarter of the image's sides",
     .help = "occlusion: what is taken away at a time, in pixels"},
    {.name = "stride",
     .kind = CLI_SIZE,
     .min = 1,
     .max = 65535,
     .shown = "half a window",
     .help = "occlusion: step between windows"},
    {.name = "baseline",
     .kind = CLI_TEXT,
     .argument = "0|mean|black|blur|F",
     .fallback = "0",
     .help = "what stands in for pixels taken away: zero or F in normalised space, the image's own "
             "mean colour, black, or the image blurred"},
    {.name = "preset",
     .kind = CLI_CHOICE,
     .choices = preset_choices,
     .fallback = "limn",
     .help = "occlusion: where the stride leaves a rest, a last full window lies flush with the "
             "border (limn) or is cut by it (captum)"},
    {.name = "masks",
     .kind = CLI_INT,
     .argument = "N",
     .fallback = "4000",
     .min = 1,
     .max = 1e8,
     .help = "rise: random masks"},
    {.name = "grid",
     .kind = CLI_INT,
     .argument = "N",
     .fallback = "7",
     .min = 1,
     .max = 64,
     .help = "rise: cells of a mask, each way"},
    {.name = "p",
     .kind = CLI_FLOAT,
     .argument = "F",
     .fallback = "0.5",
     .min = CLI_ABOVE_0,
     .max = 0.999999,
     .help = "rise: chance that a cell is kept"},
    {.name = "layer",
     .kind = CLI_LIST,
     .argument = "NAME[,NAME...]",
     .shown = "the last block",
     .help = "gradcam: layers by the names of their modules, such as layer3.2.conv2; of several, "
             "the mean"},
    {.name = "no-relu", .kind = CLI_FLAG, .help = "gradcam: keep what speaks against the target"},
    {0},
};

static const limn_example examples[] = {
    {"limn explain model.safetensors test.safetensors -m gradcam,saliency --index 0:16 --png -o "
     "out",
     "the first 16 images, maps and pictures"},
    {"limn explain model.safetensors cat.jpg -m gradcam --layer layer3 --target cat --png -o out",
     "one photograph, for a class by name"},
    {"limn explain encoder.safetensors test.safetensors -m gradcam --target prototype:label -o out",
     "an encoder without classifier: likeness to the class of the label"},
    {0},
};

const limn_command explain_command = {
    .name = "explain",
    .summary = "find the pixels that a model's answers rest on",
    .usage =
        (const char *const[]){
            "MODEL DATA --method NAME[,NAME...] [--target TARGET] [--index A:B] -o DIR [--png]",
            "MODEL IMAGE... --method NAME[,NAME...] [--target TARGET] -o DIR [--png]", NULL},
    .text =
        "Each method explains one number per image, the score. With a class as target it is the "
        "class's logit, or its probability. With a prototype as target, and for a model without "
        "classifier, it is the cosine similarity of the encoder's features and the mean of the "
        "class's features (each of length 1) in the reference data; prototype alone, or predicted, "
        "means the nearest class. With image:INDEX it is the similarity to the features of that "
        "image. Gradients are those with respect to the normalised image. Maps are not rescaled.",
    .arguments = "MODEL DATA|IMAGE...",
    .min_arguments = 2,
    .max_arguments = -1,
    .options = options,
    .model_options = true,
    .precision = CLI_DEVICE_PRECISION,
    .more_help = more_help,
    .examples = examples,
    .run = run,
};
