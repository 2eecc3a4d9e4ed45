#define _POSIX_C_SOURCE 200809L

#include "cli_internal.h"

#include "utf8.h"

#include "limn/precision.h"
#include "limn/self_test.h"
#include "limn/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

limn_context *cli_context(cli *c)
{
    return c->ctx;
}

limn_status cli_device_open_unchecked(cli *c, limn_device **out)
{
    return limn_device_open(c->ctx, cli_text(c, "device"), out);
}

limn_status cli_device_open(cli *c, limn_device **out)
{
    limn_status status = cli_device_open_unchecked(c, out);
    if (status == LIMN_OK && (status = limn_self_test_once(*out)) != LIMN_OK)
        limn_device_close(out);
    if (status == LIMN_OK && c->command->precision == CLI_DEVICE_PRECISION &&
        (status = limn_precision_set(
             *out, cli_choice(c, "precision") == 1 ? LIMN_PRECISION_FP16 : LIMN_PRECISION_FP32)) !=
            LIMN_OK)
        limn_device_close(out);
    if (status == LIMN_OK && c->command->model_options)
        limn_tune_set_mode(*out, cli_flag(c, "no-tune") ? LIMN_TUNE_OFF : LIMN_TUNE_AUTO);
    return status;
}

int cli_argument_count(const cli *c)
{
    return c->argument_count;
}

const char *cli_argument(const cli *c, int index)
{
    return index >= 0 && index < c->argument_count ? c->arguments[index] : NULL;
}

const char *const *cli_arguments(const cli *c)
{
    return c->arguments;
}

limn_status cli_fail(cli *c, limn_status status, const char *what, const char *where,
                     const char *why, ...)
{
    char reason[CLI_TEXT_MAX / 2];
    va_list args;
    va_start(args, why);
    vsnprintf(reason, sizeof reason, why, args);
    va_end(args);
    if (where)
        snprintf(c->error, sizeof c->error, "%s (%s): %s", what, where, reason);
    else
        snprintf(c->error, sizeof c->error, "%s: %s", what, reason);
    c->hint[0] = '\0';
    return status;
}

void cli_hint(cli *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->hint, sizeof c->hint, format, args);
    va_end(args);
}

void cli_note(cli *c, const char *format, ...)
{
    char text[CLI_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_progress_note(&c->progress, text);
}

struct json_t *cli_json_text(const char *bytes)
{
    json_t *text = json_string(bytes);
    if (text)
        return text;
    char *shown = utf8_printable(bytes);
    text = shown ? json_string(shown) : NULL;
    free(shown);
    return text;
}

limn_status cli_print_json(cli *c, struct json_t *root)
{
    limn_status status = LIMN_OK;
    if (!root)
        return cli_fail(c, LIMN_FAILED, "out of host memory", "--json", "no document");
    if (json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0 ||
        putchar('\n') == EOF)
        status = cli_fail(c, LIMN_FAILED, "cannot write", "standard output", "%s", strerror(errno));
    json_decref(root);
    return status;
}

static void print_error(const char *text, const char *hint)
{
    bool colour = cli_colour(stderr);
    fprintf(stderr, "limn: %serror:%s %s\n", colour ? "\033[1;31m" : "", colour ? "\033[0m" : "",
            text);
    if (hint && *hint)
        fprintf(stderr, "%s\n", hint);
}

/* A closed standard stream would hand its number to the next opened file.  Number 1 is taken for
 * reading, so that writing to it still fails. */
static void reserve_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR);
}

/* Output is only done when it has reached the system. */
static int finish_output(int code)
{
    bool bad = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !bad)
        return code;
    if (code == LIMN_OK) {
        char text[256];
        snprintf(text, sizeof text, "cannot write (standard output): %s",
                 errno ? strerror(errno) : "an earlier write failed");
        print_error(text, NULL);
        code = LIMN_FAILED;
    }
    return code;
}

static limn_status run(cli *c)
{
    int verbose = 0;
    for (int i = 0; i < c->value_count; i++)
        if (!strcmp(c->values[i].option->name, "verbose"))
            verbose = c->values[i].times;
    cli_progress_init(&c->progress, cli_text(c, "progress"), verbose, cli_quiet(c));
    limn_context_params params = {
        .log = cli_progress_log, .progress = cli_progress_report, .user = c};
    if (limn_context_create(&params, &c->ctx) != LIMN_OK)
        return cli_fail(c, LIMN_FAILED, "out of host memory", NULL, "no context");
    cli_catch_signals();
    limn_status status = c->command->run(c);
    cli_progress_end(&c->progress);
    return status;
}

static int run_command(const limn_command *command, int argc, char **argv)
{
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            cli_print_help(stdout, command);
            return LIMN_OK;
        }
    cli *c = calloc(1, sizeof *c);
    if (!c) {
        print_error("out of host memory (start): no room for the command line", NULL);
        return LIMN_FAILED;
    }
    c->command = command;
    limn_status status = cli_parse(c, argc, argv);
    if (status == LIMN_OK)
        status = run(c);
    if (status != LIMN_OK) {
        bool own = c->error[0] != '\0' || !c->ctx;
        print_error(own ? c->error : limn_error_text(c->ctx),
                    c->hint[0] || own ? c->hint : limn_error_hint(c->ctx));
    }
    limn_context_destroy(&c->ctx);
    cli_free_values(c);
    free(c);
    return (int)status;
}

static const limn_command *find_command(const limn_command *const *commands, const char *name)
{
    for (; *commands; commands++)
        if (!strcmp((*commands)->name, name))
            return *commands;
    return NULL;
}

static int unknown_command(const limn_command *const *commands, const char *name)
{
    enum { MOST = 64 };
    const char *names[MOST];
    char text[256], hint[256];
    int n = 0;
    for (; commands[n] && n < MOST - 2; n++)
        names[n] = commands[n]->name;
    names[n++] = "help";
    names[n] = NULL;
    snprintf(text, sizeof text, "unknown %s (%s): limn has no such %s",
             *name == '-' ? "option" : "subcommand", name, *name == '-' ? "option" : "subcommand");
    const char *near = cli_nearest(name, names);
    if (*name == '-')
        snprintf(hint, sizeof hint, "options follow the subcommand; see 'limn help'");
    else if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?  See 'limn help'", near);
    else
        snprintf(hint, sizeof hint, "see 'limn help'");
    print_error(text, hint);
    return LIMN_BAD_USAGE;
}

static int help(const limn_command *const *commands, const char *name)
{
    if (!name) {
        cli_print_overview(stdout, commands, false);
        return LIMN_OK;
    }
    const limn_command *command = find_command(commands, name);
    if (!command)
        return unknown_command(commands, name);
    cli_print_help(stdout, command);
    return LIMN_OK;
}

static int dispatch(const limn_command *const *commands, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    if (!word) {
        cli_print_overview(stdout, commands, true);
        return LIMN_OK;
    }
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
        printf("limn %s\n", limn_version());
        return LIMN_OK;
    }
    if (!strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h"))
        return help(commands, argc > 2 ? argv[2] : NULL);
    const limn_command *command = find_command(commands, word);
    return command ? run_command(command, argc, argv) : unknown_command(commands, word);
}

int cli_main(const limn_command *const *commands, int argc, char **argv)
{
    reserve_streams();
    if (strcmp(limn_version(), LIMN_VERSION) != 0) {
        char text[256];
        snprintf(text, sizeof text, "wrong library (liblimn %s): this program is version %s",
                 limn_version(), LIMN_VERSION);
        print_error(text, "install program and library of one version");
        return LIMN_FAILED;
    }
    return finish_output(dispatch(commands, argc, argv));
}
