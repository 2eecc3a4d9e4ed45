/* What is known about a device: which implementation serves which work best.
 *
 * A finding has a key of three texts: the op, the class of its shapes, the direction.  The findings
 * of one device, driver and platform are one text file in the cache directory:
 *
 *     limn tuning 3
 *     device <hash of its identity>
 *     <op> TAB <class> TAB <direction> TAB <choice> TAB measured|assumed
 *     ...
 *     end <count> <XXH3 of all bytes before this line>
 *
 * A file in which anything is not as it should be is ignored as a whole. */
#ifndef LIMN_DEVICE_TUNING_H
#define LIMN_DEVICE_TUNING_H

#include "device/device.h"
#include "limn/tune.h"

/** Longest texts, with their terminating zero. */
enum { LIMN_TUNING_OP = 32, LIMN_TUNING_SHAPE = 96, LIMN_TUNING_CHOICE = 192 };

typedef struct limn_tuning_key {
    const char *op, *shape, *direction;
} limn_tuning_key;

typedef enum limn_tuning_source {
    LIMN_TUNING_ASSUMED, /**< the default, because there was no time to measure */
    LIMN_TUNING_MEASURED,
    LIMN_TUNING_PINNED, /**< the plan of a run that goes on: above what was found, never kept */
    LIMN_TUNING_TRIAL   /**< being measured: above all, never kept */
} limn_tuning_source;

/** LIMN_TUNE_OFF where the environment says so. */
limn_tune_mode limn_tuning_get_mode(const limn_device *device);

/** Whether findings can be kept: there is a cache directory. */
bool limn_tuning_has_store(const limn_device *device);

/** The name of the implementation to use, or NULL.  Reads the file on first use.  In LIMN_TUNE_OFF
 *  only trials and pinned choices count. */
const char *limn_tuning_find(limn_device *device, const limn_tuning_key *key);

/** Whether a finding is kept or pinned, whatever the mode. */
bool limn_tuning_known(limn_device *device, const limn_tuning_key *key);

/** Whether a finding was measured on this opened device, not read from the file. */
bool limn_tuning_measured_here(limn_device *device, const limn_tuning_key *key);

/** Sets or replaces the choice of one source. LIMN_BAD_USAGE: a text is too long or holds other
 *  than printable ASCII. */
limn_status limn_tuning_set(limn_device *device, const limn_tuning_key *key, const char *choice,
                            limn_tuning_source source);

/** Forgets all choices of one source: trials, or a plan. */
void limn_tuning_drop(limn_device *device, limn_tuning_source source);

/** Writes what was set since the last time to the file, beside what others put there meanwhile.
 *  Where both have the same key, ours wins with `replace`, else theirs is taken over.  On failure
 *  what was set is forgotten without `replace`, so that another process chooses the same. */
limn_status limn_tuning_keep(limn_device *device, bool replace);

/** Seconds that were spent measuring on this device, for the caller to add to; NULL: no memory. */
double *limn_tuning_spent(limn_device *device);

/** The file's path; NULL where caches are off or memory is exhausted.  To be limn_free'd. */
char *limn_tuning_path(const limn_device *device);

/** Appends the line that ends such a file with `count` findings to the `size` bytes of `text`. */
void limn_tuning_seal(char *text, size_t size, size_t room, size_t count);

/** For limn_device_close. */
void limn_tuning_free(limn_device *device);

#endif
