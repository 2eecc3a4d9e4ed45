/* What the op tests change where they run in a simulator (tests/oclgrind/). */
#ifndef LIMN_TESTS_OPS_SIMULATOR_H
#define LIMN_TESTS_OPS_SIMULATOR_H

#include "device/cl_api.h"

/** OpenCL's entry points, with two changed for the sake of Oclgrind 21.10's memory of which bytes
 * of a buffer were written.  There every write by the host, each pattern of a fill too, starts that
 *  memory anew and as long as this one write; and it outlives the buffer.  So buffers are filled
 *  without a write, and never released; nothing is to be written at an offset. */
limn_cl_api simulator_api(void);

#endif
