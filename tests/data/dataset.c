/* Data set files: round trip, each rule broken once, failing memory and disk. */
#define _POSIX_C_SOURCE 200809L
#include "limn/dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "tensor/safetensors.h"
#include "../support_files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { N = 5, H = 3, W = 2, C = 3 };

static const char *const classes[] = {"cat", "d\"g", "\xc3\xa9t\xc3\xa9"};

static limn_status write_some(limn_context *ctx, const char *path, int count, bool masks)
{
    const limn_dataset_writer_params params = {.height = H,
                                               .width = W,
                                               .channels = C,
                                               .class_count = 3,
                                               .classes = classes,
                                               .masks = masks};
    limn_dataset_writer *writer;
    limn_status status = limn_dataset_writer_open(ctx, path, &params, &writer);
    if (status != LIMN_OK) {
        assert_null(writer);
        return status;
    }
    for (int i = 0; i < count; i++) {
        uint8_t pixels[H * W * C], mask[H * W];
        for (int k = 0; k < H * W * C; k++)
            pixels[k] = k % C == 2 ? 51 : (uint8_t)(37 * i + 11 * k);
        memset(mask, i, sizeof mask);
        status = limn_dataset_writer_add(writer, pixels, i % 4 - 1, masks ? mask : NULL);
        if (status != LIMN_OK) {
            limn_dataset_writer_discard(&writer);
            assert_null(writer);
            return status;
        }
    }
    status = limn_dataset_writer_finish(&writer);
    assert_null(writer);
    return status;
}

static void round_trip(void **state)
{
    fixture *f = *state;
    assert_int_equal(write_some(f->ctx, f->path, N, true), LIMN_OK);
    const limn_dataset *set;
    assert_int_equal(limn_dataset_open(f->ctx, f->path, &set), LIMN_OK);
    assert_string_equal(set->path, f->path);
    assert_int_equal(set->count, N);
    assert_int_equal(set->height, H);
    assert_int_equal(set->width, W);
    assert_int_equal(set->channels, C);
    assert_int_equal(set->class_count, 3);
    for (int i = 0; i < 3; i++)
        assert_string_equal(set->classes[i], classes[i]);
    double sum[C] = {0}, squares[C] = {0};
    for (int i = 0; i < N; i++) {
        assert_int_equal(set->labels[i], i % 4 - 1);
        for (int k = 0; k < H * W * C; k++) {
            const uint8_t value = k % C == 2 ? 51 : (uint8_t)(37 * i + 11 * k);
            assert_int_equal(set->images[i * H * W * C + k], value);
            sum[k % C] += value / 255.0;
        }
        for (int k = 0; k < H * W; k++)
            assert_int_equal(set->masks[i * H * W + k], i);
    }
    for (int k = 0; k < N * H * W * C; k++)
        squares[k % C] += pow(set->images[k] / 255.0 - sum[k % C] / (N * H * W), 2);
    for (int c = 0; c < C; c++) {
        assert_true(fabs(set->mean[c] - sum[c] / (N * H * W)) < 1e-7);
        const double std = sqrt(squares[c] / (N * H * W));
        assert_true(fabs(set->std[c] - (c == 2 ? 1 / 255.0 : std)) < 1e-7);
    }
    char hex[33], again[33];
    limn_dataset_digest(set, hex);
    limn_dataset_digest(set, again);
    assert_string_equal(hex, again);
    assert_int_equal(strlen(hex), 32);
    limn_dataset_close(&set);
    assert_null(set);
}

/* Against the python package xxhash: xxh3_128_hexdigest of the bytes of that file. */
static void digest_is_xxh3(void **state)
{
    fixture *f = *state;
    static const char header[] =
        "{\"images\":{\"dtype\":\"U8\",\"shape\":[1,1,1,4],\"data_offsets\":[0,4]},"
        "\"labels\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
    unsigned char file[8 + sizeof header - 1 + 8] = {sizeof header - 1};
    memcpy(file + 8, header, sizeof header - 1);
    assert_int_equal(write_file(f->path, file, sizeof file), 0);
    const limn_dataset *set;
    assert_int_equal(limn_dataset_open(f->ctx, f->path, &set), LIMN_OK);
    assert_true(set->digest[0] == 0 && set->digest[1] == 0);
    char hex[33], text[33];
    limn_dataset_digest(set, hex);
    snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)set->digest[1],
             (unsigned long long)set->digest[0]);
    assert_string_equal(hex, text);
    assert_string_equal(hex, "cefe7eb0c03d09f999e23f1c22235f8f");
    limn_dataset_close(&set);
}

