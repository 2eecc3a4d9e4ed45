/* limn heatmap: attribution maps drawn as pictures. */
#include "cli.h"
#include "files.h"

#include "limn/dataset.h"
#include "limn/heatmap.h"
#include "limn/npy.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_ROOM = 32, MAX_SIDE = 65535 };

/* Everything that is read before the output folder is made. */
typedef struct job {
    cli *c;
    limn_context *ctx;
    limn_heatmap_params params;
    bool shared, colorbar;
    limn_npy *maps;
    size_t count, channels, height, width;
    float *reduced; /* [count,height,width] */
    const limn_dataset *data;
    limn_image *pictures; /* one a map, where images come as files */
    int64_t *indices;     /* of the images in the data set */
    limn_heat_range range;
    size_t flat, holes; /* maps of one value; maps with NaN */
} job;

static limn_status out_of_memory(job *j)
{
    return cli_fail(j->c, LIMN_FAILED, "out of memory", "heatmap", "the host has no more memory");
}

static limn_status read_params(job *j)
{
    j->params = (limn_heatmap_params){
        .colormap = cli_text(j->c, "colormap"),
        .percentile = (float)cli_float(j->c, "percentile"),
        .overlay = (float)cli_float(j->c, "overlay"),
        .grey = cli_flag(j->c, "grey"),
        .min_side = (int)cli_int(j->c, "side"),
    };
    if (j->params.overlay <= 0)
        j->params.overlay = -1;
    j->colorbar = cli_flag(j->c, "colorbar");
    j->shared = cli_choice(j->c, "range") == 1;
    uint8_t rgb[3];
    return j->params.colormap ? limn_colormap_color(j->ctx, j->params.colormap, 0, rgb) : LIMN_OK;
}

static limn_status read_maps(job *j, const char *path)
{
    limn_status status = limn_npy_read(j->ctx, path, &j->maps);
    if (status != LIMN_OK)
        return status;
    const int rank = j->maps->rank;
    const int64_t *dim = j->maps->dim;
    if (rank < 2 || j->maps->count == 0)
        return cli_fail(j->c, LIMN_BAD_INPUT, "no maps", path,
                        "it holds no array [n,H,W], [n,C,H,W] or [H,W]");
    j->count = rank > 2 ? (size_t)dim[0] : 1;
    j->channels = rank > 3 ? (size_t)dim[1] : 1;
    j->height = (size_t)dim[rank - 2];
    j->width = (size_t)dim[rank - 1];
    if (j->height > MAX_SIDE || j->width > MAX_SIDE)
        return cli_fail(j->c, LIMN_BAD_INPUT, "cannot draw maps", path,
                        "a size of %zu x %zu is above %d a side", j->height, j->width, MAX_SIDE);
    const size_t pixels = j->height * j->width;
    j->reduced = calloc(j->count * pixels, sizeof *j->reduced);
    if (!j->reduced)
        return out_of_memory(j);
    const limn_heat_reduce how =
        cli_choice(j->c, "reduce") == 1 ? LIMN_REDUCE_MAX_ABS : LIMN_REDUCE_SUM;
    for (size_t i = 0; i < j->count; i++) {
        float *map = j->reduced + i * pixels;
        limn_heatmap_reduce(j->maps->data + i * j->channels * pixels, j->channels, pixels, how,
                            map);
        size_t same = 0, nan = 0;
        for (size_t k = 0; k < pixels; k++) {
            same += map[k] == map[0];
            nan += isnan(map[k]) != 0;
        }
        j->flat += same == pixels || nan == pixels;
        j->holes += nan > 0;
    }
    limn_npy_free(&j->maps);
    return LIMN_OK;
}

/* A shared range, or for ranges of their own only the sign, so that all maps get the same colours.
 */
static limn_status find_range(job *j)
{
    const limn_status status = limn_heatmap_range(
        j->ctx, j->reduced, j->count * j->height * j->width, &j->params, &j->range);
    j->params.sign = j->range.is_signed ? LIMN_HEAT_SIGNED : LIMN_HEAT_UNSIGNED;
    return status;
}

