/* PNG and JPEG: known pixels, damage of every kind, hostile sizes, writing, failures. */
#define _POSIX_C_SOURCE 200809L
#include "limn/image.h"

#include "base/file.h"
#include "base/memory.h"
#include "../support_files.h"
#include "pictures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const struct known_picture *picture(const char *name)
{
    for (size_t i = 0; i < KNOWN_PICTURES; i++)
        if (strcmp(known_pictures[i].name, name) == 0)
            return &known_pictures[i];
    fail_msg("no picture %s", name);
    return NULL;
}

static uint8_t *copy_of(const struct known_picture *from)
{
    uint8_t *copy = malloc(from->size);
    assert_non_null(copy);
    memcpy(copy, from->file, from->size);
    return copy;
}

static void known_pixels(void **state)
{
    fixture *f = *state;
    for (size_t i = 0; i < KNOWN_PICTURES; i++) {
        const struct known_picture *known = &known_pictures[i];
        limn_image image;
        if (limn_image_decode(f->ctx, known->name, known->file, known->size, &image) != LIMN_OK)
            fail_msg("%s", limn_error_text(f->ctx));
        assert_int_equal(image.width, known->width);
        assert_int_equal(image.height, known->height);
        assert_int_equal(image.channels, known->channels);
        const size_t count = (size_t)(known->width * known->height * known->channels);
        /* One grey level of room: decoders may round the inverse DCT or 16 bits otherwise. */
        for (size_t k = 0; k < count; k++)
            if (abs(image.pixels[k] - known->pixels[k]) > (known->name[0] == 'j'))
                fail_msg("%s: value %zu is %d, not %d", known->name, k, image.pixels[k],
                         known->pixels[k]);
        limn_image_free(&image);
    }
}

static void refuses(fixture *f, const void *data, size_t size, const char *what)
{
    limn_image image;
    const limn_status status = limn_image_decode(f->ctx, "bad.img", data, size, &image);
    if (status != LIMN_BAD_INPUT)
        fail_msg("%s: status %d", what, (int)status);
    if (!strstr(limn_error_text(f->ctx), "bad.img"))
        fail_msg("%s: %s", what, limn_error_text(f->ctx));
    assert_null(image.pixels);
}

static void every_truncation(void **state)
{
    for (size_t i = 0; i < KNOWN_PICTURES; i++) {
        for (size_t size = 0; size < known_pictures[i].size; size++) {
            uint8_t *part = malloc(size ? size : 1); /* so that a read beyond the end is seen */
            assert_non_null(part);
            memcpy(part, known_pictures[i].file, size);
            refuses(*state, part, size, known_pictures[i].name);
            free(part);
        }
    }
}

/* A PNG has a checksum over everything: no changed byte may pass. */
static void every_changed_byte_of_a_png(void **state)
{
    for (size_t i = 0; i < KNOWN_PICTURES; i++) {
        if (known_pictures[i].name[0] != 'p')
            continue;
        uint8_t *file = copy_of(&known_pictures[i]);
        for (size_t at = 0; at < known_pictures[i].size; at++) {
            file[at] ^= 0x21;
            refuses(*state, file, known_pictures[i].size, known_pictures[i].name);
            file[at] ^= 0x21;
        }
        free(file);
    }
}

/* A JPEG has none: whatever comes out must be a picture or an error. */
static void every_changed_byte_of_a_jpeg(void **state)
{
    fixture *f = *state;
    int errors = 0, all = 0;
    for (size_t i = 0; i < KNOWN_PICTURES; i++) {
        if (known_pictures[i].name[0] != 'j')
            continue;
        uint8_t *file = copy_of(&known_pictures[i]);
        for (size_t at = 0; at < known_pictures[i].size; at++) {
            limn_image image;
            file[at] ^= 0x21;
            const limn_status status =
                limn_image_decode(f->ctx, "x", file, known_pictures[i].size, &image);
            file[at] ^= 0x21;
            assert_true((status == LIMN_OK) == (image.pixels != NULL));
            errors += status == LIMN_BAD_INPUT;
            assert_true(status == LIMN_OK || status == LIMN_BAD_INPUT);
            all++;
            limn_image_free(&image);
        }
        free(file);
    }
    assert_true(errors > all / 4);
}

