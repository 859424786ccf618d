/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a replay ends in the same state, or names the same entry as wrong in the same words, with
 * one thread and with two, however the log is cut into batches.
 */
#include "../ledger/desk.h"
#include "../ledger/storm.h"
#include "common/buf.h"
#include "common/check.h"
#include "server/replay.h"

enum { STEPS = 9000, BODY_MAX = 1 << 20 };

struct log {
    struct world world;
    uint8_t *body; /* of the batch at hand */
};

static struct log the;

static int setup(void **state)
{
    (void)state;
    storm_over(&the.world, 11, STEPS);
    the.body = malloc(BODY_MAX);
    /* the second thread has begun long before the end */
    return the.world.entry_count > 2 * REPLAY_ALONE_ENTRIES && the.body != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    world_fini(&the.world);
    free(the.body);
    return 0;
}

/* Of any world: entries first..last (from 0) as batch `number`; its hash is its number. */
static void feed_of(const struct world *world, struct replay *replay, uint64_t number, size_t first,
                    size_t last)
{
    struct store_batch batch = {.number = number, .first_seq = first + 1};
    size_t len = 0;
    for (size_t i = first; i <= last; i++) {
        struct pl_slice entry = world->entry[i];
        assert_true(len + 4 + entry.len <= BODY_MAX);
        pl_put_le32(the.body + len, (uint32_t)entry.len);
        memcpy(the.body + len + 4, entry.data, entry.len);
        len += 4 + entry.len;
        batch.count++;
    }
    batch.hash[0] = (uint8_t)number;
    batch.body = pl_slice(the.body, len);
    assert_true(pl_is_ok(replay_batch(replay, &batch)));
}

static void feed(struct replay *replay, uint64_t number, size_t first, size_t last)
{
    feed_of(&the.world, replay, number, first, last);
}

/* All of the log but the entry `without`, `each` entries a batch. */
static struct pl_status run(struct ledger *ledger, const struct replay_options *options,
                            size_t each, size_t without, struct replay_report *ret)
{
    struct replay *replay = replay_new(ledger, options);
    uint64_t number = 0;
    for (size_t at = 0; at < the.world.entry_count; at += each) {
        size_t last = at + each < the.world.entry_count ? at + each - 1 : the.world.entry_count - 1;
        if (without < at || without > last) {
            feed(replay, ++number, at, last);
            continue;
        }
        if (without > at)
            feed(replay, ++number, at, without - 1);
        if (without < last)
            feed(replay, ++number, without + 1, last);
    }
    return replay_finish(replay, ret);
}

static void test_one_thread_and_two_give_the_same_state(void **state)
{
    (void)state;
    static const size_t cuts[] = {1, 7, 1000};
    for (size_t i = 0; i < 2 * PL_COUNT(cuts); i++) {
        struct replay_report report;
        struct ledger *ledger = ledger_new();
        struct replay_options options = {.alone = i % 2 == 0};
        assert_true(pl_is_ok(run(ledger, &options, cuts[i / 2], SIZE_MAX, &report)));
        assert_int_equal(report.replayed, the.world.entry_count);
        assert_int_equal(report.batches, (the.world.entry_count + cuts[i / 2] - 1) / cuts[i / 2]);
        assert_string_equal(report.message, "");
        assert_same_state(the.world.ledger, ledger);
        ledger_free(ledger);
    }
}

static void test_the_entry_that_does_not_follow_is_named(void **state)
{
    (void)state;
    const size_t without[] = {0, 50, REPLAY_ALONE_ENTRIES, the.world.entry_count - 3};
    for (size_t i = 0; i < 2 * PL_COUNT(without); i++) {
        struct replay_report report;
        char expected[100];
        struct ledger *ledger = ledger_new();
        struct replay_options options = {.alone = i % 2 == 0};
        assert_int_equal(run(ledger, &options, 100, without[i / 2], &report).code, PL_E_CORRUPT);
        assert_int_equal(report.replayed, without[i / 2]);
        assert_int_equal(ledger_size(ledger), without[i / 2]);
        snprintf(expected, sizeof(expected), "entry %zu does not follow from", without[i / 2] + 1);
        assert_true(strncmp(report.message, expected, strlen(expected)) == 0);
        ledger_free(ledger);
    }
}

/* An entry that cannot be read counts after those before it, which the other thread may not have
 * come to yet. */
