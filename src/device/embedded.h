/* The kernels of cl/, embedded at build time by tools/build/embed_kernels.py. */
#ifndef LIMN_DEVICE_EMBEDDED_H
#define LIMN_DEVICE_EMBEDDED_H

#include <stddef.h>

typedef struct limn_embedded_program {
    const char *name; /**< path below cl/ */
    const char *text; /**< NUL-terminated, includes expanded */
    size_t length;
} limn_embedded_program;

typedef struct limn_embedded_kernel {
    const char *name;
    const limn_embedded_program *program;
} limn_embedded_kernel;

extern const limn_embedded_program limn_embedded_programs[];
extern const size_t limn_embedded_program_count;
/** Sorted by name. */
extern const limn_embedded_kernel limn_embedded_kernels[];
extern const size_t limn_embedded_kernel_count;

#endif
