/* Resizing and fitting: answers worked out by hand from the triangle filter, bounds, failures. */
#define _POSIX_C_SOURCE 200809L
#include "limn/image.h"

#include "base/memory.h"
#include "../support_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { ROOM = 16 };

static void known_answers(void **state)
{
    fixture *f = *state;
    static const struct {
        int from[2], to[2]; /* width, height */
        uint8_t in[ROOM], out[ROOM];
    } cases[] = {
        {{4, 1}, {4, 1}, {9, 0, 255, 3}, {9, 0, 255, 3}},
        /* Weights 3/4 3/4 1/4 of 7/4. */
        {{4, 1}, {2, 1}, {0, 70, 140, 210}, {50, 160}},
        {{1, 4}, {1, 2}, {0, 70, 140, 210}, {50, 160}},
        /* Centres 1/4 3/4 5/4 7/4. */
        {{2, 1}, {4, 1}, {0, 100}, {0, 25, 75, 100}},
        {{2, 2}, {1, 1}, {0, 100, 100, 200}, {100}},
        {{1, 1}, {3, 2}, {77}, {77, 77, 77, 77, 77, 77}},
        /* 3 to 2: centres 3/4 and 9/4, reach 3/2: weights 5/6, 1/2 and nothing of the third. */
        {{3, 1}, {2, 1}, {0, 80, 160}, {30, 130}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t pixels[ROOM];
        memcpy(pixels, cases[i].in, ROOM);
        const limn_image from = {cases[i].from[0], cases[i].from[1], 1, pixels};
        limn_image to;
        assert_int_equal(limn_image_resize(f->ctx, &from, cases[i].to[0], cases[i].to[1], &to),
                         LIMN_OK);
        assert_int_equal(to.width, cases[i].to[0]);
        assert_int_equal(to.height, cases[i].to[1]);
        for (int k = 0; k < to.width * to.height; k++)
            if (to.pixels[k] != cases[i].out[k])
                fail_msg("case %zu: pixel %d is %d, not %d", i, k, to.pixels[k], cases[i].out[k]);
        limn_image_free(&to);
    }
}

/* 255 everywhere stays 255 at every size: the weights add up to 1, and nothing overflows. */
static void white_stays_white(void **state)
{
    fixture *f = *state;
    static const int sizes[] = {1, 2, 3, 7, 32, 33, 100, 257};
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 8; k++) {
            limn_image from, to;
            assert_int_equal(limn_image_create(f->ctx, sizes[i], sizes[7 - i], 3, &from), LIMN_OK);
            memset(from.pixels, 255, (size_t)(from.width * from.height * 3));
            assert_int_equal(limn_image_resize(f->ctx, &from, sizes[k], sizes[k], &to), LIMN_OK);
            for (int j = 0; j < sizes[k] * sizes[k] * 3; j++)
                assert_int_equal(to.pixels[j], 255);
            limn_image_free(&from);
            limn_image_free(&to);
        }
    }
}

/* Each pixel of the source names its place; fitting without a change of scale only cuts. */
static void the_centre_is_cut(void **state)
{
    fixture *f = *state;
    static const struct {
        int width, height, left, top;
    } cases[] = {{4, 4, 0, 0}, {6, 4, 1, 0}, {4, 6, 0, 1},
                 {5, 4, 0, 0}, {7, 4, 2, 0}, {4, 9, 0, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_image from, to;
        assert_int_equal(limn_image_create(f->ctx, cases[i].width, cases[i].height, 3, &from),
                         LIMN_OK);
        for (int k = 0; k < from.width * from.height * 3; k++)
            from.pixels[k] = (uint8_t)k;
        assert_int_equal(limn_image_fit(f->ctx, &from, 4, 4, &to), LIMN_OK);
        for (int y = 0; y < 4; y++)
            assert_memory_equal(to.pixels + y * 12,
                                from.pixels + ((cases[i].top + y) * from.width + cases[i].left) * 3,
                                12);
        limn_image_free(&from);
        limn_image_free(&to);
    }
}

/* Fitting is resizing and cutting. */
static void fit_is_resize_and_cut(void **state)
{
    fixture *f = *state;
    limn_image from, whole, part;
    assert_int_equal(limn_image_create(f->ctx, 61, 40, 3, &from), LIMN_OK);
    for (int k = 0; k < 61 * 40 * 3; k++)
        from.pixels[k] = (uint8_t)((unsigned)k * (unsigned)k * 2654435761u >> 24);
    assert_int_equal(limn_image_resize(f->ctx, &from, 30, 20, &whole), LIMN_OK);
    assert_int_equal(limn_image_fit(f->ctx, &from, 20, 20, &part), LIMN_OK);
    assert_int_equal(part.width, 20);
    assert_int_equal(part.height, 20);
    for (int y = 0; y < 20; y++)
        assert_memory_equal(part.pixels + y * 60, whole.pixels + (y * 30 + 5) * 3, 60);
    limn_image_free(&part);
    limn_image_free(&whole);
    assert_int_equal(limn_image_fit(f->ctx, &from, 10, 30, &part), LIMN_OK);
    assert_int_equal(part.width, 10);
    assert_int_equal(part.height, 30);
    limn_image_free(&part);
    limn_image_free(&from);
}

static void extreme_shapes(void **state)
{
    fixture *f = *state;
    limn_image from, to;
    assert_int_equal(limn_image_create(f->ctx, 65535, 1, 1, &from), LIMN_OK);
    memset(from.pixels, 9, 65535);
    assert_int_equal(limn_image_fit(f->ctx, &from, 64, 64, &to), LIMN_OK);
    assert_int_equal(to.pixels[64 * 64 - 1], 9);
    limn_image_free(&to);
    assert_int_equal(limn_image_resize(f->ctx, &from, 1, 300, &to), LIMN_OK);
    assert_int_equal(to.pixels[299], 9);
    limn_image_free(&to);
    limn_image_free(&from);
}

static void refused(void **state)
{
    fixture *f = *state;
    uint8_t pixel = 0;
    const limn_image from = {1, 1, 1, &pixel}, empty = {0};
    limn_image to;
    assert_int_equal(limn_image_resize(f->ctx, &from, 0, 1, &to), LIMN_BAD_USAGE);
    assert_int_equal(limn_image_resize(f->ctx, &from, 1, -1, &to), LIMN_BAD_USAGE);
    assert_int_equal(limn_image_fit(f->ctx, &from, 1, 70000, &to), LIMN_BAD_USAGE);
    assert_int_equal(limn_image_resize(f->ctx, &empty, 1, 1, &to), LIMN_BAD_USAGE);
    assert_null(to.pixels);
}

static void memory_runs_out(void **state)
{
    fixture *f = *state;
    uint8_t pixels[48] = {0};
    const limn_image from = {4, 4, 3, pixels};
    unsigned long nth = 1, made;
    do {
        limn_image to;
        limn_memory_fail_at(nth, false);
        const limn_status status = limn_image_fit(f->ctx, &from, 3, 2, &to);
        made = limn_memory_fail_at(0, false);
        assert_int_equal(status, made >= nth ? LIMN_FAILED : LIMN_OK);
        limn_image_free(&to);
    } while (made >= nth++);
    assert_true(nth > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(white_stays_white, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_centre_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fit_is_resize_and_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(extreme_shapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
