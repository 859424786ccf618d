/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: programs that read payments by place go on working: columns keep their places, new ones
 * come last; what of a payment is not allocated is told, and is nothing once the payment is undone.
 */
#include <string.h>

#include "client/payments.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static char *lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

struct rig {
    struct pl_arena arena;
    struct pl_buf out;
    Pledged__V1__Money amount, allocated;
    Pledged__V1__PaymentStatus payment;
};

static void rig_init(struct rig *rig)
{
    pl_arena_init(&rig->arena, 1 << 20);
    pl_buf_init(&rig->out, 1 << 16);
    pledged__v1__money__init(&rig->amount);
    pledged__v1__money__init(&rig->allocated);
    pledged__v1__payment_status__init(&rig->payment);
    rig->amount.minor = 3000000;
    rig->allocated.minor = 2500050;
    rig->amount.currency = rig->allocated.currency = lend("CHF");
    rig->payment.bank_entry = lend("B000007");
    rig->payment.pledge = lend("P000042");
    rig->payment.amount = &rig->amount;
    rig->payment.allocated = &rig->allocated;
    rig->payment.value_date = lend("2026-04-02");
    rig->payment.bank_ref = lend("REF-1");
    rig->payment.confirmed = true;
    rig->payment.seq = 99;
}

static void rig_fini(struct rig *rig)
{
    pl_buf_fini(&rig->out);
    pl_arena_fini(&rig->arena);
}

static const char *printed(struct rig *rig, enum output_format format)
{
    struct sheet sheet;
    payments_init(&sheet, &rig->arena);
    payments_add(&sheet, &rig->payment);
    assert_true(pl_is_ok(sheet_print(&sheet, format, false, &rig->out)));
    assert_true(pl_is_ok(pl_buf_append(&rig->out, "", 1)));
    return (const char *)pl_buf_slice(&rig->out).data;
}

static void test_columns_of_plain_keep_their_places(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_string_equal(
        printed(&rig, OUTPUT_PLAIN),
        "B000007\tP000042\t30000.00\tCHF\t25000.50\t2026-04-02\tREF-1\ttrue\tfalse\t"
        "99\t4999.50\t-\tfalse\t-\t-\t-\t-\t-\n");
    rig_fini(&rig);
}

static void test_names_of_csv_stand_over_the_same_values(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    assert_string_equal(
        printed(&rig, OUTPUT_CSV),
        "bank_entry,pledge,amount,currency,allocated,value_date,bank_ref,confirmed,"
        "reversed,seq,unallocated,refunded,debit,value_chf,rate,rate_date,rate_source,explained\r\n"
        "B000007,P000042,30000.00,CHF,25000.50,2026-04-02,REF-1,true,false,99,"
        "4999.50,,false,,,,,\r\n");
    rig_fini(&rig);
}

static void test_a_reversed_payment_has_nothing_left_to_allocate(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig);
    rig.payment.reversed = true;
    rig.payment.allocated = NULL; /* an absent amount is zero in the payment's currency */
    assert_string_equal(printed(&rig, OUTPUT_PLAIN),
                        "B000007\tP000042\t30000.00\tCHF\t0.00\t2026-04-02\tREF-1\ttrue\ttrue\t"
                        "99\t0.00\t-\tfalse\t-\t-\t-\t-\t-\n");
    rig_fini(&rig);
}

/* A charge that the bank gave back, or a refund that came back, is nobody's to allocate. */
static void test_what_is_explained_is_not_left(void **state)
{
    (void)state;
    struct rig rig;
    Pledged__V1__Money explained = PLEDGED__V1__MONEY__INIT;
    rig_init(&rig);
    explained.minor = 499900;
    explained.currency = lend("CHF");
    rig.payment.explained = &explained;
    assert_non_null(
        strstr(printed(&rig, OUTPUT_PLAIN), "\t99\t0.50\t-\tfalse\t-\t-\t-\t-\t4999.00\n"));
    rig_fini(&rig);
}

static void test_a_value_in_francs_says_by_which_rate(void **state)
{
    (void)state;
    struct rig rig;
    Pledged__V1__Valuation valuation = PLEDGED__V1__VALUATION__INIT;
    Pledged__V1__Money value = PLEDGED__V1__MONEY__INIT;
    rig_init(&rig);
    rig.amount.currency = rig.allocated.currency = lend("USD");
    value.minor = 2655000;
    value.currency = lend("CHF");
    valuation.value = &value;
    valuation.mantissa = 8850;
    valuation.scale = 4;
    valuation.rate_date = lend("2026-04-01");
    valuation.source = lend("UN Treasury");
    rig.payment.valuation = &valuation;
    assert_non_null(
        strstr(printed(&rig, OUTPUT_PLAIN), "\t26550.00\t0.8850\t2026-04-01\tUN Treasury\t-\n"));
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_of_plain_keep_their_places),
        cmocka_unit_test(test_names_of_csv_stand_over_the_same_values),
        cmocka_unit_test(test_what_is_explained_is_not_left),
        cmocka_unit_test(test_a_value_in_francs_says_by_which_rate),
        cmocka_unit_test(test_a_reversed_payment_has_nothing_left_to_allocate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
