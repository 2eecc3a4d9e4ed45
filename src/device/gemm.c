#include "device/gemm.h"

#include "device/internal.h"

#ifdef LIMN_HAVE_CLBLAST
#include <clblast_c.h>

const char *limn_gemm_refusal(void)
{
    return NULL;
}

limn_status limn_gemm_run(limn_device *device, const limn_gemm *g)
{
    cl_command_queue queue = limn_device_queue(device);
    cl_event event = NULL;
    const bool a_turned = g->ar != 1, b_turned = g->bp != 1;
    const CLBlastStatusCode code = CLBlastSgemm(
        CLBlastLayoutRowMajor, a_turned ? CLBlastTransposeYes : CLBlastTransposeNo,
        b_turned ? CLBlastTransposeYes : CLBlastTransposeNo, g->m, g->p, g->r, 1.0f,
        limn_buffer_mem(g->a), 0, a_turned ? g->ar : g->am, limn_buffer_mem(g->b), 0,
        b_turned ? g->bp : g->br, 1.0f, limn_buffer_mem(g->z), 0, g->p, &queue, &event);
    if (event)
        device->cl.ReleaseEvent(event);
    if (code == CLBlastSuccess)
        return LIMN_OK;
    if (code == CLBlastTempBufferAllocFailure)
        return limn_fail(device->ctx, LIMN_OUT_OF_DEVICE_MEMORY, "out of device memory", "CLBlast",
                         "code %d", (int)code);
    return limn_fail(device->ctx, LIMN_FAILED, "matrix product failed", "CLBlast", "code %d",
                     (int)code);
}

#else

const char *limn_gemm_refusal(void)
{
    return "limn was built without CLBlast";
}

limn_status limn_gemm_run(limn_device *device, const limn_gemm *gemm)
{
    (void)gemm;
    return limn_fail(device->ctx, LIMN_FAILED, "matrix product failed", "CLBlast", "%s",
                     limn_gemm_refusal());
}

#endif
