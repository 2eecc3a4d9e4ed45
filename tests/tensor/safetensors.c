/* safetensors: round trip, each rule of the format broken once, failing memory and disk. */
#define _POSIX_C_SOURCE 200809L
#include "tensor/safetensors.h"

#include "base/file.h"
#include "base/memory.h"
#include "../support_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* A file of that header and `bytes` zero bytes of data. */
static size_t make(unsigned char *file, const char *header, size_t bytes)
{
    const size_t length = strlen(header);
    memset(file, 0, 8 + length + bytes);
    file[0] = (unsigned char)length;
    file[1] = (unsigned char)(length >> 8);
    memcpy(file + 8, header, length);
    return 8 + length + bytes;
}

static limn_status parse(limn_context *ctx, const char *header, size_t bytes,
                         limn_safetensors **out)
{
    unsigned char *file = malloc(8 + strlen(header) + bytes);
    assert_non_null(file);
    const size_t size = make(file, header, bytes);
    const limn_status status = limn_safetensors_parse(ctx, "bad.safetensors", file, size, out);
    if (status != LIMN_OK) /* else the result points into it */
        free(file);
    return status;
}

static limn_status write_some(limn_context *ctx, const char *path)
{
    static const uint64_t weight[2] = {2, 3}, none[3] = {4, 0, 5}, stream[2] = {0, 2};
    static const float values[6] = {1, 2, 3, 4, 5, 6};
    static const int64_t step = -7;
    limn_safetensors_writer *writer;
    limn_status status = limn_safetensors_writer_open(ctx, path, &writer);
    if (status != LIMN_OK)
        return status;
    const struct {
        const char *name;
        limn_safetensors_dtype dtype;
        int rank;
        const uint64_t *dim;
    } tensors[] = {{"step", LIMN_SAFETENSORS_I64, 0, NULL},
                   {"layer.\"weight\"", LIMN_SAFETENSORS_F32, 2, weight},
                   {"empty", LIMN_SAFETENSORS_F16, 3, none},
                   {"bytes", LIMN_SAFETENSORS_U8, 2, stream}};
    for (size_t i = 0; status == LIMN_OK && i < 4; i++)
        status = limn_safetensors_writer_declare(writer, tensors[i].name, tensors[i].dtype,
                                                 tensors[i].rank, tensors[i].dim);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_metadata(writer, "format", "pt");
    if (status == LIMN_OK)
        status = limn_safetensors_writer_begin(writer, 100);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_data(writer, &step, sizeof step);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_data(writer, values, sizeof values);
    for (int i = 0; status == LIMN_OK && i < 1001; i++)
        status = limn_safetensors_writer_data(writer, "ab", 2);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_resize(writer, "bytes", 1001);
    if (status == LIMN_OK)
        status = limn_safetensors_writer_metadata(writer, "late", "\xc3\xa9\n");
    if (status == LIMN_OK)
        return limn_safetensors_writer_finish(&writer);
    limn_safetensors_writer_discard(&writer);
    return status;
}

