/* SPDX-License-Identifier: Apache-2.0
 *
 * frames: how messages travel in gRPC, gRPC-Web and Connect, and their small texts. First byte:
 * which; second: in pieces of what size.
 */
#include "common/buf.h"
#include "fuzz.h"
#include "server/net/connect.h"
#include "server/net/grpc.h"
#include "server/net/grpcweb.h"

enum { MESSAGE_MAX = 1000 };

static struct pl_slice next(struct pl_slice *rest, size_t piece)
{
    struct pl_slice part = pl_slice(rest->data, rest->len < piece ? rest->len : piece);
    *rest = pl_slice(rest->data + part.len, rest->len - part.len);
    return part;
}

/* Exactly one message, in pieces, as in one piece. */
static void unary(struct pl_slice bytes, size_t piece)
{
    struct grpc_reader whole = {0}, parts = {0};
    struct pl_buf one, many;
    pl_buf_init(&one, 2 * MESSAGE_MAX);
    pl_buf_init(&many, 2 * MESSAGE_MAX);
    enum pl_code code = grpc_read(&whole, bytes, MESSAGE_MAX, &one).code;
    enum pl_code again = PL_E_OK;
    while (again == PL_E_OK && bytes.len > 0)
        again = grpc_read(&parts, next(&bytes, piece), MESSAGE_MAX, &many).code;
    FUZZ_HOLDS(code == again);
    FUZZ_HOLDS(pl_buf_len(&one) <= MESSAGE_MAX);
    FUZZ_HOLDS(code != PL_E_OK || pl_slice_eq(pl_buf_slice(&one), pl_buf_slice(&many)));
    FUZZ_HOLDS(grpc_read_end(&whole).code == grpc_read_end(&parts).code || code != PL_E_OK);
    pl_buf_fini(&one);
    pl_buf_fini(&many);
}

static void messages(struct pl_slice bytes, size_t piece)
{
    struct grpc_reader reader = {0};
    struct pl_buf message;
    pl_buf_init(&message, 2 * MESSAGE_MAX);
    bool fine = true;
    while (fine && bytes.len > 0) {
        struct pl_slice part = next(&bytes, piece);
        while (fine && part.len > 0) {
            size_t before = part.len;
            fine = pl_is_ok(grpc_read_part(&reader, &part, MESSAGE_MAX, &message));
            FUZZ_HOLDS(!fine || part.len < before);
            FUZZ_HOLDS(pl_buf_len(&message) <= MESSAGE_MAX);
            if (fine && reader.complete) {
                pl_buf_clear(&message);
                reader = (struct grpc_reader){0};
            }
        }
    }
    (void)grpc_read_end(&reader).code;
    pl_buf_fini(&message);
}

static void web_text(struct pl_slice bytes, size_t piece)
{
    struct grpcweb_text text = {0};
    bool fine = true;
    while (fine && bytes.len > 0) {
        struct pl_slice part = next(&bytes, piece);
        uint8_t *out = malloc(part.len + 2);
        PL_ASSERT(out != NULL);
        size_t len = 0;
        fine = pl_is_ok(grpcweb_decode(&text, part, out, &len));
        FUZZ_HOLDS(!fine || len <= part.len + 2);
        free(out);
    }
    (void)grpcweb_text_complete(&text);
}

static void words(struct pl_slice bytes)
{
    enum codec codec;
    bool text;
    int64_t ns = 0;
    FUZZ_HOLDS(!pl_is_ok(grpc_timeout(bytes, &ns)) || ns >= 0);
    FUZZ_HOLDS(!pl_is_ok(connect_timeout(bytes, &ns)) || ns >= 0);
    (void)grpc_is_content_type(bytes);
    (void)grpc_answer_type(bytes, &codec);
    (void)grpcweb_answer_type(bytes, &codec, &text);
    (void)connect_content_type(bytes, &codec);
    struct pl_buf out;
    pl_buf_init(&out, 1 << 20);
    char *copy = fuzz_text(bytes);
    FUZZ_HOLDS(pl_is_ok(grpc_message(copy, &out)));
    FUZZ_HOLDS(pl_buf_len(&out) <= GRPC_MESSAGE_MAX);
    struct pl_slice printed = pl_buf_slice(&out);
    for (size_t i = 0; i < printed.len; i++)
        FUZZ_HOLDS(printed.data[i] >= 0x20 && printed.data[i] < 0x7f);
    free(copy);
    pl_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2 || len > 8192)
        return 0;
    struct pl_slice bytes = pl_slice(data + 2, len - 2);
    size_t piece = (size_t)data[1] + 1;
    switch (data[0] & 3) {
    case 0:
        unary(bytes, piece);
        break;
    case 1:
        messages(bytes, piece);
        break;
    case 2:
        web_text(bytes, piece);
        break;
    default:
        words(bytes);
    }
    return 0;
}
