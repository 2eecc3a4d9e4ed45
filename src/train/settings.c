#include "train/settings.h"

#include "base/file.h"
#include "data/feed.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct limn_setting_type limn_setting_type;

struct limn_setting {
    const char *name;
    const limn_setting_type *type;
    size_t offset;
    double min, max; /* of numbers */
    enum {
        FIXED,
        LEFT_OUT,
        FREE
    } resumed;     /* LEFT_OUT: the run's own where not set; FREE: may differ */
    bool optional; /* 0 stands for: not set */
};

/* How a kind of value is read and written.  `parse` returns what is wrong with the text, or NULL;
 * `print` returns false where no value is set.  A run that says none had `unsaid`; NULL: none. */
struct limn_setting_type {
    const char *(*parse)(const limn_setting *s, void *params, const char *text);
    bool (*print)(const limn_setting *s, const void *params, char *text, size_t size);
    const char *unsaid;
};

static void *field_of(const limn_setting *s, void *params)
{
    return (char *)params + s->offset;
}

static const void *value_of(const limn_setting *s, const void *params)
{
    return (const char *)params + s->offset;
}

/* ---- kinds of values ------------------------------------------------------------------------ */

static const char *parse_text(const limn_setting *s, void *params, const char *text)
{
    *(const char **)field_of(s, params) = text;
    return *text ? NULL : "it is empty";
}

static bool print_text(const limn_setting *s, const void *params, char *text, size_t size)
{
    const char *value = *(const char *const *)value_of(s, params);
    snprintf(text, size, "%s", value ? value : "");
    return value != NULL;
}

static const char *parse_integer(const limn_setting *s, void *params, const char *text)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno)
        return "it is no whole number";
    if ((double)value < s->min || (double)value > s->max)
        return "it is out of range";
    *(int64_t *)field_of(s, params) = value;
    return NULL;
}

static bool print_integer(const limn_setting *s, const void *params, char *text, size_t size)
{
    const int64_t value = *(const int64_t *)value_of(s, params);
    snprintf(text, size, "%lld", (long long)value);
    return value != 0 || !s->optional;
}

static const char *parse_int(const limn_setting *s, void *params, const char *text)
{
    int64_t value;
    limn_setting wide = *s;
    wide.offset = 0;
    const char *wrong = parse_integer(&wide, &value, text);
    if (!wrong)
        *(int *)field_of(s, params) = (int)value;
    return wrong;
}

static bool print_int(const limn_setting *s, const void *params, char *text, size_t size)
{
    const int value = *(const int *)value_of(s, params);
    snprintf(text, size, "%d", value);
    return value != 0 || !s->optional;
}

static const char *parse_seed(const limn_setting *s, void *params, const char *text)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (end == text || *end || errno || strchr(text, '-'))
        return "it is no whole number from 0 to 2^64 - 1";
    *(uint64_t *)field_of(s, params) = value;
    return NULL;
}

static bool print_seed(const limn_setting *s, const void *params, char *text, size_t size)
{
    snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)value_of(s, params));
    return true;
}

static const char *parse_real(const limn_setting *s, void *params, const char *text)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value))
        return "it is no number";
    if (value < s->min || value > s->max)
        return "it is out of range";
    *(double *)field_of(s, params) = value;
    return NULL;
}

/* The shortest text that reads back as the same number. */
static int print_number(double value, bool single, char *text, size_t size)
{
    int length = 0;
    for (int digits = 6; digits <= 17; digits++) {
        length = snprintf(text, size, "%.*g", digits, value);
        const double back = strtod(text, NULL);
        if (single ? !((float)back < (float)value) && !((float)back > (float)value)
                   : !(back < value) && !(back > value))
            break;
    }
    return length;
}

static bool print_real(const limn_setting *s, const void *params, char *text, size_t size)
{
    const double value = *(const double *)value_of(s, params);
    print_number(value, false, text, size);
    return value != 0 || !s->optional;
}

