/* A function to be explained as a compiled graph for batches. */
#include "attr/attribution.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { NEAR_NAMES = 3 };

void limn_attr_network_free(limn_attr_network *net)
{
    limn_graph_destroy(&net->graph);
}

static limn_status build(limn_attr_job *job, int64_t batch, limn_attr_network *net)
{
    *net = (limn_attr_network){.x = -1, .condition = -1, .score = -1, .last = -1, .batch = batch};
    const limn_desc x = limn_desc_make(LIMN_F32, 4, batch, job->height, job->width, job->channels);
    const limn_desc condition = job->directions
                                    ? limn_desc_make(LIMN_F32, 2, batch, job->direction_size, 0, 0)
                                    : limn_desc_make(LIMN_I32, 1, batch, 0, 0, 0);
    limn_status status = limn_graph_create(job->device, &net->graph);
    if (status == LIMN_OK)
        status = limn_graph_input(net->graph, NULL, &x, &net->x);
    if (status == LIMN_OK)
        status = limn_graph_input(net->graph, NULL, &condition, &net->condition);
    if (status == LIMN_OK)
        status = job->build(job, net->graph, net->x, net->condition, &net->score, &net->last);
    return status;
}

limn_status limn_attr_network_sketch(limn_attr_job *job, limn_attr_network *out)
{
    return build(job, 1, out);
}

/* Of two strings: the fewest insertions, deletions and replacements that turn one into the other
 * (V. Levenshtein, 1966).  Names beyond the room count as far away. */
static size_t distance(const char *a, const char *b)
{
    enum { ROOM = 96 };
    size_t row[ROOM + 1];
    const size_t m = strlen(a), n = strlen(b);
    if (n > ROOM)
        return m + n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            const size_t moved = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < moved ? replaced : moved;
        }
    }
    return row[n];
}

/* Computed from the images, and with rows and columns. */
static bool is_spatial(const limn_attr_network *net, limn_node node)
{
    return limn_graph_is_output(net->graph, node) && limn_graph_desc(net->graph, node)->rank == 4;
}

static void hint_near(limn_attr_job *job, const limn_attr_network *net, const char *name)
{
    const char *best[NEAR_NAMES] = {NULL}, *candidate;
    limn_node node;
    for (int i = 0; (candidate = limn_graph_name_at(net->graph, i, &node)); i++) {
        if (!is_spatial(net, node))
            continue;
        for (int k = 0; k < NEAR_NAMES; k++) {
            if (best[k] && distance(name, best[k]) <= distance(name, candidate))
                continue;
            memmove(&best[k + 1], &best[k], (size_t)(NEAR_NAMES - 1 - k) * sizeof *best);
            best[k] = candidate;
            break;
        }
    }
    if (best[0])
        limn_hint(job->ctx, "near names: %s%s%s%s%s", best[0], best[1] ? ", " : "",
                  best[1] ? best[1] : "", best[2] ? ", " : "", best[2] ? best[2] : "");
}

limn_status limn_attr_find_layer(limn_attr_job *job, const limn_attr_network *net, const char *name,
                                 limn_node *out)
{
    *out = limn_graph_find(net->graph, name);
    if (*out >= 0 && is_spatial(net, *out))
        return LIMN_OK;
    limn_fail(job->ctx, LIMN_BAD_USAGE, *out < 0 ? "unknown layer" : "layer without a map", name,
              *out < 0 ? "the network has none of this name"
                       : "its output has no rows and columns, or it is no output");
    hint_near(job, net, name);
    return LIMN_BAD_USAGE;
}

static limn_status want(limn_attr_job *job, limn_attr_network *net, const limn_attr_wanted *wanted)
{
    limn_status status = LIMN_OK;
    if (wanted->input)
        status = limn_graph_want_gradient(net->graph, net->x);
    for (int i = 0; i < wanted->layer_count + wanted->last && status == LIMN_OK; i++) {
        limn_node node = net->last;
        if (i < wanted->layer_count)
            status = limn_attr_find_layer(job, net, wanted->layers[i], &node);
        if (status == LIMN_OK)
            status = limn_graph_keep(net->graph, node);
        if (status == LIMN_OK)
            status = limn_graph_want_gradient(net->graph, node);
    }
    return status;
}

