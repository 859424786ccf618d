/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: accents, composition and case make no difference; letters do.
 */
#include <stdlib.h>
#include <string.h>

#include "common/fold.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))

static void test_what_looks_the_same_is_the_same(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"Soci\u00e9t\u00e9 G", "societe g"},
        {"Socie\u0301te\u0301 G", "societe g"}, /* decomposed */
        {"SOCI\u00c9T\u00c9 g", "societe g"},
        {"Z\u00fcrich", "zurich"},
        {"Gar\u00e7on", "garcon"},
        {"Vi\u1ec7t Nam", "viet nam"}, /* two accents on one letter */
        {"Stra\u00dfe", "strasse"},
        {"\u0130stanbul", "istanbul"},
        {"\ufb01nance", "finance"}, /* a ligature */
        {"\u0391\u03b8\u03ae\u03bd\u03b1", "\u03b1\u03b8\u03b7\u03bd\u03b1"},
        {"A\u00a0B", "a b"}, /* a blank that does not break */
        {"\u0301", ""},
        {"A\u200bc\u200d\u2060m\u00ade\ufeff", "acme"},
        {"Ac\u115fm\u1160e\u3164\uffa0", "acme"}, /* fillers */
        {"Ac\U000e0063\U000e0100m\u180ee\ufff9", "acme"},
        {"Ac\u061cme\u2066 \u206b\U0001d173G\U0001bca0", "acme g"},
        {"Acme\u2800G\u1680H", "acme g h"},
        {"C\u00f4te d\u2019Ivoire", "cote d'ivoire"}, /* another keyboard */
        {"L\u02bcAcad\u00e9mie \u2018A\u201b \u2032 \uff07", "l'academie 'a' ' '"},
        {"O\u02bbzbekiston O\u02b9z", "o'zbekiston o'z"},
        {"Rh\u00f4ne\u2011Alpes \u2010\u2013\u2014\u2015\u2212", "rhone-alpes -----"},
        {"\u0152uvre \u00c6quo, c\u0153ur", "oeuvre aequo, coeur"},
        {"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
         "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"}, /* what a joiner only shapes */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *folded = pl_fold(rows[i][0]);
        assert_non_null(folded);
        assert_string_equal(folded, rows[i][1]);
        free(folded);
    }
}

static void test_other_letters_stay_others(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"\u00d8rsted", "Orsted"}, /* a letter of its own, no accent */
        {"\u041c\u043e\u0441\u043a\u0432\u0430", "Mockba"},
        {"\u4e2d\u56fd", "\u65e5\u672c"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *one = pl_fold(rows[i][0]), *other = pl_fold(rows[i][1]);
        assert_non_null(one);
        assert_string_not_equal(one, other != NULL ? other : "orsted");
        free(one);
        free(other);
    }
}

static void test_ascii_and_what_is_no_text(void **state)
{
    (void)state;
    assert_null(pl_fold(""));
    assert_null(pl_fold("Plain, Inc."));
    assert_null(pl_fold("\xff\xfe"));
    assert_null(pl_fold("cut \xc3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_looks_the_same_is_the_same),
        cmocka_unit_test(test_other_letters_stay_others),
        cmocka_unit_test(test_ascii_and_what_is_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
