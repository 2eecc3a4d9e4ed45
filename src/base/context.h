/* Errors, messages and progress as the library's own files use them. */
#ifndef LIMN_BASE_CONTEXT_H
#define LIMN_BASE_CONTEXT_H

#include "limn/context.h"

#include <stdarg.h>

#if defined(__GNUC__)
#define LIMN_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define LIMN_PRINTF(text, first)
#endif

/** Records "WHAT (WHERE): WHY" and clears the hint.  `where` names the file, option or value at
 *  fault and may be NULL.  Returns `status`, so a caller writes `return limn_fail(...)`. */
limn_status limn_fail(limn_context *ctx, limn_status status, const char *what, const char *where,
                      const char *why, ...) LIMN_PRINTF(5, 6);

/** Adds the line that says what to do.  To be called after limn_fail. */
void limn_hint(limn_context *ctx, const char *format, ...) LIMN_PRINTF(2, 3);

/** Says of the failure recorded last that the host's memory is exhausted, and asks whether it is:
 * for a caller that must not put it down to something else.  limn_alloc and limn_out_of_memory say
 * so themselves. */
void limn_error_set_host_memory(limn_context *ctx);
bool limn_error_is_host_memory(const limn_context *ctx);

/** Forgets the last failure; for a caller that has another way. */
void limn_error_clear(limn_context *ctx);

void limn_log(limn_context *ctx, limn_log_level level, const char *format, ...) LIMN_PRINTF(3, 4);

/** Passes a report on.  Returns LIMN_INTERRUPTED, error text set, where the callback says stop. */
limn_status limn_report(limn_context *ctx, const limn_progress *progress);

/** A table of driver calls that devices opened from this context shall use in place of OpenCL's own
 *  (a limn_cl_api, borrowed); NULL, the default: OpenCL's.  This is how tests inject faults. */
void limn_context_set_driver(limn_context *ctx, const void *api);
const void *limn_context_driver(const limn_context *ctx);

/** Folder for caches, which need not exist yet; NULL where caches are off.  Owned by the context.
 */
const char *limn_cache_dir(limn_context *ctx);

#endif
