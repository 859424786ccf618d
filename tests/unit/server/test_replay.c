/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a replay ends in the same state, or names the same entry as wrong in the same words, with
 * one thread and with two, however the log is cut into batches.
 */
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

/* Entries first..last (from 0) as batch `number`; its hash is its number. */
static void feed(struct replay *replay, uint64_t number, size_t first, size_t last)
{
    struct store_batch batch = {.number = number, .first_seq = first + 1};
    size_t len = 0;
    for (size_t i = first; i <= last; i++) {
        struct pl_slice entry = the.world.entry[i];
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
        cmocka_unit_test(test_what_a_snapshot_has_is_passed_over),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
