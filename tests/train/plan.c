/* Plans: what a graph runs is named, followed, and refused by name where it cannot be followed. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "train/plan.h"

#include "base/memory.h"
#include "device/tuning.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct rig {
    limn_context *ctx;
    limn_device *device;
    limn_tensor *image, *filters, *few, *matrix;
} rig;

static void make(rig *r, limn_desc desc, limn_tensor **out)
{
    assert_int_equal(limn_tensor_create(r->device, &desc, out), LIMN_OK);
    assert_int_equal(limn_tensor_zero(*out), LIMN_OK);
}

static int set_up(void **state)
{
    static rig r;
    const limn_context_params params = {.cache_dir = NULL};
    *state = &r;
    setenv("LIMN_TUNE", "0", 1);
    if (limn_context_create(&params, &r.ctx) != LIMN_OK ||
        limn_device_open(r.ctx, NULL, &r.device) != LIMN_OK)
        return 1;
    make(&r, limn_desc_make(LIMN_F32, 4, 2, 6, 6, 16), &r.image);
    make(&r, limn_desc_make(LIMN_F32, 4, 16, 16, 3, 3), &r.filters);
    make(&r, limn_desc_make(LIMN_F32, 4, 16, 1, 3, 3), &r.few);
    make(&r, limn_desc_make(LIMN_F32, 2, 4, 16, 0, 0), &r.matrix);
    return 0;
}

static int tear_down(void **state)
{
    rig *r = *state;
    limn_tensor_destroy(&r->image);
    limn_tensor_destroy(&r->filters);
    limn_tensor_destroy(&r->few);
    limn_tensor_destroy(&r->matrix);
    limn_device_close(&r->device);
    limn_context_destroy(&r->ctx);
    return 0;
}

/* Two convolutions alike, one with sixteen groups, a matrix product, a sum; trained but for the
 * input. */
static limn_graph *build(rig *r)
{
    limn_graph *g;
    limn_node x, w, v, m, y, loss;
    assert_int_equal(limn_graph_create(r->device, &g), LIMN_OK);
    assert_int_equal(limn_graph_extern(g, "image", r->image, &x), LIMN_OK);
    assert_int_equal(limn_graph_extern(g, "filters", r->filters, &w), LIMN_OK);
    assert_int_equal(limn_graph_extern(g, "few", r->few, &v), LIMN_OK);
    assert_int_equal(limn_graph_extern(g, "matrix", r->matrix, &m), LIMN_OK);
    const limn_node first[] = {x, w};
    assert_int_equal(limn_graph_apply(g, "conv2d", "a", first, 2, &y, "pad=1"), LIMN_OK);
    const limn_node second[] = {y, w};
    assert_int_equal(limn_graph_apply(g, "conv2d", "b", second, 2, &y, "pad=1"), LIMN_OK);
    const limn_node third[] = {y, v};
    assert_int_equal(limn_graph_apply(g, "conv2d", "c", third, 2, &y, "pad=1 groups=16"), LIMN_OK);
    assert_int_equal(limn_graph_apply(g, "global_avg_pool", "d", &y, 1, &y, " "), LIMN_OK);
    const limn_node last[] = {y, m};
    assert_int_equal(limn_graph_apply(g, "linear", "e", last, 2, &y, " "), LIMN_OK);
    assert_int_equal(limn_graph_apply(g, "reduce", "f", &y, 1, &loss, " "), LIMN_OK);
    assert_int_equal(limn_graph_want_gradient(g, w), LIMN_OK);
    assert_int_equal(limn_graph_compile(g, loss), LIMN_OK);
    return g;
}

static char *plan_now(rig *r)
{
    char *text;
    limn_graph *g = build(r);
    assert_int_equal(limn_plan_text(r->ctx, g, &text), LIMN_OK);
    limn_graph_destroy(&g);
    return text;
}

