/* SPDX-License-Identifier: Apache-2.0
 *
 * connect: see connect.h.
 */
#include "server/net/connect.h"

#include <string.h>
#include <strings.h>

#include "common/base64.h"
#include "common/check.h"
#include "common/json.h"

/* --- content types --- */

static struct pl_slice trim(struct pl_slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* Cuts at the first `mark`; *rest is what follows it (empty if there is none). */
static struct pl_slice cut(struct pl_slice text, char mark, struct pl_slice *rest)
{
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.data, mark, text.len);
    if (at == NULL) {
        *rest = pl_slice(NULL, 0);
        return text;
    }
    size_t len = (size_t)(at - text.data);
    *rest = pl_slice(at + 1, text.len - len - 1);
    return pl_slice(text.data, len);
}

static bool equals_ignoring_case(struct pl_slice text, const char *word)
{
    return text.len == strlen(word) && strncasecmp((const char *)text.data, word, text.len) == 0;
}

static bool charset_is_utf8(struct pl_slice parameters)
{
    while (parameters.len > 0) {
        struct pl_slice value;
        struct pl_slice one = cut(parameters, ';', &parameters);
        struct pl_slice name = trim(cut(one, '=', &value));
        value = trim(value);
        if (equals_ignoring_case(name, "charset") && !equals_ignoring_case(value, "utf-8") &&
            !equals_ignoring_case(value, "\"utf-8\""))
            return false;
    }
    return true;
}

enum connect_kind connect_content_type(struct pl_slice content_type, enum codec *ret)
{
    static const struct {
        const char *type;
        enum connect_kind kind;
        enum codec codec;
    } known[] = {
        {"application/json", CONNECT_UNARY, CODEC_JSON},
        {"application/proto", CONNECT_UNARY, CODEC_PROTO},
        {"application/connect+json", CONNECT_STREAM, CODEC_JSON},
        {"application/connect+proto", CONNECT_STREAM, CODEC_PROTO},
    };
    struct pl_slice parameters;
    struct pl_slice type = trim(cut(content_type, ';', &parameters));
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (!equals_ignoring_case(type, known[i].type))
            continue;
        if (!charset_is_utf8(parameters))
            return CONNECT_NOT;
        *ret = known[i].codec;
        return known[i].kind;
    }
    return CONNECT_NOT;
}

const char *connect_answer_type(enum codec codec, bool stream)
{
    if (stream)
        return codec == CODEC_JSON ? "application/connect+json" : "application/connect+proto";
    return codec == CODEC_JSON ? "application/json" : "application/proto";
}

/* --- GET --- */

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct pl_status percent_decode(struct pl_slice text, struct pl_arena *arena,
                                       struct pl_slice *ret)
{
    uint8_t *out = pl_arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (out == NULL)
        return pl_fail(TOO_BIG, "the query is too long");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '%') {
            out[len++] = text.data[i] == '+' ? ' ' : text.data[i];
            continue;
        }
        int high = i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_digit(text.data[i + 2]) : -1;
        if (high < 0 || low < 0)
            return pl_fail(INVALID, "the query has a malformed escape");
        out[len++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    *ret = pl_slice(out, len);
    return pl_ok();
}

struct parameters {
    struct pl_slice connect, encoding, message, base64, compression;
};

static struct pl_status split(struct pl_slice query, struct pl_arena *arena, struct parameters *out)
{
    while (query.len > 0) {
        struct pl_slice raw;
        struct pl_slice name = cut(cut(query, '&', &query), '=', &raw);
        /* `name` was cut from the first parameter, `raw` is its value */
        struct pl_slice *place = NULL;
        if (pl_slice_eq_str(name, "connect"))
            place = &out->connect;
        else if (pl_slice_eq_str(name, "encoding"))
            place = &out->encoding;
        else if (pl_slice_eq_str(name, "message"))
            place = &out->message;
        else if (pl_slice_eq_str(name, "base64"))
            place = &out->base64;
        else if (pl_slice_eq_str(name, "compression"))
            place = &out->compression;
        if (place == NULL)
            continue; /* others may add parameters of their own */
        if (place->data != NULL)
            return pl_fail(INVALID, "the query has a parameter twice");
        PL_TRY(percent_decode(raw, arena, place));
    }
    return pl_ok();
}

