/* Built programs on disk.  Any doubt about an entry means: build from source. */
#ifndef LIMN_DEVICE_PROGRAM_CACHE_H
#define LIMN_DEVICE_PROGRAM_CACHE_H

#include "device/internal.h"

/** Digest of everything that a binary depends on: text, options, device, driver, platform. */
typedef struct limn_cache_key {
    uint64_t low, high;
} limn_cache_key;

limn_cache_key limn_cache_key_of(const limn_device *device, const limn_embedded_program *source,
                                 const char *options);

/** A built program, or NULL: absent, damaged, refused by the driver, or caching is off. */
cl_program limn_cache_load(limn_device *device, const limn_cache_key *key, const char *options);

/** Stores the program's binary; a failure leaves nothing behind and is only logged. */
void limn_cache_store(limn_device *device, const limn_cache_key *key, cl_program program);

#endif