static limn_status read_pictures(job *j, const char *const *paths, size_t count)
{
    if (count != j->count) {
        const limn_status status = cli_fail(j->c, LIMN_BAD_INPUT, "images do not fit the maps",
                                            "--images", "%zu images for %zu maps", count, j->count);
        cli_hint(j->c, "give one image for each map, in the order of the maps");
        return status;
    }
    j->pictures = calloc(count, sizeof *j->pictures);
    if (!j->pictures)
        return out_of_memory(j);
    for (size_t i = 0; i < count; i++) {
        const limn_status status = limn_image_read(j->ctx, paths[i], &j->pictures[i]);
        if (status != LIMN_OK)
            return status;
    }
    return LIMN_OK;
}

/* What limn explain wrote beside the maps says which images they belong to. */
static limn_status read_explained(job *j, const char *maps, bool *found)
{
    static const char name[] = "attributions.json";
    const char *slash = strrchr(maps, '/');
    const size_t folder = slash ? (size_t)(slash - maps) + 1 : 0;
    *found = false;
    char *path = calloc(folder + sizeof name, 1);
    if (!path)
        return out_of_memory(j);
    memcpy(path, maps, folder);
    memcpy(path + folder, name, sizeof name);
    json_t *root = json_load_file(path, 0, NULL);
    const json_t *indices = json_object_get(root, "indices");
    if (json_is_array(indices) && json_array_size(indices) == j->count) {
        *found = true;
        for (size_t i = 0; i < j->count; i++) {
            const json_t *index = json_array_get(indices, i);
            j->indices[i] = json_is_integer(index) ? (int64_t)json_integer_value(index) : -1;
        }
    }
    json_decref(root);
    free(path);
    return LIMN_OK;
}

static limn_status read_data(job *j, const char *maps, const char *path)
{
    int64_t from = 0, to = 0;
    bool known = false;
    limn_status status = limn_dataset_open(j->ctx, path, &j->data);
    if (status != LIMN_OK)
        return status;
    j->indices = calloc(j->count, sizeof *j->indices);
    if (!j->indices)
        return out_of_memory(j);
    if (cli_range(j->c, "index", &from, &to)) {
        if (to > j->data->count)
            return cli_fail(j->c, LIMN_BAD_USAGE, "index out of range", "--index",
                            "%" PRId64 ":%" PRId64 " is not within 0:%" PRId64, from, to,
                            j->data->count);
        known = (size_t)(to - from) == j->count;
    } else if ((status = read_explained(j, maps, &known)) != LIMN_OK) {
        return status;
    } else if (known) {
        from = -1;
    } else {
        known = (int64_t)j->count == j->data->count;
    }
    if (!known) {
        status = cli_fail(j->c, LIMN_BAD_INPUT, "images do not fit the maps", path,
                          "%" PRId64 " images for %zu maps", to > from ? to - from : j->data->count,
                          j->count);
        cli_hint(j->c, "say which images the maps are of: --index A:B");
        return status;
    }
    for (size_t i = 0; i < j->count; i++) {
        if (from >= 0)
            j->indices[i] = from + (int64_t)i;
        if (j->indices[i] < 0 || j->indices[i] >= j->data->count)
            return cli_fail(j->c, LIMN_BAD_INPUT, "images do not fit the maps", path,
                            "attributions.json names an image that is not within 0:%" PRId64,
                            j->data->count);
    }
    if (j->data->channels != 1 && j->data->channels != 3)
        return cli_fail(j->c, LIMN_BAD_INPUT, "cannot show images", path,
                        "they have %" PRId64 " channels, not 1 or 3", j->data->channels);
    return LIMN_OK;
}

/* --images takes one value; the shell's `--images *.png` leaves the others among the arguments. */
static limn_status read_images(job *j, const char *maps)
{
    const char *first = cli_text(j->c, "images");
    const int more = cli_argument_count(j->c) - 1;
    bool picture = true;
    limn_status status;
    if (!first && more > 0)
        return cli_fail(j->c, LIMN_BAD_USAGE, "unexpected argument", cli_argument(j->c, 1),
                        "only one file of maps is drawn at a time");
    if (!first)
        return LIMN_OK;
    if ((status = files_is_picture(j->c, first, &picture)) != LIMN_OK)
        return status;
    if (!picture && more == 0)
        return read_data(j, maps, first);
    const char **paths = calloc((size_t)more + 1, sizeof *paths);
    if (!paths)
        return out_of_memory(j);
    paths[0] = first;
    size_t count = 1;
    for (int i = 0; i <= more; i++)
        if (cli_argument(j->c, i) != maps)
            paths[count++] = cli_argument(j->c, i);
    status = read_pictures(j, paths, count);
    free(paths);
    return status;
}

