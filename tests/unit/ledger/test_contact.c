/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the ledger knows a person by number and commitment alone; each one is erased once, none
 * under a legal hold, and a saved state remembers all of it.
 */
#include "desk.h"
#include "server/ledger/contact.h"

static void record(struct world *world, const char *contributor, uint8_t byte)
{
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    COMMAND_INIT_(command);
    Pledged__V1__RecordContact body = PLEDGED__V1__RECORD_CONTACT__INIT;
    memset(commitment, byte, sizeof(commitment));
    body.contributor = (char *)(uintptr_t)contributor;
    body.commitment = (ProtobufCBinaryData){sizeof(commitment), commitment};
    command.command_case = COMMAND(RECORD_CONTACT);
    command.record_contact = &body;
    give(world, &command);
}

static enum ledger_erasable look(const struct world *world, uint8_t byte)
{
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    memset(commitment, byte, sizeof(commitment));
    return ledger_erasable(world->ledger, commitment);
}

static void two_persons(struct world *world)
{
    world_init(world);
    add_contributor(world, "One");
    add_contributor(world, "Two");
    record(world, "C000001", 1);
    record(world, "C000001", 2);
    record(world, "C000002", 3);
}

static void test_numbers_ascend_and_commitments_are_unique(void **state)
{
    (void)state;
    struct world w;
    two_persons(&w);
    assert_string_equal(w.receipt->outcome->contact, "K000003");
    record(&w, "C000002", 1);
    assert_refused(&w, FIELD_INVALID);
    record(&w, "C000009", 4);
    assert_refused(&w, CONTRIBUTOR_UNKNOWN);
    assert_int_equal(look(&w, 4), LEDGER_ERASABLE_UNKNOWN);
    assert_int_equal(look(&w, 3), LEDGER_ERASABLE_LIVE);
    assert_null(ledger_erasable_at(w.ledger, 3));
    assert_int_equal(ledger_erasable_at(w.ledger, 2)[0], 3);
    world_fini(&w);
}

static void test_one_is_erased_once(void **state)
{
    (void)state;
    struct world w;
    two_persons(&w);
    erase(&w, "", "K000001", "");
    assert_accepted(&w);
    uint64_t seq = w.receipt->seq;
    assert_int_equal(w.receipt->outcome->n_erased, 1);
    assert_int_equal(w.receipt->outcome->erased[0].data[0], 1);
    assert_int_equal(look(&w, 1), LEDGER_ERASABLE_ERASED);
    assert_int_equal(look(&w, 2), LEDGER_ERASABLE_LIVE);
    erase(&w, "", "K000001", "");
    assert_refused(&w, CONTACT_UNKNOWN);
    assert_int_equal(w.code, PL_E_NOT_FOUND);
    assert_int_equal(w.refusal->deciding_seq, seq);
    record(&w, "C000001", 1); /* the same record again would say who was erased */
    assert_refused(&w, FIELD_INVALID);
    world_fini(&w);
}

static void test_all_of_one_contributor(void **state)
{
    (void)state;
    struct world w;
    two_persons(&w);
    erase(&w, "C000001", "", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 2);
    assert_int_equal(look(&w, 3), LEDGER_ERASABLE_LIVE);
    erase(&w, "C000001", "", "");
    assert_refused(&w, CONTACT_UNKNOWN);
    erase(&w, "C000007", "", "");
    assert_refused(&w, CONTRIBUTOR_UNKNOWN);
    erase(&w, "C000001", "K000001", "");
    assert_int_equal(w.answer, LEDGER_INVALID);
    world_fini(&w);
}

static void test_a_legal_hold_protects(void **state)
{
    (void)state;
    struct world w;
    two_persons(&w);
    legal_hold(&w, "C000001", false);
    assert_refused(&w, STATE_WRONG);
    legal_hold(&w, "C000001", true);
    assert_accepted(&w);
    uint64_t seq = w.receipt->seq;
    erase(&w, "C000001", "", "");
    assert_refused(&w, LEGAL_HOLD);
    assert_int_equal(w.code, PL_E_REFUSED);
    assert_int_equal(w.refusal->deciding_seq, seq);
    erase(&w, "", "K000002", "");
    assert_refused(&w, LEGAL_HOLD);
    erase(&w, "", "K000003", ""); /* of somebody else */
    assert_accepted(&w);
    legal_hold(&w, "C000001", false);
    erase(&w, "", "K000002", "");
    assert_accepted(&w);
    world_fini(&w);
}

