#include "cli_internal.h"

#include <string.h>

enum { COLUMNS = 96, HELP_COLUMN = 30 };

/* Prints `text` folded to COLUMNS, starting at column `at`, further lines indented to `indent`. */
static void fold(FILE *out, const char *text, int at, int indent)
{
    int column = at;
    bool first = true;
    while (*text) {
        if (*text == '\n') {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
            text++;
            continue;
        }
        size_t blanks = strspn(text, " ");
        text += blanks;
        size_t length = strcspn(text, " \n");
        if (!first && column + (int)blanks + (int)length > COLUMNS) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        if (!first) {
            fprintf(out, "%*s", (int)blanks, "");
            column += (int)blanks;
        }
        fwrite(text, 1, length, out);
        column += (int)length;
        text += length;
        first = false;
    }
    fputc('\n', out);
}

static const char *argument_text(const limn_option *o)
{
    if (o->argument)
        return o->argument;
    switch (o->kind) {
    case CLI_INT:
        return "N";
    case CLI_FLOAT:
        return "F";
    case CLI_CHOICE:
        return "WHICH";
    case CLI_LIST:
        return "NAME[,NAME...]";
    case CLI_NUMBERS:
        return "A,B,...";
    case CLI_SIZE:
        return "N|HxW";
    case CLI_RANGE:
        return "A:B";
    default:
        return "TEXT";
    }
}

/* Appends to a text of fixed room. */
static void append(char *text, size_t room, const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, room - used, "%s", more);
}

/* `head` and, from `column` on, `text`. */
static void print_row(FILE *out, const char *head, const char *text, int column)
{
    int used = fprintf(out, "%s", head);
    if (used + 2 > column)
        fprintf(out, "\n%*s", column, "");
    else
        fprintf(out, "%*s", column - used, "");
    fold(out, text, column, column);
}

void cli_print_row(FILE *out, const char *name, const char *text)
{
    char head[128];
    snprintf(head, sizeof head, "  %s", name);
    print_row(out, head, text, 18);
}

static void print_option(FILE *out, const limn_option *o)
{
    char head[256], text[2048];
    if (o->letter)
        snprintf(head, sizeof head, "  -%c, --%s", o->letter, o->name);
    else
        snprintf(head, sizeof head, "      --%s", o->name);
    if (o->kind != CLI_FLAG) {
        append(head, sizeof head, " ");
        append(head, sizeof head, argument_text(o));
    }
    snprintf(text, sizeof text, "%s", o->help ? o->help : "");
    if (o->choices) {
        append(text, sizeof text, ": ");
        for (int i = 0; o->choices[i]; i++) {
            append(text, sizeof text, i ? ", " : "");
            append(text, sizeof text, o->choices[i]);
        }
    }
    if (o->required) {
        append(text, sizeof text, " (required)");
    } else if (o->kind != CLI_FLAG) {
        append(text, sizeof text, " [default: ");
        append(text, sizeof text, o->fallback ? o->fallback : o->shown ? o->shown : "none");
        append(text, sizeof text, "]");
    }
    print_row(out, head, text, HELP_COLUMN);
}

void cli_print_help(FILE *out, const limn_command *command)
{
    const limn_option *tables[CLI_TABLES];
    fprintf(out, "limn %s: %s\n\nUsage:\n", command->name, command->summary);
    for (const char *const *line = command->usage; *line; line++) {
        fprintf(out, "  limn %s ", command->name);
        fold(out, *line, 8 + (int)strlen(command->name), 9);
    }
    if (command->text) {
        fputc('\n', out);
        fold(out, command->text, 0, 0);
    }
    cli_tables(command, tables);
    for (int t = 0; tables[t]; t++) {
        if (tables[t]->kind != CLI_GROUP && tables[t]->kind != CLI_END)
            fprintf(out, "\nOptions:\n");
        for (const limn_option *o = tables[t]; o->kind != CLI_END; o++) {
            if (o->kind == CLI_GROUP)
                fprintf(out, "\n%s:\n", o->name);
            else
                print_option(out, o);
        }
    }
    if (command->more_help)
        command->more_help(out);
    fprintf(out, "\nExamples:\n");
    for (const limn_example *e = command->examples; e->line; e++) {
        fprintf(out, "  %s\n      ", e->line);
        fold(out, e->what, 6, 6);
    }
}

void cli_print_overview(FILE *out, const limn_command *const *commands, bool brief)
{
    fprintf(out, "limn trains image encoders, explains what they look at and draws it, on any "
                 "OpenCL device.\n\n"
                 "Usage:\n"
                 "  limn SUBCOMMAND [OPTIONS]\n"
                 "  limn help [SUBCOMMAND]\n"
                 "  limn --version\n\n"
                 "Subcommands:\n");
    for (; *commands; commands++)
        fprintf(out, "  %-10s %s\n", (*commands)->name, (*commands)->summary);
    fprintf(out, "\n'limn SUBCOMMAND --help' shows its options and examples.\n");
    if (brief)
        return;
    fprintf(out, "\nExit codes:\n"
                 "    0  done\n"
                 "    1  failed while running\n"
                 "    2  wrong usage: unknown option, value out of range\n"
                 "    3  no usable device\n"
                 "    4  bad input: a file is missing, malformed or does not fit\n"
                 "    5  out of device memory\n"
                 "  130  interrupted; what was finished is kept\n"
                 "\nEnvironment:\n"
                 "  LIMN_DEVICE     as --device\n"
                 "  LIMN_CACHE_DIR  folder of compiled kernels and findings; empty: none\n"
                 "  LIMN_TUNE=0     as --no-tune\n"
                 "  LIMN_SELF_TEST=0\n"
                 "                  no check of a device on its first use\n"
                 "  NO_COLOR        no colour in messages\n");
}
