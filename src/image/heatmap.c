#include "limn/heatmap.h"

#include "base/memory.h"
#include "image/codec.h"
#include "image/colormap.h"
#include "image/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_SIDE = 224, DEFAULT_PERCENTILE = 99, BINS = 1 << 16 };

void limn_heatmap_reduce(const float *map, size_t channels, size_t pixels, limn_heat_reduce how,
                         float *out)
{
    for (size_t i = 0; i < pixels; i++) {
        double value = 0;
        for (size_t c = 0; c < channels; c++) {
            const double next = map[c * pixels + i];
            if (how == LIMN_REDUCE_SUM || isnan(next))
                value += next;
            else if (fabs(next) > value)
                value = fabs(next);
        }
        out[i] = (float)value;
    }
}

static limn_status check_params(limn_context *ctx, const limn_heatmap_params *params)
{
    const char *const what = "cannot draw heatmap";
    if (!(params->percentile >= 0 && params->percentile <= 100))
        return limn_fail(ctx, LIMN_BAD_USAGE, what, "percentile",
                         "%g is not above 0 and at most 100", (double)params->percentile);
    if (!(params->overlay <= 1))
        return limn_fail(ctx, LIMN_BAD_USAGE, what, "overlay", "%g is above 1",
                         (double)params->overlay);
    if (params->min_side < 0 || params->min_side > LIMN_MAX_SIDE)
        return limn_fail(ctx, LIMN_BAD_USAGE, what, "side", "%d is not in 0..%d", params->min_side,
                         LIMN_MAX_SIDE);
    return LIMN_OK;
}

