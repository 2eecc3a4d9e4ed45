/* What the files of `limn bench` share. */
#ifndef LIMN_TOOLS_BENCH_H
#define LIMN_TOOLS_BENCH_H

#include "cli.h"

#include "limn/bench.h"

#include <jansson.h>

enum { BENCH_MAX_OPS = 256 };

/** One run of the subcommand: what is measured, how, and where it is written. */
typedef struct bench_sheet {
    cli *c;
    json_t *rows; /**< of ops */
    limn_bench_params params;
    limn_bench_peak peak;
    FILE *csv;
    const char *device; /**< its name */
    bool headed;        /**< something was printed */
} bench_sheet;

/** Whether tables go to stdout. */
static inline bool bench_prints(const bench_sheet *s)
{
    return !cli_json(s->c) && !cli_quiet(s->c);
}

/** Says what the device itself reaches: above the first result, so that errors stand alone. */
void bench_print_peak(const bench_sheet *s);

/** A training step or inference by --arch; the caller owns `*out`. */
limn_status bench_step(bench_sheet *s, limn_device *device, json_t **out);
/** An explanation by --arch and --method. */
limn_status bench_explain(bench_sheet *s, limn_device *device, json_t **out);

#endif
