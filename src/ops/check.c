#include "ops/check.h"

#include "base/memory.h"
#include "base/philox.h"

#include <math.h>
#include <string.h>

enum { GUARD = 1024 };

/* ---- host values ------------------------------------------------------------------------------
 */

static limn_status new_array(limn_context *ctx, const limn_desc *desc, double **out)
{
    return limn_alloc(ctx, "check", (size_t)limn_desc_count(desc), sizeof **out, (void **)out);
}

static double rounded(limn_dtype dtype, double value)
{
    return dtype == LIMN_F32 ? (double)(float)value : value;
}

static void fill_inputs(limn_op_values *v, uint64_t seed)
{
    for (int i = 0; i < v->in_count; i++) {
        limn_test_draws state = {seed, (uint64_t)i << 40};
        const int64_t count = limn_desc_count(&v->in_desc[i]);
        for (int64_t j = 0; j < count; j++)
            v->in[i][j] = v->in_desc[i].dtype == LIMN_F32 ? 2 * limn_test_draw(&state) - 1 : 0;
        if (v->op->fill)
            v->op->fill(v->params, v->in_desc, v->in_count, i, v->in[i], limn_test_draw, &state);
        for (int64_t j = 0; j < count; j++)
            v->in[i][j] = rounded(v->in_desc[i].dtype, v->in[i][j]);
    }
    for (int i = 0; i < v->plan.out_count; i++) {
        limn_test_draws state = {seed, (uint64_t)(i + 100) << 40};
        const int64_t count = limn_desc_count(&v->plan.out[i]);
        for (int64_t j = 0; j < count; j++)
            v->grad_out[i][j] = rounded(LIMN_F32, 2 * limn_test_draw(&state) - 1);
    }
}

limn_status limn_op_values_create(limn_device *device, const limn_op *op, const char *params,
                                  const limn_desc *in, int in_count, uint64_t seed,
                                  limn_op_values *v)
{
    limn_context *ctx = limn_device_context(device);
    *v = (limn_op_values){.op = op, .in_count = in_count};
    memcpy(v->in_desc, in, (size_t)in_count * sizeof *in);
    limn_status status = limn_alloc(ctx, op->name, 1, op->params_size, &v->params);
    if (status == LIMN_OK)
        status = limn_op_parse(ctx, op, params, v->params);
    if (status == LIMN_OK)
        status = limn_op_make_plan(device, op, v->params, in, in_count, &v->plan);
    for (int i = 0; i < in_count && status == LIMN_OK; i++) {
        status = new_array(ctx, &in[i], &v->in[i]);
        if (status == LIMN_OK && (op->differentiable >> i & 1))
            status = new_array(ctx, &in[i], &v->grad_in[i]);
    }
    for (int i = 0; i < v->plan.out_count && status == LIMN_OK; i++) {
        status = new_array(ctx, &v->plan.out[i], &v->out[i]);
        if (status == LIMN_OK)
            status = new_array(ctx, &v->plan.out[i], &v->grad_out[i]);
    }
    for (int i = 0; i < v->plan.saved_count && status == LIMN_OK; i++)
        status = new_array(ctx, &v->plan.saved[i], &v->saved[i]);
    if (status == LIMN_OK)
        fill_inputs(v, seed);
    else
        limn_op_values_free(v);
    return status;
}

void limn_op_values_free(limn_op_values *v)
{
    for (int i = 0; i < LIMN_OP_MAX_IN; i++) {
        limn_free(v->in[i]);
        limn_free(v->grad_in[i]);
    }
    for (int i = 0; i < LIMN_OP_MAX_OUT; i++) {
        limn_free(v->out[i]);
        limn_free(v->grad_out[i]);
    }
    for (int i = 0; i < LIMN_OP_MAX_SAVED; i++)
        limn_free(v->saved[i]);
    limn_free(v->params);
    *v = (limn_op_values){0};
}