/* Unsigned integers in the order of the floats they come from. */
static uint32_t order_key(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static float from_order_key(uint32_t key)
{
    const uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The finite value of rank `rank` (from 1) in ascending order, exact, without a copy of the values:
 * the upper half of the key is found by counting, then the lower half among its equals. */
static float select_rank(const float *values, size_t count, bool magnitude, size_t rank,
                         size_t *bins)
{
    uint32_t upper = 0;
    for (int half = 0; half < 2; half++) {
        memset(bins, 0, BINS * sizeof *bins);
        for (size_t i = 0; i < count; i++) {
            if (!isfinite(values[i]))
                continue;
            const uint32_t key = order_key(magnitude ? fabsf(values[i]) : values[i]);
            if (half == 0)
                bins[key >> 16]++;
            else if (key >> 16 == upper)
                bins[key & 0xffff]++;
        }
        uint32_t bin = 0;
        while (bin < BINS - 1 && bins[bin] < rank)
            rank -= bins[bin++];
        if (half == 1)
            return from_order_key(upper << 16 | bin);
        upper = bin;
    }
    return 0;
}

typedef struct extremes {
    size_t finite;
    float low, high;
} extremes;

static extremes find_extremes(const float *values, size_t count)
{
    extremes found = {0};
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        if (!found.finite || values[i] < found.low)
            found.low = values[i];
        if (!found.finite || values[i] > found.high)
            found.high = values[i];
        found.finite++;
    }
    return found;
}

limn_status limn_heatmap_range(limn_context *ctx, const float *values, size_t count,
                               const limn_heatmap_params *params, limn_heat_range *out)
{
    *out = (limn_heat_range){0};
    const limn_colormap *map;
    limn_status status = check_params(ctx, params);
    if (status == LIMN_OK)
        status = limn_colormap_find(ctx, params->colormap, false, &map);
    if (status != LIMN_OK)
        return status;
    const extremes found = find_extremes(values, count);
    out->is_signed = params->sign == LIMN_HEAT_AUTO ? found.low < 0 || map->diverging
                                                    : params->sign == LIMN_HEAT_SIGNED;
    if (!found.finite)
        return LIMN_OK;

    void *bins;
    if ((status = limn_alloc(ctx, "percentiles", BINS, sizeof(size_t), &bins)) != LIMN_OK)
        return status;
    const double percentile =
        params->percentile > 0 ? (double)params->percentile : DEFAULT_PERCENTILE;
    size_t rank = (size_t)ceil(percentile / 100 * (double)found.finite);
    rank = rank < 1 ? 1 : rank > found.finite ? found.finite : rank;
    out->high = select_rank(values, count, out->is_signed, rank, bins);
    if (out->is_signed) {
        if (out->high <= 0)
            out->high = fmaxf(fabsf(found.low), fabsf(found.high));
        out->low = -out->high;
    } else {
        out->low = select_rank(values, count, false, found.finite - rank + 1, bins);
        if (!(out->high > out->low)) {
            out->low = found.low;
            out->high = found.high;
        }
    }
    limn_free(bins);
    return LIMN_OK;
}

/* Place of a value in the range, 0..1; NaN stays. */
static float place_in_range(float value, const limn_heat_range *range)
{
    if (isnan(value))
        return value;
    if (!(range->high > range->low))
        return range->is_signed ? 0.5f : 0.0f;
    const double place =
        ((double)value - (double)range->low) / ((double)range->high - (double)range->low);
    return (float)(place < 0 ? 0 : place > 1 ? 1 : place);
}

/* Two neighbours and the weight of the second, for output pixel `at` of `to` from `from`. */
static float neighbours(int at, int to, int from, int *first, int *second)
{
    const double centre = (at + 0.5) * from / to - 0.5;
    const double inside = centre < 0 ? 0 : centre > from - 1 ? from - 1 : centre;
    *first = (int)inside;
    *second = *first + 1 < from ? *first + 1 : *first;
    return (float)(inside - *first);
}

/* Bilinear between samples that are numbers; NaN where the nearest sample is. */
static float interpolate(const float sample[4], float right, float down)
{
    const float weight[4] = {(1 - right) * (1 - down), right * (1 - down), (1 - right) * down,
                             right * down};
    float sum = 0, total = 0;
    if (isnan(sample[(right >= 0.5f ? 1 : 0) + (down >= 0.5f ? 2 : 0)]))
        return NAN;
    for (int i = 0; i < 4; i++) {
        if (isnan(sample[i]))
            continue;
        sum += weight[i] * sample[i];
        total += weight[i];
    }
    return sum / total;
}

static void paint(const float *places, int height, int width, const limn_colormap *map, float alpha,
                  limn_image *picture)
{
    uint8_t *to = picture->pixels;
    for (int y = 0; y < picture->height; y++) {
        int above, below;
        const float down = neighbours(y, picture->height, height, &above, &below);
        for (int x = 0; x < picture->width; x++, to += 3) {
            int left, next;
            const float right = neighbours(x, picture->width, width, &left, &next);
            const float *high = places + (size_t)above * (size_t)width,
                        *low = places + (size_t)below * (size_t)width;
            const float sample[4] = {high[left], high[next], low[left], low[next]};
            uint8_t rgb[3];
            limn_colormap_at(map, interpolate(sample, right, down), rgb);
            for (int c = 0; c < 3; c++)
                to[c] = (uint8_t)(alpha * (float)rgb[c] + (1 - alpha) * (float)to[c] + 0.5f);
        }
    }
}

static int enlarge_factor(int width, int height, int min_side)
{
    const int shorter = width < height ? width : height, longer = width < height ? height : width,
              least = min_side > 0 ? min_side : DEFAULT_SIDE, most = LIMN_MAX_SIDE / longer,
              wanted = (least + shorter - 1) / shorter;
    return wanted > most ? most : wanted;
}

/* The picture the colours go over: the image enlarged, or an empty sheet of the right size. */
static limn_status make_ground(limn_context *ctx, int height, int width, const limn_image *image,
                               const limn_heatmap_params *params, limn_image *out)
{
    if (!image) {
        const int factor = enlarge_factor(width, height, params->min_side);
        return limn_image_create(ctx, width * factor, height * factor, 3, out);
    }
    if (!params->grey || image->channels == 1)
        return limn_image_enlarge(ctx, image, params->min_side, out);
    limn_image grey;
    limn_status status = limn_image_convert(ctx, image, 1, &grey);
    if (status != LIMN_OK)
        return status;
    status = limn_image_enlarge(ctx, &grey, params->min_side, out);
    limn_image_free(&grey);
    return status;
}

limn_status limn_heatmap_render(limn_context *ctx, const float *map, int height, int width,
                                const limn_image *image, const limn_heat_range *range,
                                const limn_heatmap_params *params, limn_image *out)
{
    *out = (limn_image){0};
    limn_image picture = {0};
    const limn_colormap *colors;
    void *places;
    limn_status status = check_params(ctx, params);
    if (status == LIMN_OK)
        status = limn_colormap_find(ctx, params->colormap, range->is_signed, &colors);
    if (status != LIMN_OK)
        return status;
    if (height < 1 || width < 1 || height > LIMN_MAX_SIDE || width > LIMN_MAX_SIDE)
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot draw heatmap", "map",
                         "a size of %d x %d is not within 1..%d", height, width, LIMN_MAX_SIDE);
    const size_t count = (size_t)height * (size_t)width;
    if ((status = limn_alloc(ctx, "heatmap", count, sizeof(float), &places)) != LIMN_OK)
        return status;
    if ((status = make_ground(ctx, height, width, image, params, &picture)) != LIMN_OK)
        goto done;
    for (size_t i = 0; i < count; i++)
        ((float *)places)[i] = place_in_range(map[i], range);
    const float alpha = !image                ? 1
                        : params->overlay < 0 ? 0
                        : params->overlay > 0 ? params->overlay
                                              : 0.5f;
    paint(places, height, width, colors, alpha, &picture);
    if (params->colorbar &&
        (status = limn_heatmap_add_colorbar(ctx, range, params, &picture)) != LIMN_OK)
        goto done;
    *out = picture;
    picture = (limn_image){0};
done:
    limn_image_free(&picture);
    limn_free(places);
    return status;
}

limn_status limn_image_enlarge(limn_context *ctx, const limn_image *from, int min_side,
                               limn_image *out)
{
    limn_image rgb;
    *out = (limn_image){0};
    limn_status status = limn_image_convert(ctx, from, 3, &rgb);
    if (status != LIMN_OK)
        return status;
    const int factor = enlarge_factor(from->width, from->height, min_side);
    if (factor == 1) {
        *out = rgb;
        return LIMN_OK;
    }
    status = limn_image_create(ctx, from->width * factor, from->height * factor, 3, out);
    if (status == LIMN_OK) {
        uint8_t *to = out->pixels;
        for (int y = 0; y < out->height; y++) {
            const uint8_t *row = rgb.pixels + (size_t)(y / factor) * (size_t)rgb.width * 3;
            for (int x = 0; x < out->width; x++, to += 3)
                memcpy(to, row + (size_t)(x / factor) * 3, 3);
        }
    }
    limn_image_free(&rgb);
    return status;
}
