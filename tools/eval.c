/* limn eval: how well a model classifies a data set. */
#include "cli.h"
#include "files.h"
#include "model.h"

#include "limn/evaluate.h"
#include "limn/npy.h"
#include "limn/predict.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_METRICS = 32 };

/* Everything of one run. */
typedef struct job {
    cli *c;
    limn_context *ctx;
    limn_device *device;
    const limn_dataset *data;
    limn_model *model;
    const limn_eval_metric *metrics[MAX_METRICS];
    int metric_count;
    limn_predict_params wanted;
} job;

static const limn_eval_metric *find_metric(const char *name)
{
    const limn_eval_metric *metric;
    for (size_t i = 0; (metric = limn_eval_metric_at(i)); i++)
        if (strcmp(metric->name, name) == 0)
            return metric;
    return NULL;
}

/* The named metrics, or accuracy and loss where the model has a classifier, else knn. */
static limn_status choose_metrics(job *j)
{
    static const char *const classified[] = {"accuracy", "loss"}, *const encoded[] = {"knn"};
    int count = 0;
    const char *const *names = cli_list(j->c, "metric", &count);
    const bool classifier = limn_model_describe(j->model)->class_count > 0;
    if (!names) {
        names = classifier ? classified : encoded;
        count = classifier ? 2 : 1;
    }
    for (int i = 0; i < count; i++) {
        const limn_eval_metric *metric = find_metric(names[i]);
        if (i == MAX_METRICS)
            return cli_fail(j->c, LIMN_BAD_USAGE, "too many metrics", names[i], "at most %d",
                            MAX_METRICS);
        if (!metric) {
            cli_fail(j->c, LIMN_BAD_USAGE, "unknown metric", names[i], "limn does not know it");
            cli_hint(j->c, "`limn help eval` lists the metrics");
            return LIMN_BAD_USAGE;
        }
        if (!classifier && !metric->needs_features) {
            cli_fail(j->c, LIMN_BAD_INPUT, "no classifier", cli_argument(j->c, 0),
                     "%s needs logits, and the model has none", metric->name);
            cli_hint(j->c, "add a classifier with `limn probe`, or ask for --metric knn");
            return LIMN_BAD_INPUT;
        }
        j->metrics[j->metric_count++] = metric;
    }
    return LIMN_OK;
}

static float *new_array(int64_t rows, int64_t columns)
{
    return calloc((size_t)rows * (size_t)columns, sizeof(float));
}

/* Memory for what the metrics and the output files need. */
static limn_status make_room(job *j)
{
    const limn_model_info *info = limn_model_describe(j->model);
    bool logits = cli_has(j->c, "logits"), features = false, missing = false;
    for (int i = 0; i < j->metric_count; i++) {
        logits = logits || !j->metrics[i]->needs_features;
        features = features || j->metrics[i]->needs_features;
    }
    const bool head = info->embedding > 0;
    const int64_t count = j->data->count;
    if (logits)
        missing |=
            !(j->wanted.logits = new_array(count, info->class_count ? info->class_count : 1));
    if (cli_has(j->c, "embeddings") && head)
        missing |= !(j->wanted.embeddings = new_array(count, info->embedding));
    if (features || (cli_has(j->c, "embeddings") && !head))
        missing |= !(j->wanted.features = new_array(count, info->features));
    return missing
               ? cli_fail(j->c, LIMN_FAILED, "out of memory", "eval", "the host has no more memory")
               : LIMN_OK;
}

static limn_status write_array(job *j, const char *option, const float *values, int64_t columns)
{
    const char *path = cli_text(j->c, option);
    const int64_t dim[2] = {j->data->count, columns};
    return path ? limn_npy_write(j->ctx, path, values, 2, dim) : LIMN_OK;
}

static limn_status print(job *j, const limn_predictions *p)
{
    json_t *root = json_pack("{sI ss}", "images", (json_int_t)p->count, "precision",
                             cli_text(j->c, "precision"));
    for (int i = 0; i < j->metric_count; i++) {
        const double value = j->metrics[i]->value(p);
        json_object_set_new(root, j->metrics[i]->name,
                            isfinite(value) ? json_real(value) : json_null());
        if (!cli_json(j->c) && !cli_quiet(j->c))
            printf("%-10s %.6g   %s\n", j->metrics[i]->name, value, j->metrics[i]->formula);
    }
    if (cli_json(j->c))
        return cli_print_json(j->c, root);
    if (!cli_quiet(j->c))
        printf("%-10s %lld\n", "images", (long long)p->count);
    json_decref(root);
    return LIMN_OK;
}

