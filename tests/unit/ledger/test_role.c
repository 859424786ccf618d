/* SPDX-License-Identifier: Apache-2.0
 *
 * role: every role against every command, by a table written apart, and what older rules let be.
 */
#include "common/check.h"
#include "common/ids.h"
#include "fixture.h"
#include "server/ledger/ledger.h"

static void test_roles_and_commands(void **state)
{
    (void)state;
    static const char letters[] = "?prcuoad"; /* by role number */
    static const struct {
        Pledged__V1__Command__CommandCase command;
        const char *roles;
    } rows[] = {
        {PLEDGED__V1__COMMAND__COMMAND__NOT_SET, ""},
        {PLEDGED__V1__COMMAND__COMMAND_ADOPT_CATALOGUE, "a"},
        {PLEDGED__V1__COMMAND__COMMAND_ADD_CONTRIBUTOR, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_AMEND_CONTRIBUTOR, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_CLAIM_BENEFIT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_EXPORT_POSTINGS, "u"},
        {PLEDGED__V1__COMMAND__COMMAND_DECLINE_BENEFIT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_DELIVER_BENEFIT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_ERASE_CONTACT, "a"},
        {PLEDGED__V1__COMMAND__COMMAND_SET_LEGAL_HOLD, "au"},
        {PLEDGED__V1__COMMAND__COMMAND_HOLD, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_EXTEND, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_WAIT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_SUBMIT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_COMMIT, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_AMEND_PLEDGE, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_CHANGE_TIER, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_WITHDRAW, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_CANCEL, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_PAY, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_REVERSE, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_ISSUE_RECEIPT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_ISSUE_CERTIFICATE, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_ALLOCATE, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_CLOSE, "u"},
        {PLEDGED__V1__COMMAND__COMMAND_REALLOCATE, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_CONVERT, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_REFUND, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_CANCEL_REFUND, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_SET_SCHEDULE, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_WRITE_OFF, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_ACCEPT_DIFFERENCE, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_MATCH_REVERSAL, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_APPROVE, "u"},
        {PLEDGED__V1__COMMAND__COMMAND_REJECT, "cua"},
        {PLEDGED__V1__COMMAND__COMMAND_CLOSE_PERIOD, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_REOPEN_PERIOD, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_RECORD_RATES, "cu"},
        {PLEDGED__V1__COMMAND__COMMAND_MATCH_REFUND, "c"},
        {PLEDGED__V1__COMMAND__COMMAND_BOOK_CHARGE, "c"},
        {(Pledged__V1__Command__CommandCase)999, ""},
    };
    const ProtobufCMessageDescriptor *all = &pledged__v1__command__descriptor;
    for (unsigned i = 0; i < all->n_fields; i++) {
        bool known = (all->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0;
        for (size_t k = 0; k < PL_COUNT(rows) && !known; k++)
            known = (uint32_t)rows[k].command == all->fields[i].id;
        if (!known)
            fail_msg("the table does not say who may %s", all->fields[i].name);
    }
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        for (int role = -1; role <= 8; role++) {
            bool may = role > 0 && role < 8 && strchr(rows[i].roles, letters[role]) != NULL;
            if (ledger_role_may((Pledged__V1__Role)role, rows[i].command, LEDGER_RULES) != may)
                fail_msg("role %d, command %d", role, (int)rows[i].command);
        }
    }
}

/* Closing was for clerks, too, up to the third version of the rules. */
static void test_what_older_rules_let_be(void **state)
{
    (void)state;
    const Pledged__V1__Command__CommandCase close = PLEDGED__V1__COMMAND__COMMAND_CLOSE;
    for (uint32_t rules = 1; rules <= LEDGER_RULES; rules++) {
        assert_int_equal(ledger_role_may(PLEDGED__V1__ROLE__ROLE_CLERK, close, rules), rules < 4);
        assert_true(ledger_role_may(PLEDGED__V1__ROLE__ROLE_APPROVER, close, rules));
        assert_false(ledger_role_may(PLEDGED__V1__ROLE__ROLE_AUDITOR, close, rules));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles_and_commands),
        cmocka_unit_test(test_what_older_rules_let_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
