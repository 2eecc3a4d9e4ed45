/* What `limn explain` writes: METHOD.npy, METHOD/00000.png, attributions.json. */
#define _POSIX_C_SOURCE 200809L
#include "explain/explain.h"

#include "files.h"

#include "limn/npy.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_ROOM = 64, RANK = 4 };

/* ---- attributions.json --------------------------------------------------------------------------
 */

static json_t *score_json(const explain_job *j, const limn_attribution_params *p)
{
    static const char *const names[] = {"default", "logit", "probability", "cosine"};
    (void)j;
    return json_string(names[p->score]);
}

static json_t *window_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_pack("[I, I]", (json_int_t)p->window[0], (json_int_t)p->window[1]);
}

static json_t *stride_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_pack("[I, I]", (json_int_t)p->stride[0], (json_int_t)p->stride[1]);
}

static json_t *baseline_json(const explain_job *j, const limn_attribution_params *p)
{
    static const char *const names[] = {NULL, "mean", "black", "blur"};
    (void)j;
    if (p->baseline == LIMN_BASELINE_VALUE)
        return json_real((double)p->baseline_value);
    return p->baseline == LIMN_BASELINE_ZERO ? json_integer(0) : json_string(names[p->baseline]);
}

static json_t *preset_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_string(p->preset == LIMN_PRESET_CAPTUM ? "captum" : "limn");
}

static json_t *masks_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_integer((json_int_t)p->masks);
}

static json_t *grid_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_integer((json_int_t)p->grid);
}

static json_t *p_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_real((double)p->p);
}

static json_t *seed_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_integer((json_int_t)p->seed);
}

static json_t *layer_json(const explain_job *j, const limn_attribution_params *p)
{
    char name[NAME_ROOM] = "";
    json_t *layers = json_array();
    for (int i = 0; i < p->layer_count; i++)
        json_array_append_new(layers, json_string(p->layers[i]));
    if (p->layer_count == 0 &&
        limn_attribution_default_layer(j->model, j->data, name, sizeof name) == LIMN_OK)
        json_array_append_new(layers, json_string(name));
    return layers;
}

static json_t *relu_json(const explain_job *j, const limn_attribution_params *p)
{
    (void)j;
    return json_boolean(!p->no_relu);
}

/* How each parameter of the library's methods is written. */
static const struct {
    const char *name;
    json_t *(*write)(const explain_job *j, const limn_attribution_params *p);
} writers[] = {
    {"score", score_json},       {"window", window_json}, {"stride", stride_json},
    {"baseline", baseline_json}, {"preset", preset_json}, {"masks", masks_json},
    {"grid", grid_json},         {"p", p_json},           {"seed", seed_json},
    {"layer", layer_json},       {"relu", relu_json},
};

static json_t *parameters_json(const explain_job *j, int m)
{
    json_t *root = json_object();
    for (const char *const *name = j->methods[m]->parameters; *name; name++)
        for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
            if (strcmp(writers[i].name, *name) == 0)
                json_object_set_new(root, *name, writers[i].write(j, &j->params[m]));
    return root;
}

static json_t *finite_json(float value)
{
    return isfinite(value) ? json_real((double)value) : json_null();
}

static const float *scores_of(const explain_job *j, int m)
{
    const limn_targets *t = j->targets;
    return t->cosine                                      ? t->cosines
           : j->params[m].score == LIMN_SCORE_PROBABILITY ? t->probabilities
                                                          : t->logits;
}

/* Numbers of the images that have a flaw. */
static json_t *flaws_json(const explain_job *j, int m, enum explain_flaw flaw)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < j->count; i++)
        if (j->flaws[m][i] & flaw)
            json_array_append_new(list, json_integer((json_int_t)(j->first + i)));
    return list;
}

static int shape_of(const explain_job *j, int m, int64_t dim[RANK])
{
    int rank = 0;
    dim[rank++] = j->count;
    if (j->methods[m]->channels)
        dim[rank++] = j->data->channels;
    dim[rank++] = j->data->height;
    dim[rank++] = j->data->width;
    return rank;
}

static json_t *method_json(const explain_job *j, int m)
{
    int64_t dim[RANK];
    char file[NAME_ROOM];
    json_t *shape = json_array(), *scores = json_array();
    const int rank = shape_of(j, m, dim);
    for (int i = 0; i < rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)dim[i]));
    for (int64_t i = 0; i < j->count; i++)
        json_array_append_new(scores, finite_json(scores_of(j, m)[i]));
    snprintf(file, sizeof file, "%s.npy", j->methods[m]->name);
    return json_pack("{ss so so so so so sf}", "file", file, "shape", shape, "parameters",
                     parameters_json(j, m), "scores", scores, "zero_maps",
                     flaws_json(j, m, EXPLAIN_ZERO), "not_finite",
                     flaws_json(j, m, EXPLAIN_NOT_FINITE), "seconds", j->seconds[m]);
}

