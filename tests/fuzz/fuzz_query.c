/* SPDX-License-Identifier: Apache-2.0
 *
 * query: what follows "?" in a Connect GET, and then its message as a request.
 */
#include "fuzz.h"
#include "pledged/v1/service.pb-c.h"
#include "server/net/codec.h"
#include "server/net/connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pl_arena arena;
    struct connect_query query = {0};
    pl_arena_init(&arena, 1 << 16);
    if (pl_is_ok(connect_parse_query(pl_slice(data, len), &arena, &query)) &&
        !query.codec_unknown) {
        const struct codec_request request = {
            .codec = query.codec,
            .type = &pledged__v1__list_pledges_request__descriptor,
            .bytes = query.message,
            .elements_max = 64,
        };
        ProtobufCMessage *message = NULL;
        struct pl_slice bytes;
        Pledged__V1__Refusal *why = NULL;
        if (pl_is_ok(codec_decode(&request, &arena, &message, &bytes, &why)))
            FUZZ_HOLDS(message != NULL);
    }
    FUZZ_HOLDS(arena.used <= arena.budget);
    pl_arena_fini(&arena);
    return 0;
}