static const char *parse_flag(const limn_setting *s, void *params, const char *text)
{
    const bool yes = strcmp(text, "yes") == 0;
    if (!yes && strcmp(text, "no") != 0)
        return "it is neither yes nor no";
    *(bool *)field_of(s, params) = yes;
    return NULL;
}

static bool print_flag(const limn_setting *s, const void *params, char *text, size_t size)
{
    snprintf(text, size, "%s", *(const bool *)value_of(s, params) ? "yes" : "no");
    return true;
}

static const char *const precisions[] = {
    [LIMN_PRECISION_FP32] = "fp32", [LIMN_PRECISION_FP16] = "fp16"};

static const char *parse_precision(const limn_setting *s, void *params, const char *text)
{
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++)
        if (strcmp(text, precisions[i]) == 0) {
            *(limn_precision *)field_of(s, params) = (limn_precision)i;
            return NULL;
        }
    return "it is neither fp32 nor fp16";
}

static bool print_precision(const limn_setting *s, const void *params, char *text, size_t size)
{
    const size_t value = (size_t) * (const limn_precision *)value_of(s, params);
    const bool known = value < sizeof precisions / sizeof *precisions;
    snprintf(text, size, "%s", known ? precisions[value] : "unknown");
    return true;
}

/* One number a channel, in `values`. */
static const char *parse_channels(const limn_setting *s, const char *text,
                                  float values[LIMN_MAX_CHANNELS])
{
    int count = 0;
    for (const char *at = text; *at; count++) {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || !isfinite(value) || (*end && (*end != ',' || !end[1])))
            return "it is no list of numbers";
        if (value < s->min || value > s->max)
            return "a number is out of range";
        if (count == LIMN_MAX_CHANNELS)
            return "it has more than four numbers";
        values[count] = (float)value;
        at = *end ? end + 1 : end;
    }
    for (int i = count; count && i < LIMN_MAX_CHANNELS; i++)
        values[i] = count == 1 ? values[0] : NAN;
    return count ? NULL : "it is empty";
}

static bool print_channels(const float values[LIMN_MAX_CHANNELS], bool has, char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < LIMN_MAX_CHANNELS && !isnan(values[i]); i++) {
        used += (size_t)snprintf(text + used, size - used, "%s", i ? "," : "");
        used += (size_t)print_number((double)values[i], true, text + used, size - used);
    }
    return has;
}

static const char *parse_mean(const limn_setting *s, void *params, const char *text)
{
    limn_train_params *p = params;
    p->model.has_mean = true;
    return parse_channels(s, text, p->model.mean);
}

static bool print_mean(const limn_setting *s, const void *params, char *text, size_t size)
{
    const limn_train_params *p = params;
    (void)s;
    return print_channels(p->model.mean, p->model.has_mean, text, size);
}

static const char *parse_std(const limn_setting *s, void *params, const char *text)
{
    limn_train_params *p = params;
    p->model.has_std = true;
    return parse_channels(s, text, p->model.std);
}

static bool print_std(const limn_setting *s, const void *params, char *text, size_t size)
{
    const limn_train_params *p = params;
    (void)s;
    return print_channels(p->model.std, p->model.has_std, text, size);
}

static const limn_setting_type as_text = {parse_text, print_text, NULL};
static const limn_setting_type as_integer = {parse_integer, print_integer, NULL};
static const limn_setting_type as_int = {parse_int, print_int, NULL};
static const limn_setting_type as_seed = {parse_seed, print_seed, NULL};
static const limn_setting_type as_real = {parse_real, print_real, NULL};
static const limn_setting_type as_flag = {parse_flag, print_flag, NULL};
static const limn_setting_type as_precision = {parse_precision, print_precision, "fp32"};
static const limn_setting_type as_mean = {parse_mean, print_mean, NULL};
static const limn_setting_type as_std = {parse_std, print_std, NULL};