static limn_op_reference reference_of(const limn_op_values *v)
{
    limn_op_reference r = {
        .params = v->params, .plan = &v->plan, .in_count = v->in_count, .in_desc = v->in_desc};
    memcpy(r.in, v->in, sizeof r.in);
    memcpy(r.out, v->out, sizeof r.out);
    memcpy(r.saved, v->saved, sizeof r.saved);
    for (int i = 0; i < LIMN_OP_MAX_OUT; i++)
        r.grad_out[i] = v->grad_out[i];
    memcpy(r.grad_in, v->grad_in, sizeof r.grad_in);
    return r;
}

void limn_op_values_forward(limn_op_values *v)
{
    const limn_op_reference r = reference_of(v);
    v->op->forward_reference(&r);
}

void limn_op_values_backward(limn_op_values *v)
{
    for (int i = 0; i < v->in_count; i++)
        if (v->grad_in[i])
            memset(v->grad_in[i], 0, (size_t)limn_desc_count(&v->in_desc[i]) * sizeof(double));
    const limn_op_reference r = reference_of(v);
    v->op->backward_reference(&r);
}

/* ---- device tensors with guards ----------------------------------------------------------------
 */

static limn_status create_guarded(limn_device *device, const limn_desc *desc, limn_tensor **out)
{
    limn_context *ctx = limn_device_context(device);
    limn_tensor *tensor;
    limn_status status = limn_alloc(ctx, "check", 1, sizeof *tensor, (void **)&tensor);
    if (status != LIMN_OK)
        return status;
    tensor->desc = *desc;
    const size_t bytes = limn_desc_bytes(desc);
    *out = tensor;
    if ((status = limn_buffer_create(device, bytes + GUARD, &tensor->buffer)) != LIMN_OK)
        return status;
    const unsigned char nan_bytes = 0xff, guard = 0xa5;
    if ((status = limn_buffer_fill(tensor->buffer, 0, bytes, &nan_bytes, 1)) != LIMN_OK)
        return status;
    return limn_buffer_fill(tensor->buffer, bytes, GUARD, &guard, 1);
}

static limn_status guard_holds(const limn_tensor *tensor, bool *intact)
{
    unsigned char bytes[GUARD];
    const limn_status status =
        limn_buffer_read(tensor->buffer, limn_desc_bytes(&tensor->desc), bytes, GUARD);
    for (int i = 0; status == LIMN_OK && i < GUARD; i++)
        if (bytes[i] != 0xa5)
            *intact = false;
    return status;
}

static double value_at(limn_dtype dtype, const void *data, size_t i)
{
    switch (dtype) {
    case LIMN_F32:
        return ((const float *)data)[i];
    case LIMN_I32:
        return ((const int32_t *)data)[i];
    case LIMN_U8:
        return ((const uint8_t *)data)[i];
    }
    return NAN;
}

/* Raises *error and *scale by what one tensor shows. */
static limn_status compare(limn_context *ctx, const limn_tensor *tensor, const double *reference,
                           double *error, double *scale)
{
    const size_t count = (size_t)limn_desc_count(&tensor->desc);
    void *data;
    limn_status status =
        limn_alloc(ctx, "check", count, limn_dtype_size(tensor->desc.dtype), &data);
    if (status != LIMN_OK)
        return status;
    status = limn_tensor_read(tensor, data);
    double largest = 0, worst = 0;
    for (size_t i = 0; status == LIMN_OK && i < count; i++) {
        const double got = value_at(tensor->desc.dtype, data, i), want = reference[i];
        const double difference = got == want ? 0 : fabs(got - want);
        largest = fmax(largest, fabs(want));
        worst = difference <= worst ? worst : (difference > worst ? difference : INFINITY);
    }
    limn_free(data);
    const double relative = largest > 0 ? worst / largest : worst;
    *error = relative <= *error ? *error : relative;
    *scale = fmax(*scale, largest);
    return status;
}

typedef struct rig {
    limn_context *ctx;
    limn_op_run run;
    limn_tensor
        *all[2 * LIMN_OP_MAX_IN + 2 * LIMN_OP_MAX_OUT + LIMN_OP_MAX_SAVED + LIMN_OP_MAX_PREPARED];
    int count;
} rig;

