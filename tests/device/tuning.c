#define _POSIX_C_SOURCE 200809L /* mkdtemp, setenv */
/* Findings: kept, read back, and every file that is not as it should be ignored whole. */
#include "device/tuning.h"

#include "base/file.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

typedef struct rig {
    limn_context *ctx;
    limn_device *device;
    char folder[64];
} rig;

static const limn_tuning_key one = {"conv2d", "c64 k64 f3x3", "forward"};
static const limn_tuning_key two = {"conv2d", "c64 k64 f3x3", "filter"};
static const limn_tuning_key three = {"linear", "c512 k10", "data"};

static void open_device(rig *r, limn_device **out)
{
    assert_int_equal(limn_device_open(r->ctx, NULL, out), LIMN_OK);
    limn_tune_set_mode(*out, LIMN_TUNE_KNOWN);
}

static int set_up(void **state)
{
    static rig r;
    *state = &r;
    unsetenv("LIMN_TUNE");
    snprintf(r.folder, sizeof r.folder, "/tmp/limn-tuning-XXXXXX");
    if (!mkdtemp(r.folder))
        return 1;
    const limn_context_params params = {.cache_dir = r.folder};
    if (limn_context_create(&params, &r.ctx) != LIMN_OK)
        return 1;
    return limn_device_open(r.ctx, NULL, &r.device) != LIMN_OK;
}

static int tear_down(void **state)
{
    rig *r = *state;
    char command[128];
    limn_device_close(&r->device);
    limn_context_destroy(&r->ctx);
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    return system(command) != 0;
}

static void set(limn_device *device, const limn_tuning_key *key, const char *choice,
                limn_tuning_source source)
{
    assert_int_equal(limn_tuning_set(device, key, choice, source), LIMN_OK);
}

static void findings_are_kept(void **state)
{
    rig *r = *state;
    limn_device *other;
    assert_null(limn_tuning_find(r->device, &one));
    set(r->device, &one, "winograd", LIMN_TUNING_MEASURED);
    set(r->device, &three, "cpu", LIMN_TUNING_ASSUMED);
    assert_string_equal(limn_tuning_find(r->device, &one), "winograd");
    assert_null(limn_tuning_find(r->device, &two));
    assert_int_equal(limn_tuning_keep(r->device, false), LIMN_OK);

    open_device(r, &other);
    limn_tune_finding row;
    assert_string_equal(limn_tuning_find(other, &one), "winograd");
    assert_true(limn_tune_finding_at(other, 0, &row) && row.measured);
    assert_true(limn_tune_finding_at(other, 1, &row) && !row.measured);
    assert_string_equal(row.choice, "cpu");
    assert_false(limn_tune_finding_at(other, 2, &row));
    limn_tune_set_mode(other, LIMN_TUNE_OFF);
    assert_null(limn_tuning_find(other, &one));

    assert_int_equal(limn_tune_clear(r->device), LIMN_OK);
    assert_null(limn_tuning_find(r->device, &one));
    limn_device_close(&other);
    open_device(r, &other);
    assert_null(limn_tuning_find(other, &one));
    limn_device_close(&other);
    assert_int_equal(limn_tune_clear(r->device), LIMN_OK);
}

static void the_environment_switches_off(void **state)
{
    rig *r = *state;
    set(r->device, &one, "tile", LIMN_TUNING_MEASURED);
    setenv("LIMN_TUNE", "0", 1);
    assert_int_equal(limn_tuning_get_mode(r->device), LIMN_TUNE_OFF);
    assert_null(limn_tuning_find(r->device, &one));
    set(r->device, &one, "local", LIMN_TUNING_PINNED);
    assert_string_equal(limn_tuning_find(r->device, &one), "local");
    unsetenv("LIMN_TUNE");
    limn_tuning_drop(r->device, LIMN_TUNING_PINNED);
    assert_string_equal(limn_tuning_find(r->device, &one), "tile");
}

static void plans_and_trials_come_first(void **state)
{
    rig *r = *state;
    limn_device *other;
    set(r->device, &one, "tile", LIMN_TUNING_MEASURED);
    set(r->device, &one, "plain", LIMN_TUNING_PINNED);
    assert_string_equal(limn_tuning_find(r->device, &one), "plain");
    set(r->device, &one, "local", LIMN_TUNING_TRIAL);
    assert_string_equal(limn_tuning_find(r->device, &one), "local");
    assert_int_equal(limn_tuning_keep(r->device, true), LIMN_OK);
    open_device(r, &other);
    assert_string_equal(limn_tuning_find(other, &one), "tile");
    limn_device_close(&other);
    limn_tuning_drop(r->device, LIMN_TUNING_TRIAL);
    limn_tuning_drop(r->device, LIMN_TUNING_PINNED);
    assert_string_equal(limn_tuning_find(r->device, &one), "tile");
    assert_int_equal(limn_tune_clear(r->device), LIMN_OK);
}

