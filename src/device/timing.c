/* Time per kernel, from device events, while timing is on. */
#include "device/internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DRAIN_AT = 1024 };

/* Waits, adds up the events, releases them. */
static limn_status drain(limn_device *device)
{
    const limn_status status = limn_device_finish(device);
    for (size_t i = 0; i < device->launch_count; i++) {
        limn_timed_launch *launch = &device->launches[i];
        limn_kernel *kernel = (limn_kernel *)launch->kernel;
        cl_ulong start = 0, end = 0;
        if (status == LIMN_OK &&
            device->cl.GetEventProfilingInfo(launch->event, CL_PROFILING_COMMAND_START,
                                             sizeof start, &start, NULL) == CL_SUCCESS &&
            device->cl.GetEventProfilingInfo(launch->event, CL_PROFILING_COMMAND_END, sizeof end,
                                             &end, NULL) == CL_SUCCESS) {
            kernel->launches++;
            kernel->seconds += 1e-9 * (double)(end - start);
        }
        device->cl.ReleaseEvent(launch->event);
    }
    device->launch_count = 0;
    return status;
}

limn_status limn_timing_add(limn_device *device, limn_kernel *kernel, cl_event event)
{
    if (!device->launches) {
        device->launches = limn_calloc(DRAIN_AT, sizeof *device->launches);
        if (!device->launches) {
            device->cl.ReleaseEvent(event);
            return limn_out_of_memory(device->ctx, "timing");
        }
    }
    device->launches[device->launch_count++] = (limn_timed_launch){kernel, event};
    return device->launch_count == DRAIN_AT ? drain(device) : LIMN_OK;
}

limn_status limn_device_timing(limn_device *device, bool on)
{
    limn_status status = limn_device_finish(device);
    if (status != LIMN_OK)
        return status;
    if (on && !device->timed_queue) {
        cl_int code;
        device->timed_queue = device->cl.CreateCommandQueue(device->context, device->id,
                                                            CL_QUEUE_PROFILING_ENABLE, &code);
        if (!device->timed_queue)
            return limn_cl_fail(device, code, "no timing", limn_device_describe(device)->name);
    }
    if (on)
        for (size_t i = 0; i < device->kernel_capacity; i++)
            if (device->kernels[i]) {
                device->kernels[i]->launches = 0;
                device->kernels[i]->seconds = 0;
            }
    if (device->timing && !on)
        status = drain(device);
    device->timing = on;
    return status;
}

static int longest_first(const void *a, const void *b)
{
    const limn_kernel_time *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

limn_status limn_device_times(limn_device *device, const limn_kernel_time **times, size_t *count)
{
    if (device->timing) {
        const limn_status status = drain(device);
        if (status != LIMN_OK)
            return status;
    }
    limn_free(device->times);
    device->time_count = 0;
    device->times = limn_calloc(device->kernel_count, sizeof *device->times);
    if (!device->times)
        return limn_out_of_memory(device->ctx, "timing");
    for (size_t i = 0; i < device->kernel_capacity; i++) {
        const limn_kernel *kernel = device->kernels[i];
        if (!kernel || !kernel->launches)
            continue;
        limn_kernel_time *row = device->times;
        limn_kernel_time *const end = row + device->time_count;
        while (row < end && strcmp(row->kernel, kernel->name) != 0)
            row++;
        if (row == end) {
            snprintf(row->kernel, sizeof row->kernel, "%s", kernel->name);
            device->time_count++;
        }
        row->launches += kernel->launches;
        row->seconds += kernel->seconds;
    }
    qsort(device->times, device->time_count, sizeof *device->times, longest_first);
    *times = device->times;
    *count = device->time_count;
    return LIMN_OK;
}

void limn_timing_free(limn_device *device)
{
    for (size_t i = 0; i < device->launch_count; i++)
        device->cl.ReleaseEvent(device->launches[i].event);
    limn_free(device->launches);
    limn_free(device->times);
}