static void test_bytes_that_are_no_entry_are_named(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct replay_report report;
        struct ledger *ledger = ledger_new();
        struct replay *replay = replay_new(ledger, &(struct replay_options){.alone = i == 0});
        size_t bad = 6600; /* of whole hundreds */
        for (size_t at = 0; at < bad; at += 100)
            feed(replay, at / 100 + 1, at, at + 99);
        struct pl_slice old = the.world.entry[bad];
        the.world.entry[bad] = pl_slice("\x0A\xFF", 2);
        feed(replay, bad / 100 + 1, bad, bad + 1);
        the.world.entry[bad] = old;
        feed(replay, bad / 100 + 2, bad, bad + 50); /* too late */
        assert_int_equal(replay_finish(replay, &report).code, PL_E_CORRUPT);
        assert_int_equal(report.replayed, bad);
        assert_non_null(strstr(report.message, "entry 6601 does not follow"));
        ledger_free(ledger);
    }
}

static void test_a_body_that_does_not_add_up(void **state)
{
    (void)state;
    struct replay_report report;
    struct ledger *ledger = ledger_new();
    struct replay *replay = replay_new(ledger, &(struct replay_options){.alone = false});
    feed(replay, 1, 0, 9);
    struct store_batch batch = {.number = 2, .count = 1, .body = pl_slice("\x09\0\0\0?", 5)};
    assert_true(pl_is_ok(replay_batch(replay, &batch)));
    assert_int_equal(replay_finish(replay, &report).code, PL_E_CORRUPT);
    assert_int_equal(report.replayed, 10);
    ledger_free(ledger);
}

/* --- commands that are larger than an entry --- */

enum { LARGE = 1900 };

static void adopt_account(struct world *world)
{
    static uint8_t sha256[32] = {50};
    Pledged__V1__PolicyAccount account = PLEDGED__V1__POLICY_ACCOUNT__INIT, *list[] = {&account};
    Pledged__V1__PolicyAdopted policy = PLEDGED__V1__POLICY_ADOPTED__INIT;
    struct ledger_start start = {.policy = &policy};
    struct ledger_decision decision;
    policy.sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    policy.rules = LEDGER_RULES;
    account.account = (char *)(uintptr_t) "CHF01";
    account.iban = (char *)(uintptr_t)DESK_ACCOUNT;
    account.currency = (char *)(uintptr_t) "CHF";
    policy.n_account = 1;
    policy.account = list;
    ledger_decide_start(world->ledger, &start, world->now_us, &world->arena, &decision);
    assert_int_equal(decision.entry_count, 1);
    world_apply(world, &decision);
}

/* The log ends with an import that goes on in further entries; *ret_first: its first entry. */
static void large_world(struct world *world, size_t *ret_first)
{
    static Pledged__V1__Movement movement[LARGE];
    static char ref[LARGE][32];
    desk_ready(world, 16000000);
    adopt_account(world);
    *ret_first = world->entry_count;
    for (size_t i = 0; i < LARGE; i++) {
        (void)snprintf(ref[i], sizeof(ref[i]), "A-LONGER-REFERENCE-%zu", i);
        a_movement(&movement[i], PLEDGED__V1__MOVEMENT_KIND__MOVEMENT_KIND_PAYMENT, 1 + (int64_t)i,
                   ref[i]);
    }
    give_bank(world, "A", PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT, movement, LARGE);
    assert_accepted(world);
}

/* What is `cut` entries from the start of the command ends a batch. */
static void test_a_batch_does_not_end_inside_of_a_command(void **state)
{
    (void)state;
    struct world w;
    size_t first, parts = 0;
    large_world(&w, &first);
    while (world_entry(&w, first + 1 + parts)->fact_case == FACT(COMMAND_CONTINUED))
        parts++;
    assert_true(parts > 1);
    for (size_t cut = 0; cut <= parts + 1; cut++) {
        struct replay_report report;
        char expected[100];
        struct ledger *ledger = ledger_new();
        struct replay *replay = replay_new(ledger, &(struct replay_options){.alone = cut % 2 == 0});
        feed_of(&w, replay, 1, 0, first + cut - 1);
        feed_of(&w, replay, 2, first + cut, w.entry_count - 1);
        struct pl_status status = replay_finish(replay, &report);
        bool whole = cut == 0 || cut > parts;
        assert_int_equal(status.code, whole ? PL_E_OK : PL_E_CORRUPT);
        assert_int_equal(report.replayed, whole ? w.entry_count : first + cut);
        snprintf(expected, sizeof(expected), "entry %zu is the last of its batch", first + cut);
        assert_int_equal(strncmp(report.message, expected, strlen(expected)) == 0, !whole);
        ledger_free(ledger);
    }
    world_fini(&w);
}

