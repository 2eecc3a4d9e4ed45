#include "nn/arch.h"

#include <stdio.h>
#include <string.h>

enum { PATH_MAX_LENGTH = 96 };

/* "layer1.0" + "conv1" */
static const char *below(char *text, const char *path, const char *name)
{
    snprintf(text, PATH_MAX_LENGTH, "%s.%s", path, name);
    return text;
}

/* ---- blocks ------------------------------------------------------------------------------------
 */

/* He et al. 2016, CIFAR: every other pixel, zero channels on both sides; no parameters. */
static limn_flow subsample(limn_builder *b, const limn_arch *arch, const char *path, limn_flow x,
                           int64_t channels, int stride)
{
    (void)arch;
    (void)path;
    limn_flow y = limn_layer_apply(b, "subsample_pad", NULL, x, "stride=%d channels=%lld", stride,
                                   (long long)channels);
    y.channels = channels;
    return y;
}

static limn_flow projection(limn_builder *b, const limn_arch *arch, const char *path, limn_flow x,
                            int64_t channels, int stride)
{
    char name[PATH_MAX_LENGTH];
    (void)arch;
    const limn_flow y =
        limn_layer_conv(b, below(name, path, "downsample.0"), x, channels, 1, stride, 0);
    return limn_layer_norm(b, below(name, path, "downsample.1"), y);
}

static limn_flow join(limn_builder *b, const limn_arch *arch, const char *path, limn_flow x,
                      limn_flow y, int stride)
{
    if (stride != 1 || x.channels != y.channels)
        x = arch->shortcut(b, arch, path, x, y.channels, stride);
    return limn_layer_apply(b, "relu", path, limn_layer_add(b, y, x), " ");
}

static limn_flow basic(limn_builder *b, const limn_arch *arch, const char *path, limn_flow x,
                       int64_t width, int stride)
{
    char name[PATH_MAX_LENGTH];
    limn_flow y = limn_layer_conv(b, below(name, path, "conv1"), x, width, 3, stride, 1);
    y = limn_layer_norm(b, below(name, path, "bn1"), y);
    y = limn_layer_apply(b, "relu", NULL, y, " ");
    y = limn_layer_conv(b, below(name, path, "conv2"), y, width, 3, 1, 1);
    y = limn_layer_norm(b, below(name, path, "bn2"), y);
    return join(b, arch, path, x, y, stride);
}

/* The stride sits at the 3x3 convolution, as in torchvision. */
static limn_flow bottleneck(limn_builder *b, const limn_arch *arch, const char *path, limn_flow x,
                            int64_t width, int stride)
{
    char name[PATH_MAX_LENGTH];
    limn_flow y = limn_layer_conv(b, below(name, path, "conv1"), x, width, 1, 1, 0);
    y = limn_layer_norm(b, below(name, path, "bn1"), y);
    y = limn_layer_apply(b, "relu", NULL, y, " ");
    y = limn_layer_conv(b, below(name, path, "conv2"), y, width, 3, stride, 1);
    y = limn_layer_norm(b, below(name, path, "bn2"), y);
    y = limn_layer_apply(b, "relu", NULL, y, " ");
    y = limn_layer_conv(b, below(name, path, "conv3"), y, width * arch->expansion, 1, 1, 0);
    y = limn_layer_norm(b, below(name, path, "bn3"), y);
    return join(b, arch, path, x, y, stride);
}

/* Convolution, batch norm, ReLU. */
static limn_flow plain(limn_builder *b, const limn_arch *arch, const char *path, limn_flow x,
                       int64_t width, int stride)
{
    char name[PATH_MAX_LENGTH];
    (void)arch;
    limn_flow y = limn_layer_conv(b, below(name, path, "conv"), x, width, 3, stride, 1);
    y = limn_layer_norm(b, below(name, path, "bn"), y);
    return limn_layer_apply(b, "relu", path, y, " ");
}

/* ---- the table ---------------------------------------------------------------------------------
 */