/* The one argument that ends in .npy, else the first. */
static const char *find_maps(const job *j)
{
    for (int i = 0; i < cli_argument_count(j->c); i++) {
        const char *path = cli_argument(j->c, i), *dot = strrchr(path, '.');
        if (dot && strcmp(dot, ".npy") == 0)
            return path;
    }
    return cli_argument(j->c, 0);
}

/* The image of map `i`; false where there is none.  Its pixels are not the caller's. */
static bool image_of(const job *j, size_t i, limn_image *out)
{
    if (j->pictures) {
        *out = j->pictures[i];
        return true;
    }
    if (!j->data)
        return false;
    const size_t bytes = (size_t)(j->data->height * j->data->width * j->data->channels);
    *out = (limn_image){(int)j->data->width, (int)j->data->height, (int)j->data->channels,
                        (uint8_t *)(uintptr_t)(j->data->images + (size_t)j->indices[i] * bytes)};
    return true;
}

static limn_status write_png(job *j, const limn_image *image, const char *folder, const char *name)
{
    char *path = files_join(j->c, folder, name);
    if (!path)
        return LIMN_FAILED;
    const limn_status status = limn_image_write_png(j->ctx, image, path);
    free(path);
    return status;
}

/* The caption of a map: its number, or its image's number and class. */
static void write_caption(const job *j, size_t i, char caption[64])
{
    const int32_t label = j->data ? j->data->labels[j->indices[i]] : -1;
    if (!j->data)
        snprintf(caption, 64, "%zu", i);
    else if (label < 0)
        snprintf(caption, 64, "%" PRId64, j->indices[i]);
    else
        snprintf(caption, 64, "%" PRId64 " %s", j->indices[i], j->data->classes[label]);
}

/* Draws map `i`, writes it, and puts it into the montage, beside its image where there is one. */
static limn_status draw_map(job *j, size_t i, const char *folder, limn_montage *montage)
{
    const float *map = j->reduced + i * j->height * j->width;
    limn_heat_range range = j->range;
    limn_image image = {0}, picture = {0};
    const bool has_image = image_of(j, i, &image);
    char name[NAME_ROOM], caption[64];
    limn_status status = LIMN_OK;
    if (!j->shared)
        status = limn_heatmap_range(j->ctx, map, j->height * j->width, &j->params, &range);
    if (status != LIMN_OK)
        return status;
    status = limn_heatmap_render(j->ctx, map, (int)j->height, (int)j->width,
                                 has_image ? &image : NULL, &range, &j->params, &picture);
    if (status != LIMN_OK)
        return status;
    const size_t per_map = has_image ? 2 : 1;
    const size_t tiles = (size_t)montage->columns * (size_t)montage->rows;
    if ((i + 1) * per_map <= tiles) {
        write_caption(j, i, caption);
        if (has_image)
            status = limn_montage_place(j->ctx, montage, 2 * i, &image, caption);
        if (status == LIMN_OK)
            status = limn_montage_place(j->ctx, montage, i * per_map + per_map - 1, &picture,
                                        has_image ? NULL : caption);
    }
    if (status == LIMN_OK && j->colorbar)
        status = limn_heatmap_add_colorbar(j->ctx, &range, &j->params, &picture);
    snprintf(name, sizeof name, "%05zu.png", i);
    if (status == LIMN_OK)
        status = write_png(j, &picture, folder, name);
    limn_image_free(&picture);
    return status;
}

