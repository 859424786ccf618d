/* SPDX-License-Identifier: Apache-2.0
 *
 * ingress: bytes of commands (protobuf), one after another (each behind two bytes of length), as
 * the daemon takes them: scan, unpack, validate, decide, check, apply. What the rules decide must
 * pass their own check, and a ledger that was saved and loaded is the same one.
 * First byte of a piece, highest bit set: another message type than Command, only unpacked.
 */
#include "common/buf.h"
#include "common/hash.h"
#include "common/scan.h"
#include "fuzz.h"
#include "pledged/v1/service.pb-c.h"
#include "server/ledger/ledger.h"

enum { ARENA_BYTES = 1 << 18, ELEMENTS_MAX = 4096 };

static const ProtobufCMessageDescriptor *const types[] = {
    &pledged__v1__execute_batch_request__descriptor,
    &pledged__v1__list_pledges_request__descriptor,
    &pledged__v1__get_totals_request__descriptor,
    &pledged__v1__dump_request__descriptor,
    &pledged__v1__entry__descriptor,
    &pledged__v1__catalogue__descriptor,
};

struct run {
    struct ledger *ledger;
    struct pl_arena arena;
    int64_t now_us;
};

static void apply(struct run *run, const struct ledger_decision *decision)
{
    FUZZ_HOLDS(decision->entry_count <= decision->entry_cap);
    for (size_t i = 0; i < decision->entry_count; i++) {
        struct pl_slice packed = pl_pack(&decision->entry[i]->base, &run->arena);
        ProtobufCMessage *again = NULL;
        if (packed.data == NULL)
            return;
        FUZZ_HOLDS(packed.len <= LEDGER_ENTRY_BYTES_MAX);
        FUZZ_HOLDS(pl_is_ok(
            pl_unpack_trusted(&pledged__v1__entry__descriptor, packed, &run->arena, &again)));
        FUZZ_HOLDS(pl_is_ok(ledger_check(run->ledger, (const void *)again)));
        ledger_apply(run->ledger, (const void *)again);
    }
}

static void start(struct run *run)
{
    static const uint8_t id[LEDGER_REQUEST_ID_BYTES] = {7};
    static uint8_t sha256[32] = {9};
    Pledged__V1__RosterAdopted roster = PLEDGED__V1__ROSTER_ADOPTED__INIT;
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    roster.sha256 = policy.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    const struct ledger_start begin = {"example.org/fuzz", id, &roster, &policy};
    struct ledger_decision decision = {0};
    ledger_decide_start(run->ledger, &begin, run->now_us, &run->arena, &decision);
    apply(run, &decision);
}

static void due(struct run *run)
{
    struct ledger_decision decision;
    for (int i = 0; i < 64; i++) {
        memset(&decision, 0, sizeof(decision));
        ledger_decide_due(run->ledger, run->now_us, &run->arena, &decision);
        if (decision.answer == LEDGER_NOTHING)
            return;
        apply(run, &decision);
    }
}

static void command(struct run *run, struct pl_slice bytes)
{
    ProtobufCMessage *message = NULL;
    struct pl_scan_error error;
    if (!pl_is_ok(pl_unpack(&pledged__v1__command__descriptor, bytes, ELEMENTS_MAX, &run->arena,
                            &message, &error)))
        return;
    const Pledged__V1__Command *given = (const void *)message;
    if (ledger_validate(given, &run->arena) != NULL)
        return;
    FUZZ_HOLDS(given->request_id.len == LEDGER_REQUEST_ID_BYTES);
    if (ledger_find_request(run->ledger, given->request_id.data) != 0)
        return;
    struct ledger_request request = {
        .command = given,
        .bytes = bytes,
        .actor = {"fuzz", PLEDGED__V1__ROLE__ROLE_ADMIN, "uri:fuzz", "CN=fuzz"},
        .now_us = run->now_us,
    };
    pl_sha256(bytes, request.digest);
    struct ledger_decision decision = {0};
    ledger_decide(run->ledger, &request, &run->arena, &decision);
    FUZZ_HOLDS((decision.answer == LEDGER_ACCEPTED) == (decision.refusal == NULL));
    apply(run, &decision);
}

static void other(struct run *run, unsigned which, struct pl_slice bytes)
{
    ProtobufCMessage *message = NULL;
    struct pl_scan_error error;
    const ProtobufCMessageDescriptor *type = types[which % PL_COUNT(types)];
    if (pl_is_ok(pl_unpack(type, bytes, ELEMENTS_MAX, &run->arena, &message, &error)))
        FUZZ_HOLDS(message != NULL);
}

static struct pl_status keep(void *arg, struct pl_slice piece)
{
    return pl_buf_append(arg, piece.data, piece.len);
}

static struct pl_status take(void *arg, uint8_t *into, size_t len)
{
    struct pl_buf *buf = arg;
    if (pl_buf_len(buf) < len)
        return pl_fail(CORRUPT, "the end");
    memcpy(into, pl_buf_slice(buf).data, len);
    pl_buf_consume(buf, len);
    return pl_ok();
}

static void survives_a_restart(const struct ledger *ledger)
{
    struct pl_buf saved;
    struct ledger *loaded = NULL;
    uint8_t one[32], other_one[32];
    pl_buf_init(&saved, 16 << 20);
    PL_ASSERT(pl_is_ok(ledger_save(ledger, keep, &saved)));
    FUZZ_HOLDS(pl_is_ok(ledger_load(take, &saved, &loaded)));
    ledger_digest(ledger, one);
    ledger_digest(loaded, other_one);
    FUZZ_HOLDS(memcmp(one, other_one, sizeof(one)) == 0);
    ledger_free(loaded);
    pl_buf_fini(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct run run = {.ledger = ledger_new(), .now_us = 1767225600LL * 1000000};
    pl_arena_init(&run.arena, ARENA_BYTES);
    start(&run);
    size_t at = 0;
    while (at + 3 <= len) {
        size_t piece = (size_t)data[at] << 8 | data[at + 1];
        bool is_command = (piece & 0x8000) == 0;
        piece &= 0x7fff;
        at += 2;
        if (piece > len - at)
            piece = len - at;
        struct pl_slice bytes = pl_slice(data + at, piece);
        at += piece;
        if (is_command)
            command(&run, bytes);
        else if (bytes.len > 0)
            other(&run, bytes.data[0], pl_slice(bytes.data + 1, bytes.len - 1));
        FUZZ_HOLDS(run.arena.used <= run.arena.budget);
        run.now_us += 86400LL * 1000000;
        pl_arena_reset(&run.arena);
        due(&run);
        pl_arena_reset(&run.arena);
    }
    survives_a_restart(run.ledger);
    pl_arena_fini(&run.arena);
    ledger_free(run.ledger);
    return 0;
}