/* The rest of a command is not there, or not all of it, or something stands in between. */
static void test_a_command_that_is_not_whole_is_damage(void **state)
{
    (void)state;
    struct world w;
    size_t first;
    large_world(&w, &first);
    for (size_t without = first + 1; without < first + 3; without++) {
        struct replay_report report;
        char expected[100];
        struct ledger *ledger = ledger_new();
        struct replay *replay = replay_new(ledger, &(struct replay_options){.alone = true});
        struct pl_slice kept = w.entry[without];
        Pledged__V1__Entry *put = world_entry(&w, without);
        uint8_t bytes[256];
        put->fact_case = FACT(POLICY_ADOPTED);
        put->policy_adopted = world_entry(&w, 2)->policy_adopted;
        put->request_id.len = put->cause_seq = 0;
        assert_true(pledged__v1__entry__get_packed_size(put) <= sizeof(bytes));
        w.entry[without] = pl_slice(bytes, pledged__v1__entry__pack(put, bytes));
        feed_of(&w, replay, 1, 0, w.entry_count - 1);
        w.entry[without] = kept;
        assert_int_equal(replay_finish(replay, &report).code, PL_E_CORRUPT);
        assert_int_equal(report.replayed, without);
        snprintf(expected, sizeof(expected), "entry %zu does not follow from", without + 1);
        assert_true(strncmp(report.message, expected, strlen(expected)) == 0);
        assert_non_null(strstr(report.message, "where the rest of a command should be"));
        ledger_free(ledger);
    }
    world_fini(&w);
}

/* It is no damage, and nobody is sent to a backup. */
static void test_an_entry_of_a_newer_version_is_told_as_such(void **state)
{
    (void)state;
    struct replay_report report;
    struct ledger *ledger = ledger_new();
    struct replay *replay = replay_new(ledger, &(struct replay_options){.alone = true});
    Pledged__V1__Entry *e = world_entry(&the.world, 10);
    struct pl_slice old = the.world.entry[10];
    uint8_t bytes[4096];
    e->fact_case = FACT(_NOT_SET);
    assert_true(pledged__v1__entry__get_packed_size(e) + 3 <= sizeof(bytes));
    size_t len = pledged__v1__entry__pack(e, bytes);
    memcpy(bytes + len, "\xA2\x38\x00", 3); /* field 900, of no bytes */
    the.world.entry[10] = pl_slice(bytes, len + 3);
    feed(replay, 1, 0, 19);
    the.world.entry[10] = old;
    assert_int_equal(replay_finish(replay, &report).code, PL_E_UNIMPLEMENTED);
    assert_int_equal(report.replayed, 10);
    assert_non_null(strstr(report.message, "entry 11 was written by a newer version"));
    assert_null(strstr(report.message, "damaged"));
    ledger_free(ledger);
}

/* A fact of a known kind with a field that is not known, at any depth, may mean something else than
 * what can be read of it. */
static void test_a_field_of_a_newer_version_is_not_read_past(void **state)
{
    (void)state;
    enum { FIELD_BYTES = 3 };
    static const char field[] = "\xA2\x38\x00"; /* number 900, of no bytes */
    for (int inside = 0; inside < 3; inside++) {
        struct replay_report report;
        struct ledger *ledger = ledger_new();
        struct replay *replay = replay_new(ledger, &(struct replay_options){.alone = true});
        struct pl_slice old = the.world.entry[10];
        Pledged__V1__Entry *e = world_entry(&the.world, 10);
        ProtobufCMessageUnknownField unknown = {.tag = 900,
                                                .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
                                                .len = 1,
                                                .data = (uint8_t *)(uintptr_t)(field + 2)};
        /* in the entry, in its fact, in who acted */
        ProtobufCMessage *places[] = {&e->base, (ProtobufCMessage *)e->ledger_created,
                                      &e->actor->base};
        uint8_t bytes[4096];
        places[inside]->unknown_fields = &unknown;
        places[inside]->n_unknown_fields = 1;
        assert_true(pledged__v1__entry__get_packed_size(e) <= sizeof(bytes));
        the.world.entry[10] = pl_slice(bytes, pledged__v1__entry__pack(e, bytes));
        assert_true(the.world.entry[10].len >= old.len + FIELD_BYTES);
        feed(replay, 1, 0, 19);
        the.world.entry[10] = old;
        assert_int_equal(replay_finish(replay, &report).code, PL_E_UNIMPLEMENTED);
        assert_int_equal(report.replayed, 10);
        assert_non_null(strstr(report.message, "entry 11 was written by a newer version"));
        assert_non_null(
            strstr(report.message, "(a field or a number that this version does not know)"));
        assert_int_equal(ledger_size(ledger), 10);
        ledger_free(ledger);
    }
}

