/* Grad-CAM on a network whose maps are known. */
#include "toy.h"

extern const limn_attr_method limn_attr_gradcam;

/* 2x2 to 4x4, bilinear, half-pixel centres, by hand. */
static void enlarge(const double small[4], double large[16])
{
    static const double near[4] = {1, 0.75, 0.25, 0};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            large[4 * i + j] = near[i] * (near[j] * small[0] + (1 - near[j]) * small[1]) +
                               (1 - near[i]) * (near[j] * small[2] + (1 - near[j]) * small[3]);
}

static void check(const char *const *layers, int layer_count, bool no_relu, const double small[4],
                  int image)
{
    float maps[32] = {0};
    double expected[16];
    const limn_attribution_params params = {
        .layers = layers, .layer_count = layer_count, .no_relu = no_relu};
    assert_int_equal(
        toy_explain(&toy_convnet, &limn_attr_gradcam, &params, toy_squares, 2, toy_square, maps),
        LIMN_OK);
    enlarge(small, expected);
    toy_expect(maps + 16 * image, expected, 16, 1e-5);
}

/* Weights [1, -.5] and [.75, -.5], computed with pytorch-grad-cam without ReLU and rescaling. */
static void maps_of_both_layers_are_known(void **state)
{
    (void)state;
    check((const char *const[]){"relu1"}, 1, true, (const double[]){0, 4, 28, 32.5}, 0);
    check((const char *const[]){"conv1"}, 1, true, (const double[]){11.25, 13.5, 20.25, 22.5}, 0);
    check((const char *const[]){"conv1"}, 1, true, (const double[]){14.5, 19, 32.5, 37}, 1);
}

static void the_default_is_the_last_layer_with_a_map(void **state)
{
    (void)state;
    check(NULL, 0, true, (const double[]){0, 4, 28, 32.5}, 0);
}

static void several_layers_give_the_mean(void **state)
{
    (void)state;
    check((const char *const[]){"relu1", "conv1"}, 2, false,
          (const double[]){5.625, 8.75, 24.125, 27.5}, 0);
}

/* With the linear layer's weights negated the score is 0 and its ReLU stops the gradient; without
 * that ReLU all weights change sign, and ReLU leaves nothing of the map. */
static void relu_removes_what_speaks_against(void **state)
{
    static const float negated[8] = {-1, -1, -1, -1, -1, 1, 1, 1};
    float maps[16];
    toy_function f = toy_convnet;
    (void)state;
    f.layers[3].weight = (limn_desc){LIMN_F32, 2, {1, 8}};
    f.layers[3].weights = negated;
    f.layers[4].op = NULL;
    limn_attribution_params params = {.no_relu = true};
    assert_int_equal(toy_explain(&f, &limn_attr_gradcam, &params, toy_squares, 1, toy_square, maps),
                     LIMN_OK);
    double expected[16];
    enlarge((const double[]){0, -4, -28, -32.5}, expected);
    toy_expect(maps, expected, 16, 1e-5);
    params.no_relu = false;
    assert_int_equal(toy_explain(&f, &limn_attr_gradcam, &params, toy_squares, 1, toy_square, maps),
                     LIMN_OK);
    toy_expect(maps, (const double[16]){0}, 16, 0);
}

static void an_unknown_layer_names_its_neighbours(void **state)
{
    float maps[16];
    const char *const layers[] = {"conv"};
    (void)state;
    assert_int_equal(toy_explain(&toy_convnet, &limn_attr_gradcam,
                                 &(limn_attribution_params){.layers = layers, .layer_count = 1},
                                 toy_squares, 1, toy_square, maps),
                     LIMN_BAD_USAGE);
    assert_non_null(strstr(limn_error_text(toy_context), "conv"));
    assert_non_null(strstr(limn_error_hint(toy_context), "conv1"));
}

static void batches_do_not_matter(void **state)
{
    float one[32], two[32];
    (void)state;
    assert_int_equal(toy_explain(&toy_convnet, &limn_attr_gradcam,
                                 &(limn_attribution_params){.batch = 1}, toy_squares, 2, toy_square,
                                 one),
                     LIMN_OK);
    assert_int_equal(toy_explain(&toy_convnet, &limn_attr_gradcam,
                                 &(limn_attribution_params){.batch = 2}, toy_squares, 2, toy_square,
                                 two),
                     LIMN_OK);
    assert_memory_equal(one, two, sizeof one);
}

static void it_survives_every_allocation_that_fails(void **state)
{
    (void)state;
    toy_survives(&toy_convnet, &limn_attr_gradcam, &(limn_attribution_params){0}, toy_square);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_of_both_layers_are_known),
        cmocka_unit_test(the_default_is_the_last_layer_with_a_map),
        cmocka_unit_test(several_layers_give_the_mean),
        cmocka_unit_test(relu_removes_what_speaks_against),
        cmocka_unit_test(an_unknown_layer_names_its_neighbours),
        cmocka_unit_test(batches_do_not_matter),
        cmocka_unit_test(it_survives_every_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, toy_open, toy_close);
}
