/* Functions of several inputs: each is explained with the others held fixed.  The values are those
 * of Captum's tests, where the models are called MultiInput and ConvNet_One_Conv. */
#include "toy.h"

extern const limn_attr_method limn_attr_gradcam, limn_attr_gradient, limn_attr_occlusion;

/* ---- the two layers of toy_multilayer on the sum of three rows --------------------------------
 */

enum { EXAMPLES = 2, ROWS = 3 };

static const float rows[EXAMPLES][ROWS][3] = {
    {{23, 100, 0}, {20, 50, 30}, {0, 100, 10}},
    {{20, 50, 30}, {0, 100, 0}, {2, 10, 3}},
};

/* Explains row `explained` of one example, less `origin`: zero then stands for `origin`. */
static void check_row(int example, int explained, const float origin[3],
                      const limn_attribution_params *params, const double expected[3])
{
    toy_function f = toy_multilayer;
    float image[3], map[3];
    int others = 0;
    f.height = 1;
    f.width = 3;
    for (int i = 0; i < ROWS; i++)
        if (i != explained)
            f.others[others++] = (toy_input){rows[example][i], 1, 3};
    f.others[others] = (toy_input){origin, 1, 3};
    for (int i = 0; i < 3; i++)
        image[i] = rows[example][explained][i] - origin[i];
    assert_int_equal(toy_explain(&f, &limn_attr_occlusion, params, image, 1, toy_row, map),
                     LIMN_OK);
    toy_expect(map, expected, 3, 1e-3);
}

static const float zeros[3];

static void windows_of_three_inputs(void **state)
{
    static const int64_t window[ROWS] = {3, 1, 2};
    static const double expected[EXAMPLES][ROWS][3] = {
        {{492, 492, 492}, {80, 200, 120}, {400, 420, 440}},
        {{400, 400, 400}, {0, 400, 0}, {48, 50, 52}},
    };
    (void)state;
    for (int e = 0; e < EXAMPLES; e++)
        for (int i = 0; i < ROWS; i++) {
            const limn_attribution_params p = {.window = {1, window[i]}, .stride = {1, 1}};
            check_row(e, i, zeros, &p, expected[e][i]);
        }
}

/* Input 0 has a baseline for each of its values, input 1 one for both examples, input 2 one each.
 */
static void strides_and_baselines_of_three_inputs(void **state)
{
    static const int64_t window[ROWS] = {3, 1, 2}, stride[ROWS] = {2, 1, 2};
    static const float origins[EXAMPLES][3] = {{1, 4, 7}, {3, 6, 9}};
    static const float baseline[EXAMPLES][ROWS] = {{0, 3, 4}, {0, 3, 6}};
    static const double expected[EXAMPLES][ROWS][3] = {
        {{444, 444, 444}, {68, 188, 108}, {368, 368, 24}},
        {{328, 328, 328}, {-12, 388, -12}, {0, 0, -12}},
    };
    (void)state;
    for (int e = 0; e < EXAMPLES; e++)
        for (int i = 0; i < ROWS; i++) {
            const limn_attribution_params p = {.window = {1, window[i]},
                                               .stride = {1, stride[i]},
                                               .baseline = LIMN_BASELINE_VALUE,
                                               .baseline_value = baseline[e][i],
                                               .preset = LIMN_PRESET_CAPTUM};
            check_row(e, i, i == 0 ? origins[e] : zeros, &p, expected[e][i]);
        }
}

/* ---- toy_convnet on the sum of two images -----------------------------------------------------
 */

static const float sixteen_ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const toy_input counting = {toy_squares, 4, 4}, ones = {sixteen_ones, 4, 4},
                       column = {sixteen_ones, 4, 1};

static void explain(const limn_attr_method *method, const limn_attribution_params *params,
                    const toy_input *image, const toy_input *other, float *map)
{
    toy_function f = toy_convnet;
    f.height = f.width = 4;
    f.others[0] = *other;
    assert_int_equal(toy_explain(&f, method, params, image->values, 1,
                                 (const int64_t[]){image->height, image->width, 1}, map),
                     LIMN_OK);
}

