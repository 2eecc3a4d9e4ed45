/* Resampling with a triangle filter, as P. Heckbert's "zoom": output pixel i has its centre at
 * (i + 1/2) s of the input, s = input size / output size; input pixel j counts with
 * max(0, 1 - |j + 1/2 - centre| / max(1, s)), the weights of one output pixel adding up to 1.
 * Columns first, then rows; each pass in fixed point, rounded to 8 bits. */
#include "base/memory.h"
#include "image/codec.h"

#include <math.h>
#include <string.h>

/* 22 fraction bits: 255 * 2^22 still fits 31 bits. */
enum { FRACTION = 22 };

typedef struct taps {
    int *first, *count; /* per output pixel: input pixels first .. first + count - 1 */
    int32_t *weights;   /* [outputs][room] */
    double *scratch;    /* [room] */
    int room;
} taps;

static void free_taps(taps *t)
{
    limn_free(t->first);
    limn_free(t->count);
    limn_free(t->weights);
    limn_free(t->scratch);
    *t = (taps){0};
}

/* Taps of the output pixels offset .. offset + outputs - 1 of a line of `from` pixels resized to
 * `to`. */
static limn_status make_taps(limn_context *ctx, int from, int64_t to, int64_t offset, int outputs,
                             taps *t)
{
    const double step = (double)from / (double)to, reach = step > 1 ? step : 1;
    size_t cells;
    *t = (taps){.room = (int)ceil(reach) * 2 + 1};
    t->first = limn_calloc((size_t)outputs, sizeof *t->first);
    t->count = limn_calloc((size_t)outputs, sizeof *t->count);
    t->scratch = limn_calloc((size_t)t->room, sizeof *t->scratch);
    if (limn_size_mul((size_t)outputs, (size_t)t->room, &cells))
        t->weights = limn_calloc(cells, sizeof *t->weights);
    if (!t->first || !t->count || !t->scratch || !t->weights) {
        free_taps(t);
        return limn_out_of_memory(ctx, "resizing a picture");
    }
    for (int i = 0; i < outputs; i++) {
        const double centre = ((double)(offset + i) + 0.5) * step;
        int low = (int)(centre - reach + 0.5), high = (int)(centre + reach + 0.5);
        low = low < 0 ? 0 : low;
        high = high > from ? from : high;
        double sum = 0;
        for (int j = low; j < high; j++) {
            const double weight = 1 - fabs(j + 0.5 - centre) / reach;
            t->scratch[j - low] = weight > 0 ? weight : 0;
            sum += t->scratch[j - low];
        }
        t->first[i] = low;
        t->count[i] = high - low;
        for (int j = 0; j < high - low; j++)
            t->weights[(size_t)i * (size_t)t->room + (size_t)j] =
                (int32_t)(t->scratch[j] / sum * (1 << FRACTION) + 0.5);
    }
    return LIMN_OK;
}

static uint8_t round_sum(int32_t sum)
{
    const int32_t value = sum >> FRACTION;
    return (uint8_t)(value > 255 ? 255 : value);
}

static void pass_columns(const limn_image *from, int first_row, int rows, const taps *t, int width,
                         uint8_t *to)
{
    const size_t channels = (size_t)from->channels;
    for (int y = 0; y < rows; y++) {
        const uint8_t *row =
            from->pixels + (size_t)(first_row + y) * (size_t)from->width * channels;
        for (int x = 0; x < width; x++) {
            const int32_t *weights = t->weights + (size_t)x * (size_t)t->room;
            const uint8_t *in = row + (size_t)t->first[x] * channels;
            for (size_t c = 0; c < channels; c++) {
                int32_t sum = 1 << (FRACTION - 1);
                for (int k = 0; k < t->count[x]; k++)
                    sum += weights[k] * in[(size_t)k * channels + c];
                *to++ = round_sum(sum);
            }
        }
    }
}

static void pass_rows(const uint8_t *from, int first_row, size_t stride, const taps *t, int height,
                      int32_t *sums, uint8_t *to)
{
    for (int y = 0; y < height; y++) {
        const int32_t *weights = t->weights + (size_t)y * (size_t)t->room;
        const uint8_t *in = from + (size_t)(t->first[y] - first_row) * stride;
        for (size_t i = 0; i < stride; i++)
            sums[i] = 1 << (FRACTION - 1);
        for (int k = 0; k < t->count[y]; k++, in += stride)
            for (size_t i = 0; i < stride; i++)
                sums[i] += weights[k] * in[i];
        for (size_t i = 0; i < stride; i++)
            *to++ = round_sum(sums[i]);
    }
}

/* Cuts width x height at (left, top) out of `from` resized to full_width x full_height, and
 * computes no more than that. */
static limn_status resample(limn_context *ctx, const limn_image *from, int64_t full_width,
                            int64_t full_height, int64_t left, int64_t top, int width, int height,
                            limn_image *out)
{
    taps across = {0}, down = {0};
    limn_image result = {0};
    uint8_t *between = NULL;
    int32_t *sums = NULL;
    const size_t stride = (size_t)width * (size_t)from->channels;

    limn_status status = limn_image_create(ctx, width, height, from->channels, &result);
    if (status != LIMN_OK)
        goto done;
    if ((status = make_taps(ctx, from->width, full_width, left, width, &across)) != LIMN_OK)
        goto done;
    if ((status = make_taps(ctx, from->height, full_height, top, height, &down)) != LIMN_OK)
        goto done;
    const int first = down.first[0], rows = down.first[height - 1] + down.count[height - 1] - first;
    between = limn_calloc((size_t)rows, stride);
    sums = limn_calloc(stride, sizeof *sums);
    if (!between || !sums) {
        status = limn_out_of_memory(ctx, "resizing a picture");
        goto done;
    }
    pass_columns(from, first, rows, &across, width, between);
    pass_rows(between, first, stride, &down, height, sums, result.pixels);
    *out = result;
    result = (limn_image){0};
done:
    limn_free(sums);
    limn_free(between);
    free_taps(&across);
    free_taps(&down);
    limn_image_free(&result);
    return status;
}

static limn_status check_source(limn_context *ctx, const limn_image *from, limn_image *out)
{
    *out = (limn_image){0};
    if (!from->pixels)
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot resize picture", NULL, "it is empty");
    return LIMN_OK;
}

limn_status limn_image_resize(limn_context *ctx, const limn_image *from, int width, int height,
                              limn_image *out)
{
    const limn_status status = check_source(ctx, from, out);
    if (status != LIMN_OK)
        return status;
    return resample(ctx, from, width, height, 0, 0, width, height, out);
}

/* Where a window of `inner` starts in `outer` to lie in its centre; halves go to the even side. */
static int64_t centred(int64_t outer, int64_t inner)
{
    const int64_t rest = outer - inner, half = rest / 2;
    return rest % 2 ? half + half % 2 : half;
}

limn_status limn_image_fit(limn_context *ctx, const limn_image *from, int width, int height,
                           limn_image *out)
{
    const limn_status status = check_source(ctx, from, out);
    if (status != LIMN_OK)
        return status;
    int64_t full_width = width, full_height = height;
    if ((int64_t)from->width * height <= (int64_t)from->height * width)
        full_height = (int64_t)from->height * width / from->width;
    else
        full_width = (int64_t)from->width * height / from->height;
    return resample(ctx, from, full_width, full_height, centred(full_width, width),
                    centred(full_height, height), width, height, out);
}
