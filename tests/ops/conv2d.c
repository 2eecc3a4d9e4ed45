#include "harness.h"
#include "ops/conv2d/conv2d.h"
#include "ops/matrix_units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One case: x [n,h,w,c], filters [k,c/groups,r,s], with or without bias. */
#define CONV(params, n, h, w, c, k, cg, r, s)                                                      \
    {                                                                                              \
        params, 2, {LIMN_F4(n, h, w, c), LIMN_F4(k, cg, r, s)}, false                              \
    }
#define CONV_BIAS(params, n, h, w, c, k, cg, r, s)                                                 \
    {                                                                                              \
        params, 3, {LIMN_F4(n, h, w, c), LIMN_F4(k, cg, r, s), LIMN_F1(k)}, false                  \
    }
/* The same for every implementation of any shape: 2 tile, 10 local, 11 plain. */
#define EVERY(conv, params, ...)                                                                   \
    conv("impl=2 " params, __VA_ARGS__), conv("impl=10 " params, __VA_ARGS__),                     \
        conv("impl=11 " params, __VA_ARGS__)
/* For Winograd: 1 on CPU devices, 6 and 7 on GPUs with tiles of 4x4 and of 2x2. */
#define WINOGRAD(conv, params, ...)                                                                \
    conv("impl=1 " params, __VA_ARGS__), WINOGRAD_GPU(conv, params, __VA_ARGS__)
#define WINOGRAD_GPU(conv, params, ...)                                                            \
    conv("impl=6 " params, __VA_ARGS__), conv("impl=7 " params, __VA_ARGS__)
/* For both in half precision: 5 with matrix units, 8 without. */
#define IN_HALF(conv, params, ...)                                                                 \
    conv("impl=5 " params, __VA_ARGS__), conv("impl=8 " params, __VA_ARGS__)
/* For both of depthwise: 3 on CPU devices, 4 on GPUs. */
#define DEPTHWISE(conv, params, ...)                                                               \
    conv("impl=3 " params, __VA_ARGS__), conv("impl=4 " params, __VA_ARGS__)

