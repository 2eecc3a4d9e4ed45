/* Heatmaps: ranges against sorting, empty and broken maps, what each pixel shows, failures. */
#include "limn/heatmap.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const limn_heatmap_params defaults;

static int set_up(void **state)
{
    return limn_context_create(NULL, (limn_context **)state) != LIMN_OK;
}

static int tear_down(void **state)
{
    limn_context_destroy((limn_context **)state);
    return 0;
}

static limn_heat_range range_of(limn_context *ctx, const float *values, size_t count,
                                const limn_heatmap_params *params)
{
    limn_heat_range range;
    assert_int_equal(limn_heatmap_range(ctx, values, count, params, &range), LIMN_OK);
    assert_true(isfinite(range.low) && isfinite(range.high) && range.low <= range.high);
    return range;
}

static const uint8_t *pixel(const limn_image *image, int x, int y)
{
    return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
}

static void channels_become_one(void **state)
{
    (void)state;
    static const float map[6] = {1, -2, NAN, -3, 1, 5};
    float out[2];
    limn_heatmap_reduce(map, 3, 2, LIMN_REDUCE_SUM, out);
    assert_true(isnan(out[0]) && out[1] == 0);
    limn_heatmap_reduce(map + 3, 1, 2, LIMN_REDUCE_MAX_ABS, out);
    assert_true(out[0] == 3 && out[1] == 1);
    limn_heatmap_reduce(map, 3, 2, LIMN_REDUCE_MAX_ABS, out);
    assert_true(isnan(out[0]) && out[1] == 5);
}

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void percentiles(void **state)
{
    enum { COUNT = 1000 };
    static const float wanted[] = {0.05f, 1, 37.5f, 50, 99, 99.95f, 100};
    float values[COUNT], sorted[COUNT];
    uint32_t draw = 1;
    for (int sign = 0; sign < 2; sign++) {
        for (int i = 0; i < COUNT; i++) {
            draw = draw * 1664525u + 1013904223u;
            const float uniform = (float)(draw >> 8) / 16777216.0f;
            values[i] = (uniform - (sign ? 0.6f : 0)) * powf(10, (float)(i % 7) - 3);
            sorted[i] = sign ? fabsf(values[i]) : values[i];
        }
        qsort(sorted, COUNT, sizeof *sorted, ascending);
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            const limn_heatmap_params params = {.percentile = wanted[i]};
            const limn_heat_range range = range_of(*state, values, COUNT, &params);
            int rank = (int)ceil((double)wanted[i] / 100 * COUNT);
            assert_int_equal(range.is_signed, sign);
            if (sign) {
                assert_true(range.high == sorted[rank - 1] && range.low == -range.high);
            } else if (2 * rank > COUNT + 1) {
                assert_true(range.high == sorted[rank - 1]);
                assert_true(range.low == sorted[COUNT - rank]);
            } else { /* upside down: the extremes */
                assert_true(range.high == sorted[COUNT - 1] && range.low == sorted[0]);
            }
        }
    }
}

static void ranges_of_odd_maps(void **state)
{
    static const float zero[4] = {0}, same[3] = {7, 7, 7}, none[2] = {NAN, INFINITY},
                       huge[2] = {-3.4e38f, 3.4e38f}, ends[4] = {INFINITY, 1, 2, -INFINITY};
    float sparse[500] = {0};
    sparse[77] = 5;
    limn_heat_range range = range_of(*state, zero, 4, &defaults);
    assert_true(range.low == 0 && range.high == 0 && !range.is_signed);
    range = range_of(*state, same, 3, &defaults);
    assert_true(range.low == 7 && range.high == 7);
    range = range_of(*state, none, 2, &defaults);
    assert_true(range.low == 0 && range.high == 0);
    range = range_of(*state, zero, 0, &defaults);
    assert_true(range.low == 0 && range.high == 0);
    range = range_of(*state, huge, 2, &defaults);
    assert_true(range.high == 3.4e38f && range.low == -3.4e38f);
    range = range_of(*state, ends, 4, &defaults);
    assert_true(range.low == 1 && range.high == 2 && !range.is_signed);
    range = range_of(*state, sparse, 500, &defaults);
    assert_true(range.low == 0 && range.high == 5);
    sparse[78] = -1;
    range = range_of(*state, sparse, 500, &defaults);
    assert_true(range.low == -5 && range.high == 5 && range.is_signed);
    const limn_heatmap_params diverging = {.colormap = "bluered"};
    range = range_of(*state, same, 3, &diverging);
    assert_true(range.low == -7 && range.high == 7 && range.is_signed);
    const limn_heatmap_params forced = {.sign = LIMN_HEAT_UNSIGNED, .percentile = 100};
    range = range_of(*state, huge, 2, &forced);
    assert_true(range.low == -3.4e38f && !range.is_signed);
}

