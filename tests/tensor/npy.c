/* .npy files: round trip, files as NumPy writes them, each rule broken once, failures. */
#define _POSIX_C_SOURCE 200809L
#include "tensor/npy.h"

#include "base/file.h"
#include "base/memory.h"
#include "../support_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const float values[24] = {-1.5f, 0, 1e30f, 3, 4, 5, 6, 7, 8, 9, 10, 11, INFINITY};

static void round_trip(void **state)
{
    fixture *f = *state;
    static const struct {
        int rank;
        int64_t dim[4];
        size_t count;
    } cases[] = {{0, {0}, 1},        {1, {7}, 7},           {2, {3, 5}, 15},
                 {3, {2, 3, 4}, 24}, {4, {2, 2, 3, 2}, 24}, {2, {0, 9}, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(limn_npy_write(f->ctx, f->path, values, cases[i].rank, cases[i].dim),
                         LIMN_OK);
        limn_npy *array;
        assert_int_equal(limn_npy_read(f->ctx, f->path, &array), LIMN_OK);
        assert_int_equal(array->rank, cases[i].rank);
        assert_int_equal(array->count, cases[i].count);
        for (int k = 0; k < array->rank; k++)
            assert_int_equal(array->dim[k], cases[i].dim[k]);
        assert_memory_equal(array->data, values, array->count * sizeof(float));
        limn_npy_free(&array);
    }
    limn_mapping mapping;
    assert_int_equal(limn_file_map(f->ctx, f->path, &mapping), LIMN_OK);
    assert_int_equal(mapping.size, 128); /* the data would begin at a multiple of 64 */
    assert_int_equal(mapping.data[127], '\n');
    limn_file_unmap(&mapping);
}

/* A version 1.0 file of that dictionary and `bytes` bytes of data. */
static size_t make(unsigned char *file, const char *dictionary, const void *data, size_t bytes)
{
    const size_t length = strlen(dictionary);
    memcpy(file, "\x93NUMPY\x01\x00", 8);
    file[8] = (unsigned char)length;
    file[9] = (unsigned char)(length >> 8);
    memcpy(file + 10, dictionary, length);
    if (bytes)
        memcpy(file + 10 + length, data, bytes);
    return 10 + length + bytes;
}

static void foreign_types(void **state)
{
    fixture *f = *state;
    static const double doubles[2] = {0.5, -3};
    static const int32_t ints[2] = {7, -9};
    static const uint8_t bytes[2] = {0, 255};
    static const struct {
        const char *header;
        const void *data;
        size_t size;
        float expected[2];
    } cases[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }  \n", doubles, 16, {0.5f, -3}},
        {"{\"shape\":(1,2),'fortran_order':False,'descr':'<i4'}", ints, 8, {7, -9}},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1,)}\n", bytes, 2, {0, 255}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char file[256];
        const size_t size = make(file, cases[i].header, cases[i].data, cases[i].size);
        limn_npy *array;
        assert_int_equal(limn_npy_parse(f->ctx, "x", file, size, &array), LIMN_OK);
        assert_int_equal(array->count, 2);
        assert_memory_equal(array->data, cases[i].expected, 8);
        limn_npy_free(&array);
    }
    unsigned char wide[128] = "\x93NUMPY\x02\x00";
    static const char text[] = "{'descr': '<f4', 'fortran_order': False, 'shape': ()}";
    wide[8] = sizeof text - 1;
    memcpy(wide + 12, text, sizeof text - 1);
    memcpy(wide + 12 + sizeof text - 1, values, 4);
    limn_npy *array;
    assert_int_equal(limn_npy_parse(f->ctx, "x", wide, 12 + sizeof text - 1 + 4, &array), LIMN_OK);
    assert_true(array->data[0] == values[0]);
    limn_npy_free(&array);
}