/* An empty sheet for the first maps; none where --montage 0 asks so. */
static limn_status start_montage(job *j, size_t shown, limn_montage *montage)
{
    limn_image image, probe;
    const bool has_image = image_of(j, 0, &image);
    *montage = (limn_montage){0};
    if (shown == 0)
        return LIMN_OK;
    limn_heatmap_params params = j->params;
    limn_status status = limn_heatmap_render(j->ctx, j->reduced, (int)j->height, (int)j->width,
                                             has_image ? &image : NULL, &j->range, &params, &probe);
    if (status != LIMN_OK)
        return status;
    /* Tiles of at most 320 pixels, in the shape of the first picture. */
    const double shrink =
        fmin(1, 320.0 / (probe.width > probe.height ? probe.width : probe.height));
    const limn_montage_params layout = {
        .tile_width = (int)fmax(1, probe.width * shrink),
        .tile_height = (int)fmax(1, probe.height * shrink),
        .captions = true,
        .columns = (int)cli_int(j->c, "columns") * (has_image ? 2 : 1),
    };
    limn_image_free(&probe);
    status = limn_montage_create(j->ctx, shown * (has_image ? 2 : 1), &layout, montage);
    if (status != LIMN_OK || !has_image || montage->columns % 2 == 0)
        return status;
    /* An image and its map stay in one row. */
    limn_montage_params even = layout;
    even.columns = montage->columns + 1;
    limn_montage_free(montage);
    return limn_montage_create(j->ctx, shown * 2, &even, montage);
}

static limn_status print_result(job *j, const char *folder, size_t shown)
{
    if (cli_json(j->c))
        return cli_print_json(
            j->c, json_pack("{sI sI sI sb ss sI sI so so so}", "maps", (json_int_t)j->count,
                            "height", (json_int_t)j->height, "width", (json_int_t)j->width,
                            "signed", (int)j->range.is_signed, "range",
                            j->shared ? "shared" : "each", "constant_maps", (json_int_t)j->flat,
                            "maps_with_nan", (json_int_t)j->holes, "folder", cli_json_text(folder),
                            "low", j->shared ? json_real((double)j->range.low) : json_null(),
                            "high", j->shared ? json_real((double)j->range.high) : json_null()));
    if (cli_quiet(j->c))
        return LIMN_OK;
    printf("%zu %s of %zu x %zu in %s", j->count, j->count == 1 ? "map" : "maps", j->height,
           j->width, folder);
    if (j->shared)
        printf(", colours from %.6g to %.6g", (double)j->range.low, (double)j->range.high);
    printf("\n");
    if (shown)
        printf("all side by side: %s/montage.png\n", folder);
    if (shown && shown < j->count)
        printf("the montage shows the first %zu\n", shown);
    return LIMN_OK;
}

static limn_status draw_all(job *j)
{
    const char *folder = cli_text(j->c, "output");
    const size_t most = (size_t)cli_int(j->c, "montage"), shown = most < j->count ? most : j->count;
    limn_montage montage;
    limn_status status = start_montage(j, shown, &montage);
    if (status == LIMN_OK)
        status = files_make_folder(j->c, folder);
    for (size_t i = 0; i < j->count && status == LIMN_OK; i++) {
        if (cli_interrupted())
            status = cli_fail(j->c, LIMN_INTERRUPTED, "interrupted", folder,
                              "%zu of %zu maps are drawn", i, j->count);
        else
            status = draw_map(j, i, folder, &montage);
    }
    if (status == LIMN_OK && shown && j->shared)
        status = limn_heatmap_add_colorbar(j->ctx, &j->range, &j->params, &montage.sheet);
    if (status == LIMN_OK && shown)
        status = write_png(j, &montage.sheet, folder, "montage.png");
    limn_montage_free(&montage);
    if (status != LIMN_OK) {
        rmdir(folder); /* goes only where nothing is in it */
        return status;
    }
    if (j->flat)
        cli_note(j->c, "maps with one value everywhere, drawn in one colour: %zu of %zu", j->flat,
                 j->count);
    if (j->holes)
        cli_note(j->c, "maps with NaN, drawn in grey: %zu of %zu", j->holes, j->count);
    return print_result(j, folder, shown);
}

static limn_status run(cli *c)
{
    job j = {.c = c, .ctx = cli_context(c)};
    const char *maps = find_maps(&j);
    limn_status status = read_params(&j);
    if (status == LIMN_OK)
        status = read_maps(&j, maps);
    if (status == LIMN_OK)
        status = find_range(&j);
    if (status == LIMN_OK)
        status = read_images(&j, maps);
    if (status == LIMN_OK)
        status = draw_all(&j);
    for (size_t i = 0; j.pictures && i < j.count; i++)
        limn_image_free(&j.pictures[i]);
    free(j.pictures);
    free(j.indices);
    free(j.reduced);
    limn_npy_free(&j.maps);
    limn_dataset_close(&j.data);
    return status;
}

