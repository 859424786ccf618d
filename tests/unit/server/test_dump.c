/* SPDX-License-Identifier: Apache-2.0
 *
 * test_dump: what a dump holds and what it says that it is of: up to the end under the checkpoint
 * that covers it, a range at once; piece by piece, however slowly it is read; and what ends it.
 * Over a real connection, with a log in memory.
 */
#include "common/scan.h"
#include "server/dump.h"
#include "server/limits.h"
#include "signed_fixture.h"

enum { ENTRIES = 700, LARGE_BYTES = 60000 };

static const struct net_method methods[] = {
    {.path = "/pledged.v1.LedgerService/Dump",
     .input = &pledged__v1__dump_request__descriptor,
     .output = &pledged__v1__dump_response__descriptor,
     .server_streaming = true,
     .no_side_effects = true,
     .roles =
         NET_ROLE(AUDITOR) | NET_ROLE(CLERK), /* the fixture has rosters in which she changes */
     .handle = dump_handle},
};

struct world {
    struct office office;
    struct fixture fx;
    struct client *client;
    uint8_t body[80]; /* of the request */
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct fixture_wish wish = {.methods = methods, .method_count = PL_COUNT(methods)};
    office_open(&w->office, ENTRIES, &w->fx, &wish);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    office_close(&w->office, &w->fx, w->client);
    free(w);
    return 0;
}

/* --- a call, and what came of it --- */

static struct exchange *ask(struct world *w, uint64_t from_seq, uint64_t to_seq)
{
    Pledged__V1__DumpRequest request = PLEDGED__V1__DUMP_REQUEST__INIT;
    uint8_t packed[64];
    request.from_seq = from_seq;
    request.to_seq = to_seq;
    size_t len = pledged__v1__dump_request__pack(&request, packed);
    if (w->client == NULL)
        w->client = client_new(&w->fx, w->fx.clerk);
    const struct request r = {.path = methods[0].path,
                              .type = "application/grpc",
                              .body = w->body,
                              .body_len = grpc_frame(w->body, packed, len)};
    return client_send(w->client, &r);
}

struct dumped {
    uint64_t first, count; /* of the entries that came, in order */
    unsigned pieces;
    const Pledged__V1__DumpTrailer *trailer;
};

static void see_entries(const Pledged__V1__DumpResponse *piece, struct dumped *dumped)
{
    size_t bytes = 0;
    if (dumped->pieces++ == 0)
        dumped->first = piece->first_seq;
    assert_int_equal(piece->first_seq, dumped->first + dumped->count);
    assert_in_range(piece->n_entry, 1, LIMIT_DUMP_CHUNK_ENTRIES);
    for (size_t i = 0; i < piece->n_entry; i++) {
        uint8_t wanted[512];
        size_t len = signed_entry(piece->first_seq + i, wanted);
        struct pl_slice entry = pl_slice(piece->entry[i].data, piece->entry[i].len);
        if (entry.len != LARGE_BYTES)
            assert_true(pl_slice_eq(entry, pl_slice(wanted, len)));
        bytes += entry.len;
    }
    assert_true(bytes <= LIMIT_DUMP_CHUNK_BYTES + LEDGER_ENTRY_BYTES_MAX);
    dumped->count += piece->n_entry;
}

/* All of it: pieces, then the trailer, then nothing. */
static struct dumped dumped(struct world *w, struct exchange *e)
{
    struct dumped dumped = {0};
    PUMP_UNTIL(&w->fx, w->client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), "0");
    struct pl_slice body = pl_buf_slice(&e->body);
    for (size_t at = 0; at < body.len;) {
        const uint8_t *head = body.data + at;
        size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        ProtobufCMessage *message = NULL;
        assert_null(dumped.trailer);
        assert_true(at + 5 + len <= body.len);
        assert_true(
            pl_is_ok(pl_unpack_trusted(&pledged__v1__dump_response__descriptor,
                                       pl_slice(head + 5, len), &w->office.arena, &message)));
        const Pledged__V1__DumpResponse *piece = (const void *)message;
        if (piece->trailer == NULL)
            see_entries(piece, &dumped);
        dumped.trailer = piece->trailer;
        at += 5 + len;
    }
    assert_non_null(dumped.trailer);
    assert_string_equal(dumped.trailer->origin, "");
    assert_int_equal(dumped.trailer->last_batch_hash.len, STORE_HASH_BYTES);
    return dumped;
}

