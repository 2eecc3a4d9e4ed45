/* Asking for memory that is needed soon, on CPUs whose compiler can say so; else nothing happens. */
#ifndef LIMN_SOON
#define LIMN_SOON

#ifdef __has_builtin
#if __has_builtin(__builtin_prefetch) && (defined(__x86_64__) || defined(__aarch64__))
#define LIMN_HAS_PREFETCH
#endif
#endif

/* The line will be read: it comes as far as a core's second cache.  It may lie outside a buffer. */
void limn_soon(__global const float *line)
{
#ifdef LIMN_HAS_PREFETCH
    __builtin_prefetch(line, 0, 2);
#endif
}

/* The line will be written. */
void limn_soon_written(__global const float *line)
{
#ifdef LIMN_HAS_PREFETCH
    __builtin_prefetch(line, 1, 3);
#endif
}
#endif
