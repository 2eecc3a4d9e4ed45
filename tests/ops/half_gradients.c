/* Gradients in half precision, of any size: tiny, huge, mixed, zero, not finite. */
#include "ops/check.h"
#include "support_device.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define F1(a)                                                                                      \
    {                                                                                              \
        LIMN_F32, 1,                                                                               \
        {                                                                                          \
            a                                                                                      \
        }                                                                                          \
    }
#define F2(a, b)                                                                                   \
    {                                                                                              \
        LIMN_F32, 2,                                                                               \
        {                                                                                          \
            a, b                                                                                   \
        }                                                                                          \
    }
#define F4(a, b, c, d)                                                                             \
    {                                                                                              \
        LIMN_F32, 4,                                                                               \
        {                                                                                          \
            a, b, c, d                                                                             \
        }                                                                                          \
    }

/* Tiles of 64 x 64 results and 16 terms, straddled in every direction. */
static const struct row {
    const char *op, *params;
    int in_count;
    limn_desc in[3];
} rows[] = {
    {"conv2d", "impl=5 pad=1", 2, {F4(2, 7, 6, 20), F4(68, 20, 3, 3)}},
    {"conv2d", "impl=8 pad=1", 2, {F4(2, 7, 6, 20), F4(68, 20, 3, 3)}},
    {"conv2d", "impl=5 stride=2 pad=1 groups=2", 2, {F4(3, 9, 8, 24), F4(16, 12, 3, 2)}},
    {"conv2d", "impl=8 stride=2 pad=1 groups=2", 2, {F4(3, 9, 8, 24), F4(16, 12, 3, 2)}},
    {"conv2d", "impl=5", 2, {F4(1, 6, 7, 12), F4(20, 12, 3, 3)}},
    {"conv2d", "impl=8", 2, {F4(3, 24, 23, 8), F4(8, 8, 1, 1)}}, /* several slices of pixels */
};
enum { ROWS = sizeof rows / sizeof *rows, GRADIENTS = 2 };

/* One row with its values; dx and dw by the device. */
typedef struct trial {
    const struct row *row;
    const limn_op *op;
    limn_op_values values;
    float *got[GRADIENTS];
} trial;

static size_t count_of(const trial *t, int which)
{
    return (size_t)limn_desc_count(&t->values.in_desc[which]);
}

static trial set_up_trial(const struct row *row)
{
    trial t = {.row = row, .op = limn_op_find(row->op)};
    assert_non_null(t.op);
    limn_device_allow_half(the.device, ~0u);
    assert_int_equal(
        limn_op_values_create(the.device, t.op, row->params, row->in, row->in_count, 3, &t.values),
        LIMN_OK);
    for (int i = 0; i < GRADIENTS; i++)
        assert_non_null(t.got[i] = limn_calloc(count_of(&t, i), sizeof *t.got[i]));
    return t;
}

static void tear_down_trial(trial *t)
{
    for (int i = 0; i < GRADIENTS; i++)
        limn_free(t->got[i]);
    limn_op_values_free(&t->values);
    limn_device_allow_half(the.device, 0);
}

static limn_tensor *tensor_of(const limn_desc *desc, const double *values)
{
    limn_tensor *tensor;
    assert_int_equal(limn_tensor_create(the.device, desc, &tensor), LIMN_OK);
    if (values)
        assert_int_equal(limn_tensor_write_doubles(tensor, values), LIMN_OK);
    return tensor;
}

/* Fills `got`, from the gradient of the output as it stands. */
static void run_device(trial *t)
{
    limn_op_run run = {.device = the.device,
                       .params = t->values.params,
                       .plan = &t->values.plan,
                       .in_count = t->row->in_count};
    for (int i = 0; i < run.in_count; i++)
        run.in[i] = tensor_of(&t->values.in_desc[i], t->values.in[i]);
    run.grad_out[0] = tensor_of(&t->values.plan.out[0], t->values.grad_out[0]);
    for (int i = 0; i < GRADIENTS; i++)
        run.grad_in[i] = tensor_of(&t->values.in_desc[i], NULL);
    assert_int_equal(limn_buffer_create(the.device, t->values.plan.backward_scratch, &run.scratch),
                     LIMN_OK);
    assert_int_equal(t->op->backward(&run), LIMN_OK);
    for (int i = 0; i < GRADIENTS; i++) {
        assert_int_equal(limn_tensor_read(run.grad_in[i], t->got[i]), LIMN_OK);
        limn_tensor_destroy(&run.grad_in[i]);
    }
    for (int i = 0; i < run.in_count; i++)
        limn_tensor_destroy(&run.in[i]);
    limn_tensor_destroy(&run.grad_out[0]);
    limn_buffer_destroy(&run.scratch);
}

/* Every gradient of the output, times a power of two: exact. */
static void scale(trial *t, int power)
{
    const int64_t count = limn_desc_count(&t->values.plan.out[0]);
    for (int64_t i = 0; i < count; i++)
        t->values.grad_out[0][i] = (double)(float)ldexp(t->values.grad_out[0][i], power);
}

/* Largest |difference to the reference| over largest |reference|. */
static double error_of(const trial *t, int which)
{
    double worst = 0, largest = 0;
    for (size_t i = 0; i < count_of(t, which); i++) {
        const double want = t->values.grad_in[which][i];
        const double difference = fabs((double)t->got[which][i] - want);
        worst = difference <= worst ? worst : difference == difference ? difference : INFINITY;
        largest = fmax(largest, fabs(want));
    }
    assert_true(largest > 0);
    return worst / largest;
}

