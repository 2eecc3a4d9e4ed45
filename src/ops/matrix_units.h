/* Matrix units of GPUs, for the forms in half precision: which a device has, and their definition
 * for kernels (cl/common/matrix.h). */
#ifndef LIMN_OPS_MATRIX_UNITS_H
#define LIMN_OPS_MATRIX_UNITS_H

#include "device/device.h"

/** Looks for matrix units on the device, which build the probe and compute it right, and sets
 *  limits->matrix_units.  Fails only where memory ran out. */
limn_status limn_matrix_find(limn_device *device);
/** Whether one kind computes a product of small integers right, or ordinary arithmetic in its place
 *  and layout.  Fails where the probe does not build or run. */
limn_status limn_matrix_probe(limn_device *device, limn_matrix_units units, bool stand_in,
                              bool *right);
/** Whether a device may have one kind: whether it is worth a probe. */
bool limn_matrix_suits(const limn_device_limits *limits, limn_matrix_units units);
/** The definition of MATRIX for cl/common/matrix.h, a space before it: the units that were found,
 *  else the stand-in. */
void limn_matrix_define(const limn_device_limits *limits, char *text, size_t size);

#endif
