#include "device/gemm.h"

#include "device/internal.h"

#ifdef LIMN_HAVE_CLBLAST
#include <clblast_c.h>

/* Parameters of CLBlast's kernel Xgemm by the names that its documentation gives: result tile (MWG,
 * NWG), depth in local memory (KWG), work-items (MDIMC, NDIMC; MDIMA, NDIMB while loading), vector
 * widths (VWM, VWN), both operands in local memory (SA, SB).  MWG must be a multiple of MDIMC * VWM
 * and of MDIMA * VWM, NWG likewise, KWG of the work-items over MDIMA and over NDIMB. */
enum { PARAMETERS = 16 };
static const char *const names[PARAMETERS] = {"GEMMK", "KREG",  "KWG",   "KWI", "MDIMA", "MDIMC",
                                              "MWG",   "NDIMB", "NDIMC", "NWG", "SA",    "SB",
                                              "STRM",  "STRN",  "VWM",   "VWN"};
static const size_t values[][PARAMETERS] = {
    [LIMN_GEMM_DIRECT] = {0},
    [LIMN_GEMM_TILES_64] = {0, 1, 16, 2, 8, 8, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4},
    [LIMN_GEMM_TILES_128] = {0, 1, 16, 2, 16, 16, 128, 16, 16, 128, 1, 1, 0, 0, 4, 4},
    [LIMN_GEMM_TILES_WIDE] = {0, 1, 16, 2, 16, 16, 128, 8, 8, 64, 1, 1, 0, 0, 4, 4},
};
enum { KWG = 2, MDIMC = 5, MWG = 6, NDIMC = 8, NWG = 9 };

/* Products of fewer than this to the third go to the direct kernel. */
static const size_t all_direct = (size_t)1 << 20, none_direct = 0;

const char *limn_gemm_refusal(const limn_device_limits *limits, limn_gemm_kind kind)
{
    const size_t *v = values[kind];
    if (kind == LIMN_GEMM_DIRECT)
        return NULL;
    if (v[MDIMC] * v[NDIMC] > limits->max_work_group || v[MDIMC] > limits->max_work_item[0] ||
        v[NDIMC] > limits->max_work_item[1])
        return "the device's work-groups are too small";
    return sizeof(float) * v[KWG] * (v[MWG] + v[NWG]) > limits->local_memory
               ? "the device's local memory is too small"
               : NULL;
}

/* CLBlast holds the parameters in one place for a device, so each product says its own. */
static CLBlastStatusCode set_parameters(const limn_device *device, limn_gemm_kind kind)
{
    const char *limit = "XGEMM_MIN_INDIRECT_SIZE", *copies[PARAMETERS];
    const CLBlastStatusCode code =
        CLBlastOverrideParameters(device->id, "GemmRoutine", CLBlastPrecisionSingle, 1, &limit,
                                  kind == LIMN_GEMM_DIRECT ? &all_direct : &none_direct);
    if (code != CLBlastSuccess || kind == LIMN_GEMM_DIRECT)
        return code;
    for (int i = 0; i < PARAMETERS; i++)
        copies[i] = names[i];
    return CLBlastOverrideParameters(device->id, "Xgemm", CLBlastPrecisionSingle, PARAMETERS,
                                     copies, values[kind]);
}

static limn_status fault(limn_device *device, CLBlastStatusCode code)
{
    if (code == CLBlastSuccess)
        return LIMN_OK;
    if (code == CLBlastTempBufferAllocFailure)
        return limn_fail(device->ctx, LIMN_OUT_OF_DEVICE_MEMORY, "out of device memory", "CLBlast",
                         "code %d", (int)code);
    return limn_fail(device->ctx, LIMN_FAILED, "matrix product failed", "CLBlast", "code %d",
                     (int)code);
}

limn_status limn_gemm_run(limn_device *device, const limn_gemm *g)
{
    cl_command_queue queue = limn_device_queue(device);
    cl_event event = NULL;
    const bool a_turned = g->ar != 1, b_turned = g->bp != 1;
    const limn_status status = fault(device, set_parameters(device, g->kind));
    if (status != LIMN_OK)
        return status;
    const CLBlastStatusCode code = CLBlastSgemm(
        CLBlastLayoutRowMajor, a_turned ? CLBlastTransposeYes : CLBlastTransposeNo,
        b_turned ? CLBlastTransposeYes : CLBlastTransposeNo, g->m, g->p, g->r, 1.0f,
        limn_buffer_mem(g->a), 0, a_turned ? g->ar : g->am, limn_buffer_mem(g->b), 0,
        b_turned ? g->bp : g->br, 1.0f, limn_buffer_mem(g->z), 0, g->p, &queue, &event);
    if (event)
        device->cl.ReleaseEvent(event);
    return fault(device, code);
}

#else

const char *limn_gemm_refusal(const limn_device_limits *limits, limn_gemm_kind kind)
{
    (void)limits, (void)kind;
    return "limn was built without CLBlast";
}

limn_status limn_gemm_run(limn_device *device, const limn_gemm *gemm)
{
    return limn_fail(device->ctx, LIMN_FAILED, "matrix product failed", "CLBlast", "%s",
                     limn_gemm_refusal(&device->limits, gemm->kind));
}

#endif
