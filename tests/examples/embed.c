/* Says what a model sees in the first image of a data set.  Usage: embed MODEL DATA */
#include <limn/predict.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    limn_context *ctx = NULL;
    limn_device *device = NULL;
    const limn_dataset *data = NULL;
    limn_model *model = NULL;
    float logits[1000] = {0}; /* room for 1000 classes */
    limn_status status = argc == 3 ? limn_context_create(NULL, &ctx) : LIMN_BAD_USAGE;
    if (status == LIMN_OK)
        status = limn_device_open(ctx, NULL, &device);
    if (status == LIMN_OK)
        status = limn_dataset_open(ctx, argv[2], &data);
    if (status == LIMN_OK)
        status = limn_model_load(device, argv[1], NULL, &model);
    if (status == LIMN_OK && limn_model_describe(model)->class_count > 1000)
        status = LIMN_BAD_INPUT;
    if (status == LIMN_OK)
        status = limn_predict(model, data, &(limn_predict_params){.count = 1, .logits = logits});
    if (status == LIMN_OK) {
        const limn_model_info *info = limn_model_describe(model);
        int best = 0;
        for (int i = 1; i < info->class_count; i++)
            best = logits[i] > logits[best] ? i : best;
        printf("image 0: %s\n", info->classes[best]);
    } else {
        fprintf(stderr, "embed: %s\n", ctx ? limn_error_text(ctx) : "usage: embed MODEL DATA");
    }
    limn_model_destroy(&model);
    limn_dataset_close(&data);
    limn_device_close(&device);
    limn_context_destroy(&ctx);
    return status;
}
