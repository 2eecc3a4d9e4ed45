/* Does what the sanitizers must catch, with a device open, as its argument says. */
#include "limn/device.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *volatile kept;

static void planted_leak(void)
{
    kept = malloc(4321);
    kept = NULL;
}

static void planted_overflow(void)
{
    char *room = malloc(16);
    kept = room;
    memset(kept, 1, (size_t)atoi("17"));
    free(room);
}

static int planted_arithmetic(void)
{
    volatile int most = INT_MAX;
    return most + 1;
}

int main(int argc, char **argv)
{
    limn_context *ctx = NULL;
    limn_device *device = NULL;
    const char *fault = argc > 1 ? argv[1] : "";
    if (limn_context_create(NULL, &ctx) != LIMN_OK)
        return 1;
    limn_status status = limn_device_open(ctx, NULL, &device);
    if (status != LIMN_OK)
        printf("without a device: %s\n", limn_error_text(ctx));
    if (!strcmp(fault, "leak"))
        planted_leak();
    else if (!strcmp(fault, "overflow"))
        planted_overflow();
    else if (!strcmp(fault, "arithmetic"))
        printf("%d\n", planted_arithmetic());
    limn_device_close(&device);
    limn_context_destroy(&ctx);
    return 0;
}