static void check_windows(const int64_t window[2], const int64_t stride[2], const toy_input *image,
                          const toy_input *other, const double *expected)
{
    const limn_attribution_params p = {.window = {window[0], window[1]},
                                       .stride = {stride[0], stride[1]},
                                       .preset = LIMN_PRESET_CAPTUM};
    float map[16];
    explain(&limn_attr_occlusion, &p, image, other, map);
    toy_expect(map, expected, (size_t)(image->height * image->width), 1e-4);
}

static void windows_of_two_images(void **state)
{
    static const double all[16] = {67, 67, 67, 67, 67, 67, 67, 67, 67, 67, 67, 67, 67, 67, 67, 67};
    static const double rest[16] = {13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13};
    static const double steps[16] = {17, 17,   17,   17, 17, 17,   17,   17,
                                     64, 65.5, 65.5, 67, 64, 65.5, 65.5, 67};
    static const double pairs[16] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 0, 0, 0, 0};
    (void)state;
    check_windows((const int64_t[]){4, 4}, (const int64_t[]){1, 1}, &counting, &ones, all);
    check_windows((const int64_t[]){4, 4}, (const int64_t[]){1, 1}, &ones, &counting, rest);
    check_windows((const int64_t[]){2, 3}, (const int64_t[]){2, 1}, &counting, &ones, steps);
    check_windows((const int64_t[]){1, 2}, (const int64_t[]){1, 2}, &ones, &counting, pairs);
}

/* The second input is a column, spread over the width. */
static void windows_of_an_image_and_a_column(void **state)
{
    static const double bands[16] = {17, 17, 17, 17, 17, 17, 17, 17,
                                     67, 67, 67, 67, 67, 67, 67, 67};
    static const double pairs[4] = {10, 10, 8, 6};
    (void)state;
    check_windows((const int64_t[]){2, 4}, (const int64_t[]){2, 1}, &counting, &column, bands);
    check_windows((const int64_t[]){2, 1}, (const int64_t[]){1, 1}, &column, &counting, pairs);
}

/* At 1, 2, .., 16 each output of filter 0 counts 1 and the lower two of filter 1 count -1: the
 * upper two of filter 0 are left, and a pixel's slope is how many of their windows hold it.  A
 * value of the column speaks for its whole row. */
static void slopes_of_two_inputs(void **state)
{
    static const double slopes[16] = {1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2, 1, 0, 0, 0, 0};
    static const double rows_of_slopes[4] = {6, 6, 6, 0};
    const limn_attribution_params p = {0};
    float map[16];
    (void)state;
    explain(&limn_attr_gradient, &p, &counting, &ones, map);
    toy_expect(map, slopes, 16, 1e-5);
    explain(&limn_attr_gradient, &p, &ones, &counting, map);
    toy_expect(map, slopes, 16, 1e-5);
    explain(&limn_attr_gradient, &p, &column, &counting, map);
    toy_expect(map, rows_of_slopes, 4, 1e-5);
}

/* The map [[14.5, 19], [32.5, 37]] of conv1, whose corners the enlarged one keeps. */
static void class_activation_of_two_images(void **state)
{
    const limn_attribution_params p = {
        .layers = (const char *const[]){"conv1"}, .layer_count = 1, .no_relu = true};
    float map[16];
    (void)state;
    explain(&limn_attr_gradcam, &p, &counting, &ones, map);
    toy_expect((const float[]){map[0], map[3], map[12], map[15]},
               (const double[]){14.5, 19, 32.5, 37}, 4, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_of_three_inputs),
        cmocka_unit_test(strides_and_baselines_of_three_inputs),
        cmocka_unit_test(windows_of_two_images),
        cmocka_unit_test(windows_of_an_image_and_a_column),
        cmocka_unit_test(slopes_of_two_inputs),
        cmocka_unit_test(class_activation_of_two_images),
    };
    return cmocka_run_group_tests(tests, toy_open, toy_close);
}
