#include "device/internal.h"

#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *limn_device_string(const limn_cl_api *cl, cl_device_id device, cl_device_info what)
{
    size_t size = 0;
    if (cl->GetDeviceInfo(device, what, 0, NULL, &size) != CL_SUCCESS || size == 0)
        return limn_strdup("");
    char *text = limn_calloc(size + 1, 1);
    if (text && cl->GetDeviceInfo(device, what, size, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    return text;
}

static char *platform_string(const limn_cl_api *cl, cl_platform_id platform, cl_platform_info what)
{
    size_t size = 0;
    if (cl->GetPlatformInfo(platform, what, 0, NULL, &size) != CL_SUCCESS || size == 0)
        return limn_strdup("");
    char *text = limn_calloc(size + 1, 1);
    if (text && cl->GetPlatformInfo(platform, what, size, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    return text;
}

bool limn_has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static const char *type_name(cl_device_type type)
{
    if (type & CL_DEVICE_TYPE_GPU)
        return "gpu";
    if (type & CL_DEVICE_TYPE_ACCELERATOR)
        return "accelerator";
    return type & CL_DEVICE_TYPE_CPU ? "cpu" : "custom";
}

/* Why the device cannot run limn, or "". */
static const char *refusal(const limn_cl_api *cl, cl_device_id device, const char *version)
{
    cl_bool available = CL_FALSE, compiler = CL_FALSE, little = CL_FALSE;
    cl->GetDeviceInfo(device, CL_DEVICE_AVAILABLE, sizeof available, &available, NULL);
    cl->GetDeviceInfo(device, CL_DEVICE_COMPILER_AVAILABLE, sizeof compiler, &compiler, NULL);
    cl->GetDeviceInfo(device, CL_DEVICE_ENDIAN_LITTLE, sizeof little, &little, NULL);
    int major = 0, minor = 0;
    if (sscanf(version, "OpenCL %d.%d", &major, &minor) != 2 || major * 10 + minor < 12)
        return "needs OpenCL 1.2 or later";
    if (!available)
        return "the driver says it is not available";
    if (!compiler)
        return "its driver has no compiler";
    return little ? "" : "it is big-endian";
}

static limn_status describe(limn_context *ctx, const limn_cl_api *cl,
                            const limn_found_device *found, limn_device_info *info)
{
    cl_device_id id = found->device;
    char *extensions = limn_device_string(cl, id, CL_DEVICE_EXTENSIONS);
    char *version = limn_device_string(cl, id, CL_DEVICE_VERSION);
    info->name = limn_device_string(cl, id, CL_DEVICE_NAME);
    info->vendor = limn_device_string(cl, id, CL_DEVICE_VENDOR);
    info->driver = limn_device_string(cl, id, CL_DRIVER_VERSION);
    info->platform = platform_string(cl, found->platform, CL_PLATFORM_NAME);
    limn_status status = LIMN_OK;
    if (!extensions || !version || !info->name || !info->vendor || !info->driver ||
        !info->platform) {
        status = limn_out_of_memory(ctx, "device list");
    } else {
        cl_uint units = 0;
        cl_ulong memory = 0, allocation = 0;
        cl->GetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL);
        cl->GetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof memory, &memory, NULL);
        cl->GetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof allocation, &allocation, NULL);
        info->type = type_name(found->type);
        info->compute_units = units;
        info->global_memory = memory;
        info->max_allocation = allocation;
        info->fp16 = limn_has_word(extensions, "cl_khr_fp16");
        info->fp64 = limn_has_word(extensions, "cl_khr_fp64");
        info->subgroups = limn_has_word(extensions, "cl_khr_subgroups");
        info->reason = refusal(cl, id, version);
        info->usable = !*info->reason;
    }
    limn_free(extensions);
    limn_free(version);
    return status;
}

/* Appends the devices of one platform.  A platform without devices is nothing unusual. */
static limn_status add_platform(limn_context *ctx, const limn_cl_api *cl, cl_platform_id platform,
                                limn_device_list *list, limn_found_device **found)
{
    cl_uint count = 0;
    if (cl->GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count) != CL_SUCCESS || !count)
        return LIMN_OK;
    cl_device_id *ids = limn_calloc(count, sizeof *ids);
    limn_device_info *rows =
        limn_realloc(list->devices, list->count + count, sizeof *list->devices);
    if (rows)
        list->devices = rows;
    limn_found_device *more = limn_realloc(*found, list->count + count, sizeof **found);
    if (more)
        *found = more;
    limn_status status = LIMN_OK;
    if (!ids || !rows || !more)
        status = limn_out_of_memory(ctx, "device list");
    else if (cl->GetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids, NULL) == CL_SUCCESS)
        for (cl_uint i = 0; i < count && status == LIMN_OK; i++) {
            limn_found_device *at = &(*found)[list->count];
            *at = (limn_found_device){.platform = platform, .device = ids[i]};
            cl->GetDeviceInfo(ids[i], CL_DEVICE_TYPE, sizeof at->type, &at->type, NULL);
            cl->GetDeviceInfo(ids[i], CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof at->clock, &at->clock,
                              NULL);
            limn_device_info *info = &list->devices[list->count];
            *info = (limn_device_info){.index = (int)list->count};
            list->count++;
            status = describe(ctx, cl, at, info);
        }
    limn_free(ids);
    return status;
}

limn_status limn_find_devices(limn_context *ctx, const limn_cl_api *cl, limn_device_list **out,
                              limn_found_device **found)
{
    *found = NULL;
    *out = limn_calloc(1, sizeof **out);
    if (!*out)
        return limn_out_of_memory(ctx, "device list");
    cl_uint count = 0;
    if (cl->GetPlatformIDs(0, NULL, &count) != CL_SUCCESS || count == 0)
        return LIMN_OK; /* -1001: no driver is installed */
    cl_platform_id *platforms = limn_calloc(count, sizeof *platforms);
    limn_status status = platforms ? LIMN_OK : limn_out_of_memory(ctx, "device list");
    if (platforms && cl->GetPlatformIDs(count, platforms, NULL) == CL_SUCCESS)
        for (cl_uint i = 0; i < count && status == LIMN_OK; i++)
            status = add_platform(ctx, cl, platforms[i], *out, found);
    limn_free(platforms);
    if (status != LIMN_OK) {
        limn_device_list_destroy(out);
        limn_free(*found);
        *found = NULL;
    }
    return status;
}

limn_status limn_device_list_create(limn_context *ctx, limn_device_list **out)
{
    const limn_cl_api *driver = limn_context_driver(ctx);
    limn_found_device *found;
    const limn_status status =
        limn_find_devices(ctx, driver ? driver : &limn_cl_default_api, out, &found);
    limn_free(found);
    return status;
}

void limn_device_list_destroy(limn_device_list **list)
{
    if (!list || !*list)
        return;
    for (size_t i = 0; i < (*list)->count; i++) {
        limn_device_info *info = &(*list)->devices[i];
        limn_free((void *)info->name);
        limn_free((void *)info->platform);
        limn_free((void *)info->vendor);
        limn_free((void *)info->driver);
    }
    limn_free((*list)->devices);
    limn_free(*list);
    *list = NULL;
}
