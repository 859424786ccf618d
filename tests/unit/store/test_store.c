/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what all drivers share: the hash of a batch covers every field, a body gives its entries or
 * is called damaged, the one rule of appending.
 */
#include "fixture.h"

static const uint8_t two_entries[] = {3, 0, 0, 0, 'a', 'b', 'c', 1, 0, 0, 0, 'd'};

static struct store_batch sealed(void)
{
    struct store_batch batch = {.number = 7,
                                .first_seq = 30,
                                .count = 2,
                                .epoch = 4,
                                .acked = 6,
                                .writer = "somebody",
                                .prev = "what was before",
                                .time_us = 1770000000000000,
                                .body = pl_slice(two_entries, sizeof(two_entries))};
    store_batch_seal(&batch);
    return batch;
}

static void test_the_hash_covers_every_field(void **state)
{
    (void)state;
    uint8_t body[sizeof(two_entries)];
    struct store_batch good = sealed();
    assert_true(store_batch_verify(&good));
    for (int field = 0; field < 11; field++) {
        struct store_batch batch = good;
        memcpy(body, two_entries, sizeof(body));
        batch.body = pl_slice(body, sizeof(body));
        assert_true(store_batch_verify(&batch)); /* the bytes count, not where they are */
        batch.number ^= field == 0;
        batch.first_seq ^= field == 1;
        batch.count ^= field == 2;
        batch.epoch ^= field == 3;
        batch.acked ^= field == 4;
        batch.time_us ^= field == 5;
        batch.writer[15] ^= field == 6;
        batch.prev[31] ^= field == 7;
        body[sizeof(body) - 1] ^= field == 8;
        batch.body.len -= field == 9;
        batch.hash[0] ^= field == 10;
        assert_false(store_batch_verify(&batch));
    }
}

static void test_a_body_gives_its_entries(void **state)
{
    (void)state;
    struct pl_slice body = pl_slice(two_entries, sizeof(two_entries)), entry;
    size_t cursor = 0;
    bool damaged = true;
    assert_true(store_body_next(body, &cursor, &entry, &damaged));
    assert_true(pl_slice_eq(entry, pl_slice_str("abc")));
    assert_true(store_body_next(body, &cursor, &entry, &damaged));
    assert_true(pl_slice_eq(entry, pl_slice_str("d")));
    assert_false(store_body_next(body, &cursor, &entry, &damaged));
    assert_false(damaged);
    cursor = 0;
    assert_false(store_body_next(pl_slice(two_entries, 0), &cursor, &entry, &damaged));
    assert_false(damaged);
}

static void test_a_body_that_does_not_add_up_is_damaged(void **state)
{
    (void)state;
    for (size_t len = 1; len < sizeof(two_entries); len++) {
        struct pl_slice entry;
        size_t cursor = 0;
        bool damaged = false;
        while (store_body_next(pl_slice(two_entries, len), &cursor, &entry, &damaged))
            assert_false(damaged);
        assert_int_equal(damaged, len != 7); /* one whole entry is a body too */
    }
    static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3};
    struct pl_slice entry;
    size_t cursor = 0;
    bool damaged = false;
    assert_false(store_body_next(pl_slice(huge, sizeof(huge)), &cursor, &entry, &damaged));
    assert_true(damaged);
}

static void test_the_rule(void **state)
{
    (void)state;
    struct store_batch batch = sealed();
    struct store_head head = {.batch = 6, .next_seq = 30, .epoch = 4};
    memcpy(head.hash, batch.prev, STORE_HASH_BYTES);
    assert_true(store_follows_head(&head, &batch));
    assert_false(store_is_head(&head, &batch));
    store_head_advance(&head, &batch);
    assert_int_equal(head.batch, 7);
    assert_int_equal(head.next_seq, 32);
    assert_int_equal(head.epoch, 4);
    assert_true(head.time_us == batch.time_us);
    assert_true(store_is_head(&head, &batch));
    assert_false(store_follows_head(&head, &batch));
    batch.acked++;
    store_batch_seal(&batch);
    assert_false(store_is_head(&head, &batch)); /* the same number is not enough */
}

static void test_nothing_can_be_closed(void **state)
{
    (void)state;
    store_close(NULL);
    store_reader_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_hash_covers_every_field),
        cmocka_unit_test(test_a_body_gives_its_entries),
        cmocka_unit_test(test_a_body_that_does_not_add_up_is_damaged),
        cmocka_unit_test(test_the_rule),
        cmocka_unit_test(test_nothing_can_be_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
