/* Colour maps: published end points, even lightness, the centre of the diverging one. */
#include "limn/heatmap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static int set_up(void **state)
{
    return limn_context_create(NULL, (limn_context **)state) != LIMN_OK;
}

static int tear_down(void **state)
{
    limn_context_destroy((limn_context **)state);
    return 0;
}

static void color(limn_context *ctx, const char *name, float t, uint8_t rgb[3])
{
    assert_int_equal(limn_colormap_color(ctx, name, t, rgb), LIMN_OK);
}

/* CIE lightness, 0..100, of an sRGB colour (IEC 61966-2-1, D65). */
static double lightness(const uint8_t rgb[3])
{
    static const double weight[3] = {0.2126, 0.7152, 0.0722};
    double y = 0;
    for (int c = 0; c < 3; c++) {
        const double v = rgb[c] / 255.0;
        y += weight[c] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return y > 216.0 / 24389 ? 116 * cbrt(y) - 16 : y * 24389 / 27;
}

static void end_points(void **state)
{
    static const struct {
        const char *name;
        float t;
        uint8_t rgb[3];
    } cases[] = {
        {"viridis", 0, {0x44, 0x01, 0x54}},        {"viridis", 1, {0xfd, 0xe7, 0x25}},
        {"inferno", 0, {0x00, 0x00, 0x04}},        {"inferno", 1, {0xfc, 0xff, 0xa4}},
        {"turbo", 0, {0x30, 0x12, 0x3b}},          {"turbo", 1, {0x7a, 0x04, 0x03}},
        {"turbo", -9, {0x30, 0x12, 0x3b}},         {"turbo", 9, {0x7a, 0x04, 0x03}},
        {"viridis", NAN, {128, 128, 128}},         {"bluered", NAN, {128, 128, 128}},
        {"viridis", INFINITY, {0xfd, 0xe7, 0x25}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t rgb[3];
        color(*state, cases[i].name, cases[i].t, rgb);
        assert_memory_equal(rgb, cases[i].rgb, 3);
    }
}

/* Rounding to 8 bits moves the lightness by up to a third of a unit. */
static void lightness_grows_evenly(void **state)
{
    static const char *const names[] = {"viridis", "inferno"};
    for (int n = 0; n < 2; n++) {
        uint8_t rgb[3];
        color(*state, names[n], 0, rgb);
        const double first = lightness(rgb);
        color(*state, names[n], 1, rgb);
        const double last = lightness(rgb);
        assert_true(last - first > 70);
        double before = first;
        for (int i = 1; i < 256; i++) {
            color(*state, names[n], (float)i / 255, rgb);
            const double now = lightness(rgb);
            assert_true(now > before - 0.35 && now < before + 1.1);
            const double even = first + (last - first) * i / 255;
            assert_true(fabs(now - even) < 6);
            before = now;
        }
    }
}

static void diverging_is_symmetric(void **state)
{
    uint8_t low[3], high[3], centre[3];
    color(*state, "bluered", 0.5f, centre);
    for (int c = 0; c < 3; c++)
        assert_true(centre[c] > 240 && abs(centre[c] - centre[0]) < 6);
    double before = lightness(centre) + 1;
    for (int i = 0; i < 128; i++) {
        color(*state, "bluered", (127.0f - (float)i) / 255, low);
        color(*state, "bluered", (128.0f + (float)i) / 255, high);
        assert_true(fabs(lightness(low) - lightness(high)) < 2.5);
        assert_true(lightness(high) < before);
        before = lightness(high) + 0.35;
    }
    assert_true(low[2] > low[0] && high[0] > high[2]);
    assert_true(lightness(high) < 35);
}

/* Between two entries of the table the colour lies between theirs. */
static void interpolated(void **state)
{
    uint8_t a[3], b[3], middle[3];
    color(*state, "inferno", 100.0f / 255, a);
    color(*state, "inferno", 101.0f / 255, b);
    color(*state, "inferno", 100.5f / 255, middle);
    for (int c = 0; c < 3; c++)
        assert_true(abs(2 * middle[c] - a[c] - b[c]) <= 1);
}

static void names(void **state)
{
    uint8_t rgb[3];
    size_t count = limn_colormap_count();
    assert_true(count >= 4);
    for (size_t i = 0; i < count; i++)
        color(*state, limn_colormap_name(i), 0.3f, rgb);
    assert_null(limn_colormap_name(count));
    assert_int_equal(limn_colormap_color(*state, "jet", 0, rgb), LIMN_BAD_USAGE);
    assert_non_null(strstr(limn_error_text(*state), "jet"));
    assert_non_null(strstr(limn_error_hint(*state), "viridis"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(end_points, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lightness_grows_evenly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(diverging_is_symmetric, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interpolated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