/* A data set of two images of 1 x 2 pixels and what a case changes in it. */
typedef struct variant {
    const char *reason; /* NULL: it is accepted */
    const char *classes, *mean, *std;
    int32_t labels[2];
    limn_safetensors_dtype image_type, label_type;
    uint64_t images[4], label_count, masks[3];
} variant;

static void write_variant(fixture *f, const variant *v)
{
    limn_safetensors_writer *writer;
    assert_int_equal(limn_safetensors_writer_open(f->ctx, f->path, &writer), LIMN_OK);
    const char *const keys[] = {"classes", "mean", "std"};
    const char *const values[] = {v->classes, v->mean, v->std};
    for (int i = 0; i < 3; i++)
        if (values[i])
            assert_int_equal(limn_safetensors_writer_metadata(writer, keys[i], values[i]), LIMN_OK);
    static const unsigned char bytes[64] = {9, 0, 200, 3};
    const uint64_t count = v->images[0] * v->images[1] * v->images[2] * v->images[3];
    assert_int_equal(limn_safetensors_writer_declare(writer, "images", v->image_type, 4, v->images),
                     LIMN_OK);
    assert_int_equal(
        limn_safetensors_writer_declare(writer, "labels", v->label_type, 1, &v->label_count),
        LIMN_OK);
    if (v->masks[0])
        assert_int_equal(
            limn_safetensors_writer_declare(writer, "masks", LIMN_SAFETENSORS_U8, 3, v->masks),
            LIMN_OK);
    assert_int_equal(limn_safetensors_writer_begin(writer, 0), LIMN_OK);
    assert_int_equal(limn_safetensors_writer_data(writer, bytes, count), LIMN_OK);
    assert_int_equal(limn_safetensors_writer_data(writer, v->labels, v->label_count * 4), LIMN_OK);
    assert_int_equal(
        limn_safetensors_writer_data(writer, bytes, v->masks[0] * v->masks[1] * v->masks[2]),
        LIMN_OK);
    assert_int_equal(limn_safetensors_writer_finish(&writer), LIMN_OK);
}

#define GOOD                                                                                       \
    .image_type = LIMN_SAFETENSORS_U8, .label_type = LIMN_SAFETENSORS_I32, .images = {2, 1, 2, 1}, \
    .label_count = 2
#define META .classes = "[\"a\",\"b\"]", .mean = "[0.5]", .std = "[0.25]"

