/* The program limn.  A new subcommand: one line in this list, its file NAME.c in meson.build. */
#include "cli.h"

#define COMMANDS(X) X(devices) X(doctor) X(convert) X(train) X(probe) X(eval) X(explain) X(heatmap) X(bench) X(tune)

#define DECLARE(name) extern const limn_command name##_command;
#define ENTRY(name) &name##_command,

COMMANDS(DECLARE)

static const limn_command *const commands[] = {COMMANDS(ENTRY) NULL};

int main(int argc, char **argv)
{
    return cli_main(commands, argc, argv);
}
