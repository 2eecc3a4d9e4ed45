/* The order of images: a permutation an epoch, a pure function of seed and step. */
#include "data/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum { IMAGES = 103, BATCH = 10 };

static limn_context *ctx;

static int open_context(void **state)
{
    (void)state;
    return limn_context_create(NULL, &ctx) != LIMN_OK;
}

static int close_context(void **state)
{
    (void)state;
    limn_context_destroy(&ctx);
    return 0;
}

static void an_epoch_has_every_image_once(void **state)
{
    (void)state;
    limn_sampler s;
    assert_int_equal(limn_sampler_init(ctx, IMAGES, 1, true, 5, &s), LIMN_OK);
    for (int64_t epoch = 0; epoch < 3; epoch++) {
        int seen[IMAGES] = {0}, moved = 0;
        for (int64_t i = 0; i < IMAGES; i++) {
            int64_t at = -1;
            assert_int_equal(limn_sampler_step(&s, epoch * IMAGES + i, &at), 1);
            assert_in_range(at, 0, IMAGES - 1);
            seen[at]++;
            moved += at != i;
        }
        for (int i = 0; i < IMAGES; i++)
            assert_int_equal(seen[i], 1);
        assert_in_range(moved, IMAGES / 2, IMAGES);
    }
    limn_sampler_free(&s);
}

static void any_step_can_be_asked_for(void **state)
{
    (void)state;
    limn_sampler forward, backward, other;
    int64_t first[30][BATCH], again[BATCH], differs[BATCH];
    assert_int_equal(limn_sampler_init(ctx, IMAGES, BATCH, true, 5, &forward), LIMN_OK);
    assert_int_equal(limn_sampler_init(ctx, IMAGES, BATCH, true, 5, &backward), LIMN_OK);
    assert_int_equal(limn_sampler_init(ctx, IMAGES, BATCH, true, 6, &other), LIMN_OK);
    assert_int_equal(forward.steps_per_epoch, 10);
    for (int64_t step = 0; step < 30; step++)
        assert_int_equal(limn_sampler_step(&forward, step, first[step]), BATCH);
    for (int64_t step = 29; step >= 0; step--) {
        assert_int_equal(limn_sampler_step(&backward, step, again), BATCH);
        assert_memory_equal(first[step], again, sizeof again);
        assert_int_equal(limn_sampler_step(&other, step, differs), BATCH);
        assert_memory_not_equal(differs, again, sizeof again);
    }
    assert_memory_not_equal(first[0], first[10], sizeof first[0]);
    limn_sampler_free(&forward);
    limn_sampler_free(&backward);
    limn_sampler_free(&other);
}

static void file_order_uses_the_rest(void **state)
{
    (void)state;
    limn_sampler s;
    int64_t indices[BATCH];
    assert_int_equal(limn_sampler_init(ctx, IMAGES, BATCH, false, 5, &s), LIMN_OK);
    assert_int_equal(s.steps_per_epoch, 11);
    assert_int_equal(limn_sampler_step(&s, 21, indices), 3);
    assert_int_equal(indices[0], 100);
    assert_int_equal(indices[2], 102);
    assert_int_equal(limn_sampler_step(&s, 22, indices), BATCH);
    assert_int_equal(indices[0], 0);
    limn_sampler_free(&s);
}

static void a_batch_that_cannot_be_filled_is_refused(void **state)
{
    (void)state;
    limn_sampler s;
    assert_int_equal(limn_sampler_init(ctx, 5, 6, true, 0, &s), LIMN_BAD_USAGE);
    assert_non_null(strstr(limn_error_text(ctx), "5 images"));
    assert_int_equal(limn_sampler_init(ctx, 5, 6, false, 0, &s), LIMN_OK);
    limn_sampler_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_has_every_image_once),
        cmocka_unit_test(any_step_can_be_asked_for),
        cmocka_unit_test(file_order_uses_the_rest),
        cmocka_unit_test(a_batch_that_cannot_be_filled_is_refused),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
