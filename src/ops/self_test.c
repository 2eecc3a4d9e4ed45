#include "limn/self_test.h"

#include "base/file.h"
#include "base/memory.h"
#include "ops/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static const char *verdict(const limn_op_check *seen, double tolerance)
{
    if (!(seen->forward_error <= tolerance))
        return "forward differs from the reference";
    if (seen->has_backward && !(seen->backward_error <= tolerance))
        return "backward differs from the reference";
    if (!seen->guards_intact)
        return "memory behind a buffer was overwritten";
    if (!seen->inputs_intact)
        return "an input was changed";
    return seen->repeats ? "" : "a second run gave other bits";
}

/* Where a device that passed is noted; NULL where caches are off. */
static char *note_path(limn_device *device)
{
    const char *folder = limn_cache_dir(limn_device_context(device));
    const limn_device_info *info = limn_device_describe(device);
    if (!folder)
        return NULL;
    char *identity =
        limn_format("%s\n%s\n%s\n%s", info->name, info->driver, info->platform, limn_version());
    if (!identity)
        return NULL;
    char *path = limn_format("%s/self-test/%016llx.txt", folder,
                             (unsigned long long)XXH3_64bits(identity, strlen(identity)));
    limn_free(identity);
    return path;
}

/* A note that cannot be written costs a further self-test, nothing else. */
static void write_note(limn_device *device)
{
    limn_context *ctx = limn_device_context(device);
    const limn_device_info *info = limn_device_describe(device);
    char *path = note_path(device);
    char *folder = path ? limn_format("%s/self-test", limn_cache_dir(ctx)) : NULL;
    limn_writer *writer = NULL;
    if (folder && (limn_make_folder(ctx, folder) != LIMN_OK ||
                   limn_writer_open(ctx, path, &writer) != LIMN_OK ||
                   limn_writer_printf(writer, "%s\n%s\n%s\nlimn %s\n", info->name, info->driver,
                                      info->platform, limn_version()) != LIMN_OK ||
                   limn_writer_commit(&writer) != LIMN_OK))
        limn_error_clear(ctx);
    limn_writer_discard(&writer);
    limn_free(folder);
    limn_free(path);
}

/* Fails where memory ran out, of which neither the op nor the driver can be accused. */
static limn_status test_op(limn_device *device, const limn_op *op, limn_self_test_row *row)
{
    limn_op_check seen;
    limn_context *ctx = limn_device_context(device);
    *row = (limn_self_test_row){
        .op = op->name, .formula = op->formula, .tolerance = op->example->tolerance};
    const limn_status status = limn_op_check_run(device, op, op->example->params, op->example->in,
                                                 op->example->in_count, 1, NULL, &seen);
    if (status == LIMN_OUT_OF_DEVICE_MEMORY ||
        (status != LIMN_OK && limn_error_is_host_memory(ctx)))
        return status;
    row->error = INFINITY;
    row->why = limn_error_text(ctx);
    if (status == LIMN_OK) {
        row->error = fmax(seen.forward_error, seen.has_backward ? seen.backward_error : 0);
        row->why = verdict(&seen, row->tolerance);
        row->passed = !*row->why;
    }
    return LIMN_OK;
}

limn_status limn_self_test(limn_device *device, limn_self_test_fn seen, void *user)
{
    limn_context *ctx = limn_device_context(device);
    const limn_device_info *info = limn_device_describe(device);
    limn_progress report = {
        .task = "checking the device", .unit = "ops", .total = (double)limn_op_count};
    char *failed = NULL;
    limn_status status = LIMN_OK;
    const unsigned half_forms = limn_device_get_limits(device)->half_forms;
    limn_device_allow_half(device, 0); /* limn_precision_set checks those */
    for (size_t i = 0; i < limn_op_count && status == LIMN_OK; i++) {
        limn_self_test_row row;
        if ((status = test_op(device, limn_op_table[i], &row)) != LIMN_OK)
            break;
        if (seen)
            seen(user, &row);
        if (!row.passed) {
            char *longer = limn_format("%s%s%s: %s", failed ? failed : "", failed ? "; " : "",
                                       row.op, row.why);
            limn_free(failed);
            failed = longer;
            if (!longer)
                status = limn_out_of_memory(ctx, "self-test");
        }
        report.detail = row.op;
        report.done = (double)(i + 1);
        report.finished = i + 1 == limn_op_count;
        if (status == LIMN_OK)
            status = limn_report(ctx, &report);
    }
    limn_device_allow_half(device, half_forms);
    if (status == LIMN_OK && failed) {
        status = limn_fail(ctx, LIMN_NO_DEVICE, "the device computes wrong", info->name,
                           "driver %s of %s: %s", info->driver, info->platform, failed);
        limn_hint(ctx, "update the driver or take another device (`limn devices`); "
                       "LIMN_SELF_TEST=0 skips this test, at your own risk");
    }
    if (status == LIMN_OK)
        write_note(device);
    limn_free(failed);
    return status;
}

limn_status limn_self_test_once(limn_device *device)
{
    limn_context *ctx = limn_device_context(device);
    const char *asked = getenv("LIMN_SELF_TEST");
    char *path = note_path(device);
    const bool lost = !path && limn_cache_dir(ctx); /* caches are on, but host memory is short */
    const bool skip = !path || limn_file_exists(path) || (asked && strcmp(asked, "0") == 0);
    limn_free(path);
    if (lost)
        return limn_out_of_memory(ctx, "self-test");
    if (skip)
        return LIMN_OK;
    limn_log(ctx, LIMN_LOG_INFO, "first use of %s: checking it",
             limn_device_describe(device)->name);
    return limn_self_test(device, NULL, NULL);
}