/* ---- the table ------------------------------------------------------------------------------ */

#define AT(field) offsetof(limn_train_params, field)

static const limn_setting table[] = {
    {"arch", &as_text, AT(model.arch), 0, 0, LEFT_OUT, false},
    {"classes", &as_int, AT(model.class_count), 1, 1000000, LEFT_OUT, true},
    {"mean", &as_mean, 0, -1000, 1000, LEFT_OUT, false},
    {"std", &as_std, 0, FLT_MIN, 1000, LEFT_OUT, false},
    {"init", &as_text, AT(init), 0, 0, FREE, false},
    {"loss", &as_text, AT(loss), 0, 0, FIXED, false},
    {"epochs", &as_integer, AT(epochs), 1, 1e9, FREE, false},
    {"steps", &as_integer, AT(steps), 1, 1e15, FREE, true},
    {"batch", &as_integer, AT(batch), 1, 1 << 24, FIXED, true},
    {"optimizer", &as_text, AT(optimizer), 0, 0, FIXED, false},
    {"lr", &as_real, AT(lr), DBL_MIN, 1e6, FIXED, false},
    {"momentum", &as_real, AT(momentum), 0, 1 - DBL_EPSILON, FIXED, false},
    {"weight-decay", &as_real, AT(weight_decay), 0, 1e6, FIXED, false},
    {"nesterov", &as_flag, AT(nesterov), 0, 0, FIXED, false},
    {"no-decay-norm-bias", &as_flag, AT(no_decay_norm_bias), 0, 0, FIXED, false},
    {"schedule", &as_text, AT(schedule), 0, 0, FIXED, false},
    {"warmup", &as_real, AT(warmup), 0, 1e9, FIXED, false},
    {"milestones", &as_text, AT(milestones), 0, 0, FIXED, false},
    {"decay", &as_real, AT(decay), 0, 1, FIXED, false},
    {"temperature", &as_real, AT(temperature), 1e-3, 1e3, FIXED, false},
    {"base-temperature", &as_real, AT(base_temperature), 1e-3, 1e3, FIXED, true},
    {"label-smoothing", &as_real, AT(label_smoothing), 0, 1 - DBL_EPSILON, FIXED, false},
    {"augment", &as_text, AT(augment), 0, 0, FIXED, false},
    {"views", &as_integer, AT(views), 1, 2, FIXED, false},
    {"no-shuffle", &as_flag, AT(no_shuffle), 0, 0, FIXED, false},
    {"seed", &as_seed, AT(seed), 0, 0, FIXED, false},
    {"recompute", &as_flag, AT(recompute), 0, 0, FREE, false},
    {"precision", &as_precision, AT(precision), 0, 0, FIXED, false},
    {"probe", &as_flag, AT(probe), 0, 0, FREE, false},
    {"checkpoint-every", &as_integer, AT(checkpoint_every), 1, 1e15, FREE, true},
};
enum { COUNT = sizeof table / sizeof *table };

const limn_setting *limn_setting_at(size_t index)
{
    return index < COUNT ? &table[index] : NULL;
}

const char *limn_setting_name(const limn_setting *s)
{
    return s->name;
}

const char *limn_setting_said(const limn_setting *s, const char *then)
{
    return then ? then : s->type->unsaid;
}

bool limn_setting_may_resume(const limn_setting *s, const limn_train_params *params,
                             const char *then)
{
    char now[LIMN_SETTING_TEXT];
    const bool has = limn_setting_print(s, params, now, sizeof now);
    then = limn_setting_said(s, then);
    if (s->resumed == FREE || (s->resumed == LEFT_OUT && !has))
        return true;
    return has ? then && strcmp(now, then) == 0 : !then;
}

bool limn_setting_print(const limn_setting *s, const limn_train_params *params, char *text,
                        size_t size)
{
    return s->type->print(s, params, text, size);
}