static void bad_parameters(void **state)
{
    static const float map[1] = {1};
    static const limn_heatmap_params cases[] = {
        {.percentile = -1}, {.percentile = 101}, {.percentile = NAN}, {.overlay = 1.5f},
        {.overlay = NAN},   {.min_side = -1},    {.min_side = 70000}, {.colormap = "jet"},
    };
    const limn_heat_range range = {0, 1, false};
    limn_heat_range found;
    limn_image picture;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(limn_heatmap_range(*state, map, 1, &cases[i], &found), LIMN_BAD_USAGE);
        assert_int_equal(limn_heatmap_render(*state, map, 1, 1, NULL, &range, &cases[i], &picture),
                         LIMN_BAD_USAGE);
        assert_null(picture.pixels);
    }
    assert_int_equal(limn_heatmap_render(*state, map, 0, 1, NULL, &range, &defaults, &picture),
                     LIMN_BAD_USAGE);
}

/* Maps without any variation are one colour, never a division by zero. */
static void uniform_maps(void **state)
{
    static const float maps[3][4] = {{0}, {7, 7, 7, 7}, {-2, -2, -2, -2}};
    static const struct {
        const char *map;
        float t;
    } expected[3] = {{"inferno", 0}, {"inferno", 0}, {"bluered", 0}};
    for (int i = 0; i < 3; i++) {
        uint8_t rgb[3];
        limn_image picture;
        const limn_heat_range range = range_of(*state, maps[i], 4, &defaults);
        assert_int_equal(limn_colormap_color(*state, expected[i].map, expected[i].t, rgb), LIMN_OK);
        assert_int_equal(
            limn_heatmap_render(*state, maps[i], 2, 2, NULL, &range, &defaults, &picture), LIMN_OK);
        assert_int_equal(picture.width, 224);
        for (int k = 0; k < 224 * 224; k++)
            assert_memory_equal(picture.pixels + 3 * k, rgb, 3);
        limn_image_free(&picture);
    }
    const limn_heat_range zero = {0, 0, true};
    uint8_t centre[3];
    limn_image picture;
    assert_int_equal(limn_colormap_color(*state, "bluered", 0.5f, centre), LIMN_OK);
    assert_int_equal(limn_heatmap_render(*state, maps[0], 2, 2, NULL, &zero, &defaults, &picture),
                     LIMN_OK);
    assert_memory_equal(picture.pixels, centre, 3);
    limn_image_free(&picture);
}

static void values_become_colours(void **state)
{
    static const float map[8] = {-2, 0, NAN, 2, INFINITY, -INFINITY, 1, NAN};
    static const float t[8] = {0, 0.5f, NAN, 1, 1, 0, 0.75f, NAN};
    const limn_heat_range range = {-2, 2, true};
    limn_image picture;
    assert_int_equal(limn_heatmap_render(*state, map, 1, 8, NULL, &range, &defaults, &picture),
                     LIMN_OK);
    assert_int_equal(picture.height, 224);
    assert_int_equal(picture.width, 224 * 8);
    for (int i = 0; i < 8; i++) {
        uint8_t rgb[3];
        assert_int_equal(limn_colormap_color(*state, "bluered", t[i], rgb), LIMN_OK);
        /* The two pixels at a sample's centre lie 1/448 of the way to its neighbours. */
        for (int c = 0; c < 3; c++)
            assert_true(abs(pixel(&picture, 224 * i + 112, 50)[c] - rgb[c]) <= 3);
    }
    limn_image_free(&picture);
}

