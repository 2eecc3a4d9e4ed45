/* Gradients with known values; the layout of their channels. */
#include "toy.h"

extern const limn_attr_method limn_attr_gradient;

/* Above 10 the sum has the slope 1 + 3, between -1 and 10 it has 3. */
static void slopes_are_those_of_the_function(void **state)
{
    static const float rows[9] = {20, 50, 30, 1, 2, 3, -5, 1, 1};
    static const double expected[9] = {4, 4, 4, 3, 3, 3, 0, 0, 0};
    (void)state;
    for (int64_t batch = 1; batch < 4; batch++) {
        float maps[9];
        assert_int_equal(toy_explain(&toy_multilayer, &limn_attr_gradient,
                                     &(limn_attribution_params){.batch = batch}, rows, 3, toy_row,
                                     maps),
                         LIMN_OK);
        toy_expect(maps, expected, 9, 0);
    }
}

/* Of three open units one counts; the other two are taken back by the second filter.  Input times
 * this gradient is what Captum's LRP gives. */
static void the_convolution_is_passed_back(void **state)
{
    static const double expected[16] = {0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0};
    float map[16];
    (void)state;
    assert_int_equal(toy_explain(&toy_convnet, &limn_attr_gradient, &(limn_attribution_params){0},
                                 toy_squares, 1, toy_square, map),
                     LIMN_OK);
    toy_expect(map, expected, 16, 0);
}

/* Two pixels, three channels; flatten puts channel after channel. */
static void channels_come_first_in_the_map(void **state)
{
    static const float weights[6] = {1, -2, 3, -4, -5, 6}, image[6] = {1, 1, 1, 1, 1, 1};
    static const double expected[6] = {1, -2, 3, -4, -5, 6};
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, 6}}, weights, 0, NULL}}};
    float map[6];
    (void)state;
    assert_int_equal(toy_explain(&f, &limn_attr_gradient, &(limn_attribution_params){0}, image, 1,
                                 (const int64_t[]){2, 1, 3}, map),
                     LIMN_OK);
    toy_expect(map, expected, 6, 0);
}

static void it_survives_every_allocation_that_fails(void **state)
{
    (void)state;
    toy_survives(&toy_convnet, &limn_attr_gradient, &(limn_attribution_params){0}, toy_square);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slopes_are_those_of_the_function),
        cmocka_unit_test(the_convolution_is_passed_back),
        cmocka_unit_test(channels_come_first_in_the_map),
        cmocka_unit_test(it_survives_every_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, toy_open, toy_close);
}
