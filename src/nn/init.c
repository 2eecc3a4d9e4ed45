#include "nn/init.h"

#include "base/memory.h"
#include "base/philox.h"

#include <math.h>
#include <string.h>
#include <xxhash.h>

/* Box-Muller: two uniforms to one standard normal. */
static double normal(const uint32_t bits[4])
{
    const double u = 1.0 - limn_uniform(bits[0]), v = limn_uniform(bits[1]);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

static double value(const limn_parameter *p, uint64_t seed, uint32_t stream, uint64_t index)
{
    uint32_t bits[4];
    switch (p->init) {
    case LIMN_INIT_KAIMING_FAN_OUT:
        limn_draw(seed, LIMN_PURPOSE_INIT, index, stream, bits);
        return normal(bits) * sqrt(2.0 / (double)p->fan);
    case LIMN_INIT_FAN_IN_UNIFORM:
        limn_draw(seed, LIMN_PURPOSE_INIT, index, stream, bits);
        return (2.0 * limn_uniform(bits[0]) - 1.0) / sqrt((double)p->fan);
    case LIMN_INIT_ONE:
        return 1.0;
    case LIMN_INIT_ZERO:
        return 0.0;
    }
    return 0.0;
}

limn_status limn_parameter_init(limn_context *ctx, const limn_parameter *p, uint64_t seed)
{
    const size_t count = (size_t)limn_desc_count(&p->tensor->desc);
    float *data;
    limn_status status = limn_alloc(ctx, p->name, count, sizeof *data, (void **)&data);
    if (status != LIMN_OK)
        return status;
    const uint32_t stream = (uint32_t)XXH3_64bits(p->name, strlen(p->name));
    for (size_t i = 0; i < count; i++)
        data[i] = (float)value(p, seed, stream, i);
    status = limn_tensor_write(p->tensor, data);
    limn_free(data);
    return status;
}