static void round_trip(void **state)
{
    fixture *f = *state;
    assert_int_equal(write_some(f->ctx, f->path), LIMN_OK);
    limn_safetensors *file;
    assert_int_equal(limn_safetensors_open(f->ctx, f->path, &file), LIMN_OK);
    assert_int_equal(file->count, 4);
    assert_int_equal(file->metadata_count, 2);
    assert_string_equal(limn_safetensors_metadata(file, "format"), "pt");
    assert_string_equal(limn_safetensors_metadata(file, "late"), "\xc3\xa9\n");
    assert_null(limn_safetensors_metadata(file, "other"));
    assert_null(limn_safetensors_find(file, "other"));
    const limn_safetensors_entry *step = limn_safetensors_find(file, "step");
    int64_t number;
    assert_int_equal(step->rank, 0);
    assert_int_equal(step->size, sizeof number);
    memcpy(&number, step->data, sizeof number);
    assert_int_equal(number, -7);
    assert_int_equal((size_t)(step->data - file->bytes) % 8, 0);
    const limn_safetensors_entry *weight = limn_safetensors_find(file, "layer.\"weight\"");
    float values[6];
    assert_int_equal(weight->size, sizeof values);
    memcpy(values, weight->data, sizeof values);
    for (int i = 0; i < 6; i++)
        assert_true(values[i] == (float)(i + 1));
    assert_string_equal(limn_safetensors_dtype_name(weight->dtype), "F32");
    assert_int_equal(limn_safetensors_find(file, "empty")->size, 0);
    const limn_safetensors_entry *bytes = limn_safetensors_find(file, "bytes");
    assert_int_equal(bytes->dim[0], 1001);
    assert_memory_equal(bytes->data + 2000, "ab", 2);
    for (size_t i = 1; i < file->count; i++)
        assert_true(strcmp(file->entries[i - 1].name, file->entries[i].name) < 0);
    limn_safetensors_close(&file);
    assert_null(file);
}

