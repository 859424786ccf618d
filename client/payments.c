/* SPDX-License-Identifier: Apache-2.0
 *
 * payments: one payment, one row.
 */
#include "client/payments.h"

#include "client/text.h"
#include "common/check.h"
#include "common/money.h"

/* Programs read these by place: new ones go to the end. */
static const struct column columns[] = {
    {"bank_entry", N_("Bank entry"), IN_ALL, false},
    {"pledge", N_("Pledge"), IN_ALL, false},
    {"amount", N_("Amount"), IN_ALL, true},
    {"currency", NULL, IN_PROGRAMS, false},
    {"allocated", N_("Allocated"), IN_ALL, true},
    {"value_date", N_("Value date"), IN_ALL, false},
    {"bank_ref", N_("Bank reference"), IN_ALL, false},
    {"confirmed", N_("Confirmed"), IN_ALL, false},
    {"reversed", N_("Reversed"), IN_ALL, false},
    {"seq", N_("Entry"), IN_ALL, true},
    {"unallocated", N_("Not allocated"), IN_ALL, true},
    {"refunded", N_("Paid back"), IN_ALL, true},
    {"debit", NULL, IN_PROGRAMS, false},
    {"value_chf", N_("In CHF"), IN_ALL, true},
    {"rate", NULL, IN_PROGRAMS, true},
    {"rate_date", NULL, IN_PROGRAMS, false},
    {"rate_source", NULL, IN_PROGRAMS, false},
    {"explained", NULL, IN_PROGRAMS, true},
};

void payments_init(struct sheet *sheet, struct pl_arena *arena)
{
    sheet_init(sheet, "payments", columns, PL_COUNT(columns), arena);
}

void payments_add_value(struct sheet *sheet, const Pledged__V1__Valuation *valuation)
{
    char rate[32];
    bool there = valuation != NULL;
    sheet_amount(sheet, there ? valuation->value : NULL);
    sheet_text(sheet,
               there ? pl_arena_strdup(sheet->arena, pl_decimal_format(valuation->mantissa,
                                                                       (int)valuation->scale, rate))
                     : NULL);
    sheet_text(sheet, there ? valuation->rate_date : NULL);
    sheet_quoted(sheet, there ? valuation->source : NULL);
}

void payments_add(struct sheet *sheet, const Pledged__V1__PaymentStatus *payment)
{
    const Pledged__V1__Money *amount = payment->amount;
    int64_t allocated = payment->allocated == NULL ? 0 : payment->allocated->minor;
    int64_t refunded = payment->refunded == NULL ? 0 : payment->refunded->minor;
    int64_t explained = payment->explained == NULL ? 0 : payment->explained->minor;
    sheet_text(sheet, payment->bank_entry);
    sheet_text(sheet, payment->pledge);
    sheet_amount(sheet, amount);
    sheet_text(sheet, amount == NULL ? NULL : amount->currency);
    if (amount == NULL)
        sheet_text(sheet, NULL);
    else
        sheet_minor(sheet, allocated, amount->currency);
    sheet_text(sheet, payment->value_date);
    sheet_text(sheet, payment->bank_ref);
    sheet_bool(sheet, payment->confirmed);
    sheet_bool(sheet, payment->reversed);
    sheet_seq(sheet, payment->seq);
    if (amount == NULL)
        sheet_text(sheet, NULL);
    else
        sheet_minor(sheet, payment->reversed ? 0 : amount->minor - allocated - refunded - explained,
                    amount->currency);
    sheet_amount(sheet, payment->refunded);
    sheet_bool(sheet, payment->debit);
    payments_add_value(sheet, payment->valuation);
    sheet_amount(sheet, payment->explained);
}
