#include "simulator.h"

#include "device/embedded.h"

#include <stdio.h>
#include <string.h>

/* ---- fills ---------------------------------------------------------------------------------- */

/* Whether a fill says "not to be used", as ops/check.c does: NaN, or the guard after a tensor. */
static bool marks_unwritten(const unsigned char *pattern, size_t pattern_size)
{
    return pattern_size == 1 && (*pattern == 0xff || *pattern == 0xa5);
}

/* Mapped for reading too, bytes change and Oclgrind goes on to count them as never written. */
static cl_int mark(cl_command_queue queue, cl_mem buffer, unsigned char pattern, size_t offset,
                   size_t size)
{
    cl_int code;
    unsigned char *bytes = clEnqueueMapBuffer(queue, buffer, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE,
                                              offset, size, 0, NULL, NULL, &code);
    if (code != CL_SUCCESS)
        return code;
    memset(bytes, pattern, size);
    return clEnqueueUnmapMemObject(queue, buffer, bytes, 0, NULL, NULL);
}

/* Built for the first queue; the program has one. */
static cl_int fill_kernel(cl_command_queue queue, cl_kernel *out)
{
    static const char *source = "kernel void fill(global uchar *to, ulong offset, uint pattern,\n"
                                "                 uint size)\n"
                                "{\n"
                                "    const size_t i = get_global_id(0);\n"
                                "    to[offset + i] = (uchar)(pattern >> 8 * (i % size));\n"
                                "}\n";
    static cl_kernel kernel;
    cl_int code = CL_SUCCESS;
    if (!kernel) {
        cl_context context;
        code = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
        if (code != CL_SUCCESS)
            return code;
        cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
        if (code == CL_SUCCESS)
            code = clBuildProgram(program, 0, NULL, "", NULL, NULL);
        if (code == CL_SUCCESS)
            kernel = clCreateKernel(program, "fill", &code);
    }
    *out = kernel;
    return code;
}

static cl_int CL_API_CALL fill(cl_command_queue queue, cl_mem buffer, const void *pattern,
                               size_t pattern_size, size_t offset, size_t size, cl_uint wait_count,
                               const cl_event *wait, cl_event *event)
{
    if (marks_unwritten(pattern, pattern_size))
        return mark(queue, buffer, *(const unsigned char *)pattern, offset, size);
    cl_uint bytes = 0, length = (cl_uint)pattern_size;
    if (pattern_size > sizeof bytes)
        return CL_INVALID_VALUE; /* no op needs more */
    memcpy(&bytes, pattern, pattern_size);
    const cl_ulong first = offset;
    cl_kernel kernel;
    cl_int code = fill_kernel(queue, &kernel);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(kernel, 0, sizeof(cl_mem), &buffer);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(kernel, 1, sizeof first, &first);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(kernel, 2, sizeof bytes, &bytes);
    if (code == CL_SUCCESS)
        code = clSetKernelArg(kernel, 3, sizeof length, &length);
    return code == CL_SUCCESS ? clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &size, NULL,
                                                       wait_count, wait, event)
                              : code;
}

/* Oclgrind would give the next buffer the place of this one and what it remembers of it. */
static cl_int CL_API_CALL keep(cl_mem buffer)
{
    (void)buffer;
    return CL_SUCCESS;
}

/* ---- which kernels ran ---------------------------------------------------------------------- */

enum { MOST_KERNELS = 1024 };
static bool launched[MOST_KERNELS]; /* of limn_embedded_kernels */

static cl_int CL_API_CALL launch(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                                 const size_t *offset, const size_t *global, const size_t *local,
                                 cl_uint wait_count, const cl_event *wait, cl_event *event)
{
    char name[128] = "";
    const cl_int code = clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    if (code != CL_SUCCESS)
        return code;
    for (size_t i = 0; i < limn_embedded_kernel_count && i < MOST_KERNELS; i++)
        if (strcmp(limn_embedded_kernels[i].name, name) == 0)
            launched[i] = true;
    return clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local, wait_count,
                                  wait, event);
}

int simulator_missed(const char *op)
{
    const size_t length = strlen(op);
    int missed = 0;
    for (size_t i = 0; i < limn_embedded_kernel_count; i++) {
        const char *path = limn_embedded_kernels[i].program->name;
        if (strncmp(path, op, length) != 0 || !strchr("./", path[length]))
            continue;
        if (i < MOST_KERNELS && launched[i])
            continue;
        printf("  %s of cl/%s never ran: add a case to tests/ops/%s.c\n",
               limn_embedded_kernels[i].name, path, op);
        missed++;
    }
    return missed;
}

limn_cl_api simulator_api(void)
{
    limn_cl_api api = limn_cl_default_api;
    api.EnqueueFillBuffer = fill;
    api.ReleaseMemObject = keep;
    api.EnqueueNDRangeKernel = launch;
    return api;
}
