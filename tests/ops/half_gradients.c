/* Gradients in half precision, of any size: tiny, huge, mixed, zero, not finite. */
#include "harness.h"
#include "support_device.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* Tiles of 64 x 64 results and 16 terms, straddled in every direction. */
static const struct row {
    const char *op, *params;
    int in_count;
    limn_desc in[3];
} rows[] = {
    {"conv2d", "pad=1", 2, {LIMN_F4(2, 7, 6, 20), LIMN_F4(68, 20, 3, 3)}},
    {"conv2d", "stride=2 pad=1 groups=2", 2, {LIMN_F4(3, 9, 8, 24), LIMN_F4(16, 12, 3, 2)}},
    {"conv2d", "", 2, {LIMN_F4(1, 6, 7, 12), LIMN_F4(20, 12, 3, 3)}},
    {"conv2d", "", 2, {LIMN_F4(3, 24, 23, 8), LIMN_F4(8, 8, 1, 1)}}, /* several slices of pixels */
    {"linear", "", 3, {LIMN_F2(70, 83), LIMN_F2(67, 83), LIMN_F1(67)}},
    {"linear", "", 2, {LIMN_F2(5, 150), LIMN_F2(9, 150)}},
};
enum { ROWS = sizeof rows / sizeof *rows, GRADIENTS = 2 };

/* One row with its values; dx and dw by the device. */
typedef struct trial {
    const struct row *row;
    const limn_op *op;
    char params[64];
    limn_op_values values;
    float *got[GRADIENTS];
} trial;

static size_t count_of(const trial *t, int which)
{
    return (size_t)limn_desc_count(&t->values.in_desc[which]);
}

static trial set_up_trial(const struct row *row, int form)
{
    trial t = {.row = row, .op = limn_op_find(row->op)};
    snprintf(t.params, sizeof t.params, "impl=%d %s", form + 1, row->params);
    limn_device_allow_half(the.device, ~0u);
    assert_int_equal(
        limn_op_values_create(the.device, t.op, t.params, row->in, row->in_count, 3, &t.values),
        LIMN_OK);
    for (int i = 0; i < GRADIENTS; i++) {
        assert_int_equal(t.values.plan.choice[i + 1], form);
        assert_non_null(t.got[i] = limn_calloc(count_of(&t, i), sizeof *t.got[i]));
    }
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
        const double error = error_of(t, i), bound = t->op->choices->bound(&c, i + 1, which);
        if (!(error <= bound && error > 0x1p-20))
            fail_msg("%s %s, gradient %d: error %g, bound %g", t->op->name, t->params, i, error,
                     bound);
    }
}

/* Every form in half precision of every row. */
static void each(void (*test)(trial *t))
{
    for (int i = 0; i < ROWS; i++) {
        const limn_op_choices *choices = limn_op_find(rows[i].op)->choices;
        int forms = 0;
        for (int form = 0; form < choices->count; form++) {
            if (!choices->half(form))
                continue;
            trial t = set_up_trial(&rows[i], form);
            test(&t);
            tear_down_trial(&t);
            forms++;
        }
        assert_true(forms > 0);
    }
}

static float *copy_of(const trial *t, int which)
{
    const size_t count = count_of(t, which);
    float *copy = limn_calloc(count, sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, t->got[which], count * sizeof *copy);
    return copy;
}

/* The same bits but for the exponent, and as close to the reference. */
static void any_magnitude(trial *t)
{
    static const int powers[] = {0, -30, -60, -110, 60, 100};
    float *first[GRADIENTS] = {NULL};
    int before = 0;
    for (size_t p = 0; p < sizeof powers / sizeof *powers; p++) {
        scale(t, powers[p] - before);
        before = powers[p];
        run_device(t);
        judge(t);
        for (int g = 0; g < GRADIENTS; g++) {
            if (p == 0)
                first[g] = copy_of(t, g);
            for (size_t k = 0; k < count_of(t, g); k++)
                if (t->got[g][k] != ldexpf(first[g][k], powers[p]))
                    fail_msg("%s %s, times 2^%d: gradient %d, element %zu", t->op->name, t->params,
                             powers[p], g, k);
        }
    }
    for (int g = 0; g < GRADIENTS; g++)
        limn_free(first[g]);
}

static void every_magnitude_is_as_good(void **state)
{
    (void)state;
    each(any_magnitude);
}

