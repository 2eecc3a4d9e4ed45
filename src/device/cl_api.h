/* Every OpenCL call of the library goes through this table of function pointers, so that a test
 * can count calls and make the n-th one fail. */
#ifndef LIMN_DEVICE_CL_API_H
#define LIMN_DEVICE_CL_API_H

#include <CL/cl.h>
#include <stdbool.h>

/* One row a call, once: X(name without "cl").  The table's members have OpenCL's own types. */
#define LIMN_CL_CALLS(X)                                                                           \
    X(GetPlatformIDs)                                                                              \
    X(GetPlatformInfo)                                                                             \
    X(GetDeviceIDs)                                                                                \
    X(GetDeviceInfo)                                                                               \
    X(CreateContext)                                                                               \
    X(ReleaseContext)                                                                              \
    X(CreateCommandQueue)                                                                          \
    X(ReleaseCommandQueue)                                                                         \
    X(CreateBuffer)                                                                                \
    X(SetMemObjectDestructorCallback)                                                              \
    X(ReleaseMemObject)                                                                            \
    X(CreateProgramWithSource)                                                                     \
    X(CreateProgramWithBinary)                                                                     \
    X(BuildProgram)                                                                                \
    X(GetProgramInfo)                                                                              \
    X(GetProgramBuildInfo)                                                                         \
    X(ReleaseProgram)                                                                              \
    X(CreateKernel)                                                                                \
    X(ReleaseKernel)                                                                               \
    X(SetKernelArg)                                                                                \
    X(GetKernelInfo)                                                                               \
    X(GetKernelWorkGroupInfo)                                                                      \
    X(EnqueueNDRangeKernel)                                                                        \
    X(EnqueueReadBuffer)                                                                           \
    X(EnqueueWriteBuffer)                                                                          \
    X(EnqueueCopyBuffer)                                                                           \
    X(EnqueueFillBuffer)                                                                           \
    X(EnqueueMarkerWithWaitList)                                                                   \
    X(WaitForEvents)                                                                               \
    X(GetEventProfilingInfo)                                                                       \
    X(ReleaseEvent)                                                                                \
    X(Flush)                                                                                       \
    X(Finish)

typedef struct limn_cl_api {
#define LIMN_CL_MEMBER(name) __typeof__(&cl##name) name;
    LIMN_CL_CALLS(LIMN_CL_MEMBER)
#undef LIMN_CL_MEMBER
} limn_cl_api;

/** OpenCL's own entry points. */
extern const limn_cl_api limn_cl_default_api;

/** "CL_OUT_OF_RESOURCES" for -5, and what the code usually means to a user. */
const char *limn_cl_error_name(cl_int code);
const char *limn_cl_error_meaning(cl_int code);

#endif
