#include "support_faults.h"

#include <stddef.h>

static struct {
    unsigned long calls, from;
    bool lasting;
    cl_int code;
} plan;

unsigned long faults_set(unsigned long nth, bool lasting, cl_int code)
{
    const unsigned long seen = plan.calls;
    plan.calls = 0;
    plan.from = nth;
    plan.lasting = lasting;
    plan.code = code;
    return seen;
}

static bool fails(void)
{
    plan.calls++;
    return plan.from && (plan.lasting ? plan.calls >= plan.from : plan.calls == plan.from);
}

static void *refuse(cl_int *code)
{
    if (code)
        *code = plan.code;
    return NULL;
}

static cl_context CL_API_CALL create_context(
    const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,
    void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *user, cl_int *code)
{
    return fails()
               ? refuse(code)
               : limn_cl_default_api.CreateContext(properties, count, devices, notify, user, code);
}

static cl_command_queue CL_API_CALL create_queue(cl_context context, cl_device_id device,
                                                 cl_command_queue_properties properties,
                                                 cl_int *code)
{
    return fails() ? refuse(code)
                   : limn_cl_default_api.CreateCommandQueue(context, device, properties, code);
}

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                        void *host, cl_int *code)
{
    return fails() ? refuse(code)
                   : limn_cl_default_api.CreateBuffer(context, flags, size, host, code);
}

static cl_int CL_API_CALL set_destructor(cl_mem mem, void(CL_CALLBACK *notify)(cl_mem, void *),
                                         void *user)
{
    return fails() ? plan.code
                   : limn_cl_default_api.SetMemObjectDestructorCallback(mem, notify, user);
}

static cl_program CL_API_CALL create_program(cl_context context, cl_uint count, const char **texts,
                                             const size_t *lengths, cl_int *code)
{
    return fails()
               ? refuse(code)
               : limn_cl_default_api.CreateProgramWithSource(context, count, texts, lengths, code);
}

static cl_int CL_API_CALL build_program(cl_program program, cl_uint count,
                                        const cl_device_id *devices, const char *options,
                                        void(CL_CALLBACK *notify)(cl_program, void *), void *user)
{
    return fails()
               ? plan.code
               : limn_cl_default_api.BuildProgram(program, count, devices, options, notify, user);
}

static cl_kernel CL_API_CALL create_kernel(cl_program program, const char *name, cl_int *code)
{
    return fails() ? refuse(code) : limn_cl_default_api.CreateKernel(program, name, code);
}

static cl_int CL_API_CALL set_arg(cl_kernel kernel, cl_uint index, size_t size, const void *value)
{
    return fails() ? plan.code : limn_cl_default_api.SetKernelArg(kernel, index, size, value);
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                         const size_t *offset, const size_t *global,
                                         const size_t *local, cl_uint waits, const cl_event *list,
                                         cl_event *event)
{
    return fails() ? plan.code
                   : limn_cl_default_api.EnqueueNDRangeKernel(queue, kernel, dims, offset, global,
                                                              local, waits, list, event);
}

static cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem mem, cl_bool blocking,
                                      size_t offset, size_t size, void *data, cl_uint waits,
                                      const cl_event *list, cl_event *event)
{
    return fails() ? plan.code
                   : limn_cl_default_api.EnqueueReadBuffer(queue, mem, blocking, offset, size, data,
                                                           waits, list, event);
}

static cl_int CL_API_CALL write_buffer(cl_command_queue queue, cl_mem mem, cl_bool blocking,
                                       size_t offset, size_t size, const void *data, cl_uint waits,
                                       const cl_event *list, cl_event *event)
{
    return fails() ? plan.code
                   : limn_cl_default_api.EnqueueWriteBuffer(queue, mem, blocking, offset, size,
                                                            data, waits, list, event);
}

static cl_int CL_API_CALL fill_buffer(cl_command_queue queue, cl_mem mem, const void *pattern,
                                      size_t pattern_size, size_t offset, size_t size,
                                      cl_uint waits, const cl_event *list, cl_event *event)
{
    return fails() ? plan.code
                   : limn_cl_default_api.EnqueueFillBuffer(queue, mem, pattern, pattern_size,
                                                           offset, size, waits, list, event);
}

static cl_int CL_API_CALL enqueue_marker(cl_command_queue queue, cl_uint waits,
                                         const cl_event *list, cl_event *event)
{
    return fails() ? plan.code
                   : limn_cl_default_api.EnqueueMarkerWithWaitList(queue, waits, list, event);
}

static cl_int CL_API_CALL wait_for(cl_uint count, const cl_event *events)
{
    return fails() ? plan.code : limn_cl_default_api.WaitForEvents(count, events);
}

const limn_cl_api *faults_api(void)
{
    static limn_cl_api api;
    api = limn_cl_default_api;
    api.CreateContext = create_context;
    api.CreateCommandQueue = create_queue;
    api.CreateBuffer = create_buffer;
    api.SetMemObjectDestructorCallback = set_destructor;
    api.CreateProgramWithSource = create_program;
    api.BuildProgram = build_program;
    api.CreateKernel = create_kernel;
    api.SetKernelArg = set_arg;
    api.EnqueueMarkerWithWaitList = enqueue_marker;
    api.WaitForEvents = wait_for;
    api.EnqueueNDRangeKernel = enqueue_kernel;
    api.EnqueueReadBuffer = read_buffer;
    api.EnqueueWriteBuffer = write_buffer;
    api.EnqueueFillBuffer = fill_buffer;
    return &api;
}