/* So may a number that has no name here yet: of who acted, of what was done. */
static void test_a_number_of_a_newer_version_is_no_damage(void **state)
{
    (void)state;
    for (int inside = 0; inside < 2; inside++) {
        struct replay_report report;
        struct ledger *ledger = ledger_new();
        struct replay *replay = replay_new(ledger, &(struct replay_options){.alone = true});
        size_t at = 10;
        while (inside == 1 &&
               world_entry(&the.world, at)->fact_case != PLEDGED__V1__ENTRY__FACT_CONTRIBUTOR_ADDED)
            at++;
        struct pl_slice old = the.world.entry[at];
        Pledged__V1__Entry *e = world_entry(&the.world, at);
        uint8_t bytes[4096];
        if (inside == 0)
            e->actor->role = (Pledged__V1__Role)77;
        else
            e->contributor_added->kind = (Pledged__V1__ContributorKind)77;
        assert_true(pledged__v1__entry__get_packed_size(e) <= sizeof(bytes));
        the.world.entry[at] = pl_slice(bytes, pledged__v1__entry__pack(e, bytes));
        feed(replay, 1, 0, at);
        the.world.entry[at] = old;
        assert_int_equal(replay_finish(replay, &report).code, PL_E_UNIMPLEMENTED);
        assert_non_null(strstr(report.message, "was written by a newer version"));
        assert_null(strstr(report.message, "damaged"));
        assert_int_equal(ledger_size(ledger), at);
        ledger_free(ledger);
    }
}

static void test_what_a_snapshot_has_is_passed_over(void **state)
{
    (void)state;
    struct replay_report report;
    struct replay_options options = {.vouched_batch = 3, .vouched_hash = {3}};
    struct ledger *ledger = world_reloaded(the.world.ledger);
    uint64_t size = ledger_size(ledger);
    struct replay *replay = replay_new(ledger, &options);
    feed(replay, 2, 0, 9); /* would not follow */
    feed(replay, 3, 10, 19);
    assert_true(pl_is_ok(replay_finish(replay, &report)));
    assert_int_equal(report.replayed, 0);
    assert_int_equal(ledger_size(ledger), size);

    replay = replay_new(ledger, &options); /* another batch has its number */
    options.vouched_hash[0] = 4;
    assert_int_equal(replay_finish(replay, &report).code, PL_E_STALE); /* it did not come */
    replay = replay_new(ledger, &options);
    feed(replay, 3, 10, 19);
    feed(replay, 4, 20, 29);
    assert_int_equal(replay_finish(replay, &report).code, PL_E_STALE);
    assert_int_equal(report.replayed, 0);
    assert_int_equal(ledger_size(ledger), size);
    ledger_free(ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_and_two_give_the_same_state),
        cmocka_unit_test(test_the_entry_that_does_not_follow_is_named),
        cmocka_unit_test(test_bytes_that_are_no_entry_are_named),
        cmocka_unit_test(test_a_body_that_does_not_add_up),
        cmocka_unit_test(test_a_batch_does_not_end_inside_of_a_command),
        cmocka_unit_test(test_a_command_that_is_not_whole_is_damage),
        cmocka_unit_test(test_an_entry_of_a_newer_version_is_told_as_such),
        cmocka_unit_test(test_a_field_of_a_newer_version_is_not_read_past),
        cmocka_unit_test(test_a_number_of_a_newer_version_is_no_damage),
        cmocka_unit_test(test_what_a_snapshot_has_is_passed_over),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
