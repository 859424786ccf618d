/* SPDX-License-Identifier: Apache-2.0
 *
 * log: a line is put together on the stack and written with one call, under the sink's mutex.
 */
#include "common/log.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, VALUE_BYTES = 200 };

static pthread_mutex_t sink = PTHREAD_MUTEX_INITIALIZER;
static enum pl_log_level level_least = PL_LOG_INFO;
static enum pl_log_format line_format = PL_LOG_LOGFMT;

/* Called once by main before any other thread starts. */
void pl_log_setup(enum pl_log_level least, enum pl_log_format format)
{
    level_least = least;
    line_format = format;
}

bool pl_log_enabled(enum pl_log_level level)
{
    return level >= level_least;
}

struct line {
    char text[LINE_BYTES];
    size_t len;
};

static void put(struct line *line, const char *text, size_t len)
{
    size_t room = sizeof(line->text) - 2 - line->len; /* the newline always fits */
    if (len > room)
        len = room;
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void put_str(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* A JSON string of bytes that are UTF-8 or at least printable: others become '?'. */
static void put_json(struct line *line, const char *text, size_t len)
{
    put(line, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '"' || c == '\\')
            put(line, "\\", 1);
        put(line, (unsigned char)c < 0x20 || c == 0x7F ? "?" : &c, 1);
    }
    put(line, "\"", 1);
}

/* One value of a logfmt field list; quotes are taken off. */
static const char *take_value(const char *at, char *value, size_t *ret_len)
{
    bool quoted = *at == '"';
    size_t len = 0;
    for (at += quoted; *at != '\0' && *at != (quoted ? '"' : ' '); at++) {
        if (quoted && *at == '\\' && at[1] != '\0')
            at++;
        if (len < VALUE_BYTES)
            value[len++] = *at;
    }
    *ret_len = len;
    return *at == '"' ? at + 1 : at;
}

static void put_json_fields(struct line *line, const char *fields)
{
    while (*fields != '\0') {
        fields += strspn(fields, " ");
        size_t key = strcspn(fields, "= ");
        if (key == 0 || fields[key] != '=')
            return;
        char value[VALUE_BYTES];
        size_t len;
        put(line, ",", 1);
        put_json(line, fields, key);
        fields = take_value(fields + key + 1, value, &len);
        put(line, ":", 1);
        put_json(line, value, len);
    }
}

static void write_line(struct line *line)
{
    line->text[line->len++] = '\n';
    (void)pthread_mutex_lock(&sink);
    ssize_t written = write(STDERR_FILENO, line->text, line->len);
    (void)written; /* there is nowhere to complain to */
    (void)pthread_mutex_unlock(&sink);
}

void pl_log(enum pl_log_level level, const char *tag, const char *message, const char *fields, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if (!pl_log_enabled(level))
        return;
    char values[LINE_BYTES / 2], time[28], quoted[256];
    struct pl_clock *clock = pl_clock_system();
    va_list args;
    va_start(args, fields);
    (void)vsnprintf(values, sizeof(values), fields, args);
    va_end(args);
    struct line line = {.len = 0};
    (void)pl_time_format(clock->wall_us(clock), time);
    if (line_format == PL_LOG_JSON) {
        const char *const head[] = {"{\"time\":\"", time,           "\",\"level\":\"",
                                    names[level],   "\",\"tag\":\"", tag, "\",\"message\":"};
        for (size_t i = 0; i < PL_COUNT(head); i++)
            put_str(&line, head[i]);
        put_json(&line, message, strlen(message));
        put_json_fields(&line, values);
        put_str(&line, "}");
    } else {
        const char *const parts[] = {"time=", time, " level=", names[level], " tag=", tag,
                                     " message=", pl_log_quote(message, quoted, sizeof(quoted)),
                                     " ", values};
        for (size_t i = 0; i < PL_COUNT(parts); i++)
            put_str(&line, parts[i]);
    }
    write_line(&line);
}

const char *pl_log_quote(const char *text, char *out, size_t out_size)
{
    size_t used = 0;
    bool plain = text[0] != '\0';
    for (const char *c = text; *c != '\0'; c++)
        plain = plain && *c != ' ' && *c != '"' && *c != '\\' && *c != '=' &&
                (unsigned char)*c >= 0x20 && *c != 0x7F;
    PL_ASSERT(out_size >= 8);
    if (!plain)
        out[used++] = '"';
    for (const char *c = text; *c != '\0' && used + 4 < out_size && c - text < VALUE_BYTES; c++) {
        if (*c == '"' || *c == '\\')
            out[used++] = '\\';
        out[used++] = (unsigned char)*c < 0x20 || *c == 0x7F ? '?' : *c;
    }
    if (!plain)
        out[used++] = '"';
    out[used] = '\0';
    return out;
}

void pl_log_status(enum pl_log_level level, const char *tag, const char *message,
                   struct pl_status status)
{
    pl_log(level, tag, message, "code=%s what=%s errno=%s where=%s", pl_code_name(status.code),
           PL_QUOTED(status.what),
           PL_QUOTED(status.sys_errno != 0 ? strerror(status.sys_errno) : "none"), status.where);
}
