/* Writing around the caches, where the compiler can say so: for results that are too large to be
 * found there when they are read. */
#include "common/lanes.h"

#ifdef __has_builtin
#if __has_builtin(__builtin_nontemporal_store)
#define HAS_STREAM
#endif
#endif

/* As store_lanes; with `stream` a whole vector at an address aligned to it, around the caches. */
void stream_lanes(lanes v, int stream, __global float *to, int valid)
{
#if defined(HAS_STREAM) && V == 16
    if (stream) {
        __builtin_nontemporal_store(v, (__global float16 *)to);
        return;
    }
#endif
    store_lanes(v, to, valid);
}
