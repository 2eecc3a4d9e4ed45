#ifndef LIMN_DEVICE_SELECT_H
#define LIMN_DEVICE_SELECT_H

#include "device/internal.h"

/** Index in the list that `which` means; rules in limn/device.h.  Needs no driver, so it can be
 *  tested with invented lists. */
limn_status limn_select_device(limn_context *ctx, const limn_device_list *list,
                               const limn_found_device *found, const char *which, int *out);

#endif
