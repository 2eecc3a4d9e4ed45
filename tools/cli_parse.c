#include "cli_internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
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

void cli_tables(const limn_command *command, const limn_option *tables[4])
{
    int n = 0;
    if (command->options)
        tables[n++] = command->options;
    if (command->model_options)
        tables[n++] = model_options;
    tables[n++] = common_options;
    tables[n] = NULL;
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

/* ---- values -------------------------------------------------------------------------------- */

static cli_value *find_value(const cli *c, const char *name, size_t length)
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

static limn_status bad_value(cli *c, const cli_value *v, const char *where, const char *format, ...)
    CLI_PRINTF(4, 5);

static limn_status bad_value(cli *c, const cli_value *v, const char *where, const char *format, ...)
{
    char why[1024], at[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    snprintf(at, sizeof at, where ? "%s: %s" : "%s--%s", where ? where : "", v->option->name);
    return cli_fail(c, LIMN_BAD_USAGE, "bad value", at, "%s", why);
}

/* Text of the range of a row, for errors. */
static void range_text(const limn_option *o, char *out, size_t room)
{
    if (o->min == CLI_ABOVE_0 && o->max >= DBL_MAX)
        snprintf(out, room, "above 0");
    else if (o->min == CLI_ABOVE_0)
        snprintf(out, room, "above 0 and up to %.16g", o->max);
    else if (o->max >= DBL_MAX)
        snprintf(out, room, "%.16g or more", o->min);
    else
        snprintf(out, room, "from %.16g to %.16g", o->min, o->max);
}

/* Reads the number that `text` begins with, up to `stop`, and checks it. */
static limn_status check_number(cli *c, const cli_value *v, const char *where, const char *text,
                                size_t length, bool integer)
{
    char copy[64], range[128], *end = copy;
    const limn_option *o = v->option;
    if (length < sizeof copy) {
        memcpy(copy, text, length);
        copy[length] = '\0';
        errno = 0;
        if (integer)
            (void)strtoll(copy, &end, 10);
        else
            (void)strtod(copy, &end);
    }
    bool hex = length >= sizeof copy || strpbrk(copy, "xX \t") != NULL;
    if (hex || end == copy || *end || (errno == ERANGE && integer))
        return bad_value(c, v, where, "'%s' is not %s", v->text,
                         integer ? "a whole number" : "a number");
    double number = strtod(copy, NULL);
    if (!isfinite(number))
        return bad_value(c, v, where, "'%s' is not a finite number", v->text);
    if ((o->min != 0 || o->max != 0) && (number < o->min || number > o->max)) {
        range_text(o, range, sizeof range);
        return bad_value(c, v, where, "%s is out of range: it must be %s", v->text, range);
    }
    return LIMN_OK;
}

static limn_status check_choice(cli *c, const cli_value *v, const char *where, const char *item)
{
    const char *const *choices = v->option->choices;
    char all[1024] = "";
    for (int i = 0; choices[i]; i++) {
        if (!strcmp(choices[i], item))
            return LIMN_OK;
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", used ? ", " : "", choices[i]);
    }
    const char *near = cli_nearest(item, choices);
    bad_value(c, v, where, "there is no '%s'; it must be one of %s", item, all);
    if (near)
        cli_hint(c, "did you mean '%s'?", near);
    return LIMN_BAD_USAGE;
}

static limn_status check_list(cli *c, cli_value *v, const char *where)
{
    int count = 1;
    for (const char *s = v->text; *s; s++)
        count += *s == ',';
    free(v->items ? v->items[0] : NULL);
    free(v->items);
    v->item_count = 0;
    v->items = calloc((size_t)count + 1, sizeof *v->items);
    char *text = malloc(strlen(v->text) + 1);
    if (!v->items || !text) {
        free(text);
        free(v->items);
        v->items = NULL;
        return cli_fail(c, LIMN_FAILED, "out of host memory", v->option->name, "a list");
    }
    v->items[0] = strcpy(text, v->text);
    for (char *s = text; *s; s++)
        if (*s == ',') {
            *s = '\0';
            v->items[++v->item_count] = s + 1;
        }
    v->item_count++;
    for (int i = 0; i < v->item_count; i++) {
        limn_status status = LIMN_OK;
        if (!*v->items[i])
            return bad_value(c, v, where, "'%s' has an empty item", v->text);
        if (v->option->choices)
            status = check_choice(c, v, where, v->items[i]);
        if (status != LIMN_OK)
            return status;
    }
    return LIMN_OK;
}

/* Numbers with `separator` between: at least `least`, at most `most` of them. */
static limn_status check_split(cli *c, const cli_value *v, const char *where, char separator,
                               int least, int most, const char *form)
{
    int count = 0;
    for (const char *s = v->text;; count++) {
        const char *end = strchr(s, separator);
        size_t length = end ? (size_t)(end - s) : strlen(s);
        if (count == most)
            return bad_value(c, v, where, "'%s' is not of the form %s", v->text, form);
        limn_status status = check_number(c, v, where, s, length, separator != ',');
        if (status != LIMN_OK)
            return status;
        if (!end)
            break;
        s = end + 1;
    }
    if (count + 1 < least)
        return bad_value(c, v, where, "'%s' is not of the form %s", v->text, form);
    return LIMN_OK;
}

limn_status cli_check(cli *c, cli_value *v, const char *where)
{
    limn_status status;
    switch (v->option->kind) {
    case CLI_INT:
        return check_number(c, v, where, v->text, strlen(v->text), true);
    case CLI_FLOAT:
        return check_number(c, v, where, v->text, strlen(v->text), false);
    case CLI_TEXT:
        return *v->text ? LIMN_OK : bad_value(c, v, where, "it must not be empty");
    case CLI_CHOICE:
        return check_choice(c, v, where, v->text);
    case CLI_LIST:
        return check_list(c, v, where);
    case CLI_NUMBERS:
        return check_split(c, v, where, ',', 1, 1 << 20, "A,B,...");
    case CLI_SIZE:
        return check_split(c, v, where, 'x', 1, 2, "N or HxW");
    case CLI_RANGE:
        status = check_split(c, v, where, ':', 2, 2, "A:B");
        if (status == LIMN_OK &&
            strtoll(v->text, NULL, 10) >= strtoll(strchr(v->text, ':') + 1, NULL, 10))
            return bad_value(c, v, where, "'%s' is empty: A:B goes from A up to, without, B",
                             v->text);
        return status;
    case CLI_FLAG:
    case CLI_GROUP:
    case CLI_END:
        break;
    }
    return LIMN_OK;
}

/* ---- the command line ---------------------------------------------------------------------- */

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
    cli_value *v = find_value(c, name, equals ? (size_t)(equals - name) : strlen(name));
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
    const limn_option *tables[4];
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

/* ---- asking -------------------------------------------------------------------------------- */

static cli_value *ask(const cli *c, const char *name)
{
    cli_value *v = find_value(c, name, strlen(name));
    assert(v && "no such option in the table");
    return v;
}

static const cli_value *ask_kind(const cli *c, const char *name, cli_kind kind)
{
    const cli_value *v = ask(c, name);
    assert(v->option->kind == kind);
    (void)kind;
    return v;
}

bool cli_given(const cli *c, const char *name)
{
    return ask(c, name)->times > 0;
}

bool cli_has(const cli *c, const char *name)
{
    const cli_value *v = ask(c, name);
    return v->times > 0 || v->text;
}

bool cli_flag(const cli *c, const char *name)
{
    return ask_kind(c, name, CLI_FLAG)->times > 0;
}

int64_t cli_int(const cli *c, const char *name)
{
    const cli_value *v = ask_kind(c, name, CLI_INT);
    return v->text ? (int64_t)strtoll(v->text, NULL, 10) : 0;
}

double cli_float(const cli *c, const char *name)
{
    const cli_value *v = ask_kind(c, name, CLI_FLOAT);
    return v->text ? strtod(v->text, NULL) : 0;
}

const char *cli_text(const cli *c, const char *name)
{
    return ask(c, name)->text;
}

int cli_choice(const cli *c, const char *name)
{
    const cli_value *v = ask_kind(c, name, CLI_CHOICE);
    for (int i = 0; v->text && v->option->choices[i]; i++)
        if (!strcmp(v->text, v->option->choices[i]))
            return i;
    return -1;
}

const char *const *cli_list(const cli *c, const char *name, int *count)
{
    const cli_value *v = ask_kind(c, name, CLI_LIST);
    if (count)
        *count = v->item_count;
    return (const char *const *)v->items;
}

int cli_numbers(const cli *c, const char *name, double *out, int room)
{
    const cli_value *v = ask_kind(c, name, CLI_NUMBERS);
    int count = 0;
    for (const char *s = v->text; s; s = strchr(s, ',')) {
        s += count > 0;
        if (count < room)
            out[count] = strtod(s, NULL);
        count++;
    }
    return count;
}

bool cli_size(const cli *c, const char *name, int64_t *height, int64_t *width)
{
    const cli_value *v = ask_kind(c, name, CLI_SIZE);
    if (!v->text)
        return false;
    const char *x = strchr(v->text, 'x');
    *height = strtoll(v->text, NULL, 10);
    *width = x ? strtoll(x + 1, NULL, 10) : *height;
    return true;
}

bool cli_range(const cli *c, const char *name, int64_t *from, int64_t *to)
{
    const cli_value *v = ask_kind(c, name, CLI_RANGE);
    if (!v->text)
        return false;
    *from = strtoll(v->text, NULL, 10);
    *to = strtoll(strchr(v->text, ':') + 1, NULL, 10);
    return true;
}

bool cli_json(const cli *c)
{
    return cli_flag(c, "json");
}

bool cli_quiet(const cli *c)
{
    return cli_flag(c, "quiet");
}

limn_status cli_set(cli *c, const char *name, const char *value, const char *where)
{
    cli_value *v = find_value(c, name, strlen(name));
    if (!v) {
        const char *names[CLI_NAMES_MAX + 1];
        int n = 0;
        while ((names[n] = cli_option_name(c, n)) != NULL)
            n++;
        const char *near = cli_nearest(name, names);
        cli_fail(c, LIMN_BAD_USAGE, "unknown setting", where, "there is no '%s'", name);
        if (near)
            cli_hint(c, "did you mean '%s'?", near);
        return LIMN_BAD_USAGE;
    }
    if (v->times > 0)
        return LIMN_OK;
    if (v->option->kind == CLI_FLAG) {
        bool yes = !strcmp(value, "yes") || !strcmp(value, "true") || !strcmp(value, "1");
        bool no = !strcmp(value, "no") || !strcmp(value, "false") || !strcmp(value, "0");
        v->times = yes;
        if (yes || no)
            return LIMN_OK;
        return bad_value(c, v, where, "'%s' is neither yes nor no", value);
    }
    char *copy = malloc(strlen(value) + 1);
    if (!copy)
        return cli_fail(c, LIMN_FAILED, "out of host memory", where, "%s", name);
    free(v->owned);
    v->text = v->owned = strcpy(copy, value);
    return cli_check(c, v, where);
}

const char *cli_option_name(const cli *c, int index)
{
    for (int i = 0; i < c->value_count; i++) {
        const limn_option *o = c->values[i].option;
        bool common = o >= common_options &&
                      o < common_options + sizeof common_options / sizeof common_options[0];
        if ((!common || !strcmp(o->name, "seed")) && index-- == 0)
            return o->name;
    }
    return NULL;
}