static const limn_op_case cases[] = {
    /* for a simulator: what no smaller case reaches */
    CONV_BIAS("impl=1 pad=1", 1, 4, 4, 161, 16, 161, 3, 3),
    CONV_BIAS("impl=6 pad=1", 1, 3, 4, 16, 16, 16, 3, 3),
    CONV_BIAS("impl=7 pad=1", 1, 3, 4, 16, 16, 16, 3, 3),
    CONV_BIAS("impl=1 stride=2 pad=1", 1, 7, 4, 16, 16, 16, 3, 3),
    CONV("impl=9 groups=2 pad=1", 1, 3, 4, 16, 16, 8, 3, 2),
    CONV("impl=10 groups=2 pad=1", 1, 3, 3, 16, 18, 8, 3, 2),
    IN_HALF(CONV_BIAS, "groups=2 pad=1", 1, 3, 4, 16, 16, 8, 3, 2),
    /* chosen by the device */
    CONV_BIAS("pad=1", 2, 8, 8, 16, 16, 16, 3, 3),
    CONV("groups=12 pad=1", 2, 5, 5, 12, 12, 1, 3, 3), /* depthwise */
    CONV("groups=6", 1, 4, 4, 12, 18, 2, 2, 3),
    CONV_BIAS("stride=9 stride_w=9", 1, 20, 20, 16, 16, 16, 3, 3), /* 81 classes of pixels */
    /* full tiles of 64, 32 and 16 channels */
    EVERY(CONV_BIAS, "pad=1", 2, 5, 4, 4, 64, 4, 3, 3),
    EVERY(CONV, "pad=1", 1, 3, 5, 64, 5, 64, 3, 3),
    EVERY(CONV, "pad=1 stride=2", 2, 7, 6, 16, 32, 16, 3, 3),
    EVERY(CONV, "pad=1", 6, 4, 4, 8, 16, 8, 3, 3), /* small images, several: taps skipped */
    EVERY(CONV, "pad=1", 5, 2, 2, 32, 8, 32, 3, 3),
    EVERY(CONV, "pad=1 stride=2", 4, 1, 1, 16, 16, 16, 3, 3),
    /* ragged channels and pixels */
    EVERY(CONV_BIAS, "pad=1", 1, 5, 5, 1, 10, 1, 3, 3),
    EVERY(CONV_BIAS, "pad=2", 2, 6, 5, 3, 20, 3, 5, 5),
    EVERY(CONV, "", 3, 4, 5, 20, 3, 20, 2, 2),
    EVERY(CONV, "pad=1", 1, 9, 4, 5, 67, 5, 3, 3),
    EVERY(CONV, "stride=3 pad=1", 2, 10, 11, 6, 33, 6, 3, 3),
    /* 1x1, with and without stride: classes of pixels that no tap reaches */
    EVERY(CONV, "", 2, 3, 4, 64, 96, 64, 1, 1),
    EVERY(CONV, "stride=2", 2, 7, 6, 32, 48, 32, 1, 1),
    EVERY(CONV, "pad=1 stride=3", 1, 5, 5, 16, 16, 16, 1, 1),
    /* 7x7 stem, larger than the image, rectangular, dilated */
    EVERY(CONV, "stride=2 pad=3", 1, 13, 12, 3, 20, 3, 7, 7),
    EVERY(CONV, "pad=3", 5, 2, 3, 4, 16, 4, 7, 7),
    EVERY(CONV_BIAS, "stride=2 stride_w=1 pad=0 pad_w=2 dilation=1 dilation_w=3", 2, 6, 9, 7, 17, 7,
          2, 3),
    EVERY(CONV, "dilation=2 pad=2", 1, 7, 7, 8, 20, 8, 3, 3),
    EVERY(CONV, "dilation=2 stride=2 pad=1", 2, 8, 9, 16, 16, 16, 3, 3),
    EVERY(CONV, "dilation=3 stride=2 pad=4", 1, 9, 8, 8, 16, 8, 3, 2),
    EVERY(CONV, "dilation=4 stride=6 pad=3", 1, 13, 12, 8, 16, 8, 3, 3),
    /* strides that divide the image, few channels: blocks of pixels taken for one */
    EVERY(CONV, "stride=2 pad=3", 1, 8, 10, 3, 20, 3, 7, 7),
    EVERY(CONV, "stride=2 stride_w=1 pad=1", 2, 4, 5, 3, 7, 3, 3, 3),
    EVERY(CONV, "stride=1 stride_w=2 pad=1", 2, 3, 6, 8, 7, 8, 3, 3),
    EVERY(CONV, "stride=3 stride_w=2 pad=1 dilation=2", 2, 9, 8, 5, 18, 5, 3, 3),
    EVERY(CONV_BIAS, "stride=3 pad=2", 1, 6, 9, 7, 16, 7, 5, 5),
    EVERY(CONV, "stride=4 pad=0", 2, 8, 8, 4, 16, 4, 4, 5),
    EVERY(CONV, "stride=4 pad=0", 2, 8, 8, 3, 16, 3, 4, 4),
    EVERY(CONV, "stride=2", 2, 4, 6, 10, 7, 10, 2, 2),
    /* groups */
    EVERY(CONV_BIAS, "groups=2 pad=1", 2, 4, 4, 32, 48, 16, 3, 3),
    EVERY(CONV, "groups=3 stride=2 pad=1", 1, 5, 4, 60, 27, 20, 3, 3),
    /* the same edges once more, small enough for a simulator */
    EVERY(CONV_BIAS, "", 2, 3, 3, 3, 67, 3, 1, 1),
    EVERY(CONV, "stride=2", 2, 4, 5, 66, 3, 66, 1, 1),
    EVERY(CONV, "stride=2 pad=1", 5, 4, 5, 9, 16, 9, 3, 3),
    EVERY(CONV, "groups=2 pad=1", 4, 3, 3, 16, 18, 8, 3, 3),
    EVERY(CONV, "pad=1", 1, 3, 4, 15, 31, 15, 2, 1),
    /* runs of several tiles to a work-item, the last one short; image slowest and fastest */
    EVERY(CONV_BIAS, "", 1, 80, 79, 2, 16, 2, 1, 1),
    CONV("pad=1", 150, 8, 9, 2, 3, 2, 3, 3),
    /* a result so large that it is written around the caches */
    CONV("pad_w=1 pad=0", 1, 65, 64, 1, 1024, 1, 1, 2),
    CONV("stride=2 pad=1", 1, 257, 256, 64, 16, 64, 3, 3),
    /* Winograd: images that are and are not whole tiles, any pad, ragged channels */
    WINOGRAD(CONV_BIAS, "pad=1", 2, 8, 8, 16, 16, 16, 3, 3),
    WINOGRAD(CONV_BIAS, "", 3, 7, 9, 20, 37, 20, 3, 3),
    WINOGRAD(CONV, "pad=1", 5, 4, 4, 64, 64, 64, 3, 3),
    WINOGRAD(CONV, "pad=2", 1, 7, 7, 33, 32, 33, 3, 3),
    WINOGRAD(CONV, "pad=3 pad_w=0", 2, 5, 15, 16, 128, 16, 3, 3),
    /* several groups of tiles, the last one short; several launches over tiles, likewise; filters
     * so large that they are written around the caches */
    WINOGRAD(CONV, "pad=1", 3, 20, 23, 16, 48, 16, 3, 3),
    WINOGRAD(CONV, "pad=1", 2, 30, 32, 80, 16, 80, 3, 3),
    WINOGRAD(CONV, "pad=1", 1, 4, 4, 336, 336, 336, 3, 3),
    /* smaller tiles at the border: 3 x 2, 2 x 3, 1 and 3, one side only, nothing else */
    WINOGRAD(CONV, "pad=1", 24, 7, 6, 16, 64, 16, 3, 3),
    WINOGRAD(CONV_BIAS, "", 8, 8, 9, 16, 32, 16, 3, 3),
    WINOGRAD(CONV, "pad=1", 16, 5, 7, 144, 32, 144, 3, 3),
    WINOGRAD(CONV, "pad=1", 16, 6, 8, 32, 32, 32, 3, 3),
    WINOGRAD(CONV, "pad=1", 9, 4, 11, 24, 16, 24, 3, 3),
    WINOGRAD(CONV, "pad=1", 1, 7, 7, 16, 64, 16, 3, 3),
    CONV("impl=1 pad=1", 25, 2, 3, 16, 16, 16, 3, 3),
    /* Winograd with stride 2: whole tiles, tiles of 3, 2 and 1, any pad, ragged channels, one group
     * and launches for each step */
    CONV_BIAS("impl=1 stride=2 pad=1", 2, 8, 16, 16, 16, 16, 3, 3),
    CONV("impl=1 stride=2 pad=1", 3, 14, 12, 32, 64, 32, 3, 3),
    CONV("impl=1 stride=2 pad=0", 2, 17, 16, 20, 37, 20, 3, 3),
    CONV("impl=1 stride=2 pad=2", 1, 13, 22, 16, 48, 16, 3, 3),
    CONV_BIAS("impl=1 stride=2 pad=3 pad_w=0", 2, 9, 15, 33, 32, 33, 3, 3),
    CONV("impl=1 stride=2 pad=1", 6, 28, 28, 64, 80, 64, 3, 3),
    CONV("impl=1 stride=2 pad=1", 4, 7, 13, 160, 144, 160, 3, 3),
    CONV("impl=1 stride=2 pad=4 pad_w=1", 3, 7, 7, 16, 16, 16, 3, 3),
    /* tiles and products so large that they are written around the caches of two cores */
    CONV("impl=1 stride=2 pad=1", 16, 12, 12, 144, 320, 144, 3, 3),
    /* several launches over tiles, the last one short, and several slices of their sums */
    WINOGRAD_GPU(CONV_BIAS, "pad=1", 3, 33, 30, 16, 20, 16, 3, 3),
    WINOGRAD_GPU(CONV, "", 3, 62, 64, 17, 16, 17, 3, 3),
    /* tiles of 2x2: maps of which larger ones would be more than half empty, rows and columns of
     * half a tile, both sizes of a product's tile, any pad */
    CONV("impl=7 pad=1", 7, 2, 2, 64, 48, 64, 3, 3),
    CONV_BIAS("impl=7 pad=1", 3, 5, 5, 40, 70, 40, 3, 3),
    CONV("impl=7 pad=0", 2, 7, 4, 33, 17, 33, 3, 3),
    CONV("impl=7 pad=2", 4, 3, 4, 16, 33, 16, 3, 3),
    CONV("impl=7 pad=2 pad_w=0", 2, 3, 7, 20, 24, 20, 3, 3),
    /* several slices, chunks, runs of tiles and runs of blocks of the gradient of the filters */
    EVERY(CONV, "", 2, 33, 20, 18, 20, 18, 1, 1),
    EVERY(CONV, "pad=1 stride=2", 3, 40, 39, 17, 70, 17, 3, 3),
    EVERY(CONV, "stride=2", 1, 21, 22, 270, 200, 270, 1, 1),
    EVERY(CONV, "groups=2 pad=2", 2, 25, 24, 40, 66, 20, 2, 2),
    EVERY(CONV, "stride=4 pad=1", 2, 3, 6, 16, 40, 16, 5, 1), /* taps that meet no pixel */
    /* tiles of local memory with four values read at a time: all that multiples of 4 allow */
    CONV_BIAS("impl=9 pad=1", 2, 5, 4, 4, 64, 4, 3, 3),
    CONV("impl=9 pad=1", 1, 9, 8, 20, 68, 20, 3, 3),
    CONV("impl=9 stride=2", 2, 7, 6, 32, 48, 32, 1, 1),
    CONV("impl=9 dilation=2 stride=2 pad=1", 2, 8, 9, 16, 16, 16, 3, 3),
    CONV("impl=9 dilation=4 stride=6 pad=3", 1, 13, 12, 8, 16, 8, 3, 3),
    CONV_BIAS("impl=9 groups=3 pad=2", 2, 25, 24, 36, 60, 12, 2, 2),
    CONV("impl=9", 2, 33, 20, 20, 132, 20, 1, 1),
    CONV("impl=9 groups=2 stride=2 pad=1", 2, 4, 4, 16, 24, 8, 3, 3),
    /* halves: full and ragged tiles of pixels and channels, terms that are no whole step */
    IN_HALF(CONV_BIAS, "pad=1", 2, 5, 4, 4, 64, 4, 3, 3),
    IN_HALF(CONV, "pad=1", 1, 9, 8, 20, 67, 20, 3, 3),
    IN_HALF(CONV, "stride=2", 2, 7, 6, 32, 48, 32, 1, 1),
    IN_HALF(CONV, "stride=2 stride_w=1 pad=0 pad_w=2 dilation=1 dilation_w=3", 2, 6, 9, 8, 17, 8, 2,
            3),
    IN_HALF(CONV, "stride=2 pad=3", 1, 13, 12, 4, 20, 4, 7, 7),
    IN_HALF(CONV_BIAS, "groups=3 pad=2", 2, 25, 24, 36, 60, 12, 2, 2),
    IN_HALF(CONV, "", 2, 33, 20, 20, 132, 20, 1, 1),
    IN_HALF(CONV, "pad=1", 1, 3, 5, 64, 5, 64, 3, 3),
    IN_HALF(CONV, "", 1, 2, 2, 4, 1, 4, 1, 1),
    /* depthwise: ragged channels, more than a work-item's run, several slices, any step */
    DEPTHWISE(CONV_BIAS, "groups=19 pad=1", 3, 30, 9, 19, 19, 1, 3, 3),
    DEPTHWISE(CONV, "groups=32 stride=2 pad=1", 2, 9, 8, 32, 32, 1, 3, 3),
    DEPTHWISE(CONV, "groups=17 stride_w=2 pad=1", 1, 4, 23, 17, 17, 1, 3, 3),
    DEPTHWISE(CONV, "groups=530 pad=1", 1, 3, 4, 530, 530, 1, 2, 3),
    DEPTHWISE(CONV_BIAS, "groups=3 stride=3 stride_w=1 dilation=2 dilation_w=3 pad=4 pad_w=2", 2,
              11, 10, 3, 3, 1, 5, 2),
    DEPTHWISE(CONV, "groups=16 pad=1", 5, 1, 1, 16, 16, 1, 3, 3),
    /* rows of taps that a work-item takes for one pixel and for several; launches for classes of
     * pixels, some of which meet no tap; images narrower than a run */
    DEPTHWISE(CONV, "groups=5 pad=3", 1, 8, 9, 5, 5, 1, 7, 7),
    DEPTHWISE(CONV_BIAS, "groups=4 stride=3 pad=2", 2, 7, 14, 4, 4, 1, 5, 5),
    DEPTHWISE(CONV, "groups=6 stride=2", 2, 5, 6, 6, 6, 1, 1, 1),
    DEPTHWISE(CONV, "groups=7 stride=4 dilation=2 pad=1", 1, 9, 13, 7, 7, 1, 2, 3),
    DEPTHWISE(CONV_BIAS, "groups=9 pad=1", 4, 3, 2, 9, 9, 1, 3, 3),
    DEPTHWISE(CONV, "groups=3 pad_w=9 pad=0", 2, 2, 5, 3, 3, 1, 1, 17),
    /* more than one chunk and more than one slice of the gradient of the filters */
    EVERY(CONV, "", 10, 62, 62, 1, 16, 1, 1, 2),
};

