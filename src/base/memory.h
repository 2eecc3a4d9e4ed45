/* Host memory.  Every allocation of the library passes through here, so that a test can make the
 * n-th one fail. */
#ifndef LIMN_BASE_MEMORY_H
#define LIMN_BASE_MEMORY_H

#include "base/context.h"

#include <stdbool.h>
#include <stddef.h>

/** `count * size` zeroed bytes, or NULL: exhausted, or the product overflows.  A request of zero
 *  bytes yields a unique pointer. */
void *limn_calloc(size_t count, size_t size);

/** Resizes as realloc does; the old block stays valid when NULL is returned. */
void *limn_realloc(void *block, size_t count, size_t size);

void limn_free(void *block);

/** `bytes` zeroed bytes, aligned to LIMN_LARGE_PAGE and, where the system can, in pages of that
 * size: who streams through them waits less for page tables.  NULL when exhausted.  limn_pages_free
 * wants the same `bytes`; any thread may call it. */
enum { LIMN_LARGE_PAGE = 2 << 20 };
void *limn_pages_alloc(size_t bytes);
void limn_pages_free(void *pages, size_t bytes);

/** Gives freed memory back to the system, where the C library can. */
void limn_memory_trim(void);

/** Copy of a string or of its first `length` bytes; NULL when exhausted. */
char *limn_strdup(const char *text);
char *limn_strndup(const char *text, size_t length);

/** Formatted string of the needed length; NULL when exhausted. */
char *limn_format(const char *format, ...) LIMN_PRINTF(1, 2);

/** As limn_calloc, with the failure recorded in the context ("out of memory (what): N bytes"). */
limn_status limn_alloc(limn_context *ctx, const char *what, size_t count, size_t size, void **out);

/** Records that host memory is exhausted; returns LIMN_FAILED. */
limn_status limn_out_of_memory(limn_context *ctx, const char *what);

/** Checked size arithmetic: false, `*out` untouched, where the result does not fit. */
bool limn_size_mul(size_t a, size_t b, size_t *out);
bool limn_size_add(size_t a, size_t b, size_t *out);

/** For tests: make allocation number `nth` (from 1, counted from now) fail, and with `lasting`
 *  every later one too; 0 ends it.  Returns how many allocations were made since the last call.
 *  Process-wide: it is the one piece of state outside a context, and only tests touch it. */
unsigned long limn_memory_fail_at(unsigned long nth, bool lasting);

#endif
