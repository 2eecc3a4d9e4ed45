#include "base/context.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 32768 };

struct limn_context {
    limn_context_params params;
    char *cache_dir;
    const void *driver;
    bool host_memory; /* the last failure: none is left */
    char text[TEXT_MAX];
    char hint[TEXT_MAX];
};

/* The folder that holds limn's caches, or NULL for none. */
static char *find_cache_dir(const char *asked)
{
    const char *own = asked ? asked : getenv("LIMN_CACHE_DIR");
    if (own)
        return *own ? limn_strdup(own) : NULL;
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (xdg && *xdg)
        return limn_format("%s/limn", xdg);
    return home && *home ? limn_format("%s/.cache/limn", home) : NULL;
}

limn_status limn_context_create(const limn_context_params *params, limn_context **out)
{
    *out = limn_calloc(1, sizeof **out);
    if (!*out)
        return LIMN_FAILED;
    if (params)
        (*out)->params = *params;
    (*out)->params.cache_dir = NULL;
    (*out)->cache_dir = find_cache_dir(params ? params->cache_dir : NULL);
    return LIMN_OK;
}

void limn_context_destroy(limn_context **ctx)
{
    if (!ctx || !*ctx)
        return;
    limn_free((*ctx)->cache_dir);
    limn_free(*ctx);
    *ctx = NULL;
}

const char *limn_error_text(const limn_context *ctx)
{
    return ctx->text;
}

const char *limn_error_hint(const limn_context *ctx)
{
    return ctx->hint;
}

const char *limn_version(void)
{
    return LIMN_VERSION;
}

limn_status limn_fail(limn_context *ctx, limn_status status, const char *what, const char *where,
                      const char *why, ...)
{
    char reason[TEXT_MAX / 2];
    va_list args;
    va_start(args, why);
    vsnprintf(reason, sizeof reason, why, args);
    va_end(args);
    if (where)
        snprintf(ctx->text, sizeof ctx->text, "%s (%s): %s", what, where, reason);
    else
        snprintf(ctx->text, sizeof ctx->text, "%s: %s", what, reason);
    ctx->hint[0] = '\0';
    ctx->host_memory = false;
    return status;
}

void limn_error_set_host_memory(limn_context *ctx)
{
    ctx->host_memory = true;
}

bool limn_error_is_host_memory(const limn_context *ctx)
{
    return ctx->host_memory;
}

void limn_hint(limn_context *ctx, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ctx->hint, sizeof ctx->hint, format, args);
    va_end(args);
}

void limn_error_clear(limn_context *ctx)
{
    ctx->text[0] = ctx->hint[0] = '\0';
    ctx->host_memory = false;
}

void limn_log(limn_context *ctx, limn_log_level level, const char *format, ...)
{
    if (!ctx->params.log)
        return;
    char text[TEXT_MAX / 8];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ctx->params.log(ctx->params.user, level, text);
}

limn_status limn_report(limn_context *ctx, const limn_progress *progress)
{
    if (!ctx->params.progress || ctx->params.progress(ctx->params.user, progress))
        return LIMN_OK;
    return limn_fail(ctx, LIMN_INTERRUPTED, "interrupted", progress->task, "stopped after %.0f %s",
                     progress->done, progress->unit);
}

const char *limn_cache_dir(limn_context *ctx)
{
    return ctx->cache_dir;
}

void limn_context_set_driver(limn_context *ctx, const void *api)
{
    ctx->driver = api;
}

const void *limn_context_driver(const limn_context *ctx)
{
    return ctx->driver;
}