/* Shapes that are planned, never run: a batch of 65,536 images, and what must be refused. */
static int plans(limn_device *device)
{
    static const struct {
        const char *params;
        limn_status status;
        limn_desc in[3];
        int in_count;
    } shapes[] = {
        {"pad=1", LIMN_OK, {LIMN_F4(65536, 32, 32, 3), LIMN_F4(64, 3, 3, 3)}, 2},
        {"", LIMN_BAD_USAGE, {LIMN_F4(1, 2, 5, 3), LIMN_F4(4, 3, 3, 3)}, 2},
        {"dilation=3", LIMN_BAD_USAGE, {LIMN_F4(1, 6, 9, 3), LIMN_F4(4, 3, 3, 3)}, 2},
        {"", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 4), LIMN_F4(4, 3, 3, 3)}, 2},
        {"groups=2", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 6), LIMN_F4(5, 3, 3, 3)}, 2},
        {"", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 3), LIMN_F4(4, 3, 3, 3), LIMN_F1(3)}, 3},
        {"impl=2 groups=6", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 6), LIMN_F4(6, 1, 3, 3)}, 2},
        {"impl=3 groups=6", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 6), LIMN_F4(12, 1, 3, 3)}, 2},
        {"impl=3 groups=6", LIMN_BAD_USAGE, {LIMN_F4(1, 9, 9, 6), LIMN_F4(6, 1, 9, 9)}, 2},
        {"impl=4 groups=6", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 6), LIMN_F4(12, 1, 3, 3)}, 2},
        {"impl=6", LIMN_BAD_USAGE, {LIMN_F4(1, 8, 8, 32), LIMN_F4(32, 32, 3, 2)}, 2},
        {"impl=6 pad=1", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 32), LIMN_F4(32, 32, 3, 3)}, 2},
        {"impl=7", LIMN_BAD_USAGE, {LIMN_F4(1, 8, 8, 32), LIMN_F4(32, 32, 3, 2)}, 2},
        {"impl=7 pad=1", LIMN_BAD_USAGE, {LIMN_F4(1, 1, 3, 32), LIMN_F4(32, 32, 3, 3)}, 2},
        {"impl=9", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 6), LIMN_F4(8, 6, 3, 3)}, 2},
        {"impl=4 groups=6", LIMN_BAD_USAGE, {LIMN_F4(1, 9, 9, 6), LIMN_F4(6, 1, 9, 9)}, 2},
        {"impl=8", LIMN_BAD_USAGE, {LIMN_F4(1, 5, 5, 8), LIMN_F4(8, 8, 3, 3)}, 2}, /* not allowed */
        {"", LIMN_OUT_OF_DEVICE_MEMORY, {LIMN_F4(3, 30000, 30000, 1), LIMN_F4(1, 1, 3, 3)}, 2},
    };
    const limn_op *op = limn_op_find("conv2d");
    int64_t params[32];
    limn_op_plan plan;
    int wrong = op->params_size > sizeof params;
    for (size_t i = 0; !wrong && i < sizeof shapes / sizeof *shapes; i++) {
        limn_status status =
            limn_op_parse(limn_device_context(device), op, shapes[i].params, params);
        if (status == LIMN_OK)
            status = limn_op_make_plan(device, op, params, shapes[i].in, shapes[i].in_count, &plan);
        if (status != shapes[i].status) {
            printf("  shape %zu: status %d\n", i, (int)status);
            wrong++;
        }
    }
    return wrong;
}

