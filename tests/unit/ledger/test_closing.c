/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a commitment is closed only when nothing of it is open, and the refusal says what is.
 */
#include "desk.h"
#include "server/ledger/closing.h"

static const char *arg(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->refusal->n_arg; i++) {
        if (strcmp(w->refusal->arg[i]->name, name) == 0)
            return w->refusal->arg[i]->value;
    }
    return NULL;
}

static void test_says_what_is_open(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    close_pledge(&w, "P000002");
    assert_refused(&w, STATE_WRONG);
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS);
    assert_string_equal(arg(&w, "outstanding_minor"), "5000000");
    pay(&w, "P000001", 6000000, "CHF", "");
    pay(&w, "P000001", 7, "USD", "");
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS);
    assert_null(arg(&w, "outstanding_minor"));
    assert_string_equal(arg(&w, "unallocated_minor"), "1000000");
    assert_string_equal(arg(&w, "payments_in_other_currency"), "1");
    refund(&w, "B000002", 0, NULL);
    refund(&w, "B000003", 0, NULL);
    close_pledge(&w, "P000001");
    assert_string_equal(arg(&w, "refunds"), "2");
    refund_paid(&w, "R000001", 1000000, "CHF", "");
    refund_paid(&w, "R000002", 7, "USD", "");
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    assert_int_equal(w.ledger->pledge[0].stage, STAGE(CLOSED));
    assert_int_equal(w.receipt->outcome->stage, STAGE(CLOSED));
    assert_int_equal(w.ledger->tier[1].closed, 1); /* it keeps its place */
    assert_balanced(&w);
    close_pledge(&w, "P000001");
    assert_refused(&w, STATE_WRONG);
    pay(&w, "P000001", 5, "CHF", ""); /* never refused, never counted as paid for it */
    assert_accepted(&w);
    assert_balanced(&w);
    world_fini(&w);
}

static void test_written_off_is_done(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 10000000);
    write_off(&w, "P000001", 0, NULL);
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    assert_balanced(&w);
    struct ledger *before = world_before(&w, w.entry_count - 2); /* before the write-off */
    Pledged__V1__Entry *entry = world_last(&w);
    assert_false(pl_is_ok(closing_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

/* Each of them by itself is enough. */
static void test_one_open_item_is_enough(void **state)
{
    (void)state;
    struct world w;
    desk_ready(&w, 15000000);
    pay(&w, "P000001", 100, "CHF", "");
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS); /* free money */
    refund(&w, "B000002", 0, NULL);
    assert_accepted(&w);
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS); /* a refund that is ordered */
    refund_paid(&w, "R000001", 100, "CHF", "");
    pay(&w, "P000001", 100, "USD", "");
    close_pledge(&w, "P000001");
    assert_refused(&w, OPEN_ITEMS); /* money in another currency */
    refund(&w, "B000004", 0, NULL);
    refund_paid(&w, "R000002", 100, "USD", "");
    close_pledge(&w, "P000001");
    assert_accepted(&w);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_what_is_open),
        cmocka_unit_test(test_written_off_is_done),
        cmocka_unit_test(test_one_open_item_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
