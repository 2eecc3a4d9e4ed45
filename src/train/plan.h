/* The plan of a run: which implementation serves each op, so that a resumed run makes the same bits
 * whatever was found on the device since.
 *
 * As text: a line "OP TAB CLASS TAB DIRECTION TAB IMPLEMENTATION" for each choice. */
#ifndef LIMN_TRAIN_PLAN_H
#define LIMN_TRAIN_PLAN_H

#include "graph/graph.h"

/** The plan of a compiled graph, each line once.  To be limn_free'd. */
limn_status limn_plan_text(limn_context *ctx, const limn_graph *graph, char **out);

/** Has graphs built from now on follow a plan.  LIMN_BAD_INPUT, naming `path` and the line: it is
 *  malformed, or names an op, a direction or an implementation that limn does not have. */
limn_status limn_plan_pin(limn_device *device, const char *path, const char *text);

/** Whether a graph follows the plan.  LIMN_BAD_INPUT names what it could not follow, and why. */
limn_status limn_plan_check(limn_context *ctx, const char *path, const char *text,
                            const limn_graph *graph);

/** Ends what limn_plan_pin began. */
void limn_plan_unpin(limn_device *device);

#endif