/* Which forms of Winograd's a GPU takes where none was measured: tiles of 2x2 where those of 4x4
 * would be more than half empty or take too much memory, unless they save few products. */
static int presets(limn_device *device)
{
    static const struct {
        const char *name;
        int64_t side, channels;
        uint64_t most_memory; /* of a buffer; 0: as the device says */
    } rows[] = {{"winograd-gpu", 8, 64, 0},   {"winograd-gpu", 8, 32, 0},
                {"winograd-gpu", 3, 64, 0},   {"winograd-gpu-2", 5, 64, 0},
                {"winograd-gpu-2", 2, 64, 0}, {"winograd-gpu-2", 8, 64, 1 << 20},
                {"local-wide", 5, 32, 0},     {"local-wide", 3, 64, 1 << 20},
                {"local-wide", 1, 64, 0}};
    const limn_op *op = limn_op_find("conv2d");
    limn_device_limits *limits = (limn_device_limits *)(uintptr_t)limn_device_get_limits(device);
    const limn_device_limits as_found = *limits;
    int64_t params[32];
    int wrong = op->params_size > sizeof params ||
                limn_op_parse(limn_device_context(device), op, "pad=1", params) != LIMN_OK;
    for (size_t i = 0; !wrong && i < 3 * (sizeof rows / sizeof *rows); i++) {
        const int64_t side = rows[i / 3].side, channels = rows[i / 3].channels;
        const limn_desc in[2] = {LIMN_F4(1, side, side, channels),
                                 LIMN_F4(channels, channels, 3, 3)};
        const limn_choice_case c = {device, params, in, 2};
        limits->is_cpu = false;
        if (rows[i / 3].most_memory)
            limits->max_allocation = rows[i / 3].most_memory;
        const char *name = op->choices->name(limn_op_preset(op->choices, &c, (int)(i % 3)));
        *limits = as_found;
        if (strcmp(name, rows[i / 3].name) != 0) {
            printf("  %lldx%lld pixels, %lld channels, %s: %s, not %s\n", (long long)side,
                   (long long)side, (long long)channels, op->choices->directions[i % 3], name,
                   rows[i / 3].name);
            wrong++;
        }
    }
    return wrong;
}

