/* SPDX-License-Identifier: Apache-2.0
 *
 * buf: growth by half of what is unread, so memory stays within about one and a half ceilings.
 * Unread bytes move to the front only when at least as many were read before them: a queue of bytes
 * costs constant time a byte, however it is cut.
 */
#include "common/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"

enum { FIRST_BYTES = 256, READ_BYTES = 64 << 10 };

void pl_buf_init(struct pl_buf *buf, size_t ceiling)
{
    *buf = (struct pl_buf){.ceiling = ceiling};
}

void pl_buf_fini(struct pl_buf *buf)
{
    free(buf->data);
    buf->data = NULL;
    buf->start = buf->end = buf->cap = 0;
}

void pl_buf_clear(struct pl_buf *buf)
{
    buf->start = buf->end = 0;
}

static void to_front(struct pl_buf *buf)
{
    if (buf->start == 0)
        return;
    memmove(buf->data, buf->data + buf->start, pl_buf_len(buf));
    buf->end -= buf->start;
    buf->start = 0;
}

/* Room for `len` bytes after the unread ones, whatever the ceiling says. */
static struct pl_status make_room(struct pl_buf *buf, size_t len)
{
    if (buf->cap - buf->end >= len)
        return pl_ok();
    size_t unread = pl_buf_len(buf);
    if (len > PTRDIFF_MAX || unread > PTRDIFF_MAX / 2)
        return pl_fail(TOO_BIG, "find memory for a buffer");
    if (buf->start >= unread && buf->cap - unread >= len) {
        to_front(buf);
        return pl_ok();
    }
    size_t cap = unread + unread / 2 + len;
    if (cap < FIRST_BYTES)
        cap = FIRST_BYTES;
    uint8_t *data = malloc(cap);
    if (data == NULL)
        return pl_fail(TOO_BIG, "find memory for a buffer");
    if (unread != 0)
        memcpy(data, buf->data + buf->start, unread);
    free(buf->data);
    *buf = (struct pl_buf){data, 0, unread, cap, buf->ceiling};
    return pl_ok();
}

static struct pl_status check_ceiling(const struct pl_buf *buf, size_t len)
{
    if (len > buf->ceiling || pl_buf_len(buf) > buf->ceiling - len)
        return pl_fail(TOO_BIG, "grow a buffer beyond its ceiling");
    return pl_ok();
}

struct pl_status pl_buf_reserve(struct pl_buf *buf, size_t len, uint8_t **ret)
{
    PL_TRY(check_ceiling(buf, len));
    PL_TRY(make_room(buf, len));
    *ret = buf->data + buf->end;
    return pl_ok();
}

void pl_buf_commit(struct pl_buf *buf, size_t len)
{
    PL_ASSERT(len <= buf->cap - buf->end);
    buf->end += len;
}

struct pl_status pl_buf_append(struct pl_buf *buf, const void *data, size_t len)
{
    uint8_t *into = NULL;
    if (len == 0)
        return pl_ok();
    PL_TRY(pl_buf_reserve(buf, len, &into));
    memcpy(into, data, len);
    pl_buf_commit(buf, len);
    return pl_ok();
}

struct pl_status pl_buf_append_str(struct pl_buf *buf, const char *text)
{
    return pl_buf_append(buf, text, strlen(text));
}

struct pl_status pl_buf_printf(struct pl_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    struct pl_status status =
        len < 0 ? pl_fail(INTERNAL, "format text") : check_ceiling(buf, (size_t)len);
    if (pl_is_ok(status))
        status = make_room(buf, (size_t)len + 1); /* the NUL is written, but does not count */
    if (pl_is_ok(status)) {
        (void)vsnprintf((char *)buf->data + buf->end, (size_t)len + 1, format, again);
        pl_buf_commit(buf, (size_t)len);
    }
    va_end(again);
    return status;
}

void pl_buf_consume(struct pl_buf *buf, size_t len)
{
    PL_ASSERT(len <= pl_buf_len(buf));
    buf->start += len;
    if (buf->start == buf->end)
        buf->start = buf->end = 0;
}

struct pl_status pl_buf_read(struct pl_buf *buf, int fd, size_t most)
{
    while (pl_buf_len(buf) <= most) {
        uint8_t *place = NULL;
        size_t left = most - pl_buf_len(buf), want = left < READ_BYTES ? left + 1 : READ_BYTES;
        PL_TRY(pl_buf_reserve(buf, want, &place));
        ssize_t got = read(fd, place, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return pl_fail_errno(IO, "read a file");
        if (got == 0)
            break;
        pl_buf_commit(buf, (size_t)got);
    }
    return pl_ok();
}
