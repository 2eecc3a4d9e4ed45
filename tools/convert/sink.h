/* Where converted pictures go: puts them into source order and writes the data set. */
#ifndef LIMN_TOOLS_CONVERT_SINK_H
#define LIMN_TOOLS_CONVERT_SINK_H

#include "convert/convert.h"

#include "limn/image.h"

typedef struct convert_sink convert_sink;

/** `count`: how many ranks there are.  The pictures become `height` x `width` x `channels`.  The
 *  classes are those of the job (convert_set_classes). */
limn_status convert_sink_open(convert_job *job, size_t count, int height, int width, int channels,
                              convert_sink **out);

/** Takes the picture of one rank, each rank at most once, in any order.  What comes early waits in
 *  a nameless file beside the output, so memory does not grow.  A picture of another size is fitted
 *  (short side, then centre). */
limn_status convert_sink_put(convert_sink *sink, size_t rank, const limn_image *image,
                             int32_t label);

/** Says that nothing comes for this rank. */
void convert_sink_skip(convert_sink *sink, size_t rank);

/** Writes what still waits and makes the file appear; fills the job's results.  Destroys the sink
 *  in every case. */
limn_status convert_sink_finish(convert_sink **sink);
void convert_sink_discard(convert_sink **sink);

#endif
