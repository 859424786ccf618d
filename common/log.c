/* SPDX-License-Identifier: Apache-2.0
 *
 * log: a line is put together on the stack and written with one call, under the sink's mutex, so
 * lines of several threads never mix. Any thread; pl_log_setup before there is a second one.
 *
 * Whatever a caller passes, one event stays one line and a JSON line stays JSON: control bytes and
 * broken UTF-8 become '?', and lengths are bounded so that the line always has room to end.
 *
 * Nobody waits for whoever reads the log: the writer of the ledger logs, too. A pipe, a terminal or
 * a socket without room loses the line; how many were lost is told before the next line for which
 * there is room. The descriptor is not made non-blocking, others may share it: a pipe and a
 * terminal are opened once more. A file is written in any case.
 */
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <unistr.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/date.h"
#include "common/scan.h"

/* Worst case in JSON: every byte of tag and message becomes two, and three bytes of fields (a key
 * that needs a backslash, '=' and a blank) become eight; with the head's punctuation that is under
 * LINE_BYTES. For the journal three bytes of fields are said in the message and become eleven. */
enum {
    TAG_BYTES = 32,
    MESSAGE_BYTES = 400,
    FIELDS_BYTES = 1024,
    VALUE_BYTES = 200,
    HEAD_BYTES = 128,
    LINE_BYTES = 8192
};
_Static_assert(HEAD_BYTES + 2 * (TAG_BYTES + MESSAGE_BYTES) + FIELDS_BYTES * 8 / 3 + 8 < PIPE_BUF,
               "the longest line fits, and goes into a pipe as a whole");
_Static_assert(HEAD_BYTES + 2 * TAG_BYTES + MESSAGE_BYTES + FIELDS_BYTES * (3 + 11) / 3 + 8 <
                   LINE_BYTES,
               "the longest event of the journal fits");

static pthread_mutex_t sink = PTHREAD_MUTEX_INITIALIZER;
static _Atomic enum pl_log_level level_least = PL_LOG_INFO;
static enum pl_log_format line_format = PL_LOG_LOGFMT;
static const char *journal_path = "/run/systemd/journal/socket";
static int journal_fd = -1;
static uint64_t lines_lost; /* since it was told; under the mutex, as all below */
static bool line_open;      /* the last line went out in part */
static struct again {
    bool looked;
    int fd; /* -1: it cannot be opened once more, or need not */
    dev_t dev, rdev;
    ino_t ino; /* of what standard error was then */
} again = {.fd = -1};

void pl_log_journal(const char *path)
{
    journal_path = path;
}

static bool journal_open(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t len = strlen(journal_path);
    if (len >= sizeof(name.sun_path))
        return false;
    memcpy(name.sun_path, journal_path, len);
    if (journal_fd < 0)
        journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return journal_fd >= 0 &&
           connect(journal_fd, (const struct sockaddr *)&name, sizeof(name)) == 0;
}

void pl_log_setup(enum pl_log_level least, enum pl_log_format format)
{
    pl_log_set_level(least);
    line_format = format == PL_LOG_JOURNAL && !journal_open() ? PL_LOG_LOGFMT : format;
}

void pl_log_set_level(enum pl_log_level least)
{
    atomic_store_explicit(&level_least, least, memory_order_relaxed);
}

bool pl_log_enabled(enum pl_log_level level)
{
    return level >= atomic_load_explicit(&level_least, memory_order_relaxed);
}

struct line {
    char text[LINE_BYTES];
    size_t len;
};

static void put(struct line *line, const char *text, size_t len)
{
    PL_ASSERT(len < sizeof(line->text) - line->len); /* by the bounds above */
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void put_str(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

/* Bytes of the character at `text`; 0 if a terminal or a parser should not see it (broken UTF-8,
 * control characters of ASCII and of Latin-1, what turns a line), and then one byte is to be
 * skipped. */
static size_t character(const char *text, size_t len)
{
    ucs4_t code = 0;
    int size = u8_mbtoucr(&code, (const uint8_t *)text, len);
    return size <= 0 || code == 0 || pl_utf8_control(text) != 0 ? 0 : (size_t)size;
}

/* Printable text; '"' and '\' get a backslash. */
static void put_escaped(struct line *line, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t size = character(text + i, len - i);
        if (text[i] == '"' || text[i] == '\\')
            put(line, "\\", 1);
        put(line, size != 0 ? text + i : "?", size != 0 ? size : 1);
        i += size != 0 ? size : 1;
    }
}

static void put_json(struct line *line, const char *text, size_t len)
{
    put(line, "\"", 1);
    put_escaped(line, text, len);
    put(line, "\"", 1);
}

/* One value of a logfmt field list, without its quotes and backslashes. Returns where it ends. */
static const char *take_value(const char *at, char value[FIELDS_BYTES], size_t *ret_len)
{
    bool quoted = *at == '"';
    size_t len = 0;
    for (at += quoted; *at != '\0' && *at != (quoted ? '"' : ' '); at++) {
        if (quoted && *at == '\\' && at[1] != '\0')
            at++;
        value[len++] = *at;
    }
    *ret_len = len;
    return *at == '"' ? at + 1 : at;
}

/* Every key=value becomes a member; a word without a key can only be a caller's missing quotes. */
static void put_json_fields(struct line *line, const char *fields)
{
    for (fields += strspn(fields, " "); *fields != '\0'; fields += strspn(fields, " ")) {
        size_t key = strcspn(fields, "= ");
        if (key == 0 || fields[key] != '=') {
            fields += key != 0 ? key : 1;
            continue;
        }
        char value[FIELDS_BYTES];
        size_t len;
        put(line, ",", 1);
        put_json(line, fields, key);
        fields = take_value(fields + key + 1, value, &len);
        put(line, ":", 1);
        put_json(line, value, len);
    }
}

/* The text without what a journal's field cannot hold: no byte of it ends a field. */
static void put_clean(struct line *line, const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t size = character(text + i, len - i);
        put(line, size != 0 ? text + i : "?", size != 0 ? size : 1);
        i += size != 0 ? size : 1;
    }
}