/* Half-pixel centres: between the centres of two samples the value is halfway. */
static void interpolated(void **state)
{
    static const float map[2] = {0, 1};
    const limn_heat_range range = {0, 1, false};
    const limn_heatmap_params params = {.min_side = 2, .colormap = "viridis"};
    static const float t[4] = {0, 0.25f, 0.75f, 1};
    limn_image picture;
    assert_int_equal(limn_heatmap_render(*state, map, 1, 2, NULL, &range, &params, &picture),
                     LIMN_OK);
    assert_int_equal(picture.width, 4);
    for (int x = 0; x < 4; x++) {
        uint8_t rgb[3];
        assert_int_equal(limn_colormap_color(*state, "viridis", t[x], rgb), LIMN_OK);
        assert_memory_equal(pixel(&picture, x, 1), rgb, 3);
    }
    limn_image_free(&picture);
}

static void over_an_image(void **state)
{
    static const float map[1] = {1};
    static uint8_t dots[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255};
    const limn_image image = {2, 2, 3, dots};
    const limn_heat_range range = {0, 1, false};
    static const struct {
        float overlay, weight;
        bool grey;
    } cases[] = {
        {0, 0.5f, false}, {0.25f, 0.25f, false}, {-1, 0, false}, {1, 1, false}, {-1, 0, true}};
    uint8_t top[3];
    assert_int_equal(limn_colormap_color(*state, "inferno", 1, top), LIMN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const limn_heatmap_params params = {.overlay = cases[i].overlay, .grey = cases[i].grey};
        limn_image picture;
        assert_int_equal(limn_heatmap_render(*state, map, 1, 1, &image, &range, &params, &picture),
                         LIMN_OK);
        assert_int_equal(picture.width, 224);
        for (int k = 0; k < 4; k++) {
            const int x = k % 2 * 112 + 111 * (k % 2), y = k / 2 * 112;
            for (int c = 0; c < 3; c++) {
                const int under = cases[i].grey ? (299 * dots[3 * k] + 587 * dots[3 * k + 1] +
                                                   114 * dots[3 * k + 2] + 500) /
                                                      1000
                                                : dots[3 * k + c];
                const float mixed =
                    cases[i].weight * (float)top[c] + (1 - cases[i].weight) * (float)under;
                assert_true(fabsf((float)pixel(&picture, x, y)[c] - mixed) <= 0.51f);
            }
        }
        limn_image_free(&picture);
    }
}

static void large_images_keep_their_size(void **state)
{
    static const float map[4] = {0, 1, 2, 3};
    limn_image image, picture;
    assert_int_equal(limn_image_create(*state, 301, 226, 1, &image), LIMN_OK);
    const limn_heat_range range = {0, 3, false};
    const limn_heatmap_params params = {.colorbar = true};
    assert_int_equal(limn_heatmap_render(*state, map, 2, 2, &image, &range, &params, &picture),
                     LIMN_OK);
    assert_int_equal(picture.height, 226);
    assert_true(picture.width > 330 && picture.width < 420);
    int white = 0, dark = 0;
    for (int x = 330; x < picture.width; x++)
        for (int y = 0; y < 226; y++) {
            white += pixel(&picture, x, y)[0] == 255;
            dark += pixel(&picture, x, y)[0] == 40;
        }
    assert_true(white > 1000 && dark > 100); /* paper and numbers */
    limn_image_free(&picture);
    limn_image_free(&image);
}

