/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: numbers of documents have no gaps, money is receipted once, what a receipt names is not
 * undone by a clerk, and a saved state is the same.
 */
#include "common/check.h"
#include "desk.h"
#include "server/ledger/receipt.h"

static uint8_t sha256[32] = {1, 2, 3};

static void receipt(struct world *w, const char *pledge, const char *number, size_t count,
                    const uint64_t *seqs)
{
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__IssueReceipt body = PLEDGED__V1__ISSUE_RECEIPT__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    body.number = (char *)(uintptr_t)number;
    body.document_sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    body.n_allocation_seq = count;
    body.allocation_seq = (uint64_t *)(uintptr_t)seqs;
    command.command_case = COMMAND(ISSUE_RECEIPT);
    command.issue_receipt = &body;
    give(w, &command);
}

static void certificate(struct world *w, const char *pledge, const char *number)
{
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__IssueCertificate body = PLEDGED__V1__ISSUE_CERTIFICATE__INIT;
    body.pledge = (char *)(uintptr_t)pledge;
    body.number = (char *)(uintptr_t)number;
    body.document_sha256 = (ProtobufCBinaryData){sizeof(sha256), sha256};
    command.command_case = COMMAND(ISSUE_CERTIFICATE);
    command.issue_certificate = &body;
    give(w, &command);
}

static void assert_reloads(const struct world *w)
{
    struct ledger *again = world_reloaded(w->ledger);
    assert_same_state(w->ledger, again);
    for (size_t kind = 0; kind < STATE_DOCUMENT_KINDS; kind++) {
        const struct state_documents *a = &w->ledger->document[kind], *b = &again->document[kind];
        assert_int_equal(a->count, b->count);
        for (size_t i = 0; i < a->count; i++)
            assert_int_equal(a->row[i].undone, b->row[i].undone);
    }
    ledger_free(again);
}

/* P000001 with two payments of 50,000; *ret: the numbers of their allocations. */
static void ready(struct world *w, uint64_t ret[2])
{
    world_ready(w, 2);
    submit(w, NULL, "C000001", "duo", 0, NULL);
    submit(w, NULL, "C000002", "duo", 0, NULL);
    pay(w, "P000001", 5000000, "CHF", "BANK-1");
    ret[0] = w->receipt->seq + 1;
    pay(w, "P000001", 5000000, "CHF", "BANK-2");
    ret[1] = w->receipt->seq + 1;
}

static void test_what_came_in_is_receipted_once(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[2];
    ready(&w, seq);
    receipt(&w, "P000001", "Q000001", 2, seq);
    assert_accepted(&w);
    assert_string_equal(w.receipt->outcome->document, "Q000001");
    assert_int_equal(w.receipt->outcome->balance->minor, 5000000);
    const Pledged__V1__ReceiptIssued *fact = world_last(&w)->receipt_issued;
    assert_int_equal(fact->amount->minor, 10000000);
    assert_string_equal(fact->contributor, "C000001");
    assert_int_equal(fact->n_allocation_seq, 2);
    receipt(&w, "P000001", "Q000002", 2, seq);
    assert_refused(&w, NOTHING_RECEIVED);
    pay(&w, "P000001", 100, "CHF", "BANK-3");
    uint64_t third = w.receipt->seq + 1;
    receipt(&w, "P000001", "Q000002", 1, &third);
    assert_accepted(&w);
    assert_int_equal(world_last(&w)->receipt_issued->amount->minor, 100);
    assert_reloads(&w);
    world_fini(&w);
}

static void test_stale(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[2];
    ready(&w, seq);
    static const char *const numbers[] = {"Q000002", "Q000007"};
    for (size_t i = 0; i < 2; i++) {
        receipt(&w, "P000001", numbers[i], 2, seq);
        assert_refused(&w, NUMBER_STALE);
        assert_int_equal(w.code, PL_E_STALE);
        assert_string_equal(w.refusal->arg[0]->value, "Q000001");
    }
    receipt(&w, "P000001", "Q000001", 1, seq);
    assert_refused(&w, NUMBER_STALE);
    assert_string_equal(w.refusal->field, "issue_receipt.allocation_seq");
    uint64_t wrong[] = {seq[0], seq[1] + 1};
    receipt(&w, "P000001", "Q000001", 2, wrong);
    assert_refused(&w, NUMBER_STALE);
    /* money that is not the pledge's is not receipted by naming it */
    receipt(&w, "P000002", "Q000001", 2, seq);
    assert_refused(&w, NOTHING_RECEIVED);
    receipt(&w, "P000009", "Q000001", 2, seq);
    assert_refused(&w, PLEDGE_UNKNOWN);
    receipt(&w, "P000001", "Z000001", 2, seq);
    assert_int_equal(w.answer, LEDGER_INVALID);
    assert_string_equal(w.refusal->field, "issue_receipt.number");
    receipt(&w, "P000001", "Q000001", 2, seq);
    assert_accepted(&w);
    world_fini(&w);
}

