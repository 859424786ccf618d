/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc: see grpc.h.
 */
#include "server/net/grpc.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/check.h"

static const char base_type[] = "application/grpc";
enum { HEAD_BYTES_MAX = 1 + 10 }; /* of a field: its number, its length */

static const char refusal_url[] = "type.googleapis.com/pledged.v1.Refusal";

/* --- content types --- */

bool grpc_is_content_type(struct pl_slice type)
{
    size_t len = sizeof(base_type) - 1;
    if (type.len < len || memcmp(type.data, base_type, len) != 0)
        return false;
    return type.len == len || type.data[len] == '+' || type.data[len] == ';';
}

const char *grpc_answer_type(struct pl_slice type, enum codec *ret)
{
    static const struct {
        const char *type;
        enum codec codec;
    } known[] = {
        {base_type, CODEC_PROTO},
        {"application/grpc+proto", CODEC_PROTO},
        {"application/grpc+json", CODEC_JSON},
    };
    const uint8_t *end = type.len == 0 ? NULL : memchr(type.data, ';', type.len);
    if (end != NULL)
        type.len = (size_t)(end - type.data);
    while (type.len > 0 && type.data[type.len - 1] == ' ')
        type.len--;
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (!pl_slice_eq_str(type, known[i].type))
            continue;
        *ret = known[i].codec;
        return known[i].type;
    }
    return NULL;
}

/* --- framing --- */

static struct pl_status begin_message(struct grpc_reader *reader, size_t bytes_max)
{
    const uint8_t *prefix = reader->prefix;
    if (prefix[0] == 1)
        return pl_fail(INTERNAL, "the message is compressed, but no encoding was agreed");
    if (prefix[0] != 0)
        return pl_fail(INTERNAL, "the message has an unknown flag");
    reader->message_len = (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 |
                          (size_t)prefix[3] << 8 | (size_t)prefix[4];
    if (reader->message_len > bytes_max)
        return pl_fail(TOO_BIG, "the message is larger than this method allows");
    reader->in_message = true;
    return pl_ok();
}

struct pl_status grpc_read_part(struct grpc_reader *reader, struct pl_slice *bytes,
                                size_t bytes_max, struct pl_buf *message)
{
    while (bytes->len > 0 && !reader->complete) {
        size_t taken = 1;
        if (!reader->in_message) {
            reader->prefix[reader->prefix_len++] = bytes->data[0];
            if (reader->prefix_len == GRPC_PREFIX_BYTES)
                PL_TRY(begin_message(reader, bytes_max));
        } else {
            taken = reader->message_len - pl_buf_len(message);
            if (taken > bytes->len)
                taken = bytes->len;
            PL_TRY(pl_buf_append(message, bytes->data, taken));
        }
        *bytes = pl_slice(bytes->data + taken, bytes->len - taken);
        reader->complete = reader->in_message && pl_buf_len(message) == reader->message_len;
    }
    return pl_ok();
}

struct pl_status grpc_read(struct grpc_reader *reader, struct pl_slice bytes, size_t bytes_max,
                           struct pl_buf *message)
{
    PL_TRY(grpc_read_part(reader, &bytes, bytes_max, message));
    return bytes.len == 0 ? pl_ok()
                          : pl_fail(UNIMPLEMENTED, "the request has more than one message");
}

struct pl_status grpc_read_end(const struct grpc_reader *reader)
{
    if (reader->complete)
        return pl_ok();
    if (reader->prefix_len == 0)
        return pl_fail(UNIMPLEMENTED, "the request has no message");
    return pl_fail(INTERNAL, "the request ends in the middle of its message");
}

void grpc_put_prefix(uint8_t out[GRPC_PREFIX_BYTES], size_t message_len)
{
    PL_ASSERT(message_len <= UINT32_MAX);
    out[0] = 0;
    for (int i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(message_len >> (8 * (3 - i)));
}

/* --- timeouts --- */

struct pl_status grpc_timeout(struct pl_slice text, int64_t *ret_ns)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'H', 3600000000000}, {'M', 60000000000}, {'S', 1000000000},
                 {'m', 1000000},       {'u', 1000},        {'n', 1}};
    int64_t value = 0;
    if (text.len < 2 || text.len > 9)
        return pl_fail(INVALID, "grpc-timeout is malformed");
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return pl_fail(INVALID, "grpc-timeout is malformed");
        value = value * 10 + (text.data[i] - '0');
    }
    for (size_t i = 0; i < PL_COUNT(units); i++) {
        if (text.data[text.len - 1] != (uint8_t)units[i].unit)
            continue;
        /* 99999999 hours are more nanoseconds than there are */
        if (__builtin_mul_overflow(value, units[i].ns, ret_ns))
            *ret_ns = INT64_MAX;
        return pl_ok();
    }
    return pl_fail(INVALID, "grpc-timeout is malformed");
}

