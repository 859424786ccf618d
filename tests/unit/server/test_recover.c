/* SPDX-License-Identifier: Apache-2.0
 *
 * test_recover: from files to the state at the head: with a snapshot, without one, with one that
 * does not fit; a log that breaks a rule is named by its seq; a torn tail is told.
 */
// clang-format off
#include "../ledger/fixture.h"

#include "dir_fixture.h"
#include "log_fixture.h"
// clang-format on

#include "server/recover.h"
#include "server/store/file.h"
#include "server/store/io.h"
#include "server/store/mem.h"
#include "server/store/segment.h"
#include "server/store/snapshot.h"

enum { SEGMENT_BYTES = 2 << 20 };

struct place {
    struct world world; /* makes valid entries, packed in world.entry */
    char *data;
    struct recover_options options;
    struct recover_report report;
    struct store *store;
    struct ledger *ledger;
    size_t written; /* entries of the world that are in the log */
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    world_ready(&p->world, 3);
    p->data = temp_new();
    assert_int_equal(mkdir(in_dir(p->data, "log"), 0700), 0);
    assert_int_equal(mkdir(in_dir(p->data, "snapshot"), 0700), 0);
    p->options =
        (struct recover_options){.data = p->data, .ledger_id = {7}, .segment_bytes = SEGMENT_BYTES};
    *state = p;
    return 0;
}

static void shut(struct place *p)
{
    ledger_free(p->ledger);
    store_close(p->store);
    p->ledger = NULL;
    p->store = NULL;
}

static int teardown(void **state)
{
    struct place *p = *state;
    shut(p);
    world_fini(&p->world);
    temp_remove(p->data);
    free(p);
    return 0;
}

static enum pl_code reopen(struct place *p)
{
    shut(p);
    return recover_open(&p->options, &p->report, &p->store, &p->ledger).code;
}

/* --- writing a log --- */

/* All entries of the world that are not there yet, one a batch. */
static void write_log(struct place *p)
{
    for (; p->written < p->world.entry_count; p->written++)
        log_append(p->store, &p->world.entry[p->written], 1);
}

static void ready(struct place *p)
{
    assert_int_equal(reopen(p), PL_E_OK);
    write_log(p);
}

static void assert_equal_state(const struct ledger *a, const struct ledger *b)
{
    uint8_t digest[2][32];
    ledger_digest(a, digest[0]);
    ledger_digest(b, digest[1]);
    assert_memory_equal(digest[0], digest[1], 32);
}

static struct pl_status write_piece(void *arg, struct pl_slice piece)
{
    return snapshot_write(arg, piece);
}

/* A snapshot of the world's state, said to belong to this place of the log. */
static void write_snapshot(struct place *p, uint64_t batch, uint64_t seq, const uint8_t *hash)
{
    struct snapshot_meta meta = {.batch = batch, .seq = seq, .time_us = 5};
    struct snapshot_writer *writer = NULL;
    memcpy(meta.ledger_id, p->options.ledger_id, 16);
    memcpy(meta.batch_hash, hash, 32);
    assert_true(
        pl_is_ok(snapshot_create(io_system(), in_dir(p->data, "snapshot"), &meta, &writer)));
    assert_true(pl_is_ok(ledger_save(p->world.ledger, write_piece, writer)));
    assert_true(pl_is_ok(snapshot_commit(writer)));
}

static void snapshot_here(struct place *p)
{
    struct store_head head;
    store_head(p->store, &head);
    write_snapshot(p, head.batch, ledger_size(p->world.ledger), head.hash);
}

/* What all that is fine ends with. */
static void assert_whole(struct place *p, uint64_t snapshot_seq)
{
    assert_int_equal(reopen(p), PL_E_OK);
    assert_equal_state(p->ledger, p->world.ledger);
    assert_int_equal(p->report.snapshot_seq, snapshot_seq);
    assert_int_equal(p->report.replayed, p->world.entry_count - snapshot_seq);
    assert_int_equal(p->report.batches, p->world.entry_count); /* one entry a batch */
    assert_string_equal(p->report.message, "");
}

/* --- cases --- */

static void test_an_empty_directory_is_an_empty_ledger(void **state)
{
    struct place *p = *state;
    assert_int_equal(reopen(p), PL_E_OK);
    assert_int_equal(ledger_size(p->ledger), 0);
    assert_int_equal(p->report.batches, 0);
    assert_int_equal(p->report.replayed, 0);
}

static void test_the_whole_log_is_replayed(void **state)
{
    struct place *p = *state;
    ready(p);
    assert_whole(p, 0);
}

static void test_a_snapshot_spares_what_it_knows(void **state)
{
    struct place *p = *state;
    ready(p);
    snapshot_here(p);
    uint64_t seq = p->world.entry_count;
    assert_whole(p, seq); /* nothing after it */
    assert_int_equal(p->report.snapshot_batch, seq);
    hold(&p->world, "top", "C000001", 86400);
    hold(&p->world, "top", "C000002", 86400); /* refused */
    write_log(p);
    assert_whole(p, seq);
    assert_int_equal(p->report.replayed, 2);
    p->options.ignore_snapshots = true;
    assert_whole(p, 0);
}

