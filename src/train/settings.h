/* The settings of a run by name: one table for text, ranges, files and comparison. */
#ifndef LIMN_TRAIN_SETTINGS_H
#define LIMN_TRAIN_SETTINGS_H

#include "limn/train.h"

#include "base/context.h"

enum { LIMN_SETTING_TEXT = 4352 };

typedef struct limn_setting limn_setting;

/** Setting number `index`; NULL past the last. */
const limn_setting *limn_setting_at(size_t index);
const char *limn_setting_name(const limn_setting *setting);
/** What a run had where it says `then`; NULL, it says nothing: what runs had before the setting was
 *  one, or NULL. */
const char *limn_setting_said(const limn_setting *setting, const char *then);
/** Whether a run that had the value `then` (NULL: none) may go on with these settings. */
bool limn_setting_may_resume(const limn_setting *setting, const limn_train_params *params,
                             const char *then);
/** The value as text, at most `size` bytes; false where none is set. */
bool limn_setting_print(const limn_setting *setting, const limn_train_params *params, char *text,
                        size_t size);

/** Everything that can be said about settings without data or device. */
limn_status limn_train_check(limn_context *ctx, const limn_train_params *params);

/** Writes all settings as an INI file. */
limn_status limn_train_write_config(limn_context *ctx, const limn_train_params *params,
                                    const char *validation, const char *path);

#endif