/* --- status --- */

struct pl_status grpc_message(const char *text, struct pl_buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    uint8_t *to = NULL;
    size_t len = 0;
    PL_TRY(pl_buf_reserve(out, GRPC_MESSAGE_MAX, &to));
    for (const char *p = text; *p != '\0'; p++) {
        uint8_t byte = (uint8_t)*p;
        bool begins = (byte & 0xC0) != 0x80; /* of a character; 12: its longest encoded form */
        size_t room = GRPC_MESSAGE_MAX - len;
        if ((begins && room < 12) || room < 3) /* the latter only if it is not UTF-8 */
            break;
        if (byte >= 0x20 && byte <= 0x7E && byte != '%') {
            to[len++] = byte;
        } else {
            to[len++] = '%';
            to[len++] = (uint8_t)hex[byte >> 4];
            to[len++] = (uint8_t)hex[byte & 15];
        }
    }
    pl_buf_commit(out, len);
    return pl_ok();
}

static uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_head(uint8_t *out, unsigned field, size_t len)
{
    *out++ = (uint8_t)(field << 3 | 2);
    return put_varint(out, len);
}

static uint8_t *put_bytes(uint8_t *out, unsigned field, const char *bytes, size_t len)
{
    out = put_head(out, field, len);
    memcpy(out, bytes, len);
    return out + len;
}

static size_t head_bytes(size_t len)
{
    uint8_t head[HEAD_BYTES_MAX];
    return (size_t)(put_head(head, 1, len) - head);
}

/* What stays within GRPC_DETAILS_MAX of it; the size when packed. */
static size_t cut_refusal(Pledged__V1__Refusal *refusal)
{
    size_t len = pledged__v1__refusal__get_packed_size(refusal);
    if (len > GRPC_DETAILS_MAX) {
        refusal->n_arg = 0;
        len = pledged__v1__refusal__get_packed_size(refusal);
    }
    if (len > GRPC_DETAILS_MAX) {
        refusal->message = (char *)(uintptr_t)protobuf_c_empty_string;
        len = pledged__v1__refusal__get_packed_size(refusal);
    }
    return len;
}

/* google.rpc.Status {1: code, 2: message, 3: details[]}, of which each is a
 * google.protobuf.Any {1: type_url, 2: value} */
struct pl_status grpc_details(int code, const char *message, const Pledged__V1__Refusal *refusal,
                              struct pl_buf *out)
{
    uint8_t status[GRPC_MESSAGE_MAX + GRPC_DETAILS_MAX + sizeof(refusal_url) +
                   (size_t)5 * HEAD_BYTES_MAX];
    Pledged__V1__Refusal shorter = *refusal;
    size_t message_len = strlen(message), url_len = sizeof(refusal_url) - 1;
    size_t refusal_len = cut_refusal(&shorter);
    if (refusal_len > GRPC_DETAILS_MAX)
        return pl_fail(TOO_BIG, "saying a refusal's details");
    if (message_len > GRPC_MESSAGE_MAX)
        message_len = 0; /* grpc-message has its beginning */
    uint8_t *end = status;
    *end++ = 1 << 3;
    end = put_varint(end, (uint64_t)code);
    end = put_bytes(end, 2, message, message_len);
    end = put_head(end, 3, head_bytes(url_len) + url_len + head_bytes(refusal_len) + refusal_len);
    end = put_bytes(end, 1, refusal_url, url_len);
    end = put_head(end, 2, refusal_len);
    end += pledged__v1__refusal__pack(&shorter, end);
    return pl_base64(out, pl_slice(status, (size_t)(end - status)), false);
}
