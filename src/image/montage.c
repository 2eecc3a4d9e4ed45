#include "limn/heatmap.h"

#include "image/codec.h"
#include "image/text.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_TILE = 224, DEFAULT_GAP = 8, CAPTION_SPACE = 6 };

static int text_scale(int tile_width)
{
    return tile_width >= 160 ? 2 : 1;
}

limn_status limn_montage_create(limn_context *ctx, size_t count, const limn_montage_params *params,
                                limn_montage *out)
{
    const char *const what = "cannot make a montage";
    *out = (limn_montage){0};
    if (params->columns < 0 || params->gap < 0 || params->tile_width < 0 ||
        params->tile_height < 0 || params->tile_width > LIMN_MAX_SIDE ||
        params->tile_height > LIMN_MAX_SIDE || params->gap > LIMN_MAX_SIDE)
        return limn_fail(ctx, LIMN_BAD_USAGE, what, NULL, "a size is out of range");
    if (count < 1 || count > LIMN_MAX_PIXELS)
        return limn_fail(ctx, LIMN_BAD_USAGE, what, NULL, "%zu tiles do not fit", count);
    limn_montage montage = {
        .tile_width = params->tile_width ? params->tile_width : DEFAULT_TILE,
        .tile_height = params->tile_height ? params->tile_height : DEFAULT_TILE,
        .gap = params->gap ? params->gap : DEFAULT_GAP,
    };
    if (params->captions)
        montage.caption_height = LIMN_TEXT_HEIGHT * text_scale(montage.tile_width) + CAPTION_SPACE;
    const int64_t across = montage.tile_width + montage.gap,
                  down = montage.tile_height + montage.caption_height + montage.gap;
    const int64_t columns =
        params->columns ? params->columns
                        : (int64_t)ceil(sqrt((double)count * (double)down / (double)across));
    const int64_t used = columns < (int64_t)count ? columns : (int64_t)count,
                  rows = ((int64_t)count + used - 1) / used;
    const int64_t width = montage.gap + used * across, height = montage.gap + rows * down;
    if (width > LIMN_MAX_SIDE || height > LIMN_MAX_SIDE || width * height > LIMN_MAX_PIXELS)
        return limn_fail(ctx, LIMN_BAD_USAGE, what, NULL,
                         "%zu tiles of %d x %d pixels are more than one picture holds", count,
                         montage.tile_width, montage.tile_height);
    montage.columns = (int)used;
    montage.rows = (int)rows;
    const limn_status status = limn_image_create(ctx, (int)width, (int)height, 3, &montage.sheet);
    if (status != LIMN_OK)
        return status;
    memset(montage.sheet.pixels, 255, (size_t)width * (size_t)height * 3);
    *out = montage;
    return LIMN_OK;
}

void limn_montage_free(limn_montage *montage)
{
    limn_image_free(&montage->sheet);
    *montage = (limn_montage){0};
}

/* Small pictures grow by a whole factor and stay sharp, large ones shrink. */
static limn_status fit_tile(limn_context *ctx, const limn_image *picture, int width, int height,
                            limn_image *out)
{
    const int across = width / picture->width, down = height / picture->height,
              factor = across < down ? across : down,
              shorter = picture->width < picture->height ? picture->width : picture->height;
    if (factor >= 1)
        return limn_image_enlarge(ctx, picture, factor * shorter, out);
    const double shrink = fmin((double)width / picture->width, (double)height / picture->height);
    const int to_width = (int)fmax(1, floor(picture->width * shrink + 1e-9)),
              to_height = (int)fmax(1, floor(picture->height * shrink + 1e-9));
    limn_image rgb;
    limn_status status = limn_image_convert(ctx, picture, 3, &rgb);
    if (status != LIMN_OK)
        return status;
    status = limn_image_resize(ctx, &rgb, to_width, to_height, out);
    limn_image_free(&rgb);
    return status;
}

limn_status limn_montage_place(limn_context *ctx, limn_montage *montage, size_t index,
                               const limn_image *picture, const char *caption)
{
    if (index >= (size_t)montage->columns * (size_t)montage->rows)
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot fill a montage", NULL,
                         "tile %zu is beyond the last", index);
    limn_image tile;
    const limn_status status =
        fit_tile(ctx, picture, montage->tile_width, montage->tile_height, &tile);
    if (status != LIMN_OK)
        return status;
    limn_image *sheet = &montage->sheet;
    const int column = (int)(index % (size_t)montage->columns),
              row = (int)(index / (size_t)montage->columns);
    const int left = montage->gap + column * (montage->tile_width + montage->gap),
              top = montage->gap +
                    row * (montage->tile_height + montage->caption_height + montage->gap);
    const int shift_x = (montage->tile_width - tile.width) / 2,
              shift_y = (montage->tile_height - tile.height) / 2;
    for (int y = 0; y < tile.height; y++)
        memcpy(sheet->pixels +
                   ((size_t)(top + shift_y + y) * (size_t)sheet->width + (size_t)(left + shift_x)) *
                       3,
               tile.pixels + (size_t)y * (size_t)tile.width * 3, (size_t)tile.width * 3);
    limn_image_free(&tile);
    if (caption && montage->caption_height) {
        const int scale = text_scale(montage->tile_width), wide = limn_text_width(caption, scale);
        const int indent = wide < montage->tile_width ? (montage->tile_width - wide) / 2 : 0;
        limn_text_draw(sheet, left + indent, top + montage->tile_height + CAPTION_SPACE - 1, scale,
                       montage->tile_width - indent - scale, caption);
    }
    return LIMN_OK;
}