/* An image's result has the same bits, alone and in a batch: 3x3 filters over side x side pixels,
 * whose tiles Winograd's forms might cut as they please. */
static int batches_agree(limn_device *device, int64_t side, int stride)
{
    enum { MANY = 24, FILTERS = 64 * 64 * 9 };
    const int64_t image = side * side * 64, out = (side - 1) / stride + 1;
    float *values = malloc(sizeof *values * (size_t)(MANY * image + FILTERS + (MANY + 1) * image));
    limn_tensor *x = NULL, *w = NULL, *y = NULL;
    int wrong = values ? 0 : 1;
    uint32_t draw = 1;
    for (int64_t i = 0; !wrong && i < MANY * image + FILTERS; i++) {
        draw = draw * 1664525u + 1013904223u;
        values[i] = (float)(draw >> 8) / (1 << 23) - 1;
    }
    for (int turn = 0; !wrong && turn < 2; turn++) {
        const int n = turn == 0 ? 1 : MANY;
        const limn_desc pixels = LIMN_F4(n, side, side, 64), filters = LIMN_F4(64, 64, 3, 3),
                        results = LIMN_F4(n, out, out, 64);
        float *to = values + MANY * image + FILTERS + turn * image;
        wrong += limn_tensor_create(device, &pixels, &x) != LIMN_OK ||
                 limn_tensor_create(device, &filters, &w) != LIMN_OK ||
                 limn_tensor_create(device, &results, &y) != LIMN_OK ||
                 limn_tensor_write(x, values) != LIMN_OK ||
                 limn_tensor_write(w, values + MANY * image) != LIMN_OK ||
                 limn_op_call(device, "conv2d", (limn_tensor *[]){x, w}, 2, &y, 1,
                              "pad=1 stride=%d", stride) != LIMN_OK ||
                 limn_tensor_read(y, to) != LIMN_OK;
        limn_tensor_destroy(&x);
        limn_tensor_destroy(&w);
        limn_tensor_destroy(&y);
    }
    const float *alone = values + MANY * image + FILTERS;
    if (!wrong && memcmp(alone, alone + image, sizeof *alone * (size_t)(out * out * 64)) != 0) {
        printf("  stride %d, side %d: an image alone and in a batch of %d give different bits\n",
               stride, (int)side, MANY);
        wrong++;
    }
    free(values);
    return wrong;
}

