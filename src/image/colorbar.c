/* The colour bar: a strip of all colours with the values that they stand for. */
#include "limn/heatmap.h"

#include "base/context.h"
#include "image/colormap.h"
#include "image/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    GAP = 10,
    BAR = 14,
    TICK = 3,
    LABEL_GAP = 7,
    MARGIN = 8,
    MAX_HEIGHT = 448,
    MAX_LABELS = 5,
    LABEL_ROOM = 24
};

/* Three digits of the larger end, and as many decimals for all labels. */
static void write_label(double value, const limn_heat_range *range, char label[LABEL_ROOM])
{
    const double largest = fmax(fabs((double)range->low), fabs((double)range->high));
    if (largest == 0)
        snprintf(label, LABEL_ROOM, "0");
    else if (largest < 1e-3 || largest >= 1e5)
        snprintf(label, LABEL_ROOM, "%.2e", value);
    else
        snprintf(label, LABEL_ROOM, "%.*f", (int)fmax(0, 2 - floor(log10(largest))), value);
}

typedef struct bar_layout {
    int scale, left, top, height, labels;
    char label[MAX_LABELS][LABEL_ROOM]; /* from high to low */
} bar_layout;

static bar_layout lay_out(const limn_heat_range *range, const limn_image *picture, int *width)
{
    bar_layout bar = {.scale = picture->height >= 128 ? 2 : 1};
    const int pad = LIMN_TEXT_HEIGHT * bar.scale / 2 + 1;
    bar.height = picture->height - 2 * pad;
    bar.height = bar.height > MAX_HEIGHT ? MAX_HEIGHT : bar.height < 1 ? 1 : bar.height;
    bar.top = (picture->height - bar.height) / 2;
    bar.left = picture->width + GAP;
    bar.labels = !(range->high > range->low)                      ? 1
                 : bar.height < 6 * LIMN_TEXT_HEIGHT * bar.scale  ? 2
                 : bar.height < 10 * LIMN_TEXT_HEIGHT * bar.scale ? 3
                                                                  : MAX_LABELS;
    int widest = 0;
    for (int i = 0; i < bar.labels; i++) {
        const double part = bar.labels > 1 ? (double)i / (bar.labels - 1) : 0;
        const double value = (double)range->high * (1 - part) + (double)range->low * part;
        write_label(value, range, bar.label[i]);
        const int wide = limn_text_width(bar.label[i], bar.scale);
        widest = wide > widest ? wide : widest;
    }
    *width = bar.left + BAR + TICK + LABEL_GAP + widest + MARGIN;
    return bar;
}

static void fill(limn_image *picture, int left, int top, int width, int height,
                 const uint8_t rgb[3])
{
    for (int y = top; y < top + height && y < picture->height; y++)
        for (int x = left; x < left + width && x < picture->width; x++)
            memcpy(picture->pixels + ((size_t)y * (size_t)picture->width + (size_t)x) * 3, rgb, 3);
}

static void draw(const bar_layout *bar, const limn_heat_range *range, const limn_colormap *map,
                 limn_image *picture)
{
    static const uint8_t shade[3] = {LIMN_TEXT_SHADE, LIMN_TEXT_SHADE, LIMN_TEXT_SHADE};
    const bool empty = !(range->high > range->low);
    for (int y = 0; y < bar->height; y++) {
        const float place =
            empty ? (range->is_signed ? 0.5f : 0.0f) : 1 - ((float)y + 0.5f) / (float)bar->height;
        uint8_t rgb[3];
        limn_colormap_at(map, place, rgb);
        fill(picture, bar->left, bar->top + y, BAR, 1, rgb);
    }
    for (int i = 0; i < bar->labels; i++) {
        const int y = bar->top + (bar->labels > 1 ? i * (bar->height - 1) / (bar->labels - 1)
                                                  : bar->height / 2);
        fill(picture, bar->left + BAR, y, TICK, 1, shade);
        limn_text_draw(picture, bar->left + BAR + TICK + LABEL_GAP, y - 7 * bar->scale / 2,
                       bar->scale, picture->width, bar->label[i]);
    }
}

limn_status limn_heatmap_add_colorbar(limn_context *ctx, const limn_heat_range *range,
                                      const limn_heatmap_params *params, limn_image *picture)
{
    const limn_colormap *map;
    limn_image wider;
    int width;
    limn_status status = limn_colormap_find(ctx, params->colormap, range->is_signed, &map);
    if (status != LIMN_OK)
        return status;
    if (picture->channels != 3)
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot add a colour bar", NULL,
                         "the picture has %d channels, not 3", picture->channels);
    const bar_layout bar = lay_out(range, picture, &width);
    if ((status = limn_image_create(ctx, width, picture->height, 3, &wider)) != LIMN_OK)
        return status;
    memset(wider.pixels, 255, (size_t)width * (size_t)wider.height * 3);
    for (int y = 0; y < picture->height; y++)
        memcpy(wider.pixels + (size_t)y * (size_t)width * 3,
               picture->pixels + (size_t)y * (size_t)picture->width * 3,
               (size_t)picture->width * 3);
    draw(&bar, range, map, &wider);
    limn_image_free(picture);
    *picture = wider;
    return LIMN_OK;
}