static void test_a_receipt_guards_its_money(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[2];
    ready(&w, seq);
    receipt(&w, "P000001", "Q000001", 2, seq);
    assert_accepted(&w);
    uint64_t issued = w.receipt->seq;
    reverse(&w, seq[0]);
    assert_refused(&w, RECEIPT_ISSUED);
    assert_int_equal(w.refusal->deciding_seq, issued);
    assert_string_equal(w.refusal->arg[0]->value, "Q000001");
    reallocate(&w, seq[0], "P000002", 5, "CHF");
    assert_refused(&w, RECEIPT_ISSUED);
    assert_string_equal(w.refusal->field, "reallocate.seq");
    reverse(&w, seq[0] - 1); /* the whole payment */
    assert_refused(&w, RECEIPT_ISSUED);
    w.role = PLEDGED__V1__ROLE__ROLE_APPROVER;
    reverse(&w, seq[0]);
    assert_accepted(&w);
    w.role = 0;
    assert_int_equal(w.ledger->document[STATE_RECEIPT].row[0].undone, 5000000);
    assert_reloads(&w);
    /* what comes back is new money: it gets a new receipt */
    allocate(&w, "B000001", "P000001", 0, NULL, 0, NULL);
    uint64_t again = w.receipt->seq;
    receipt(&w, "P000001", "Q000002", 1, &again);
    assert_accepted(&w);
    world_fini(&w);
}

static void test_certificates(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[2];
    ready(&w, seq);
    certificate(&w, "P000001", "Z000001");
    assert_refused(&w, STATE_WRONG);
    commit(&w, "P000001");
    certificate(&w, "P000001", "Z000002");
    assert_refused(&w, NUMBER_STALE);
    certificate(&w, "P000001", "Z000001");
    assert_accepted(&w);
    const Pledged__V1__CertificateIssued *fact = world_last(&w)->certificate_issued;
    assert_string_equal(fact->tier, "duo");
    assert_int_equal(fact->amount->minor, 15000000);
    certificate(&w, "P000001", "Z000002"); /* a second copy has its own number */
    assert_accepted(&w);
    receipt(&w, "P000001", "Q000001", 2, seq); /* the kinds count apart */
    assert_accepted(&w);
    assert_reloads(&w);
    world_fini(&w);
}

/* A receipt lists at most so many; the oldest first, and the rest is for the next one. */
static void test_many_allocations(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[RECEIPT_ALLOCATIONS_MAX + 2];
    world_ready(&w, 1);
    submit(&w, NULL, "C000001", "duo", 0, NULL);
    for (size_t i = 0; i < PL_COUNT(seq); i++) {
        pay(&w, "P000001", 1, "CHF", "");
        seq[i] = w.receipt->seq + 1;
    }
    receipt(&w, "P000001", "Q000001", RECEIPT_ALLOCATIONS_MAX + 1, seq);
    assert_int_equal(w.answer, LEDGER_INVALID);
    receipt(&w, "P000001", "Q000001", RECEIPT_ALLOCATIONS_MAX, seq);
    assert_accepted(&w);
    receipt(&w, "P000001", "Q000002", 2, seq + RECEIPT_ALLOCATIONS_MAX);
    assert_accepted(&w);
    world_fini(&w);
}

/* Replay takes nothing that the rules would not have made. */
static void test_check(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[2];
    ready(&w, seq);
    receipt(&w, "P000001", "Q000001", 2, seq);
    commit(&w, "P000001");
    certificate(&w, "P000001", "Z000001");
    size_t places[] = {w.entry_count - 3, w.entry_count - 1};
    struct ledger *before = world_before(&w, places[0]);
    Pledged__V1__Entry *entry = world_entry(&w, places[0]);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    Pledged__V1__ReceiptIssued *fact = entry->receipt_issued, good = *fact;
    fact->number = (char *)(uintptr_t) "Q000002";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
    fact->contributor = (char *)(uintptr_t) "C000002";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
    fact->amount->minor++;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->amount->minor--;
    fact->document_sha256.len = 31;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
    fact->n_allocation_seq = 0;
    assert_false(pl_is_ok(ledger_check(before, entry)));
    *fact = good;
    fact->allocation_seq[1] = fact->allocation_seq[0];
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->allocation_seq[1] = seq[1] - 1; /* the payment itself */
    assert_false(pl_is_ok(ledger_check(before, entry)));
    fact->allocation_seq[1] = seq[1];
    assert_true(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    before = world_before(&w, places[1]);
    entry = world_entry(&w, places[1]);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->certificate_issued->amount->currency = (char *)(uintptr_t) "EUR";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

static void test_references(void **state)
{
    (void)state;
    struct world w;
    uint64_t seq[2];
    ready(&w, seq);
    size_t place = 0;
    while (world_entry(&w, place)->fact_case != FACT(PLEDGE_MADE))
        place++;
    Pledged__V1__Entry *entry = world_entry(&w, place);
    assert_string_equal(entry->pledge_made->reference, "RF85P000001");
    struct ledger *before = world_before(&w, place);
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->pledge_made->reference = (char *)(uintptr_t) ""; /* older ledgers have none */
    assert_true(pl_is_ok(ledger_check(before, entry)));
    entry->pledge_made->reference = (char *)(uintptr_t) "RF45P000042";
    assert_false(pl_is_ok(ledger_check(before, entry)));
    ledger_free(before);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_came_in_is_receipted_once),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_a_receipt_guards_its_money),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_many_allocations),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
