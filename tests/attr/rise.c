/* RISE against a scalar reference, masks included. */
#include "toy.h"

#include "base/philox.h"

extern const limn_attr_method limn_attr_rise;

enum { H = 7, W = 9, C = 2, SIZE = H * W * C };

/* Cell (row, column) of mask `mask`; mirrored at the border without repeating the edge. */
static double cell(uint64_t seed, uint64_t mask, int grid, double p, int row, int column)
{
    const int last = grid - 1;
    row = row < 0 ? -row : row > last ? 2 * last - row : row;
    column = column < 0 ? -column : column > last ? 2 * last - column : column;
    uint32_t bits[4];
    const int at = row * grid + column;
    limn_draw(seed, LIMN_PURPOSE_MASK, mask, (uint32_t)(at / 4), bits);
    return (double)limn_uniform(bits[at % 4]) < p;
}

/* A grid of cells as large as 1/grid of the image, rounded up, enlarged to one cell more than the
 * image on each axis, bilinear, and cut out at a random place. */
static double mask_value(uint64_t seed, uint64_t mask, int grid, double p, int y, int x)
{
    const int side[2] = {(H + grid - 1) / grid, (W + grid - 1) / grid};
    uint32_t bits[4];
    limn_draw(seed, LIMN_PURPOSE_MASK, mask, (uint32_t)((grid * grid + 3) / 4), bits);
    const int at[2] = {y + (int)((uint64_t)bits[0] * (uint64_t)side[0] >> 32),
                       x + (int)((uint64_t)bits[1] * (uint64_t)side[1] >> 32)};
    double from[2], sum = 0;
    for (int axis = 0; axis < 2; axis++)
        from[axis] = (at[axis] + 0.5) * grid / ((grid + 1.0) * side[axis]) - 0.5;
    const int row = (int)floor(from[0]), column = (int)floor(from[1]);
    const double v = from[0] - row, u = from[1] - column;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            sum +=
                (i ? v : 1 - v) * (k ? u : 1 - u) * cell(seed, mask, grid, p, row + i, column + k);
    return sum;
}

/* f(x) = relu(w.x), w in flatten's order. */
static double score(const float *weights, const double *x)
{
    double sum = 0;
    for (int c = 0; c < C; c++)
        for (int i = 0; i < H * W; i++)
            sum += (double)weights[c * H * W + i] * x[i * C + c];
    return sum > 0 ? sum : 0;
}

static void expect_estimate(const float *weights, const float *image, const float *baseline,
                            const limn_attribution_params *q, double *map)
{
    memset(map, 0, H * W * sizeof *map);
    for (int64_t n = 0; n < q->masks; n++) {
        double mask[H * W], x[SIZE];
        for (int i = 0; i < H * W; i++)
            mask[i] = mask_value(q->seed, (uint64_t)n, (int)q->grid, (double)q->p, i / W, i % W);
        for (int i = 0; i < SIZE; i++)
            x[i] = mask[i / C] * (double)image[i] + (1 - mask[i / C]) * (double)baseline[i];
        const double s = score(weights, x);
        for (int i = 0; i < H * W; i++)
            map[i] += s * mask[i] / ((double)q->masks * (double)q->p);
    }
}

static void the_estimate_is_that_of_the_reference(void **state)
{
    float weights[SIZE], images[2 * SIZE], baseline[SIZE], first[2 * H * W];
    double expected[H * W];
    (void)state;
    for (int i = 0; i < 2 * SIZE; i++)
        images[i] = (float)((i * 37 % 23) - 7) / 8;
    for (int i = 0; i < SIZE; i++) {
        weights[i] = (float)(i % 11 - 4) / 16;
        baseline[i] = -0.25f;
    }
    const toy_function f = {.layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                                       {"linear", NULL, {LIMN_F32, 2, {1, SIZE}}, weights, 0, NULL},
                                       {"relu", NULL, {0}, NULL, 0, NULL}}};
    limn_attribution_params q = {.masks = 37,
                                 .grid = 3,
                                 .p = 0.4f,
                                 .seed = 1ull << 40 | 5,
                                 .baseline = LIMN_BASELINE_VALUE,
                                 .baseline_value = -0.25f};
    static const int64_t batches[] = {64, 8, 1}, size[3] = {H, W, C};
    for (int b = 0; b < 3; b++) {
        float maps[2 * H * W];
        q.batch = batches[b];
        assert_int_equal(toy_explain(&f, &limn_attr_rise, &q, images, 2, size, maps), LIMN_OK);
        for (int i = 0; i < 2; i++) {
            expect_estimate(weights, images + i * SIZE, baseline, &q, expected);
            double largest = 0;
            for (int k = 0; k < H * W; k++)
                largest = fmax(largest, fabs(expected[k]));
            assert_true(largest > 0.01);
            toy_expect(maps + i * H * W, expected, H * W, 2e-5 * largest);
        }
        if (b == 0)
            memcpy(first, maps, sizeof first);
        assert_memory_equal(first, maps, sizeof first);
    }
    q.seed++;
    float other[2 * H * W];
    assert_int_equal(toy_explain(&f, &limn_attr_rise, &q, images, 2, size, other), LIMN_OK);
    assert_memory_not_equal(first, other, sizeof first);
}

/* A constant score s gives s mean(M) / p, which tends to s. */
static void a_constant_score_gives_a_flat_map(void **state)
{
    static const float nothing[SIZE], five[1] = {5}, image[SIZE];
    float map[H * W];
    (void)state;
    const toy_function f = {
        .layers = {{"flatten", NULL, {0}, NULL, 0, NULL},
                   {"linear", NULL, {LIMN_F32, 2, {1, SIZE}}, nothing, 1, five}}};
    const limn_attribution_params q = {.masks = 4000, .grid = 3, .p = 0.5f, .seed = 3};
    assert_int_equal(
        toy_explain(&f, &limn_attr_rise, &q, image, 1, (const int64_t[]){H, W, C}, map), LIMN_OK);
    for (int i = 0; i < H * W; i++)
        assert_true(fabsf(map[i] - 5) < 0.5f); /* six standard deviations */
}

static void it_survives_every_allocation_that_fails(void **state)
{
    (void)state;
    toy_survives(&toy_multilayer, &limn_attr_rise,
                 &(limn_attribution_params){.masks = 5, .grid = 2, .p = 0.5f, .batch = 4}, toy_row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_estimate_is_that_of_the_reference),
        cmocka_unit_test(a_constant_score_gives_a_flat_map),
        cmocka_unit_test(it_survives_every_allocation_that_fails),
    };
    return cmocka_run_group_tests(tests, toy_open, toy_close);
}
