#include "device/internal.h"

#include "base/memory.h"
#include "device/select.h"
#include "device/tuning.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

limn_status limn_cl_status(cl_int code)
{
    switch (code) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_INVALID_BUFFER_SIZE:
        return LIMN_OUT_OF_DEVICE_MEMORY;
    case CL_DEVICE_NOT_FOUND:
    case CL_DEVICE_NOT_AVAILABLE:
        return LIMN_NO_DEVICE;
    default:
        return LIMN_FAILED;
    }
}

limn_status limn_cl_blame(limn_device *device, cl_int code)
{
    if (code == CL_OUT_OF_HOST_MEMORY)
        limn_error_set_host_memory(device->ctx);
    return limn_cl_status(code);
}

limn_status limn_cl_fail(limn_device *device, cl_int code, const char *what, const char *where)
{
    limn_fail(device->ctx, limn_cl_status(code), what, where, "%s (%d): %s",
              limn_cl_error_name(code), (int)code, limn_cl_error_meaning(code));
    return limn_cl_blame(device, code);
}

/* Version of a text such as "OpenCL C 1.2 ..." as 12; 0 where it is none. */
static int version_in(const limn_cl_api *cl, cl_device_id id, cl_device_info what,
                      const char *format)
{
    int major = 0, minor = 0;
    char *text = limn_device_string(cl, id, what);
    const bool found = text && sscanf(text, format, &major, &minor) == 2;
    limn_free(text);
    return found ? major * 10 + minor : 0;
}

/* The highest OpenCL C version that the device lists, as a build option.  Only a device of OpenCL
 * 3.0 has the list; others may answer the query with nonsense. */
static char *language_option(const limn_cl_api *cl, cl_device_id id)
{
    int best = version_in(cl, id, CL_DEVICE_OPENCL_C_VERSION, "OpenCL C %d.%d");
    size_t size = 0;
    if (version_in(cl, id, CL_DEVICE_VERSION, "OpenCL %d.%d") >= 30 &&
        cl->GetDeviceInfo(id, CL_DEVICE_OPENCL_C_ALL_VERSIONS, 0, NULL, &size) == CL_SUCCESS) {
        cl_name_version *all = limn_calloc(1, size);
        if (!all)
            return NULL;
        if (cl->GetDeviceInfo(id, CL_DEVICE_OPENCL_C_ALL_VERSIONS, size, all, NULL) == CL_SUCCESS)
            for (size_t i = 0; i < size / sizeof *all; i++) {
                const int version =
                    (int)(CL_VERSION_MAJOR(all[i].version) * 10 + CL_VERSION_MINOR(all[i].version));
                if (version > best && version <= 30)
                    best = version;
            }
        limn_free(all);
    }
    if (best < 12)
        best = 12;
    return limn_format("-cl-std=CL%d.%d", best / 10, best % 10);
}

static unsigned smallest_subgroup(const limn_cl_api *cl, cl_device_id id)
{
    size_t sizes[16] = {0}, bytes = 0, smallest = 0;
    char *extensions = limn_device_string(cl, id, CL_DEVICE_EXTENSIONS);
    if (extensions && limn_has_word(extensions, "cl_intel_required_subgroup_size") &&
        cl->GetDeviceInfo(id, CL_DEVICE_SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, &bytes) ==
            CL_SUCCESS)
        for (size_t i = 0; i < bytes / sizeof *sizes; i++)
            if (smallest == 0 || sizes[i] < smallest)
                smallest = sizes[i];
    limn_free(extensions);
    return (unsigned)smallest;
}

static void read_limits(const limn_cl_api *cl, cl_device_id id, cl_device_type type,
                        const limn_device_info *info, limn_device_limits *limits)
{
    cl_ulong local = 0;
    cl_device_local_mem_type local_type = CL_LOCAL;
    cl_uint width = 1;
    cl_bool unified = CL_FALSE;
    size_t items[3] = {1, 1, 1}, group = 1;
    cl->GetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof local, &local, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_TYPE, sizeof local_type, &local_type, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, sizeof width, &width, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof group, &group, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof items, items, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof unified, &unified, NULL);
    *limits = (limn_device_limits){
        .is_cpu = (type & CL_DEVICE_TYPE_CPU) != 0,
        .shares_memory = unified == CL_TRUE,
        .compute_units = info->compute_units,
        .max_work_group = group,
        .max_work_item = {items[0], items[1], items[2]},
        .local_memory = local,
        .local_is_global = local_type == CL_GLOBAL,
        .global_memory = info->global_memory,
        .max_allocation = info->max_allocation,
        .float_width = width,
        .fp16 = info->fp16,
        .fp64 = info->fp64,
        .subgroups = info->subgroups,
        .smallest_subgroup = smallest_subgroup(cl, id),
        .matrix_stand_in = LIMN_MATRIX_PTX,
    };
}

/* Keeps row `chosen` of a list and drops the others. */
static void keep_row(limn_device_list *list, int chosen)
{
    limn_device_info wanted = list->devices[chosen];
    list->devices[chosen] = list->devices[0];
    list->devices[0] = wanted;
    for (size_t i = 1; i < list->count; i++) {
        limn_free((void *)list->devices[i].name);
        limn_free((void *)list->devices[i].platform);
        limn_free((void *)list->devices[i].vendor);
        limn_free((void *)list->devices[i].driver);
    }
    list->count = 1;
}

