/* What every fuzz target defines.  It aborts where a promise of the interface is broken. */
#ifndef LIMN_TESTS_FUZZ_H
#define LIMN_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
