#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "ops/bench.h"

#include "base/memory.h"
#include "base/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CASE_TEXT = 256,
    DEFAULT_SAMPLES = 5,
    SURE_SAMPLES = 10,
    MOST_SAMPLES = 1000,
    MOST_RUNS = 100000
};
static const double sample_seconds = 0.01, default_seconds = 1, default_spread = 0.02;

/* ---- measuring --------------------------------------------------------------------------------
 */

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static limn_status sample(limn_device *device, limn_bench_call *call, void *user, int runs,
                          double *seconds)
{
    const double start = now();
    limn_status status = LIMN_OK;
    for (int i = 0; i < runs && status == LIMN_OK; i++)
        status = call(user);
    const limn_status finished = limn_device_finish(device);
    *seconds = (now() - start) / runs;
    return status == LIMN_OK ? finished : status;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void summarise(const double *samples, int count, limn_bench_time *out)
{
    double sorted[MOST_SAMPLES];
    memcpy(sorted, samples, (size_t)count * sizeof *sorted);
    qsort(sorted, (size_t)count, sizeof *sorted, ascending);
    out->samples = count;
    out->fastest = sorted[0];
    out->seconds = 0.5 * (sorted[(count - 1) / 2] + sorted[count / 2]);
    out->spread = (sorted[(3 * count) / 4] - sorted[count / 4]) / out->seconds;
}

limn_status limn_bench_measure(limn_device *device, limn_bench_call *call, void *user,
                               const limn_bench_params *params, limn_bench_time *out)
{
    const double limit = params->seconds > 0 ? params->seconds : default_seconds;
    const int least = params->samples > 0 ? params->samples : DEFAULT_SAMPLES;
    const double enough = params->spread > 0 ? params->spread : default_spread;
    *out = (limn_bench_time){0};
    double once, samples[MOST_SAMPLES], cpu = 0;
    limn_status status = sample(device, call, user, 1, &once);
    cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    if (status == LIMN_OK)
        status = sample(device, call, user, 1, &once);
    if (status != LIMN_OK)
        return status;
    const double wanted = ceil(sample_seconds / fmax(once, 1e-9));
    const int runs = (int)fmin(wanted, MOST_RUNS);
    if (runs > 1)
        cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    const double start = now() - (runs == 1 ? once : 0);
    for (int count = 0; count < MOST_SAMPLES;) {
        if (count == 0 && runs == 1)
            samples[0] = once;
        else if ((status = sample(device, call, user, runs, &samples[count])) != LIMN_OK)
            return status;
        count++;
        summarise(samples, count, out);
        out->cpu = (read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu) / runs / count;
        if (count >= least && now() - start >= limit)
            break;
        if (count >= SURE_SAMPLES && out->spread <= enough)
            break;
    }
    return LIMN_OK;
}

limn_status limn_bench_measure_long(limn_device *device, limn_bench_call *call, void *user,
                                    const limn_bench_params *params, limn_bench_time *out)
{
    const double limit = params->seconds > 0 ? params->seconds : default_seconds;
    const int least = params->samples > 0 ? params->samples : DEFAULT_SAMPLES;
    double samples[MOST_SAMPLES];
    const double start = now(), cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    *out = (limn_bench_time){0};
    limn_status status = LIMN_OK;
    int count = 0;
    while (status == LIMN_OK && count < MOST_SAMPLES && (count < least || now() - start < limit)) {
        status = sample(device, call, user, 1, &samples[count]);
        count++;
    }
    if (status == LIMN_OK) {
        summarise(samples, count, out);
        out->cpu = (read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu) / count;
    }
    return status;
}

/* ---- inputs -----------------------------------------------------------------------------------
 */

limn_status limn_bench_fill_uniform(limn_device *device, uint64_t seed, uint64_t stream,
                                    limn_tensor *tensor)
{
    const size_t count = (size_t)limn_desc_count(&tensor->desc), blocks = (count + 3) / 4;
    float *values;
    limn_status status = limn_alloc(limn_device_context(device), "bench", blocks,
                                    4 * sizeof *values, (void **)&values);
    for (size_t i = 0; i < blocks && status == LIMN_OK; i++) {
        uint32_t bits[4];
        limn_draw(seed, LIMN_PURPOSE_TEST, stream << 40 | i, 0, bits);
        for (int j = 0; j < 4; j++)
            values[4 * i + (size_t)j] = 2 * limn_uniform(bits[j]) - 1;
    }
    if (status == LIMN_OK)
        status = limn_tensor_write(tensor, values);
    limn_free(values);
    return status;
}

limn_status limn_bench_fill(limn_device *device, const limn_op *op, const void *params,
                            const limn_desc *in, int in_count, int which, uint64_t seed,
                            limn_tensor *tensor)
{
    const limn_desc *desc = &in[which];
    if (!op->fill)
        return desc->dtype == LIMN_F32
                   ? limn_bench_fill_uniform(device, seed, (uint64_t)which, tensor)
                   : limn_tensor_zero(tensor);
    const size_t count = (size_t)limn_desc_count(desc);
    limn_test_draws state = {seed, (uint64_t)which << 40};
    double *values;
    limn_status status =
        limn_alloc(limn_device_context(device), "bench", count, sizeof *values, (void **)&values);
    if (status == LIMN_OK) {
        for (size_t i = 0; i < count; i++)
            values[i] = desc->dtype == LIMN_F32 ? 2 * limn_test_draw(&state) - 1 : 0;
        op->fill(params, in, in_count, which, values, limn_test_draw, &state);
        status = limn_tensor_write_doubles(tensor, values);
    }
    limn_free(values);
    return status;
}

/* ---- one case ---------------------------------------------------------------------------------
 */

typedef struct rig {
    const limn_op *op;
    limn_op_plan plan;
    limn_op_run run;
} rig;

static limn_status run_forward(void *user)
{
    const rig *r = user;
    return r->op->forward(&r->run);
}

static limn_status run_backward(void *user)
{
    const rig *r = user;
    return r->op->backward(&r->run);
}

static limn_status make_rig(limn_device *device, const limn_op *op, const void *params,
                            const limn_op_example *c, uint64_t seed, rig *r)
{
    *r = (rig){.op = op};
    r->run = (limn_op_run){
        .device = device, .params = params, .plan = &r->plan, .in_count = c->in_count};
    limn_status status = limn_op_make_plan(device, op, params, c->in, c->in_count, &r->plan);
    for (int i = 0; i < c->in_count && status == LIMN_OK; i++) {
        status = limn_tensor_create(device, &c->in[i], &r->run.in[i]);
        if (status == LIMN_OK)
            status = limn_bench_fill(device, op, params, c->in, c->in_count, i, seed, r->run.in[i]);
        if (status == LIMN_OK && (op->differentiable >> i & 1))
            status = limn_tensor_create(device, &c->in[i], &r->run.grad_in[i]);
    }
    for (int i = 0; i < r->plan.out_count && status == LIMN_OK; i++) {
        status = limn_tensor_create(device, &r->plan.out[i], &r->run.out[i]);
        if (status != LIMN_OK || !op->differentiable)
            continue;
        status = limn_tensor_create(device, &r->plan.out[i], &r->run.grad_out[i]);
        if (status == LIMN_OK)
            status = limn_bench_fill_uniform(device, seed, 100 + (uint64_t)i, r->run.grad_out[i]);
    }
    for (int i = 0; i < r->plan.saved_count && status == LIMN_OK; i++)
        status = limn_tensor_create(device, &r->plan.saved[i], &r->run.saved[i]);
    const size_t forward = r->plan.forward_scratch, backward = r->plan.backward_scratch;
    if (status == LIMN_OK && (forward || backward))
        status =
            limn_buffer_create(device, forward > backward ? forward : backward, &r->run.scratch);
    return status;
}

static void free_rig(rig *r)
{
    for (int i = 0; i < LIMN_OP_MAX_IN; i++) {
        limn_tensor_destroy(&r->run.in[i]);
        limn_tensor_destroy(&r->run.grad_in[i]);
    }
    for (int i = 0; i < LIMN_OP_MAX_OUT; i++) {
        limn_tensor_destroy(&r->run.out[i]);
        limn_tensor_destroy(&r->run.grad_out[i]);
    }
    for (int i = 0; i < LIMN_OP_MAX_SAVED; i++)
        limn_tensor_destroy(&r->run.saved[i]);
    limn_buffer_destroy(&r->run.scratch);
}

static size_t rig_bytes(const rig *r)
{
    size_t bytes = r->run.scratch ? limn_buffer_size(r->run.scratch) : 0;
    for (int i = 0; i < LIMN_OP_MAX_IN; i++)
        for (int k = 0; k < 2; k++) {
            const limn_tensor *tensor = k ? r->run.grad_in[i] : r->run.in[i];
            bytes += tensor ? limn_desc_bytes(&tensor->desc) : 0;
        }
    for (int i = 0; i < LIMN_OP_MAX_OUT; i++)
        for (int k = 0; k < 2; k++) {
            const limn_tensor *tensor = k ? r->run.grad_out[i] : r->run.out[i];
            bytes += tensor ? limn_desc_bytes(&tensor->desc) : 0;
        }
    for (int i = 0; i < LIMN_OP_MAX_SAVED; i++)
        bytes += r->run.saved[i] ? limn_desc_bytes(&r->run.saved[i]->desc) : 0;
    return bytes;
}

static void case_text(const limn_op_example *c, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "%s", c->params);
    for (int i = 0; i < c->in_count && used < size; i++) {
        char desc[64];
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? " " : "",
                                 limn_desc_text(&c->in[i], desc, sizeof desc));
    }
}

