/* An opened device as the library's own files use it: buffers, launches, timing.
 * No raw clEnqueue or clSetKernelArg outside this folder. */
#ifndef LIMN_DEVICE_DEVICE_H
#define LIMN_DEVICE_DEVICE_H

#include "base/context.h"
#include "limn/device.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Units that multiply small matrices of halves at once; the values are MATRIX's in
 *  cl/common/matrix.h. */
typedef enum limn_matrix_units {
    LIMN_MATRIX_NONE,
    LIMN_MATRIX_PTX,   /**< NVIDIA's */
    LIMN_MATRIX_CDNA,  /**< AMD's */
    LIMN_MATRIX_RDNA3, /**< AMD's */
    LIMN_MATRIX_RDNA4, /**< AMD's */
    LIMN_MATRIX_XMX8,  /**< Intel's, for sub-groups of 8 */
    LIMN_MATRIX_XMX16, /**< Intel's, for sub-groups of 16 */
    LIMN_MATRIX_KINDS
} limn_matrix_units;

/** What kernels may rely on; all but the last three queried, none guessed from a vendor's name. */
typedef struct limn_device_limits {
    bool is_cpu;        /**< CL_DEVICE_TYPE_CPU: pick CPU-device forms */
    bool shares_memory; /**< CL_DEVICE_HOST_UNIFIED_MEMORY: with the host */
    unsigned compute_units;
    size_t max_work_group; /**< work-items in one group; the kernel's own limit may be less */
    size_t max_work_item[3];
    uint64_t local_memory; /**< bytes a group can have */
    bool local_is_global;  /**< "local" memory is ordinary memory: no gain in using it */
    uint64_t global_memory, max_allocation;
    unsigned float_width; /**< preferred vector width of float */
    bool fp16, fp64, subgroups;
    unsigned smallest_subgroup; /**< of the sizes that a kernel can ask for; 0: it cannot */
    /** Asked for by limn_precision_set, and checked: each bit allows an implementation of an op
     *  (half_bit of its choices) to round to half precision.  0: all is in single precision. */
    unsigned half_forms;
    /** NONE until half precision is asked for and they are found. */
    limn_matrix_units matrix_units;
    /** Whose layout ordinary arithmetic takes where they are NONE and yet asked for; PTX at first.
     */
    limn_matrix_units matrix_stand_in;
} limn_device_limits;

limn_context *limn_device_context(const limn_device *device);
const limn_device_limits *limn_device_get_limits(const limn_device *device);

/** Whether what is planned from now on may round to half precision by itself: never on a CPU
 *  device. */
bool limn_device_may_round(const limn_device *device);
/** Sets limits->half_forms. */
void limn_device_allow_half(limn_device *device, unsigned half_forms);
/** Sets limits->matrix_units. */
void limn_device_set_matrix_units(limn_device *device, limn_matrix_units units);

/* ---- buffers ------------------------------------------------------------------------------ */

/** A device buffer from the pool.  Fresh contents are undefined. */
typedef struct limn_buffer limn_buffer;

/** `bytes` may be 0.  LIMN_OUT_OF_DEVICE_MEMORY where the device has no more: the pool is emptied
 *  and the request tried once more before that is said.  On CPU devices that share the host's
 *  memory, buffers of 2 MiB and more lie in large pages, where the system has them for those who
 *  ask. */
limn_status limn_buffer_create(limn_device *device, size_t bytes, limn_buffer **out);
/** Returns the memory to the pool; sets `*buffer` to NULL; NULL is accepted. */
void limn_buffer_destroy(limn_buffer **buffer);
size_t limn_buffer_size(const limn_buffer *buffer);
limn_device *limn_buffer_device(const limn_buffer *buffer);

/** Blocking copies; `offset` in bytes.  Both check the range. */
limn_status limn_buffer_write(limn_buffer *buffer, size_t offset, const void *data, size_t bytes);
limn_status limn_buffer_read(const limn_buffer *buffer, size_t offset, void *data, size_t bytes);
/** A write that runs beside the launches: started, not waited for.  Until limn_device_uploaded has
 *  returned, `data` stays as it is and no launch touches the buffer. */
limn_status limn_buffer_upload(limn_buffer *buffer, size_t offset, const void *data, size_t bytes);
/** Waits for the uploads, not for launches. */
limn_status limn_device_uploaded(limn_device *device);
/** Queued, not waited for. */
limn_status limn_buffer_copy(const limn_buffer *from, size_t from_offset, limn_buffer *to,
                             size_t to_offset, size_t bytes);
/** Fills with a repeated byte pattern of 1, 2, 4, 8 or 16 bytes. */
limn_status limn_buffer_fill(limn_buffer *buffer, size_t offset, size_t bytes, const void *pattern,
                             size_t pattern_bytes);

/** Gives pooled, unused memory back to the driver. */
void limn_device_trim(limn_device *device);

/* ---- launches ----------------------------------------------------------------------------- */

