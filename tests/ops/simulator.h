/* What the op tests change where they run in a simulator (tests/oclgrind/). */
#ifndef LIMN_TESTS_OPS_SIMULATOR_H
#define LIMN_TESTS_OPS_SIMULATOR_H

#include "device/cl_api.h"

/** OpenCL's entry points, with some changed for the sake of Oclgrind 21.10's memory of which bytes
 *  of a buffer were written.  There every write by the host, each pattern of a fill too, starts
 * that memory anew and as long as this one write: what kernels write behind it then counts as never
 *  written.  And it outlives the buffer.  So a kernel fills, and buffers are never released; the
 *  host is not to write at an offset.  Launches are counted by name. */
limn_cl_api simulator_api(void);

/** Kernels of cl/OP.cl and cl/OP/ that were never launched: prints each, returns their number. */
int simulator_missed(const char *op);

#endif