/* One is large, the others 2^-24 of it: beside a 1, the last bit that half has.  Where the large
 * one does not reach, all is as good as without it. */
static void small_beside_large(trial *t)
{
    double *dy = t->values.grad_out[0], *alone[GRADIENTS];
    const int64_t middle = limn_desc_count(&t->values.plan.out[0]) / 2;
    scale(t, -44);
    limn_op_values_backward(&t->values);
    for (int g = 0; g < GRADIENTS; g++) {
        alone[g] = t->values.grad_in[g];
        t->values.grad_in[g] = limn_calloc(count_of(t, g), sizeof *t->values.grad_in[g]);
        assert_non_null(t->values.grad_in[g]);
    }
    dy[middle] = dy[middle] < 0 ? -0x1p-20 : 0x1p-20;
    run_device(t);
    limn_op_values_backward(&t->values);
    for (int g = 0; g < GRADIENTS; g++) {
        double *with = t->values.grad_in[g];
        size_t apart = 0;
        for (size_t k = 0; k < count_of(t, g); k++)
            if (with[k] == alone[g][k])
                apart++;
            else
                with[k] = t->got[g][k] = 0;
        assert_true(apart > 0 && apart < count_of(t, g));
        if (!(error_of(t, g) <= LIMN_HALF_BOUND))
            fail_msg("%s %s, gradient %d: error %g", t->op->name, t->params, g, error_of(t, g));
        limn_free(alone[g]);
    }
}

static void small_ones_beside_a_large_one_are_kept(void **state)
{
    (void)state;
    each(small_beside_large);
}

static void zeros(trial *t)
{
    for (int64_t k = 0; k < limn_desc_count(&t->values.plan.out[0]); k++)
        t->values.grad_out[0][k] = k % 2 ? 0 : -0.0;
    run_device(t);
    for (int g = 0; g < GRADIENTS; g++)
        for (size_t k = 0; k < count_of(t, g); k++)
            assert_true(t->got[g][k] == 0);
}

static void zero_gives_zero(void **state)
{
    (void)state;
    each(zeros);
}

/* NaN where the reference is not finite, and the others as good as ever.  Without padding: its
 * zeros are multiplied, too, as in single precision. */
static void not_finite(trial *t)
{
    static const double faults[] = {NAN, INFINITY, -INFINITY};
    const int64_t middle = limn_desc_count(&t->values.plan.out[0]) / 2;
    scale(t, -30);
    for (int f = 0; f < 3 && !strstr(t->params, "pad"); f++) {
        t->values.grad_out[0][middle] = faults[f];
        run_device(t);
        limn_op_values_backward(&t->values);
        for (int g = 0; g < GRADIENTS; g++) {
            size_t lost = 0;
            for (size_t k = 0; k < count_of(t, g); k++) {
                double *want = &t->values.grad_in[g][k];
                assert_true(isfinite(*want) ? isfinite(t->got[g][k]) : isnan(t->got[g][k]));
                if (isfinite(*want))
                    continue;
                *want = t->got[g][k] = 0;
                lost++;
            }
            assert_true(lost > 0 && lost < count_of(t, g));
            assert_true(error_of(t, g) <= LIMN_HALF_BOUND);
        }
    }
}

static void what_is_not_finite_stays_so(void **state)
{
    (void)state;
    each(not_finite);
}

/* A weight of 70000 and a pixel of -1e6: NaN in what they take part in, an infinity in nothing. */
static void beyond_range(trial *t)
{
    t->values.in[0][count_of(t, 0) / 2] = -1e6;
    t->values.in[1][count_of(t, 1) / 2] = 70000;
    run_device(t);
    for (int g = 0; g < GRADIENTS; g++) {
        size_t lost = 0;
        for (size_t k = 0; k < count_of(t, g); k++) {
            assert_false(isinf(t->got[g][k]));
            lost += isnan(t->got[g][k]);
        }
        assert_true(lost > 0 && lost < count_of(t, g));
    }
}

static void factors_that_half_cannot_hold_give_nan(void **state)
{
    (void)state;
    each(beyond_range);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_magnitude_is_as_good),
        cmocka_unit_test(small_ones_beside_a_large_one_are_kept),
        cmocka_unit_test(zero_gives_zero),
        cmocka_unit_test(what_is_not_finite_stays_so),
        cmocka_unit_test(factors_that_half_cannot_hold_give_nan),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
