#include "device/program_cache.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* File: header, then `size` bytes of the driver's binary. */
typedef struct entry_header {
    char magic[8];
    uint64_t key_low, key_high, size, checksum;
} entry_header;

static const char magic[8] = {'l', 'i', 'm', 'n', 'c', 'l', '0', '1'};

limn_cache_key limn_cache_key_of(const limn_device *device, const limn_embedded_program *source,
                                 const char *options)
{
    const char *const parts[] = {source->name, source->text, options, device->identity,
                                 LIMN_VERSION};
    XXH128_hash_t sum = {0, 0};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const XXH128_hash_t part = XXH3_128bits_withSeed(parts[i], strlen(parts[i]), i + 1);
        const uint64_t both[4] = {sum.low64, sum.high64, part.low64, part.high64};
        sum = XXH3_128bits(both, sizeof both);
    }
    return (limn_cache_key){sum.low64, sum.high64};
}

/* NULL where caches are off or memory is exhausted. */
static char *entry_path(limn_device *device, const limn_cache_key *key)
{
    const char *folder = limn_cache_dir(device->ctx);
    if (!folder)
        return NULL;
    return limn_format("%s/kernels/%016llx%016llx.bin", folder, (unsigned long long)key->high,
                       (unsigned long long)key->low);
}

cl_program limn_cache_load(limn_device *device, const limn_cache_key *key, const char *options)
{
    char *path = entry_path(device, key);
    limn_mapping file = {0};
    cl_program program = NULL;
    if (!path)
        return NULL;
    if (!limn_file_exists(path) || limn_file_map(device->ctx, path, &file) != LIMN_OK) {
        limn_error_clear(device->ctx);
        limn_free(path);
        return NULL;
    }
    entry_header header;
    if (file.size > sizeof header) {
        memcpy(&header, file.data, sizeof header);
        const unsigned char *binary = file.data + sizeof header;
        const size_t size = file.size - sizeof header;
        if (memcmp(header.magic, magic, sizeof magic) == 0 && header.key_low == key->low &&
            header.key_high == key->high && header.size == size &&
            header.checksum == XXH3_64bits(binary, size)) {
            cl_int code, one = CL_SUCCESS;
            program = device->cl.CreateProgramWithBinary(device->context, 1, &device->id, &size,
                                                         &binary, &one, &code);
            if (program &&
                (one != CL_SUCCESS || device->cl.BuildProgram(program, 1, &device->id, options,
                                                              NULL, NULL) != CL_SUCCESS)) {
                device->cl.ReleaseProgram(program);
                program = NULL;
            }
        }
    }
    if (!program)
        limn_log(device->ctx, LIMN_LOG_DEBUG, "cached program %s is not usable, building anew",
                 path);
    limn_file_unmap(&file);
    limn_free(path);
    return program;
}

static limn_status write_entry(limn_device *device, const char *path, const limn_cache_key *key,
                               const unsigned char *binary, size_t size)
{
    char *folder = limn_format("%s/kernels", limn_cache_dir(device->ctx));
    limn_status status =
        folder ? limn_make_folder(device->ctx, folder) : limn_out_of_memory(device->ctx, path);
    limn_free(folder);
    limn_writer *writer = NULL;
    if (status == LIMN_OK)
        status = limn_writer_open(device->ctx, path, &writer);
    if (status != LIMN_OK)
        return status;
    entry_header header = {.key_low = key->low,
                           .key_high = key->high,
                           .size = size,
                           .checksum = XXH3_64bits(binary, size)};
    memcpy(header.magic, magic, sizeof magic);
    if ((status = limn_writer_write(writer, &header, sizeof header)) != LIMN_OK ||
        (status = limn_writer_write(writer, binary, size)) != LIMN_OK) {
        limn_writer_discard(&writer);
        return status;
    }
    return limn_writer_commit(&writer);
}

void limn_cache_store(limn_device *device, const limn_cache_key *key, cl_program program)
{
    char *path = entry_path(device, key);
    size_t size = 0;
    if (path &&
        device->cl.GetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) ==
            CL_SUCCESS &&
        size > 0) {
        unsigned char *binary = limn_calloc(size, 1);
        if (binary &&
            device->cl.GetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) ==
                CL_SUCCESS &&
            write_entry(device, path, key, binary, size) != LIMN_OK) {
            limn_log(device->ctx, LIMN_LOG_DEBUG, "cannot keep the program: %s",
                     limn_error_text(device->ctx));
            limn_error_clear(device->ctx);
        }
        limn_free(binary);
    }
    limn_free(path);
}
