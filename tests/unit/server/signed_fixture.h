/* SPDX-License-Identifier: Apache-2.0
 *
 * signed_fixture: a log in memory whose entries are any bytes, and a notary over it whose turns are
 * taken by hand: nothing is signed before sign_all.
 */
#ifndef TEST_SERVER_SIGNED_FIXTURE_H
#define TEST_SERVER_SIGNED_FIXTURE_H

// clang-format off
#include "../net/fixture.h"
#include "dir_fixture.h"
#include "log_fixture.h"
// clang-format on

#include "server/ledger/ledger.h"
#include "server/proofs.h"
#include "server/service.h"
#include "server/store/mem.h"
#include "server/view.h"

#define SIGNED_ORIGIN "example.org/test"
enum { SIGNED_BATCH = 50, SIGNED_READERS = 1 };

struct office {
    char *data;
    char key_file[600], vkey[PL_NOTE_KEY_MAX];
    struct store *store;
    size_t count;
    struct pl_slot views, worker_views;
    struct pl_bell *bell;
    struct notary *notary;
    struct ledger *ledger;
    struct service service;
    struct pl_arena arena;
};

/* Entry number `seq`: "entry 17", then as many bytes. */
static UNUSED size_t signed_entry(uint64_t seq, uint8_t ret[512])
{
    int len = snprintf((char *)ret, 64, "entry %llu ", (unsigned long long)seq);
    memset(ret + len, (int)seq, seq % 100);
    return (size_t)len + seq % 100;
}

static void signed_batch(struct office *o, uint64_t first, uint64_t count)
{
    struct batch batch;
    log_begin(o->store, &batch);
    for (uint64_t seq = first; seq < first + count; seq++) {
        uint8_t entry[512];
        size_t len = signed_entry(seq, entry);
        batch_add(&batch, pl_slice(entry, len), 0);
    }
    log_end(o->store, &batch);
}

static void office_tell(struct office *o, struct pl_slot *slot)
{
    const struct view_log log = {.size = o->count};
    view_unref(pl_slot_put(slot, view_new(o->ledger, &log, true, "", false, NULL)));
}

static UNUSED void office_init(struct office *o, size_t count)
{
    char secret[PL_NOTE_KEY_MAX], message[400];
    memset(o, 0, sizeof(*o));
    pl_arena_init(&o->arena, 1 << 24);
    o->count = count;
    o->data = temp_new();
    o->ledger = ledger_new();
    (void)snprintf(o->key_file, sizeof(o->key_file), "%s/ledger.key", o->data);
    assert_true(pl_is_ok(pl_note_keygen(SIGNED_ORIGIN, secret, o->vkey)));
    write_text(o->key_file, secret);
    assert_true(pl_is_ok(mem_open(&o->store)));
    for (uint64_t seq = 1; seq <= count; seq += SIGNED_BATCH)
        signed_batch(o, seq, count - seq + 1 < SIGNED_BATCH ? count - seq + 1 : SIGNED_BATCH);
    assert_true(pl_is_ok(pl_bell_new(&o->bell)));
    const struct notary_options options = {.io = io_system(),
                                           .clock = pl_clock_system(),
                                           .data = o->data,
                                           .origin = SIGNED_ORIGIN,
                                           .vkey = o->vkey,
                                           .key_file = o->key_file,
                                           .store = o->store,
                                           .size = count,
                                           .views = &o->views,
                                           .bell = o->bell,
                                           .interval_ms = 3600000,
                                           .readers = SIGNED_READERS};
    assert_true(pl_is_ok(notary_new(&options, message, &o->notary)));
    office_tell(o, &o->worker_views);
    o->service =
        (struct service){.slot = &o->worker_views, .store = o->store, .clock = pl_clock_system()};
}

static UNUSED void office_proofs(struct office *o, struct event_base *base)
{
    const struct proofs_options options = {.base = base,
                                           .notary = o->notary,
                                           .reader = 0,
                                           .store = o->store,
                                           .clock = pl_clock_system()};
    assert_true(pl_is_ok(proofs_new(&options, &o->service.proofs)));
}

static UNUSED void office_fini(struct office *o)
{
    notary_free(o->notary);
    view_unref(o->service.view);
    view_unref(pl_slot_take(&o->worker_views));
    view_unref(pl_slot_take(&o->views));
    store_close(o->store);
    pl_bell_free(o->bell);
    ledger_free(o->ledger);
    pl_arena_fini(&o->arena);
    temp_remove(o->data);
}

/* The office behind a listener of its own, with what `wish` has of methods and resources. */
static UNUSED void office_open(struct office *o, size_t count, struct fixture *fx,
                               const struct fixture_wish *wish)
{
    struct fixture_wish whole = *wish;
    office_init(o, count);
    whole.user = &o->service;
    fixture_init_as(fx, &whole);
    office_proofs(o, fx->base);
}

static UNUSED void office_close(struct office *o, struct fixture *fx, struct client *client)
{
    if (client != NULL)
        client_free(client);
    net_close_all(fx->net);
    proofs_free(o->service.proofs);
    fixture_fini(fx);
    office_fini(o);
}

/* More entries, of which notary and worker know. */
static UNUSED void office_grow(struct office *o, size_t count)
{
    signed_batch(o, o->count + 1, count);
    o->count += count;
    office_tell(o, &o->views);
    office_tell(o, &o->worker_views);
}

static UNUSED void sign_all(struct office *o)
{
    notary_want(o->notary);
    assert_true(pl_is_ok(notary_turn(o->notary)));
}

static UNUSED struct pl_note_key office_key(const struct office *o)
{
    struct pl_note_key key;
    assert_true(pl_is_ok(pl_note_key_parse(pl_slice_str(o->vkey), &key)));
    return key;
}

static UNUSED void signed_leaf(uint64_t seq, struct pl_merkle_hash *ret)
{
    uint8_t entry[512];
    size_t len = signed_entry(seq, entry);
    pl_merkle_leaf(pl_slice(entry, len), ret);
}

/* A proof as text is one of entry `seq`, with it if `with_entry`. */
static UNUSED void assert_proves(struct office *o, const char *text, uint64_t seq, bool with_entry)
{
    struct pl_tlog_proof proof;
    struct pl_checkpoint checkpoint;
    struct pl_merkle_hash leaf;
    struct pl_note_key key = office_key(o);
    uint8_t entry[512];
    size_t len = signed_entry(seq, entry);
    assert_true(pl_is_ok(pl_tlog_proof_parse(pl_slice_str(text), &o->arena, &proof)));
    assert_int_equal(proof.index, seq - 1);
    assert_int_equal(proof.has_extra, with_entry);
    if (with_entry)
        assert_true(pl_slice_eq(proof.extra, pl_slice(entry, len)));
    signed_leaf(seq, &leaf);
    assert_true(pl_is_ok(pl_checkpoint_open(proof.checkpoint, &key, 1, &checkpoint, NULL)));
    assert_true(pl_is_ok(pl_merkle_check_inclusion(proof.index, checkpoint.size, &leaf,
                                                   &proof.proof, &checkpoint.root)));
    assert_int_equal(checkpoint.size, o->count);
}

#endif
