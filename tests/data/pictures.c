/* Data sets made of pictures in memory. */
#include "limn/dataset.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static uint8_t first[] = {1, 2, 3, 4, 5, 6}, second[] = {7, 8, 9, 10, 11, 12};
static const limn_image images[] = {{2, 1, 3, first}, {2, 1, 3, second}};

static int create(void **state)
{
    return limn_context_create(NULL, (limn_context **)state) != LIMN_OK;
}

static int destroy(void **state)
{
    limn_context_destroy((limn_context **)state);
    return 0;
}

static void pixels_are_copied_in_order(void **state)
{
    const limn_dataset *data, *again;
    char one[33], two[33];
    assert_int_equal(limn_dataset_from_images(*state, "some", images, 2, &data), LIMN_OK);
    assert_string_equal(data->path, "some");
    assert_int_equal(data->count, 2);
    assert_int_equal(data->height, 1);
    assert_int_equal(data->width, 2);
    assert_int_equal(data->channels, 3);
    assert_int_equal(data->class_count, 0);
    assert_memory_equal(data->images, first, 6);
    assert_memory_equal(data->images + 6, second, 6);
    assert_int_equal(data->labels[0], -1);
    assert_int_equal(data->labels[1], -1);
    limn_dataset_digest(data, one);
    limn_dataset_close(&data);
    first[0]++;
    assert_int_equal(limn_dataset_from_images(*state, "some", images, 2, &again), LIMN_OK);
    limn_dataset_digest(again, two);
    first[0]--;
    assert_string_not_equal(one, two);
    limn_dataset_close(&again);
}

static void sizes_must_agree(void **state)
{
    const limn_dataset *data;
    const limn_image mixed[] = {images[0], {1, 2, 3, second}};
    assert_int_equal(limn_dataset_from_images(*state, "some", mixed, 2, &data), LIMN_BAD_INPUT);
    assert_null(data);
    assert_int_equal(limn_dataset_from_images(*state, "some", mixed, 0, &data), LIMN_BAD_INPUT);
}

static void every_allocation_can_fail(void **state)
{
    const limn_dataset *data;
    limn_status status = LIMN_FAILED;
    unsigned long nth = 0;
    while (status != LIMN_OK && nth < 1000) {
        limn_memory_fail_at(++nth, true);
        status = limn_dataset_from_images(*state, "some", images, 2, &data);
        limn_memory_fail_at(0, false);
        assert_true(status == LIMN_OK || (status == LIMN_FAILED && !data));
    }
    assert_int_equal(status, LIMN_OK);
    assert_true(nth > 3);
    limn_dataset_close(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pixels_are_copied_in_order, create, destroy),
        cmocka_unit_test_setup_teardown(sizes_must_agree, create, destroy),
        cmocka_unit_test_setup_teardown(every_allocation_can_fail, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
