/* limn/self_test.h: does this device compute right?
 *
 * Every op runs a small case on the device, forward and backward, twice, and is compared with its
 * scalar reference in double precision.  A driver that computes wrong is refused by name.
 */
#ifndef LIMN_SELF_TEST_H
#define LIMN_SELF_TEST_H

#include "limn/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What was seen of one op.  Errors: largest |device - reference| over largest |reference|. */
typedef struct limn_self_test_row {
    const char *op, *formula;
    double error;     /**< the larger of forward and backward; infinite where NaN appeared */
    double tolerance;
    bool passed;
    const char *why;  /**< what is wrong, or "" */
} limn_self_test_row;

/** Called after each op; the strings live during the call. */
typedef void (*limn_self_test_fn)(void *user, const limn_self_test_row *row);

/** Runs the self-test and remembers a device that passed.  LIMN_NO_DEVICE, naming device, driver
 *  and the ops, where any op failed; LIMN_FAILED or LIMN_OUT_OF_DEVICE_MEMORY, and no verdict,
 *  where memory ran out.  `seen` may be NULL. */
LIMN_API limn_status limn_self_test(limn_device *device, limn_self_test_fn seen, void *user);

/** Runs the self-test where this device, driver and library were not seen to pass before.  Does
 *  nothing where caches are off or $LIMN_SELF_TEST is "0". */
LIMN_API limn_status limn_self_test_once(limn_device *device);

#ifdef __cplusplus
}
#endif
#endif
