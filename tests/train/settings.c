/* Settings by name, and learning rates. */
#include "train/settings.h"

#include "train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static limn_context *ctx;

static int open_context(void **state)
{
    (void)state;
    return limn_context_create(NULL, &ctx) != LIMN_OK;
}

static int close_context(void **state)
{
    (void)state;
    limn_context_destroy(&ctx);
    return 0;
}

/* What is printed reads back as the same. */
static void text_is_exact(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {{"arch", "cnn-small"},
                 {"classes", "12"},
                 {"mean", "0.1,0.2,0.3"},
                 {"std", "1,2,3,4"},
                 {"loss", "supcon"},
                 {"steps", "123456789012"},
                 {"lr", "0.1"},
                 {"seed", "18446744073709551615"},
                 {"no-shuffle", "yes"},
                 {"warmup", "0.5"},
                 {"milestones", "1,2.5"},
                 {"temperature", "0.07"},
                 {"views", "2"},
                 {"precision", "fp16"},
                 {"weight-decay", "0.00050000000001"}};
    (void)state;
    limn_train_params params;
    assert_int_equal(limn_train_defaults(ctx, NULL, &params), LIMN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(limn_train_set(ctx, &params, cases[i].name, cases[i].text), LIMN_OK);
        const limn_setting *s = NULL;
        for (size_t k = 0; (s = limn_setting_at(k)) != NULL; k++)
            if (strcmp(limn_setting_name(s), cases[i].name) == 0)
                break;
        char text[LIMN_SETTING_TEXT];
        assert_non_null(s);
        assert_true(limn_setting_print(s, &params, text, sizeof text));
        limn_train_params again = params;
        assert_int_equal(limn_train_set(ctx, &again, cases[i].name, text), LIMN_OK);
        assert_true(limn_setting_may_resume(s, &again, text));
        if (strchr(cases[i].text, '5') == NULL)
            assert_string_equal(text, cases[i].text);
    }
    assert_true(params.weight_decay == 0.00050000000001);
}

/* Runs from before there was a precision had fp32. */
static void an_older_run_says_no_precision(void **state)
{
    (void)state;
    limn_train_params params;
    const limn_setting *s = NULL;
    for (size_t k = 0; (s = limn_setting_at(k)) != NULL; k++)
        if (strcmp(limn_setting_name(s), "precision") == 0)
            break;
    assert_non_null(s);
    assert_int_equal(limn_train_defaults(ctx, NULL, &params), LIMN_OK);
    assert_true(limn_setting_may_resume(s, &params, NULL));
    assert_string_equal(limn_setting_said(s, NULL), "fp32");
    assert_string_equal(limn_setting_said(s, "fp16"), "fp16");
    params.precision = LIMN_PRECISION_FP16;
    assert_false(limn_setting_may_resume(s, &params, NULL));
    assert_false(limn_setting_may_resume(s, &params, "fp32"));
    params.precision = (limn_precision)7;
    assert_int_equal(limn_train_check(ctx, &params), LIMN_BAD_USAGE);
}

static void mistakes_are_refused(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = {{"precision", "fp8"},    {"lr", "0"},
                 {"lr", "nan"},           {"lr", "1x"},
                 {"batch", "0"},          {"batch", "1.5"},
                 {"momentum", "1"},       {"views", "3"},
                 {"std", "0,1,1"},        {"mean", "1,,2"},
                 {"mean", "1,2,3,4,5"},   {"seed", "-1"},
                 {"no-shuffle", "maybe"}, {"epochs", "99999999999"},
                 {"warmup", "-1"},        {"loss", ""},
                 {"unheard-of", "1"}};
    (void)state;
    limn_train_params params;
    assert_int_equal(limn_train_defaults(ctx, "supcon", &params), LIMN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(limn_train_set(ctx, &params, cases[i].name, cases[i].text),
                         LIMN_BAD_USAGE);
        assert_non_null(strstr(limn_error_text(ctx), cases[i].name));
    }
    assert_int_equal(limn_train_defaults(ctx, "supcon", &params), LIMN_OK);
    assert_int_equal(limn_train_check(ctx, &params), LIMN_OK);
    params.temperature = 0;
    assert_int_equal(limn_train_check(ctx, &params), LIMN_BAD_USAGE);
    assert_int_equal(limn_train_defaults(ctx, "nothing", &params), LIMN_BAD_USAGE);
    assert_non_null(strstr(limn_error_text(ctx), "supcon"));
}

static double lr_at(limn_train_params *params, int64_t step)
{
    const limn_schedule_span span = limn_schedule_span_of(params, 10, 100);
    return limn_schedule_lr(limn_schedule_find(params->schedule), &span, step);
}

static void near(double a, double b)
{
    if (!(fabs(a - b) < 1e-12)) {
        print_error("%.17g is not %.17g\n", a, b);
        fail();
    }
}

static void learning_rates_follow_their_formulas(void **state)
{
    (void)state;
    limn_train_params params = {.lr = 0.5, .schedule = "constant", .decay = 0.1};
    near(lr_at(&params, 0), 0.5);
    near(lr_at(&params, 99), 0.5);
    params.warmup = 2;
    near(lr_at(&params, 0), 0.5 / 20);
    near(lr_at(&params, 19), 0.5);
    params.schedule = "cosine";
    near(lr_at(&params, 9), 0.25);
    near(lr_at(&params, 20), 0.5);
    near(lr_at(&params, 60), 0.25);
    near(lr_at(&params, 100), 0);
    near(lr_at(&params, 99), 0.25 * (1 + cos(3.14159265358979323846 * 79 / 80)));
    params.schedule = "step";
    near(lr_at(&params, 59), 0.5);
    near(lr_at(&params, 60), 0.05);
    near(lr_at(&params, 75), 0.005);
    near(lr_at(&params, 99), 0.0005);
    params.milestones = "3,4.5";
    near(lr_at(&params, 29), 0.5);
    near(lr_at(&params, 30), 0.05);
    near(lr_at(&params, 44), 0.05);
    near(lr_at(&params, 45), 0.005);
}

static void milestones_grow(void **state)
{
    static const char *const bad[] = {
        "", "1,", ",1", "2,1", "1,1", "x", "0", "1 2", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
    (void)state;
    double out[LIMN_MAX_MILESTONES];
    assert_int_equal(limn_milestones_parse("1,2.5,30", out), 3);
    near(out[1], 2.5);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(limn_milestones_parse(bad[i], out) < 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_exact),
        cmocka_unit_test(an_older_run_says_no_precision),
        cmocka_unit_test(mistakes_are_refused),
        cmocka_unit_test(learning_rates_follow_their_formulas),
        cmocka_unit_test(milestones_grow),
    };
    return cmocka_run_group_tests(tests, open_context, close_context);
}
