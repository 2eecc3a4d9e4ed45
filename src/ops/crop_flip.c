/* Random crop out of the zero-padded image and random flip: the usual augmentation of CIFAR. */
#include "ops/augment.h"

#include "base/philox.h"

#include <math.h>
#include <stddef.h>

typedef struct settings {
    uint64_t seed;
    int64_t epoch, view, pad;
    double flip;
} settings;

static const limn_param_spec specs[] = {
    {"seed", LIMN_PARAM_U64, offsetof(settings, seed), 0, 0, 0},
    {"epoch", LIMN_PARAM_INT, offsetof(settings, epoch), 0, 0, INT32_MAX},
    {"view", LIMN_PARAM_INT, offsetof(settings, view), 0, 0, 1 << 20},
    {"pad", LIMN_PARAM_INT, offsetof(settings, pad), 4, 0, 1 << 20},
    {"flip", LIMN_PARAM_FLOAT, offsetof(settings, flip), 0.5, 0, 1},
    {0},
};

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    (void)in_count;
    char a[64], b[64];
    if (in[0].dtype != LIMN_U8 || in[0].rank != 4 || in[1].dtype != LIMN_I32 || in[1].rank != 1 ||
        in[1].dim[0] != in[0].dim[0] || in[0].dim[1] * in[0].dim[2] > INT32_MAX)
        return limn_fail(limn_device_context(device), LIMN_BAD_USAGE, "bad inputs", "crop_flip",
                         "%s and %s must be images u8[N,H,W,C] and their numbers i32[N]",
                         limn_desc_text(&in[0], a, sizeof a), limn_desc_text(&in[1], b, sizeof b));
    p->out_count = 1;
    p->out[0] = in[0];
    p->out[0].dtype = LIMN_F32;
    p->flops = (double)limn_desc_count(&in[0]);
    p->bytes = (double)limn_desc_bytes(&in[0]) + (double)limn_desc_bytes(&p->out[0]);
    return LIMN_OK;
}

static limn_status forward(const limn_op_run *r)
{
    const settings *q = r->params;
    const int64_t *d = r->in[0]->desc.dim;
    const int64_t span = limn_device_get_limits(r->device)->is_cpu && d[2] > 0 ? d[2] : 1;
    const limn_grid grid = {{(size_t)(d[1] * (d[2] / span)), (size_t)d[0], 1}, {0, 0, 0}};
    return LIMN_LAUNCH(r->device, "crop_flip_forward", "", grid, limn_int(d[0]), limn_int(d[1]),
                       limn_int(d[2]), limn_int(d[3]), limn_ulong(q->seed),
                       limn_ulong((uint64_t)q->epoch),
                       limn_uint((uint32_t)q->view * LIMN_AUGMENT_SUBS), limn_int(q->pad),
                       limn_float(q->flip), limn_int(span), limn_in(r->in[0]->buffer),
                       limn_in(r->in[1]->buffer), limn_out(r->out[0]->buffer));
}

/* Uniform in 0..2 pad. */
static int64_t offset_of(uint32_t bits, int64_t pad)
{
    return (int64_t)((uint64_t)bits * (uint64_t)(2 * pad + 1) >> 32);
}

static void forward_reference(const limn_op_reference *r)
{
    const settings *q = r->params;
    const int64_t *d = r->in_desc[0].dim;
    for (int64_t b = 0; b < d[0]; b++) {
        uint32_t draw[4];
        limn_draw(q->seed, LIMN_PURPOSE_AUGMENT,
                  (uint64_t)q->epoch << 32 | (uint32_t)(int32_t)r->in[1][b],
                  (uint32_t)q->view * LIMN_AUGMENT_SUBS, draw);
        const int64_t dy = offset_of(draw[0], q->pad), dx = offset_of(draw[1], q->pad);
        const bool flipped = limn_uniform(draw[2]) < (float)q->flip;
        for (int64_t i = 0; i < d[1]; i++)
            for (int64_t j = 0; j < d[2]; j++)
                for (int64_t c = 0; c < d[3]; c++) {
                    const int64_t row = i + dy - q->pad;
                    const int64_t column = (flipped ? d[2] - 1 - j : j) + dx - q->pad;
                    const bool inside = row >= 0 && row < d[1] && column >= 0 && column < d[2];
                    r->out[0][((b * d[1] + i) * d[2] + j) * d[3] + c] =
                        inside ? r->in[0][((b * d[1] + row) * d[2] + column) * d[3] + c] / 255 : 0;
                }
    }
}

static const limn_op_example example = {
    .params = "seed=7 epoch=1 pad=2",
    .in_count = 2,
    .in = {{LIMN_U8, 4, {3, 6, 5, 3}}, {LIMN_I32, 1, {3}}},
    .tolerance = 3e-7, /* one division of 2.5 ulp */
};

const limn_op limn_op_crop_flip = {
    .name = "crop_flip",
    .formula = "crop of the zero-padded image at a drawn place, flipped with a drawn chance, / 255 "
               "(He et al. 2016, section 4.2)",
    .params_size = sizeof(settings),
    .params = specs,
    .min_in = 2,
    .max_in = 2,
    .plan = plan,
    .forward = forward,
    .forward_reference = forward_reference,
    .fill = limn_augment_fill,
    .example = &example,
    .bench = limn_augment_bench,
};
