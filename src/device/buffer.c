/* Buffers and the pool they return to. */
#include "device/internal.h"

#include "base/memory.h"

struct limn_buffer {
    limn_device *device;
    cl_mem mem;
    size_t size;     /* what was asked for */
    size_t capacity; /* what the driver gave */
};

struct limn_free_block {
    limn_free_block *next;
    cl_mem mem;
    size_t capacity;
};

enum { GRAIN = 256 };

static void release(limn_device *device, cl_mem mem, size_t capacity)
{
    device->cl.ReleaseMemObject(mem);
    device->held -= capacity;
}

void limn_device_trim(limn_device *device)
{
    while (device->pool) {
        limn_free_block *block = device->pool;
        device->pool = block->next;
        release(device, block->mem, block->capacity);
        limn_free(block);
    }
}

void limn_pool_free(limn_device *device)
{
    limn_device_trim(device);
}

/* The smallest free block that holds `capacity` bytes and wastes at most a quarter of itself. */
static bool take_from_pool(limn_device *device, size_t capacity, limn_buffer *buffer)
{
    limn_free_block **chosen = NULL;
    for (limn_free_block **at = &device->pool; *at; at = &(*at)->next)
        if ((*at)->capacity >= capacity && (*at)->capacity - capacity <= (*at)->capacity / 4 &&
            (!chosen || (*at)->capacity < (*chosen)->capacity))
            chosen = at;
    if (!chosen)
        return false;
    limn_free_block *block = *chosen;
    *chosen = block->next;
    buffer->mem = block->mem;
    buffer->capacity = block->capacity;
    limn_free(block);
    return true;
}

/* Memory of the host's that a buffer lies in. */
typedef struct lodging {
    void *pages;
    size_t bytes;
} lodging;

static void free_lodging(lodging *l)
{
    if (l)
        limn_pages_free(l->pages, l->bytes);
    limn_free(l);
}

static void CL_CALLBACK leave(cl_mem mem, void *user)
{
    (void)mem;
    free_lodging(user);
}

/* In large pages, which the driver would not ask for; the buffer takes them along when it ends. */
static cl_mem create_in_pages(limn_device *device, size_t capacity, cl_int *code)
{
    cl_mem mem = NULL;
    *code = CL_OUT_OF_HOST_MEMORY;
    lodging *l = limn_calloc(1, sizeof *l);
    if (!l)
        return NULL;
    *code = CL_MEM_OBJECT_ALLOCATION_FAILURE; /* this is the device's memory */
    *l = (lodging){limn_pages_alloc(capacity), capacity};
    if (l->pages)
        mem = device->cl.CreateBuffer(device->context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR,
                                      capacity, l->pages, code);
    if (mem && (*code = device->cl.SetMemObjectDestructorCallback(mem, leave, l)) == CL_SUCCESS)
        return mem;
    if (mem)
        device->cl.ReleaseMemObject(mem);
    free_lodging(l);
    return NULL;
}

static cl_int allocate(limn_device *device, size_t capacity, limn_buffer *buffer)
{
    cl_int code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    const limn_device_limits *limits = &device->limits;
    const bool in_pages = limits->is_cpu && limits->shares_memory && capacity >= LIMN_LARGE_PAGE;
    if (capacity <= limits->max_allocation && device->held + capacity <= limits->global_memory)
        buffer->mem = in_pages ? create_in_pages(device, capacity, &code)
                               : device->cl.CreateBuffer(device->context, CL_MEM_READ_WRITE,
                                                         capacity, NULL, &code);
    if (!buffer->mem)
        return code;
    buffer->capacity = capacity;
    device->held += capacity;
    if (device->held > device->peak)
        device->peak = device->held;
    return CL_SUCCESS;
}

/* Drivers say CL_OUT_OF_RESOURCES too where there is no memory. */
static limn_status refused(limn_device *device, size_t bytes, cl_int code)
{
    const char *name = limn_device_describe(device)->name;
    if (code != CL_OUT_OF_RESOURCES && limn_cl_status(code) != LIMN_OUT_OF_DEVICE_MEMORY)
        return limn_cl_fail(device, code, "device failed", name);
    return limn_fail(device->ctx, LIMN_OUT_OF_DEVICE_MEMORY, "out of device memory", name,
                     "%zu bytes were asked for, %llu of %llu are held, one buffer may have %llu "
                     "(%s)",
                     bytes, (unsigned long long)device->held,
                     (unsigned long long)device->limits.global_memory,
                     (unsigned long long)device->limits.max_allocation, limn_cl_error_name(code));
}

limn_status limn_buffer_create(limn_device *device, size_t bytes, limn_buffer **out)
{
    *out = NULL;
    size_t capacity;
    if (!limn_size_add(bytes ? bytes : 1, GRAIN - 1, &capacity))
        return limn_fail(device->ctx, LIMN_OUT_OF_DEVICE_MEMORY, "out of device memory", NULL,
                         "%zu bytes were asked for", bytes);
    capacity -= capacity % GRAIN;
    limn_buffer *buffer = limn_calloc(1, sizeof *buffer);
    if (!buffer)
        return limn_out_of_memory(device->ctx, "buffer");
    buffer->device = device;
    buffer->size = bytes;
    if (!take_from_pool(device, capacity, buffer)) {
        cl_int code = allocate(device, capacity, buffer);
        if (code != CL_SUCCESS && device->pool) {
            limn_device_trim(device);
            code = allocate(device, capacity, buffer);
        }
        if (code != CL_SUCCESS) {
            limn_free(buffer);
            return refused(device, bytes, code);
        }
    }
    *out = buffer;
    return LIMN_OK;
}

