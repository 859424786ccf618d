/* SPDX-License-Identifier: Apache-2.0
 *
 * config: where the daemon is and who we are: from a profile of an INI file, and from options,
 * which win. Keys of a profile: server, ca, cert, key, format, lang, timeout. Keys before the first
 * section are defaults of all profiles. Names of files are relative to the INI file.
 */
#ifndef CLIENT_CONFIG_H
#define CLIENT_CONFIG_H

#include "client/options.h"
#include "client/output.h"
#include "client/text.h"
#include "common/arena.h"

struct config {
    const char *host; /* NULL: no server was named */
    uint16_t port;
    const char *ca, *cert, *key; /* NULL: not given */
    const char *path;            /* of the INI file; NULL: none was read */
    int64_t timeout_ms;
    enum output_format format;
    enum text_language language;
    bool color;
    bool quiet;
};

/* Strings live in the arena or are borrowed from the options. CONFIG or USAGE with words in the
 * failure. stdout_is_terminal decides the format nobody named. */
PL_MUST_CHECK struct pl_status config_load(const struct options *options, bool stdout_is_terminal,
                                           struct pl_arena *arena, struct config *ret,
                                           struct failure *failure);
/* For what needs no daemon: format, language, colours and quiet, from options and environment
 * alone.
 */
PL_MUST_CHECK struct pl_status config_load_offline(const struct options *options,
                                                   bool stdout_is_terminal, struct pl_arena *arena,
                                                   struct config *ret, struct failure *failure);
/* Format and language as far as the command line alone says them: for failures that come before
 * the configuration is known. */
void config_guess(int argc, char **argv, bool stdout_is_terminal, struct config *ret);

#endif
