/* What run() asks of the command line. */
#include "cli_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static cli_value *ask(const cli *c, const char *name)
{
    cli_value *v = cli_find_value(c, name, strlen(name));
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
    cli_value *v = cli_find_value(c, name, strlen(name));
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
        return cli_bad_value(c, v, where, "'%s' is neither yes nor no", value);
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
        if ((!cli_is_common(o) || !strcmp(o->name, "seed")) && index-- == 0)
            return o->name;
    }
    return NULL;
}
