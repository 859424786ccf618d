/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a month is handed to the books once, in order and when it is closed, up to an entry that is
 * there.
 */
#include "server/ledger/postings.h"
#include "story.h"

static void export_month(struct world *w, const char *month, uint64_t to_seq)
{
    SAY(w, ExportPostings, EXPORT_POSTINGS, export_postings, body.period = S_(month);
        body.to_seq = to_seq; body.sha256 = STORY_SHA256; body.count = 2);
}

static void test_months(void **state)
{
    (void)state;
    assert_int_equal(postings_month("2026-02"), 2026 * 12 + 1);
    assert_int_equal(postings_month("2026-13"), -1);
    assert_int_equal(postings_month("2026-2"), -1);
    assert_int_equal(postings_month("2026-02-01"), -1);
    assert_int_equal(postings_month(""), -1);
}

static void test_in_order_once_and_when_it_is_closed(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1); /* in February 2026 */
    uint64_t size = ledger_size(w.ledger);
    export_month(&w, "2026-02", 3);
    assert_refused(&w, FIELD_INVALID);
    export_month(&w, "2026-01", size + 100);
    assert_refused(&w, ENTRY_UNKNOWN);
    export_month(&w, "2025-12", 5);
    assert_refused(&w, PERIOD_OPEN);
    assert_string_equal(w.refusal->field, "export_postings.period");
    story_close(&w, true, "2025-12", 3);
    assert_accepted(&w);
    uint64_t closing = w.receipt->seq;
    export_month(&w, "2025-12", closing - 1); /* which did not see the closing */
    assert_refused(&w, PERIOD_OPEN);
    assert_string_equal(w.refusal->field, "export_postings.to_seq");
    assert_int_equal(w.refusal->deciding_seq, closing);
    export_month(&w, "2025-12", closing);
    assert_accepted(&w);
    uint64_t exported = w.receipt->seq;
    export_month(&w, "2025-12", closing);
    assert_refused(&w, EXPORTED_ALREADY);
    assert_int_equal(w.refusal->deciding_seq, exported);
    export_month(&w, "2025-11", 6);
    assert_refused(&w, EXPORTED_ALREADY);
    export_month(&w, "2026-01", 4); /* looks at less than the one before */
    assert_refused(&w, ENTRY_UNKNOWN);
    export_month(&w, "2026-01", exported);
    assert_refused(&w, PERIOD_OPEN);
    assert_int_equal(w.refusal->deciding_seq, closing);
    story_close(&w, true, "2026-01", 5);
    uint64_t to_seq = w.receipt->seq;
    export_month(&w, "2026-01", to_seq);
    assert_accepted(&w);
    struct ledger *again = world_reloaded(w.ledger);
    assert_same_state(w.ledger, again);
    assert_int_equal(again->exported_to, to_seq);
    ledger_free(again);
    world_fini(&w);
}

static void test_replay_refuses_what_was_not_decided(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    story_close(&w, true, "2025-12", 3);
    uint64_t closing = w.receipt->seq;
    export_month(&w, "2025-12", closing);
    Pledged__V1__Entry *entry = world_last(&w);
    world_follows(&w, entry, "");
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT); /* the same month */
    entry->postings_exported->period = S_("2026-01");
    w.ledger->policy.message->rules = 4;
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT); /* it is open */
    w.ledger->policy.message->rules = 3; /* which did not ask for that */
    assert_true(pl_is_ok(ledger_check(w.ledger, entry)));
    story_close(&w, true, "2026-01", 3);
    assert_accepted(&w);
    world_follows(&w, entry, "");
    w.ledger->policy.message->rules = 4;
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT); /* before its closing */
    entry->postings_exported->to_seq = closing = w.receipt->seq;
    assert_true(pl_is_ok(ledger_check(w.ledger, entry)));
    entry->postings_exported->to_seq = 4;
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT);
    entry->postings_exported->to_seq = entry->seq;
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT);
    entry->postings_exported->to_seq = closing;
    entry->postings_exported->sha256.len = 31;
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_months),
        cmocka_unit_test(test_in_order_once_and_when_it_is_closed),
        cmocka_unit_test(test_replay_refuses_what_was_not_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