static void accepted(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *header;
        size_t bytes, count;
    } cases[] = {
        {"{}", 0, 0},
        {" \n{} \t ", 0, 0},
        {"{\"__metadata__\":{}}", 0, 0},
        {"{\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[2,5]},"
         "\"a\":{\"data_offsets\":[0,2],\"shape\":[],\"dtype\":\"BF16\"}}",
         5, 2},
        {"{\"a\":{\"dtype\":\"F4\",\"shape\":[2,3],\"data_offsets\":[0,3]}}", 3, 1},
        {"{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}", 3, 1},
        {"{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, 1},
        {"{\"a\":{\"dtype\":\"F8_E5M2FNUZ\",\"shape\":[1,1,1,1,1,1,1,1],"
         "\"data_offsets\":[0,1]}}",
         1, 1},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807,9223372036854775807,0],"
         "\"data_offsets\":[0,0]}}",
         0, 1},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
         "\"c\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]}}",
         1, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        limn_safetensors *file;
        if (parse(f->ctx, cases[i].header, cases[i].bytes, &file) != LIMN_OK)
            fail_msg("case %zu: %s", i, limn_error_text(f->ctx));
        assert_int_equal(file->count, cases[i].count);
        void *bytes = (void *)file->bytes;
        limn_safetensors_close(&file);
        free(bytes);
    }
}

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void refused(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *header;
        size_t bytes;
        const char *reason;
    } cases[] = {
        {"", 0, "offset"},
        {"[]", 0, "not a JSON object"},
        {"3", 0, "offset 9"},
        {"{} x", 0, "offset"},
        {"\xef\xbb\xbf{}", 0, "offset"},
        {"{\"a\xff\":1}", 0, "0xff"},
        {"{\"__metadata__\":{},}", 0, "offset"},
        {"{}", 1, "1 bytes follow the last tensor"},
        {"{\"__metadata__\":[]}", 0, "__metadata__"},
        {"{\"__metadata__\":{\"k\":1}}", 0, "'k' is not a string"},
        {"{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", 0, "duplicate"},
        {"{\"a\":1}", 0, "it must have"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, "it must have"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":0}}", 1, "no more"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
         "duplicate"},
        {"{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "empty"},
        {"{\"\\u0007\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "control"},
        {"{\"a\\u0000\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "offset"},
        {ONE("f32", "[1]", "[0,4]"), 4, "unknown dtype 'f32'"},
        {ONE("F128", "[1]", "[0,16]"), 16, "unknown dtype 'F128'"},
        {ONE("U8", "[-1]", "[0,1]"), 1, "extent"},
        {ONE("U8", "[1.0]", "[0,1]"), 1, "extent"},
        {ONE("U8", "[1e0]", "[0,1]"), 1, "extent"},
        {ONE("U8", "[\"1\"]", "[0,1]"), 1, "extent"},
        {ONE("U8", "[01]", "[0,1]"), 1, "offset"},
        {ONE("U8", "[18446744073709551616]", "[0,1]"), 1, "too big"},
        {ONE("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, "8 extents"},
        {ONE("U8", "[1]", "[0]"), 1, "two"},
        {ONE("U8", "[1]", "[0,1,1]"), 1, "two"},
        {ONE("U8", "[1]", "[-1,0]"), 1, "two"},
        {ONE("U8", "[1]", "[1,0]"), 1, "do not lie within"},
        {ONE("U8", "[2]", "[0,2]"), 1, "do not lie within"},
        {ONE("F32", "[2]", "[0,4]"), 4, "need 8 bytes"},
        {ONE("F4", "[3]", "[0,1]"), 1, "whole number"},
        {ONE("U8", "[4294967296,4294967296]", "[0,0]"), 0, "too large"},
        {ONE("F64", "[2305843009213693952]", "[0,0]"), 0, "too large"},
        {ONE("U8", "[1]", "[1,2]"), 2, "hole"},
        {ONE("U8", "[1]", "[0,1]"), 2, "follow the last"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
         3, "overlaps"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
         "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]}}",
         2, "overlaps"},
    };
    limn_safetensors *file;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (parse(f->ctx, cases[i].header, cases[i].bytes, &file) != LIMN_BAD_INPUT)
            fail_msg("case %zu is not refused", i);
        assert_null(file);
        if (!strstr(limn_error_text(f->ctx), cases[i].reason) ||
            !strstr(limn_error_text(f->ctx), "bad.safetensors"))
            fail_msg("case %zu: %s", i, limn_error_text(f->ctx));
    }
}

static void refused_lengths(void **state)
{
    fixture *f = *state;
    unsigned char bytes[256];
    const size_t size = make(bytes, ONE("U8", "[1]", "[0,1]"), 1);
    limn_safetensors *file;
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(limn_safetensors_parse(f->ctx, "x", bytes, cut, &file), LIMN_BAD_INPUT);
    assert_int_equal(limn_safetensors_parse(f->ctx, "x", bytes, size, &file), LIMN_OK);
    limn_safetensors_close(&file);
    bytes[7] = 0x80;
    assert_int_equal(limn_safetensors_parse(f->ctx, "x", bytes, size, &file), LIMN_BAD_INPUT);
    assert_non_null(strstr(limn_error_text(f->ctx), "above the limit"));
    assert_int_equal(limn_safetensors_open(f->ctx, f->path, &file), LIMN_BAD_INPUT);
    assert_int_equal(limn_safetensors_open(f->ctx, f->folder, &file), LIMN_BAD_INPUT);
    char name[LIMN_SAFETENSORS_NAME + 2], header[LIMN_SAFETENSORS_NAME + 100];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", name);
    assert_int_equal(parse(f->ctx, header, 1, &file), LIMN_BAD_INPUT);
    assert_non_null(strstr(limn_error_text(f->ctx), "longer than 1024"));
}

static void misuse(void **state)
{
    fixture *f = *state;
    static const uint64_t two[1] = {2}, huge[2] = {INT64_MAX, INT64_MAX};
    limn_safetensors_writer *writer;
    assert_int_equal(limn_safetensors_writer_open(f->ctx, f->path, &writer), LIMN_OK);
#define DECLARE(name, rank, dim)                                                                   \
    limn_safetensors_writer_declare(writer, name, LIMN_SAFETENSORS_U8, rank, dim)
    assert_int_equal(DECLARE("", 1, two), LIMN_BAD_USAGE);
    assert_int_equal(DECLARE("__metadata__", 1, two), LIMN_BAD_USAGE);
    assert_int_equal(DECLARE("\xff", 1, two), LIMN_BAD_USAGE);
    assert_int_equal(DECLARE("a", 9, two), LIMN_BAD_USAGE);
    assert_int_equal(DECLARE("a", 2, huge), LIMN_BAD_USAGE);
    assert_int_equal(DECLARE("a", 1, two), LIMN_OK);
    assert_int_equal(DECLARE("a", 1, two), LIMN_BAD_USAGE);
    assert_int_equal(limn_safetensors_writer_metadata(writer, "k", "\xff"), LIMN_BAD_USAGE);
    assert_int_equal(limn_safetensors_writer_data(writer, "ab", 2), LIMN_BAD_USAGE);
    assert_int_equal(limn_safetensors_writer_begin(writer, 0), LIMN_OK);
    assert_int_equal(DECLARE("b", 1, two), LIMN_BAD_USAGE);
    assert_int_equal(limn_safetensors_writer_resize(writer, "b", 1), LIMN_BAD_USAGE);
    assert_int_equal(limn_safetensors_writer_data(writer, "ab", 1), LIMN_OK);
    assert_int_equal(limn_safetensors_writer_finish(&writer), LIMN_BAD_USAGE);
    assert_null(writer);
    assert_false(limn_file_exists(f->path));
    assert_int_equal(limn_safetensors_writer_open(f->ctx, f->path, &writer), LIMN_OK);
    assert_int_equal(limn_safetensors_writer_begin(writer, 0), LIMN_OK);
    assert_int_equal(limn_safetensors_writer_metadata(writer, "k", "longer than the reserve"),
                     LIMN_OK);
    assert_int_equal(limn_safetensors_writer_finish(&writer), LIMN_BAD_USAGE);
    assert_false(limn_file_exists(f->path));
}

static void memory_fails(void **state)
{
    fixture *f = *state;
    for (unsigned long nth = 1;; nth++) {
        limn_memory_fail_at(nth, false);
        limn_safetensors *file = NULL;
        limn_status status = write_some(f->ctx, f->path);
        if (status == LIMN_OK)
            status = limn_safetensors_open(f->ctx, f->path, &file);
        const unsigned long made = limn_memory_fail_at(0, false);
        limn_safetensors_close(&file);
        if (made < nth) {
            assert_int_equal(status, LIMN_OK);
            assert_true(nth > 8);
            break;
        }
        assert_int_equal(status, LIMN_FAILED);
    }
}

static void disk_is_full(void **state)
{
    fixture *f = *state;
    static const size_t limits[] = {0, 100, 1000, 2000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        assert_int_equal(limit_file_size(limits[i]), 0);
        const limn_status status = write_some(f->ctx, f->path);
        assert_int_equal(limit_file_size(RLIM_INFINITY), 0);
        assert_int_equal(status, LIMN_FAILED);
        assert_false(limn_file_exists(f->path));
    }
    assert_int_equal(write_some(f->ctx, "/no/such/folder/file"), LIMN_FAILED);
}

/* Sorted, so that a file of very many tensors is no denial of service. */
static void many_tensors(void **state)
{
    fixture *f = *state;
    limn_safetensors_writer *writer;
    assert_int_equal(limn_safetensors_writer_open(f->ctx, f->path, &writer), LIMN_OK);
    static const uint64_t one[1] = {1};
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "tensor.%d", i);
        assert_int_equal(DECLARE(name, 1, one), LIMN_OK);
    }
    assert_int_equal(limn_safetensors_writer_begin(writer, 0), LIMN_OK);
    for (int i = 0; i < 20000; i++)
        assert_int_equal(limn_safetensors_writer_data(writer, &(uint8_t){(uint8_t)i}, 1), LIMN_OK);
    assert_int_equal(limn_safetensors_writer_finish(&writer), LIMN_OK);
    limn_safetensors *file;
    assert_int_equal(limn_safetensors_open(f->ctx, f->path, &file), LIMN_OK);
    assert_int_equal(file->count, 20000);
    assert_int_equal(*limn_safetensors_find(file, "tensor.7001")->data, 7001 % 256);
    limn_safetensors_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(accepted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_lengths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(misuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_tensors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
