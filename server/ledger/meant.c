/* SPDX-License-Identifier: Apache-2.0
 *
 * meant: see meant.h. Happy path: a command that names a pledge, a payment or a refund, and what
 * the state has of it. Failure: what is not there, or has no currency yet, is no amount; the rules
 * refuse the command anyway.
 */
#include "server/ledger/meant.h"

#include "common/money.h"
#include "server/ledger/allocation.h"
#include "server/ledger/refund.h"

static const struct meant none = {.currency = -1};

static struct meant promised(const struct ledger *ledger, const char *id)
{
    const struct state_pledge *pledge = state_pledge(ledger, id);
    return pledge == NULL || pledge->currency < 0
               ? none
               : (struct meant){.minor = pledge->amount, .currency = pledge->currency};
}

static struct meant rest_of_pledge(const struct ledger *ledger, const char *id)
{
    const struct state_pledge *pledge = state_pledge(ledger, id);
    return pledge == NULL || pledge->currency < 0
               ? none
               : (struct meant){pledge->amount - state_settled(pledge), pledge->currency, true};
}

static struct meant rest_of_entry(const struct ledger *ledger, const char *id)
{
    const struct state_bank_entry *entry = state_bank_entry(ledger, id);
    return entry == NULL ? none : (struct meant){allocation_free(entry), entry->currency, true};
}

static struct meant refunded(const struct ledger *ledger, const char *id)
{
    const struct state_refund *refund = refund_of(ledger, id);
    return refund == NULL
               ? none
               : (struct meant){.minor = refund->amount,
                                .currency = ledger->bank_entry[refund->bank_entry].currency};
}

struct meant meant_by(const struct ledger *ledger, const Pledged__V1__Command *command)
{
    switch ((int)command->command_case) {
    case COMMAND(COMMIT):
        return promised(ledger, command->commit->pledge);
    case COMMAND(CANCEL): /* what will not come any more */
        return rest_of_pledge(ledger, command->cancel->pledge);
    case COMMAND(WRITE_OFF):
        return command->write_off->amount != NULL
                   ? none
                   : rest_of_pledge(ledger, command->write_off->pledge);
    case COMMAND(ACCEPT_DIFFERENCE):
        return command->accept_difference->amount != NULL
                   ? none
                   : rest_of_pledge(ledger, command->accept_difference->pledge);
    case COMMAND(REFUND):
        return command->refund->amount != NULL ? none
                                               : rest_of_entry(ledger, command->refund->bank_entry);
    case COMMAND(CONVERT):
        return command->convert->amount != NULL
                   ? none
                   : rest_of_entry(ledger, command->convert->bank_entry);
    case COMMAND(BOOK_CHARGE):
        return rest_of_entry(ledger, command->book_charge->bank_entry);
    case COMMAND(CANCEL_REFUND):
        return refunded(ledger, command->cancel_refund->refund);
    default:
        return none;
    }
}