static void test_a_damaged_snapshot_is_ignored(void **state)
{
    struct place *p = *state;
    char name[64];
    ready(p);
    snapshot_here(p);
    (void)snprintf(name, sizeof(name), "snapshot/%016zx.snap", p->world.entry_count);
    damage(in_dir(p->data, name), 200);
    assert_whole(p, 0);
}

static void test_the_older_snapshot_serves_when_the_newer_is_damaged(void **state)
{
    struct place *p = *state;
    char name[64];
    ready(p);
    snapshot_here(p);
    uint64_t seq = p->world.entry_count;
    hold(&p->world, "top", "C000001", 86400);
    write_log(p);
    snapshot_here(p);
    (void)snprintf(name, sizeof(name), "snapshot/%016zx.snap", p->world.entry_count);
    damage(in_dir(p->data, name), 20);
    assert_whole(p, seq);
}

static void test_a_snapshot_of_another_history_is_ignored(void **state)
{
    struct place *p = *state;
    static const uint8_t other[32] = {1};
    ready(p);
    write_snapshot(p, p->world.entry_count, p->world.entry_count, other);
    assert_whole(p, 0);
}

static void test_a_snapshot_that_lies_about_its_seq_is_ignored(void **state)
{
    struct place *p = *state;
    struct store_head head;
    ready(p);
    store_head(p->store, &head);
    write_snapshot(p, head.batch, p->world.entry_count - 1, head.hash);
    assert_whole(p, 0);
}

static void test_a_snapshot_newer_than_the_log_is_ignored(void **state)
{
    struct place *p = *state;
    static const uint8_t hash[32] = {1};
    ready(p);
    size_t count = p->world.entry_count;
    hold(&p->world, "top", "C000001", 86400);
    write_snapshot(p, count + 1, count + 1, hash); /* its entry never came to the log */
    assert_int_equal(reopen(p), PL_E_OK);
    assert_int_equal(ledger_size(p->ledger), count);
    assert_int_equal(p->report.snapshot_seq, 0);
    assert_int_equal(p->report.replayed, count);
    assert_int_equal(p->report.batches, count);
    shut(p);
    write_snapshot(p, count + 1000000, count + 1, hash); /* far beyond */
    assert_int_equal(reopen(p), PL_E_OK);
    assert_int_equal(ledger_size(p->ledger), count);
    assert_int_equal(p->report.snapshot_seq, 0);
}

static void check_broken_rule(struct place *p, const Pledged__V1__Entry *entry)
{
    char named[40];
    struct pl_slice bytes = pl_pack(&entry->base, &p->world.arena);
    log_append(p->store, &bytes, 1);
    (void)snprintf(named, sizeof(named), "entry %zu does not follow", p->world.entry_count + 1);
    for (int read_only = 0; read_only < 2; read_only++) {
        p->options.read_only = read_only != 0;
        assert_int_equal(reopen(p), PL_E_CORRUPT);
        assert_non_null(strstr(p->report.message, named));
        assert_non_null(strstr(p->report.message, "nothing was changed"));
        assert_null(p->store);
        assert_null(p->ledger);
    }
}

static Pledged__V1__Entry *again(struct place *p, size_t index)
{
    ProtobufCMessage *message = NULL;
    assert_true(pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor, p->world.entry[index],
                                           &p->world.arena, &message)));
    return (Pledged__V1__Entry *)message;
}

static void test_a_log_with_a_repeated_entry_is_corrupt(void **state)
{
    struct place *p = *state;
    ready(p);
    check_broken_rule(p, again(p, 2)); /* wrong seq */
}

static void test_a_log_with_a_slot_too_many_is_corrupt(void **state)
{
    struct place *p = *state;
    hold(&p->world, "top", "C000001", 86400);
    assert_accepted(&p->world);
    ready(p);
    Pledged__V1__Entry *second = again(p, p->world.entry_count - 1);
    second->seq++;
    second->time_us++;
    second->prev_seq = 0;
    uint8_t id[16] = "another request";
    second->request_id = (ProtobufCBinaryData){16, id};
    check_broken_rule(p, second);
}

static void test_a_broken_rule_after_a_snapshot_is_corrupt_too(void **state)
{
    struct place *p = *state;
    ready(p);
    snapshot_here(p);
    check_broken_rule(p, again(p, 2));
}

static void test_bytes_that_are_no_entry_are_corrupt(void **state)
{
    struct place *p = *state;
    ready(p);
    struct pl_slice bytes = pl_slice("\xff\xff\xff\xff", 4);
    log_append(p->store, &bytes, 1);
    assert_int_equal(reopen(p), PL_E_CORRUPT);
    assert_non_null(strstr(p->report.message, "entry 8 does not follow"));
}

/* Where the last record begins, with one segment and one entry a batch. */
static uint64_t last_record(const struct place *p)
{
    uint64_t at = SEGMENT_HEADER_BYTES;
    for (size_t i = 0; i + 1 < p->world.entry_count; i++)
        at += segment_record_bytes(4 + p->world.entry[i].len);
    return at;
}

