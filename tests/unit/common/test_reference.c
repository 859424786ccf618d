/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a reference that was minted is recognised however a bank writes it, and nothing else is
 * taken for one.
 */
#include <stdio.h>
#include <string.h>

#include "common/ids.h"
#include "common/reference.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))

static void test_scor(void **state)
{
    (void)state;
    static const struct {
        const char *body, *reference;
    } vectors[] = {{"42", "RF3442"},
                   {"539007547034", "RF18539007547034"},
                   {"WSIS2026000042", "RF28WSIS2026000042"},
                   {"PL0000000000000000042", "RF08PL0000000000000000042"}};
    char out[PL_REFERENCE_BYTES];
    for (size_t i = 0; i < COUNT(vectors); i++) {
        assert_true(pl_reference_mint_scor(vectors[i].body, out));
        assert_string_equal(out, vectors[i].reference);
        assert_int_equal(pl_reference_read(vectors[i].reference, out), PL_REFERENCE_SCOR);
        assert_string_equal(out, vectors[i].reference);
        assert_true(pl_reference_pledge(out) == 0);
    }
    assert_int_equal(pl_reference_read(" rf18 5390\t0754 7034 ", out), PL_REFERENCE_SCOR);
    assert_string_equal(out, "RF18539007547034");
    char print[PL_REFERENCE_PRINT_BYTES];
    assert_string_equal(pl_reference_print(out, print), "RF18 5390 0754 7034");
    assert_string_equal(pl_reference_print("RF08PL0000000000000000042", print),
                        "RF08 PL00 0000 0000 0000 0004 2");
    static const char *const wrong[] = {"",
                                        "RF",
                                        "RF34",
                                        "RF3443",
                                        "RF4342",
                                        "RF00",
                                        "RF18-5390",
                                        "RF18539007547034X",
                                        "RF08PL00000000000000000420",
                                        "XF18539007547034",
                                        "RFA8539007547034",
                                        "RF18\xc3\xa9"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(pl_reference_valid(wrong[i]));
        assert_int_equal(pl_reference_read(wrong[i], out), PL_REFERENCE_NONE);
        assert_string_equal(out, "");
        assert_string_equal(pl_reference_print(wrong[i], print), "");
    }
    assert_false(pl_reference_mint_scor("", out));
    assert_false(pl_reference_mint_scor("p42", out));
    assert_false(pl_reference_mint_scor("P 42", out));
    assert_false(pl_reference_mint_scor("PL00000000000000000042", out));
}

/* Any one wrong character, and any two neighbours changed about, are seen. */
static void test_slips_of_the_pen(void **state)
{
    (void)state;
    char good[PL_REFERENCE_BYTES], bad[PL_REFERENCE_BYTES];
    pl_reference_scor(42, good);
    for (size_t i = 4; good[i] != '\0'; i++) {
        for (char c = '0'; c <= '9'; c++) {
            memcpy(bad, good, sizeof(bad));
            bad[i] = c;
            assert_int_equal(pl_reference_valid(bad), c == good[i]);
        }
        memcpy(bad, good, sizeof(bad));
        char swapped = bad[i];
        bad[i] = bad[i - 1];
        bad[i - 1] = swapped;
        assert_int_equal(pl_reference_valid(bad), good[i] == good[i - 1]);
    }
    pl_reference_qrr(42, good);
    for (size_t i = 0; good[i] != '\0'; i++) {
        for (char c = '0'; c <= '9'; c++) {
            memcpy(bad, good, sizeof(bad));
            bad[i] = c;
            assert_int_equal(pl_reference_valid(bad), c == good[i]);
        }
    }
}

