/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the payload is the guidelines' line by line, and what payments would not take is refused
 * with the field's name.
 */
#include <string.h>

#include "client/qrbill.h"
#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static struct qrbill good(void)
{
    return (struct qrbill){
        .iban = "CH9300762011623852957",
        .creditor = {"Fonds", "Place des Nations", "1", "1211", "Gen\u00e8ve 20", "CH"},
        .minor = 12499950,
        .currency = "CHF",
        .reference = "RF85P000001",
        .message = "P000001",
        .billing_info = "",
    };
}

static void payload_is(const struct qrbill *bill, const char *text)
{
    struct failure failure = {0};
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 4096);
    assert_true(pl_is_ok(qrbill_payload(bill, &failure, &out)));
    assert_true(pl_slice_eq_str(pl_buf_slice(&out), text));
}

static void refused(const struct qrbill *bill, const char *field)
{
    struct failure failure = {0};
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 4096);
    assert_int_equal(qrbill_payload(bill, &failure, &out).code, PL_E_INVALID);
    assert_string_equal(failure.field, field);
    assert_int_equal(pl_buf_len(&out), 0);
}

static void test_payload(void **state)
{
    (void)state;
    struct qrbill bill = good();
    payload_is(&bill,
               "SPC\n0200\n1\nCH9300762011623852957\nS\nFonds\nPlace des "
               "Nations\n1\n1211\nGen\u00e8ve 20\nCH\n\n\n\n\n\n\n\n124999.50\nCHF\n\n\n\n\n\n"
               "\n\nSCOR\nRF85P000001\nP000001\nEPD");
    const struct qrbill_party payer = {"N", "", "", "1200", "T", "FR"};
    bill.debtor = &payer;
    bill.minor = 0;
    bill.currency = "EUR";
    bill.reference = bill.message = "";
    bill.billing_info = "//S1/10/1";
    payload_is(&bill,
               "SPC\n0200\n1\nCH9300762011623852957\nS\nFonds\nPlace des "
               "Nations\n1\n1211\nGen\u00e8ve 20\nCH\n\n\n\n\n\n\n\n\nEUR\nS\nN\n\n\n1200\nT\n"
               "FR\nNON\n\n\nEPD\n//S1/10/1");
    bill = good();
    bill.iban = "CH4431999123000889012";
    bill.reference = "210000000003139471430009017";
    bill.minor = 1;
    payload_is(&bill, "SPC\n0200\n1\nCH4431999123000889012\nS\nFonds\nPlace des "
                      "Nations\n1\n1211\nGen\u00e8ve 20\nCH\n\n\n\n\n\n\n\n0.01\nCHF\n\n\n\n\n\n"
                      "\n\nQRR\n210000000003139471430009017\nP000001\nEPD");
}

static void test_refusals(void **state)
{
    (void)state;
    char name[72];
    memset(name, 'n', 71);
    name[71] = '\0';
    struct qrbill bill = good();
#define CASE(member_, value_, field_)                                                              \
    bill = good();                                                                                 \
    bill.member_ = (value_);                                                                       \
    refused(&bill, field_)
    CASE(iban, "CH9300762011623852958", "iban");
    CASE(iban, "CH93 0076 2011 6238 5295 7", "iban");
    CASE(iban, "DE89370400440532013000", "iban");
    CASE(iban, "CH4431999123000889012", "reference"); /* a QR-IBAN takes QRR only */
    CASE(reference, "210000000003139471430009017", "reference");
    CASE(reference, "RF84P000001", "reference");
    CASE(reference, "RF85 P000 001", "reference");
    CASE(currency, "USD", "currency");
    CASE(minor, -1, "amount");
    CASE(minor, 100000000000, "amount");
    CASE(creditor.name, "", "creditor.name");
    CASE(creditor.name, name, "creditor.name");
    CASE(creditor.town, "", "creditor.town");
    CASE(creditor.postal_code, "", "creditor.postal_code");
    CASE(creditor.country, "ch", "creditor.country");
    CASE(creditor.country, "C", "creditor.country");
    CASE(creditor.name, "\u682a\u5f0f", "creditor.name");
    CASE(creditor.name, "a\nb", "creditor.name");
    CASE(creditor.name, "\xff", "creditor.name");
    CASE(message, "\u0416", "message");
    CASE(billing_info, "S1", "billing_info");
#undef CASE
    bill = good();
    const struct qrbill_party payer = {"N", "", "", "", "T", "FR"};
    bill.debtor = &payer;
    refused(&bill, "debtor.postal_code");
    /* the limits themselves are fine; 70 letters may be 140 bytes */
    char wide[141];
    for (size_t i = 0; i < 140; i += 2)
        memcpy(wide + i, "\u00e9", 2);
    wide[140] = '\0';
    bill = good();
    bill.creditor.name = wide;
    bill.minor = 99999999999;
    struct failure failure = {0};
    assert_true(pl_is_ok(qrbill_check(&bill, &failure)));
}

static void test_letters(void **state)
{
    (void)state;
    const char *text = "a\u00e9\u20ac\U0001F600";
    const int32_t letters[] = {'a', 0xE9, 0x20AC, 0x1F600, 0, 0};
    for (size_t i = 0; i < PL_COUNT(letters); i++)
        assert_int_equal(qrbill_letter(&text), letters[i]);
    static const char *const broken[] = {"\x80", "\xc3", "\xe2\x82", "\xc3(", "\xff"};
    for (size_t i = 0; i < PL_COUNT(broken); i++) {
        text = broken[i];
        assert_int_equal(qrbill_letter(&text), -1);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    struct qrbill_party party;
    char text[] = "N;;;1200;Geneva;CH";
    assert_true(qrbill_party_parse(text, &party));
    assert_string_equal(party.name, "N");
    assert_string_equal(party.street, "");
    assert_string_equal(party.country, "CH");
    char less[] = "N;;;1200;Geneva", more[] = "N;;;1200;Geneva;CH;";
    assert_false(qrbill_party_parse(less, &party));
    assert_false(qrbill_party_parse(more, &party));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
