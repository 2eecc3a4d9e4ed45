/* Occlusion of functions whose maps are known. */
#include "toy.h"

extern const limn_attr_method limn_attr_occlusion;

static limn_attribution_params row_windows(int64_t window, int64_t stride)
{
    return (limn_attribution_params){.window = {1, window}, .stride = {1, stride}};
}

static void check_row(const limn_attribution_params *params, const double expected[3])
{
    static const float row[3] = {20, 50, 30};
    float map[3];
    assert_int_equal(
        toy_explain(&toy_multilayer, &limn_attr_occlusion, params, row, 1, toy_row, map), LIMN_OK);
    toy_expect(map, expected, 3, 1e-4);
}

/* Captum's own test cases of Occlusion. */
static void rows_are_those_of_captum(void **state)
{
    (void)state;
    limn_attribution_params p = row_windows(1, 1);
    check_row(&p, (const double[]){80, 200, 120});
    p = row_windows(2, 1);
    p.baseline = LIMN_BASELINE_VALUE;
    p.baseline_value = 10;
    check_row(&p, (const double[]){200, 220, 240});
    p = row_windows(2, 2);
    p.preset = LIMN_PRESET_CAPTUM;
    check_row(&p, (const double[]){280, 280, 120});
}

/* Windows at 0 and, flush with the border, at 1: drops 280 and 320. */
static void the_last_window_is_flush_with_the_border(void **state)
{
    (void)state;
    const limn_attribution_params p = row_windows(2, 2);
    check_row(&p, (const double[]){280, 300, 320});
}

static void images_are_independent_of_their_batch(void **state)
{
    static const float rows[6] = {2, 10, 3, 20, 50, 30};
    (void)state;
    for (int64_t batch = 1; batch < 5; batch++) {
        float maps[6];
        limn_attribution_params p = row_windows(1, 1);
        p.batch = batch;
        assert_int_equal(
            toy_explain(&toy_multilayer, &limn_attr_occlusion, &p, rows, 2, toy_row, maps),
            LIMN_OK);
        toy_expect(maps, (const double[]){8, 35, 12, 80, 200, 120}, 6, 1e-4);
    }
}

/* Captum's BasicModel3, relu(relu(a - 1) - relu(b)), with a and b as two pixels. */
static void a_pixel_can_speak_against(void **state)
{
    static const float identity[4] = {1, 0, 0, 1}, bias[2] = {-1, 0}, difference[2] = {1, -1};
    static const float rows[4] = {-10, -5, 3, 1};
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {2, 2}}, identity, 2, bias},
                                       {"relu", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, 2}}, difference, 0, NULL},
                                       {"relu", NULL, {0}, NULL, 0, NULL}}};
    float maps[4];
    const limn_attribution_params p = row_windows(1, 1);
    (void)state;
    assert_int_equal(
        toy_explain(&f, &limn_attr_occlusion, &p, rows, 2, (const int64_t[]){1, 2, 1}, maps),
        LIMN_OK);
    toy_expect(maps, (const double[]){0, 0, 1, -1}, 4, 0);
}

/* Google's saliency library sums over windows: 3 x 3 windows at every place of a 5 x 5 image with
 * ones at (1,1) and (3,3), f = 3 times the sum.  Ours is that over the number of windows. */
static void maps_are_sums_over_coverage(void **state)
{
    static const double sums[25] = {3,  6, 6, 3,  0,  6,  15, 18, 12, 3, 6, 18, 24,
                                    18, 6, 3, 12, 18, 15, 6,  0,  3,  6, 6, 3};
    static const double cover[5] = {1, 2, 3, 2, 1};
    float weights[25], image[25] = {0}, map[25];
    double expected[25];
    (void)state;
    for (int i = 0; i < 25; i++) {
        weights[i] = 3;
        expected[i] = sums[i] / (cover[i / 5] * cover[i % 5]);
    }
    image[6] = image[18] = 1;
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, 25}}, weights, 0, NULL}}};
    const limn_attribution_params p = {.window = {3, 3}, .stride = {1, 1}};
    assert_int_equal(
        toy_explain(&f, &limn_attr_occlusion, &p, image, 1, (const int64_t[]){5, 5, 1}, map),
        LIMN_OK);
    toy_expect(map, expected, 25, 1e-5);
}

