/* Channels (or everything) scaled and shifted. */
#include "ops/op.h"
#include "ops/shape.h"

static limn_status plan(limn_device *device, const void *params, const limn_desc *in, int in_count,
                        limn_op_plan *p)
{
    (void)params;
    limn_status status = limn_need_floats(device, "scale_shift", in, 0, 1, LIMN_MAX_RANK);
    if (status == LIMN_OK)
        status = limn_need_small(device, "scale_shift", &in[0]);
    for (int i = 1; i < in_count && status == LIMN_OK; i++)
        if (!(in[i].dtype == LIMN_F32 && in[i].rank == 1 && in[i].dim[0] == 1))
            status = limn_need_vector(device, "scale_shift", in, i, limn_desc_channels(&in[0]));
    if (status != LIMN_OK)
        return status;
    const limn_cut c = limn_cut_rows(&in[0]);
    const double count = (double)limn_desc_count(&in[0]);
    p->out_count = 1;
    p->out[0] = in[0];
    p->backward_scratch = (size_t)(2 * c.chunks * c.channels) * sizeof(float);
    p->flops = 2 * count;
    p->bytes = 8 * count;
    p->backward_flops = 4 * count;
    p->backward_bytes = 16 * count;
    return LIMN_OK;
}

/* Whether w (1) or b (2) has one value per channel. */
static bool wide(const limn_op_run *r, int input)
{
    return r->in[input]->desc.dim[0] > 1;
}

static limn_status forward(const limn_op_run *r)
{
    const limn_cut c = limn_cut_rows(&r->in[0]->desc);
    return LIMN_LAUNCH(r->device, "scale_shift_forward", limn_lane_defines(r->device),
                       limn_lane_grid(r->device, c.channels, c.chunks), limn_int(c.rows),
                       limn_int(c.channels), limn_int(c.length), limn_int(c.chunks),
                       limn_int(wide(r, 1)), limn_int(wide(r, 2)), limn_in(r->in[0]->buffer),
                       limn_in(r->in[1]->buffer), limn_in(r->in[2]->buffer),
                       limn_out(r->out[0]->buffer));
}

/* dw (which 0) or db (which 1), from the sums of the runs in scratch. */
static limn_status finish(const limn_op_run *r, const limn_cut *c, int which)
{
    const char *defines = limn_lane_defines(r->device);
    limn_buffer *to = r->grad_in[which + 1]->buffer;
    const size_t bytes = (size_t)c->channels * sizeof(float);
    const limn_status status = LIMN_LAUNCH(
        r->device, "scale_shift_finish", defines, limn_lane_grid(r->device, c->channels, 1),
        limn_int(c->channels), limn_int(c->chunks), limn_int(which), limn_inout(r->scratch));
    if (status != LIMN_OK)
        return status;
    if (r->in[which + 1]->desc.dim[0] == c->channels)
        return limn_buffer_copy(r->scratch, (size_t)which * bytes, to, 0, bytes);
    return LIMN_LAUNCH(r->device, "scale_shift_total", defines, limn_grid_1d(1),
                       limn_int(c->channels), limn_int(which), limn_in(r->scratch), limn_out(to));
}

static limn_status backward(const limn_op_run *r)
{
    const limn_cut c = limn_cut_rows(&r->in[0]->desc);
    const char *defines = limn_lane_defines(r->device);
    const limn_grid grid = limn_lane_grid(r->device, c.channels, c.chunks);
    const limn_arg dy = limn_in(r->grad_out[0]->buffer);
    limn_status status = LIMN_OK;
    if (r->grad_in[0])
        status = LIMN_LAUNCH(r->device, "scale_shift_backward", defines, grid, limn_int(c.rows),
                             limn_int(c.channels), limn_int(c.length), limn_int(c.chunks),
                             limn_int(wide(r, 1)), dy, limn_in(r->in[1]->buffer),
                             limn_out(r->grad_in[0]->buffer));
    if (status == LIMN_OK && (r->grad_in[1] || r->grad_in[2]))
        status = LIMN_LAUNCH(r->device, "scale_shift_chunk_sums", defines, grid, limn_int(c.rows),
                             limn_int(c.channels), limn_int(c.length), limn_int(c.chunks),
                             limn_in(r->in[0]->buffer), dy, limn_out(r->scratch));
    for (int which = 0; which < 2 && status == LIMN_OK; which++)
        if (r->grad_in[which + 1])
            status = finish(r, &c, which);
    return status;
}

/* Index of the value that element i meets in input `input`. */
static int64_t meets(const limn_op_reference *r, int input, int64_t i)
{
    return i % limn_desc_channels(&r->in_desc[0]) % r->in_desc[input].dim[0];
}

static void forward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++)
        r->out[0][i] = r->in[0][i] * r->in[1][meets(r, 1, i)] + r->in[2][meets(r, 2, i)];
}

static void backward_reference(const limn_op_reference *r)
{
    for (int64_t i = 0; i < limn_desc_count(&r->in_desc[0]); i++) {
        if (r->grad_in[0])
            r->grad_in[0][i] = r->grad_out[0][i] * r->in[1][meets(r, 1, i)];
        if (r->grad_in[1])
            r->grad_in[1][meets(r, 1, i)] += r->grad_out[0][i] * r->in[0][i];
        if (r->grad_in[2])
            r->grad_in[2][meets(r, 2, i)] += r->grad_out[0][i];
    }
}

static const limn_op_example example = {
    .params = "",
    .in_count = 3,
    .in = {{LIMN_F32, 4, {2, 3, 3, 5}}, {LIMN_F32, 1, {5}}, {LIMN_F32, 1, {1}}},
    .tolerance = 4e-6, /* sums of up to 90 rounded terms, which partly cancel */
};

const limn_op limn_op_scale_shift = {
    .name = "scale_shift",
    .formula = "y = x * w + b, w and b per channel or single",
    .min_in = 3,
    .max_in = 3,
    .backward_in = 3,
    .differentiable = 7,
    .plan = plan,
    .forward = forward,
    .backward = backward,
    .forward_reference = forward_reference,
    .backward_reference = backward_reference,
    .example = &example,
};
