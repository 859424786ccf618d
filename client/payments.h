/* SPDX-License-Identifier: Apache-2.0
 *
 * payments: rows of payments, for the list of them and for the page of one pledge.
 */
#ifndef CLIENT_PAYMENTS_H
#define CLIENT_PAYMENTS_H

#include "client/output.h"
#include "pledged/v1/service.pb-c.h"

void payments_init(struct sheet *sheet, struct pl_arena *arena);
/* Four cells: value in CHF, rate, its day, its source. NULL: there is none. */
void payments_add_value(struct sheet *sheet, const Pledged__V1__Valuation *valuation);
void payments_add(struct sheet *sheet, const Pledged__V1__PaymentStatus *payment);

#endif
