/* The frame of the program limn: subcommands are tables, this reads the command line by them,
 * prints help from them, and owns the context, its messages, its progress bar and Ctrl-C.
 *
 * A subcommand is one file that defines `const limn_command NAME_command`, one line in the list of
 * tools/main.c and one in tools/meson.build.
 */
#ifndef LIMN_TOOLS_CLI_H
#define LIMN_TOOLS_CLI_H

#include "limn/context.h"
#include "limn/device.h"

#include <float.h>
#include <stdio.h>

/** One run of one subcommand. */
typedef struct cli cli;

struct json_t;

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

typedef enum cli_kind {
    CLI_END,   /**< ends a table: a zeroed row */
    CLI_GROUP, /**< no option: `name` is a heading in the help */
    CLI_FLAG,  /**< no value; repeated, it counts */
    CLI_INT,
    CLI_FLOAT,
    CLI_TEXT,
    CLI_CHOICE,  /**< one of `choices` */
    CLI_LIST,    /**< texts with commas between; each one of `choices`, where there are any */
    CLI_NUMBERS, /**< numbers with commas between, each within min and max */
    CLI_SIZE,    /**< N or HxW, each within min and max */
    CLI_RANGE    /**< A:B, A below B, both within min and max */
} cli_kind;

/** Use as `min` for a number that must be above 0. */
#define CLI_ABOVE_0 DBL_MIN

/** One option.  Write rows with designated initialisers. */
typedef struct limn_option {
    const char *name; /**< long name without dashes */
    char letter;      /**< short name or 0 */
    cli_kind kind;
    const char *argument; /**< stands for the value in help ("N", "FILE"); NULL: by kind */
    const char *fallback; /**< default as a user would type it, or NULL for no value */
    const char *shown;    /**< what help shows as the default, where `fallback` is NULL and
                               "none" would not be true: "from the model" */
    const char *help;
    double min, max;            /**< both 0: any value */
    const char *const *choices; /**< ends with NULL */
    bool required;
} limn_option;

typedef struct limn_example {
    const char *line; /**< the whole command: "limn devices --json" */
    const char *what; /**< what it does */
} limn_example;

typedef struct limn_command {
    const char *name;
    const char *summary;      /**< one line, no full stop */
    const char *const *usage; /**< what follows "limn NAME", one line each; ends with NULL */
    const char *text;         /**< paragraphs for the help, or NULL; the frame folds lines */
    const char *arguments;    /**< names of what is not an option, for errors: "DATA", or NULL */
    int min_arguments;
    int max_arguments;          /**< -1: any number */
    const limn_option *options; /**< ends with a zeroed row; NULL for none */
    bool model_options;         /**< adds --arch, --classes, --mean, --std and --no-tune */
    enum {
        CLI_NO_PRECISION,
        CLI_DEVICE_PRECISION, /**< adds --precision, which cli_device_open sets on the device */
        CLI_RUN_PRECISION     /**< adds it; the command hands it on */
    } precision;
    void (*more_help)(FILE *out); /**< prints what comes from tables of the library, or NULL */
    const limn_example *examples; /**< at least two, then a zeroed row */
    limn_status (*run)(cli *c);   /**< fails through the library or cli_fail */
} limn_command;

/** Runs the program and returns its exit code.  `commands` ends with NULL. */
int cli_main(const limn_command *const *commands, int argc, char **argv);

/* ---- for run() ------------------------------------------------------------------------------
 * Options are asked by long name; asking for one that the table does not have, or as another
 * kind, is a fault of the program and stops it by assert(). */

limn_context *cli_context(cli *c);

/** limn_device_open with --device, the self-test on a device's first use, and, for commands that
 * run models, the automatic tuner unless --no-tune, and CLI_DEVICE_PRECISION. */
limn_status cli_device_open(cli *c, limn_device **out);
/** The same without the self-test. */
limn_status cli_device_open_unchecked(cli *c, limn_device **out);

/** What is not an option. */
int cli_argument_count(const cli *c);
const char *cli_argument(const cli *c, int index);
const char *const *cli_arguments(const cli *c);

/** Whether the user gave it (not: whether it has a default). */
bool cli_given(const cli *c, const char *name);
/** Whether it was given or has a default. */
bool cli_has(const cli *c, const char *name);

bool cli_flag(const cli *c, const char *name);
int64_t cli_int(const cli *c, const char *name);      /**< 0 without a value */
double cli_float(const cli *c, const char *name);     /**< 0 without a value */
const char *cli_text(const cli *c, const char *name); /**< NULL without a value; any kind's text */
int cli_choice(const cli *c, const char *name);       /**< index into choices; -1 without a value */
/** The items of a CLI_LIST, owned by `c`, ended by NULL; `*count` may be NULL.  Without a value:
 *  NULL and 0.  Also NULL, count 0, never for a list given by the user. */
const char *const *cli_list(const cli *c, const char *name, int *count);
/** Writes up to `room` numbers of a CLI_NUMBERS and returns how many there are. */
int cli_numbers(const cli *c, const char *name, double *out, int room);
/** false, nothing written, without a value. */
bool cli_size(const cli *c, const char *name, int64_t *height, int64_t *width);
bool cli_range(const cli *c, const char *name, int64_t *from, int64_t *to);

/** --json, -q: what to print.  Plain text goes to stdout only where neither is set. */
bool cli_json(const cli *c);
bool cli_quiet(const cli *c);

/** Sets an option from another source (a configuration file), unless the user gave it.  `where`
 *  names the source ("run.ini:12") in errors.  LIMN_BAD_USAGE for an unknown name or a bad value.
 *  `value` is copied. */
limn_status cli_set(cli *c, const char *name, const char *value, const char *where);

/** The options in the order of the help, for writing a configuration: name of the i-th, NULL after
 *  the last.  Common options (--device, --json, ...) are not among them, --seed is. */
const char *cli_option_name(const cli *c, int index);

/** Records "WHAT (WHERE): WHY" as limn_fail does in the library and returns `status`. */
limn_status cli_fail(cli *c, limn_status status, const char *what, const char *where,
                     const char *why, ...) CLI_PRINTF(5, 6);
/** Adds the line that says what to do; after cli_fail or a failed call of the library. */
void cli_hint(cli *c, const char *format, ...) CLI_PRINTF(2, 3);

/** Prints a JSON document and a newline on stdout; takes over the reference.  NULL (out of memory
 *  while it was built) is LIMN_FAILED. */
limn_status cli_print_json(cli *c, struct json_t *root);
/** A JSON text of foreign bytes, such as a path: what is no UTF-8 is shown as \\xNN.  NULL without
 *  memory. */
struct json_t *cli_json_text(const char *bytes);

/** A note for the user on stderr, unless -q; clears the progress bar first. */
void cli_note(cli *c, const char *format, ...) CLI_PRINTF(2, 3);

/** A report on long work of a subcommand's own.  LIMN_INTERRUPTED where Ctrl-C was pressed. */
limn_status cli_report(cli *c, const limn_progress *report);

/** Whether Ctrl-C was pressed: for loops in run() that make no call with progress. */
bool cli_interrupted(void);

/** One row of a list in more_help(): name, then text folded beside it. */
void cli_print_row(FILE *out, const char *name, const char *text);

/** The nearest of `names` (ended by NULL) to a mistyped `word`, or NULL where none is near. */
const char *cli_nearest(const char *word, const char *const *names);

#endif
