/* SPDX-License-Identifier: Apache-2.0
 *
 * statement_form: what is wrong with a bank's statements in themselves, whatever the ledger has:
 * fields, bounds, and whether each adds up. Private to server/ledger; what they mean for the ledger
 * is in statement.
 */
#ifndef LEDGER_STATEMENT_FORM_H
#define LEDGER_STATEMENT_FORM_H

#include "server/ledger/change.h"

#define STATEMENT_FIELD "import_statement.statement"

/* NULL: nothing is wrong. Else why (static words), with the reason and the field (static). */
const char *statement_form_wrong(const Pledged__V1__ImportStatement *command,
                                 Pledged__V1__Reason *ret_reason, const char **ret_field);

#endif
