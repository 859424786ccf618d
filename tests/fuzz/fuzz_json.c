/* SPDX-License-Identifier: Apache-2.0
 *
 * json: ProtoJSON of requests. What was understood is printed and understood again, as the same.
 * First byte: which message.
 */
#include "common/base64.h"
#include "common/json.h"
#include "common/scan.h"
#include "fuzz.h"
#include "pledged/v1/service.pb-c.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &pledged__v1__command__descriptor,
    &pledged__v1__execute_batch_request__descriptor,
    &pledged__v1__list_pledges_request__descriptor,
    &pledged__v1__entry__descriptor,
    &pledged__v1__catalogue__descriptor,
};

static void same_again(const ProtobufCMessage *message, struct pl_arena *arena)
{
    struct pl_buf text;
    ProtobufCMessage *again = NULL;
    struct pl_json_error error;
    pl_buf_init(&text, 1 << 22);
    if (pl_is_ok(pl_json_print(message, &text))) {
        struct pl_status status =
            pl_json_parse(pl_buf_slice(&text), message->descriptor, arena, &again, &error);
        FUZZ_HOLDS(pl_is_ok(status) || status.code == PL_E_TOO_BIG);
        if (pl_is_ok(status)) {
            struct pl_slice one = pl_pack(message, arena), other = pl_pack(again, arena);
            FUZZ_HOLDS(one.data == NULL || other.data == NULL || pl_slice_eq(one, other));
        }
    }
    pl_buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pl_arena arena;
    ProtobufCMessage *message = NULL;
    struct pl_json_error error;
    struct pl_slice decoded;
    if (len < 1)
        return 0;
    pl_arena_init(&arena, 1 << 18);
    struct pl_slice text = pl_slice(data + 1, len - 1);
    if (pl_is_ok(pl_json_parse(text, types[data[0] % PL_COUNT(types)], &arena, &message, &error)))
        same_again(message, &arena);
    if (pl_is_ok(pl_unbase64(text, &arena, &decoded)))
        FUZZ_HOLDS(decoded.len <= text.len);
    pl_arena_fini(&arena);
    return 0;
}
