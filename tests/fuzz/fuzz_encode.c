/* SPDX-License-Identifier: Apache-2.0
 *
 * encode: any entry that the schema takes, packed in the three ways there are: field by field into
 * place, by the table of fields, and by protobuf-c. All three say the same bytes, in any room. The
 * room has its exact size, so that a store beside it is noticed: encode looks at what is left
 * before long values only.
 */
#include "common/pack.h"
#include "common/scan.h"
#include "fuzz.h"
#include "server/ledger/encode.h"

enum {
    OUTCOME = 11,
    ELEMENTS_MAX = 4096,
    ARENA_BYTES = 64 << 20,
    AMPLE_BYTES = 4096,
    NARROW_BYTES = 64,
    HEAD_BYTES = 4
};

static void into_room(const Pledged__V1__Entry *entry, struct pl_slice want, size_t room)
{
    uint8_t *into = malloc(room);
    struct pl_slice outcome, found = {NULL, 0};
    size_t cursor = 0;
    struct pl_slice got = encode_entry(entry, into, room, &outcome);
    FUZZ_HOLDS((got.data != NULL) == (room >= want.len));
    if (got.data != NULL) {
        FUZZ_HOLDS(pl_slice_eq(got, want));
        FUZZ_HOLDS(got.data + got.len == into + room);
        FUZZ_HOLDS(pl_wire_next(got, OUTCOME, &cursor, &found) == (outcome.data != NULL));
        FUZZ_HOLDS(outcome.data == found.data && (found.data == NULL || outcome.len == found.len));
    }
    got = pl_pack_backward(&entry->base, into, room);
    FUZZ_HOLDS((got.data != NULL) == (room >= want.len));
    FUZZ_HOLDS(got.data == NULL || pl_slice_eq(got, want));
    free(into);
}

static void all_ways(const ProtobufCMessage *message, size_t chosen)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(len + 1);
    PL_ASSERT(bytes != NULL);
    FUZZ_HOLDS(protobuf_c_message_pack(message, bytes) == len);
    const Pledged__V1__Entry *entry = (const void *)message;
    into_room(entry, pl_slice(bytes, len), len + AMPLE_BYTES);
    into_room(entry, pl_slice(bytes, len), 1 + chosen % (len + AMPLE_BYTES));
    into_room(entry, pl_slice(bytes, len), 1 + chosen % (len + NARROW_BYTES));
    free(bytes);
}

/* Pieces: length, a number that chooses a room, the bytes of an entry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct pl_arena arena;
    struct pl_scan_error error;
    pl_arena_init(&arena, ARENA_BYTES);
    while (len >= HEAD_BYTES) {
        ProtobufCMessage *message = NULL;
        size_t size = (size_t)data[0] << 8 | data[1], chosen = (size_t)data[2] << 8 | data[3];
        size = size > len - HEAD_BYTES ? len - HEAD_BYTES : size;
        pl_arena_reset(&arena);
        if (pl_is_ok(pl_unpack(&pledged__v1__entry__descriptor, pl_slice(data + HEAD_BYTES, size),
                               ELEMENTS_MAX, &arena, &message, &error)))
            all_ways(message, chosen);
        data += HEAD_BYTES + size;
        len -= HEAD_BYTES + size;
    }
    pl_arena_fini(&arena);
    return 0;
}
