/* SPDX-License-Identifier: Apache-2.0
 *
 * grpcweb: see grpcweb.h.
 */
#include "server/net/grpcweb.h"

#include <string.h>
#include <strings.h>

#include "common/base64.h"
#include "common/check.h"

/* --- content types --- */

const char *grpcweb_answer_type(struct pl_slice type, enum codec *ret_codec, bool *ret_text)
{
    static const struct {
        const char *type;
        enum codec codec;
        bool text;
    } known[] = {
        {"application/grpc-web", CODEC_PROTO, false},
        {"application/grpc-web+proto", CODEC_PROTO, false},
        {"application/grpc-web+json", CODEC_JSON, false},
        {"application/grpc-web-text", CODEC_PROTO, true},
        {"application/grpc-web-text+proto", CODEC_PROTO, true},
    };
    const uint8_t *end = type.len == 0 ? NULL : memchr(type.data, ';', type.len);
    if (end != NULL)
        type.len = (size_t)(end - type.data);
    while (type.len > 0 && (type.data[type.len - 1] == ' ' || type.data[type.len - 1] == '\t'))
        type.len--;
    for (size_t i = 0; i < PL_COUNT(known); i++) {
        if (type.len != strlen(known[i].type) ||
            strncasecmp((const char *)type.data, known[i].type, type.len) != 0)
            continue;
        *ret_codec = known[i].codec;
        *ret_text = known[i].text;
        return known[i].type;
    }
    return NULL;
}

/* --- trailers --- */

static const char ok_frame[] = "\x80\0\0\0\x0fgrpc-status:0\r\n";
_Static_assert(sizeof(ok_frame) - 1 == GRPCWEB_OK_BYTES, "a prefix of 5 and 15 of text");

void grpcweb_put_ok(uint8_t out[GRPCWEB_OK_BYTES])
{
    memcpy(out, ok_frame, GRPCWEB_OK_BYTES);
}

struct pl_status grpcweb_put_trailer(struct pl_buf *out, struct pl_slice name,
                                     struct pl_slice value)
{
    PL_TRY(pl_buf_append(out, name.data, name.len));
    PL_TRY(pl_buf_append(out, ":", 1));
    PL_TRY(pl_buf_append(out, value.data, value.len));
    return pl_buf_append(out, "\r\n", 2);
}

/* --- text --- */

struct pl_status grpcweb_decode(struct grpcweb_text *text, struct pl_slice in, uint8_t *out,
                                size_t *ret_len)
{
    size_t len = 0;
    for (size_t i = 0; i < in.len; i++) {
        int symbol = pl_base64_digit(in.data[i]);
        bool pad = in.data[i] == '=';
        if (pad ? text->symbols < 2 : symbol < 0 || text->pads > 0)
            return pl_fail(INVALID, "the request is not base64");
        text->bits = text->bits << 6 | (pad ? 0 : (uint32_t)symbol);
        if (pad)
            text->pads++;
        else
            text->symbols++;
        if (text->symbols + text->pads < 4)
            continue;
        for (unsigned byte = 0; byte < 3 - text->pads; byte++)
            out[len++] = (uint8_t)(text->bits >> (16 - 8 * byte));
        *text = (struct grpcweb_text){0};
    }
    *ret_len = len;
    return pl_ok();
}

bool grpcweb_text_complete(const struct grpcweb_text *text)
{
    return text->symbols == 0;
}