static limn_status bench_case(limn_device *device, const limn_op *op, const limn_op_example *c,
                              const limn_bench_params *params, limn_bench_fn seen, void *user)
{
    limn_context *ctx = limn_device_context(device);
    char shape[256];
    case_text(c, shape, sizeof shape);
    void *op_params;
    rig r = {.op = op};
    limn_status status = limn_alloc(ctx, op->name, 1, op->params_size, &op_params);
    if (status == LIMN_OK)
        status = limn_op_parse(ctx, op, c->params, op_params);
    if (status == LIMN_OK)
        status = make_rig(device, op, op_params, c, params->seed, &r);
    limn_bench_row row = {.op = op->name,
                          .shape = shape,
                          .direction = "forward",
                          .flops = r.plan.flops,
                          .bytes = r.plan.bytes,
                          .memory = rig_bytes(&r)};
    if (status == LIMN_OK)
        status = limn_bench_measure(device, run_forward, &r, params, &row.time);
    if (status == LIMN_OK)
        seen(user, &row);
    if (status == LIMN_OK && op->differentiable) {
        row.direction = "backward";
        row.flops = r.plan.backward_flops;
        row.bytes = r.plan.backward_bytes;
        status = limn_bench_measure(device, run_backward, &r, params, &row.time);
        if (status == LIMN_OK)
            seen(user, &row);
    }
    free_rig(&r);
    limn_free(op_params);
    if (status == LIMN_OUT_OF_DEVICE_MEMORY) {
        limn_log(ctx, LIMN_LOG_WARNING, "%s %s skipped: the device has too little memory", op->name,
                 shape);
        limn_error_clear(ctx);
        limn_device_trim(device);
        status = LIMN_OK;
    }
    return status;
}

