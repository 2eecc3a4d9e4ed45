/* limn/context.h: what every other call hangs on: errors, messages, progress.
 *
 * A context belongs to one thread at a time.  Two contexts share nothing.  The library never
 * prints, exits or aborts: every fallible call returns a limn_status, and the text of the last
 * failure stays in the context until the next one replaces it.
 */
#ifndef LIMN_CONTEXT_H
#define LIMN_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define LIMN_API __declspec(dllexport)
#elif defined(__GNUC__)
#define LIMN_API __attribute__((visibility("default")))
#else
#define LIMN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** How a call ended.  The values are the exit codes of the command line. */
typedef enum limn_status {
    LIMN_OK = 0,
    LIMN_FAILED = 1,          /**< failed while running: host memory, unwritable or full disk */
    LIMN_BAD_USAGE = 2,       /**< an argument is out of its documented range */
    LIMN_NO_DEVICE = 3,       /**< no usable OpenCL device */
    LIMN_BAD_INPUT = 4,       /**< a file is missing, malformed or does not fit */
    LIMN_OUT_OF_DEVICE_MEMORY = 5,
    LIMN_INTERRUPTED = 130    /**< the progress callback asked to stop */
} limn_status;

typedef enum limn_log_level {
    LIMN_LOG_WARNING, /**< something is not as it should be */
    LIMN_LOG_NOTE,    /**< nothing is wrong, but a user wants to know */
    LIMN_LOG_INFO,
    LIMN_LOG_DEBUG
} limn_log_level;

/** One report on long work.  `total` is 0 where the end is not known.  `detail` is a short text
 *  such as "loss 0.412", or "". The strings live only during the call. */
typedef struct limn_progress {
    const char *task;   /**< what is being done: "training", "occlusion" */
    const char *unit;   /**< what `done` and `total` count: "images", "masks" */
    const char *detail;
    double done, total;
    bool finished;      /**< last report of this task */
} limn_progress;

/** One message, without a newline at its end. */
typedef void (*limn_log_fn)(void *user, limn_log_level level, const char *text);

/** Called often during long work; returning false stops it: the call in progress keeps what was
 *  finished and returns LIMN_INTERRUPTED. */
typedef bool (*limn_progress_fn)(void *user, const limn_progress *progress);

/** Zero-initialised means: no messages, no progress, caches in the user's cache directory. */
typedef struct limn_context_params {
    limn_log_fn log;
    limn_progress_fn progress;
    void *user;              /**< handed to both callbacks */
    const char *cache_dir;   /**< copied; NULL: $LIMN_CACHE_DIR, else $XDG_CACHE_HOME/limn, else
                                  $HOME/.cache/limn; "" switches the caches off */
} limn_context_params;

typedef struct limn_context limn_context;

/** Makes a context.  `params` may be NULL for the defaults.
 *  Returns LIMN_FAILED when host memory is exhausted; `*out` is then NULL. */
LIMN_API limn_status limn_context_create(const limn_context_params *params, limn_context **out);

/** Frees a context and sets `*ctx` to NULL; NULL is accepted.  Everything made from the context
 *  must have been destroyed before. */
LIMN_API void limn_context_destroy(limn_context **ctx);

/** "WHAT (WHERE): WHY" of the last failure, or "".  Owned by the context. */
LIMN_API const char *limn_error_text(const limn_context *ctx);

/** A line that says what to do about the last failure, or "".  Owned by the context. */
LIMN_API const char *limn_error_hint(const limn_context *ctx);

/** "MAJOR.MINOR.PATCH" of the library that is running. */
LIMN_API const char *limn_version(void);

#ifdef __cplusplus
}
#endif
#endif
