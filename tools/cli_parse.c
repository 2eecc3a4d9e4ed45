/* The command line, read by the tables. */
#include "cli_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const progress_modes[] = {"auto", "always", "never", NULL};

static const limn_option model_options[] = {
    {.name = "Model", .kind = CLI_GROUP},
    {.name = "arch",
     .kind = CLI_TEXT,
     .argument = "NAME",
     .shown = "from the model's metadata",
     .help = "architecture: cnn-small, cifar-resnet20, resnet18, ..."},
    {.name = "classes",
     .kind = CLI_INT,
     .argument = "N",
     .min = 1,
     .max = 1000000,
     .shown = "from the model, else the data",
     .help = "number of classes"},
    {.name = "mean",
     .kind = CLI_NUMBERS,
     .argument = "A,B,C",
     .min = -1000,
     .max = 1000,
     .shown = "from the model, else the data",
     .help = "mean of each channel, of pixel values in 0..1"},
    {.name = "std",
     .kind = CLI_NUMBERS,
     .argument = "A,B,C",
     .min = CLI_ABOVE_0,
     .max = 1000,
     .shown = "from the model, else the data",
     .help = "standard deviation of each channel, of pixel values in 0..1"},
    {.name = "no-tune",
     .kind = CLI_FLAG,
     .help = "take the default implementation of every layer: measure none, use no finding of "
             "'limn tune'"},
    {0},
};

static const char *const precisions[] = {"fp32", "fp16", NULL};

static const limn_option precision_options[] = {
    {.name = "Precision", .kind = CLI_GROUP},
    {.name = "precision",
     .kind = CLI_CHOICE,
     .choices = precisions,
     .fallback = "fp32",
     .help =
         "fp16 lets convolutions and linear layers round what they multiply to half precision "
         "(11 bits; inputs and weights at most 65504, beyond that results are NaN) where that "
         "is faster; sums, weights and their updates stay in fp32, and gradients need no scale"},
    {0},
};

static const limn_option common_options[] = {
    {.name = "Common", .kind = CLI_GROUP},
    {.name = "device",
     .kind = CLI_TEXT,
     .argument = "WHICH",
     .shown = "$LIMN_DEVICE, else the best GPU, else an accelerator, else a CPU device",
     .help = "number from 'limn devices', cpu, gpu, or part of a name"},
    {.name = "seed",
     .kind = CLI_INT,
     .argument = "N",
     .fallback = "0",
     .min = 0,
     .max = 9007199254740991.0,
     .help = "starts every random draw"},
    {.name = "json", .kind = CLI_FLAG, .help = "print one JSON document on stdout, nothing else"},
    {.name = "quiet", .letter = 'q', .kind = CLI_FLAG, .help = "print nothing but errors"},
    {.name = "verbose",
     .letter = 'v',
     .kind = CLI_FLAG,
     .help = "say more on stderr; twice: everything"},
    {.name = "progress",
     .kind = CLI_CHOICE,
     .choices = progress_modes,
     .fallback = "auto",
     .help = "progress bar on stderr (NO_COLOR is honoured); auto means on a terminal"},
    {.name = "help", .letter = 'h', .kind = CLI_FLAG, .help = "print this text"},
    {0},
};

void cli_tables(const limn_command *command, const limn_option *tables[CLI_TABLES])
{
    int n = 0;
    if (command->options)
        tables[n++] = command->options;
    if (command->model_options)
        tables[n++] = model_options;
    if (command->precision)
        tables[n++] = precision_options;
    tables[n++] = common_options;
    tables[n] = NULL;
}

bool cli_is_common(const limn_option *o)
{
    return o >= common_options &&
           o < common_options + sizeof common_options / sizeof common_options[0];
}

/* ---- the nearest name ---------------------------------------------------------------------- */

/* Levenshtein's distance with swaps of neighbours counted as one edit; rows of a table. */
static int edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    int rows[3][LONGEST + 1];
    int la = (int)strlen(a), lb = (int)strlen(b);
    if (la > LONGEST || lb > LONGEST)
        return LONGEST;
    for (int j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (int i = 1; i <= la; i++) {
        int *now = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= lb; j++) {
            int best = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[la % 3][lb];
}

const char *cli_nearest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t length = strlen(word);
    int best = (int)length / 2 + 1;
    for (; *names; names++) {
        int distance = edit_distance(word, *names);
        if (length >= 3 && !strncmp(word, *names, length))
            distance = 1; /* the beginning of a name is as good as one slip */
        if (distance < best || (distance == best && !nearest)) {
            best = distance;
            nearest = *names;
        }
    }
    return nearest;
}

/* ---- the command line ---------------------------------------------------------------------- */

cli_value *cli_find_value(const cli *c, const char *name, size_t length)
{
    for (int i = 0; i < c->value_count; i++)
        if (!strncmp(c->values[i].option->name, name, length) && !c->values[i].option->name[length])
            return (cli_value *)&c->values[i];
    return NULL;
}

static cli_value *find_letter(cli *c, char letter)
{
    for (int i = 0; i < c->value_count; i++)
        if (c->values[i].option->letter == letter)
            return &c->values[i];
    return NULL;
}

