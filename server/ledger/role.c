/* SPDX-License-Identifier: Apache-2.0
 *
 * role: ledger_role_may of ledger.h. The daemon asks before it takes a command; who verifies asks
 * of every entry.
 */
#include "server/ledger/ledger.h"

enum {
    CLERK = 1 << PLEDGED__V1__ROLE__ROLE_CLERK,
    APPROVER = 1 << PLEDGED__V1__ROLE__ROLE_APPROVER,
    ADMIN = 1 << PLEDGED__V1__ROLE__ROLE_ADMIN,
};

/* A mask of roles. */
static uint32_t roles_for(Pledged__V1__Command__CommandCase command, uint32_t rules)
{
    switch (command) {
    case PLEDGED__V1__COMMAND__COMMAND_ADOPT_CATALOGUE:
    case PLEDGED__V1__COMMAND__COMMAND_ERASE_CONTACT:
        return ADMIN;
    case PLEDGED__V1__COMMAND__COMMAND_EXPORT_POSTINGS:
        return APPROVER;
    case PLEDGED__V1__COMMAND__COMMAND_CLOSE:
        return rules < 4 ? CLERK | APPROVER : APPROVER;
    case PLEDGED__V1__COMMAND__COMMAND_SET_LEGAL_HOLD:
        return ADMIN | APPROVER;
    case PLEDGED__V1__COMMAND__COMMAND_ADD_CONTRIBUTOR:
    case PLEDGED__V1__COMMAND__COMMAND_AMEND_CONTRIBUTOR:
    case PLEDGED__V1__COMMAND__COMMAND_RECORD_CONTACT:
    case PLEDGED__V1__COMMAND__COMMAND_CLAIM_BENEFIT:
    case PLEDGED__V1__COMMAND__COMMAND_DECLINE_BENEFIT:
    case PLEDGED__V1__COMMAND__COMMAND_DELIVER_BENEFIT:
    case PLEDGED__V1__COMMAND__COMMAND_HOLD:
    case PLEDGED__V1__COMMAND__COMMAND_EXTEND:
    case PLEDGED__V1__COMMAND__COMMAND_WAIT:
    case PLEDGED__V1__COMMAND__COMMAND_SUBMIT:
    case PLEDGED__V1__COMMAND__COMMAND_WITHDRAW:
    case PLEDGED__V1__COMMAND__COMMAND_PAY:
    case PLEDGED__V1__COMMAND__COMMAND_IMPORT_STATEMENT:
    case PLEDGED__V1__COMMAND__COMMAND_MATCH_REVERSAL:
    case PLEDGED__V1__COMMAND__COMMAND_MATCH_REFUND:
    case PLEDGED__V1__COMMAND__COMMAND_BOOK_CHARGE:
    case PLEDGED__V1__COMMAND__COMMAND_ALLOCATE:
    case PLEDGED__V1__COMMAND__COMMAND_ISSUE_RECEIPT:
    case PLEDGED__V1__COMMAND__COMMAND_ISSUE_CERTIFICATE:
        return CLERK;
    /* what a second person will have to agree to; approvers may also do it themselves */
    case PLEDGED__V1__COMMAND__COMMAND_COMMIT:
    case PLEDGED__V1__COMMAND__COMMAND_AMEND_PLEDGE:
    case PLEDGED__V1__COMMAND__COMMAND_SET_SCHEDULE:
    case PLEDGED__V1__COMMAND__COMMAND_CHANGE_TIER:
    case PLEDGED__V1__COMMAND__COMMAND_CANCEL:
    case PLEDGED__V1__COMMAND__COMMAND_CLOSE_PERIOD:
    case PLEDGED__V1__COMMAND__COMMAND_REOPEN_PERIOD:
    case PLEDGED__V1__COMMAND__COMMAND_REVERSE: /* of what has a receipt: an approver only */
    case PLEDGED__V1__COMMAND__COMMAND_REALLOCATE:
    case PLEDGED__V1__COMMAND__COMMAND_CONVERT:
    case PLEDGED__V1__COMMAND__COMMAND_REFUND:
    case PLEDGED__V1__COMMAND__COMMAND_CANCEL_REFUND:
    case PLEDGED__V1__COMMAND__COMMAND_WRITE_OFF:
    case PLEDGED__V1__COMMAND__COMMAND_ACCEPT_DIFFERENCE:
    case PLEDGED__V1__COMMAND__COMMAND_RECORD_RATES:
        return CLERK | APPROVER;
    case PLEDGED__V1__COMMAND__COMMAND_APPROVE:
        return APPROVER;
    /* who proposed it may take it back: the rules look at the person */
    case PLEDGED__V1__COMMAND__COMMAND_REJECT:
        return CLERK | APPROVER | ADMIN;
    case PLEDGED__V1__COMMAND__COMMAND__NOT_SET:
    case _PLEDGED__V1__COMMAND__COMMAND__CASE_IS_INT_SIZE:
        return 0;
    }
    return 0; /* a number that is not in the schema */
}

bool ledger_role_may(Pledged__V1__Role role, Pledged__V1__Command__CommandCase command,
                     uint32_t rules)
{
    if (role <= PLEDGED__V1__ROLE__ROLE_UNSPECIFIED || role > PLEDGED__V1__ROLE__ROLE_DAEMON)
        return false;
    return (roles_for(command, rules) & (1u << role)) != 0;
}