/* All channels of a window at once: drops of 1 * 4 + 10 * 5 and so on. */
static void channels_are_hidden_together(void **state)
{
    static const float weights[4] = {1, 2, 10, 20}, image[4] = {4, 5, 6, 7};
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, 4}}, weights, 0, NULL}}};
    float map[2];
    const limn_attribution_params p = row_windows(1, 1);
    (void)state;
    assert_int_equal(
        toy_explain(&f, &limn_attr_occlusion, &p, image, 1, (const int64_t[]){1, 2, 2}, map),
        LIMN_OK);
    toy_expect(map, (const double[]){4 + 50, 12 + 140}, 2, 1e-4);
}

/* f = sum, so a map of single pixels is x - baseline. */
static void baselines_are_as_described(void **state)
{
    static const float image[3] = {3, 6, 9};
    static const struct {
        limn_baseline baseline;
        double expected[3];
    } cases[] = {
        {LIMN_BASELINE_ZERO, {3, 6, 9}},
        {LIMN_BASELINE_MEAN, {-3, 0, 3}},
        {LIMN_BASELINE_VALUE, {1, 4, 7}},
    };
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, 3}}, toy_ones, 0, NULL}}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float map[3];
        limn_attribution_params p = row_windows(1, 1);
        p.baseline = cases[i].baseline;
        p.baseline_value = 2;
        assert_int_equal(toy_explain(&f, &limn_attr_occlusion, &p, image, 1, toy_row, map),
                         LIMN_OK);
        toy_expect(map, cases[i].expected, 3, 1e-5);
    }
}

/* A blur leaves a constant image as it is, keeps the sum of one far from its edges, and is the
 * Gaussian of a tenth of the side. */
static void blur_is_a_gaussian(void **state)
{
    enum { SIDE = 20 };
    static float image[SIDE * SIDE], out[SIDE * SIDE];
    limn_attr_job job = {.ctx = toy_context, .height = SIDE, .width = SIDE, .channels = 1};
    double sum = 0;
    (void)state;
    job.params.baseline = LIMN_BASELINE_BLUR;
    for (int i = 0; i < SIDE * SIDE; i++)
        image[i] = 3;
    assert_int_equal(limn_attr_baseline(&job, image, out), LIMN_OK);
    for (int i = 0; i < SIDE * SIDE; i++)
        assert_true(fabsf(out[i] - 3) < 1e-5f);
    memset(image, 0, sizeof image);
    image[10 * SIDE + 10] = 1;
    assert_int_equal(limn_attr_baseline(&job, image, out), LIMN_OK);
    for (int i = 0; i < SIDE * SIDE; i++)
        sum += (double)out[i];
    assert_true(fabs(sum - 1) < 1e-5);
    const double ratio = (double)out[10 * SIDE + 12] / (double)out[10 * SIDE + 10];
    assert_true(fabs(ratio - exp(-0.5)) < 1e-5); /* two pixels are one sigma */
    assert_true(out[12 * SIDE + 10] == out[10 * SIDE + 12]);
}

static void it_stops_when_asked(void **state)
{
    static const float row[3] = {20, 50, 30};
    float map[3];
    limn_attribution_params p = row_windows(1, 1);
    (void)state;
    p.batch = 1;
    toy_reports_left = 1;
    assert_int_equal(toy_explain(&toy_multilayer, &limn_attr_occlusion, &p, row, 1, toy_row, map),
                     LIMN_INTERRUPTED);
    toy_reports_left = -1;
}

static void it_survives_every_allocation_that_fails(void **state)
{
    limn_attribution_params p = row_windows(2, 1);
    (void)state;
    p.baseline = LIMN_BASELINE_BLUR;
    toy_survives(&toy_multilayer, &limn_attr_occlusion, &p, toy_row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_those_of_captum),
        cmocka_unit_test(the_last_window_is_flush_with_the_border),
        cmocka_unit_test(images_are_independent_of_their_batch),
        cmocka_unit_test(a_pixel_can_speak_against),
        cmocka_unit_test(maps_are_sums_over_coverage),
        cmocka_unit_test(channels_are_hidden_together),
        cmocka_unit_test(baselines_are_as_described),
        cmocka_unit_test(blur_is_a_gaussian),
        cmocka_unit_test(it_stops_when_asked),
        cmocka_unit_test(it_survives_every_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, toy_open, toy_close);
}
