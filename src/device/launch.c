#include "device/internal.h"

#include <string.h>

static bool is_buffer(limn_arg_kind kind)
{
    return kind == LIMN_ARG_IN || kind == LIMN_ARG_OUT || kind == LIMN_ARG_INOUT;
}

/* A buffer that a kernel writes must be no other argument's buffer. */
static limn_status check_aliases(limn_device *device, const char *kernel, const limn_arg *args,
                                 size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((is_buffer(args[i].kind) || args[i].kind == LIMN_ARG_PART) && !args[i].value.buffer)
            return limn_fail(device->ctx, LIMN_BAD_USAGE, "bad launch", kernel,
                             "argument %zu is no buffer", i);
        if (args[i].kind != LIMN_ARG_OUT && args[i].kind != LIMN_ARG_INOUT)
            continue;
        for (size_t j = 0; j < count; j++)
            if (j != i && is_buffer(args[j].kind) && args[j].value.buffer == args[i].value.buffer)
                return limn_fail(device->ctx, LIMN_BAD_USAGE, "bad launch", kernel,
                                 "arguments %zu and %zu are one buffer, and it is written", i, j);
    }
    return LIMN_OK;
}

static cl_int set_arg(limn_device *device, cl_kernel kernel, cl_uint index, const limn_arg *arg)
{
    cl_mem mem;
    cl_int narrow;
    switch (arg->kind) {
    case LIMN_ARG_IN:
    case LIMN_ARG_OUT:
    case LIMN_ARG_INOUT:
    case LIMN_ARG_PART:
        mem = limn_buffer_mem(arg->value.buffer);
        return device->cl.SetKernelArg(kernel, index, sizeof mem, &mem);
    case LIMN_ARG_INT:
        narrow = (cl_int)arg->value.l;
        return narrow == arg->value.l
                   ? device->cl.SetKernelArg(kernel, index, sizeof narrow, &narrow)
                   : CL_INVALID_ARG_VALUE;
    case LIMN_ARG_UINT:
    case LIMN_ARG_FLOAT:
        return device->cl.SetKernelArg(kernel, index, 4, &arg->value);
    case LIMN_ARG_LONG:
    case LIMN_ARG_ULONG:
        return device->cl.SetKernelArg(kernel, index, 8, &arg->value);
    case LIMN_ARG_INT8:
        return device->cl.SetKernelArg(kernel, index, sizeof arg->value.v, arg->value.v);
    case LIMN_ARG_NONE:
        mem = NULL;
        return device->cl.SetKernelArg(kernel, index, sizeof mem, &mem);
    case LIMN_ARG_LOCAL:
        return device->cl.SetKernelArg(kernel, index, arg->value.local, NULL);
    }
    return CL_INVALID_ARG_VALUE;
}

/* Group size where the caller left it open: few sizes, since a driver may compile a kernel anew
 * for each. */
static void pick_local(const limn_device *device, const limn_kernel *kernel, limn_grid *grid)
{
    const size_t sizes[] = {1, 8, device->limits.is_cpu ? 64 : 256};
    size_t local = 1;
    for (size_t i = 0; i < 3 && local < grid->global[0]; i++)
        if (sizes[i] <= kernel->max_group && sizes[i] <= device->limits.max_work_item[0])
            local = sizes[i];
    grid->local[0] = local;
    grid->local[1] = grid->local[2] = 1;
}

static limn_status fit_grid(limn_device *device, const limn_kernel *kernel, limn_grid *grid)
{
    for (int d = 0; d < 3; d++)
        if (d > 0 && grid->global[d] == 0)
            grid->global[d] = 1;
    if (!grid->local[0] && !grid->local[1] && !grid->local[2])
        pick_local(device, kernel, grid);
    size_t group = 1;
    for (int d = 0; d < 3; d++) {
        if (grid->local[d] == 0)
            grid->local[d] = 1;
        group *= grid->local[d];
        if (grid->local[d] > device->limits.max_work_item[d])
            return limn_fail(device->ctx, LIMN_BAD_USAGE, "bad launch", kernel->name,
                             "%zu work-items in dimension %d, the device allows %zu",
                             grid->local[d], d, device->limits.max_work_item[d]);
        const size_t rest = grid->global[d] % grid->local[d];
        if (rest)
            grid->global[d] += grid->local[d] - rest;
    }
    if (group > kernel->max_group)
        return limn_fail(device->ctx, LIMN_BAD_USAGE, "bad launch", kernel->name,
                         "groups of %zu work-items, this kernel runs in groups of up to %zu here",
                         group, kernel->max_group);
    return LIMN_OK;
}

limn_status limn_launch(limn_device *device, const char *name, const char *defines, limn_grid grid,
                        const limn_arg *args, size_t arg_count)
{
    if (grid.global[0] == 0)
        return LIMN_OK;
    limn_kernel *kernel;
    limn_status status = limn_kernel_get(device, name, defines, &kernel);
    if (status != LIMN_OK)
        return status;
    if (arg_count != kernel->arg_count)
        return limn_fail(device->ctx, LIMN_BAD_USAGE, "bad launch", name,
                         "%zu arguments given, the kernel has %u", arg_count, kernel->arg_count);
    if ((status = check_aliases(device, name, args, arg_count)) != LIMN_OK ||
        (status = fit_grid(device, kernel, &grid)) != LIMN_OK)
        return status;
    for (size_t i = 0; i < arg_count; i++) {
        const cl_int code = set_arg(device, kernel->kernel, (cl_uint)i, &args[i]);
        if (code != CL_SUCCESS) {
            limn_fail(device->ctx, limn_cl_status(code), "bad launch", name, "argument %zu: %s: %s",
                      i, limn_cl_error_name(code), limn_cl_error_meaning(code));
            return limn_cl_blame(device, code);
        }
    }
    cl_event event = NULL;
    const cl_int code = device->cl.EnqueueNDRangeKernel(limn_device_queue(device), kernel->kernel,
                                                        3, NULL, grid.global, grid.local, 0, NULL,
                                                        device->timing ? &event : NULL);
    if (code != CL_SUCCESS)
        return limn_cl_fail(device, code, "kernel failed", name);
    return event ? limn_timing_add(device, kernel, event) : LIMN_OK;
}

limn_status limn_kernel_max_group(limn_device *device, const char *kernel, const char *defines,
                                  size_t *out)
{
    limn_kernel *found;
    const limn_status status = limn_kernel_get(device, kernel, defines, &found);
    if (status == LIMN_OK)
        *out = found->max_group;
    return status;
}
