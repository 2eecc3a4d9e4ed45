#include "device/cl_api.h"

const limn_cl_api limn_cl_default_api = {
#define LIMN_CL_ENTRY(name) .name = cl##name,
    LIMN_CL_CALLS(LIMN_CL_ENTRY)
#undef LIMN_CL_ENTRY
};
