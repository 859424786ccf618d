/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the log in memory keeps the same promises as the one on disk, and a room that can be set.
 */
#include "conformance.h"

static int setup_mem(void **state)
{
    struct store *store = NULL;
    assert_true(pl_is_ok(mem_open(&store)));
    return driver_setup(state, store, NULL);
}

static void test_room_is_what_was_set(void **state)
{
    struct driver *d = *state;
    struct store_batch batch;
    mem_set_room(d->store, 100);
    next_batch(d->store, 1, 200, &d->body, &batch);
    assert_true(pl_is_ok(store_has_room(d->store, 100)));
    assert_int_equal(store_has_room(d->store, 101).code, PL_E_NO_SPACE);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_NO_SPACE);
    assert_int_equal(count_batches(d->store), 0);
    mem_set_room(d->store, 204);
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE);
    assert_int_equal(store_has_room(d->store, 1).code, PL_E_NO_SPACE);    /* used up */
    assert_int_equal(append_wait(d->store, &batch, true), STORE_DURABLE); /* needs none */
}

static struct pl_status keep_body(void *arg, const struct store_batch *batch)
{
    *(uint8_t **)arg = (uint8_t *)(uintptr_t)batch->body.data;
    return pl_ok();
}

/* Memory is not promised to stay as it was: what is read is looked at again. */
static void test_a_batch_that_changed_is_told(void **state)
{
    struct driver *d = *state;
    uint8_t *body = NULL;
    append_some(d->store, 1, 1, 20);
    assert_true(pl_is_ok(store_read(d->store, 1, keep_body, &body)));
    body[10] ^= 1;
    assert_int_equal(store_read(d->store, 1, keep_body, &body).code, PL_E_CORRUPT);
    body[10] ^= 1;
    assert_true(pl_is_ok(store_read(d->store, 1, keep_body, &body)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFORMANCE(setup_mem),
        CONFORMS(test_room_is_what_was_set, setup_mem),
        CONFORMS(test_a_batch_that_changed_is_told, setup_mem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
