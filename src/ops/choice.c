/* Which of an op's implementations serves a case. */
#include "device/tuning.h"
#include "ops/op.h"

#include <math.h>
#include <string.h>

static bool serves(const limn_op_choices *choices, const limn_choice_case *c, int direction,
                   int which, bool forced)
{
    char why[192];
    choices->refusal(c, direction, which, forced, why, sizeof why);
    return !why[0];
}

int limn_op_preset(const limn_op_choices *choices, const limn_choice_case *c, int direction)
{
    int which = 0;
    while (which < choices->count - 1 && !serves(choices, c, direction, which, false))
        which++;
    return which;
}

int limn_op_choose(const char *op, const limn_op_choices *choices, const limn_choice_case *c,
                   int direction)
{
    char shape[LIMN_TUNING_SHAPE];
    choices->shape(c, shape, sizeof shape);
    const limn_tuning_key key = {op, shape, choices->directions[direction]};
    const char *name = limn_tuning_find(c->device, &key);
    for (int which = 0; name && which < choices->count; which++)
        if (strcmp(choices->name(which), name) == 0 && serves(choices, c, direction, which, true))
            return which;
    return limn_op_preset(choices, c, direction);
}

double limn_op_sum_bound(double terms)
{
    return (16 + 4 * sqrt(terms)) * 0x1p-24;
}