static int lines(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void every_choice_is_named_once(void **state)
{
    char *text = plan_now(*state);
    assert_non_null(strstr(text, "conv2d\tc16 k16 g1 f3 s1 p1 d1 6x6\tforward\t"));
    assert_non_null(strstr(text, "conv2d\tc16 k16 g1 f3 s1 p1 d1 6x6\tdata\t"));
    assert_non_null(strstr(text, "conv2d\tc16 k16 g1 f3 s1 p1 d1 6x6\tfilter\t"));
    assert_non_null(strstr(text, "conv2d\tc1 k1 g16 f3 s1 p1 d1 6x6\tforward\t"));
    assert_non_null(strstr(text, "linear\tc16 k4\tforward\t"));
    assert_non_null(strstr(text, "linear\tc16 k4\tdata\t"));
    assert_null(strstr(text, "linear\tc16 k4\tfilter\t")); /* no gradient is wanted of it */
    assert_int_equal(lines(text), 7);
    limn_free(text);
}

/* `text` with the implementation of the line that begins with `start` replaced. */
static char *with(const char *text, const char *start, const char *choice)
{
    const char *at = strstr(text, start);
    assert_non_null(at);
    at += strlen(start);
    return limn_format("%.*s%s%s", (int)(at - text), text, choice, strchr(at, '\n'));
}

static void a_plan_is_followed(void **state)
{
    rig *r = *state;
    char *usual = plan_now(r);
    char *other = with(usual, "conv2d\tc16 k16 g1 f3 s1 p1 d1 6x6\tfilter\t", "plain");
    assert_string_not_equal(usual, other);
    assert_int_equal(limn_plan_pin(r->device, "run", other), LIMN_OK);
    char *seen = plan_now(r);
    assert_string_equal(seen, other);
    limn_graph *g = build(r);
    assert_int_equal(limn_plan_check(r->ctx, "run", other, g), LIMN_OK);
    assert_int_equal(limn_plan_check(r->ctx, "run", usual, g), LIMN_BAD_INPUT);
    limn_graph_destroy(&g);
    limn_plan_unpin(r->device);
    limn_free(seen);
    seen = plan_now(r);
    assert_string_equal(seen, usual);
    limn_free(seen);
    limn_free(other);
    limn_free(usual);
}

static void what_cannot_be_followed_is_named(void **state)
{
    rig *r = *state;
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"fft\tc1\tforward\tplain\n", "fft"},
        {"relu\tc1\tforward\tplain\n", "relu"},
        {"conv2d\tc1\tsideways\tplain\n", "sideways"},
        {"conv2d\tc1\tforward\tstrassen\n", "strassen"},
        {"conv2d\tc1\tforward\tplain", "malformed"},
        {"conv2d\tc1\tforward\n", "malformed"},
        {"conv2d\tc1\tforward\tplain\tmore\n", "malformed"},
        {"conv2d\t\tforward\tplain\n", "malformed"},
        {"\n", "malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(limn_plan_pin(r->device, "run/x", cases[i].text), LIMN_BAD_INPUT);
        assert_non_null(strstr(limn_error_text(r->ctx), cases[i].named));
        assert_non_null(strstr(limn_error_text(r->ctx), "run/x"));
    }
    limn_plan_unpin(r->device);

    /* An implementation that there is, but not for one channel in a group. */
    char *usual = plan_now(r);
    char *other = with(usual, "conv2d\tc1 k1 g16 f3 s1 p1 d1 6x6\tforward\t", "local");
    assert_int_equal(limn_plan_pin(r->device, "run", other), LIMN_OK);
    limn_graph *g = build(r);
    assert_int_equal(limn_plan_check(r->ctx, "run", other, g), LIMN_BAD_INPUT);
    assert_non_null(strstr(limn_error_text(r->ctx), "c1 k1 g16 f3 s1 p1 d1 6x6, forward by local"));
    assert_non_null(strstr(limn_error_text(r->ctx), "does not serve"));
    limn_plan_unpin(r->device);
    assert_int_equal(limn_plan_check(r->ctx, "run", "linear\tc5 k5\tforward\tcpu\n", g),
                     LIMN_BAD_INPUT);
    assert_non_null(strstr(limn_error_text(r->ctx), "no such layer"));
    limn_graph_destroy(&g);
    limn_free(other);
    limn_free(usual);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_choice_is_named_once),
        cmocka_unit_test(a_plan_is_followed),
        cmocka_unit_test(what_cannot_be_followed_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
