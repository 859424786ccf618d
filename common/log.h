/* SPDX-License-Identifier: Apache-2.0
 *
 * log: one structured line an event, key=value (logfmt) or JSON, to stderr; or fields, to systemd's
 * journal. Any thread (one mutex in the sink), and none waits: what nobody reads in time is lost,
 * and counted. Rooms below main, writer and worker return statuses instead of logging. Never log
 * secrets, private keys, free text of users, or whole messages.
 */
#ifndef PL_LOG_H
#define PL_LOG_H

#include <stddef.h>

#include "common/status.h"

enum pl_log_level { PL_LOG_DEBUG, PL_LOG_INFO, PL_LOG_WARNING, PL_LOG_ERROR };
enum pl_log_format { PL_LOG_LOGFMT, PL_LOG_JSON, PL_LOG_JOURNAL };

void pl_log_setup(enum pl_log_level least, enum pl_log_format format);
void pl_log_set_level(enum pl_log_level least); /* any time, any thread */
bool pl_log_enabled(enum pl_log_level level);
/* Where PL_LOG_JOURNAL sends to, before pl_log_setup; without a call: systemd's own socket. Nobody
 * there: logfmt on stderr. */
void pl_log_journal(const char *path);

/* pairs: alternating key, value format... One printf format that yields "key=value key2=value2";
 * values with blanks must be passed through pl_log_quote. `tag` is the room's name. */
__attribute__((format(printf, 4, 5))) void pl_log(enum pl_log_level level, const char *tag,
                                                  const char *message, const char *fields, ...);
#define pl_log_info(tag, message, ...)    pl_log(PL_LOG_INFO, tag, message, __VA_ARGS__)
#define pl_log_warning(tag, message, ...) pl_log(PL_LOG_WARNING, tag, message, __VA_ARGS__)
#define pl_log_error(tag, message, ...)   pl_log(PL_LOG_ERROR, tag, message, __VA_ARGS__)
/* For values that are costly to make: ask pl_log_enabled first. */
#define pl_log_debug(tag, message, ...)                                                            \
    do {                                                                                           \
        if (pl_log_enabled(PL_LOG_DEBUG))                                                          \
            pl_log(PL_LOG_DEBUG, tag, message, __VA_ARGS__);                                       \
    } while (0)
/* Text as one value: quoted and escaped if it holds blanks, quotes or control bytes; cut at 200
 * bytes. Returns `out`. */
const char *pl_log_quote(const char *text, char *out, size_t out_size);
#define PL_QUOTED(text) pl_log_quote((text), (char[256]){0}, 256)
/* Logs a status with its code, words, errno text and origin. */
void pl_log_status(enum pl_log_level level, const char *tag, const char *message,
                   struct pl_status status);

#endif