/* ---- ops --------------------------------------------------------------------------------------
 */

const char *limn_bench_op_at(size_t index)
{
    for (size_t i = 0; i < limn_op_count; i++)
        if (limn_op_table[i]->bench && index-- == 0)
            return limn_op_table[i]->name;
    return NULL;
}

static int case_count(const limn_op *op, const char *given)
{
    int count = given ? 1 : 0;
    for (const char *at = given; at && *at; at++)
        count += *at == ';';
    while (!given && op->bench[count].params)
        count++;
    return count;
}

/* Case number `index` of those given. */
static limn_status given_case(limn_context *ctx, const limn_op *op, const char *cases, int index,
                              char *text, size_t size, limn_op_example *out)
{
    while (index-- > 0)
        cases = strchr(cases, ';') + 1;
    return limn_bench_parse_case(ctx, op->name, cases, strcspn(cases, ";"), text, size, out);
}

limn_status limn_bench_op(limn_device *device, const char *name, const limn_bench_params *params,
                          limn_bench_fn seen, void *user)
{
    limn_context *ctx = limn_device_context(device);
    const limn_op *op = limn_op_find(name);
    if (!op || !op->bench)
        return limn_fail(ctx, LIMN_BAD_USAGE, "unknown op", name, "there is no benchmark of it");
    const int count = case_count(op, params->cases);
    limn_progress report = {
        .task = "measuring", .unit = "cases", .detail = name, .total = (double)count};
    limn_status status = LIMN_OK;
    for (int i = 0; i < count && status == LIMN_OK; i++) {
        char text[CASE_TEXT];
        limn_op_example given;
        if (params->cases)
            status = given_case(ctx, op, params->cases, i, text, sizeof text, &given);
        if (status == LIMN_OK)
            status =
                bench_case(device, op, params->cases ? &given : &op->bench[i], params, seen, user);
        report.done = (double)(i + 1);
        report.finished = i + 1 == count;
        if (status == LIMN_OK)
            status = limn_report(ctx, &report);
    }
    return status;
}

static void note_flops(void *user, const limn_bench_row *row)
{
    limn_bench_peak *peak = user;
    peak->flops = fmax(peak->flops, row->flops / row->time.fastest);
}

static void note_bandwidth(void *user, const limn_bench_row *row)
{
    limn_bench_peak *peak = user;
    peak->bandwidth = fmax(peak->bandwidth, row->bytes / row->time.fastest);
}

limn_status limn_bench_peak_measure(limn_device *device, const limn_bench_params *params,
                                    limn_bench_peak *out)
{
    *out = (limn_bench_peak){0};
    const limn_status status = limn_bench_op(device, "fma_chain", params, note_flops, out);
    return status == LIMN_OK ? limn_bench_op(device, "copy", params, note_bandwidth, out) : status;
}

double limn_bench_least_seconds(const limn_bench_peak *peak, double flops, double bytes)
{
    const double arithmetic = peak->flops > 0 ? flops / peak->flops : 0;
    const double memory = peak->bandwidth > 0 ? bytes / peak->bandwidth : 0;
    return fmax(arithmetic, memory);
}