static void test_no_more_than_can_be_erased_at_once(void **state)
{
    (void)state;
    struct world w;
    uint8_t commitment[LEDGER_COMMITMENT_BYTES] = {0};
    world_init(&w);
    add_contributor(&w, "Many");
    for (unsigned i = 0; i <= 256; i++) {
        COMMAND_INIT_(command);
        Pledged__V1__RecordContact body = PLEDGED__V1__RECORD_CONTACT__INIT;
        commitment[0] = (uint8_t)i;
        commitment[1] = (uint8_t)(i >> 8);
        body.contributor = (char *)"C000001";
        body.commitment = (ProtobufCBinaryData){sizeof(commitment), commitment};
        command.command_case = COMMAND(RECORD_CONTACT);
        command.record_contact = &body;
        give(&w, &command);
    }
    assert_refused(&w, TOO_BIG);
    erase(&w, "C000001", "", "");
    assert_accepted(&w);
    assert_int_equal(w.receipt->outcome->n_erased, 256);
    world_fini(&w);
}

/* More than the rows begin with room for, so that they move while they are loaded. */
static void test_a_saved_state_remembers_all_of_it(void **state)
{
    (void)state;
    struct world w;
    two_persons(&w);
    for (uint8_t i = 4; i < 90; i++) {
        record(&w, i % 2 == 0 ? "C000001" : "C000002", i);
        assert_accepted(&w);
    }
    erase(&w, "", "K000002", "");
    assert_accepted(&w);
    erase(&w, "", "K000050", "");
    assert_accepted(&w);
    struct ledger *again = world_reloaded(w.ledger);
    assert_same_state(w.ledger, again);
    assert_int_equal(again->contact_count, 89);
    for (size_t i = 0; i < 89; i++) {
        assert_memory_equal(ledger_erasable_at(again, i), ledger_erasable_at(w.ledger, i),
                            LEDGER_COMMITMENT_BYTES);
        assert_int_equal(again->erasable[i].erased_seq, w.ledger->erasable[i].erased_seq);
    }
    assert_int_equal(again->erasable[1].erased_seq != 0, 1);
    ledger_free(again);
    world_fini(&w);
}

static void wrong(struct world *world, const char *contact, uint8_t byte)
{
    uint8_t commitment[LEDGER_COMMITMENT_BYTES];
    char *name = (char *)(uintptr_t)contact;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    Pledged__V1__SubjectErased fact = PLEDGED__V1__SUBJECT_ERASED__INIT;
    ProtobufCBinaryData data = {sizeof(commitment), commitment};
    memset(commitment, byte, sizeof(commitment));
    fact.contributor = (char *)"C000001";
    fact.contact = &name;
    fact.n_contact = fact.n_commitment = 1;
    fact.commitment = &data;
    entry.fact_case = FACT(SUBJECT_ERASED);
    entry.subject_erased = &fact;
    assert_int_equal(contact_check(world->ledger, &entry).code, PL_E_CORRUPT);
}

static void test_a_log_that_erases_somebody_else_is_corrupt(void **state)
{
    (void)state;
    struct world w;
    two_persons(&w);
    wrong(&w, "K000001", 2);
    wrong(&w, "K000003", 3);
    wrong(&w, "K000009", 1);
    wrong(&w, "x", 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_ascend_and_commitments_are_unique),
        cmocka_unit_test(test_one_is_erased_once),
        cmocka_unit_test(test_all_of_one_contributor),
        cmocka_unit_test(test_a_legal_hold_protects),
        cmocka_unit_test(test_no_more_than_can_be_erased_at_once),
        cmocka_unit_test(test_a_saved_state_remembers_all_of_it),
        cmocka_unit_test(test_a_log_that_erases_somebody_else_is_corrupt),
    };
    return cmocka_run_group_tests_name("contact", tests, NULL, NULL);
}