static void rules(void **state)
{
    fixture *f = *state;
    static const variant cases[] = {
        {NULL, META, .labels = {1, -1}, GOOD},
        {NULL, META, .labels = {1, -1}, GOOD, .masks = {2, 1, 2}},
        {"label 2 of image 1 is not below the number of classes, 2", META, .labels = {0, 2}, GOOD},
        {"a label is -2", META, .labels = {0, -2}, GOOD},
        {"classes", .labels = {0, INT32_MAX}, GOOD},
        {"'classes' is not a JSON array", .classes = "{}", GOOD},
        {"'classes' is not a JSON array", .classes = "[\"a\"", GOOD},
        {"something else than text", .classes = "[\"a\",2]", GOOD},
        {"'mean' has 2 values for 1 channels", .mean = "[0,0]", .std = "[1]", GOOD},
        {"'std' has 0 values", .mean = "[0]", .std = "[]", GOOD},
        {"not above 0", .mean = "[0]", .std = "[0]", GOOD},
        {"not above 0", .mean = "[0]", .std = "[-1]", GOOD},
        {"else than numbers", .mean = "[\"0\"]", .std = "[1]", GOOD},
        {"else than numbers", .mean = "[1e300]", .std = "[1]", GOOD},
        {"only one of", .mean = "[0]", GOOD},
        {"'images'", META, .image_type = LIMN_SAFETENSORS_I8, .label_type = LIMN_SAFETENSORS_I32,
         .images = {2, 1, 2, 1}, .label_count = 2},
        {"'labels'", META, .image_type = LIMN_SAFETENSORS_U8, .label_type = LIMN_SAFETENSORS_U32,
         .images = {2, 1, 2, 1}, .label_count = 2},
        {"'labels'", META, .image_type = LIMN_SAFETENSORS_U8, .label_type = LIMN_SAFETENSORS_I32,
         .images = {2, 1, 2, 1}, .label_count = 1},
        {"empty", META, .image_type = LIMN_SAFETENSORS_U8, .label_type = LIMN_SAFETENSORS_I32,
         .images = {0, 1, 2, 1}, .label_count = 0},
        {"empty", META, .image_type = LIMN_SAFETENSORS_U8, .label_type = LIMN_SAFETENSORS_I32,
         .images = {2, 0, 2, 1}, .label_count = 2},
        {"4 channels", META, .image_type = LIMN_SAFETENSORS_U8, .label_type = LIMN_SAFETENSORS_I32,
         .images = {2, 1, 2, 5}, .label_count = 2},
        {"'masks'", META, GOOD, .masks = {2, 2, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_variant(f, &cases[i]);
        const limn_dataset *set;
        const limn_status status = limn_dataset_open(f->ctx, f->path, &set);
        const char *reason = cases[i].reason;
        if (status != (reason ? LIMN_BAD_INPUT : LIMN_OK) ||
            (reason && (set || !strstr(limn_error_text(f->ctx), reason) ||
                        !strstr(limn_error_text(f->ctx), f->path))))
            fail_msg("case %zu: %d, %s", i, status, limn_error_text(f->ctx));
        limn_dataset_close(&set);
    }
}

static void without_metadata(void **state)
{
    fixture *f = *state;
    write_variant(f, &(variant){.labels = {-1, 11}, GOOD});
    const limn_dataset *set;
    assert_int_equal(limn_dataset_open(f->ctx, f->path, &set), LIMN_OK);
    assert_int_equal(set->class_count, 12);
    assert_string_equal(set->classes[0], "0");
    assert_string_equal(set->classes[11], "11");
    assert_true(fabs(set->mean[0] - 53 / 255.0) < 1e-7); /* of 9, 0, 200, 3 */
    assert_true(fabs(set->std[0] - sqrt((44. * 44 + 53 * 53 + 147 * 147 + 50 * 50) / 4) / 255) <
                1e-7);
    limn_dataset_close(&set);
    write_variant(f, &(variant){.labels = {-1, -1}, GOOD});
    assert_int_equal(limn_dataset_open(f->ctx, f->path, &set), LIMN_OK);
    assert_int_equal(set->class_count, 0);
    limn_dataset_close(&set);
}

static void misuse(void **state)
{
    fixture *f = *state;
    limn_dataset_writer_params params = {H, W, 2, 3, classes, false};
    limn_dataset_writer *writer;
    assert_int_equal(limn_dataset_writer_open(f->ctx, f->path, &params, &writer), LIMN_BAD_USAGE);
    params.channels = 1;
    params.width = 0;
    assert_int_equal(limn_dataset_writer_open(f->ctx, f->path, &params, &writer), LIMN_BAD_USAGE);
    params.width = INT64_MAX;
    assert_int_equal(limn_dataset_writer_open(f->ctx, f->path, &params, &writer), LIMN_BAD_USAGE);
    params.width = W;
    static const char *const bad[] = {"a", "\xff", "c"};
    params.classes = bad;
    assert_int_equal(limn_dataset_writer_open(f->ctx, f->path, &params, &writer), LIMN_BAD_INPUT);
    params.classes = classes;
    static const uint8_t pixels[H * W] = {0};
    assert_int_equal(limn_dataset_writer_open(f->ctx, f->path, &params, &writer), LIMN_OK);
    assert_int_equal(limn_dataset_writer_add(writer, pixels, 3, NULL), LIMN_BAD_INPUT);
    assert_int_equal(limn_dataset_writer_add(writer, pixels, -2, NULL), LIMN_BAD_INPUT);
    assert_int_equal(limn_dataset_writer_add(writer, pixels, 0, pixels), LIMN_BAD_USAGE);
    assert_int_equal(limn_dataset_writer_finish(&writer), LIMN_BAD_INPUT); /* no image */
    assert_null(writer);
    assert_int_equal(write_some(f->ctx, "/no/such/folder/file", N, true), LIMN_FAILED);
    assert_false(limn_file_exists(f->path));
}

static void memory_fails(void **state)
{
    fixture *f = *state;
    for (unsigned long nth = 1;; nth++) {
        limn_memory_fail_at(nth, false);
        const limn_dataset *set = NULL;
        limn_status status = write_some(f->ctx, f->path, N, true);
        if (status == LIMN_OK)
            status = limn_dataset_open(f->ctx, f->path, &set);
        const unsigned long made = limn_memory_fail_at(0, false);
        limn_dataset_close(&set);
        if (made < nth) {
            assert_int_equal(status, LIMN_OK);
            assert_true(nth > 15);
            break;
        }
        assert_int_equal(status, LIMN_FAILED);
    }
}

static void disk_is_full(void **state)
{
    fixture *f = *state;
    static const size_t limits[] = {0, 1200, 4096, 9000, 30000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        assert_int_equal(limit_file_size(limits[i]), 0);
        const limn_status status = write_some(f->ctx, f->path, 2000, true);
        assert_int_equal(limit_file_size(RLIM_INFINITY), 0);
        assert_int_equal(status, LIMN_FAILED);
        assert_false(limn_file_exists(f->path));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(digest_is_xxh3, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_metadata, set_up, tear_down),
        cmocka_unit_test_setup_teardown(misuse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_is_full, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
