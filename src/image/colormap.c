#include "image/colormap.h"

#include "base/context.h"
#include "image/colormap_table.h"

#include <math.h>
#include <string.h>

static const limn_colormap maps[] = {
    {"inferno", inferno, false},
    {"viridis", viridis, false},
    {"turbo", turbo, false},
    {"bluered", bluered, true},
};

enum { MAPS = sizeof maps / sizeof *maps, NAN_SHADE = 128 };

size_t limn_colormap_count(void)
{
    return MAPS;
}

const char *limn_colormap_name(size_t index)
{
    return index < MAPS ? maps[index].name : NULL;
}

limn_status limn_colormap_find(limn_context *ctx, const char *name, bool is_signed,
                               const limn_colormap **out)
{
    *out = NULL;
    for (size_t i = 0; i < MAPS && !*out; i++)
        if (name ? strcmp(maps[i].name, name) == 0 : maps[i].diverging == is_signed)
            *out = &maps[i];
    if (*out)
        return LIMN_OK;
    char names[128] = "";
    for (size_t i = 0; i < MAPS; i++) {
        strcat(names, i ? ", " : "");
        strcat(names, maps[i].name);
    }
    limn_fail(ctx, LIMN_BAD_USAGE, "unknown colour map", name,
              "there is no colour map of that name");
    limn_hint(ctx, "choose one of %s", names);
    return LIMN_BAD_USAGE;
}

void limn_colormap_at(const limn_colormap *map, float t, uint8_t rgb[3])
{
    if (isnan(t)) {
        rgb[0] = rgb[1] = rgb[2] = NAN_SHADE;
        return;
    }
    const float place = (t < 0 ? 0 : t > 1 ? 1 : t) * 255;
    const int low = (int)place, high = low < 255 ? low + 1 : 255;
    const float part = place - (float)low;
    for (int c = 0; c < 3; c++) {
        const int shift = 16 - 8 * c;
        const float a = (float)(map->entries[low] >> shift & 255),
                    b = (float)(map->entries[high] >> shift & 255);
        rgb[c] = (uint8_t)(a + part * (b - a) + 0.5f);
    }
}

limn_status limn_colormap_color(limn_context *ctx, const char *name, float t, uint8_t rgb[3])
{
    const limn_colormap *map;
    const limn_status status = limn_colormap_find(ctx, name, false, &map);
    if (status == LIMN_OK)
        limn_colormap_at(map, t, rgb);
    return status;
}