static void montages(void **state)
{
    limn_montage montage;
    const limn_montage_params params = {
        .tile_width = 20, .tile_height = 10, .columns = 2, .captions = true, .gap = 4};
    assert_int_equal(limn_montage_create(*state, 3, &params, &montage), LIMN_OK);
    assert_int_equal(montage.rows, 2);
    assert_int_equal(montage.sheet.width, 4 + 2 * 24);
    assert_int_equal(montage.sheet.height, 4 + 2 * (14 + montage.caption_height));
    static uint8_t small[3] = {1, 2, 3}, large[40 * 40];
    const limn_image dot = {1, 1, 3, small}, wide = {40, 40, 1, large};
    assert_int_equal(limn_montage_place(*state, &montage, 0, &dot, "a"), LIMN_OK);
    assert_int_equal(limn_montage_place(*state, &montage, 3, &wide, NULL), LIMN_OK);
    assert_int_equal(limn_montage_place(*state, &montage, 4, &dot, NULL), LIMN_BAD_USAGE);
    /* 10 x 10 in the middle of 20 x 10 */
    assert_memory_equal(pixel(&montage.sheet, 4 + 5, 4), small, 3);
    assert_memory_equal(pixel(&montage.sheet, 4 + 14, 4 + 9), small, 3);
    assert_int_equal(pixel(&montage.sheet, 4 + 4, 4)[0], 255);
    assert_int_equal(pixel(&montage.sheet, 4 + 15, 4)[0], 255);
    const int top = 4 + 14 + montage.caption_height;
    assert_int_equal(pixel(&montage.sheet, 28 + 5, top)[0], 0);
    assert_int_equal(pixel(&montage.sheet, 28 + 4, top)[0], 255);
    int dark = 0;
    for (int x = 0; x < montage.sheet.width; x++)
        for (int y = 14; y < top - 4; y++)
            dark += pixel(&montage.sheet, x, y)[0] == 40;
    assert_true(dark > 5 && dark < 35); /* one letter */
    limn_montage_free(&montage);

    const limn_montage_params big = {.tile_width = 5000, .tile_height = 5000};
    assert_int_equal(limn_montage_create(*state, 100, &big, &montage), LIMN_BAD_USAGE);
    assert_int_equal(limn_montage_create(*state, 0, &params, &montage), LIMN_BAD_USAGE);
    assert_null(montage.sheet.pixels);
}

static limn_status draw(limn_context *ctx)
{
    static const float map[4] = {-1, 0, 1, 2};
    static uint8_t dots[4] = {9, 8, 7, 6};
    const limn_image image = {2, 2, 1, dots};
    const limn_heatmap_params params = {.min_side = 4, .colorbar = true};
    const limn_montage_params layout = {.tile_width = 3, .tile_height = 3};
    limn_heat_range range;
    limn_image picture = {0};
    limn_montage montage = {0};
    limn_status status = limn_heatmap_range(ctx, map, 4, &params, &range);
    if (status == LIMN_OK)
        status = limn_heatmap_render(ctx, map, 2, 2, &image, &range, &params, &picture);
    if (status == LIMN_OK)
        status = limn_montage_create(ctx, 1, &layout, &montage);
    if (status == LIMN_OK)
        status = limn_montage_place(ctx, &montage, 0, &picture, "x");
    limn_montage_free(&montage);
    limn_image_free(&picture);
    return status;
}

static void memory_runs_out(void **state)
{
    unsigned long nth = 1, made;
    do {
        limn_memory_fail_at(nth, false);
        const limn_status status = draw(*state);
        made = limn_memory_fail_at(0, false);
        assert_int_equal(status, made >= nth ? LIMN_FAILED : LIMN_OK);
    } while (made >= nth++);
    assert_true(nth > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_become_one),
        cmocka_unit_test_setup_teardown(percentiles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ranges_of_odd_maps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uniform_maps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(values_become_colours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interpolated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(over_an_image, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_images_keep_their_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(montages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
