#include "ops/op.h"

#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "op_list.h" /* generated from the array `ops` in meson.build: LIMN_OP_LIST(X) */

#define LIMN_OP_DECLARE(name) extern const limn_op limn_op_##name;
LIMN_OP_LIST(LIMN_OP_DECLARE)
#undef LIMN_OP_DECLARE

const limn_op *const limn_op_table[] = {
#define LIMN_OP_ROW(name) &limn_op_##name,
    LIMN_OP_LIST(LIMN_OP_ROW)
#undef LIMN_OP_ROW
};
const size_t limn_op_count = sizeof limn_op_table / sizeof *limn_op_table;

const limn_op *limn_op_find(const char *name)
{
    for (size_t i = 0; i < limn_op_count; i++)
        if (strcmp(limn_op_table[i]->name, name) == 0)
            return limn_op_table[i];
    return NULL;
}

static void store(const limn_param_spec *spec, double value, uint64_t whole, void *params)
{
    char *at = (char *)params + spec->offset;
    switch (spec->type) {
    case LIMN_PARAM_INT:
        memcpy(at, &(int64_t){(int64_t)value}, sizeof(int64_t));
        break;
    case LIMN_PARAM_U64:
        memcpy(at, &whole, sizeof whole);
        break;
    case LIMN_PARAM_FLOAT:
        memcpy(at, &value, sizeof value);
        break;
    }
}

static const limn_param_spec *find_spec(const limn_op *op, const char *name, size_t length)
{
    for (const limn_param_spec *spec = op->params; spec && spec->name; spec++)
        if (strlen(spec->name) == length && strncmp(spec->name, name, length) == 0)
            return spec;
    return NULL;
}

/* One "name=value" of `length` bytes. */
static limn_status parse_one(limn_context *ctx, const limn_op *op, const char *text, size_t length,
                             void *params)
{
    const char *equals = memchr(text, '=', length);
    const limn_param_spec *spec = equals ? find_spec(op, text, (size_t)(equals - text)) : NULL;
    char value_text[64], *end = value_text;
    const size_t value_length = equals ? length - (size_t)(equals + 1 - text) : 0;
    if (!spec || !value_length || value_length >= sizeof value_text)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad parameter", op->name,
                         "the op does not know '%.*s'", (int)length, text);
    memcpy(value_text, equals + 1, value_length);
    value_text[value_length] = '\0';
    errno = 0;
    const uint64_t whole = spec->type == LIMN_PARAM_U64 ? strtoull(value_text, &end, 10) : 0;
    const double value = spec->type == LIMN_PARAM_U64 ? (double)whole : strtod(value_text, &end);
    if (*end || errno || (spec->type == LIMN_PARAM_INT && value != floor(value)))
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad parameter", op->name, "'%.*s' is no number",
                         (int)length, text);
    if (spec->type != LIMN_PARAM_U64 && !(value >= spec->min && value <= spec->max))
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad parameter", op->name,
                         "'%.*s' is not in %g to %g", (int)length, text, spec->min, spec->max);
    store(spec, value, whole, params);
    return LIMN_OK;
}

limn_status limn_op_set(limn_context *ctx, const limn_op *op, const char *text, void *params)
{
    for (const char *at = text; *at;) {
        const size_t blanks = strspn(at, " "), length = strcspn(at + blanks, " ");
        at += blanks;
        if (length) {
            const limn_status status = parse_one(ctx, op, at, length, params);
            if (status != LIMN_OK)
                return status;
        }
        at += length;
    }
    return LIMN_OK;
}

limn_status limn_op_parse(limn_context *ctx, const limn_op *op, const char *text, void *params)
{
    memset(params, 0, op->params_size);
    for (const limn_param_spec *spec = op->params; spec && spec->name; spec++)
        store(spec, spec->default_value, (uint64_t)(int64_t)spec->default_value, params);
    return limn_op_set(ctx, op, text, params);
}