static void test_qrr(void **state)
{
    (void)state;
    static const struct {
        const char *digits, *reference;
    } vectors[] = {{"21000000000313947143000901", "210000000003139471430009017"},
                   {"42", "000000000000000000000000420"},
                   {"20260000000000000000000042", "202600000000000000000000427"}};
    char out[PL_REFERENCE_BYTES], print[PL_REFERENCE_PRINT_BYTES];
    for (size_t i = 0; i < COUNT(vectors); i++) {
        assert_true(pl_reference_mint_qrr(vectors[i].digits, out));
        assert_string_equal(out, vectors[i].reference);
        assert_int_equal(pl_reference_read(out, out), PL_REFERENCE_QRR);
    }
    assert_string_equal(pl_reference_print("210000000003139471430009017", print),
                        "21 00000 00003 13947 14300 09017");
    static const char *const wrong[] = {
        "000000000000000000000000000", "000000000000000000000000421", "00000000000000000000000420",
        "0000000000000000000000000420", "00000000000000000000000042A"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(pl_reference_valid(wrong[i]));
    assert_false(pl_reference_mint_qrr("", out));
    assert_false(pl_reference_mint_qrr("000", out));
    assert_false(pl_reference_mint_qrr("4x", out));
    assert_false(pl_reference_mint_qrr("123456789012345678901234567", out));
}

static void test_of_a_pledge(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {1, 42, 999999, 1000000, 123456789012, 999999999999999999};
    char out[PL_REFERENCE_BYTES];
    for (size_t i = 0; i < COUNT(numbers); i++) {
        assert_true(pl_reference_pledge(pl_reference_scor(numbers[i], out)) == numbers[i]);
        assert_true(pl_reference_pledge(pl_reference_qrr(numbers[i], out)) == numbers[i]);
    }
    for (uint64_t number = 1; number != 0; number = number > UINT64_MAX / 7 ? 0 : number * 7 + 3) {
        char id[24], minted[PL_REFERENCE_BYTES]; /* digit by digit, and as a number */
        assert_true(pl_reference_mint_scor(pl_id_format('P', number, id), minted));
        assert_string_equal(pl_reference_scor(number, out), minted);
    }
    assert_string_equal(pl_reference_scor(42, out), "RF45P000042");
    assert_string_equal(pl_reference_qrr(42, out), "000000000000000000000000420");
    /* minted for something else */
    assert_true(pl_reference_pledge("RF3442") == 0);
    assert_true(pl_reference_pledge("210000000003139471430009017") == 0);
    assert_true(pl_reference_pledge("RF46P000042") == 0);
    assert_true(pl_reference_pledge("") == 0);
    assert_true(pl_reference_mint_scor("P42", out) && pl_reference_pledge(out) == 0);
    assert_true(pl_reference_mint_scor("P0000042", out) && pl_reference_pledge(out) == 0);
}

static void found(const char *text, const char *reference)
{
    char out[PL_REFERENCE_BYTES];
    bool any = pl_reference_find(text, out);
    if (strcmp(out, reference) != 0 || any != (reference[0] != '\0'))
        print_message("text: %s\n", text);
    assert_string_equal(out, reference);
    assert_int_equal(any, reference[0] != '\0');
}

static void test_found_in_free_text(void **state)
{
    (void)state;
    found("RF45P000042", "RF45P000042");
    found("Contribution WSIS, ref. rf45 p000 042, merci beaucoup", "RF45P000042");
    found("RF45 P00\n0042 PARTNER", "RF45P000042");
    found("REF:RF45P000042/INV 2026-7", "RF45P000042");
    found("(RF45P000042)", "RF45P000042");
    found("RF45P000042 2026", "RF45P000042");
    /* a bank that runs the words together */
    found("PAIEMENTRF45P000042MERCI", "RF45P000042");
    /* the same twice is one; two different ones are for a person to look at */
    found("RF45P000042 RF45P000042", "RF45P000042");
    char both[80], one[PL_REFERENCE_BYTES];
    (void)snprintf(both, sizeof(both), "RF45P000042, %s", pl_reference_scor(43, one));
    found(both, "");
    /* ours before somebody else's, whichever stands first */
    found("RF18 5390 0754 7034; RF45P000042", "RF45P000042");
    found("RF45P000042; RF18 5390 0754 7034", "RF45P000042");
    found("your RF18 5390 0754 7034 of May", "RF18539007547034");
    found("00 00000 00000 00000 00000 00420", "000000000000000000000000420");
    found("QRR 210000000003139471430009017 thanks", "210000000003139471430009017");
}

static void test_not_found(void **state)
{
    (void)state;
    found("", "");
    found("no reference at all", "");
    found("RF46P000042", "");       /* the checksum does not hold */
    found("RF45P0000421", "");      /* one digit too many */
    found("RF45-P000042", "");      /* parted by more than blanks */
    found("XRF18539007547034", ""); /* inside another word */
    found("RF18539007547034X", "");
    found("1 00 00000 00000 00000 00000 00420", ""); /* 28 digits */
    found("00 00000 00000 00000 00000 00420 5", "");
    found("00 00000 00000 00000 00000-00420", "");
    char out[PL_REFERENCE_BYTES];
    static char text[20000];
    memset(text, 'R', sizeof(text) - 1); /* long ones are looked at in part, and end */
    assert_false(pl_reference_find(text, out));
    memset(text, '0', sizeof(text) - 1);
    assert_false(pl_reference_find(text, out));
}

static void test_iban(void **state)
{
    (void)state;
    static const char *const good[] = {"CH9300762011623852957",  "CH4431999123000889012",
                                       "LI21088100002324013AA",  "DE89370400440532013000",
                                       "GB82WEST12345698765432", "NO9386011117947"};
    char out[PL_IBAN_BYTES], print[PL_IBAN_PRINT_BYTES];
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_true(pl_iban_read(good[i], out));
        assert_string_equal(out, good[i]);
    }
    assert_true(pl_iban_read("ch93 0076 2011 6238 5295 7", out));
    assert_string_equal(out, "CH9300762011623852957");
    assert_string_equal(pl_iban_print(out, print), "CH93 0076 2011 6238 5295 7");
    static const char *const wrong[] = {"",
                                        "CH",
                                        "CH9300762011623852958",
                                        "CH930076201162385295",
                                        "CH93-0076-2011-6238-5295-7",
                                        "RF18539007547034",
                                        "9300762011623852957CH",
                                        "DE89370400440532013000370400440532013"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_false(pl_iban_read(wrong[i], out));
        assert_string_equal(out, "");
    }
    assert_true(pl_iban_swiss("CH9300762011623852957"));
    assert_true(pl_iban_swiss("LI21088100002324013AA"));
    assert_false(pl_iban_swiss("DE89370400440532013000"));
    assert_false(pl_iban_qr("CH9300762011623852957"));
    assert_true(pl_iban_qr("CH4431999123000889012"));
    assert_true(pl_iban_qr("CH0030000000000000000")); /* the range's ends */
    assert_false(pl_iban_qr("CH0032000000000000000"));
    assert_false(pl_iban_qr("CH0029999000000000000"));
    assert_false(pl_iban_qr("DE89310400440532013000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scor),
        cmocka_unit_test(test_slips_of_the_pen),
        cmocka_unit_test(test_qrr),
        cmocka_unit_test(test_of_a_pledge),
        cmocka_unit_test(test_found_in_free_text),
        cmocka_unit_test(test_not_found),
        cmocka_unit_test(test_iban),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