static limn_status unknown_option(cli *c, const char *name)
{
    const char *names[CLI_NAMES_MAX + 1];
    char at[128];
    int n = 0;
    for (int i = 0; i < c->value_count; i++)
        names[n++] = c->values[i].option->name;
    names[n] = NULL;
    size_t dashes = strspn(name, "-");
    snprintf(at, sizeof at, "%.*s", (int)strcspn(name, "="), name);
    cli_fail(c, LIMN_BAD_USAGE, "unknown option", at, "'limn %s' has no such option",
             c->command->name);
    const char *near = strlen(at + dashes) > 1 ? cli_nearest(at + dashes, names) : NULL;
    if (near)
        cli_hint(c, "did you mean '--%s'?  See 'limn %s --help'", near, c->command->name);
    else
        cli_hint(c, "see 'limn %s --help'", c->command->name);
    return LIMN_BAD_USAGE;
}

/* Gives `v` its value: `inline_text` after '=' or in the same word, else the next word. */
static limn_status take_value(cli *c, cli_value *v, const char *shown, const char *inline_text,
                              int argc, char **argv, int *at)
{
    v->times++;
    if (inline_text) {
        v->text = inline_text;
    } else if (*at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0) {
        v->text = argv[++*at];
    } else {
        cli_fail(c, LIMN_BAD_USAGE, "missing value", shown, "a value must follow it");
        cli_hint(c, "see 'limn %s --help'", c->command->name);
        return LIMN_BAD_USAGE;
    }
    return cli_check(c, v, NULL);
}

static limn_status parse_long(cli *c, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *name = word + 2, *equals = strchr(name, '=');
    cli_value *v = cli_find_value(c, name, equals ? (size_t)(equals - name) : strlen(name));
    if (!v)
        return unknown_option(c, word);
    if (v->option->kind != CLI_FLAG)
        return take_value(c, v, word, equals ? equals + 1 : NULL, argc, argv, at);
    if (equals)
        return cli_fail(c, LIMN_BAD_USAGE, "bad value", word, "--%s takes no value",
                        v->option->name);
    v->times++;
    return LIMN_OK;
}

/* -o FILE, -oFILE, -q, -vv */
static limn_status parse_letters(cli *c, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    for (const char *s = word + 1; *s; s++) {
        char shown[3] = {'-', *s, '\0'};
        cli_value *v = find_letter(c, *s);
        if (!v)
            return unknown_option(c, s == word + 1 ? word : shown);
        if (v->option->kind != CLI_FLAG)
            return take_value(c, v, shown, s[1] ? s + 1 : NULL, argc, argv, at);
        v->times++;
    }
    return LIMN_OK;
}

static limn_status check_complete(cli *c)
{
    const limn_command *command = c->command;
    for (int i = 0; i < c->value_count; i++) {
        const limn_option *o = c->values[i].option;
        if (!o->required || c->values[i].text)
            continue;
        cli_fail(c, LIMN_BAD_USAGE, "missing option", command->name, "--%s must be given", o->name);
        cli_hint(c, "see 'limn %s --help'", command->name);
        return LIMN_BAD_USAGE;
    }
    if (c->argument_count < command->min_arguments) {
        cli_fail(c, LIMN_BAD_USAGE, "missing argument", command->name, "it needs %s",
                 command->arguments);
        cli_hint(c, "see 'limn %s --help'", command->name);
        return LIMN_BAD_USAGE;
    }
    if (command->max_arguments >= 0 && c->argument_count > command->max_arguments) {
        cli_fail(c, LIMN_BAD_USAGE, "too many arguments", c->arguments[command->max_arguments],
                 command->arguments ? "'limn %s' takes %s" : "'limn %s' takes no argument",
                 command->name, command->arguments);
        cli_hint(c, "see 'limn %s --help'", command->name);
        return LIMN_BAD_USAGE;
    }
    return LIMN_OK;
}

limn_status cli_parse(cli *c, int argc, char **argv)
{
    const limn_option *tables[CLI_TABLES];
    limn_status status = LIMN_OK;
    cli_tables(c->command, tables);
    for (int t = 0; tables[t]; t++)
        for (const limn_option *o = tables[t]; o->kind != CLI_END; o++)
            if (o->kind != CLI_GROUP) {
                assert(c->value_count < CLI_NAMES_MAX);
                cli_value *v = &c->values[c->value_count++];
                v->option = o;
                v->text = o->fallback;
                if (v->text && (status = cli_check(c, v, "default")) != LIMN_OK)
                    return status;
            }
    c->arguments = calloc((size_t)argc + 1, sizeof *c->arguments);
    if (!c->arguments)
        return cli_fail(c, LIMN_FAILED, "out of host memory", "command line", "%d words", argc);
    bool options = true;
    for (int i = 2; i < argc && status == LIMN_OK; i++) {
        const char *word = argv[i];
        if (!options || word[0] != '-' || !word[1])
            c->arguments[c->argument_count++] = word;
        else if (!strcmp(word, "--"))
            options = false;
        else if (word[1] == '-')
            status = parse_long(c, argc, argv, &i);
        else
            status = parse_letters(c, argc, argv, &i);
    }
    return status == LIMN_OK ? check_complete(c) : status;
}

void cli_free_values(cli *c)
{
    for (int i = 0; i < c->value_count; i++) {
        free(c->values[i].items ? c->values[i].items[0] : NULL);
        free(c->values[i].items);
        free(c->values[i].owned);
    }
    free(c->arguments);
}
