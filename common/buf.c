/* SPDX-License-Identifier: Apache-2.0
 *
 * buf: growth by doubling up to the ceiling; unread bytes move to the front when room is needed.
 */
#include "common/buf.h"

#include "common/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_BYTES = 256 };

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

static void make_room(struct pl_buf *buf, size_t len)
{
    if (buf->start != 0 && buf->cap - buf->end < len) {
        memmove(buf->data, buf->data + buf->start, pl_buf_len(buf));
        buf->end -= buf->start;
        buf->start = 0;
    }
}

struct pl_status pl_buf_reserve(struct pl_buf *buf, size_t len, uint8_t **ret)
{
    if (len > buf->ceiling || pl_buf_len(buf) > buf->ceiling - len)
        return pl_fail(TOO_BIG, "grow a buffer beyond its ceiling");
    make_room(buf, len);
    if (buf->cap - buf->end < len) {
        size_t cap = buf->cap != 0 ? buf->cap * 2 : FIRST_BYTES;
        if (cap < buf->end + len)
            cap = buf->end + len;
        uint8_t *data = realloc(buf->data, cap);
        if (data == NULL)
            return pl_fail(TOO_BIG, "find memory for a buffer");
        buf->data = data;
        buf->cap = cap;
    }
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
    uint8_t *into = NULL;
    struct pl_status status = len < 0 ? pl_fail(INTERNAL, "format text")
                                      : pl_buf_reserve(buf, (size_t)len + 1, &into);
    if (pl_is_ok(status)) {
        (void)vsnprintf((char *)into, (size_t)len + 1, format, again);
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

uint8_t *pl_buf_take(struct pl_buf *buf, size_t *ret_len)
{
    make_room(buf, buf->cap - buf->end + 1); /* bytes to the front */
    uint8_t *data = buf->data;
    *ret_len = pl_buf_len(buf);
    buf->data = NULL;
    buf->start = buf->end = buf->cap = 0;
    return data;
}
