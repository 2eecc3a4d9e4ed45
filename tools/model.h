/* --arch, --classes, --mean and --std, for every subcommand that uses or makes a model. */
#ifndef LIMN_TOOLS_MODEL_H
#define LIMN_TOOLS_MODEL_H

#include "cli.h"
#include "limn/model.h"

/** What the user gave; the text belongs to `c`.  A single mean or std serves every channel. */
limn_status model_params(cli *c, limn_model_params *out);

/** limn_model_load with those. */
limn_status model_load(cli *c, limn_device *device, const char *path, limn_model **out);

/** Lists the architectures, for a subcommand's `more_help`. */
void model_help(FILE *out);

#endif