/* A 1x1 filter over four pixels of four channels; y [4]. */
static bool one_by_one(limn_device *device, const char *params, const float *pixels,
                       const float *filter, float *y)
{
    const limn_desc desc[3] = {LIMN_F4(1, 1, 4, 4), LIMN_F4(1, 4, 1, 1), LIMN_F4(1, 1, 4, 1)};
    limn_tensor *t[3] = {NULL};
    bool good = true;
    for (int i = 0; i < 3 && good; i++)
        good = limn_tensor_create(device, &desc[i], &t[i]) == LIMN_OK;
    good = good && limn_tensor_write(t[0], pixels) == LIMN_OK &&
           limn_tensor_write(t[1], filter) == LIMN_OK &&
           limn_op_call(device, "conv2d", t, 2, &t[2], 1, "%s", params) == LIMN_OK &&
           limn_tensor_read(t[2], y) == LIMN_OK;
    for (int i = 0; i < 3; i++)
        limn_tensor_destroy(&t[i]);
    return good;
}

/* What half precision rounds, how, and what it cannot hold. */
static int half_answers(limn_device *device, const char *params)
{
    /* 2049 lies between 2048 and 2050, the even one is taken; 2^-25 falls to 0, 3 * 2^-25 rises to
     * 2^-23; 65504 is the largest, 65505 is none. */
    static const float pixels[16] = {2049,     1,        0, 0, 65504, -65504, 3,     0,
                                     0x1p-25f, 0x3p-25f, 0, 0, 1,     0,      65505, 1};
    static const float ones[4] = {1, 1, 1, 1}, large[4] = {1, -70000, 1, 1};
    static const float expected[4] = {2049, 3, 0x1p-23f, NAN};
    float y[4];
    int wrong = !one_by_one(device, params, pixels, ones, y);
    for (int i = 0; i < 4 && !wrong; i++)
        if (isnan(expected[i]) ? !isnan(y[i]) : y[i] != expected[i]) {
            printf("  %s, pixel %d: %.9g\n", params, i, (double)y[i]);
            wrong++;
        }
    if (!wrong && one_by_one(device, params, pixels, large, y) && isnan(y[0]) && isnan(y[2]))
        return 0;
    printf("  %s: range of the filters\n", params);
    return wrong + 1;
}

