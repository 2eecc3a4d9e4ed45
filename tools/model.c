#include "model.h"

#include <math.h>

static limn_status read_numbers(cli *c, const char *name, float *out, bool *given)
{
    double numbers[LIMN_MAX_CHANNELS] = {0};
    const int count = cli_numbers(c, name, numbers, LIMN_MAX_CHANNELS);
    *given = count > 0;
    if (count > LIMN_MAX_CHANNELS)
        return cli_fail(c, LIMN_BAD_USAGE, "too many numbers", name,
                        "%d were given, at most %d are "
                        "possible",
                        count, LIMN_MAX_CHANNELS);
    for (int i = 0; i < LIMN_MAX_CHANNELS; i++) {
        out[i] = count == 1 ? (float)numbers[0] : i < count ? (float)numbers[i] : NAN;
        if (name[0] == 's' && i < count && !(out[i] > 0))
            return cli_fail(c, LIMN_BAD_USAGE, "bad value", "--std", "%g is not above 0",
                            (double)out[i]);
    }
    return LIMN_OK;
}

limn_status model_params(cli *c, limn_model_params *out)
{
    *out = (limn_model_params){
        .arch = cli_text(c, "arch"),
        .class_count = (int)cli_int(c, "classes"),
        .seed = (uint64_t)cli_int(c, "seed"),
    };
    const limn_status status = read_numbers(c, "mean", out->mean, &out->has_mean);
    return status == LIMN_OK ? read_numbers(c, "std", out->std, &out->has_std) : status;
}

limn_status model_load(cli *c, limn_device *device, const char *path, limn_model **out)
{
    limn_model_params params;
    const limn_status status = model_params(c, &params);
    return status == LIMN_OK ? limn_model_load(device, path, &params, out) : status;
}

void model_help(FILE *out)
{
    fprintf(out, "\nArchitectures:\n");
    const limn_arch_info *arch;
    for (size_t i = 0; (arch = limn_arch_at(i)); i++) {
        char text[256];
        snprintf(text, sizeof text, "%s, %lld features", arch->summary, (long long)arch->features);
        cli_print_row(out, arch->name, text);
    }
}
