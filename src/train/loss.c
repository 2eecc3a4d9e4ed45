#include "train/loss.h"

#include <string.h>

static const limn_loss *const table[] = {&limn_loss_ce, &limn_loss_supcon};
enum { COUNT = sizeof table / sizeof *table };

const limn_loss *limn_loss_find(limn_context *ctx, const char *name)
{
    char names[256] = "";
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
        strncat(names, i ? ", " : "", sizeof names - strlen(names) - 1);
        strncat(names, table[i]->name, sizeof names - strlen(names) - 1);
    }
    limn_fail(ctx, LIMN_BAD_USAGE, "unknown loss", name, "limn has %s", names);
    return NULL;
}

bool limn_train_loss(size_t index, const char **name, const char **summary)
{
    if (index >= COUNT)
        return false;
    *name = table[index]->name;
    *summary = table[index]->summary;
    return true;
}