static void refused(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *header;
        size_t bytes;
        const char *reason;
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 7, "do not match"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 9, "do not match"},
        {"{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}", 8, "'>f4'"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}", 8, "'|O'"},
        {"{'descr': [('a','<f4')], 'fortran_order': False, 'shape': (2,)}", 8, "records"},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", 8, "Fortran"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8, "neither"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", 8, "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", 8, "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2 1)}", 8, "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 8, "extent"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (02,)}", 8, "extent"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}", 8, "tuple"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,2)}", 8, "4 extents"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", 0, "match"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 0, "extent"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296,4294967296)}", 0, "match"},
        {"{'descr': '<f4', 'fortran_order': False}", 4, "lacks"},
        {"{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", 8, "repeated"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", 8, "unknown"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, "follows"},
        {"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", 8, "dictionary"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,", 8, "extent"},
        {"['descr']", 8, "dictionary"},
    };
    unsigned char file[256];
    limn_npy *array;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t size = make(file, cases[i].header, values, cases[i].bytes);
        assert_int_equal(limn_npy_parse(f->ctx, "bad.npy", file, size, &array), LIMN_BAD_INPUT);
        assert_null(array);
        if (!strstr(limn_error_text(f->ctx), cases[i].reason) ||
            !strstr(limn_error_text(f->ctx), "bad.npy"))
            fail_msg("case %zu: %s", i, limn_error_text(f->ctx));
    }
    const size_t size = make(file, cases[0].header, values, 8);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(limn_npy_parse(f->ctx, "x", file, cut, &array), LIMN_BAD_INPUT);
    static const size_t places[] = {0, 5, 6, 7, 9}; /* magic, version, header length */
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        unsigned char broken[256];
        memcpy(broken, file, size);
        broken[places[i]] ^= 0x44;
        assert_int_equal(limn_npy_parse(f->ctx, "x", broken, size, &array), LIMN_BAD_INPUT);
    }
    assert_int_equal(limn_npy_read(f->ctx, f->path, &array), LIMN_BAD_INPUT);
}

static void misuse(void **state)
{
    fixture *f = *state;
    static const int64_t negative[1] = {-1}, huge[2] = {INT64_MAX, 4}, two[1] = {2};
    assert_int_equal(limn_npy_write(f->ctx, f->path, values, 1, negative), LIMN_BAD_USAGE);
    assert_int_equal(limn_npy_write(f->ctx, f->path, values, 2, huge), LIMN_BAD_USAGE);
    assert_int_equal(limn_npy_write(f->ctx, f->path, values, 5, huge), LIMN_BAD_USAGE);
    limn_npy_writer *writer;
    assert_int_equal(limn_npy_writer_open(f->ctx, f->path, 1, two, &writer), LIMN_OK);
    assert_int_equal(limn_npy_writer_add(writer, values, 3), LIMN_BAD_USAGE);
    assert_int_equal(limn_npy_writer_add(writer, values, 1), LIMN_OK);
    assert_int_equal(limn_npy_writer_finish(&writer), LIMN_BAD_USAGE);
    assert_null(writer);
    assert_false(limn_file_exists(f->path));
}

static void memory_fails(void **state)
{
    fixture *f = *state;
    static const int64_t dim[2] = {2, 3};
    for (unsigned long nth = 1;; nth++) {
        limn_memory_fail_at(nth, false);
        limn_npy *array = NULL;
        limn_status status = limn_npy_write(f->ctx, f->path, values, 2, dim);
        if (status == LIMN_OK)
            status = limn_npy_read(f->ctx, f->path, &array);
        const unsigned long made = limn_memory_fail_at(0, false);
        limn_npy_free(&array);
        if (made < nth) {
            assert_int_equal(status, LIMN_OK);
            assert_true(nth > 4);
            break;
        }
        assert_int_equal(status, LIMN_FAILED);
        assert_null(array);
    }
}

static void disk_is_full(void **state)
{
    fixture *f = *state;
    static float many[30000];
    static const int64_t dim[1] = {30000};
    assert_int_equal(limit_file_size(50000), 0);
    const limn_status status = limn_npy_write(f->ctx, f->path, many, 1, dim);
    assert_int_equal(limit_file_size(RLIM_INFINITY), 0);
    assert_int_equal(status, LIMN_FAILED);
    assert_non_null(strstr(limn_error_text(f->ctx), f->path));
    assert_false(limn_file_exists(f->path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(misuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_is_full, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