static void add_images(const explain_job *j, json_t *root)
{
    json_t *indices = json_array(), *labels = json_array(), *targets = json_array();
    json_t *names = json_array();
    int class_count;
    const char *const *classes = explain_classes(j, &class_count);
    for (int64_t i = 0; i < j->count; i++) {
        const int32_t target = j->targets->classes ? j->targets->classes[i] : -1;
        json_array_append_new(indices, json_integer((json_int_t)(j->first + i)));
        json_array_append_new(labels, json_integer(j->data->labels[j->first + i]));
        json_array_append_new(targets, target < 0 ? json_null() : json_integer(target));
        json_array_append_new(names, target < 0 || target >= class_count
                                         ? json_null()
                                         : json_string(classes[target]));
    }
    json_object_set_new(root, "indices", indices);
    json_object_set_new(root, "labels", labels);
    json_object_set_new(root, "targets", targets);
    json_object_set_new(root, "target_classes", names);
}

static void add_data(json_t *root, const char *key, const limn_dataset *data)
{
    char hex[33], name[NAME_ROOM];
    limn_dataset_digest(data, hex);
    snprintf(name, sizeof name, "%s_digest", key);
    json_object_set_new(root, key, cli_json_text(data->path));
    json_object_set_new(root, name, json_string(hex));
}

/* Methods up to number `done` - 1. */
static json_t *document(const explain_job *j, int done)
{
    const limn_model_info *model = limn_model_describe(j->model);
    json_t *names = json_array(), *methods = json_object();
    json_t *root = json_pack("{ss so ss sI so ss ss}", "limn", limn_version(), "device",
                             cli_json_text(limn_device_describe(j->device)->name), "precision",
                             cli_text(j->c, "precision"), "seed", (json_int_t)cli_int(j->c, "seed"),
                             "model", cli_json_text(cli_argument(j->c, 0)), "model_digest",
                             model->digest, "arch", model->arch);
    add_data(root, "data", j->data);
    if (j->pictures) {
        json_t *files = json_array();
        for (int64_t i = 0; i < j->data->count; i++)
            json_array_append_new(files, cli_json_text(j->names[i]));
        json_object_set_new(root, "images", files);
    }
    if (j->reference)
        add_data(root, "reference", j->reference);
    json_object_set_new(root, "target", cli_json_text(cli_text(j->c, "target")));
    json_object_set_new(root, "similarity", json_boolean(j->targets->cosine));
    add_images(j, root);
    for (int m = 0; m < done; m++) {
        json_array_append_new(names, json_string(j->methods[m]->name));
        json_object_set_new(methods, j->methods[m]->name, method_json(j, m));
    }
    json_object_set_new(root, "method", names);
    json_object_set_new(root, "methods", methods);
    return root;
}

static limn_status write_document(explain_job *j, const char *folder, int done)
{
    json_t *root = document(j, done);
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    char *path = files_join(j->c, folder, "attributions.json");
    limn_status status = text && path ? LIMN_OK : explain_out_of_memory(j);
    if (status == LIMN_OK)
        status = files_write(j->c, path, text);
    free(path);
    free(text);
    json_decref(root);
    return status;
}

/* ---- pictures -----------------------------------------------------------------------------------
 */

static char *png_path(explain_job *j, const char *folder, int64_t i)
{
    char name[NAME_ROOM];
    snprintf(name, sizeof name, "%05" PRId64 ".png", j->first + i);
    return files_join(j->c, folder, name);
}

static limn_status write_png(explain_job *j, const char *folder, int64_t i, const float *map,
                             const limn_heatmap_params *params)
{
    const limn_dataset *d = j->data;
    const size_t pixels = (size_t)(d->height * d->width);
    const limn_image image = {
        (int)d->width, (int)d->height, (int)d->channels,
        (uint8_t *)(uintptr_t)(d->images + (size_t)(j->first + i) * pixels * (size_t)d->channels)};
    limn_heat_range range;
    limn_image picture = {0};
    char *path = png_path(j, folder, i);
    if (!path)
        return LIMN_FAILED;
    limn_status status = limn_heatmap_range(j->ctx, map, pixels, params, &range);
    if (status == LIMN_OK)
        status = limn_heatmap_render(j->ctx, map, (int)d->height, (int)d->width,
                                     d->channels == 1 || d->channels == 3 ? &image : NULL, &range,
                                     params, &picture);
    if (status == LIMN_OK)
        status = limn_image_write_png(j->ctx, &picture, path);
    limn_image_free(&picture);
    free(path);
    return status;
}