/* It holds from..to of a ledger of so many entries, and says so. */
static void assert_holds(const struct dumped *dumped, uint64_t from, uint64_t to, uint64_t size)
{
    assert_int_equal(dumped->count, to + 1 - from);
    if (dumped->count != 0)
        assert_int_equal(dumped->first, from);
    assert_int_equal(dumped->trailer->from_seq, from);
    assert_int_equal(dumped->trailer->to_seq, to);
    assert_int_equal(dumped->trailer->ledger_size, size);
}

static void assert_under(struct world *w, const struct dumped *dumped, uint64_t size)
{
    struct pl_note_key key = office_key(&w->office);
    struct pl_checkpoint checkpoint;
    if (size == 0) {
        assert_string_equal(dumped->trailer->checkpoint, "");
        return;
    }
    assert_true(pl_is_ok(
        pl_checkpoint_open(pl_slice_str(dumped->trailer->checkpoint), &key, 1, &checkpoint, NULL)));
    assert_int_equal(checkpoint.size, size);
}

static void assert_fails(struct world *w, struct exchange *e, const char *code)
{
    PUMP_UNTIL(&w->fx, w->client, e->closed);
    assert_string_equal(field_of(e, "grpc-status"), code);
}

/* --- what it holds --- */

static void test_up_to_the_end_waits_for_its_checkpoint(void **state)
{
    struct world *w = *state;
    struct exchange *e = ask(w, 0, 0);
    pump_for(&w->fx, w->client, 20);
    assert_int_equal(body_len(e), 0);
    sign_all(&w->office);
    struct dumped all = dumped(w, e);
    assert_holds(&all, 1, ENTRIES, ENTRIES);
    assert_under(w, &all, ENTRIES);
    assert_int_equal(all.pieces, (ENTRIES - 1) / LIMIT_DUMP_CHUNK_ENTRIES + 1);
}

/* It ends where the checkpoint does: what came later is the next dump's. */
static void test_up_to_the_end_is_up_to_the_checkpoint(void **state)
{
    struct world *w = *state;
    struct exchange *e = ask(w, 600, 0);
    pump_for(&w->fx, w->client, 20);
    sign_all(&w->office);
    office_grow(&w->office, 10);
    struct dumped rest = dumped(w, e);
    assert_holds(&rest, 600, ENTRIES, ENTRIES + 10);
    assert_under(w, &rest, ENTRIES);
}

static void test_a_range_waits_for_nothing(void **state)
{
    struct world *w = *state;
    struct dumped some = dumped(w, ask(w, 21, 30));
    assert_holds(&some, 21, 30, ENTRIES);
    assert_under(w, &some, 0);
    sign_all(&w->office);
    some = dumped(w, ask(w, 21, 30));
    assert_holds(&some, 21, 30, ENTRIES);
    assert_under(w, &some, ENTRIES);
    office_grow(&w->office, 10); /* which no checkpoint covers */
    some = dumped(w, ask(w, ENTRIES, ENTRIES + 1));
    assert_holds(&some, ENTRIES, ENTRIES + 1, ENTRIES + 10);
    assert_under(w, &some, 0);
}