/* Names of fields are capital letters, digits and underscores. */
static void put_journal_name(struct line *line, const char *name, size_t len)
{
    put_str(line, "PLEDGED_");
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool small = c >= 'a' && c <= 'z';
        bool fine = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        c = small ? (char)(c - 'a' + 'A') : fine ? c : '_';
        put(line, &c, 1);
    }
    put_str(line, "=");
}

static void put_journal_fields(struct line *line, const char *fields)
{
    for (fields += strspn(fields, " "); *fields != '\0'; fields += strspn(fields, " ")) {
        size_t key = strcspn(fields, "= ");
        if (key == 0 || key > TAG_BYTES || fields[key] != '=') {
            fields += key != 0 ? key : 1;
            continue;
        }
        char value[FIELDS_BYTES];
        size_t len;
        put_journal_name(line, fields, key);
        fields = take_value(fields + key + 1, value, &len);
        put_clean(line, value, len);
        put_str(line, "\n");
    }
}

static void put_logfmt_fields(struct line *line, const char *fields)
{
    size_t len = strlen(fields);
    while (len > 0 && fields[len - 1] == ' ')
        len--;
    if (len != 0)
        put(line, " ", 1);
    for (size_t i = 0; i < len;) { /* values are quoted already; only keep them on the line */
        size_t size = character(fields + i, len - i);
        put(line, size != 0 ? fields + i : "?", size != 0 ? size : 1);
        i += size != 0 ? size : 1;
    }
}

/* --- one event --- */

/* One datagram an event. A reader of the journal sees the fields in the message too. */
static void make_journal(struct line *line, enum pl_log_level level, const char *tag,
                         const char *message, const char *values)
{
    static const char *const priorities[] = {"7", "6", "4", "3"};
    put_str(line, "SYSLOG_IDENTIFIER=pledged\nPRIORITY=");
    put_str(line, priorities[level]);
    put_str(line, "\nPLEDGED_TAG=");
    put_clean(line, tag, strnlen(tag, TAG_BYTES));
    put_str(line, "\nMESSAGE=");
    put_clean(line, message, strnlen(message, MESSAGE_BYTES));
    put_logfmt_fields(line, values);
    put_str(line, "\n");
    put_journal_fields(line, values);
}

static void make_json(struct line *line, const char *time, const char *level, const char *tag,
                      const char *message, const char *values)
{
    put_str(line, "{\"time\":\"");
    put_str(line, time);
    put_str(line, "\",\"level\":\"");
    put_str(line, level);
    put_str(line, "\",\"tag\":");
    put_json(line, tag, strnlen(tag, TAG_BYTES));
    put_str(line, ",\"message\":");
    put_json(line, message, strnlen(message, MESSAGE_BYTES));
    put_json_fields(line, values);
    put_str(line, "}\n");
}

static void make_logfmt(struct line *line, const char *time, const char *level, const char *tag,
                        const char *message, const char *values)
{
    char quoted[256];
    put_str(line, "time=");
    put_str(line, time);
    put_str(line, " level=");
    put_str(line, level);
    put_str(line, " tag=");
    put_escaped(line, tag, strnlen(tag, TAG_BYTES));
    put_str(line, " message=");
    put_str(line, pl_log_quote(message, quoted, sizeof(quoted)));
    put_logfmt_fields(line, values);
    put_str(line, "\n");
}

static void make_line(struct line *line, enum pl_log_level level, const char *tag,
                      const char *message, const char *values)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    char time[28];
    struct pl_clock *clock = pl_clock_system();
    line->len = 0;
    if (line_format == PL_LOG_JOURNAL) {
        make_journal(line, level, tag, message, values);
        return;
    }
    (void)pl_time_format(clock->wall_us(clock), time);
    if (line_format == PL_LOG_JSON)
        make_json(line, time, names[level], tag, message, values);
    else
        make_logfmt(line, time, names[level], tag, message, values);
}