#define CIFAR_RESNET(depth, n)                                                                     \
    {                                                                                              \
        {"cifar-resnet" #depth, "CIFAR ResNet-" #depth ", 16 to 64 channels", 64}, 16, 3, 1,       \
            false, basic, subsample, 1, 3, {n, n, n}, {16, 32, 64}, false                          \
    }
#define RESNET(name, text, features, kernel, stride, pool, block, expansion, ...)                  \
    {                                                                                              \
        {name, text, features}, 64, kernel, stride, pool, block, projection, expansion, 4,         \
            __VA_ARGS__, {64, 128, 256, 512}, false                                                \
    }

const limn_arch limn_arch_table[] = {
    {{"cnn-small", "three convolutions of 32, 64 and 128 channels, for 28x28 and 32x32 images",
      128},
     0,
     0,
     0,
     false,
     plain,
     NULL,
     1,
     3,
     {0, 0, 0},
     {32, 64, 128},
     true},
    CIFAR_RESNET(20, 3),
    CIFAR_RESNET(32, 5),
    CIFAR_RESNET(44, 7),
    CIFAR_RESNET(56, 9),
    RESNET("cifar-resnet18", "ResNet-18 with a 3x3 stem", 512, 3, 1, false, basic, 1, {2, 2, 2, 2}),
    RESNET("cifar-resnet34", "ResNet-34 with a 3x3 stem", 512, 3, 1, false, basic, 1, {3, 4, 6, 3}),
    RESNET("cifar-resnet50", "ResNet-50 with a 3x3 stem", 2048, 3, 1, false, bottleneck, 4,
           {3, 4, 6, 3}),
    RESNET("resnet18", "ResNet-18 for 224x224 images", 512, 7, 2, true, basic, 1, {2, 2, 2, 2}),
    RESNET("resnet34", "ResNet-34 for 224x224 images", 512, 7, 2, true, basic, 1, {3, 4, 6, 3}),
    RESNET("resnet50", "ResNet-50 for 224x224 images", 2048, 7, 2, true, bottleneck, 4,
           {3, 4, 6, 3}),
};
const size_t limn_arch_count = sizeof limn_arch_table / sizeof *limn_arch_table;

/* Number of differing leading characters plus the difference in length: enough to catch a slip. */
static size_t distance(const char *a, const char *b)
{
    size_t same = 0;
    while (a[same] && a[same] == b[same])
        same++;
    return strlen(a) + strlen(b) - 2 * same;
}

const limn_arch *limn_arch_find(limn_context *ctx, const char *name)
{
    const limn_arch *nearest = limn_arch_table;
    for (size_t i = 0; i < limn_arch_count; i++) {
        const limn_arch *arch = &limn_arch_table[i];
        if (strcmp(arch->info.name, name) == 0)
            return arch;
        if (distance(arch->info.name, name) < distance(nearest->info.name, name))
            nearest = arch;
    }
    limn_fail(ctx, LIMN_BAD_USAGE, "unknown architecture", name, "limn does not know it");
    limn_hint(ctx, "did you mean %s? `limn help train` lists all", nearest->info.name);
    return NULL;
}

const limn_arch_info *limn_arch_at(size_t index)
{
    return index < limn_arch_count ? &limn_arch_table[index].info : NULL;
}

/* ---- from images to features --------------------------------------------------------------------
 */

static limn_flow stem(limn_builder *b, const limn_arch *arch, limn_flow x)
{
    if (!arch->stem_width)
        return x;
    x = limn_layer_conv(b, "conv1", x, arch->stem_width, arch->stem_kernel, arch->stem_stride,
                        arch->stem_kernel / 2);
    x = limn_layer_norm(b, "bn1", x);
    x = limn_layer_apply(b, "relu", "relu", x, " ");
    return arch->stem_pool
               ? limn_layer_apply(b, "max_pool", "maxpool", x, "kernel=3 stride=2 pad=1")
               : x;
}

limn_flow limn_arch_encode(limn_builder *b, const limn_arch *arch, limn_flow x,
                           limn_flow *last_block)
{
    char stage[24], path[PATH_MAX_LENGTH];
    x = stem(b, arch, x);
    for (int s = 0; s < arch->stages; s++) {
        const int count = arch->blocks[s] ? arch->blocks[s] : 1;
        snprintf(stage, sizeof stage, "layer%d", s + 1);
        for (int i = 0; i < count; i++) {
            const int stride = i == 0 && s > 0 && !arch->pool_between ? 2 : 1;
            if (arch->blocks[s])
                snprintf(path, sizeof path, "%s.%d", stage, i);
            x = arch->block(b, arch, arch->blocks[s] ? path : stage, x, arch->widths[s], stride);
        }
        if (arch->blocks[s])
            limn_layer_name(b, x, stage);
        *last_block = x;
        if (arch->pool_between && s + 1 < arch->stages) {
            snprintf(path, sizeof path, "pool%d", s + 1);
            x = limn_layer_apply(b, "max_pool", path, x, "kernel=2 stride=2");
        }
    }
    x = limn_layer_apply(b, "global_avg_pool", "avgpool", x, " ");
    limn_layer_name(b, x, "features");
    return x;
}
