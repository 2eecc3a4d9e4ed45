#ifndef LIMN_NN_INIT_H
#define LIMN_NN_INIT_H

#include "nn/model.h"

/** Writes a parameter's initial values.  Draws are addressed by (seed, INIT, position in a hash of
 *  the name, element), so a part added later does not change the others. */
limn_status limn_parameter_init(limn_context *ctx, const limn_parameter *parameter, uint64_t seed);

#endif
