/* The folder of a run: its four files, and the log under way. */
#ifndef LIMN_TRAIN_FOLDER_H
#define LIMN_TRAIN_FOLDER_H

#include "limn/train.h"

#include "base/context.h"

#include <stdio.h>

typedef struct limn_run_folder {
    limn_context *ctx;
    char *path, *model, *checkpoint, *log, *config;
    FILE *log_file;
    bool made; /* this call made the folder */
} limn_run_folder;

/** Names the files; touches nothing.  Free it in every case. */
limn_status limn_run_folder_init(limn_context *ctx, const char *path, limn_run_folder *folder);
/** Closes the log. */
void limn_run_folder_free(limn_run_folder *folder);

/** LIMN_BAD_USAGE where the folder holds a run, unless it is to be resumed or replaced;
 *  LIMN_BAD_INPUT where a run is to be resumed and there is no checkpoint. */
limn_status limn_run_folder_check(const limn_run_folder *folder, const limn_train_params *params);

/** Makes the folder, empties it of a run that is to be replaced, begins the log (a resumed one is
 *  cut back to `step` rows) and writes config.ini. */
limn_status limn_run_folder_begin(limn_run_folder *folder, const limn_train_params *params,
                                  const char *validation, const limn_measures *columns,
                                  int64_t step);
/** Removes what this call made: a run that failed before its first checkpoint leaves nothing. */
void limn_run_folder_discard(limn_run_folder *folder);

/** Adds one row and hands it to the system; `measured` NULL leaves the columns of validation empty.
 */
limn_status limn_run_log(limn_run_folder *folder, int64_t step, int64_t epoch, double loss,
                         double lr, double images_per_second, const limn_measures *columns,
                         bool measured);
#endif