struct pl_status connect_parse_query(struct pl_slice query, struct pl_arena *arena,
                                     struct connect_query *ret)
{
    struct parameters given = {0};
    *ret = (struct connect_query){0};
    PL_TRY(split(query, arena, &given));
    if (given.connect.data != NULL && !pl_slice_eq_str(given.connect, "v1"))
        return pl_fail(INVALID, "the query's connect parameter must be v1");
    if (given.compression.len > 0 && !pl_slice_eq_str(given.compression, "identity"))
        return pl_fail(UNIMPLEMENTED, "compression is not supported; use identity");
    if (pl_slice_eq_str(given.encoding, "json"))
        ret->codec = CODEC_JSON;
    else if (pl_slice_eq_str(given.encoding, "proto"))
        ret->codec = CODEC_PROTO;
    else
        ret->codec_unknown = true;
    if (ret->codec_unknown)
        return pl_fail(UNIMPLEMENTED, "the query's encoding parameter must be json or proto");
    if (given.message.data == NULL)
        return pl_fail(INVALID, "the query has no message parameter");
    ret->message = given.message;
    if (given.base64.len == 0 || pl_slice_eq_str(given.base64, "0"))
        return pl_ok();
    if (!pl_slice_eq_str(given.base64, "1"))
        return pl_fail(INVALID, "the query's base64 parameter must be 1");
    if (!pl_is_ok(pl_unbase64(given.message, arena, &ret->message)))
        return pl_fail(INVALID, "the query's message is not base64");
    return pl_ok();
}

/* --- timeouts and errors --- */

struct pl_status connect_timeout(struct pl_slice text, int64_t *ret_ns)
{
    int64_t value = 0;
    if (text.len == 0 || text.len > 10)
        return pl_fail(INVALID, "connect-timeout-ms is malformed");
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return pl_fail(INVALID, "connect-timeout-ms is malformed");
        value = value * 10 + (text.data[i] - '0');
    }
    *ret_ns = value * 1000000; /* at most 10^16 */
    return pl_ok();
}

static struct pl_status put_detail(const Pledged__V1__Refusal *refusal, struct pl_buf *out)
{
    struct pl_buf packed PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&packed, SIZE_MAX / 2);
    PL_TRY(codec_encode(CODEC_PROTO, &refusal->base, &packed));
    PL_TRY(pl_buf_append_str(out, ",\"details\":[{\"type\":\"pledged.v1.Refusal\",\"value\":\""));
    PL_TRY(pl_base64(out, pl_buf_slice(&packed), false));
    PL_TRY(pl_buf_append_str(out, "\",\"debug\":"));
    PL_TRY(codec_encode(CODEC_JSON, &refusal->base, out));
    return pl_buf_append_str(out, "}]");
}

struct pl_status connect_error(const char *code, const char *message,
                               const Pledged__V1__Refusal *refusal, struct pl_buf *out)
{
    PL_TRY(pl_buf_append_str(out, "{\"code\":\""));
    PL_TRY(pl_buf_append_str(out, code));
    PL_TRY(pl_buf_append_str(out, "\",\"message\":"));
    PL_TRY(pl_json_string(out, message));
    if (refusal != NULL)
        PL_TRY(put_detail(refusal, out));
    return pl_buf_append_str(out, "}");
}

struct pl_status connect_end_error(const char *code, const char *message,
                                   const Pledged__V1__Refusal *refusal, struct pl_buf *out)
{
    PL_TRY(pl_buf_append_str(out, "{\"error\":"));
    PL_TRY(connect_error(code, message, refusal, out));
    return pl_buf_append_str(out, "}");
}
