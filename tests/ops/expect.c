/* Known answers: given inputs, expected outputs. */
#include "harness.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>

/* Given values into the host arrays and onto the device. */
static limn_status place(limn_device *device, const limn_desc *desc, const double *given,
                         double *host, limn_tensor **out)
{
    const size_t count = (size_t)limn_desc_count(desc);
    for (size_t j = 0; j < count; j++)
        host[j] = given[j];
    const limn_status status = limn_tensor_create(device, desc, out);
    return status == LIMN_OK ? limn_tensor_write_doubles(*out, given) : status;
}

int limn_expect(limn_device *device, const char *op, const char *params, int in_count,
                const limn_desc *in, const double *const *values, const double *expected,
                double tolerance)
{
    limn_op_values v;
    limn_context *ctx = limn_device_context(device);
    if (limn_op_values_create(device, limn_op_find(op), params, in, in_count, 1, &v) != LIMN_OK) {
        printf("  %s\n", limn_error_text(ctx));
        return 1;
    }
    limn_tensor *tensors[LIMN_OP_MAX_IN + LIMN_OP_MAX_OUT] = {0};
    limn_status status = LIMN_OK;
    for (int i = 0; i < in_count && status == LIMN_OK; i++)
        status = place(device, &in[i], values[i], v.in[i], &tensors[i]);
    for (int i = 0; i < v.plan.out_count && status == LIMN_OK; i++)
        status = limn_tensor_create(device, &v.plan.out[i], &tensors[in_count + i]);
    const int64_t count = limn_desc_count(&v.plan.out[0]);
    float *out = limn_calloc((size_t)count, sizeof *out);
    if (status == LIMN_OK)
        status = limn_op_call(device, op, tensors, in_count, tensors + in_count, v.plan.out_count,
                              "%s", params);
    if (status == LIMN_OK && out)
        status = limn_tensor_read(tensors[in_count], out);
    int wrong = status != LIMN_OK || !out;
    if (wrong)
        printf("  %s\n", limn_error_text(ctx));
    limn_op_values_forward(&v);
    for (int64_t j = 0; !wrong && j < count; j++)
        if (!(fabs(out[j] - expected[j]) <= tolerance) ||
            !(fabs(v.out[0][j] - expected[j]) <= tolerance)) {
            printf("  %s %s: element %lld is %g (reference %g), known answer %g\n", op, params,
                   (long long)j, out[j], v.out[0][j], expected[j]);
            wrong = 1;
        }
    limn_free(out);
    for (int i = 0; i < in_count + v.plan.out_count; i++)
        limn_tensor_destroy(&tensors[i]);
    limn_op_values_free(&v);
    if (limn_test_simulated())
        limn_device_trim(device);
    return wrong;
}
