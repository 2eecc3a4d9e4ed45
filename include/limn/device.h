/* limn/device.h: finding and opening OpenCL devices. */
#ifndef LIMN_DEVICE_H
#define LIMN_DEVICE_H

#include "limn/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What `limn devices` prints about one device.  Strings are owned by the list. */
typedef struct limn_device_info {
    int index;                /**< number that limn_device_open accepts */
    const char *name, *platform, *vendor, *driver;
    const char *type;         /**< "gpu", "accelerator", "cpu" or "custom" */
    unsigned compute_units;
    uint64_t global_memory;   /**< bytes */
    uint64_t max_allocation;  /**< bytes in one buffer */
    bool fp16, fp64, subgroups;
    bool usable;
    const char *reason;       /**< why not usable, else "" */
} limn_device_info;

typedef struct limn_device_list {
    size_t count;
    limn_device_info *devices;
} limn_device_list;

/** All devices of all platforms, in the order of their indices.  No platform at all is not an
 *  error: the list is then empty. */
LIMN_API limn_status limn_device_list_create(limn_context *ctx, limn_device_list **out);
LIMN_API void limn_device_list_destroy(limn_device_list **list);

/** An opened device: one context, one in-order queue, its buffers and programs.  It belongs to the
 *  thread of its limn_context. */
typedef struct limn_device limn_device;

/** Opens a device.  `which`: a number, "cpu", "gpu", "accelerator", or part of a name or platform
 *  that fits exactly one device, case ignored; NULL: $LIMN_DEVICE if set, else the best GPU, else
 *  an accelerator, else a CPU device.  LIMN_NO_DEVICE where none fits; LIMN_BAD_USAGE where `which`
 *  fits several.  The context must outlive the device. */
LIMN_API limn_status limn_device_open(limn_context *ctx, const char *which, limn_device **out);

/** Waits for the device and frees it; sets `*device` to NULL; NULL is accepted.  Whatever was made
 *  on the device must have been destroyed before. */
LIMN_API void limn_device_close(limn_device **device);

/** Facts about an opened device; owned by it. */
LIMN_API const limn_device_info *limn_device_describe(const limn_device *device);

/** Bytes of device buffers held now, and the most held since the device was opened. */
LIMN_API void limn_device_memory(const limn_device *device, uint64_t *held, uint64_t *peak);

#ifdef __cplusplus
}
#endif
#endif
