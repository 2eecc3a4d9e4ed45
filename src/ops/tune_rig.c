#include "ops/tune_rig.h"

#include "base/memory.h"
#include "device/tuning.h"
#include "ops/bench.h"

#include <math.h>
#include <string.h>

enum { GUARD = 1024 };

static limn_status new_tensor(limn_tune_rig *rig, const limn_desc *desc, limn_tensor **out)
{
    return limn_tensor_create(rig->run.device, desc, out);
}

/* A tensor with bytes behind it. */
static limn_status new_result(limn_tune_rig *rig, const limn_desc *desc, limn_tensor **out)
{
    limn_tensor *tensor;
    limn_status status = limn_alloc(rig->ctx, "tuning", 1, sizeof *tensor, (void **)&tensor);
    if (status != LIMN_OK)
        return status;
    tensor->desc = *desc;
    *out = rig->result = tensor;
    rig->bytes = limn_desc_bytes(desc);
    return limn_buffer_create(rig->run.device, rig->bytes + GUARD, &tensor->buffer);
}

limn_status limn_tune_rig_make(limn_device *device, const limn_tune_job *job, int64_t batch,
                               uint64_t seed, limn_tune_rig *rig)
{
    const int d = job->direction;
    limn_op_plan plan;
    *rig = (limn_tune_rig){.job = job, .ctx = limn_device_context(device)};
    rig->run = (limn_op_run){.device = device, .params = job->params, .in_count = job->in_count};
    memcpy(rig->in, job->in, sizeof rig->in);
    rig->in[0].dim[0] = batch;
    limn_status status =
        limn_op_make_plan(device, job->op, job->params, rig->in, job->in_count, &plan);
    for (int i = 0; i < job->in_count && status == LIMN_OK; i++) {
        status = new_tensor(rig, &rig->in[i], &rig->run.in[i]);
        if (status == LIMN_OK)
            status = limn_bench_fill(device, job->op, job->params, rig->in, job->in_count, i, seed,
                                     rig->run.in[i]);
    }
    for (int i = 0; i < plan.out_count && status == LIMN_OK; i++) {
        if (d == 0) {
            status = i == 0 ? new_result(rig, &plan.out[i], &rig->run.out[i])
                            : new_tensor(rig, &plan.out[i], &rig->run.out[i]);
            continue;
        }
        status = new_tensor(rig, &plan.out[i], &rig->run.grad_out[i]);
        if (status == LIMN_OK)
            status = limn_bench_fill_uniform(device, seed, 100 + (uint64_t)i, rig->run.grad_out[i]);
    }
    if (status == LIMN_OK && d > 0)
        status = new_result(rig, &rig->in[d - 1], &rig->run.grad_in[d - 1]);
    return status;
}

void limn_tune_rig_free(limn_tune_rig *rig)
{
    for (int i = 0; i < LIMN_OP_MAX_IN; i++) {
        limn_tensor_destroy(&rig->run.in[i]);
        limn_tensor_destroy(&rig->run.grad_in[i]);
    }
    for (int i = 0; i < LIMN_OP_MAX_OUT; i++) {
        limn_tensor_destroy(&rig->run.out[i]);
        limn_tensor_destroy(&rig->run.grad_out[i]);
    }
    rig->result = NULL;
}

limn_status limn_tune_way_make(const limn_tune_rig *rig, int which, limn_tune_way *way)
{
    const limn_tune_job *job = rig->job;
    const limn_op_choices *choices = job->op->choices;
    limn_device *device = rig->run.device;
    const limn_choice_case c = {device, job->params, rig->in, job->in_count};
    char shape[LIMN_TUNING_SHAPE];
    *way = (limn_tune_way){.scratch = NULL};
    choices->shape(&c, shape, sizeof shape);
    const limn_tuning_key key = {job->op->name, shape, choices->directions[job->direction]};
    limn_status status = limn_tuning_set(device, &key, choices->name(which), LIMN_TUNING_TRIAL);
    if (status == LIMN_OK)
        status =
            limn_op_make_plan(device, job->op, job->params, rig->in, job->in_count, &way->plan);
    limn_tuning_drop(device, LIMN_TUNING_TRIAL);
    if (status == LIMN_OK && way->plan.choice[job->direction] != which)
        status = limn_fail(rig->ctx, LIMN_FAILED, "cannot try", choices->name(which),
                           "it does not serve this batch");
    const size_t bytes = job->direction ? way->plan.backward_scratch : way->plan.forward_scratch;
    if (status == LIMN_OK && bytes)
        status = limn_buffer_create(device, bytes, &way->scratch);
    return status;
}

void limn_tune_way_free(limn_tune_way *way)
{
    limn_buffer_destroy(&way->scratch);
}

limn_status limn_tune_way_run(limn_tune_rig *rig, const limn_tune_way *way)
{
    rig->run.plan = &way->plan;
    rig->run.scratch = way->scratch;
    return rig->job->direction ? rig->job->op->backward(&rig->run)
                               : rig->job->op->forward(&rig->run);
}

limn_status limn_tune_way_read(limn_tune_rig *rig, const limn_tune_way *way, float **values,
                               bool *intact)
{
    const unsigned char ones = 0xff; /* as a float: NaN */
    unsigned char *bytes = NULL;
    *values = NULL;
    limn_status status =
        limn_buffer_fill(rig->result->buffer, 0, rig->bytes + GUARD, &ones, sizeof ones);
    if (status == LIMN_OK)
        status = limn_tune_way_run(rig, way);
    if (status == LIMN_OK)
        status = limn_alloc(rig->ctx, "tuning", rig->bytes + GUARD, 1, (void **)&bytes);
    if (status == LIMN_OK)
        status = limn_buffer_read(rig->result->buffer, 0, bytes, rig->bytes + GUARD);
    if (status != LIMN_OK) {
        limn_free(bytes);
        return status;
    }
    *intact = true;
    for (size_t i = 0; i < GUARD; i++)
        *intact = *intact && bytes[rig->bytes + i] == ones;
    *values = (float *)(void *)bytes;
    return LIMN_OK;
}

double limn_tune_error(const float *a, const float *b, size_t count)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < count; i++) {
        const double difference = fabs((double)a[i] - (double)b[i]);
        if (!isfinite(difference))
            return INFINITY;
        worst = fmax(worst, difference);
        largest = fmax(largest, fabs((double)b[i]));
    }
    return largest > 0 ? worst / largest : worst > 0 ? INFINITY : 0;
}