static void list_colormaps(FILE *out)
{
    fprintf(out, "\nColour maps:");
    for (size_t i = 0; i < limn_colormap_count(); i++)
        fprintf(out, "%s %s", i ? "," : "", limn_colormap_name(i));
    fprintf(out, "\n");
}

static const char *const usage[] = {"MAPS.npy [--images DATA|IMAGE...] -o DIR [OPTIONS]", NULL};
static const char *const range_choices[] = {"each", "shared", NULL};
static const char *const reduce_choices[] = {"sum", "max-abs", NULL};

static const limn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CLI_TEXT,
     .argument = "DIR",
     .required = true,
     .help = "folder for 00000.png, 00001.png, ... and montage.png"},
    {.name = "images",
     .kind = CLI_TEXT,
     .argument = "DATA|IMAGE...",
     .help = "what the maps are of: a data set, or one PNG or JPEG for each map"},
    {.name = "index",
     .kind = CLI_RANGE,
     .argument = "A:B",
     .max = 1e15,
     .shown = "from attributions.json beside MAPS, else all",
     .help = "the data set's images that the maps are of"},
    {.name = "colormap",
     .kind = CLI_TEXT,
     .argument = "NAME",
     .shown = "inferno; bluered where a map has values below zero",
     .help = "colours"},
    {.name = "overlay",
     .kind = CLI_FLOAT,
     .argument = "ALPHA",
     .fallback = "0.5",
     .max = 1,
     .help = "weight of the colours over the image, 0 to 1"},
    {.name = "range",
     .kind = CLI_CHOICE,
     .choices = range_choices,
     .fallback = "each",
     .help = "each map uses all colours, or one range is shared so that maps can be compared"},
    {.name = "percentile",
     .kind = CLI_FLOAT,
     .argument = "P",
     .fallback = "99",
     .min = CLI_ABOVE_0,
     .max = 100,
     .help = "values above this percentile all take the last colour; 100 clips nothing"},
    {.name = "reduce",
     .kind = CLI_CHOICE,
     .choices = reduce_choices,
     .fallback = "sum",
     .help = "how the channels of [n,C,H,W] maps become one"},
    {.name = "grey", .kind = CLI_FLAG, .help = "show the images in grey under the colours"},
    {.name = "colorbar", .kind = CLI_FLAG, .help = "add a colour bar with numbers to each picture"},
    {.name = "side",
     .kind = CLI_INT,
     .fallback = "224",
     .min = 1,
     .max = 65535,
     .help = "least length in pixels of a picture's shorter side; small ones are enlarged"},
    {.name = "montage",
     .kind = CLI_INT,
     .fallback = "100",
     .max = 10000,
     .help = "how many maps montage.png shows; 0: do not write it"},
    {.name = "columns",
     .kind = CLI_INT,
     .max = 1000,
     .fallback = "0",
     .help = "maps in a row of the montage; 0: about as wide as high"},
    {0},
};

static const limn_example examples[] = {
    {"limn heatmap out/gradcam.npy -o pictures", "the maps alone, each with a range of its own"},
    {"limn heatmap out/occlusion.npy --images test.safetensors -o pictures --range shared "
     "--colorbar",
     "over their images, comparable with each other"},
    {"limn heatmap map.npy --images cat.jpg -o pictures --colormap turbo --overlay 0.4",
     "one map over one photograph"},
    {0},
};

const limn_command heatmap_command = {
    .name = "heatmap",
    .summary = "draw attribution maps as pictures",
    .usage = usage,
    .text =
        "Reads float maps [n,H,W], [n,C,H,W] or [H,W] and writes one PNG for each, and a montage "
        "of "
        "many. Maps with values below zero are drawn with zero in the middle of a diverging colour "
        "map; others run from their lowest to their highest value. NaN is grey. The values "
        "themselves are never changed.",
    .arguments = "MAPS.npy",
    .min_arguments = 1,
    .max_arguments = -1,
    .options = options,
    .more_help = list_colormaps,
    .examples = examples,
    .run = run,
};
