/* What the files of this folder share. */
#ifndef LIMN_DEVICE_INTERNAL_H
#define LIMN_DEVICE_INTERNAL_H

#include "device/cl_api.h"
#include "device/device.h"
#include "device/embedded.h"

/* ---- discovery (discover.c) ------------------------------------------------------------------ */

/* A device list with the OpenCL handles behind its rows. */
typedef struct limn_found_device {
    cl_platform_id platform;
    cl_device_id device;
    cl_device_type type;
    cl_uint clock;
} limn_found_device;

limn_status limn_find_devices(limn_context *ctx, const limn_cl_api *cl, limn_device_list **out,
                              limn_found_device **found);

/* String property of a device, for the caller to limn_free; NULL when host memory is exhausted, ""
 * where the driver has none. */
char *limn_device_string(const limn_cl_api *cl, cl_device_id device, cl_device_info what);
/* Whole-word search in an extension list. */
bool limn_has_word(const char *list, const char *word);

/* ---- the opened device ------------------------------------------------------------------------
 */

typedef struct limn_program limn_program;       /* program.c */
typedef struct limn_kernel limn_kernel;         /* program.c */
typedef struct limn_free_block limn_free_block; /* buffer.c */
typedef struct limn_tuning limn_tuning;         /* tuning.c */

typedef struct limn_timed_launch {
    const limn_kernel *kernel;
    cl_event event;
} limn_timed_launch;

struct limn_device {
    limn_context *ctx;
    limn_cl_api cl;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    cl_command_queue timed_queue, upload_queue; /* with profiling; for uploads: made when asked */
    limn_device_list *info;                     /* one row */
    limn_device_limits limits;
    char *build_options; /* language version, the same for every program */
    char *identity;      /* device, driver and platform: part of cache keys */
    cl_event pace; /* the end of what was queued at the last limn_device_pace, or NULL */
    uint64_t held, peak;
    limn_free_block *pool;
    limn_kernel **kernels; /* hash table, capacity a power of two */
    size_t kernel_count, kernel_capacity;
    limn_program *programs;
    bool timing;
    limn_timed_launch *launches;
    size_t launch_count, launch_capacity;
    limn_kernel_time *times;
    size_t time_count;
    limn_tuning *tuning; /* NULL until something is asked of it */
};

/* Records an OpenCL failure in words; `status` as limn_cl_status gives it. */
limn_status limn_cl_fail(limn_device *device, cl_int code, const char *what, const char *where);
limn_status limn_cl_status(cl_int code);
/* After limn_fail because of `code`: whether the host's memory is to blame.  Returns the status. */
limn_status limn_cl_blame(limn_device *device, cl_int code);

cl_command_queue limn_device_queue(limn_device *device);

/* ---- programs (program.c) ----------------------------------------------------------------------
 */

struct limn_kernel {
    const char *name;
    char *defines;
    uint64_t hash;
    cl_kernel kernel;
    cl_uint arg_count;
    size_t max_group;
    uint64_t launches;
    double seconds;
};

/* The compiled kernel, built on first use. */
limn_status limn_kernel_get(limn_device *device, const char *name, const char *defines,
                            limn_kernel **out);
void limn_programs_free(limn_device *device);

/* ---- buffers (buffer.c) and timing (timing.c) -------------------------------------------------
 */

cl_mem limn_buffer_mem(const limn_buffer *buffer);
void limn_pool_free(limn_device *device);
limn_status limn_timing_add(limn_device *device, limn_kernel *kernel, cl_event event);
void limn_timing_free(limn_device *device);

#endif