/* One picture a map, each with a range of its own; all signed or none, so that colours agree. */
static limn_status write_pngs(explain_job *j, int m, const char *folder, const float *maps)
{
    const size_t pixels = (size_t)(j->data->height * j->data->width);
    const size_t channels = j->methods[m]->channels ? (size_t)j->data->channels : 1;
    const size_t count = (size_t)j->count;
    limn_heatmap_params params = {0};
    limn_heat_range range;
    float *reduced = calloc(count * pixels, sizeof *reduced);
    if (!reduced)
        return explain_out_of_memory(j);
    for (size_t i = 0; i < count; i++)
        limn_heatmap_reduce(maps + i * channels * pixels, channels, pixels, LIMN_REDUCE_SUM,
                            reduced + i * pixels);
    limn_status status = limn_heatmap_range(j->ctx, reduced, count * pixels, &params, &range);
    params.sign = range.is_signed ? LIMN_HEAT_SIGNED : LIMN_HEAT_UNSIGNED;
    if (status == LIMN_OK)
        status = files_make_folder(j->c, folder);
    for (size_t i = 0; i < count && status == LIMN_OK; i++) {
        status = write_png(j, folder, (int64_t)i, reduced + i * pixels, &params);
        if (status == LIMN_OK && cli_interrupted())
            status = cli_fail(j->c, LIMN_INTERRUPTED, "interrupted", folder,
                              "%zu of %zu pictures were drawn", i + 1, count);
    }
    free(reduced);
    return status;
}

/* ---- all files of a method
 * ----------------------------------------------------------------------- */

static void find_flaws(explain_job *j, int m, const float *maps)
{
    const int64_t channels = j->methods[m]->channels ? j->data->channels : 1;
    const int64_t size = channels * j->data->height * j->data->width;
    for (int64_t i = 0; i < j->count; i++) {
        bool zero = true, finite = isfinite(scores_of(j, m)[i]);
        for (int64_t k = 0; k < size; k++) {
            zero = zero && maps[i * size + k] == 0;
            finite = finite && isfinite(maps[i * size + k]);
        }
        j->flaws[m][i] = (uint8_t)((zero ? EXPLAIN_ZERO : 0) | (finite ? 0 : EXPLAIN_NOT_FINITE));
        j->zero[m] += zero;
        j->not_finite[m] += !finite;
    }
}

limn_status explain_write(explain_job *j, int m, const float *maps)
{
    const char *out = cli_text(j->c, "output"), *method = j->methods[m]->name;
    char name[NAME_ROOM];
    int64_t dim[RANK];
    snprintf(name, sizeof name, "%s.npy", method);
    char *npy = files_join(j->c, out, name), *folder = files_join(j->c, out, method);
    j->flaws[m] = calloc((size_t)j->count, 1);
    limn_status status = npy && folder && j->flaws[m] ? LIMN_OK : explain_out_of_memory(j);
    if (status == LIMN_OK) {
        find_flaws(j, m, maps);
        status = files_make_folder(j->c, out);
    }
    if (status == LIMN_OK)
        status = limn_npy_write(j->ctx, npy, maps, shape_of(j, m, dim), dim);
    if (status == LIMN_OK) {
        status = write_document(j, out, m + 1);
        if (status != LIMN_OK)
            unlink(npy);
    }
    if (status != LIMN_OK && j->done == 0)
        rmdir(out); /* removes it only where nothing is in it */
    j->done += status == LIMN_OK;
    if (status == LIMN_OK && cli_flag(j->c, "png"))
        status = write_pngs(j, m, folder, maps);
    free(npy);
    free(folder);
    return status;
}

limn_status explain_print(explain_job *j)
{
    for (int m = 0; m < j->done; m++) {
        if (j->zero[m])
            cli_note(j->c, "%s: all zero for %" PRId64 " of %" PRId64 " images",
                     j->methods[m]->name, j->zero[m], j->count);
        if (j->not_finite[m])
            cli_note(j->c, "%s: not finite for %" PRId64 " of %" PRId64 " images",
                     j->methods[m]->name, j->not_finite[m], j->count);
    }
    if (cli_json(j->c))
        return cli_print_json(j->c, document(j, j->done));
    for (int m = 0; m < j->done && !cli_quiet(j->c); m++)
        printf("%-10s %" PRId64 " maps of %" PRId64 " x %" PRId64 " in %s/%s.npy, %.3g s\n",
               j->methods[m]->name, j->count, j->data->height, j->data->width,
               cli_text(j->c, "output"), j->methods[m]->name, j->seconds[m]);
    return LIMN_OK;
}
