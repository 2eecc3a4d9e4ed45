#include "device/cl_api.h"

#include <stddef.h>

static const struct {
    cl_int code;
    const char *name, *meaning;
} errors[] = {
    {CL_DEVICE_NOT_FOUND, "CL_DEVICE_NOT_FOUND", "the driver offers no device"},
    {CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE", "the device is gone or in use"},
    {CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE", "the driver cannot compile kernels"},
    {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE",
     "the device has no more memory"},
    {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES",
     "a kernel ran too long, needs more registers than there are, or touched memory that is not "
     "its own"},
    {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY", "the driver has no more host memory"},
    {CL_PROFILING_INFO_NOT_AVAILABLE, "CL_PROFILING_INFO_NOT_AVAILABLE",
     "the device gives no timings"},
    {CL_MEM_COPY_OVERLAP, "CL_MEM_COPY_OVERLAP", "source and destination overlap"},
    {CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE",
     "the driver's compiler refused a kernel"},
    {CL_MAP_FAILURE, "CL_MAP_FAILURE", "memory could not be mapped"},
    {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
     "an earlier command failed"},
    {CL_INVALID_VALUE, "CL_INVALID_VALUE", "a value is out of range"},
    {CL_INVALID_PLATFORM, "CL_INVALID_PLATFORM", "the platform is not valid"},
    {CL_INVALID_DEVICE, "CL_INVALID_DEVICE", "the device is not valid"},
    {CL_INVALID_CONTEXT, "CL_INVALID_CONTEXT", "the context was lost"},
    {CL_INVALID_COMMAND_QUEUE, "CL_INVALID_COMMAND_QUEUE",
     "the queue was lost, most often because an earlier kernel faulted"},
    {CL_INVALID_MEM_OBJECT, "CL_INVALID_MEM_OBJECT", "a buffer is not valid"},
    {CL_INVALID_BINARY, "CL_INVALID_BINARY", "a cached program does not fit the device"},
    {CL_INVALID_BUILD_OPTIONS, "CL_INVALID_BUILD_OPTIONS", "the compiler knows not all options"},
    {CL_INVALID_PROGRAM, "CL_INVALID_PROGRAM", "the program is not valid"},
    {CL_INVALID_PROGRAM_EXECUTABLE, "CL_INVALID_PROGRAM_EXECUTABLE", "the program was not built"},
    {CL_INVALID_KERNEL_NAME, "CL_INVALID_KERNEL_NAME", "the program has no such kernel"},
    {CL_INVALID_KERNEL, "CL_INVALID_KERNEL", "the kernel is not valid"},
    {CL_INVALID_ARG_INDEX, "CL_INVALID_ARG_INDEX", "the kernel has fewer arguments"},
    {CL_INVALID_ARG_VALUE, "CL_INVALID_ARG_VALUE", "an argument is of another kind or too large"},
    {CL_INVALID_ARG_SIZE, "CL_INVALID_ARG_SIZE", "an argument is of another size"},
    {CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS", "not all arguments were given"},
    {CL_INVALID_WORK_DIMENSION, "CL_INVALID_WORK_DIMENSION", "the number of dimensions is wrong"},
    {CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE",
     "the work-group is too large or does not divide the work"},
    {CL_INVALID_WORK_ITEM_SIZE, "CL_INVALID_WORK_ITEM_SIZE",
     "the work-group is too large in one dimension"},
    {CL_INVALID_GLOBAL_WORK_SIZE, "CL_INVALID_GLOBAL_WORK_SIZE", "there is no work or too much"},
    {CL_INVALID_EVENT, "CL_INVALID_EVENT", "an event is not valid"},
    {CL_INVALID_OPERATION, "CL_INVALID_OPERATION", "the device does not support this"},
    {CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE", "a buffer is larger than the device allows"},
    {CL_INVALID_PROPERTY, "CL_INVALID_PROPERTY", "a property is not known"},
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR", "no OpenCL driver is installed"},
};

const char *limn_cl_error_name(cl_int code)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code)
            return errors[i].name;
    return "an OpenCL error without a name";
}

const char *limn_cl_error_meaning(cl_int code)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code)
            return errors[i].meaning;
    return "the driver gave a code that limn does not know";
}
