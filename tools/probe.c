/* limn probe: a linear classifier on a frozen encoder. */
#include "cli.h"
#include "files.h"
#include "model.h"

#include "limn/train.h"

#include <jansson.h>

static limn_status print_result(cli *c, const limn_probe_result *r)
{
    if (cli_json(c)) {
        json_t *root = json_pack("{ss sf sf}", "precision", cli_text(c, "precision"),
                                 "train_accuracy", r->train_accuracy, "train_loss", r->train_loss);
        if (root && r->validated) {
            json_object_set_new(root, "val_accuracy", json_real(r->val_accuracy));
            json_object_set_new(root, "val_loss", json_real(r->val_loss));
        }
        return cli_print_json(c, root);
    }
    if (cli_quiet(c))
        return LIMN_OK;
    printf("train: accuracy %.4f, loss %.4f\n", r->train_accuracy, r->train_loss);
    if (r->validated)
        printf("val: accuracy %.4f, loss %.4f\n", r->val_accuracy, r->val_loss);
    printf("model: %s\n", cli_text(c, "output"));
    return LIMN_OK;
}

static limn_status run(cli *c)
{
    const limn_dataset *data = NULL, *validation = NULL;
    limn_device *device = NULL;
    limn_model *model = NULL;
    limn_probe_result result;
    const limn_probe_params params = {.epochs = cli_int(c, "epochs"),
                                      .batch = cli_int(c, "batch"),
                                      .lr = cli_float(c, "lr"),
                                      .seed = (uint64_t)cli_int(c, "seed")};
    limn_status status = files_check_place(c, cli_text(c, "output"));
    if (status == LIMN_OK)
        status = limn_dataset_open(cli_context(c), cli_argument(c, 1), &data);
    if (status == LIMN_OK && cli_text(c, "val"))
        status = limn_dataset_open(cli_context(c), cli_text(c, "val"), &validation);
    if (status == LIMN_OK)
        status = cli_device_open(c, &device);
    if (status == LIMN_OK)
        status = model_load(c, device, cli_argument(c, 0), &model);
    if (status == LIMN_OK)
        status = limn_probe(model, data, validation, &params, &result);
    if (status == LIMN_OK)
        status = limn_model_save(model, cli_text(c, "output"));
    if (status == LIMN_OK)
        status = print_result(c, &result);
    limn_model_destroy(&model);
    limn_device_close(&device);
    limn_dataset_close(&validation);
    limn_dataset_close(&data);
    return status;
}

static const char *const usage[] = {"MODEL TRAIN-DATA [--val DATA] -o MODEL.safetensors", NULL};

static const limn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .argument = "MODEL.safetensors",
     .required = true,
     .help = "the model with its classifier"},
    {.name = "val",
     .kind = CLI_TEXT,
     .argument = "DATA",
     .help = "measure accuracy and loss on this data too"},
    {.name = "epochs",
     .kind = CLI_INT,
     .min = 1,
     .max = 1e9,
     .fallback = "50",
     .help = "passes over the features"},
    {.name = "batch",
     .kind = CLI_INT,
     .min = 1,
     .max = 1 << 24,
     .fallback = "512",
     .help = "images in a step"},
    {.name = "lr",
     .kind = CLI_FLOAT,
     .min = CLI_ABOVE_0,
     .max = 1e6,
     .fallback = "0.1",
     .help = "learning rate at the start; it falls to 0 as a cosine"},
    {0},
};

static const limn_example examples[] = {
    {"limn probe contrast/model.safetensors train.safetensors -o probed.safetensors",
     "a classifier for an encoder trained without one"},
    {"limn probe resnet18.safetensors train.safetensors --arch resnet18 -o out.safetensors --json",
     "how well the features of a published model separate other classes"},
    {0},
};

const limn_command probe_command = {
    .name = "probe",
    .summary = "fit a linear classifier on a frozen encoder",
    .usage = usage,
    .text = "Takes the encoder's features of every image once, in evaluation mode and without "
            "augmentation, and fits a linear classifier to them: cross-entropy, SGD with momentum "
            "0.9, features scaled to mean 0 and deviation 1 while fitting. The result is the model "
            "with the classifier as fc.*, which works on the features as they are.",
    .arguments = "MODEL TRAIN-DATA",
    .min_arguments = 2,
    .max_arguments = 2,
    .options = options,
    .model_options = true,
    .precision = CLI_DEVICE_PRECISION,
    .more_help = model_help,
    .examples = examples,
    .run = run,
};
