/* Files and folders, for subcommands that write several. */
#ifndef LIMN_TOOLS_FILES_H
#define LIMN_TOOLS_FILES_H

#include "cli.h"

/** Makes a folder and those above it; an existing one is fine. */
limn_status files_make_folder(cli *c, const char *path);

/** Whether a folder exists and can be written, or could be made: the check before long work. */
limn_status files_check_folder(cli *c, const char *path);

/** Whether a file can be written at a path, NULL meaning none: its folder exists and can be
 * written, and the path is no folder.  The check before long work. */
limn_status files_check_place(cli *c, const char *path);

/** "FOLDER/NAME", to be freed; NULL, error recorded, without memory. */
char *files_join(cli *c, const char *folder, const char *name);

/** Whether a file is a PNG or JPEG by its first bytes. */
limn_status files_is_picture(cli *c, const char *path, bool *out);

/** Writes a whole text; the file appears whole or not at all. */
limn_status files_write(cli *c, const char *path, const char *text);

#endif