/* --- out --- */

static bool has_room(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLOUT};
    return poll(&poller, 1, 0) == 1 && (poller.revents & POLLOUT) != 0;
}

/* What standard error is: a pipe or a terminal is opened once more, since a descriptor of our own
 * may be non-blocking. Another one than last time: whoever started us may have exchanged it. */
static void look_at_output(const struct stat *about)
{
    if (again.looked && again.dev == about->st_dev && again.ino == about->st_ino &&
        again.rdev == about->st_rdev)
        return;
    if (again.fd >= 0)
        (void)close(again.fd);
    again = (struct again){.looked = true,
                           .fd = -1,
                           .dev = about->st_dev,
                           .ino = about->st_ino,
                           .rdev = about->st_rdev};
    if (S_ISFIFO(about->st_mode) || S_ISCHR(about->st_mode))
        again.fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Bytes that could go out without waiting; less than 0: none. A terminal that is somebody else's,
 * or no /proc: poll says that there is room, not for how much. A pipe then has it for PIPE_BUF
 * bytes, a terminal for one. */
static ssize_t write_some(mode_t kind, const char *text, size_t len)
{
    if (S_ISSOCK(kind))
        return send(STDERR_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (again.fd >= 0)
        return write(again.fd, text, len);
    if (!S_ISREG(kind) && !has_room(STDERR_FILENO))
        return -1;
    return write(STDERR_FILENO, text, S_ISCHR(kind) ? 1 : len);
}

/* A line of which a part went out is lost, too; the next one begins on a line of its own. */
static bool write_line(const struct line *line)
{
    struct stat about;
    size_t done = 0;
    bool known = fstat(STDERR_FILENO, &about) == 0;
    mode_t kind = known ? about.st_mode : S_IFREG;
    if (known)
        look_at_output(&about);
    if (line_open && write_some(kind, "\n", 1) == 1)
        line_open = false;
    while (!line_open && done < line->len) {
        ssize_t wrote = write_some(kind, line->text + done, line->len - done);
        if (wrote <= 0)
            break;
        done += (size_t)wrote;
    }
    line_open = line_open || (done != 0 && done < line->len);
    return done == line->len;
}

static bool send_line(const struct line *line)
{
    return line_format == PL_LOG_JOURNAL
               ? send(journal_fd, line->text, line->len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0
               : write_line(line);
}

/* False: there is still no room. */
static bool tell_lost(void)
{
    struct line line;
    char values[64];
    if (lines_lost == 0)
        return true;
    (void)snprintf(values, sizeof(values), "count=%" PRIu64, lines_lost);
    make_line(&line, PL_LOG_WARNING, "log", "lines were lost: nobody read them in time", values);
    if (!send_line(&line))
        return false;
    lines_lost = 0;
    return true;
}

void pl_log(enum pl_log_level level, const char *tag, const char *message, const char *fields, ...)
{
    if (!pl_log_enabled(level))
        return;
    char values[FIELDS_BYTES];
    struct line line;
    va_list args;
    va_start(args, fields);
    if (vsnprintf(values, sizeof(values), fields, args) < 0)
        values[0] = '\0';
    va_end(args);
    make_line(&line, level, tag, message, values);
    (void)pthread_mutex_lock(&sink);
    if (!tell_lost() || !send_line(&line))
        lines_lost++;
    (void)pthread_mutex_unlock(&sink);
}

static bool is_plain(const char *text, size_t len)
{
    bool plain = len != 0;
    for (size_t i = 0; i < len; i++)
        plain = plain && (unsigned char)text[i] > 0x20 && strchr("\"\\=\x7F", text[i]) == NULL;
    return plain;
}

const char *pl_log_quote(const char *text, char *out, size_t out_size)
{
    PL_ASSERT(out_size >= 8);
    size_t used = 0, len = strlen(text), taken = len < VALUE_BYTES ? len : VALUE_BYTES;
    bool plain = is_plain(text, taken);
    if (!plain)
        out[used++] = '"';
    for (size_t i = 0; i < taken;) {
        /* measured in the whole text: a character across the cut is left out, not broken */
        size_t size = character(text + i, len - i), step = size != 0 ? size : 1;
        bool escape = text[i] == '"' || text[i] == '\\';
        if (i + step > taken || used + escape + step + 2 > out_size) /* 2: quote, NUL */
            break;
        if (escape)
            out[used++] = '\\';
        memcpy(out + used, size != 0 ? text + i : "?", step);
        used += step;
        i += step;
    }
    if (!plain)
        out[used++] = '"';
    out[used] = '\0';
    return out;
}

void pl_log_status(enum pl_log_level level, const char *tag, const char *message,
                   struct pl_status status)
{
    const char *reason = status.sys_errno != 0 ? strerrordesc_np(status.sys_errno) : "none";
    pl_log(level, tag, message, "code=%s what=%s errno=%s where=%s", pl_code_name(status.code),
           PL_QUOTED(status.what), PL_QUOTED(reason != NULL ? reason : "unknown"), status.where);
}
