#include "data/sampler.h"

#include "base/memory.h"
#include "base/philox.h"

limn_status limn_sampler_init(limn_context *ctx, int64_t count, int64_t batch, bool shuffle,
                              uint64_t seed, limn_sampler *sampler)
{
    *sampler =
        (limn_sampler){.ctx = ctx,
                       .count = count,
                       .batch = batch,
                       .shuffle = shuffle,
                       .seed = seed,
                       .steps_per_epoch = shuffle ? count / batch : (count + batch - 1) / batch,
                       .epoch = -1};
    if (sampler->steps_per_epoch < 1) {
        limn_fail(ctx, LIMN_BAD_USAGE, "bad batch", "--batch",
                  "%lld images do not fill one batch of %lld", (long long)count, (long long)batch);
        limn_hint(ctx, "take --batch %lld or less, or --no-shuffle, which uses a partial batch",
                  (long long)count);
        return LIMN_BAD_USAGE;
    }
    return shuffle ? limn_alloc(ctx, "order of images", (size_t)count, sizeof *sampler->order,
                                (void **)&sampler->order)
                   : LIMN_OK;
}

void limn_sampler_free(limn_sampler *sampler)
{
    limn_free(sampler->order);
    sampler->order = NULL;
}

/* Durstenfeld's shuffle; the draw for position i is addressed by (epoch, i). */
static void shuffle(limn_sampler *s, int64_t epoch)
{
    for (int64_t i = 0; i < s->count; i++)
        s->order[i] = i;
    for (int64_t i = s->count - 1; i > 0; i--) {
        uint32_t bits[4];
        limn_draw(s->seed, LIMN_PURPOSE_SHUFFLE, (uint64_t)i, (uint32_t)epoch, bits);
        /* 64 bits modulo i + 1: the bias is below 2^-32 for any number of images. */
        const uint64_t wide = (uint64_t)bits[0] << 32 | bits[1];
        const int64_t j = (int64_t)(wide % (uint64_t)(i + 1)), other = s->order[j];
        s->order[j] = s->order[i];
        s->order[i] = other;
    }
    s->epoch = epoch;
}

int64_t limn_sampler_step(limn_sampler *s, int64_t step, int64_t *indices)
{
    const int64_t epoch = step / s->steps_per_epoch;
    const int64_t first = step % s->steps_per_epoch * s->batch;
    const int64_t rest = s->count - first, count = rest < s->batch ? rest : s->batch;
    if (s->shuffle && epoch != s->epoch)
        shuffle(s, epoch);
    for (int64_t i = 0; i < count; i++)
        indices[i] = s->shuffle ? s->order[first + i] : first + i;
    return count;
}
