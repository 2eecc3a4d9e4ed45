/* A table of driver calls in which the n-th call fails, for limn_context_set_driver. */
#ifndef LIMN_TESTS_SUPPORT_FAULTS_H
#define LIMN_TESTS_SUPPORT_FAULTS_H

#include "device/cl_api.h"

/** Counts from now on and lets call number `nth` (from 1) fail with `code`; with `lasting` every
 *  later one too.  0: none fails.  Returns the calls counted since the last setting. */
unsigned long faults_set(unsigned long nth, bool lasting, cl_int code);

/** OpenCL's table with the calls that can fail wrapped. */
const limn_cl_api *faults_api(void);

#endif
