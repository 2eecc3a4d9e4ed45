#include "simulator.h"

#include <stdlib.h>
#include <string.h>

static cl_int CL_API_CALL fill_by_writing(cl_command_queue queue, cl_mem buffer,
                                          const void *pattern, size_t pattern_size, size_t offset,
                                          size_t size, cl_uint wait_count, const cl_event *wait,
                                          cl_event *event)
{
    unsigned char *bytes = malloc(size);
    if (!bytes)
        return CL_OUT_OF_HOST_MEMORY;
    for (size_t i = 0; i < size; i += pattern_size)
        memcpy(bytes + i, pattern, pattern_size);
    const cl_int code = limn_cl_default_api.EnqueueWriteBuffer(queue, buffer, CL_TRUE, offset, size,
                                                               bytes, wait_count, wait, event);
    free(bytes);
    return code;
}

limn_cl_api simulator_api(void)
{
    limn_cl_api api = limn_cl_default_api;
    api.EnqueueFillBuffer = fill_by_writing;
    return api;
}
