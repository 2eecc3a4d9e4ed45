/* Programs, built once per (file, defines), and the kernels in them. */
#include "device/internal.h"

#include "base/memory.h"
#include "device/program_cache.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct limn_program {
    limn_program *next;
    const limn_embedded_program *source;
    char *defines;
    cl_program program;
};

static int by_name(const void *key, const void *row)
{
    return strcmp(key, ((const limn_embedded_kernel *)row)->name);
}

/* The compiler's messages, for the caller to limn_free; never NULL unless memory is exhausted. */
static char *build_log(limn_device *device, cl_program program)
{
    size_t size = 0;
    if (device->cl.GetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) !=
            CL_SUCCESS ||
        size == 0)
        return limn_strdup("the compiler left no message");
    char *log = limn_calloc(size + 1, 1);
    if (log)
        device->cl.GetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log, NULL);
    return log;
}

static limn_status build_failed(limn_device *device, limn_program *program, cl_int code,
                                const char *options)
{
    char *log = program->program ? build_log(device, program->program) : NULL;
    limn_fail(device->ctx, limn_cl_status(code), "kernel does not build", program->source->name,
              "%s with %s\n%s", limn_cl_error_name(code), options, log ? log : "");
    limn_free(log);
    limn_hint(device->ctx, "this driver cannot run limn as it is; try another device (`limn "
                           "devices`) or report the lines above");
    return limn_cl_blame(device, code);
}

/* From the cache on disk where it has the program, else from source. */
static limn_status build(limn_device *device, limn_program *program)
{
    char *options = limn_format("%s %s", device->build_options, program->defines);
    if (!options)
        return limn_out_of_memory(device->ctx, program->source->name);
    limn_status status = LIMN_OK;
    const limn_cache_key key = limn_cache_key_of(device, program->source, options);
    program->program = limn_cache_load(device, &key, options);
    if (!program->program) {
        cl_int code;
        limn_log(device->ctx, LIMN_LOG_DEBUG, "compiling %s %s", program->source->name,
                 program->defines);
        program->program = device->cl.CreateProgramWithSource(
            device->context, 1, (const char *[]){program->source->text}, &program->source->length,
            &code);
        if (program->program)
            code = device->cl.BuildProgram(program->program, 1, &device->id, options, NULL, NULL);
        if (!program->program || code != CL_SUCCESS)
            status = build_failed(device, program, code, options);
        else
            limn_cache_store(device, &key, program->program);
    }
    limn_free(options);
    return status;
}

static void free_program(limn_device *device, limn_program *program)
{
    if (program->program)
        device->cl.ReleaseProgram(program->program);
    limn_free(program->defines);
    limn_free(program);
}

static limn_status get_program(limn_device *device, const limn_embedded_program *source,
                               const char *defines, limn_program **out)
{
    for (limn_program *p = device->programs; p; p = p->next)
        if (p->source == source && strcmp(p->defines, defines) == 0) {
            *out = p;
            return LIMN_OK;
        }
    limn_program *program = limn_calloc(1, sizeof *program);
    if (!program)
        return limn_out_of_memory(device->ctx, source->name);
    program->source = source;
    program->defines = limn_strdup(defines);
    const limn_status status =
        program->defines ? build(device, program) : limn_out_of_memory(device->ctx, source->name);
    if (status != LIMN_OK) {
        free_program(device, program);
        return status;
    }
    program->next = device->programs;
    device->programs = program;
    *out = program;
    return LIMN_OK;
}

static limn_kernel **slot_of(limn_device *device, const char *name, const char *defines,
                             uint64_t hash)
{
    size_t at = hash & (device->kernel_capacity - 1);
    for (;; at = (at + 1) & (device->kernel_capacity - 1)) {
        limn_kernel *kernel = device->kernels[at];
        if (!kernel || (kernel->hash == hash && strcmp(kernel->name, name) == 0 &&
                        strcmp(kernel->defines, defines) == 0))
            return &device->kernels[at];
    }
}

/* Keeps the table at most half full. */
static limn_status make_room(limn_device *device)
{
    if (device->kernel_count * 2 < device->kernel_capacity)
        return LIMN_OK;
    const size_t old_capacity = device->kernel_capacity;
    limn_kernel **old = device->kernels;
    const size_t capacity = old_capacity ? old_capacity * 2 : 128;
    limn_kernel **table = limn_calloc(capacity, sizeof *table);
    if (!table)
        return limn_out_of_memory(device->ctx, "kernel table");
    device->kernels = table;
    device->kernel_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            *slot_of(device, old[i]->name, old[i]->defines, old[i]->hash) = old[i];
    limn_free(old);
    return LIMN_OK;
}

static void free_kernel(limn_device *device, limn_kernel *kernel)
{
    if (kernel->kernel)
        device->cl.ReleaseKernel(kernel->kernel);
    limn_free(kernel->defines);
    limn_free(kernel);
}

static limn_status create_kernel(limn_device *device, const char *name, const char *defines,
                                 uint64_t hash, limn_kernel **out)
{
    const limn_embedded_kernel *row =
        bsearch(name, limn_embedded_kernels, limn_embedded_kernel_count,
                sizeof *limn_embedded_kernels, by_name);
    if (!row)
        return limn_fail(device->ctx, LIMN_BAD_USAGE, "bad launch", name,
                         "there is no such kernel");
    limn_program *program = NULL;
    limn_status status = get_program(device, row->program, defines, &program);
    if (status != LIMN_OK)
        return status;
    limn_kernel *kernel = limn_calloc(1, sizeof *kernel);
    if (!kernel)
        return limn_out_of_memory(device->ctx, name);
    kernel->name = row->name;
    kernel->hash = hash;
    kernel->defines = limn_strdup(defines);
    if (!kernel->defines) {
        free_kernel(device, kernel);
        return limn_out_of_memory(device->ctx, name);
    }
    cl_int code;
    kernel->kernel = device->cl.CreateKernel(program->program, name, &code);
    if (kernel->kernel)
        code = device->cl.GetKernelInfo(kernel->kernel, CL_KERNEL_NUM_ARGS,
                                        sizeof kernel->arg_count, &kernel->arg_count, NULL);
    if (kernel->kernel && code == CL_SUCCESS)
        code =
            device->cl.GetKernelWorkGroupInfo(kernel->kernel, device->id, CL_KERNEL_WORK_GROUP_SIZE,
                                              sizeof kernel->max_group, &kernel->max_group, NULL);
    if (!kernel->kernel || code != CL_SUCCESS) {
        status = limn_cl_fail(device, code, "kernel failed", name);
        free_kernel(device, kernel);
        return status;
    }
    *out = kernel;
    return LIMN_OK;
}

limn_status limn_kernel_get(limn_device *device, const char *name, const char *defines,
                            limn_kernel **out)
{
    limn_status status = make_room(device);
    if (status != LIMN_OK)
        return status;
    const uint64_t hash =
        XXH3_64bits(name, strlen(name)) * 31 + XXH3_64bits(defines, strlen(defines));
    limn_kernel **slot = slot_of(device, name, defines, hash);
    if (!*slot) {
        if ((status = create_kernel(device, name, defines, hash, slot)) != LIMN_OK)
            return status;
        device->kernel_count++;
    }
    *out = *slot;
    return LIMN_OK;
}

void limn_programs_free(limn_device *device)
{
    for (size_t i = 0; i < device->kernel_capacity; i++)
        if (device->kernels[i])
            free_kernel(device, device->kernels[i]);
    limn_free(device->kernels);
    while (device->programs) {
        limn_program *program = device->programs;
        device->programs = program->next;
        free_program(device, program);
    }
}