static void test_without_a_checkpoint_it_holds_all_there_is(void **state)
{
    struct world *w = *state;
    sign_all(&w->office);
    office_grow(&w->office, 10);
    notary_silence(w->office.notary, true);
    assert_true(pl_is_ok(notary_turn(w->office.notary)));
    struct dumped all = dumped(w, ask(w, 0, 0));
    assert_holds(&all, 1, ENTRIES + 10, ENTRIES + 10);
    assert_under(w, &all, 0);
    proofs_free(PL_TAKE(w->office.service.proofs)); /* nobody signs here at all */
    all = dumped(w, ask(w, 0, 0));
    assert_holds(&all, 1, ENTRIES + 10, ENTRIES + 10);
    assert_under(w, &all, 0);
}

static void test_where_a_range_may_begin_and_end(void **state)
{
    struct world *w = *state;
    struct dumped some = dumped(w, ask(w, 690, ENTRIES + 50));
    assert_holds(&some, 690, ENTRIES, ENTRIES);
    some = dumped(w, ask(w, ENTRIES + 1, ENTRIES + 50)); /* who has all gets what is new: nothing */
    assert_holds(&some, ENTRIES + 1, ENTRIES, ENTRIES);
    assert_fails(w, ask(w, ENTRIES + 2, ENTRIES + 50), "3");
    assert_fails(w, ask(w, 30, 29), "3");
}

static void test_nothing_is_known_before_the_first_view(void **state)
{
    struct world *w = *state;
    view_unref(pl_slot_take(&w->office.worker_views));
    assert_fails(w, ask(w, 0, 0), "14");
}

/* --- with witnesses, who never answer here: the test says what they did --- */

static void witnesses_say(struct world *w, struct witness_thread *witness,
                          const struct signed_tree *tree, const char *line)
{
    char note[4096];
    int len = snprintf(note, sizeof(note), "%s%s", tree->note, line);
    struct cosign_report *report = calloc(1, sizeof(*report));
    assert_non_null(report);
    report->refs = 1;
    report->tree = signed_tree_new(&tree->checkpoint, pl_slice(note, (size_t)len), 0);
    cosign_report_unref(pl_slot_put(witness_slot(witness, 0), report));
    assert_string_equal(proofs_served(w->office.service.proofs)->note, note);
}

static void test_cosignatures_of_that_very_checkpoint(void **state)
{
    struct world *w = *state;
    static const char line[] = "\u2014 witness AAAA\n";
    static const struct pl_policy nobody;
    struct witness_thread *witness = NULL;
    const struct witness_options made = {.policy = &nobody,
                                         .notary = w->office.notary,
                                         .io = io_system(),
                                         .clock = pl_clock_system(),
                                         .data = w->office.data,
                                         .readers = 1};
    assert_true(pl_is_ok(witness_new(&made, &witness)));
    const struct proofs_options options = {.base = w->fx.base,
                                           .notary = w->office.notary,
                                           .witness = witness,
                                           .store = w->office.store,
                                           .clock = pl_clock_system()};
    proofs_free(PL_TAKE(w->office.service.proofs));
    assert_true(pl_is_ok(proofs_new(&options, &w->office.service.proofs)));
    sign_all(&w->office);
    witnesses_say(w, witness, proofs_newest(w->office.service.proofs), line);
    struct dumped all = dumped(w, ask(w, 0, 0));
    assert_holds(&all, 1, ENTRIES, ENTRIES);
    assert_string_equal(all.trailer->checkpoint, proofs_served(w->office.service.proofs)->note);
    assert_non_null(strstr(all.trailer->checkpoint, line));
    office_grow(&w->office, 10); /* they are behind: what is newer is there all the same */
    sign_all(&w->office);
    all = dumped(w, ask(w, 0, 0));
    assert_holds(&all, 1, ENTRIES + 10, ENTRIES + 10);
    assert_under(w, &all, ENTRIES + 10);
    proofs_free(PL_TAKE(w->office.service.proofs));
    witness_free(witness);
}

/* --- a piece at a time --- */