const char *limn_train_setting(size_t index)
{
    return index < COUNT ? table[index].name : NULL;
}

limn_status limn_train_set(limn_context *ctx, limn_train_params *params, const char *name,
                           const char *value)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i].name, name) != 0)
            continue;
        const char *wrong = table[i].type->parse(&table[i], params, value);
        return wrong ? limn_fail(ctx, LIMN_BAD_USAGE, "bad value", name, "'%s': %s", value, wrong)
                     : LIMN_OK;
    }
    return limn_fail(ctx, LIMN_BAD_USAGE, "unknown setting", name,
                     "training has none of this name");
}

/* ---- defaults, checks, files ---------------------------------------------------------------- */

limn_status limn_train_defaults(limn_context *ctx, const char *name, limn_train_params *out)
{
    const limn_loss *loss = limn_loss_find(ctx, name ? name : "ce");
    if (!loss)
        return LIMN_BAD_USAGE;
    *out = loss->defaults;
    out->loss = loss->name;
    out->optimizer = "sgd";
    out->momentum = 0.9;
    out->schedule = "cosine";
    out->decay = 0.1;
    out->temperature = 0.1;
    return LIMN_OK;
}

static limn_status unknown(limn_context *ctx, const char *what, const char *value)
{
    return limn_fail(ctx, LIMN_BAD_USAGE, "unknown value", what, "'%s'", value ? value : "");
}

/* Numbers against the ranges of their rows: a program may have set them directly. */
static limn_status check_ranges(limn_context *ctx, const limn_train_params *params)
{
    for (size_t i = 0; i < COUNT; i++) {
        char text[LIMN_SETTING_TEXT];
        limn_train_params scratch = *params;
        if (!limn_setting_print(&table[i], params, text, sizeof text))
            continue;
        const limn_status status = limn_train_set(ctx, &scratch, table[i].name, text);
        if (status != LIMN_OK)
            return status;
    }
    return LIMN_OK;
}

limn_status limn_train_check(limn_context *ctx, const limn_train_params *params)
{
    double milestones[LIMN_MAX_MILESTONES];
    const limn_loss *loss = limn_loss_find(ctx, params->loss ? params->loss : "");
    if (!loss)
        return LIMN_BAD_USAGE;
    if (!params->optimizer || !limn_optimizer_find(params->optimizer))
        return unknown(ctx, "optimizer", params->optimizer);
    if (!params->schedule || !limn_schedule_find(params->schedule))
        return unknown(ctx, "schedule", params->schedule);
    if (!params->augment || !limn_augment_find(params->augment))
        return unknown(ctx, "augment", params->augment);
    if (params->milestones && limn_milestones_parse(params->milestones, milestones) < 1)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad value", "milestones",
                         "'%s' is no list of growing epochs such as 30,40", params->milestones);
    if (params->views > loss->max_views)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad value", "views", "the loss %s takes %lld",
                         loss->name, (long long)loss->max_views);
    return check_ranges(ctx, params);
}

limn_status limn_train_write_config(limn_context *ctx, const limn_train_params *params,
                                    const char *validation, const char *path)
{
    limn_writer *writer;
    limn_status status = limn_writer_open(ctx, path, &writer);
    if (status != LIMN_OK)
        return status;
    status = limn_writer_printf(
        writer, "; limn %s: settings of this run, for `limn train --config`\n", limn_version());
    for (size_t i = 0; i < COUNT && status == LIMN_OK; i++) {
        char text[LIMN_SETTING_TEXT];
        const bool has = limn_setting_print(&table[i], params, text, sizeof text);
        if (has)
            status = limn_writer_printf(writer, "%s = %s\n", table[i].name, text);
    }
    if (status == LIMN_OK && validation)
        status = limn_writer_printf(writer, "val = %s\n", validation);
    if (status == LIMN_OK)
        return limn_writer_commit(&writer);
    limn_writer_discard(&writer);
    return status;
}
