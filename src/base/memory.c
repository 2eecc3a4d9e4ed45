#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include "base/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

static atomic_ulong made, fail_from;
static atomic_bool fail_lasting;

unsigned long limn_memory_fail_at(unsigned long nth, bool lasting)
{
    atomic_store(&fail_from, nth);
    atomic_store(&fail_lasting, lasting);
    return atomic_exchange(&made, 0);
}

static bool refused(void)
{
    const unsigned long number = atomic_fetch_add(&made, 1) + 1, from = atomic_load(&fail_from);
    return from && (atomic_load(&fail_lasting) ? number >= from : number == from);
}

bool limn_size_mul(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b)
        return false;
    *out = a * b;
    return true;
}

bool limn_size_add(size_t a, size_t b, size_t *out)
{
    if (a > SIZE_MAX - b)
        return false;
    *out = a + b;
    return true;
}

void *limn_calloc(size_t count, size_t size)
{
    if (refused())
        return NULL;
    return count && size ? calloc(count, size) : calloc(1, 1);
}

void *limn_realloc(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (!limn_size_mul(count, size, &bytes) || refused())
        return NULL;
    return realloc(block, bytes ? bytes : 1);
}

/* `bytes` in whole pages of the system. */
static size_t mapped(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

void limn_free(void *block)
{
    free(block);
}

void *limn_pages_alloc(size_t bytes)
{
    size_t room;
    if (!limn_size_add(bytes, LIMN_LARGE_PAGE, &room) || refused())
        return NULL;
    char *map = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    const size_t before = (LIMN_LARGE_PAGE - (uintptr_t)map % LIMN_LARGE_PAGE) % LIMN_LARGE_PAGE;
    char *pages = map + before;
#if defined(MADV_HUGEPAGE)
    madvise(pages, bytes, MADV_HUGEPAGE); /* a wish */
#endif
    if (before)
        munmap(map, before);
    munmap(pages + mapped(bytes), room - before - mapped(bytes));
    return pages;
}

void limn_pages_free(void *pages, size_t bytes)
{
    if (pages)
        munmap(pages, mapped(bytes));
}

void limn_memory_trim(void)
{
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

char *limn_strndup(const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? limn_calloc(length + 1, 1) : NULL;
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *limn_strdup(const char *text)
{
    return limn_strndup(text, strlen(text));
}

char *limn_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, format, args);
    char *text = length < 0 ? NULL : limn_calloc((size_t)length + 1, 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

limn_status limn_out_of_memory(limn_context *ctx, const char *what)
{
    limn_fail(ctx, LIMN_FAILED, "out of memory", what, "the host has no more memory");
    limn_error_set_host_memory(ctx);
    return LIMN_FAILED;
}

limn_status limn_alloc(limn_context *ctx, const char *what, size_t count, size_t size, void **out)
{
    *out = limn_calloc(count, size);
    if (*out)
        return LIMN_OK;
    limn_fail(ctx, LIMN_FAILED, "out of memory", what, "%zu items of %zu bytes", count, size);
    limn_error_set_host_memory(ctx);
    return LIMN_FAILED;
}