static void grow_large(struct world *w, unsigned count)
{
    static const uint8_t large[LARGE_BYTES];
    struct batch batch;
    log_begin(w->office.store, &batch);
    for (unsigned i = 0; i < count; i++)
        batch_add(&batch, pl_slice(large, sizeof(large)), 0);
    log_end(w->office.store, &batch);
    w->office.count += count;
    office_tell(&w->office, &w->office.worker_views);
}

static void test_large_entries_come_in_small_pieces(void **state)
{
    struct world *w = *state;
    enum { LARGE = 60 }; /* many times what a stream may hold */
    grow_large(w, LARGE);
    struct dumped some = dumped(w, ask(w, ENTRIES - 9, ENTRIES + LARGE));
    assert_holds(&some, ENTRIES - 9, ENTRIES + LARGE, ENTRIES + LARGE);
    assert_true(some.pieces >= LARGE / 2);
}

/* A dump that stopped because nobody reads it. */
static struct exchange *stuck(struct world *w)
{
    struct net_stats stats = {0};
    uint64_t before;
    grow_large(w, 100);
    w->client = client_new(&w->fx, w->fx.clerk);
    w->client->window_shut = true;
    struct exchange *e = ask(w, ENTRIES, ENTRIES + 100);
    PUMP_UNTIL(&w->fx, w->client, body_len(e) >= 65000);
    do {
        before = stats.bytes_out;
        pump_for(&w->fx, w->client, 20);
        net_get_stats(w->fx.net, &stats);
    } while (stats.bytes_out != before);
    assert_false(e->closed);
    assert_int_equal(stats.running_calls, 1);
    return e;
}

static void test_who_has_another_role_gets_no_more_of_it(void **state)
{
    struct world *w = *state;
    struct exchange *e = stuck(w);
    struct authz_roster *roster = fixture_roster_with(PLEDGED__V1__ROLE__ROLE_READER);
    const struct net_reload reload = {.number = 1, .roster = roster};
    net_reload(w->fx.net, &reload);
    authz_roster_free(w->fx.roster);
    w->fx.roster = roster;
    assert_int_equal(
        nghttp2_submit_window_update(w->client->session, NGHTTP2_FLAG_NONE, e->id, 1 << 24), 0);
    assert_int_equal(
        nghttp2_submit_window_update(w->client->session, NGHTTP2_FLAG_NONE, 0, 1 << 24), 0);
    assert_fails(w, e, "14");
    assert_true(body_len(e) < 50 * LARGE_BYTES);
}

static void test_who_leaves_ends_it(void **state)
{
    struct world *w = *state;
    struct net_stats stats;
    (void)stuck(w);
    client_free(PL_TAKE(w->client));
    PUMP_UNTIL(&w->fx, NULL, net_idle(w->fx.net));
    net_get_stats(w->fx.net, &stats);
    assert_int_equal(stats.running_calls, 0);
}

/* The worker is told of entries that are not there: what was read of it so far came, but nobody may
 * take it for whole. */
static void test_what_cannot_be_read_is_no_dump(void **state)
{
    struct world *w = *state;
    w->office.count += 5;
    office_tell(&w->office, &w->office.worker_views);
    struct exchange *e = ask(w, ENTRIES - 1, ENTRIES + 5);
    assert_fails(w, e, "5");
    assert_true(body_len(e) > 0);
    assert_fails(w, ask(w, ENTRIES + 1, ENTRIES + 5), "5");
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(up_to_the_end_waits_for_its_checkpoint),
        CASE(up_to_the_end_is_up_to_the_checkpoint),
        CASE(a_range_waits_for_nothing),
        CASE(without_a_checkpoint_it_holds_all_there_is),
        CASE(where_a_range_may_begin_and_end),
        CASE(nothing_is_known_before_the_first_view),
        CASE(cosignatures_of_that_very_checkpoint),
        CASE(large_entries_come_in_small_pieces),
        CASE(who_has_another_role_gets_no_more_of_it),
        CASE(who_leaves_ends_it),
        CASE(what_cannot_be_read_is_no_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
