/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc: see grpc.h.
 */
#include "server/net/grpc.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/json.h"

static const char base_type[] = "application/grpc";
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
    size_t start = pl_buf_len(out);
    for (const char *p = text; *p != '\0'; p++) {
        uint8_t byte = (uint8_t)*p;
        bool begins = (byte & 0xC0) != 0x80; /* of a character; 12: its longest encoded form */
        size_t room = GRPC_MESSAGE_MAX - (pl_buf_len(out) - start);
        if ((begins && room < 12) || room < 3) /* the latter only if it is not UTF-8 */
            break;
        if (byte >= 0x20 && byte <= 0x7E && byte != '%') {
            PL_TRY(pl_buf_append(out, p, 1));
        } else {
            char encoded[3] = {'%', hex[byte >> 4], hex[byte & 15]};
            PL_TRY(pl_buf_append(out, encoded, sizeof(encoded)));
        }
    }
    return pl_ok();
}

static size_t put_varint(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

static struct pl_status put_bytes(struct pl_buf *out, uint32_t field, struct pl_slice bytes)
{
    uint8_t head[16];
    size_t len = put_varint(head, field << 3 | 2);
    len += put_varint(head + len, bytes.len);
    PL_TRY(pl_buf_append(out, head, len));
    return pl_buf_append(out, bytes.data, bytes.len);
}

/* google.protobuf.Any {1: type_url, 2: value} */
static struct pl_status put_any(struct pl_buf *out, const Pledged__V1__Refusal *refusal)
{
    struct pl_buf packed PL_CLEANUP(pl_buf_fini);
    Pledged__V1__Refusal shorter = *refusal;
    pl_buf_init(&packed, SIZE_MAX / 2);
    if (pledged__v1__refusal__get_packed_size(&shorter) > GRPC_DETAILS_MAX)
        shorter.n_arg = 0;
    if (pledged__v1__refusal__get_packed_size(&shorter) > GRPC_DETAILS_MAX)
        shorter.message = (char *)(uintptr_t)protobuf_c_empty_string;
    PL_TRY(codec_encode(CODEC_PROTO, &shorter.base, &packed));
    PL_TRY(put_bytes(out, 1, pl_slice_str(refusal_url)));
    return put_bytes(out, 2, pl_buf_slice(&packed));
}

/* google.rpc.Status {1: code, 2: message, 3: details[]} */
struct pl_status grpc_details(int code, const char *message, const Pledged__V1__Refusal *refusal,
                              struct pl_buf *out)
{
    struct pl_buf any PL_CLEANUP(pl_buf_fini);
    struct pl_buf status PL_CLEANUP(pl_buf_fini);
    uint8_t head[12] = {1 << 3};
    size_t message_len = strlen(message);
    pl_buf_init(&any, SIZE_MAX / 2);
    pl_buf_init(&status, SIZE_MAX / 2);
    if (message_len > GRPC_MESSAGE_MAX)
        message_len = 0; /* grpc-message has its beginning */
    size_t len = 1 + put_varint(head + 1, (uint64_t)code);
    PL_TRY(pl_buf_append(&status, head, len));
    PL_TRY(put_bytes(&status, 2, pl_slice(message, message_len)));
    PL_TRY(put_any(&any, refusal));
    PL_TRY(put_bytes(&status, 3, pl_buf_slice(&any)));
    return pl_base64(out, pl_buf_slice(&status), false);
}