void limn_op_inherit(const limn_op *to, void *to_params, const limn_op *from,
                     const void *from_params)
{
    for (const limn_param_spec *spec = to->params; spec && spec->name; spec++) {
        const limn_param_spec *same = find_spec(from, spec->name, strlen(spec->name));
        if (same && same->type == spec->type) /* every type takes 8 bytes */
            memcpy((char *)to_params + spec->offset, (const char *)from_params + same->offset,
                   sizeof(int64_t));
    }
}

limn_status limn_op_make_plan(limn_device *device, const limn_op *op, const void *params,
                              const limn_desc *in, int in_count, limn_op_plan *plan)
{
    *plan = (limn_op_plan){.backward_in = op->backward_in, .backward_out = op->backward_out};
    if (in_count < op->min_in || in_count > op->max_in)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", op->name,
                         "%d given, it takes %d to %d", in_count, op->min_in, op->max_in);
    return op->plan(device, params, in, in_count, plan);
}

limn_status limn_op_forward(const limn_op *op, const limn_op_run *run)
{
    limn_op_run own = *run;
    limn_status status = LIMN_OK;
    for (int i = 0; i < LIMN_OP_MAX_PREPARED; i++) {
        own.prepared[i] = NULL;
        if (status == LIMN_OK && run->plan->prepared[i])
            status = limn_buffer_create(run->device, run->plan->prepared[i], &own.prepared[i]);
    }
    if (status == LIMN_OK && op->prepare)
        status = op->prepare(&own);
    if (status == LIMN_OK)
        status = op->forward(&own);
    for (int i = 0; i < LIMN_OP_MAX_PREPARED; i++)
        limn_buffer_destroy(&own.prepared[i]);
    return status;
}

static limn_status call(limn_device *device, const limn_op *op, const void *params,
                        limn_tensor *const *in, int in_count, limn_tensor *const *out,
                        int out_count)
{
    limn_context *ctx = limn_device_context(device);
    limn_desc desc[LIMN_OP_MAX_IN];
    for (int i = 0; i < in_count && i < LIMN_OP_MAX_IN; i++)
        desc[i] = in[i]->desc;
    limn_op_plan plan;
    limn_status status = limn_op_make_plan(device, op, params, desc, in_count, &plan);
    if (status != LIMN_OK)
        return status;
    if (out_count != plan.out_count)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad outputs", op->name, "%d given, it makes %d",
                         out_count, plan.out_count);
    limn_op_run run = {.device = device, .params = params, .plan = &plan, .in_count = in_count};
    if (in_count)
        memcpy(run.in, in, (size_t)in_count * sizeof *in);
    for (int i = 0; i < out_count; i++) {
        char planned[64], given[64];
        if (!limn_desc_equal(&out[i]->desc, &plan.out[i]))
            return limn_fail(ctx, LIMN_BAD_USAGE, "bad outputs", op->name,
                             "output %d is %s, the op makes %s", i,
                             limn_desc_text(&out[i]->desc, given, sizeof given),
                             limn_desc_text(&plan.out[i], planned, sizeof planned));
        run.out[i] = out[i];
    }
    for (int i = 0; i < plan.saved_count && !op->saves_for_backward && status == LIMN_OK; i++)
        status = limn_tensor_create(device, &plan.saved[i], &run.saved[i]);
    if (status == LIMN_OK && plan.forward_scratch)
        status = limn_buffer_create(device, plan.forward_scratch, &run.scratch);
    if (status == LIMN_OK)
        status = limn_op_forward(op, &run);
    limn_buffer_destroy(&run.scratch);
    for (int i = 0; i < plan.saved_count; i++)
        limn_tensor_destroy(&run.saved[i]);
    return status;
}

limn_status limn_op_call(limn_device *device, const char *name, limn_tensor *const *in,
                         int in_count, limn_tensor *const *out, int out_count, const char *format,
                         ...)
{
    limn_context *ctx = limn_device_context(device);
    const limn_op *op = limn_op_find(name);
    if (!op)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad op", name, "there is no such op");
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    void *params;
    limn_status status = limn_alloc(ctx, name, 1, op->params_size, &params);
    if (status == LIMN_OK)
        status = limn_op_parse(ctx, op, text, params);
    if (status == LIMN_OK)
        status = call(device, op, params, in, in_count, out, out_count);
    limn_free(params);
    return status;
}