static limn_status add_tensor(rig *r, const limn_desc *desc, limn_tensor **out)
{
    const limn_status status = create_guarded(r->run.device, desc, &r->all[r->count]);
    if (r->all[r->count])
        *out = r->all[r->count++];
    return status;
}

static void free_rig(rig *r)
{
    for (int i = 0; i < r->count; i++)
        limn_tensor_destroy(&r->all[i]);
    limn_buffer_destroy(&r->run.scratch);
}

/* Memory for what is prepared, the inputs, and the preparing: while the inputs that it must not
 * read are still NaN. */
static limn_status prepare(const limn_op_values *v, rig *r)
{
    limn_status status = LIMN_OK;
    for (int i = 0; i < LIMN_OP_MAX_PREPARED && status == LIMN_OK; i++) {
        const limn_desc bytes = limn_desc_make(LIMN_U8, 1, (int64_t)v->plan.prepared[i], 0, 0, 0);
        limn_tensor *prepared;
        if (!v->plan.prepared[i])
            continue;
        status = add_tensor(r, &bytes, &prepared);
        if (status == LIMN_OK)
            r->run.prepared[i] = prepared->buffer;
    }
    for (int late = 0; late < 2 && status == LIMN_OK; late++) {
        for (int i = 0; i < v->in_count && status == LIMN_OK; i++)
            if ((v->op->prepare_in >> i & 1) == !late)
                status = limn_tensor_write_doubles(r->run.in[i], v->in[i]);
        if (status == LIMN_OK && !late && v->op->prepare)
            status = v->op->prepare(&r->run);
    }
    return status;
}

static limn_status make_rig(limn_device *device, const limn_op_values *v,
                            const limn_op_check_way *way, rig *r)
{
    *r = (rig){.ctx = limn_device_context(device)};
    r->run = (limn_op_run){
        .device = device, .params = v->params, .plan = &v->plan, .in_count = v->in_count};
    limn_status status = LIMN_OK;
    for (int i = 0; i < v->in_count && status == LIMN_OK; i++) {
        status = add_tensor(r, &v->in_desc[i], &r->run.in[i]);
        if (status == LIMN_OK && v->grad_in[i] && way->asked >> i & 1)
            status = add_tensor(r, &v->in_desc[i], &r->run.grad_in[i]);
    }
    for (int i = 0; i < v->plan.out_count && status == LIMN_OK; i++) {
        if (i == 0 && way->in_place >= 0)
            r->run.out[i] = r->run.in[way->in_place];
        else
            status = add_tensor(r, &v->plan.out[i], &r->run.out[i]);
        if (status == LIMN_OK && v->op->differentiable)
            status = add_tensor(r, &v->plan.out[i], &r->run.grad_out[i]);
        if (status == LIMN_OK && v->op->differentiable)
            status = limn_tensor_write_doubles(r->run.grad_out[i], v->grad_out[i]);
    }
    for (int i = 0; i < v->plan.saved_count && status == LIMN_OK; i++)
        status = add_tensor(r, &v->plan.saved[i], &r->run.saved[i]);
    return status == LIMN_OK ? prepare(v, r) : status;
}

static limn_status run_once(const limn_op *op, rig *r, bool backward)
{
    const size_t bytes = backward ? r->run.plan->backward_scratch : r->run.plan->forward_scratch;
    limn_status status = LIMN_OK;
    if (bytes) {
        status = limn_buffer_create(r->run.device, bytes, &r->run.scratch);
        const unsigned char nan_bytes = 0xff;
        if (status == LIMN_OK)
            status = limn_buffer_fill(r->run.scratch, 0, bytes, &nan_bytes, 1);
    }
    if (status == LIMN_OK)
        status = backward ? op->backward(&r->run) : op->forward(&r->run);
    limn_buffer_destroy(&r->run.scratch);
    return status;
}

/* Forward once more as in a graph without backward: every output anew. */
static limn_status run_without_saving(const limn_op *op, rig *r)
{
    const unsigned char nan_bytes = 0xff;
    limn_status status = LIMN_OK;
    for (int i = 0; i < r->run.plan->out_count && status == LIMN_OK; i++)
        status = limn_buffer_fill(r->run.out[i]->buffer, 0, limn_desc_bytes(&r->run.out[i]->desc),
                                  &nan_bytes, 1);
    for (int i = 0; i < r->run.plan->saved_count; i++)
        r->run.saved[i] = NULL;
    return status == LIMN_OK ? run_once(op, r, false) : status;
}