static limn_status evaluate(job *j)
{
    const limn_model_info *info = limn_model_describe(j->model);
    limn_status status = choose_metrics(j);
    if (status == LIMN_OK)
        status = make_room(j);
    j->wanted.batch = cli_int(j->c, "batch");
    if (status == LIMN_OK)
        status = limn_predict(j->model, j->data, &j->wanted);
    if (status == LIMN_OK)
        status = write_array(j, "logits", j->wanted.logits, info->class_count);
    if (status == LIMN_OK)
        status = write_array(j, "embeddings",
                             j->wanted.embeddings ? j->wanted.embeddings : j->wanted.features,
                             j->wanted.embeddings ? info->embedding : info->features);
    const limn_predictions predictions = {
        .count = j->data->count,
        .class_count = info->class_count,
        .logits = j->wanted.logits,
        .feature_count = info->features,
        .features = j->wanted.features,
        .labels = j->data->labels,
    };
    return status == LIMN_OK ? print(j, &predictions) : status;
}

static limn_status check_outputs(cli *c)
{
    const char *logits = cli_text(c, "logits"), *embeddings = cli_text(c, "embeddings");
    if (logits && embeddings && strcmp(logits, embeddings) == 0)
        return cli_fail(c, LIMN_BAD_USAGE, "one file for two results", logits,
                        "--logits and --embeddings need a file each");
    const limn_status status = files_check_place(c, logits);
    return status == LIMN_OK ? files_check_place(c, embeddings) : status;
}

static limn_status run(cli *c)
{
    job j = {.c = c, .ctx = cli_context(c)};
    limn_status status = check_outputs(c);
    if (status == LIMN_OK)
        status = limn_dataset_open(j.ctx, cli_argument(c, 1), &j.data);
    if (status == LIMN_OK)
        status = cli_device_open(c, &j.device);
    if (status == LIMN_OK)
        status = model_load(c, j.device, cli_argument(c, 0), &j.model);
    if (status == LIMN_OK)
        status = evaluate(&j);
    free(j.wanted.logits);
    free(j.wanted.features);
    free(j.wanted.embeddings);
    limn_model_destroy(&j.model);
    limn_device_close(&j.device);
    limn_dataset_close(&j.data);
    return status;
}

static void more_help(FILE *out)
{
    fprintf(out, "\nMetrics:\n");
    const limn_eval_metric *metric;
    for (size_t i = 0; (metric = limn_eval_metric_at(i)); i++)
        cli_print_row(out, metric->name, metric->formula);
    model_help(out);
}

const limn_command eval_command = {
    .name = "eval",
    .summary = "measure how well a model classifies a data set",
    .usage = (const char *const[]){"MODEL DATA [--metric NAME,...] [--logits OUT.npy]", NULL},
    .text = "MODEL is a safetensors file of limn or PyTorch, DATA a data set that `limn convert` "
            "made. The images are normalised by the model's own mean and standard deviation, else "
            "by those of the data.",
    .arguments = "MODEL DATA",
    .min_arguments = 2,
    .max_arguments = 2,
    .options =
        (const limn_option[]){
            {.name = "metric",
             .kind = CLI_LIST,
             .shown = "accuracy,loss; knn for a model without classifier",
             .help = "what to measure, see below"},
            {.name = "logits",
             .kind = CLI_TEXT,
             .argument = "OUT.npy",
             .help = "write the logits, float32 [N, classes], in the order of the data"},
            {.name = "embeddings",
             .kind = CLI_TEXT,
             .argument = "OUT.npy",
             .help = "write the projection head's output of length 1, or, where there is no head, "
                     "the encoder's features; float32 [N, D]"},
            {.name = "batch",
             .kind = CLI_INT,
             .fallback = "128",
             .min = 1,
             .max = 65536,
             .help = "images at a time; the results do not depend on it"},
            {0}},
    .model_options = true,
    .precision = CLI_DEVICE_PRECISION,
    .more_help = more_help,
    .examples =
        (const limn_example[]){
            {"limn eval run/model.safetensors test.safetensors", "accuracy and loss"},
            {"limn eval resnet20.safetensors cifar.safetensors --json --arch cifar-resnet20 "
             "\\\n       --mean .485,.456,.406 --std .229,.224,.225",
             "published weights that do not say what they are"},
            {0}},
    .run = run,
};
