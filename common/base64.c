/* SPDX-License-Identifier: Apache-2.0
 *
 * base64: see base64.h.
 */
#include "common/base64.h"

#include <string.h>

static const char digits_of[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void put_four(uint8_t *to, uint32_t bits, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        to[i] = (uint8_t)digits_of[bits >> (18 - 6 * i) & 63];
}

struct pl_status pl_base64(struct pl_buf *out, struct pl_slice data, bool pad)
{
    size_t whole = data.len / 3 * 3, left = data.len - whole;
    size_t len = whole / 3 * 4 + (left == 0 ? 0 : pad ? 4 : left + 1);
    uint8_t *to = NULL;
    PL_TRY(pl_buf_reserve(out, len, &to));
    for (size_t i = 0; i < whole; i += 3, to += 4) {
        const uint8_t *from = data.data + i;
        put_four(to, (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2], 4);
    }
    if (left > 0) {
        uint32_t bits = (uint32_t)data.data[whole] << 16 |
                        (left == 2 ? (uint32_t)data.data[whole + 1] << 8 : 0);
        put_four(to, bits, left + 1);
        memset(to + left + 1, '=', pad ? 3 - left : 0);
    }
    pl_buf_commit(out, len);
    return pl_ok();
}

int pl_base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The text without what pads it, at most two bytes. */
static struct pl_slice unpadded(struct pl_slice text)
{
    size_t len = text.len;
    while (len > 0 && text.len - len < 2 && text.data[len - 1] == '=')
        len--;
    return pl_slice(text.data, len);
}

static size_t decoded_bytes(size_t digits)
{
    return digits / 4 * 3 + (digits % 4 == 0 ? 0 : digits % 4 - 1);
}

/* Fills decoded_bytes() of `out`. */
static struct pl_status decode(struct pl_slice digits, bool url_too, uint8_t *out)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < digits.len; i++) {
        uint8_t c = digits.data[i];
        if (url_too && (c == '-' || c == '_'))
            c = c == '-' ? '+' : '/';
        int value = pl_base64_digit(c);
        if (value < 0)
            return pl_fail(INVALID, "not a base64 digit");
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            *out++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    if ((digits.len % 4 == 2 && (bits & 15) != 0) || (digits.len % 4 == 3 && (bits & 3) != 0))
        return pl_fail(INVALID, "base64 with stray bits at its end");
    return pl_ok();
}

struct pl_status pl_unbase64(struct pl_slice text, struct pl_arena *arena, struct pl_slice *ret)
{
    struct pl_slice digits = unpadded(text);
    if (digits.len % 4 == 1 || (digits.len < text.len && text.len % 4 != 0))
        return pl_fail(INVALID, "base64 of a wrong length");
    size_t len = decoded_bytes(digits.len);
    uint8_t *out = pl_arena_alloc(arena, len + 1); /* no bytes have a place as well */
    if (out == NULL)
        return pl_fail(TOO_BIG, "decode base64 within the budget");
    PL_TRY(decode(digits, true, out));
    *ret = pl_slice(out, len);
    return pl_ok();
}

struct pl_status pl_unbase64_strict(struct pl_slice text, uint8_t *out, size_t size,
                                    size_t *ret_len)
{
    struct pl_slice digits = unpadded(text);
    size_t len = decoded_bytes(digits.len);
    if (text.len % 4 != 0)
        return pl_fail(INVALID, "base64 of a wrong length");
    if (len > size)
        return pl_fail(TOO_BIG, "base64 of too many bytes");
    PL_TRY(decode(digits, false, out));
    *ret_len = len;
    return pl_ok();
}