/* Within the bound, and coarser than single precision is: halves were at work. */
static void judge(trial *t)
{
    const limn_choice_case c = {the.device, t->values.params, t->values.in_desc,
                                t->values.in_count};
    limn_op_values_backward(&t->values);
    for (int i = 0; i < GRADIENTS; i++) {
        const int which = t->values.plan.choice[i + 1];
        assert_true(t->op->choices->half(which));
        const double error = error_of(t, i), bound = t->op->choices->bound(&c, i + 1, which);
        if (!(error <= bound && error > 0x1p-20))
            fail_msg("%s %s, gradient %d: error %g, bound %g", t->op->name, t->row->params, i,
                     error, bound);
    }
}

/* 2^-127 and less are below the normal floats. */
static void every_magnitude_is_as_good(void **state)
{
    static const int powers[] = {0, -30, -60, -110, 60, 100};
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        trial t = set_up_trial(&rows[i]);
        float *first[GRADIENTS];
        int before = 0;
        for (size_t p = 0; p < sizeof powers / sizeof *powers; p++) {
            scale(&t, powers[p] - before);
            before = powers[p];
            run_device(&t);
            judge(&t);
            for (int g = 0; g < GRADIENTS; g++) {
                const size_t count = count_of(&t, g);
                if (p == 0) {
                    assert_non_null(first[g] = limn_calloc(count, sizeof *first[g]));
                    memcpy(first[g], t.got[g], count * sizeof *first[g]);
                }
                for (size_t k = 0; k < count; k++) /* the same bits but for the exponent */
                    if (t.got[g][k] != ldexpf(first[g][k], powers[p]))
                        fail_msg("%s %s, times 2^%d: gradient %d, element %zu", t.op->name,
                                 rows[i].params, powers[p], g, k);
            }
        }
        for (int g = 0; g < GRADIENTS; g++)
            limn_free(first[g]);
        tear_down_trial(&t);
    }
}

/* One is large, the others 2^-24 of it: half by itself holds 2^-24 of its 1, and nothing less.
 * Where the large one does not reach, all is as good as without it. */
static void small_ones_beside_a_large_one_are_kept(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        trial t = set_up_trial(&rows[i]);
        double *dy = t.values.grad_out[0];
        const int64_t middle = limn_desc_count(&t.values.plan.out[0]) / 2;
        scale(&t, -44);
        limn_op_values_backward(&t.values);
        double *alone[GRADIENTS];
        for (int g = 0; g < GRADIENTS; g++) {
            alone[g] = t.values.grad_in[g];
            t.values.grad_in[g] = limn_calloc(count_of(&t, g), sizeof *t.values.grad_in[g]);
            assert_non_null(t.values.grad_in[g]);
        }
        dy[middle] = dy[middle] < 0 ? -0x1p-20 : 0x1p-20;
        run_device(&t);
        limn_op_values_backward(&t.values);
        for (int g = 0; g < GRADIENTS; g++) {
            double *with = t.values.grad_in[g];
            size_t apart = 0;
            for (size_t k = 0; k < count_of(&t, g); k++)
                if (with[k] == alone[g][k])
                    apart++;
                else
                    with[k] = t.got[g][k] = 0;
            assert_true(apart > 0 && apart < count_of(&t, g));
            if (!(error_of(&t, g) <= 4 * 0x1p-11))
                fail_msg("%s %s, gradient %d: error %g", t.op->name, rows[i].params, g,
                         error_of(&t, g));
            limn_free(alone[g]);
        }
        tear_down_trial(&t);
    }
}

static void zero_gives_zero(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        trial t = set_up_trial(&rows[i]);
        const limn_desc *out = &t.values.plan.out[0];
        for (int64_t k = 0; k < limn_desc_count(out); k++)
            t.values.grad_out[0][k] = k % 2 ? 0 : -0.0;
        run_device(&t);
        for (int g = 0; g < GRADIENTS; g++)
            for (size_t k = 0; k < count_of(&t, g); k++)
                assert_true(t.got[g][k] == 0);
        tear_down_trial(&t);
    }
}

/* NaN where the reference is not finite, and the others as good as ever.  Without padding: its
 * zeros are multiplied, too, as in single precision. */
static void what_is_not_finite_stays_so(void **state)
{
    static const double faults[] = {NAN, INFINITY, -INFINITY};
    (void)state;
    for (int i = 0; i < ROWS; i++)
        for (int f = 0; f < 3 && !strstr(rows[i].params, "pad"); f++) {
            trial t = set_up_trial(&rows[i]);
            scale(&t, -30);
            t.values.grad_out[0][limn_desc_count(&t.values.plan.out[0]) / 2] = faults[f];
            run_device(&t);
            limn_op_values_backward(&t.values);
            for (int g = 0; g < GRADIENTS; g++) {
                size_t lost = 0;
                for (size_t k = 0; k < count_of(&t, g); k++) {
                    double *want = &t.values.grad_in[g][k];
                    assert_int_equal(isfinite(*want) != 0, isfinite(t.got[g][k]) != 0);
                    if (isfinite(*want))
                        continue;
                    assert_true(isnan(t.got[g][k]));
                    *want = t.got[g][k] = 0;
                    lost++;
                }
                assert_true(lost > 0 && lost < count_of(&t, g));
                assert_true(error_of(&t, g) < 4 * 0x1p-11);
            }
            tear_down_trial(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_magnitude_is_as_good),
        cmocka_unit_test(small_ones_beside_a_large_one_are_kept),
        cmocka_unit_test(zero_gives_zero),
        cmocka_unit_test(what_is_not_finite_stays_so),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
