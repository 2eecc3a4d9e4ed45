#define _POSIX_C_SOURCE 200809L

#include "cli_internal.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Seconds between redraws, between lines where there is no terminal, and of the rate's memory. */
#define REDRAW 0.1
#define LINE_EVERY 5.0
#define MEMORY 10.0

/* ---- Ctrl-C -------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals_seen;

static void on_signal(int number)
{
    static const char text[] = "\nlimn: finishing this step; once more to stop at once\n";
    (void)number;
    if (signals_seen)
        _exit(LIMN_INTERRUPTED);
    signals_seen = 1;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
}

void cli_catch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_interrupted(void)
{
    return signals_seen != 0;
}

/* ---- the bar ------------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool cli_colour(FILE *stream)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(stream)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

void cli_progress_init(cli_progress *p, const char *mode, int verbose, bool quiet)
{
    const char *term = getenv("TERM");
    memset(p, 0, sizeof *p);
    p->verbose = verbose;
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
    p->colour = cli_colour(stderr);
    p->on = !strcmp(mode, "always") || (!strcmp(mode, "auto") && p->terminal && !quiet);
}

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col;
    return 80;
}

/* "0:42", "1:02:03" */
static void duration_text(double seconds, char *out, size_t room)
{
    if (!(seconds < 360000)) {
        snprintf(out, room, "-:--");
        return;
    }
    long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, room, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, room, "%ld:%02ld", s / 60, s % 60);
}

/* Wipes the bar so that a line of text can stand there. */
static void wipe(cli_progress *p)
{
    if (!p->line_open)
        return;
    fprintf(stderr, "\r%*s\r", p->width, "");
    p->line_open = false;
}

static void show(cli_progress *p, const limn_progress *r, double time)
{
    char line[512], tail[384], left[32];
    double elapsed = time - p->first_time;
    double rate = p->weight > 0 ? p->rate / p->weight : 0;
    if (r->finished && elapsed > 0)
        rate = (r->done - p->first_done) / elapsed;
    if (r->finished)
        duration_text(elapsed, left, sizeof left);
    else
        duration_text(rate > 0 ? (r->total - r->done) / rate : INFINITY, left, sizeof left);
    int used;
    if (r->total > 0)
        used = snprintf(tail, sizeof tail, " %3d%% %.0f/%.0f %s", (int)(100 * r->done / r->total),
                        r->done, r->total, r->unit);
    else
        used = snprintf(tail, sizeof tail, " %.0f %s", r->done, r->unit);
    /* A task that ends at once has no rate that one could tell. */
    if (used > 0 && used < (int)sizeof tail && (elapsed >= 0.01 || !r->finished))
        used += snprintf(tail + used, sizeof tail - (size_t)used, "  %.*f/s  %s %s",
                         rate < 10    ? 2
                         : rate < 100 ? 1
                                      : 0,
                         rate, r->finished ? "in" : (r->total > 0 ? "ETA" : ""),
                         r->finished || r->total > 0 ? left : "");
    if (r->detail && *r->detail && used > 0 && used < (int)sizeof tail)
        snprintf(tail + used, sizeof tail - (size_t)used, "  %s", r->detail);
    if (!p->terminal) {
        fprintf(stderr, "%s%s\n", r->task, tail);
        return;
    }
    int columns = terminal_columns() - 1;
    int room = columns - (int)strlen(r->task) - (int)strlen(tail) - 3;
    room = room > 30 ? 30 : room;
    used = snprintf(line, sizeof line, "%s", r->task);
    if (r->total > 0 && room >= 5) {
        int full = (int)(room * fmin(1, fmax(0, r->done / r->total)));
        used += snprintf(line + used, sizeof line - (size_t)used, " [");
        for (int i = 0; i < room; i++)
            line[used++] = i < full ? '#' : '-';
        line[used++] = ']';
        line[used] = '\0';
    }
    snprintf(line + used, sizeof line - (size_t)used, "%s", tail);
    if (columns < (int)sizeof line)
        line[columns] = '\0';
    int width = (int)strlen(line);
    fprintf(stderr, "\r%s%s%s%*s", p->colour ? "\033[36m" : "", line, p->colour ? "\033[0m" : "",
            p->width > width ? p->width - width : 0, "");
    p->width = width;
    p->line_open = true;
    if (r->finished) {
        fputc('\n', stderr);
        p->line_open = false;
        p->width = 0;
    }
    fflush(stderr);
}

bool cli_progress_report(void *user, const limn_progress *r)
{
    cli_progress *p = &((cli *)user)->progress;
    if (p->on) {
        double time = now();
        bool fresh = strncmp(p->task, r->task, sizeof p->task - 1) != 0 || r->done < p->last_done;
        if (fresh) {
            cli_progress_end(p);
            snprintf(p->task, sizeof p->task, "%s", r->task);
            p->first_time = p->last_time = time;
            p->shown_time = p->terminal ? 0 : time;
            p->first_done = p->last_done = r->done;
            p->rate = p->weight = 0;
        }
        double every = p->terminal ? REDRAW : LINE_EVERY;
        if (r->finished || time - p->shown_time >= every) {
            double step = time - p->last_time;
            if (step > 0) { /* exponentially forgetting mean, its start corrected by weight */
                double share = 1 - exp(-step / MEMORY);
                p->rate += share * ((r->done - p->last_done) / step - p->rate);
                p->weight += share * (1 - p->weight);
                p->last_time = time;
                p->last_done = r->done;
            }
            show(p, r, time);
            p->shown_time = time;
        }
        if (r->finished)
            p->task[0] = '\0';
    }
    return !cli_interrupted();
}

limn_status cli_report(cli *c, const limn_progress *report)
{
    if (cli_progress_report(c, report))
        return LIMN_OK;
    return cli_fail(c, LIMN_INTERRUPTED, "interrupted", report->task, "stopped by Ctrl-C");
}

void cli_progress_end(cli_progress *p)
{
    if (p->line_open)
        fputc('\n', stderr);
    p->line_open = false;
    p->width = 0;
}

void cli_progress_note(cli_progress *p, const char *text)
{
    if (p->quiet)
        return;
    wipe(p);
    fprintf(stderr, "limn: %s\n", text);
}

void cli_progress_log(void *user, limn_log_level level, const char *text)
{
    cli_progress *p = &((cli *)user)->progress;
    if (p->quiet || (level == LIMN_LOG_INFO && p->verbose < 1) ||
        (level == LIMN_LOG_DEBUG && p->verbose < 2))
        return;
    wipe(p);
    fprintf(stderr, "limn: %s%s%s%s\n", level == LIMN_LOG_WARNING && p->colour ? "\033[33m" : "",
            level == LIMN_LOG_WARNING ? "warning: " : "",
            level == LIMN_LOG_WARNING && p->colour ? "\033[0m" : "", text);
}
