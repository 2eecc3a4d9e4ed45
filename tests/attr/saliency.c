/* Saliency: the largest magnitude of the gradient over the channels. */
#include "toy.h"

extern const limn_attr_method limn_attr_saliency;

/* Two pixels with gradients (1, 3, -5) and (-2, -4, 6). */
static void the_strongest_channel_counts(void **state)
{
    static const float weights[6] = {1, -2, 3, -4, -5, 6}, image[6] = {1, 1, 1, 1, 1, 1};
    static const double expected[2] = {5, 6};
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, 6}}, weights, 0, NULL}}};
    float map[2];
    (void)state;
    assert_int_equal(toy_explain(&f, &limn_attr_saliency, &(limn_attribution_params){0}, image, 1,
                                 (const int64_t[]){2, 1, 3}, map),
                     LIMN_OK);
    toy_expect(map, expected, 2, 0);
}

/* A gradient that is not a number must not hide behind one that is. */
static void not_a_number_stays(void **state)
{
    static const float weights[2] = {NAN, 1}, image[2] = {1, 1};
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, 2}}, weights, 0, NULL}}};
    float map[1];
    (void)state;
    assert_int_equal(toy_explain(&f, &limn_attr_saliency, &(limn_attribution_params){0}, image, 1,
                                 (const int64_t[]){1, 1, 2}, map),
                     LIMN_OK);
    assert_true(isnan(map[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strongest_channel_counts),
        cmocka_unit_test(not_a_number_stays),
    };
    return cmocka_run_group_tests(tests, toy_open, toy_close);
}
