/* What the files of the frame share. */
#ifndef LIMN_TOOLS_CLI_INTERNAL_H
#define LIMN_TOOLS_CLI_INTERNAL_H

#include "cli.h"

enum { CLI_TEXT_MAX = 4096, CLI_NAMES_MAX = 160 };

/** What is known about one option in this run. */
typedef struct cli_value {
    const limn_option *option;
    const char *text; /**< NULL: no value */
    char *owned;      /**< `text` where it had to be copied */
    int times;        /**< how often the user gave it */
    char **items;     /**< a CLI_LIST, cut up; items[0] owns the text of all */
    int item_count;
} cli_value;

/** The progress bar. */
typedef struct cli_progress {
    bool on, terminal, colour, quiet;
    int verbose;
    bool line_open; /**< a bar stands on the terminal's line */
    int width;      /**< columns that it takes */
    char task[64];
    double first_time, last_time, shown_time;
    double first_done, last_done;
    double rate, weight; /**< smoothed rate times weight, and weight */
} cli_progress;

struct cli {
    const limn_command *command;
    limn_context *ctx;
    cli_value values[CLI_NAMES_MAX];
    int value_count;
    const char **arguments;
    int argument_count;
    char error[CLI_TEXT_MAX], hint[CLI_TEXT_MAX];
    cli_progress progress;
};

/** The tables of a command: its own, the model's, --precision, the common ones; NULL ends them. */
enum { CLI_TABLES = 5 };
void cli_tables(const limn_command *command, const limn_option *tables[CLI_TABLES]);

/** Reads argv[2...]; errors are left in c->error and c->hint. */
limn_status cli_parse(cli *c, int argc, char **argv);
void cli_free_values(cli *c);
/** The value whose option has the name of `length` characters, or NULL. */
cli_value *cli_find_value(const cli *c, const char *name, size_t length);
bool cli_is_common(const limn_option *option);
/** Refuses a value; `where` names its source, NULL the command line. */
limn_status cli_bad_value(cli *c, const cli_value *value, const char *where, const char *format,
                          ...) CLI_PRINTF(4, 5);
/** Checks c's text for an option against its row. */
limn_status cli_check(cli *c, cli_value *value, const char *where);

void cli_print_overview(FILE *out, const limn_command *const *commands, bool brief);
void cli_print_help(FILE *out, const limn_command *command);

void cli_progress_init(cli_progress *p, const char *mode, int verbose, bool quiet);
bool cli_progress_report(void *user, const limn_progress *report);
void cli_progress_log(void *user, limn_log_level level, const char *text);
void cli_progress_note(cli_progress *p, const char *text);
/** Leaves the cursor on a fresh line. */
void cli_progress_end(cli_progress *p);
bool cli_colour(FILE *stream);
void cli_catch_signals(void);

#endif
