/* Checks of values against their rows. */
#include "cli_internal.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

limn_status cli_bad_value(cli *c, const cli_value *v, const char *where, const char *format, ...)
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
        return cli_bad_value(c, v, where, "'%s' is not %s", v->text,
                             integer ? "a whole number" : "a number");
    double number = strtod(copy, NULL);
    if (!isfinite(number))
        return cli_bad_value(c, v, where, "'%s' is not a finite number", v->text);
    if ((o->min != 0 || o->max != 0) && (number < o->min || number > o->max)) {
        range_text(o, range, sizeof range);
        return cli_bad_value(c, v, where, "%s is out of range: it must be %s", v->text, range);
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
    cli_bad_value(c, v, where, "there is no '%s'; it must be one of %s", item, all);
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
            return cli_bad_value(c, v, where, "'%s' has an empty item", v->text);
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
    int count = 1;
    for (const char *s = v->text; *s; s++)
        count += *s == separator;
    if (count < least || count > most)
        return cli_bad_value(c, v, where, "'%s' is not of the form %s", v->text, form);
    for (const char *s = v->text;;) {
        const char *end = strchr(s, separator);
        size_t length = end ? (size_t)(end - s) : strlen(s);
        limn_status status = check_number(c, v, where, s, length, separator != ',');
        if (status != LIMN_OK)
            return status;
        if (!end)
            break;
        s = end + 1;
    }
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
        return *v->text ? LIMN_OK : cli_bad_value(c, v, where, "it must not be empty");
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
            return cli_bad_value(c, v, where, "'%s' is empty: A:B goes from A up to, without, B",
                                 v->text);
        return status;
    case CLI_FLAG:
    case CLI_GROUP:
    case CLI_END:
        break;
    }
    return LIMN_OK;
}
