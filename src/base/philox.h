/* Philox-4x32-10, a counter-based random generator: Salmon, Moraes, Dror, Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", SC 2011.  Every draw is addressed, none depends on an earlier one;
 * cl/common/philox.h is the same function for kernels. */
#ifndef LIMN_BASE_PHILOX_H
#define LIMN_BASE_PHILOX_H

#include <stdint.h>

/** What a draw is for.  Values are part of every seeded result: add at the end, never renumber. */
typedef enum limn_purpose {
    LIMN_PURPOSE_INIT = 1,    /**< parameter initialisation */
    LIMN_PURPOSE_SHUFFLE = 2, /**< order of the images in an epoch */
    LIMN_PURPOSE_AUGMENT = 3,
    LIMN_PURPOSE_MASK = 4, /**< perturbation masks */
    LIMN_PURPOSE_NOISE = 5,
    LIMN_PURPOSE_DROPOUT = 6,
    LIMN_PURPOSE_TEST = 7
} limn_purpose;

/** One block of four 32-bit draws at (key, counter). */
void limn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/** The block addressed by (seed, purpose, index, sub): key = seed, counter = {index low, index
 *  high, sub, purpose}. */
void limn_draw(uint64_t seed, limn_purpose purpose, uint64_t index, uint32_t sub, uint32_t out[4]);

/** Uniform float in [0, 1): the top 24 bits times 2^-24, exact in single precision. */
float limn_uniform(uint32_t bits);

/** Draws for LIMN_PURPOSE_TEST one after another, from `index` on. */
typedef struct limn_test_draws {
    uint64_t seed, index;
} limn_test_draws;

/** The next one, uniform in [0, 1); `draws` is a limn_test_draws, passed as `fill` of the op table
 *  passes it on. */
double limn_test_draw(void *draws);

#endif