static void huge_claims(void **state)
{
    fixture *f = *state;
    /* IHDR 65535 x 65535, 8-bit grey, with its right CRC. */
    static const uint8_t png[] = {137, 80,  78, 71, 13, 10, 26, 10,   0,    0,    0,
                                  13,  73,  72, 68, 82, 0,  0,  255,  255,  0,    0,
                                  255, 255, 8,  0,  0,  0,  0,  0xc2, 0xd0, 0xc1, 0x8a};
    uint8_t file[64];
    memcpy(file, png, sizeof png);
    uint32_t crc = 0xffffffffu;
    for (int i = 12; i < 29; i++) {
        crc ^= file[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    for (int i = 0; i < 4; i++)
        file[29 + i] = (uint8_t)(~crc >> (24 - 8 * i));
    /* libpng looks for the picture's data before it hands out the header. */
    static const uint8_t data[] = {0, 0, 0, 1, 'I', 'D', 'A', 'T', 0, 0, 0, 0, 0};
    memcpy(file + 33, data, sizeof data);
    refuses(f, file, 33 + sizeof data, "huge PNG");
    assert_non_null(strstr(limn_error_text(f->ctx), "65535 x 65535"));

    const struct known_picture *known = picture("jpeg_grey");
    uint8_t *copy = copy_of(known);
    for (size_t i = 0; i + 9 < known->size; i++)
        if (copy[i] == 0xff && copy[i + 1] == 0xc0)
            memcpy(copy + i + 5, "\xfd\xe8\xfd\xe8", 4); /* height, width */
    refuses(f, copy, known->size, "huge JPEG");
    assert_non_null(strstr(limn_error_text(f->ctx), "65000 x 65000"));
    free(copy);
}

/* A picture of 8 x 8 with three components, each in scans of its own: `scans` scans in all.  One
 * Huffman code of one bit stands for "no difference", one for "end of block". */
static size_t make_scans(uint8_t *file, int scans)
{
    static const uint8_t head[] = {0xff, 0xd8, 0xff, 0xc0, 0,    17, 8,  0,    8,
                                   0,    8,    3,    1,    0x11, 0,  2,  0x11, 0,
                                   3,    0x11, 0,    0xff, 0xc4, 0,  38, 0,    1};
    size_t size = sizeof head;
    memcpy(file, head, size);
    memset(file + size, 0, 16); /* lengths 2..16 of the DC table, its symbol */
    file[size + 16] = 0x10;     /* the AC table */
    file[size + 17] = 1;
    memset(file + size + 18, 0, 16);
    size += 34;
    static const uint8_t quantisers[] = {0xff, 0xdb, 0, 67, 0};
    memcpy(file + size, quantisers, sizeof quantisers);
    memset(file + size + sizeof quantisers, 1, 64);
    size += sizeof quantisers + 64;
    for (int i = 0; i < scans; i++) {
        const uint8_t scan[] = {0xff, 0xda, 0, 8, 1, (uint8_t)(1 + i % 3), 0, 0, 63, 0, 0x3f};
        memcpy(file + size, scan, sizeof scan);
        size += sizeof scan;
    }
    file[size] = 0xff;
    file[size + 1] = 0xd9;
    return size + 2;
}

static void too_many_scans(void **state)
{
    fixture *f = *state;
    static uint8_t file[8192];
    limn_image image;
    const size_t size = make_scans(file, 3);
    if (limn_image_decode(f->ctx, "x", file, size, &image) != LIMN_OK)
        fail_msg("%s", limn_error_text(f->ctx));
    assert_int_equal(image.pixels[0], 128);
    limn_image_free(&image);
    refuses(f, file, make_scans(file, 300), "300 scans");
    assert_non_null(strstr(limn_error_text(f->ctx), "scans"));
}

static void not_a_picture(void **state)
{
    refuses(*state, "GIF89a", 6, "GIF");
    refuses(*state, "", 0, "empty");
    refuses(*state, "\xff\xd8\xff", 3, "three bytes");
    fixture *f = *state;
    limn_image image;
    assert_int_equal(limn_image_read(f->ctx, f->path, &image), LIMN_BAD_INPUT);
    assert_int_equal(limn_image_read(f->ctx, f->folder, &image), LIMN_BAD_INPUT);
    assert_null(image.pixels);
}

static void written_and_read(void **state)
{
    fixture *f = *state;
    static const int channels[] = {1, 3, 4};
    for (int i = 0; i < 3; i++) {
        limn_image image, again;
        assert_int_equal(limn_image_create(f->ctx, 13, 7, channels[i], &image), LIMN_OK);
        for (int k = 0; k < 13 * 7 * channels[i]; k++)
            image.pixels[k] = (uint8_t)(k * 37 + k / 11);
        assert_int_equal(limn_image_write_png(f->ctx, &image, f->path), LIMN_OK);
        assert_int_equal(limn_image_read(f->ctx, f->path, &again), LIMN_OK);
        assert_int_equal(again.width, 13);
        assert_int_equal(again.height, 7);
        assert_int_equal(again.channels, channels[i] == 1 ? 1 : 3);
        for (int k = 0; k < 13 * 7; k++)
            for (int c = 0; c < again.channels; c++)
                assert_int_equal(again.pixels[k * again.channels + c],
                                 image.pixels[k * channels[i] + c]);
        limn_image_free(&image);
        limn_image_free(&again);
    }
}

static void writing_fails(void **state)
{
    fixture *f = *state;
    limn_image image;
    char path[128];
    snprintf(path, sizeof path, "%s/none/x.png", f->folder);
    assert_int_equal(limn_image_create(f->ctx, 200, 200, 3, &image), LIMN_OK);
    for (int k = 0; k < 200 * 200 * 3; k++)
        image.pixels[k] = (uint8_t)((unsigned)k * (unsigned)k * 2654435761u >> 24);
    assert_int_equal(limn_image_write_png(f->ctx, &image, path), LIMN_FAILED);
    assert_non_null(strstr(limn_error_text(f->ctx), path));
    assert_int_equal(limit_file_size(10000), 0);
    const limn_status status = limn_image_write_png(f->ctx, &image, f->path);
    assert_int_equal(limit_file_size(RLIM_INFINITY), 0);
    assert_int_equal(status, LIMN_FAILED);
    assert_false(limn_file_exists(f->path));
    limn_image_free(&image);
    assert_int_equal(limn_image_write_png(f->ctx, &image, f->path), LIMN_BAD_USAGE);
}

static void conversions(void **state)
{
    fixture *f = *state;
    static uint8_t values[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 31};
    const limn_image rgb = {2, 2, 3, values};
    limn_image grey, back;
    assert_int_equal(limn_image_convert(f->ctx, &rgb, 1, &grey), LIMN_OK);
    static const uint8_t expected[] = {76, 150, 29, 18}; /* 76.245, 149.685, 29.07, 18.264 */
    assert_memory_equal(grey.pixels, expected, 4);
    assert_int_equal(limn_image_convert(f->ctx, &grey, 3, &back), LIMN_OK);
    for (int i = 0; i < 12; i++)
        assert_int_equal(back.pixels[i], expected[i / 3]);
    limn_image_free(&back);
    limn_image_free(&grey);
    assert_int_equal(limn_image_convert(f->ctx, &rgb, 2, &back), LIMN_BAD_USAGE);
    assert_int_equal(limn_image_create(f->ctx, 0, 1, 1, &back), LIMN_BAD_USAGE);
    assert_int_equal(limn_image_create(f->ctx, 1, 65536, 1, &back), LIMN_BAD_USAGE);
    assert_int_equal(limn_image_create(f->ctx, 1, 1, 2, &back), LIMN_BAD_USAGE);
}

static limn_status read_and_write(fixture *f, const struct known_picture *known)
{
    limn_image image;
    limn_status status = limn_image_decode(f->ctx, "x", known->file, known->size, &image);
    if (status == LIMN_OK)
        status = limn_image_write_png(f->ctx, &image, f->path);
    limn_image_free(&image);
    return status;
}

static void memory_runs_out(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"png_rgba_interlaced", "jpeg_444_progressive", "jpeg_cmyk"};
    for (int i = 0; i < 3; i++) {
        unsigned long nth = 1, made;
        do {
            unlink(f->path);
            limn_memory_fail_at(nth, false);
            const limn_status status = read_and_write(f, picture(names[i]));
            made = limn_memory_fail_at(0, false);
            if (made >= nth) {
                if (status != LIMN_FAILED || !strstr(limn_error_text(f->ctx), "memory"))
                    fail_msg("%s, allocation %lu: %s", names[i], nth, limn_error_text(f->ctx));
                /* After the rename only the folder's entry is left to be flushed. */
                limn_image image = {0};
                if (limn_file_exists(f->path))
                    assert_int_equal(limn_image_read(f->ctx, f->path, &image), LIMN_OK);
                limn_image_free(&image);
            } else {
                assert_int_equal(status, LIMN_OK);
            }
        } while (made >= nth++);
        assert_true(nth > 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_pixels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_changed_byte_of_a_png, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_changed_byte_of_a_jpeg, set_up, tear_down),
        cmocka_unit_test_setup_teardown(huge_claims, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_many_scans, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_a_picture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(written_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(writing_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(conversions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
