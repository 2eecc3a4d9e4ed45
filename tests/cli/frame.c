/* A program of the frame's own for test_frame.py: one subcommand with every kind of option. */
#include "base/context.h"
#include "cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

static const char *const colours[] = {"red", "green", "blue", NULL};

static const limn_option options[] = {
    {.name = "flag", .letter = 'f', .kind = CLI_FLAG, .help = "a flag"},
    {.name = "int",
     .letter = 'i',
     .kind = CLI_INT,
     .fallback = "7",
     .min = 1,
     .max = 100,
     .help = "a whole number"},
    {.name = "float",
     .kind = CLI_FLOAT,
     .fallback = "0.5",
     .min = CLI_ABOVE_0,
     .max = DBL_MAX,
     .help = "a number"},
    {.name = "out", .letter = 'o', .kind = CLI_TEXT, .argument = "FILE", .help = "a text"},
    {.name = "colour",
     .kind = CLI_CHOICE,
     .choices = colours,
     .fallback = "green",
     .help = "a choice"},
    {.name = "list", .kind = CLI_LIST, .help = "a list"},
    {.name = "colours",
     .kind = CLI_LIST,
     .choices = colours,
     .fallback = "red,blue",
     .help = "a list of choices"},
    {.name = "size", .kind = CLI_SIZE, .min = 1, .max = 1000, .help = "a size"},
    {.name = "range", .kind = CLI_RANGE, .min = 0, .max = 1e9, .help = "a range"},
    {.name = "set", .kind = CLI_TEXT, .argument = "NAME=VALUE", .help = "a setting from a file"},
    {.name = "open", .kind = CLI_FLAG, .help = "open the device, print it"},
    {.name = "steps",
     .kind = CLI_INT,
     .fallback = "0",
     .min = 0,
     .max = 100000,
     .help = "steps of 10 ms to report"},
    {0},
};

static limn_status work(cli *c)
{
    const int64_t steps = cli_int(c, "steps");
    const struct timespec pause = {0, 10000000};
    limn_status status = LIMN_OK;
    for (int64_t i = 1; i <= steps && status == LIMN_OK; i++) {
        nanosleep(&pause, NULL);
        limn_progress progress = {"working", "steps",       "loss 0.5",
                                  (double)i, (double)steps, i == steps};
        status = limn_report(cli_context(c), &progress);
    }
    return status;
}

static limn_status open_device(cli *c)
{
    limn_device *device = NULL;
    limn_status status = cli_device_open(c, &device);
    if (status == LIMN_OK)
        printf("opened %d %s\n", limn_device_describe(device)->index,
               limn_device_describe(device)->name);
    limn_device_close(&device);
    return status;
}

static json_t *list_json(const cli *c, const char *name)
{
    int count;
    const char *const *items = cli_list(c, name, &count);
    json_t *array = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(array, json_string(items[i]));
    return array;
}

static json_t *values_json(const cli *c)
{
    int64_t height = -1, width = -1, from = -1, to = -1;
    double mean[3] = {0};
    cli_size(c, "size", &height, &width);
    cli_range(c, "range", &from, &to);
    int count = cli_numbers(c, "mean", mean, 3);
    json_t *arguments = json_array();
    for (int i = 0; i < cli_argument_count(c); i++)
        json_array_append_new(arguments, json_string(cli_argument(c, i)));
    return json_pack(
        "{sb sI sf ss? si ss so so s[II] s[II] si s[fff] so sb sb ss?}", "flag",
        cli_flag(c, "flag"), "int", (json_int_t)cli_int(c, "int"), "float", cli_float(c, "float"),
        "out", cli_text(c, "out"), "choice", cli_choice(c, "colour"), "colour",
        cli_text(c, "colour"), "list", list_json(c, "list"), "colours", list_json(c, "colours"),
        "size", (json_int_t)height, (json_int_t)width, "range", (json_int_t)from, (json_int_t)to,
        "means", count, "mean", mean[0], mean[1], mean[2], "arguments", arguments, "int_given",
        cli_given(c, "int"), "has_out", cli_has(c, "out"), "device", cli_text(c, "device"));
}

static limn_status run(cli *c)
{
    limn_context *ctx = cli_context(c);
    limn_log(ctx, LIMN_LOG_WARNING, "a warning");
    limn_log(ctx, LIMN_LOG_INFO, "an info");
    limn_log(ctx, LIMN_LOG_DEBUG, "a debug");
    cli_note(c, "a note");
    const char *set = cli_text(c, "set");
    if (set) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(set, "="), set);
        limn_status status = cli_set(c, name, strchr(set, '=') + 1, "x.ini:3");
        if (status != LIMN_OK)
            return status;
    }
    limn_status status = cli_flag(c, "open") ? open_device(c) : work(c);
    if (status != LIMN_OK)
        return status;
    if (cli_argument_count(c) > 0 && !strcmp(cli_argument(c, 0), "fail")) {
        limn_fail(ctx, LIMN_BAD_INPUT, "cannot read", "a.png", "not a %s", "picture");
        limn_hint(ctx, "try another");
        return LIMN_BAD_INPUT;
    }
    return cli_json(c) ? cli_print_json(c, values_json(c)) : LIMN_OK;
}

static const char *const usage[] = {"ARGUMENT... [OPTIONS]", NULL};
static const limn_example examples[] = {{"limn try a", "one"}, {"limn try b", "two"}, {0}};

static const limn_command try_command = {.name = "try",
                                         .summary = "try the frame",
                                         .usage = usage,
                                         .arguments = "ARGUMENT...",
                                         .min_arguments = 1,
                                         .max_arguments = 3,
                                         .options = options,
                                         .model_options = true,
                                         .examples = examples,
                                         .run = run};

int main(int argc, char **argv)
{
    static const limn_command *const commands[] = {&try_command, NULL};
    return cli_main(commands, argc, argv);
}
