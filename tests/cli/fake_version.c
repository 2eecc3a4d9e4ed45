/* A library of another version, preloaded by test_frame.py. */
#include "limn/context.h"

const char *limn_version(void)
{
    return "0.0.0-fake";
}