typedef enum limn_arg_kind {
    LIMN_ARG_IN,    /**< buffer that the kernel only reads */
    LIMN_ARG_OUT,   /**< buffer that it writes: must not be another argument's buffer */
    LIMN_ARG_INOUT, /**< buffer that it updates in place */
    LIMN_ARG_PART,  /**< a part that it only reads of a buffer, which may be another argument too */
    LIMN_ARG_INT,   /**< given as 64 bits; the launch fails where it does not fit 32 */
    LIMN_ARG_UINT,
    LIMN_ARG_LONG,
    LIMN_ARG_ULONG,
    LIMN_ARG_FLOAT,
    LIMN_ARG_INT8,  /**< a vector of 8 */
    LIMN_ARG_LOCAL, /**< bytes of local memory */
    LIMN_ARG_NONE   /**< a buffer argument without one: NULL in the kernel */
} limn_arg_kind;

typedef struct limn_arg {
    limn_arg_kind kind;
    union {
        const limn_buffer *buffer;
        uint32_t u;
        int64_t l;
        uint64_t ul;
        float f;
        int32_t v[8];
        size_t local;
    } value;
} limn_arg;

static inline limn_arg limn_in(const limn_buffer *b)
{
    return (limn_arg){LIMN_ARG_IN, {.buffer = b}};
}
static inline limn_arg limn_out(const limn_buffer *b)
{
    return (limn_arg){LIMN_ARG_OUT, {.buffer = b}};
}
static inline limn_arg limn_inout(const limn_buffer *b)
{
    return (limn_arg){LIMN_ARG_INOUT, {.buffer = b}};
}
static inline limn_arg limn_in_part(const limn_buffer *b)
{
    return (limn_arg){LIMN_ARG_PART, {.buffer = b}};
}
static inline limn_arg limn_int(int64_t v)
{
    return (limn_arg){LIMN_ARG_INT, {.l = v}};
}
static inline limn_arg limn_uint(uint32_t v)
{
    return (limn_arg){LIMN_ARG_UINT, {.u = v}};
}
static inline limn_arg limn_long(int64_t v)
{
    return (limn_arg){LIMN_ARG_LONG, {.l = v}};
}
static inline limn_arg limn_ulong(uint64_t v)
{
    return (limn_arg){LIMN_ARG_ULONG, {.ul = v}};
}
static inline limn_arg limn_float(double v)
{
    return (limn_arg){LIMN_ARG_FLOAT, {.f = (float)v}};
}
static inline limn_arg limn_int8(int a, int b, int c, int d, int e, int f, int g, int h)
{
    return (limn_arg){LIMN_ARG_INT8, {.v = {a, b, c, d, e, f, g, h}}};
}
static inline limn_arg limn_local(size_t bytes)
{
    return (limn_arg){LIMN_ARG_LOCAL, {.local = bytes}};
}
static inline limn_arg limn_none(void)
{
    return (limn_arg){LIMN_ARG_NONE, {.buffer = NULL}};
}

/** Work-items per dimension (unused ones 0 or 1) and per group.  `local` all 0: the layer picks
 *  (dimension 0 in groups of up to 64, or up to 256 on a GPU).  The global size is rounded up to a
 *  multiple of the local one, so kernels test their index. PoCL forgets large extents in dimension
 *  2 when it specialises: keep those in 0 or 1. */
typedef struct limn_grid {
    size_t global[3], local[3];
} limn_grid;

static inline limn_grid limn_grid_1d(size_t n)
{
    return (limn_grid){{n, 1, 1}, {0, 0, 0}};
}

/** Queues one kernel.  `kernel`: its name in cl/.  `defines`: compile-time definitions such as
 *  "-DC=64 -DK=64", or "" — each distinct text is one program, so keep them few.  Nothing happens,
 *  LIMN_OK, where the first global size is 0.  Errors name the kernel: a wrong count or kind of
 * arguments, a buffer given as LIMN_ARG_OUT that is also another argument, a build failure with its
 * log, a local size above the kernel's own limit. */
limn_status limn_launch(limn_device *device, const char *kernel, const char *defines,
                        limn_grid grid, const limn_arg *args, size_t arg_count);

/** limn_launch with its arguments as a list, counted. */
#define LIMN_LAUNCH(device, kernel, defines, grid, ...)                                            \
    limn_launch(device, kernel, defines, grid, (const limn_arg[]){__VA_ARGS__},                    \
                sizeof((const limn_arg[]){__VA_ARGS__}) / sizeof(limn_arg))

/** The largest group that the compiled kernel can run in. */
limn_status limn_kernel_max_group(limn_device *device, const char *kernel, const char *defines,
                                  size_t *out);

/** Sends what is queued / waits until it is done.  A fault of an earlier launch may show here. */
limn_status limn_device_flush(limn_device *device);
limn_status limn_device_finish(limn_device *device);
/** Sends what is queued, and waits until what was queued at the last call is done: a loop that
 * calls it is ahead of the device by one round, which keeps the device busy, not by all of them,
 * which would take memory and leave an interruption without effect. */
limn_status limn_device_pace(limn_device *device);

/* ---- timing, on demand --------------------------------------------------------------------- */

/** Time of one kernel name summed since timing was switched on. */
typedef struct limn_kernel_time {
    char kernel[64];
    uint64_t launches;
    double seconds;
} limn_kernel_time;

/** Starts (sums set to zero) or stops timing every launch by device events. */
limn_status limn_device_timing(limn_device *device, bool on);
/** Waits, then gives the sums, longest first; owned by the device until the next timing call. */
limn_status limn_device_times(limn_device *device, const limn_kernel_time **times, size_t *count);

#endif
