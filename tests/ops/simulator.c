#include "simulator.h"

#include <string.h>

/* Whether a fill says "not to be used": NaN in outputs and scratch, or the guard after a tensor. */
static bool marks_unwritten(const void *pattern, size_t offset)
{
    return *(const unsigned char *)pattern == 0xff || offset > 0;
}

/* Mapped for reading too, bytes change and Oclgrind goes on to count them as never written. */
static cl_int CL_API_CALL fill(cl_command_queue queue, cl_mem buffer, const void *pattern,
                               size_t pattern_size, size_t offset, size_t size, cl_uint wait_count,
                               const cl_event *wait, cl_event *event)
{
    const cl_map_flags flags =
        marks_unwritten(pattern, offset) ? CL_MAP_READ | CL_MAP_WRITE : CL_MAP_WRITE;
    cl_int code;
    unsigned char *bytes = clEnqueueMapBuffer(queue, buffer, CL_TRUE, flags, offset, size,
                                              wait_count, wait, NULL, &code);
    if (code != CL_SUCCESS)
        return code;
    for (size_t i = 0; i < size; i += pattern_size)
        memcpy(bytes + i, pattern, pattern_size);
    return clEnqueueUnmapMemObject(queue, buffer, bytes, 0, NULL, event);
}

/* Oclgrind would give the next buffer the place of this one and what it remembers of it. */
static cl_int CL_API_CALL keep(cl_mem buffer)
{
    (void)buffer;
    return CL_SUCCESS;
}

limn_cl_api simulator_api(void)
{
    limn_cl_api api = limn_cl_default_api;
    api.EnqueueFillBuffer = fill;
    api.ReleaseMemObject = keep;
    return api;
}
