/* limn devices: what OpenCL devices there are. */
#include "cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static limn_status print_json(cli *c, const limn_device_list *list)
{
    json_t *root = json_array();
    for (size_t i = 0; root && i < list->count; i++) {
        const limn_device_info *d = &list->devices[i];
        json_t *row =
            json_pack("{si sI sI sI sb sb sb sb}", "index", d->index, "compute_units",
                      (json_int_t)d->compute_units, "global_memory", (json_int_t)d->global_memory,
                      "max_allocation", (json_int_t)d->max_allocation, "fp16", d->fp16, "fp64",
                      d->fp64, "subgroups", d->subgroups, "usable", d->usable);
        const struct {
            const char *key, *text;
        } texts[] = {{"name", d->name}, {"platform", d->platform}, {"vendor", d->vendor},
                     {"type", d->type}, {"driver", d->driver},     {"reason", d->reason}};
        for (size_t t = 0; row && t < sizeof texts / sizeof texts[0]; t++)
            json_object_set_new(row, texts[t].key, cli_json_text(texts[t].text));
        if (!row || json_array_append_new(root, row) != 0) {
            json_decref(root);
            root = NULL;
        }
    }
    return cli_print_json(c, root);
}

static void print_table(const limn_device_list *list)
{
    int wide = 4;
    for (size_t i = 0; i < list->count; i++) {
        int length = (int)strlen(list->devices[i].name);
        wide = length > wide ? length : wide;
    }
    wide = wide > 48 ? 48 : wide;
    printf("%2s  %-*s  %-11s  %5s  %10s  %-14s  %s\n", "#", wide, "name", "type", "units", "memory",
           "has", "platform, driver");
    for (size_t i = 0; i < list->count; i++) {
        const limn_device_info *d = &list->devices[i];
        char has[32] = "";
        snprintf(has, sizeof has, "%s%s%s", d->fp16 ? "fp16 " : "", d->fp64 ? "fp64 " : "",
                 d->subgroups ? "sub" : "");
        printf("%2d  %-*.*s  %-11s  %5u  %6.1f GiB  %-14s  %s, %s\n", d->index, wide, wide, d->name,
               d->type, d->compute_units, (double)d->global_memory / 1073741824.0, has, d->platform,
               d->driver);
        if (!d->usable)
            printf("    not usable: %s\n", d->reason);
    }
}

static limn_status run(cli *c)
{
    limn_device_list *list = NULL;
    limn_status status = limn_device_list_create(cli_context(c), &list);
    if (status != LIMN_OK)
        return status;
    if (cli_json(c))
        status = print_json(c, list);
    else if (!cli_quiet(c) && list->count > 0)
        print_table(list);
    if (status == LIMN_OK && list->count == 0) {
        status =
            cli_fail(c, LIMN_NO_DEVICE, "no device", "OpenCL", "no platform offers any device");
        cli_hint(c, "a driver for the processor comes with: sudo apt-get install pocl-opencl-icd");
    }
    limn_device_list_destroy(&list);
    return status;
}

static const char *const usage[] = {"[OPTIONS]", NULL};

static const limn_example examples[] = {
    {"limn devices", "the OpenCL devices of this machine, with the numbers --device takes"},
    {"limn devices --json | jq '.[] | select(.usable) | .name'", "names of the usable ones"},
    {0},
};

const limn_command devices_command = {
    .name = "devices",
    .summary = "list OpenCL devices",
    .usage = usage,
    .text = "Lists every device of every OpenCL platform: number, name, type, compute units, "
            "memory, what it has beyond the basics (fp16, fp64, sub-groups), platform and driver. "
            "A device that limn cannot use is listed with the reason.",
    .examples = examples,
    .run = run,
};
