/* limn/precision.h: convolutions and linear layers in half precision, where a user allows it.
 *
 * LIMN_PRECISION_FP16 lets them round what they multiply to half precision (IEEE 754 binary16: 11
 * significant bits): their input, their weights and, in training, the gradient of their output.
 * Products and their sum stay in single precision (matrix units may cut the last bits of a sum off
 * instead of rounding them), and so does all else: bias, normalisation, losses, the weights that
 * are trained and their updates.
 *
 *   error     each factor is off by at most 2^-11 (0.05 %) of itself, by 2^-25 where it is below
 *             2^-14 in magnitude
 *   range     65504 at most; what lies beyond becomes NaN, and so does every value that it takes
 *             part in, down to the logits: never an infinity that could vanish in a maximum with 0
 *   gradients soon are below what half can hold.  Every one of a tensor is multiplied by a power of
 *             two before it is rounded, and the result divided by it; the power brings the largest
 *             to 2^14.  So no loss needs a scale, and gradients below 2^-28 of the largest are off
 *             by at most 2^-39 of it, where that is 2^-112 or more: below, floats end, too
 *
 * It is a permission.  Which layers make use of it is the tuner's choice (limn/tune.h), which
 * measures forms in half precision beside the others, or the default's.  On a CPU device single
 * precision is the faster one: all stays as it was, and a note says so.
 */
#ifndef LIMN_PRECISION_H
#define LIMN_PRECISION_H

#include "limn/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum limn_precision {
    LIMN_PRECISION_FP32, /**< a fresh device's */
    LIMN_PRECISION_FP16
} limn_precision;

/** For graphs built from now on: predictions, explanations and benchmarks that begin later.  A
 *  training run has a setting of its own (limn/train.h).  FP16 first looks for matrix units
 *  (NVIDIA's, AMD's, Intel's: kept where a probe of them builds and computes right), then runs each
 *  form in half precision on a small case, forward and backward, against the scalar reference: one
 *  that does not build or differs by more than its bound is left out, and a warning says so.
 *  LIMN_NO_DEVICE where none is left, LIMN_BAD_USAGE for a precision that is none. */
LIMN_API limn_status limn_precision_set(limn_device *device, limn_precision precision);

#ifdef __cplusplus
}
#endif
#endif
