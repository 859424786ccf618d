/* SPDX-License-Identifier: Apache-2.0
 *
 * h1_answer: see h1_answer.h.
 */
#include "tests/sim/h1_answer.h"

#include <string.h>

#include "common/check.h"

void h1_answer_init(struct h1_answer *answer, size_t most)
{
    memset(answer, 0, sizeof(*answer));
    pl_buf_init(&answer->in, most);
    pl_buf_init(&answer->body, most);
}

void h1_answer_fini(struct h1_answer *answer)
{
    pl_buf_fini(&answer->in);
    pl_buf_fini(&answer->body);
}

void h1_answer_clear(struct h1_answer *answer)
{
    pl_buf_clear(&answer->in);
    pl_buf_clear(&answer->body);
    answer->status = 0;
    answer->chunked = answer->closes = answer->whole = answer->in_chunk = false;
    answer->left = 0;
}

static void append(struct pl_buf *buf, const uint8_t *bytes, size_t len)
{
    struct pl_status status = pl_buf_append(buf, bytes, len);
    PL_ASSERT(pl_is_ok(status));
}

/* The bytes before `mark`, if it has come; they and it are taken out. */
static bool take_to(struct h1_answer *answer, const char *mark, char *into, size_t room)
{
    struct pl_slice in = pl_buf_slice(&answer->in);
    const uint8_t *at = in.len == 0 ? NULL : memmem(in.data, in.len, mark, strlen(mark));
    if (at == NULL)
        return false;
    size_t len = (size_t)(at - in.data);
    PL_ASSERT(len < room);
    memcpy(into, in.data, len);
    into[len] = '\0';
    pl_buf_consume(&answer->in, len + strlen(mark));
    return true;
}

static size_t number(const char *text, unsigned base)
{
    size_t value = 0;
    for (; *text != '\0' && *text != '\r'; text++) {
        unsigned digit = *text >= 'a'   ? (unsigned)(*text - 'a' + 10)
                         : *text >= 'A' ? (unsigned)(*text - 'A' + 10)
                                        : (unsigned)(*text - '0');
        PL_ASSERT(digit < base);
        value = value * base + digit;
    }
    return value;
}

static bool read_head(struct h1_answer *answer)
{
    char head[2048];
    if (!take_to(answer, "\r\n\r\n", head, sizeof(head)))
        return false;
    PL_ASSERT(strncmp(head, "HTTP/1.1 ", 9) == 0 && strlen(head) > 12);
    answer->status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
    const char *length = strstr(head, "\r\ncontent-length: ");
    answer->chunked = strstr(head, "\r\ntransfer-encoding: chunked") != NULL;
    answer->closes = strstr(head, "\r\nconnection: close") != NULL;
    PL_ASSERT((length != NULL) != answer->chunked);
    answer->left = length != NULL ? number(length + 18, 10) : 0;
    answer->whole = !answer->chunked && answer->left == 0;
    return true;
}

static bool read_body(struct h1_answer *answer)
{
    struct pl_slice in = pl_buf_slice(&answer->in);
    size_t take = in.len < answer->left ? in.len : answer->left;
    if (take == 0)
        return false;
    append(&answer->body, in.data, take);
    pl_buf_consume(&answer->in, take);
    answer->left -= take;
    answer->whole = !answer->chunked && answer->left == 0;
    return true;
}

/* The line before a chunk, or the one that ends it. */
static bool read_chunk_line(struct h1_answer *answer)
{
    char line[64];
    if (!take_to(answer, "\r\n", line, sizeof(line)))
        return false;
    if (answer->in_chunk || answer->left == SIZE_MAX) { /* behind a chunk, or behind the last one */
        PL_ASSERT(line[0] == '\0');
        answer->whole = answer->left == SIZE_MAX;
        answer->in_chunk = false;
        return true;
    }
    answer->left = number(line, 16);
    answer->in_chunk = answer->left != 0;
    if (answer->left == 0)
        answer->left = SIZE_MAX;
    return true;
}

static bool read_more(struct h1_answer *answer)
{
    if (answer->status == 0)
        return read_head(answer);
    if (answer->chunked && (answer->left == 0 || answer->left == SIZE_MAX))
        return read_chunk_line(answer);
    return read_body(answer);
}

void h1_answer_take(struct h1_answer *answer, const uint8_t *bytes, size_t len)
{
    append(&answer->in, bytes, len);
    while (!answer->whole && read_more(answer))
        continue;
}