/* One kind of matrix units, or what stands in for it: the probe, and shapes around tiles of 64. */
static int one_kind(limn_device *device, limn_matrix_units kind)
{
    static const limn_op_case shapes[] = {
        CONV_BIAS("impl=5 groups=2 pad=1", 1, 3, 4, 16, 16, 8, 3, 2),
        CONV("impl=5", 1, 5, 13, 20, 68, 20, 1, 1),
        CONV_BIAS("impl=5 pad=1 stride=2", 2, 17, 16, 36, 132, 36, 3, 3),
        CONV("impl=5 pad=2", 2, 8, 8, 64, 64, 64, 5, 5),
    };
    /* A simulator takes its time: the gradients' kernels run there with one kind only, as cases. */
    const limn_op_check_way forward = {.asked = 0, .in_place = -1};
    const bool simulated = limn_test_simulated();
    const limn_op *op = limn_op_find("conv2d");
    bool right = false;
    int wrong = limn_matrix_probe(device, kind, true, &right) != LIMN_OK || !right;
    if (wrong)
        printf("  kind %d of matrix units: the probe\n", (int)kind);
    for (size_t i = 0; i < (simulated ? 1 : sizeof shapes / sizeof *shapes); i++) {
        const limn_op_case *c = &shapes[i];
        limn_op_check seen;
        if (limn_op_check_run(device, op, c->params, c->in, c->in_count, 1,
                              simulated ? &forward : NULL, &seen) == LIMN_OK &&
            seen.forward_error < 1e-3 && seen.backward_error < 2e-3 && seen.guards_intact &&
            seen.repeats)
            continue;
        printf("  kind %d of matrix units: %s, errors %g and %g\n", (int)kind, c->params,
               seen.forward_error, seen.backward_error);
        wrong++;
    }
    return wrong + (simulated ? 0 : half_answers(device, "impl=5"));
}

