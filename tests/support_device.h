/* Tests that need a device: one for all of a program, which is skipped where there is none. */
#ifndef LIMN_TESTS_SUPPORT_DEVICE_H
#define LIMN_TESTS_SUPPORT_DEVICE_H

#include "device/cl_api.h"
#include "device/device.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct rig {
    limn_context *ctx;
    limn_device *device;
} rig;

/* Every test's state. */
static rig the;

/* driver NULL: OpenCL's own. */
static inline int open_device_by(void **state, const limn_cl_api *driver)
{
    *state = &the;
    if (limn_context_create(NULL, &the.ctx) != LIMN_OK)
        return 1;
    if (driver)
        limn_context_set_driver(the.ctx, driver);
    const limn_status status = limn_device_open(the.ctx, NULL, &the.device);
    if (status == LIMN_NO_DEVICE) {
        printf("skipped: %s\n", limn_error_text(the.ctx));
        exit(77);
    }
    return status != LIMN_OK;
}

static inline int open_device(void **state)
{
    return open_device_by(state, NULL);
}

static inline int close_device(void **state)
{
    (void)state;
    limn_device_close(&the.device);
    limn_context_destroy(&the.ctx);
    return 0;
}

#endif
