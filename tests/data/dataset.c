/* Data set files: round trip, each rule broken once, failing memory and disk. */
#define _POSIX_C_SOURCE 200809L
#include "limn/dataset.h"

#include "base/memory.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <dirent.h>
#include <unistd.h>
#include <cmocka.h>

enum { N = 5, H = 3, W = 2, C = 3 };

typedef struct fixture {
    limn_context *ctx;
    char folder[64], path[80];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/limn-dataset-XXXXXX");
    if (!mkdtemp(f->folder) || limn_context_create(NULL, &f->ctx) != LIMN_OK)
        return 1;
    snprintf(f->path, sizeof f->path, "%s/data.safetensors", f->folder);
    *state = f;
    return 0;
}

/* Fails where the test left any other file than the one it was to write. */
static int tear_down(void **state)
{
    fixture *f = *state;
    limn_context_destroy(&f->ctx);
    unlink(f->path);
    const int left = rmdir(f->folder);
    free(f);
    return left;
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