/* Two processes measure at the same time: the first word stands, unless the user asked anew. */
static void what_others_kept_stands(void **state)
{
    rig *r = *state;
    limn_device *other;
    open_device(r, &other);
    assert_null(limn_tuning_find(r->device, &one));
    assert_null(limn_tuning_find(other, &one));
    set(r->device, &one, "tile", LIMN_TUNING_MEASURED);
    set(other, &one, "winograd", LIMN_TUNING_MEASURED);
    set(other, &two, "winograd", LIMN_TUNING_MEASURED);
    assert_int_equal(limn_tuning_keep(r->device, false), LIMN_OK);
    assert_int_equal(limn_tuning_keep(other, false), LIMN_OK);
    assert_string_equal(limn_tuning_find(other, &one), "tile");
    assert_string_equal(limn_tuning_find(other, &two), "winograd");
    set(other, &one, "local", LIMN_TUNING_MEASURED);
    assert_int_equal(limn_tuning_keep(other, true), LIMN_OK);
    limn_device_close(&other);
    open_device(r, &other);
    assert_string_equal(limn_tuning_find(other, &one), "local");
    assert_string_equal(limn_tuning_find(other, &two), "winograd");
    limn_device_close(&other);
    assert_int_equal(limn_tune_clear(r->device), LIMN_OK);
}

static void without_a_store_nothing_is_found(void **state)
{
    (void)state;
    limn_context *ctx;
    limn_device *device;
    const limn_context_params params = {.cache_dir = ""};
    assert_int_equal(limn_context_create(&params, &ctx), LIMN_OK);
    assert_int_equal(limn_device_open(ctx, NULL, &device), LIMN_OK);
    assert_false(limn_tuning_has_store(device));
    set(device, &one, "tile", LIMN_TUNING_MEASURED);
    assert_int_equal(limn_tuning_keep(device, false), LIMN_FAILED);
    assert_null(limn_tuning_find(device, &one));
    limn_device_close(&device);
    limn_context_destroy(&ctx);
}

static void odd_texts_are_refused(void **state)
{
    rig *r = *state;
    char longer[LIMN_TUNING_CHOICE + 1];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const limn_tuning_key tab = {"conv2d", "a\tb", "forward"}, none = {"", "a", "b"},
                          wide = {"conv2d", longer, "forward"};
    assert_int_equal(limn_tuning_set(r->device, &tab, "tile", LIMN_TUNING_TRIAL), LIMN_BAD_USAGE);
    assert_int_equal(limn_tuning_set(r->device, &none, "tile", LIMN_TUNING_TRIAL), LIMN_BAD_USAGE);
    assert_int_equal(limn_tuning_set(r->device, &wide, "tile", LIMN_TUNING_TRIAL), LIMN_BAD_USAGE);
    assert_int_equal(limn_tuning_set(r->device, &one, longer, LIMN_TUNING_TRIAL), LIMN_BAD_USAGE);
    assert_int_equal(limn_tuning_set(r->device, &one, "", LIMN_TUNING_TRIAL), LIMN_BAD_USAGE);
    assert_int_equal(limn_tuning_set(r->device, &one, "caf\xc3\xa9", LIMN_TUNING_TRIAL),
                     LIMN_BAD_USAGE);
}

/* ---- hostile files -------------------------------------------------------------------------- */

static size_t read_whole(const char *path, char *bytes, size_t room)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t size = fread(bytes, 1, room, file);
    fclose(file);
    return size;
}

