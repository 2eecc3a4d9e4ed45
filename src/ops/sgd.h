/* Stochastic gradient descent over many tensors at once. */
#ifndef LIMN_OPS_SGD_H
#define LIMN_OPS_SGD_H

#include "tensor/tensor.h"

enum { LIMN_SGD_TENSORS = 32 /**< of one launch */ };

/** One parameter: floats of one shape. */
typedef struct limn_sgd_item {
    limn_tensor *weight, *gradient, *momentum;
    bool decayed; /**< has weight decay */
} limn_sgd_item;

typedef struct limn_sgd_rates {
    double lr, momentum, weight_decay;
    bool nesterov;
} limn_sgd_rates;

/** The op "sgd" on each item, to the same bits, in one launch for every LIMN_SGD_TENSORS items. No
 *  buffer may stand in two items. */
limn_status limn_sgd_many(limn_device *device, const limn_sgd_item *items, int count,
                          const limn_sgd_rates *rates);

#endif