static void test_a_torn_tail_is_told_and_kept(void **state)
{
    struct place *p = *state;
    ready(p);
    shut(p);
    const char *path = in_dir(p->data, "log/0000000000000001.seg");
    uint64_t at = last_record(p);
    uint64_t end = at + segment_record_bytes(4 + p->world.entry[p->world.entry_count - 1].len);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    static const uint8_t zero[256] = {0};
    assert_true(fd >= 0);
    assert_true(end - at > 200);
    assert_int_equal(pwrite(fd, zero, 40, (off_t)(end - 40)), 40); /* its end was never written */
    assert_int_equal(close(fd), 0);
    p->options.read_only = true; /* a reader sees the end there, and changes nothing */
    assert_int_equal(reopen(p), PL_E_OK);
    assert_int_equal(ledger_size(p->ledger), p->world.entry_count - 1);
    p->options.read_only = false;
    assert_int_equal(reopen(p), PL_E_OK);
    assert_int_equal(ledger_size(p->ledger), p->world.entry_count - 1);
    assert_int_equal(p->report.batches, p->world.entry_count - 1);
    assert_in_range(p->report.torn_bytes, 1, end - at);
    assert_string_not_equal(p->report.torn_kept_in, "");
    p->written--; /* the log goes on in that place */
    write_log(p);
    assert_whole(p, 0);
    assert_int_equal(p->report.torn_bytes, 0);
    assert_string_equal(p->report.torn_kept_in, "");
}

static void test_a_damaged_log_is_corrupt_and_says_where(void **state)
{
    struct place *p = *state;
    ready(p);
    shut(p);
    damage(in_dir(p->data, "log/0000000000000001.seg"), SEGMENT_HEADER_BYTES + 170);
    assert_int_equal(reopen(p), PL_E_CORRUPT);
    assert_non_null(strstr(p->report.message, "0000000000000001.seg"));
}

static void test_a_log_of_another_ledger_is_refused(void **state)
{
    struct place *p = *state;
    ready(p);
    p->options.ledger_id[0] = 8;
    assert_int_equal(reopen(p), PL_E_CORRUPT);
    assert_string_not_equal(p->report.message, "");
}

static void test_a_missing_directory_is_told(void **state)
{
    struct place *p = *state;
    p->options.data = "/nonexistent";
    assert_int_not_equal(reopen(p), PL_E_OK);
    assert_string_not_equal(p->report.message, "");
}

static void test_the_state_at_the_head_of_an_open_store(void **state)
{
    struct place *p = *state;
    struct recover_report report = {0};
    struct ledger *ledger = NULL;
    ready(p);
    snapshot_here(p);
    uint64_t seq = p->world.entry_count;
    hold(&p->world, "top", "C000001", 86400);
    write_log(p); /* the store stays open, as after a failed append */
    assert_true(pl_is_ok(recover_state(&p->options, p->store, &report, &ledger)));
    assert_equal_state(ledger, p->world.ledger);
    assert_int_equal(report.snapshot_seq, seq);
    assert_int_equal(report.replayed, 1);
    ledger_free(ledger);
}

static void test_a_replay_goes_on_from_a_batch(void **state)
{
    struct place *p = *state;
    struct recover_report report = {0};
    struct store *mem = NULL;
    struct ledger *ledger = ledger_new();
    size_t count = p->world.entry_count;
    assert_true(pl_is_ok(mem_open(&mem)));
    log_append(mem, p->world.entry, 4);
    assert_true(pl_is_ok(recover_replay(mem, 1, ledger, &report)));
    assert_int_equal(report.replayed, 4);
    log_append(mem, NULL, 0); /* a barrier */
    log_append(mem, p->world.entry + 4, count - 4);
    assert_true(pl_is_ok(recover_replay(mem, 2, ledger, &report)));
    assert_int_equal(report.replayed, count);
    assert_int_equal(report.batches, 3);
    assert_equal_state(ledger, p->world.ledger);
    ledger_free(ledger);
    store_close(mem);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(test_##name_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_empty_directory_is_an_empty_ledger),
        CASE(the_whole_log_is_replayed),
        CASE(a_snapshot_spares_what_it_knows),
        CASE(a_damaged_snapshot_is_ignored),
        CASE(the_older_snapshot_serves_when_the_newer_is_damaged),
        CASE(a_snapshot_of_another_history_is_ignored),
        CASE(a_snapshot_that_lies_about_its_seq_is_ignored),
        CASE(a_snapshot_newer_than_the_log_is_ignored),
        CASE(a_log_with_a_repeated_entry_is_corrupt),
        CASE(a_log_with_a_slot_too_many_is_corrupt),
        CASE(a_broken_rule_after_a_snapshot_is_corrupt_too),
        CASE(bytes_that_are_no_entry_are_corrupt),
        CASE(a_torn_tail_is_told_and_kept),
        CASE(a_damaged_log_is_corrupt_and_says_where),
        CASE(a_log_of_another_ledger_is_refused),
        CASE(a_missing_directory_is_told),
        CASE(the_state_at_the_head_of_an_open_store),
        CASE(a_replay_goes_on_from_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