static limn_status try_batch(limn_attr_job *job, int64_t batch, const limn_attr_wanted *wanted,
                             limn_attr_network *net)
{
    const bool backward = wanted->input || wanted->layer_count || wanted->last;
    limn_status status = build(job, batch, net);
    if (status == LIMN_OK)
        status = want(job, net, wanted);
    if (status == LIMN_OK)
        status = limn_graph_keep(net->graph, net->score);
    if (status == LIMN_OK)
        status = limn_graph_freeze(net->graph);
    if (status == LIMN_OK)
        status = limn_graph_compile(net->graph, backward ? net->score : -1);
    return status;
}

limn_status limn_attr_network_create(limn_attr_job *job, int64_t batch,
                                     const limn_attr_wanted *wanted, limn_attr_network *out)
{
    for (;;) {
        const limn_status status = try_batch(job, batch, wanted, out);
        if (status != LIMN_OUT_OF_DEVICE_MEMORY || batch == 1)
            return status;
        limn_attr_network_free(out);
        limn_device_trim(job->device);
        limn_log(job->ctx, LIMN_LOG_WARNING,
                 "%s: the device has no room for batches of %lld, going on with %lld", job->task,
                 (long long)batch, (long long)(batch / 2));
        batch /= 2;
    }
}

/* Row `row` of a tensor whose rows have `bytes` bytes. */
static limn_status write_row(limn_tensor *tensor, int64_t row, const void *values, size_t bytes)
{
    return limn_buffer_write(tensor->buffer, (size_t)row * bytes, values, bytes);
}

static limn_status write_condition(limn_attr_job *job, limn_attr_network *net, int64_t row,
                                   int64_t index)
{
    limn_tensor *condition = limn_graph_tensor(net->graph, net->condition);
    if (!job->directions)
        return write_row(condition, row, &job->classes[index], sizeof *job->classes);
    const size_t size = (size_t)job->direction_size;
    return write_row(condition, row, job->directions + (size_t)job->direction_of[index] * size,
                     size * sizeof(float));
}

limn_status limn_attr_load(limn_attr_job *job, limn_attr_network *net, int64_t at, int64_t count)
{
    limn_tensor *x = limn_graph_tensor(net->graph, net->x);
    const size_t size = (size_t)(job->height * job->width * job->channels);
    float *image;
    limn_status status = limn_alloc(job->ctx, "image", size, sizeof *image, (void **)&image);
    if (status == LIMN_OK && count < net->batch)
        status = limn_tensor_zero(x);
    for (int64_t row = 0; row < net->batch && status == LIMN_OK; row++) {
        if (row < count) {
            job->image(job, at + row, image);
            status = write_row(x, row, image, size * sizeof *image);
        }
        if (status == LIMN_OK)
            status = write_condition(job, net, row, at + (row < count ? row : count - 1));
    }
    limn_free(image);
    return status;
}

limn_status limn_attr_condition(limn_attr_job *job, limn_attr_network *net, int64_t index)
{
    limn_status status = LIMN_OK;
    for (int64_t row = 0; row < net->batch && status == LIMN_OK; row++)
        status = write_condition(job, net, row, index);
    return status;
}

limn_status limn_attr_backward(limn_attr_network *net, int64_t count)
{
    const float one = 1;
    limn_tensor *seed = limn_graph_gradient(net->graph, net->score);
    limn_status status = limn_tensor_zero(seed);
    if (status == LIMN_OK)
        status = limn_buffer_fill(seed->buffer, 0, (size_t)count * sizeof one, &one, sizeof one);
    if (status == LIMN_OK)
        status = limn_graph_forward(net->graph);
    return status == LIMN_OK ? limn_graph_backward(net->graph) : status;
}

limn_status limn_attr_progress(limn_attr_job *job, const char *unit, int64_t done, int64_t total)
{
    const limn_progress report = {.task = job->task,
                                  .unit = unit,
                                  .detail = "",
                                  .done = (double)done,
                                  .total = (double)total,
                                  .finished = done >= total};
    const limn_status status = limn_device_pace(job->device);
    return status == LIMN_OK ? limn_report(job->ctx, &report) : status;
}
