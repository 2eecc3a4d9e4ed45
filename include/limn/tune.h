/* limn/tune.h: which way of computing is the fastest on this device.
 *
 * Convolutions and matrix products have several implementations.  The tuner runs those that suit a
 * shape on random data, compares each with the plain form, times the ones that are right and keeps
 * the name of the best as a finding: per device, driver and class of shapes, in the cache
 * directory.  A class is everything but the batch, so a result never depends on how images are put
 * into batches.
 *
 * Which implementation runs decides the order of sums, so the last bits of a result.  The same
 * findings give the same bits; LIMN_TUNE_OFF gives those of the defaults.
 */
#ifndef LIMN_TUNE_H
#define LIMN_TUNE_H

#include "limn/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum limn_tune_mode {
    LIMN_TUNE_KNOWN, /**< use what was found; measure nothing unasked */
    LIMN_TUNE_AUTO,  /**< also measure, for a few seconds in all, when a graph is built whose shapes
                          have no finding; what is not reached keeps its default from then on.
                          Nothing is measured where the findings cannot be kept */
    LIMN_TUNE_OFF    /**< defaults only */
} limn_tune_mode;

/** How graphs built from now on choose.  A fresh device: LIMN_TUNE_KNOWN.  Where the environment
 *  has LIMN_TUNE=0 it is always LIMN_TUNE_OFF. */
LIMN_API void limn_tune_set_mode(limn_device *device, limn_tune_mode mode);

/** What to measure.  Zero-initialised members are the defaults. */
typedef struct limn_tune_params {
    const char *arch;      /**< architecture whose layers are measured */
    int64_t batch;         /**< images at most; fewer where one run would take long; 0: 64 */
    int64_t height, width; /**< pixels; 0: 32 for cnn-small and cifar-*, else 224 */
    int64_t channels;      /**< 0: 3 */
    bool inference;        /**< leave the gradients out */
    bool all;              /**< also what is known to be slow on this kind of device: CLBlast on a
                                CPU device, whose kernels take long to compile */
    uint64_t seed;         /**< of the random data */
} limn_tune_params;

/** One implementation that was tried. */
typedef struct limn_tune_trial {
    const char *name;
    double seconds; /**< of one run, lower quartile of samples; 0 where it was not timed */
    double error;   /**< largest |result - plain form's| over largest |plain form's| */
    double bound;   /**< the error that its author allows */
    const char *fault; /**< why it was turned down, or "" */
} limn_tune_trial;

/** What was found for one direction of one class of shapes. */
typedef struct limn_tune_row {
    const char *op;
    const char *shape;     /**< the class: "c64 k64 g1 f3 s1 p1 d1 32x32" */
    const char *direction; /**< "forward", "data" (gradient of the input), "filter" */
    const char *preset;    /**< the default */
    const char *chosen;    /**< the default, unless another was faster by a twentieth */
    const limn_tune_trial *trials;
    int trial_count;
} limn_tune_row;

/** Called after each; the strings live during the call. */
typedef void (*limn_tune_fn)(void *user, const limn_tune_row *row);

/** Measures every layer of an architecture that more than one implementation could serve, the most
 *  work first, and keeps the findings in place of earlier ones.  A class that was measured on this
 *  opened device already is passed over.  LIMN_BAD_USAGE: unknown architecture.  LIMN_FAILED: the
 *  findings cannot be written.  LIMN_INTERRUPTED: what was found before is kept. */
LIMN_API limn_status limn_tune_arch(limn_device *device, const limn_tune_params *params,
                                    limn_tune_fn seen, void *user);

/** One finding that is kept for this device. */
typedef struct limn_tune_finding {
    const char *op, *shape, *direction, *choice;
    bool measured; /**< false: the default, kept because the automatic run had no time left */
} limn_tune_finding;

/** Finding number `index`, from 0; false past the last.  Strings live until the next change. */
LIMN_API bool limn_tune_finding_at(limn_device *device, size_t index, limn_tune_finding *out);

/** Forgets all findings of this device, in the cache directory too. */
LIMN_API limn_status limn_tune_clear(limn_device *device);

#ifdef __cplusplus
}
#endif
#endif