/* Whether two tensors hold the same bits. */
static limn_status same_bits(limn_context *ctx, const limn_tensor *a, const limn_tensor *b,
                             bool *same)
{
    const size_t bytes = limn_desc_bytes(&a->desc);
    unsigned char *both;
    limn_status status = limn_alloc(ctx, "check", bytes, 2, (void **)&both);
    if (status != LIMN_OK)
        return status;
    if ((status = limn_tensor_read(a, both)) == LIMN_OK &&
        (status = limn_tensor_read(b, both + bytes)) == LIMN_OK &&
        memcmp(both, both + bytes, bytes) != 0)
        *same = false;
    limn_free(both);
    return status;
}

/* Judges one finished rig against the reference values. */
static limn_status judge(const limn_op_values *v, const limn_op_values *before, rig *r,
                         limn_op_check *out)
{
    limn_status status = LIMN_OK;
    for (int i = 0; i < v->plan.out_count && status == LIMN_OK; i++)
        status =
            compare(r->ctx, r->run.out[i], v->out[i], &out->forward_error, &out->forward_scale);
    for (int i = 0; i < v->in_count && status == LIMN_OK; i++) {
        if (v->op->updates >> i & 1) {
            status =
                compare(r->ctx, r->run.in[i], v->in[i], &out->forward_error, &out->forward_scale);
        } else if (r->run.out[0] != r->run.in[i]) {
            double changed = 0, scale = 0;
            status = compare(r->ctx, r->run.in[i], before->in[i], &changed, &scale);
            out->inputs_intact = out->inputs_intact && changed == 0;
        }
        if (status == LIMN_OK && r->run.grad_in[i] && out->has_backward)
            status = compare(r->ctx, r->run.grad_in[i], v->grad_in[i], &out->backward_error,
                             &out->backward_scale);
    }
    for (int i = 0; i < r->count && status == LIMN_OK; i++)
        status = guard_holds(r->all[i], &out->guards_intact);
    return status;
}

limn_status limn_op_check_run(limn_device *device, const limn_op *op, const char *params,
                              const limn_desc *in, int in_count, uint64_t seed,
                              const limn_op_check_way *way, limn_op_check *out)
{
    static const limn_op_check_way plain = {.asked = ~0u, .in_place = -1};
    way = way ? way : &plain;
    *out = (limn_op_check){.guards_intact = true,
                           .inputs_intact = true,
                           .repeats = true,
                           .has_backward = op->differentiable != 0 && way->in_place < 0};
    limn_op_values v = {0}, before = {0};
    rig rigs[2] = {{0}, {0}};
    limn_status status = limn_op_values_create(device, op, params, in, in_count, seed, &v);
    if (status == LIMN_OK)
        status = limn_op_values_create(device, op, params, in, in_count, seed, &before);
    for (int i = 0; i < 2 && status == LIMN_OK; i++) {
        status = make_rig(device, &v, way, &rigs[i]);
        if (status == LIMN_OK)
            status = run_once(op, &rigs[i], false);
        if (status == LIMN_OK && out->has_backward)
            status = run_once(op, &rigs[i], true);
        if (status == LIMN_OK && i > 0 && op->saves_for_backward)
            status = run_without_saving(op, &rigs[i]);
    }
    if (status == LIMN_OK) {
        limn_op_values_forward(&v);
        if (out->has_backward)
            limn_op_values_backward(&v);
        status = judge(&v, &before, &rigs[0], out);
    }
    for (int i = 0; i < rigs[0].count && status == LIMN_OK; i++)
        status = same_bits(rigs[0].ctx, rigs[0].all[i], rigs[1].all[i], &out->repeats);
    for (int i = 0; i < 2; i++)
        free_rig(&rigs[i]);
    limn_op_values_free(&before);
    limn_op_values_free(&v);
    return status;
}
