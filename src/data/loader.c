#define _POSIX_C_SOURCE 200809L
#include "data/loader.h"

#include "base/context.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

typedef enum loader_state { IDLE, ASKED, READY, ENDED } loader_state;

struct limn_loader {
    const limn_dataset *data;
    limn_host_batch batches[2];
    int64_t *wanted;
    int next; /* the batch that the thread fills */
    loader_state state;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool has_lock, has_condition, has_thread;
};

static void gather(const limn_loader *l, limn_host_batch *batch)
{
    const limn_dataset *data = l->data;
    const size_t size = (size_t)(data->height * data->width * data->channels);
    for (int64_t i = 0; i < batch->count; i++) {
        const int64_t at = l->wanted[i];
        memcpy(batch->images + (size_t)i * size, data->images + (size_t)at * size, size);
        batch->labels[i] = data->labels[at];
        batch->indices[i] = (int32_t)at;
    }
}

static void *work(void *argument)
{
    limn_loader *l = argument;
    pthread_mutex_lock(&l->lock);
    while (l->state != ENDED) {
        if (l->state != ASKED) {
            pthread_cond_wait(&l->changed, &l->lock);
            continue;
        }
        pthread_mutex_unlock(&l->lock);
        gather(l, &l->batches[l->next]);
        pthread_mutex_lock(&l->lock);
        if (l->state == ASKED)
            l->state = READY;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Signals stay with the main thread. */
static bool start_thread(limn_loader *l)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_BLOCK, &all, &before) != 0)
        return false;
    l->has_thread = pthread_create(&l->thread, NULL, work, l) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return l->has_thread;
}

static limn_status make_batches(limn_context *ctx, limn_loader *l, int64_t capacity)
{
    const limn_dataset *data = l->data;
    const size_t size = (size_t)(data->height * data->width * data->channels);
    limn_status status =
        limn_alloc(ctx, "batch", (size_t)capacity, sizeof *l->wanted, (void **)&l->wanted);
    for (int i = 0; i < 2 && status == LIMN_OK; i++) {
        limn_host_batch *b = &l->batches[i];
        status = limn_alloc(ctx, "batch", (size_t)capacity, size, (void **)&b->images);
        if (status == LIMN_OK)
            status =
                limn_alloc(ctx, "batch", (size_t)capacity, sizeof *b->labels, (void **)&b->labels);
        if (status == LIMN_OK)
            status = limn_alloc(ctx, "batch", (size_t)capacity, sizeof *b->indices,
                                (void **)&b->indices);
    }
    return status;
}

limn_status limn_loader_create(limn_context *ctx, const limn_dataset *data, int64_t capacity,
                               limn_loader **out)
{
    *out = NULL;
    limn_loader *l;
    limn_status status = limn_alloc(ctx, "loader", 1, sizeof *l, (void **)&l);
    if (status != LIMN_OK)
        return status;
    l->data = data;
    status = make_batches(ctx, l, capacity);
    if (status == LIMN_OK) {
        l->has_lock = pthread_mutex_init(&l->lock, NULL) == 0;
        l->has_condition = l->has_lock && pthread_cond_init(&l->changed, NULL) == 0;
        if (!l->has_condition || !start_thread(l))
            status = limn_fail(ctx, LIMN_FAILED, "cannot start", "loader",
                               "the system gives no further thread");
    }
    if (status != LIMN_OK)
        limn_loader_destroy(&l);
    *out = l;
    return status;
}

void limn_loader_destroy(limn_loader **handle)
{
    limn_loader *l = handle ? *handle : NULL;
    if (!l)
        return;
    if (l->has_thread) {
        pthread_mutex_lock(&l->lock);
        l->state = ENDED;
        pthread_cond_broadcast(&l->changed);
        pthread_mutex_unlock(&l->lock);
        pthread_join(l->thread, NULL);
    }
    if (l->has_condition)
        pthread_cond_destroy(&l->changed);
    if (l->has_lock)
        pthread_mutex_destroy(&l->lock);
    for (int i = 0; i < 2; i++) {
        limn_free(l->batches[i].images);
        limn_free(l->batches[i].labels);
        limn_free(l->batches[i].indices);
    }
    limn_free(l->wanted);
    limn_free(l);
    *handle = NULL;
}

void limn_loader_request(limn_loader *l, const int64_t *indices, int64_t count)
{
    pthread_mutex_lock(&l->lock);
    memcpy(l->wanted, indices, (size_t)count * sizeof *indices);
    l->batches[l->next].count = count;
    l->state = ASKED;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

const limn_host_batch *limn_loader_take(limn_loader *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->state == ASKED)
        pthread_cond_wait(&l->changed, &l->lock);
    const limn_host_batch *batch = &l->batches[l->next];
    l->next = 1 - l->next;
    l->state = IDLE;
    pthread_mutex_unlock(&l->lock);
    return batch;
}
