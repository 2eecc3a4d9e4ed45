/* PNG through libpng's row interface.  libpng reports errors by longjmp: each function that calls
 * setjmp keeps everything it changes in a struct behind a pointer, so that no local variable is
 * changed between setjmp and longjmp. */
#include "base/file.h"
#include "base/memory.h"
#include "image/codec.h"

#include <png.h>
#include <string.h>

typedef struct png_session {
    limn_context *ctx;
    const char *name;
    png_structp png;
    png_infop info;
    const unsigned char *data; /* reading: what is left */
    size_t size;
    limn_image *image;
    const limn_image *source; /* writing */
    limn_writer *writer;
    limn_status status;
    char why[160];
} png_session;

static void on_error(png_structp png, png_const_charp text)
{
    png_session *session = png_get_error_ptr(png);
    if (session->status == LIMN_OK) {
        session->status = LIMN_BAD_INPUT;
        strncpy(session->why, text, sizeof session->why - 1);
    }
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    const png_session *session = png_get_error_ptr(png);
    limn_log(session->ctx, LIMN_LOG_DEBUG, "%s: %s", session->name, text);
}

static png_voidp take(png_structp png, png_alloc_size_t size)
{
    png_session *session = png_get_mem_ptr(png);
    void *block = limn_calloc(size, 1);
    if (!block)
        session->status = limn_out_of_memory(session->ctx, session->name);
    return block;
}

static void give(png_structp png, png_voidp block)
{
    (void)png;
    limn_free(block);
}

static void read_bytes(png_structp png, png_bytep to, size_t size)
{
    png_session *session = png_get_io_ptr(png);
    if (size > session->size)
        png_error(png, "the data ends too early");
    memcpy(to, session->data, size);
    session->data += size;
    session->size -= size;
}

/* Asks for one 8-bit channel for grey files and three for all others. */
static void request_rgb(png_structp png, int colour)
{
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    if (colour == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png);
    else if (!(colour & PNG_COLOR_MASK_COLOR))
        png_set_expand_gray_1_2_4_to_8(png);
}

static void read_picture(png_session *session)
{
    png_structp png = session->png;
    if (setjmp(png_jmpbuf(png)))
        return;
    png_set_read_fn(png, session, read_bytes);
    png_set_user_limits(png, LIMN_MAX_SIDE, LIMN_MAX_SIDE);
    png_set_chunk_cache_max(png, 64);
    png_set_chunk_malloc_max(png, 1 << 20);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    /* Text, colour profiles and the like are passed over, only their CRC is checked. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, session->info);

    const int colour = png_get_color_type(png, session->info);
    const png_uint_32 height = png_get_image_height(png, session->info);
    const int channels = colour & PNG_COLOR_MASK_COLOR ? 3 : 1;
    session->status =
        limn_image_claim(session->ctx, session->name, png_get_image_width(png, session->info),
                         height, channels, session->image);
    if (session->status != LIMN_OK)
        return;
    request_rgb(png, colour);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, session->info);
    const size_t stride = (size_t)session->image->width * (size_t)channels;
    if (png_get_rowbytes(png, session->info) != stride)
        png_error(png, "its rows have an unexpected length");
    for (int pass = 0; pass < passes; pass++)
        for (png_uint_32 y = 0; y < height; y++)
            png_read_row(png, session->image->pixels + y * stride, NULL);
    png_read_end(png, NULL);
}

limn_status limn_png_decode(limn_context *ctx, const char *name, const void *data, size_t size,
                            limn_image *out)
{
    png_session session = {.ctx = ctx, .name = name, .data = data, .size = size, .image = out};
    *out = (limn_image){0};
    session.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning,
                                           &session, take, give);
    if (session.png)
        session.info = png_create_info_struct(session.png);
    if (session.info)
        read_picture(&session);
    else if (session.status == LIMN_OK)
        session.status = limn_out_of_memory(ctx, name);
    png_destroy_read_struct(&session.png, &session.info, NULL);
    if (session.why[0])
        limn_fail(ctx, session.status, "cannot decode PNG", name, "%s", session.why);
    if (session.status != LIMN_OK)
        limn_image_free(out);
    return session.status;
}

static void write_bytes(png_structp png, png_bytep data, size_t size)
{
    png_session *session = png_get_io_ptr(png);
    session->status = limn_writer_write(session->writer, data, size);
    if (session->status != LIMN_OK)
        png_error(png, "cannot write");
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static void write_picture(png_session *session)
{
    static const int types[] = {
        [1] = PNG_COLOR_TYPE_GRAY, [3] = PNG_COLOR_TYPE_RGB, [4] = PNG_COLOR_TYPE_RGB_ALPHA};
    const limn_image *image = session->source;
    png_structp png = session->png;
    if (setjmp(png_jmpbuf(png)))
        return;
    png_set_write_fn(png, session, write_bytes, flush_nothing);
    png_set_IHDR(png, session->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 types[image->channels], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, session->info);
    const size_t stride = (size_t)image->width * (size_t)image->channels;
    for (int y = 0; y < image->height; y++)
        png_write_row(png, image->pixels + (size_t)y * stride);
    png_write_end(png, NULL);
}

limn_status limn_image_write_png(limn_context *ctx, const limn_image *image, const char *path)
{
    if (!image->pixels || (image->channels != 1 && image->channels != 3 && image->channels != 4))
        return limn_fail(ctx, LIMN_BAD_USAGE, "cannot write PNG", path,
                         "the picture is empty or has %d channels", image->channels);
    png_session session = {.ctx = ctx, .name = path, .source = image};
    limn_status status = limn_writer_open(ctx, path, &session.writer);
    if (status != LIMN_OK)
        return status;
    session.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &session, on_error, on_warning,
                                            &session, take, give);
    if (session.png)
        session.info = png_create_info_struct(session.png);
    if (session.info)
        write_picture(&session);
    else if (session.status == LIMN_OK)
        session.status = limn_out_of_memory(ctx, path);
    png_destroy_write_struct(&session.png, &session.info);
    if (session.why[0])
        session.status = limn_fail(ctx, LIMN_FAILED, "cannot write PNG", path, "%s", session.why);
    if (session.status == LIMN_OK)
        return limn_writer_commit(&session.writer);
    limn_writer_discard(&session.writer);
    return session.status;
}