static limn_status start(limn_device *device, const limn_found_device *found)
{
    cl_int code = CL_SUCCESS;
    const limn_device_info *info = device->info->devices;
    device->id = found->device;
    read_limits(&device->cl, found->device, found->type, info, &device->limits);
    device->build_options = language_option(&device->cl, found->device);
    char *version = limn_device_string(&device->cl, found->device, CL_DEVICE_VERSION);
    if (version)
        device->identity =
            limn_format("%s\n%s\n%s\n%s", info->name, info->driver, info->platform, version);
    limn_free(version);
    if (!device->build_options || !device->identity)
        return limn_out_of_memory(device->ctx, info->name);
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)found->platform, 0};
    device->context = device->cl.CreateContext(properties, 1, &device->id, NULL, NULL, &code);
    if (!device->context)
        return limn_cl_fail(device, code, "cannot open device", info->name);
    device->queue = device->cl.CreateCommandQueue(device->context, device->id, 0, &code);
    if (!device->queue)
        return limn_cl_fail(device, code, "cannot open device", info->name);
    return LIMN_OK;
}

limn_status limn_device_open(limn_context *ctx, const char *which, limn_device **out)
{
    *out = NULL;
    const limn_cl_api *driver = limn_context_driver(ctx);
    limn_device *device = limn_calloc(1, sizeof *device);
    if (!device)
        return limn_out_of_memory(ctx, "device");
    device->ctx = ctx;
    device->cl = driver ? *driver : limn_cl_default_api;
    if (!which)
        which = getenv("LIMN_DEVICE");
    limn_found_device *found = NULL;
    int chosen = 0;
    limn_status status = limn_find_devices(ctx, &device->cl, &device->info, &found);
    if (status == LIMN_OK)
        status = limn_select_device(ctx, device->info, found, which, &chosen);
    if (status == LIMN_OK) {
        keep_row(device->info, chosen);
        status = start(device, &found[chosen]);
    }
    limn_free(found);
    if (status != LIMN_OK)
        limn_device_close(&device);
    *out = device;
    return status;
}

void limn_device_close(limn_device **handle)
{
    limn_device *device = handle ? *handle : NULL;
    if (!device)
        return;
    if (device->queue)
        device->cl.Finish(limn_device_queue(device));
    if (device->upload_queue)
        device->cl.Finish(device->upload_queue);
    if (device->pace)
        device->cl.ReleaseEvent(device->pace);
    limn_timing_free(device);
    limn_tuning_free(device);
    limn_programs_free(device);
    limn_pool_free(device);
    if (device->timed_queue)
        device->cl.ReleaseCommandQueue(device->timed_queue);
    if (device->upload_queue)
        device->cl.ReleaseCommandQueue(device->upload_queue);
    if (device->queue)
        device->cl.ReleaseCommandQueue(device->queue);
    if (device->context)
        device->cl.ReleaseContext(device->context);
    limn_device_list_destroy(&device->info);
    limn_free(device->build_options);
    limn_free(device->identity);
    limn_free(device);
    *handle = NULL;
}

const limn_device_info *limn_device_describe(const limn_device *device)
{
    return device->info->devices;
}

limn_context *limn_device_context(const limn_device *device)
{
    return device->ctx;
}

const limn_device_limits *limn_device_get_limits(const limn_device *device)
{
    return &device->limits;
}

bool limn_device_may_round(const limn_device *device)
{
    return device->limits.half_forms != 0 && !device->limits.is_cpu;
}

void limn_device_allow_half(limn_device *device, unsigned half_forms)
{
    device->limits.half_forms = half_forms;
}

void limn_device_set_matrix_units(limn_device *device, limn_matrix_units units)
{
    device->limits.matrix_units = units;
}

void limn_device_memory(const limn_device *device, uint64_t *held, uint64_t *peak)
{
    *held = device->held;
    *peak = device->peak;
}

cl_command_queue limn_device_queue(limn_device *device)
{
    return device->timing ? device->timed_queue : device->queue;
}

limn_status limn_device_flush(limn_device *device)
{
    const cl_int code = device->cl.Flush(limn_device_queue(device));
    return code == CL_SUCCESS ? LIMN_OK
                              : limn_cl_fail(device, code, "device failed", "flushing the queue");
}

limn_status limn_device_finish(limn_device *device)
{
    const cl_int code = device->cl.Finish(limn_device_queue(device));
    return code == CL_SUCCESS
               ? LIMN_OK
               : limn_cl_fail(device, code, "device failed", "waiting for the queue");
}

limn_status limn_device_pace(limn_device *device)
{
    cl_event last = device->pace;
    device->pace = NULL;
    cl_int code =
        device->cl.EnqueueMarkerWithWaitList(limn_device_queue(device), 0, NULL, &device->pace);
    if (code == CL_SUCCESS)
        code = device->cl.Flush(limn_device_queue(device));
    if (code == CL_SUCCESS && last)
        code = device->cl.WaitForEvents(1, &last);
    if (last)
        device->cl.ReleaseEvent(last);
    return code == CL_SUCCESS
               ? LIMN_OK
               : limn_cl_fail(device, code, "device failed", "waiting for earlier work");
}