static int halves(limn_device *device)
{
    limn_device_limits *limits = (limn_device_limits *)(uintptr_t)limn_device_get_limits(device);
    const limn_matrix_units stand_in = limits->matrix_stand_in;
    limn_device_allow_half(device, ~0u);
    int wrong = half_answers(device, "impl=8");
    for (int i = LIMN_MATRIX_NONE + 1; i < LIMN_MATRIX_KINDS; i++) {
        limits->matrix_stand_in = (limn_matrix_units)i;
        wrong += one_kind(device, limits->matrix_stand_in);
    }
    limits->matrix_stand_in = stand_in;
    limn_device_allow_half(device, 0);
    return wrong;
}

/* Two known answers: sums that can be seen by eye. */
static int known_answers(limn_device *device)
{
    static const double image[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const double ones[4] = {1, 1, 1, 1};
    static const double bias[1] = {0.5};
    static const double window_sums[4] = {12.5, 16.5, 24.5, 28.5};
    const double *const with_bias[3] = {image, ones, bias};
    const limn_desc in[3] = {LIMN_F4(1, 3, 3, 1), LIMN_F4(1, 1, 2, 2), LIMN_F1(1)};
    int wrong = limn_expect(device, "conv2d", "", 3, in, with_bias, window_sums, 0);

    /* The filter is not flipped, rows come before columns, and padding is 0: the tap (0, 1) alone
     * shifts the image by one row down, with pad 1 and a 3x3 filter. */
    static const double up[9] = {0, 1, 0, 0, 0, 0, 0, 0, 0};
    static const double shifted[9] = {0, 0, 0, 1, 2, 3, 4, 5, 6};
    const double *const with_filter[2] = {image, up};
    const limn_desc in_up[2] = {LIMN_F4(1, 3, 3, 1), LIMN_F4(1, 1, 3, 3)};
    wrong += limn_expect(device, "conv2d", "pad=1", 2, in_up, with_filter, shifted, 0);
    return wrong + batches_agree(device, 7, 1) + batches_agree(device, 5, 1) +
           batches_agree(device, 7, 2) + halves(device) + plans(device) + presets(device);
}

/* Winograd's sums are of transformed values, whose coefficients in tiles of 4x4 grow to 1.3 * 2.8 *
 * 2.8 in the input and the output: about three roundings more in a row on either side, seen as 1.5
 * to 3 times the error of plain sums.  In tiles of 2x2 they are 0, 1, -1 and halves, so that only
 * sums are rounded, of fewer terms than plain ones: seen as 0.3 to 0.9 times their error.  Halves
 * are off by 2^-11 of themselves, two of them by 1e-3; over a sum a third of that is seen. */
static double growth(const limn_op_case *c)
{
    const int form = limn_op_case_form(c);
    return form == 5 || form == 8 ? 500 : form == 1 || form == 6 ? 4 : 1;
}

const limn_op_test limn_test_conv2d = {
    .op = "conv2d",
    .tolerance = 2e-6,
    .backward_tolerance = 5e-6,
    .reason = "sums of up to 576 (forward) and 4000 (filters) products in single precision, one "
              "rounding each, errors partly cancel",
    LIMN_CASES(cases),
    .simulated = 4,
    .slow_forms =
        LIMN_FORM(5) | LIMN_FORM(6) | LIMN_FORM(7) | LIMN_FORM(8) | LIMN_FORM(9) | LIMN_FORM(10),
    .half_forms = LIMN_FORM(5) | LIMN_FORM(8),
    .names_forms = true,
    .cpu_forms = LIMN_FORM(1) | LIMN_FORM(2) | LIMN_FORM(3),
    .growth = growth,
    .known_answers = known_answers,
};
