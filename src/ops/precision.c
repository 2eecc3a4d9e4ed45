#include "limn/precision.h"

#include "base/memory.h"
#include "ops/check.h"
#include "ops/matrix_units.h"

#include <math.h>
#include <stdio.h>

/* What ends the whole check; all else leaves one form out. */
static bool is_fatal(limn_context *ctx, limn_status status)
{
    return status == LIMN_INTERRUPTED || status == LIMN_OUT_OF_DEVICE_MEMORY ||
           (status != LIMN_OK && limn_error_is_host_memory(ctx));
}

/* The loosest bound of the gradients. */
static double backward_bound(const limn_op *op, const limn_choice_case *c, int which)
{
    double bound = 0;
    for (int direction = 1; op->choices->directions[direction]; direction++)
        bound = fmax(bound, op->choices->bound(c, direction, which));
    return bound;
}

/* One form on the op's example; its bit is set in *passed where it is right. */
static limn_status check(limn_device *device, const limn_op *op, const limn_choice_case *c,
                         int which, unsigned *passed)
{
    limn_context *ctx = limn_device_context(device);
    const double bounds[] = {op->choices->bound(c, 0, which), backward_bound(op, c, which)};
    limn_op_check seen;
    char params[128];
    snprintf(params, sizeof params, "%s impl=%d", op->example->params, which + 1);
    const limn_status status = limn_op_check_run(device, op, params, op->example->in,
                                                 op->example->in_count, 1, NULL, &seen);
    if (is_fatal(ctx, status))
        return status;
    if (status != LIMN_OK) {
        limn_log(ctx, LIMN_LOG_WARNING, "%s in half precision, %s, is left out: %s", op->name,
                 op->choices->name(which), limn_error_text(ctx));
        limn_error_clear(ctx);
    } else if (!(seen.forward_error <= bounds[0]) || !(seen.backward_error <= bounds[1]) ||
               !seen.guards_intact || !seen.inputs_intact || !seen.repeats) {
        limn_log(ctx, LIMN_LOG_WARNING,
                 "%s in half precision, %s, is left out: it computes wrong here (errors %.2g and "
                 "%.2g, at most %.2g and %.2g are allowed)",
                 op->name, op->choices->name(which), seen.forward_error, seen.backward_error,
                 bounds[0], bounds[1]);
    } else {
        *passed |= 1u << (op->choices->half_bit + which);
    }
    return LIMN_OK;
}

/* Every form of an op in half precision. */
static limn_status check_op(limn_device *device, const limn_op *op, unsigned *passed)
{
    void *params = limn_calloc(1, op->params_size);
    if (!params)
        return limn_out_of_memory(limn_device_context(device), op->name);
    limn_status status =
        limn_op_parse(limn_device_context(device), op, op->example->params, params);
    const limn_choice_case c = {device, params, op->example->in, op->example->in_count};
    for (int which = 0; which < op->choices->count && status == LIMN_OK; which++)
        if (op->choices->half(which))
            status = check(device, op, &c, which, passed);
    limn_free(params);
    return status;
}

limn_status limn_precision_set(limn_device *device, limn_precision precision)
{
    limn_context *ctx = limn_device_context(device);
    const limn_device_info *info = limn_device_describe(device);
    unsigned passed = 0;
    limn_status status = LIMN_OK;
    if (precision != LIMN_PRECISION_FP32 && precision != LIMN_PRECISION_FP16)
        return limn_fail(ctx, LIMN_BAD_USAGE, "bad precision", info->name, "there is no number %d",
                         (int)precision);
    limn_device_allow_half(device, 0);
    if (precision == LIMN_PRECISION_FP32)
        return LIMN_OK;
    status = limn_matrix_find(device);
    if (status == LIMN_OK && limn_device_get_limits(device)->is_cpu) {
        limn_log(ctx, LIMN_LOG_NOTE,
                 "fp16 changes nothing on %s: on CPU devices single precision is the faster one",
                 info->name);
        return LIMN_OK;
    }
    limn_device_allow_half(device, ~0u);
    for (size_t i = 0; i < limn_op_count && status == LIMN_OK; i++)
        if (limn_op_table[i]->choices && limn_op_table[i]->choices->half)
            status = check_op(device, limn_op_table[i], &passed);
    limn_device_allow_half(device, status == LIMN_OK ? passed : 0);
    if (status != LIMN_OK)
        return status;
    if (!passed) {
        status = limn_fail(ctx, LIMN_NO_DEVICE, "no half precision", info->name,
                           "no form in half precision runs right on it");
        limn_hint(ctx, "leave the precision at fp32");
        return status;
    }
    return LIMN_OK;
}