void limn_buffer_destroy(limn_buffer **handle)
{
    limn_buffer *buffer = handle ? *handle : NULL;
    if (!buffer)
        return;
    limn_device *device = buffer->device;
    limn_free_block *block = limn_calloc(1, sizeof *block);
    if (block) {
        *block = (limn_free_block){device->pool, buffer->mem, buffer->capacity};
        device->pool = block;
    } else {
        release(device, buffer->mem, buffer->capacity);
    }
    limn_free(buffer);
    *handle = NULL;
}

size_t limn_buffer_size(const limn_buffer *buffer)
{
    return buffer->size;
}

limn_device *limn_buffer_device(const limn_buffer *buffer)
{
    return buffer->device;
}

cl_mem limn_buffer_mem(const limn_buffer *buffer)
{
    return buffer->mem;
}

static limn_status check_range(const limn_buffer *buffer, size_t offset, size_t bytes)
{
    if (offset <= buffer->size && bytes <= buffer->size - offset)
        return LIMN_OK;
    return limn_fail(buffer->device->ctx, LIMN_BAD_USAGE, "bad buffer range", NULL,
                     "bytes %zu to %zu of %zu", offset, offset + bytes, buffer->size);
}

limn_status limn_buffer_write(limn_buffer *buffer, size_t offset, const void *data, size_t bytes)
{
    limn_device *device = buffer->device;
    const limn_status status = check_range(buffer, offset, bytes);
    if (status != LIMN_OK || bytes == 0)
        return status;
    const cl_int code = device->cl.EnqueueWriteBuffer(limn_device_queue(device), buffer->mem,
                                                      CL_TRUE, offset, bytes, data, 0, NULL, NULL);
    return code == CL_SUCCESS ? LIMN_OK
                              : limn_cl_fail(device, code, "device failed", "writing a buffer");
}

limn_status limn_buffer_upload(limn_buffer *buffer, size_t offset, const void *data, size_t bytes)
{
    limn_device *device = buffer->device;
    const limn_status status = check_range(buffer, offset, bytes);
    if (status != LIMN_OK || bytes == 0)
        return status;
    cl_int code = CL_SUCCESS;
    if (!device->upload_queue)
        device->upload_queue = device->cl.CreateCommandQueue(device->context, device->id, 0, &code);
    if (device->upload_queue)
        code = device->cl.EnqueueWriteBuffer(device->upload_queue, buffer->mem, CL_FALSE, offset,
                                             bytes, data, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = device->cl.Flush(device->upload_queue);
    return code == CL_SUCCESS ? LIMN_OK
                              : limn_cl_fail(device, code, "device failed", "uploading a buffer");
}

limn_status limn_device_uploaded(limn_device *device)
{
    const cl_int code = device->upload_queue ? device->cl.Finish(device->upload_queue) : CL_SUCCESS;
    return code == CL_SUCCESS ? LIMN_OK
                              : limn_cl_fail(device, code, "device failed", "uploading a buffer");
}

limn_status limn_buffer_read(const limn_buffer *buffer, size_t offset, void *data, size_t bytes)
{
    limn_device *device = buffer->device;
    const limn_status status = check_range(buffer, offset, bytes);
    if (status != LIMN_OK || bytes == 0)
        return status;
    const cl_int code = device->cl.EnqueueReadBuffer(limn_device_queue(device), buffer->mem,
                                                     CL_TRUE, offset, bytes, data, 0, NULL, NULL);
    return code == CL_SUCCESS ? LIMN_OK
                              : limn_cl_fail(device, code, "device failed", "reading a buffer");
}

limn_status limn_buffer_copy(const limn_buffer *from, size_t from_offset, limn_buffer *to,
                             size_t to_offset, size_t bytes)
{
    limn_device *device = from->device;
    limn_status status = check_range(from, from_offset, bytes);
    if (status == LIMN_OK)
        status = check_range(to, to_offset, bytes);
    if (status != LIMN_OK || bytes == 0)
        return status;
    const cl_int code = device->cl.EnqueueCopyBuffer(limn_device_queue(device), from->mem, to->mem,
                                                     from_offset, to_offset, bytes, 0, NULL, NULL);
    return code == CL_SUCCESS ? LIMN_OK
                              : limn_cl_fail(device, code, "device failed", "copying a buffer");
}

limn_status limn_buffer_fill(limn_buffer *buffer, size_t offset, size_t bytes, const void *pattern,
                             size_t pattern_bytes)
{
    limn_device *device = buffer->device;
    const limn_status status = check_range(buffer, offset, bytes);
    if (status != LIMN_OK || bytes == 0)
        return status;
    const cl_int code =
        device->cl.EnqueueFillBuffer(limn_device_queue(device), buffer->mem, pattern, pattern_bytes,
                                     offset, bytes, 0, NULL, NULL);
    return code == CL_SUCCESS ? LIMN_OK
                              : limn_cl_fail(device, code, "device failed", "filling a buffer");
}
