#include "train/plan.h"

#include "base/memory.h"
#include "device/tuning.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS = 4, MAX_LINE = LIMN_TUNING_OP + LIMN_TUNING_SHAPE + 16 + LIMN_TUNING_CHOICE };

typedef struct line {
    char text[MAX_LINE];
    char *field[FIELDS]; /* into text */
} line;

/* ---- writing -------------------------------------------------------------------------------- */

typedef struct collector {
    limn_context *ctx;
    char *text;
} collector;

/* Whether `text` has a line that begins with `start` of `length` bytes, which ends in a newline or
 * a tab. */
static const char *find_line(const char *text, const char *start, size_t length)
{
    for (const char *at = text; at && *at;) {
        if (strncmp(at, start, length) == 0)
            return at;
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return NULL;
}

static limn_status add_line(void *user, const char *op, const char *shape, const char *direction,
                            const char *choice)
{
    collector *c = user;
    char one[MAX_LINE];
    const int length = snprintf(one, sizeof one, "%s\t%s\t%s\t%s\n", op, shape, direction, choice);
    if (find_line(c->text, one, (size_t)length))
        return LIMN_OK;
    char *longer = limn_format("%s%s", c->text, one);
    if (!longer)
        return limn_out_of_memory(c->ctx, "plan");
    limn_free(c->text);
    c->text = longer;
    return LIMN_OK;
}

limn_status limn_plan_text(limn_context *ctx, const limn_graph *graph, char **out)
{
    collector c = {ctx, limn_strdup("")};
    *out = NULL;
    limn_status status =
        c.text ? limn_graph_choices(graph, add_line, &c) : limn_out_of_memory(ctx, "plan");
    if (status == LIMN_OK)
        *out = c.text;
    else
        limn_free(c.text);
    return status;
}

/* ---- following ------------------------------------------------------------------------------ */

/* The line at *at, which moves on to the next; false where it is malformed. */
static bool next_line(const char **at, line *out)
{
    const char *end = strchr(*at, '\n');
    if (!end || (size_t)(end - *at) >= sizeof out->text)
        return false;
    memcpy(out->text, *at, (size_t)(end - *at));
    out->text[end - *at] = '\0';
    *at = end + 1;
    char *rest = out->text;
    for (int i = 0; i < FIELDS; i++) {
        char *tab = strchr(rest, '\t');
        if ((tab == NULL) != (i == FIELDS - 1))
            return false;
        out->field[i] = rest;
        if (tab) {
            *tab = '\0';
            rest = tab + 1;
        }
    }
    return true;
}

static limn_status refuse(limn_context *ctx, const char *path, const line *l, const char *why)
{
    limn_fail(ctx, LIMN_BAD_INPUT, "cannot resume", path,
              "its plan has %.31s, %.95s, %.31s by %.191s: %s", l->field[0], l->field[1],
              l->field[2], l->field[3], why);
    limn_hint(ctx, "go on with the version of limn that wrote it, or start anew with --force");
    return LIMN_BAD_INPUT;
}

/* Why limn cannot follow a line at all, or NULL. */
static const char *unknown_in(const line *l)
{
    const limn_op *op = limn_op_find(l->field[0]);
    if (!op || !op->choices)
        return "this version of limn has no such op to choose for";
    int d = 0, i = 0;
    while (op->choices->directions[d] && strcmp(op->choices->directions[d], l->field[2]) != 0)
        d++;
    while (i < op->choices->count && strcmp(op->choices->name(i), l->field[3]) != 0)
        i++;
    if (!op->choices->directions[d])
        return "this version of limn has no such direction";
    return i == op->choices->count ? "this version of limn has no such implementation" : NULL;
}

limn_status limn_plan_pin(limn_device *device, const char *path, const char *text)
{
    limn_context *ctx = limn_device_context(device);
    limn_status status = LIMN_OK;
    for (const char *at = text; *at && status == LIMN_OK;) {
        line l;
        if (!next_line(&at, &l))
            return limn_fail(ctx, LIMN_BAD_INPUT, "bad checkpoint", path, "its plan is malformed");
        const char *why = unknown_in(&l);
        if (why)
            return refuse(ctx, path, &l, why);
        const limn_tuning_key key = {l.field[0], l.field[1], l.field[2]};
        status = limn_tuning_set(device, &key, l.field[3], LIMN_TUNING_PINNED);
        if (status == LIMN_BAD_USAGE)
            return limn_fail(ctx, LIMN_BAD_INPUT, "bad checkpoint", path, "its plan is malformed");
    }
    return status;
}

limn_status limn_plan_check(limn_context *ctx, const char *path, const char *text,
                            const limn_graph *graph)
{
    char *now;
    limn_status status = limn_plan_text(ctx, graph, &now);
    for (const char *at = text; status == LIMN_OK && *at;) {
        line l;
        char key[MAX_LINE];
        const char *start = at;
        if (!next_line(&at, &l)) {
            status =
                limn_fail(ctx, LIMN_BAD_INPUT, "bad checkpoint", path, "its plan is malformed");
            break;
        }
        const int length =
            snprintf(key, sizeof key, "%s\t%s\t%s\t", l.field[0], l.field[1], l.field[2]);
        if (find_line(now, start, (size_t)(at - start)))
            continue;
        status = refuse(ctx, path, &l,
                        find_line(now, key, (size_t)length)
                            ? "it does not serve these shapes on this device any more"
                            : "the network has no such layer, or none in this precision");
    }
    limn_free(now);
    return status;
}

void limn_plan_unpin(limn_device *device)
{
    limn_tuning_drop(device, LIMN_TUNING_PINNED);
}
