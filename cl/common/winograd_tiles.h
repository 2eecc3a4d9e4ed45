/* Which rows of v and m are which tiles of a batch.  Images are covered by tiles of 4 x 4 positions
 * from the top left; where that leaves less than a tile, the last column of tiles may be last_w
 * wide and the last row last_h high (3 or 2; 4: as the others).  A position is an output, and an
 * input of stride 1; with STRIDE 2 it is two inputs a side, or for the gradient of the input
 * (TURNED) one input and two outputs.  Rows come in four runs, each image after image:
 *
 *   0      ..  the last column, but for its corner
 *   full   ..  tiles of 4 x 4
 *   bottom ..  the last row, but for its corner
 *   corner ..  the corners
 *
 * so that the tiles that have any of the points (common/winograd.h) are one run of rows.  A run
 * may end with rows that are no tile. */
#ifndef STRIDE
#define STRIDE 1
#endif
#ifndef TURNED
#define TURNED 0
#endif
#if STRIDE == 2
#include "common/winograd_strided.h"
#else
#include "common/winograd.h"
#endif

#define POINTS (WINO_SIDE * WINO_SIDE)

typedef struct winograd_layout {
    int images, down, across; /* tiles of an image */
    int last_h, last_w;
    int full, bottom, corner;
} winograd_layout;

/* From a kernel's argument, its members in their order. */
winograd_layout winograd_layout_of(int8 v)
{
    const winograd_layout l = {v.s0, v.s1, v.s2, v.s3, v.s4, v.s5, v.s6, v.s7};
    return l;
}

typedef struct winograd_tile {
    int image, top, left;
    int height, width; /* like top and left in positions */
} winograd_tile;

/* The tile of a row; 0 where it is none. */
int winograd_find(const winograd_layout *l, int row, winograd_tile *tile)
{
    const int right = row < l->full || row >= l->corner, below = row >= l->bottom;
    const int start = row < l->full     ? 0
                      : row < l->bottom ? l->full
                      : row < l->corner ? l->bottom
                                        : l->corner;
    const int others_h = l->down - (l->last_h < 4), others_w = l->across - (l->last_w < 4);
    const int wide = right ? 1 : others_w, high = below ? 1 : others_h;
    const int i = row - start, line = i / wide;
    tile->image = line / high;
    tile->top = 4 * (below ? others_h : line % high);
    tile->left = 4 * (right ? others_w : i % wide);
    tile->height = below ? l->last_h : 4;
    tile->width = right ? l->last_w : 4;
    return tile->image < l->images;
}

/* Whether a tile leaves out point i. */
int winograd_point_left_out(int i, int height, int width)
{
    return winograd_left_out(i / WINO_SIDE, height) || winograd_left_out(i % WINO_SIDE, width);
}

/* The plane of the filters, of 36, that meets point i. */
int winograd_plane(int i)
{
    return 6 * winograd_value(i / WINO_SIDE) + winograd_value(i % WINO_SIDE);
}

/* The rows begin .. end - 1 whose tiles have point i. */
int winograd_begin(const winograd_layout *l, int i)
{
    return winograd_left_out(i % WINO_SIDE, l->last_w) ? l->full : 0;
}

int winograd_end(const winograd_layout *l, int i)
{
    return winograd_left_out(i / WINO_SIDE, l->last_h)   ? l->bottom
           : winograd_left_out(i % WINO_SIDE, l->last_w) ? l->corner
                                                         : INT_MAX;
}
