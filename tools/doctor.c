/* limn doctor: does the device compute right? */
#include "cli.h"

#include "limn/self_test.h"

#include <jansson.h>
#include <math.h>

typedef struct sheet {
    cli *c;
    json_t *rows;
    int passed, failed;
} sheet;

static void note(void *user, const limn_self_test_row *row)
{
    sheet *s = user;
    s->passed += row->passed;
    s->failed += !row->passed;
    json_t *item = json_pack("{ss sb so sf}", "op", row->op, "passed", row->passed, "why",
                             cli_json_text(row->why), "tolerance", row->tolerance);
    json_object_set_new(item, "error", isfinite(row->error) ? json_real(row->error) : json_null());
    json_array_append_new(s->rows, item);
    if (!cli_json(s->c) && !cli_quiet(s->c))
        printf("%-6s %-22s error %8.2g of %8.2g   %s%s%s\n", row->passed ? "ok" : "WRONG", row->op,
               row->error, row->tolerance, row->formula, *row->why ? ": " : "", row->why);
}

static limn_status run(cli *c)
{
    limn_device *device = NULL;
    sheet s = {.c = c, .rows = json_array()};
    limn_status status =
        s.rows ? LIMN_OK
               : cli_fail(c, LIMN_FAILED, "out of memory", "doctor", "the host has no more memory");
    if (status == LIMN_OK)
        status = cli_device_open_unchecked(c, &device);
    if (status == LIMN_OK) {
        const limn_device_info *info = limn_device_describe(device);
        if (!cli_json(c) && !cli_quiet(c))
            printf("%s (%s), driver %s of %s\n", info->name, info->type, info->driver,
                   info->platform);
        status = limn_self_test(device, note, &s);
        json_t *root =
            json_pack("{so so so si si sO}", "device", cli_json_text(info->name), "driver",
                      cli_json_text(info->driver), "platform", cli_json_text(info->platform),
                      "passed", s.passed, "failed", s.failed, "ops", s.rows);
        if (cli_json(c)) {
            const limn_status printed = cli_print_json(c, root);
            status = status == LIMN_OK ? printed : status;
        } else {
            if (!cli_quiet(c))
                printf("%d ops right, %d wrong\n", s.passed, s.failed);
            json_decref(root);
        }
    }
    json_decref(s.rows);
    limn_device_close(&device);
    return status;
}

const limn_command doctor_command = {
    .name = "doctor",
    .summary = "check that a device computes right",
    .usage = (const char *const[]){"[--device WHICH]", NULL},
    .text =
        "Runs a small case of every op on the device, forward and backward, twice, and compares "
        "it with a scalar reference in double precision. The first use of a device does the "
        "same by itself; a driver that computes wrong is refused (exit 3). LIMN_SELF_TEST=0 in "
        "the environment skips the test on first use.",
    .examples = (const limn_example[]){{"limn doctor", "check the default device"},
                                       {"limn doctor --device cpu --json",
                                        "check the CPU device, for scripts"},
                                       {0}},
    .run = run,
};
