/* JPEG through libjpeg.  The decoder's defaults stay as they are: accurate integer DCT and smooth
 * chroma upsampling, which is what the readers that published models were trained with use. */
#include "base/memory.h"
#include "image/codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* A progressive file may repeat scans without end, each as dear as a whole decode; encoders write
 * about ten. */
enum { MAX_SCANS = 100 };

/* Some cameras leave a few bytes of padding before the end marker. */
enum { MAX_PADDING = 8, MARKER_END = 0xd9 };

typedef struct jpeg_session {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    limn_context *ctx;
    const char *name;
    limn_image *image;
    uint8_t *row; /* one row of CMYK */
    limn_status status;
} jpeg_session;

static jpeg_session *session_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void stop(j_common_ptr jpeg)
{
    jpeg_session *session = session_of(jpeg);
    if (session->status == LIMN_OK) {
        char why[JMSG_LENGTH_MAX];
        jpeg->err->format_message(jpeg, why);
        session->status = jpeg->err->msg_code == JERR_OUT_OF_MEMORY
                              ? limn_out_of_memory(session->ctx, session->name)
                              : limn_fail(session->ctx, LIMN_BAD_INPUT, "cannot decode JPEG",
                                          session->name, "%s", why);
    }
    longjmp(session->back, 1);
}

/* Level -1 is a warning; the decoder would go on with made-up pixels. */
static void on_message(j_common_ptr jpeg, int level)
{
    const struct jpeg_error_mgr *errors = jpeg->err;
    if (level >= 0)
        return;
    if (errors->msg_code == JWRN_ADOBE_XFORM || errors->msg_code == JWRN_JFIF_MAJOR)
        return; /* an odd header field, no damage */
    if (errors->msg_code == JWRN_EXTRANEOUS_DATA && errors->msg_parm.i[0] <= MAX_PADDING &&
        errors->msg_parm.i[1] == MARKER_END)
        return;
    stop(jpeg);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
    jpeg_session *session = session_of(jpeg);
    if (session->jpeg.input_scan_number <= MAX_SCANS)
        return;
    session->status = limn_fail(session->ctx, LIMN_BAD_INPUT, "cannot decode JPEG", session->name,
                                "it has more than %d scans", MAX_SCANS);
    longjmp(session->back, 1);
}

/* Adobe's programs store CMYK inverted, and readers take every CMYK file so: the stored value is
 * 255 - ink, and a colour is (255 - ink) (255 - black) / 255. */
static void cmyk_to_rgb(const uint8_t *from, int width, uint8_t *to)
{
    for (int x = 0; x < width; x++)
        for (int c = 0; c < 3; c++)
            to[3 * x + c] = (uint8_t)((from[4 * x + c] * from[4 * x + 3] + 127) / 255);
}

/* Channels of the decoded picture, 0 where the colours are not known. */
static int choose_colours(struct jpeg_decompress_struct *jpeg)
{
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
        jpeg->out_color_space = JCS_GRAYSCALE;
        return 1;
    case JCS_RGB:
    case JCS_YCbCr:
        jpeg->out_color_space = JCS_RGB;
        return 3;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        return 3;
    default:
        return 0;
    }
}

static void read_picture(jpeg_session *session, const void *data, size_t size)
{
    struct jpeg_decompress_struct *jpeg = &session->jpeg;
    if (setjmp(session->back))
        return;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &session->progress;
    jpeg_mem_src(jpeg, data, (unsigned long)size);
    jpeg_read_header(jpeg, TRUE);
    const int channels = choose_colours(jpeg);
    if (!channels) {
        session->status =
            limn_fail(session->ctx, LIMN_BAD_INPUT, "cannot decode JPEG", session->name,
                      "its %d channels are of an unknown kind", jpeg->num_components);
        return;
    }
    session->status = limn_image_claim(session->ctx, session->name, jpeg->image_width,
                                       jpeg->image_height, channels, session->image);
    if (session->status != LIMN_OK)
        return;
    if (jpeg->out_color_space == JCS_CMYK) {
        session->row = limn_calloc(jpeg->image_width, 4);
        if (!session->row) {
            session->status = limn_out_of_memory(session->ctx, session->name);
            return;
        }
    }
    jpeg_start_decompress(jpeg);
    const size_t stride = (size_t)session->image->width * (size_t)channels;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *to = session->image->pixels + jpeg->output_scanline * stride;
        JSAMPROW row = session->row ? session->row : to;
        if (jpeg_read_scanlines(jpeg, &row, 1) == 1 && session->row)
            cmyk_to_rgb(row, session->image->width, to);
    }
    jpeg_finish_decompress(jpeg);
}

limn_status limn_jpeg_decode(limn_context *ctx, const char *name, const void *data, size_t size,
                             limn_image *out)
{
    jpeg_session session = {.ctx = ctx, .name = name, .image = out};
    *out = (limn_image){0};
    session.jpeg.err = jpeg_std_error(&session.errors);
    session.jpeg.client_data = &session;
    session.errors.error_exit = stop;
    session.errors.emit_message = on_message;
    session.errors.output_message = on_output;
    session.progress.progress_monitor = on_progress;
    read_picture(&session, data, size);
    jpeg_destroy_decompress(&session.jpeg);
    limn_free(session.row);
    if (session.status != LIMN_OK)
        limn_image_free(out);
    return session.status;
}
