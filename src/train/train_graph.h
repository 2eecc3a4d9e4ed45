/* One training step of one batch size as a graph: views of a batch to the loss and its gradients.
 */
#ifndef LIMN_TRAIN_TRAIN_GRAPH_H
#define LIMN_TRAIN_TRAIN_GRAPH_H

#include "data/feed.h"
#include "train/loss.h"

typedef struct limn_train_graph {
    limn_model *model;
    limn_graph *graph;
    limn_feed *feed;
    limn_node images, labels, loss;
    limn_node *parameters; /**< one a parameter of the model; -1: not in this graph */
    int32_t *rows;         /**< labels of all rows */
    int64_t count;         /**< images */
    int views;
    size_t memory; /**< bytes that were planned */
} limn_train_graph;

/** Builds and compiles it for batches of `count` images.  Free it in every case. */
limn_status limn_train_graph_init(limn_model *model, const limn_dataset *data,
                                  const limn_train_params *params, int64_t count,
                                  limn_train_graph *tg);
void limn_train_graph_free(limn_train_graph *tg);

/** Starts the way of a batch of exactly `count` images to the device, beside the step that runs
 *  there.  The batch stays as it is until limn_train_graph_forward has taken it. */
limn_status limn_train_graph_upload(limn_train_graph *tg, const limn_host_batch *batch);
/** Runs the batch uploaded last up to the loss, and reads that. */
limn_status limn_train_graph_forward(limn_train_graph *tg, int64_t epoch, double *loss);
/** Gradients of the last forward run; not waited for. */
limn_status limn_train_graph_backward(limn_train_graph *tg);

/** The largest halving of `count` whose graph the device has room for, 0 where there is none. */
int64_t limn_train_graph_fit(limn_model *model, const limn_dataset *data,
                             const limn_train_params *params, int64_t count);

#endif
