/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: whatever an entry is about, its row says who, when, what, and how much.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/entries.h"
#include "client/text.h"
#include "common/check.h"

static struct pl_arena arena;

static char *lend(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* What programs read in a column of the only row; NULL: absent. */
static const char *cell(const struct sheet *sheet, const char *key)
{
    assert_int_equal(sheet_rows(sheet), 1);
    for (size_t i = 0; i < sheet->column_count; i++) {
        if (strcmp(sheet->columns[i].key, key) == 0)
            return sheet->cells[i].machine;
    }
    fail_msg("no column %s", key);
    return NULL;
}

static void test_a_payment(void **state)
{
    (void)state;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    Pledged__V1__Actor actor = PLEDGED__V1__ACTOR__INIT;
    Pledged__V1__PaymentRecorded fact = PLEDGED__V1__PAYMENT_RECORDED__INIT;
    Pledged__V1__Money money = PLEDGED__V1__MONEY__INIT;
    struct sheet sheet;
    money.minor = 5;
    money.currency = lend("CHF");
    fact.pledge = lend("P000042");
    fact.bank_entry = lend("B000310");
    fact.amount = &money;
    actor.person = lend("anna");
    actor.role = PLEDGED__V1__ROLE__ROLE_CLERK;
    entry.seq = 9;
    entry.time_us = 1000000;
    entry.actor = &actor;
    entry.effective_date = lend("2026-01-15");
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_PAYMENT_RECORDED;
    entry.payment_recorded = &fact;
    entries_init(&sheet, &arena);
    entries_add(&sheet, &entry);
    assert_string_equal(cell(&sheet, "seq"), "9");
    assert_string_equal(cell(&sheet, "time"), "1970-01-01T00:00:01.000000Z");
    assert_string_equal(cell(&sheet, "person"), "anna");
    assert_string_equal(cell(&sheet, "role"), "clerk");
    assert_string_equal(cell(&sheet, "fact"), "payment_recorded");
    assert_string_equal(cell(&sheet, "pledge"), "P000042");
    assert_string_equal(cell(&sheet, "amount"), "0.05");
    assert_string_equal(cell(&sheet, "currency"), "CHF");
    assert_string_equal(cell(&sheet, "bank_entry"), "B000310");
    assert_string_equal(cell(&sheet, "effective_date"), "2026-01-15");
    assert_null(cell(&sheet, "tier"));
    assert_null(cell(&sheet, "request_id"));
    assert_null(cell(&sheet, "refused"));
}

static void test_a_refusal_a_change_of_tier_and_a_reversal(void **state)
{
    (void)state;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    Pledged__V1__CommandRefused refused = PLEDGED__V1__COMMAND_REFUSED__INIT;
    Pledged__V1__TierChanged changed = PLEDGED__V1__TIER_CHANGED__INIT;
    Pledged__V1__Reversed reversed = PLEDGED__V1__REVERSED__INIT;
    struct sheet sheet;
    refused.reason = PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT;
    refused.deciding_seq = 4;
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_COMMAND_REFUSED;
    entry.command_refused = &refused;
    entries_init(&sheet, &arena);
    entries_add(&sheet, &entry);
    assert_string_equal(cell(&sheet, "refused"), "TIER_SOLD_OUT");
    assert_string_equal(cell(&sheet, "deciding_seq"), "4");
    changed.from_tier = lend("or");
    changed.to_tier = lend("platine");
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_TIER_CHANGED;
    entry.tier_changed = &changed;
    entries_init(&sheet, &arena);
    entries_add(&sheet, &entry);
    assert_string_equal(cell(&sheet, "tier"), "platine");
    reversed.target_seq = 77;
    entry.fact_case = PLEDGED__V1__ENTRY__FACT_REVERSED;
    entry.reversed = &reversed;
    entries_init(&sheet, &arena);
    entries_add(&sheet, &entry);
    assert_string_equal(cell(&sheet, "target_seq"), "77");
}

static void test_an_entry_of_the_daemon_and_an_unknown_fact(void **state)
{
    (void)state;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    struct sheet sheet;
    entry.seq = 1;
    assert_null(entries_fact(&entry));
    entries_init(&sheet, &arena);
    entries_add(&sheet, &entry);
    assert_null(cell(&sheet, "fact"));
    assert_null(cell(&sheet, "person"));
}

/* Of a large import an entry has the first bytes only: they are no command. */
static void test_a_line_has_the_command_if_all_of_it_is_there(void **state)
{
    (void)state;
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Entry entry = PLEDGED__V1__ENTRY__INIT;
    uint8_t bytes[64];
    struct pl_buf out;
    pl_buf_init(&out, 4096);
    command.reason = lend("because");
    entry.command = (ProtobufCBinaryData){pledged__v1__command__pack(&command, bytes), bytes};
    const struct {
        uint64_t whole_bytes;
        size_t here;
        const char *said;
    } rows[] = {
        {0, entry.command.len, "\"reason\":\"because\""},
        {1 << 20, entry.command.len, "\"command\": null"},
        {0, 0, "\"command\": null"},
    };
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        entry.command_bytes = rows[i].whole_bytes;
        entry.command.len = rows[i].here;
        pl_buf_clear(&out);
        assert_int_equal(entries_print_line(&entry, &arena, &out).code, PL_E_OK);
        struct pl_slice line = pl_buf_slice(&out);
        if (memmem(line.data, line.len, rows[i].said, strlen(rows[i].said)) == NULL)
            fail_msg("%.*s", (int)line.len, (const char *)line.data);
    }
    pl_buf_fini(&out);
}

static int begin(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    pl_arena_init(&arena, 1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    pl_arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_payment),
        cmocka_unit_test(test_a_refusal_a_change_of_tier_and_a_reversal),
        cmocka_unit_test(test_an_entry_of_the_daemon_and_an_unknown_fact),
        cmocka_unit_test(test_a_line_has_the_command_if_all_of_it_is_there),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