static void write_whole(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static bool is_read(rig *r)
{
    limn_device *other;
    limn_tune_finding row;
    open_device(r, &other);
    const bool found = limn_tune_finding_at(other, 0, &row);
    limn_device_close(&other);
    return found;
}

/* Every cut and every changed byte: the checksum covers all but itself, and itself by being it. */
static void damaged_files_are_ignored(void **state)
{
    rig *r = *state;
    char good[1024], bad[1024];
    set(r->device, &one, "tile", LIMN_TUNING_MEASURED);
    set(r->device, &two, "winograd", LIMN_TUNING_ASSUMED);
    assert_int_equal(limn_tuning_keep(r->device, true), LIMN_OK);
    char *path = limn_tuning_path(r->device);
    const size_t size = read_whole(path, good, sizeof good);
    assert_true(size > 100 && size < sizeof good && is_read(r));
    for (size_t cut = 0; cut < size; cut++) {
        write_whole(path, good, cut);
        assert_false(is_read(r));
    }
    for (size_t at = 0; at < size; at++) {
        memcpy(bad, good, size);
        bad[at] = (char)(bad[at] ^ (1 << at % 8));
        write_whole(path, bad, size);
        assert_false(is_read(r));
    }
    memcpy(bad, good, size);
    bad[size] = '\n';
    write_whole(path, bad, size + 1);
    assert_false(is_read(r));
    write_whole(path, good, size);
    assert_true(is_read(r));
    /* A bad file does not stand in the way of a good one. */
    write_whole(path, "limn tuning 3\n", 14);
    set(r->device, &three, "cpu", LIMN_TUNING_MEASURED);
    assert_int_equal(limn_tuning_keep(r->device, true), LIMN_OK);
    assert_true(is_read(r));
    assert_int_equal(limn_tune_clear(r->device), LIMN_OK);
    assert_false(limn_file_exists(path));
    limn_free(path);
}

/* Faults that a right checksum does not excuse. */
static void malformed_files_are_ignored(void **state)
{
    rig *r = *state;
    set(r->device, &one, "tile", LIMN_TUNING_MEASURED);
    assert_int_equal(limn_tuning_keep(r->device, true), LIMN_OK);
    char *path = limn_tuning_path(r->device);
    char good[1024], wide[400], second[64];
    const size_t size = read_whole(path, good, sizeof good - 1);
    good[size] = '\0';
    const char *device_line = strchr(good, '\n') + 1;
    const size_t length = (size_t)(strchr(device_line, '\n') + 1 - device_line);
    snprintf(second, sizeof second, "%.*s", (int)length, device_line);
    memset(wide, 'y', sizeof wide - 1);
    wide[sizeof wide - 1] = '\0';
    const struct {
        const char *first, *second, *row;
        size_t count;
        bool good;
    } cases[] = {
        {"limn tuning 3\n", second, "conv2d\tc1\tforward\ttile\tmeasured\n", 1, true},
        {"limn tuning 3\n", second, "", 0, true},
        {"limn tuning 1\n", second, "conv2d\tc1\tforward\ttile\tmeasured\n", 1, false},
        {"limn tuning 3\r\n", second, "conv2d\tc1\tforward\ttile\tmeasured\n", 1, false},
        {"limn tuning 3\n", "device 0000000000000000\n", "conv2d\tc\tforward\tx\tmeasured\n", 1,
         false},
        {"limn tuning 3\n", second, "conv2d\tc1\tforward\ttile\tmeasured\n", 2, false},
        {"limn tuning 3\n", second, "conv2d\tc1\tforward\ttile\tguessed\n", 1, false},
        {"limn tuning 3\n", second, "conv2d\tc1\tforward\ttile\n", 1, false},
        {"limn tuning 3\n", second, "conv2d\tc1\tforward\ttile\tmeasured\tmore\n", 1, false},
        {"limn tuning 3\n", second, "conv2d\t\tforward\ttile\tmeasured\n", 1, false},
        {"limn tuning 3\n", second, "conv2d\tc\x01\tforward\ttile\tmeasured\n", 1, false},
        {"limn tuning 3\n", second, "conv2d\tc\xff\tforward\ttile\tmeasured\n", 1, false},
        {"limn tuning 3\n", second,
         "conv2d\tc1\tforward\ttile\tmeasured\nconv2d\tc1\tforward\tlocal\tmeasured\n", 2, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        const size_t used = (size_t)snprintf(text, sizeof text, "%s%s%s", cases[i].first,
                                             cases[i].second, cases[i].row);
        limn_tuning_seal(text, used, sizeof text, cases[i].count);
        write_whole(path, text, strlen(text));
        limn_device *other;
        limn_tune_finding row;
        open_device(r, &other);
        assert_int_equal(limn_tune_finding_at(other, 0, &row), cases[i].good && cases[i].count);
        limn_device_close(&other);
    }
    for (int field = 0; field < 4; field++) { /* absurd names */
        char text[2048];
        const size_t used =
            (size_t)snprintf(text, sizeof text, "limn tuning 3\n%s%s\t%s\t%s\t%s\tmeasured\n",
                             second, field == 0 ? wide : "conv2d", field == 1 ? wide : "c1",
                             field == 2 ? wide : "forward", field == 3 ? wide : "tile");
        limn_tuning_seal(text, used, sizeof text, 1);
        write_whole(path, text, strlen(text));
        assert_false(is_read(r));
    }
    limn_free(path);
    assert_int_equal(limn_tune_clear(r->device), LIMN_OK);
}

static void a_store_that_cannot_be_written(void **state)
{
    rig *r = *state;
    char *path = limn_tuning_path(r->device), command[256];
    /* A folder stands where the file should be: not even root can replace it by one. */
    snprintf(command, sizeof command, "mkdir -p '%s/in-the-way'", path);
    assert_int_equal(system(command), 0);
    limn_device *other;
    open_device(r, &other);
    set(other, &one, "tile", LIMN_TUNING_MEASURED);
    assert_int_not_equal(limn_tuning_keep(other, false), LIMN_OK);
    assert_null(limn_tuning_find(other, &one));
    limn_device_close(&other);
    snprintf(command, sizeof command, "rm -r '%s'", path);
    assert_int_equal(system(command), 0);
    limn_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_are_kept),
        cmocka_unit_test(the_environment_switches_off),
        cmocka_unit_test(plans_and_trials_come_first),
        cmocka_unit_test(what_others_kept_stands),
        cmocka_unit_test(without_a_store_nothing_is_found),
        cmocka_unit_test(odd_texts_are_refused),
        cmocka_unit_test(damaged_files_are_ignored),
        cmocka_unit_test(malformed_files_are_ignored),
        cmocka_unit_test(a_store_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
