/* What the op tests change where they run in a simulator (tests/oclgrind/). */
#ifndef LIMN_TESTS_OPS_SIMULATOR_H
#define LIMN_TESTS_OPS_SIMULATOR_H

#include "device/cl_api.h"

/** OpenCL's entry points, but buffers are filled by writing them.  Oclgrind 21.10 counts all but the
 *  first pattern of a filled range as never written, even after a kernel has written it, and reports
 *  faults that are none. */
limn_cl_api simulator_api(void);

#endif
