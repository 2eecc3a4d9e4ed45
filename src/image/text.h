/* Short texts in pictures: a built-in font of 5 x 7 dots with one row for descenders. */
#ifndef LIMN_IMAGE_TEXT_H
#define LIMN_IMAGE_TEXT_H

#include "limn/image.h"

enum {
    LIMN_TEXT_ADVANCE = 6, /**< dots from one letter to the next */
    LIMN_TEXT_HEIGHT = 8,
    LIMN_TEXT_SHADE = 40 /**< dark grey */
};

/** Width in pixels of a text whose dots are `scale` pixels wide. */
int limn_text_width(const char *text, int scale);

/** Draws into an RGB picture, clipped by its edges and after `room` pixels.  Letters that the font
 *  lacks show as a question mark. */
void limn_text_draw(limn_image *image, int left, int top, int scale, int room, const char *text);

#endif
