/* --target: predicted, label, CLASS, prototype[:...] or image:INDEX. */
#include "explain/explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const *explain_classes(const explain_job *j, int *count)
{
    const limn_model_info *model = limn_model_describe(j->model);
    const limn_dataset *reference = j->reference ? j->reference : j->data;
    const bool similar =
        !model->class_count || strncmp(cli_text(j->c, "target"), "prototype", 9) == 0;
    *count = similar ? reference->class_count : model->class_count;
    return similar ? reference->classes : model->classes;
}

/* A whole number that takes up all of the text. */
static bool read_number(const char *text, long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

/* Suggests a keyword or a class whose name is near. */
static limn_status unknown(explain_job *j, const char *text)
{
    static const char *const words[] = {"predicted", "label", "prototype", "image"};
    const size_t word_count = sizeof words / sizeof *words;
    int count;
    const char *const *classes = explain_classes(j, &count);
    const char **names = calloc((size_t)count + word_count + 1, sizeof *names);
    if (!names)
        return explain_out_of_memory(j);
    memcpy(names, words, sizeof words);
    for (int i = 0; i < count; i++)
        names[word_count + (size_t)i] = classes[i];
    const char *near = cli_nearest(text, names);
    cli_fail(j->c, LIMN_BAD_USAGE, "unknown target", "--target",
             "'%s' is no class and none of predicted, label, prototype, image:INDEX", text);
    if (near)
        cli_hint(j->c, "did you mean '%s'?", near);
    else if (count)
        cli_hint(j->c, "classes are 0 (%s) to %d (%s)", classes[0], count - 1, classes[count - 1]);
    free(names);
    return LIMN_BAD_USAGE;
}

static limn_status read_class(explain_job *j, const char *text, limn_target_params *out)
{
    int count;
    const char *const *classes = explain_classes(j, &count);
    long long number;
    if (strcmp(text, "predicted") == 0 || strcmp(text, "label") == 0) {
        out->kind = *text == 'l' ? LIMN_TARGET_LABEL : LIMN_TARGET_PREDICTED;
        return LIMN_OK;
    }
    out->kind = LIMN_TARGET_CLASS;
    if (read_number(text, &number)) {
        if (number >= count)
            return cli_fail(j->c, LIMN_BAD_USAGE, "class out of range", "--target",
                            "%lld, there are %d classes, from 0", number, count);
        out->class_index = (int)number;
        return LIMN_OK;
    }
    for (int i = 0; i < count; i++)
        if (strcmp(classes[i], text) == 0) {
            out->class_index = i;
            return LIMN_OK;
        }
    return unknown(j, text);
}

static limn_status read_target(explain_job *j, limn_target_params *out)
{
    const char *text = cli_text(j->c, "target");
    const size_t prototype = strlen("prototype"), image = strlen("image:");
    long long number;
    if (strncmp(text, "image:", image) == 0) {
        const limn_dataset *from = j->reference ? j->reference : j->data;
        if (!read_number(text + image, &number) || number >= from->count)
            return cli_fail(j->c, LIMN_BAD_USAGE, "image out of range", "--target",
                            "'%s' is not within 0:%lld of %s", text + image, (long long)from->count,
                            from->path);
        out->kind = LIMN_TARGET_IMAGE;
        out->image = number;
        return LIMN_OK;
    }
    if (strncmp(text, "prototype", prototype) == 0 &&
        (text[prototype] == ':' || text[prototype] == '\0')) {
        out->prototype = true;
        return text[prototype] ? read_class(j, text + prototype + 1, out) : LIMN_OK;
    }
    return read_class(j, text, out);
}

limn_status explain_make_targets(explain_job *j)
{
    limn_target_params params = {.first = j->first,
                                 .count = j->count,
                                 .reference = j->reference,
                                 .batch = cli_int(j->c, "batch")};
    /* Class names, first of all. */
    limn_status status = limn_model_adopt(j->model, j->data);
    if (status == LIMN_OK)
        status = read_target(j, &params);
    return status == LIMN_OK ? limn_targets_create(j->model, j->data, &params, &j->targets)
                             : status;
}
