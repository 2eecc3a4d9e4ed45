/* Which device a user's words mean. */
#define _POSIX_C_SOURCE 200809L
#include "device/select.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool contains(const char *text, const char *part)
{
    const size_t length = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < length && text[i] &&
               tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (i == length)
            return true;
    }
    return false;
}

/* GPUs first, then accelerators, then CPU devices; among equals the one with more units x clock. */
static int rank_of_type(const char *type)
{
    static const char *const order[] = {"gpu", "accelerator", "cpu"};
    for (int i = 0; i < 3; i++)
        if (strcmp(type, order[i]) == 0)
            return i;
    return 3;
}

static int best(const limn_device_list *list, const limn_found_device *found, const char *type)
{
    int chosen = -1;
    for (size_t i = 0; i < list->count; i++) {
        const limn_device_info *info = &list->devices[i];
        if (!info->usable || (type && strcmp(info->type, type) != 0))
            continue;
        if (chosen >= 0) {
            const limn_device_info *other = &list->devices[chosen];
            const int a = rank_of_type(info->type), b = rank_of_type(other->type);
            const uint64_t power = (uint64_t)info->compute_units * found[i].clock;
            const uint64_t other_power = (uint64_t)other->compute_units * found[chosen].clock;
            if (a > b || (a == b && power <= other_power))
                continue;
        }
        chosen = (int)i;
    }
    return chosen;
}

static limn_status refuse_unusable(limn_context *ctx, const limn_device_info *info)
{
    limn_fail(ctx, LIMN_NO_DEVICE, "unusable device", info->name, "%s", info->reason);
    limn_hint(ctx, "run `limn devices` to see what else there is");
    return LIMN_NO_DEVICE;
}

static limn_status none(limn_context *ctx, const limn_device_list *list, const char *which)
{
    if (list->count == 0) {
        limn_fail(ctx, LIMN_NO_DEVICE, "no OpenCL device", which,
                  "no OpenCL driver with a device is installed");
        limn_hint(ctx, "install your GPU's OpenCL driver, or PoCL, which runs on any CPU: "
                       "apt-get install pocl-opencl-icd");
    } else {
        limn_fail(ctx, LIMN_NO_DEVICE, "no such device", which ? which : "default",
                  "none of the %zu devices fits", list->count);
        limn_hint(ctx, "run `limn devices` to see their numbers and names");
    }
    return LIMN_NO_DEVICE;
}

static limn_status by_name(limn_context *ctx, const limn_device_list *list, const char *which,
                           int *out)
{
    int chosen = -1;
    for (size_t i = 0; i < list->count; i++) {
        const limn_device_info *info = &list->devices[i];
        if (!contains(info->name, which) && !contains(info->platform, which))
            continue;
        if (chosen >= 0) {
            limn_fail(ctx, LIMN_BAD_USAGE, "ambiguous device", which, "it fits %d (%s) and %d (%s)",
                      chosen, list->devices[chosen].name, info->index, info->name);
            limn_hint(ctx, "give the number that `limn devices` prints");
            return LIMN_BAD_USAGE;
        }
        chosen = (int)i;
    }
    *out = chosen;
    return LIMN_OK;
}

limn_status limn_select_device(limn_context *ctx, const limn_device_list *list,
                               const limn_found_device *found, const char *which, int *out)
{
    int chosen = -1;
    char *end;
    if (!which || !*which) {
        chosen = best(list, found, NULL);
        which = NULL;
    } else if (isdigit((unsigned char)*which) && (strtol(which, &end, 10), !*end)) {
        const long number = strtol(which, NULL, 10);
        chosen = number >= 0 && (size_t)number < list->count ? (int)number : -1;
    } else if (rank_of_type(which) < 3) {
        chosen = best(list, found, which);
    } else {
        const limn_status status = by_name(ctx, list, which, &chosen);
        if (status != LIMN_OK)
            return status;
    }
    if (chosen < 0)
        return none(ctx, list, which);
    if (!list->devices[chosen].usable)
        return refuse_unusable(ctx, &list->devices[chosen]);
    *out = chosen;
    return LIMN_OK;
}
