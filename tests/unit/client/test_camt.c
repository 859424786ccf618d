/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every file of tests/camt becomes the movements that a person reads in it, to the last
 * digit, or a failure that names file, line, path and why. Amounts never meet floating point.
 */
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/camt.h"
#include "client/camt_xml.h"
#include "client/text.h"
#include "common/check.h"

static struct pl_arena arena;
static struct failure failure;
static char *bytes;

static int fresh(void **state)
{
    (void)state;
    pl_arena_init(&arena, 256 << 20);
    failure = (struct failure){0};
    bytes = NULL;
    text_use(TEXT_ENGLISH);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    pl_arena_fini(&arena);
    free(bytes);
    return 0;
}

static struct pl_slice load(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), SOURCE_DIR "/tests/camt/%s", name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    free(bytes);
    bytes = malloc(1 << 20);
    size_t len = fread(bytes, 1, 1 << 20, in);
    (void)fclose(in);
    return pl_slice(bytes, len);
}

/* One line a statement, one a movement: kind letter, amount, days, references. */
static const char *told(const struct camt_file *file)
{
    char *out = pl_arena_strdup(&arena, "");
    for (size_t i = 0; i < file->statement_count; i++) {
        const struct camt_statement *s = &file->statement[i];
        out = pl_arena_printf(&arena, "%s%s %s %" PRIu64 " %s %s %" PRId64 " %" PRId64 " -%zu\n",
                              out, s->notification ? "N" : "S", s->id, s->sequence, s->account,
                              s->currency, s->opening, s->closing, s->not_booked);
        for (size_t k = 0; k < s->movement_count; k++) {
            const struct camt_movement *m = &s->movement[k];
            out = pl_arena_printf(
                &arena, "%s %c %" PRId64 " %s %s %s|%s|%u|%s|%s|%s|%s|%s|%" PRId64 "%s@%s\n", out,
                "PCBRT"[m->kind], m -> minor, m -> booking_date + 5, m -> value_date + 5,
                m -> bank_ref, m -> batch_ref, m -> batch_count, m -> end_to_end_id, m -> reference,
                m -> payer, m -> text, m -> return_reason, m -> instructed_minor,
                m -> instructed_currency, m -> rate);
            assert_non_null(out);
        }
    }
    return out;
}

#define CHF "CH8109000000150001234 CHF"

static void test_every_good_file_is_read_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *file, *told;
    } good[] = {
#include "tests/unit/client/camt_told.inc"
    };
    for (size_t i = 0; i < PL_COUNT(good); i++) {
        struct camt_file *file = NULL;
        struct pl_status status =
            camt_read(load(good[i].file), good[i].file, &arena, &failure, &file);
        if (!pl_is_ok(status))
            fail_msg("%s: %s", good[i].file, failure.message);
        if (strcmp(told(file), good[i].told) != 0)
            fail_msg("%s is read as\n%s", good[i].file, told(file));
    }
}

/* The total counts where it is told, also in another currency, and of an entry that has one
 * transaction. */
static void test_charges_that_are_told_as_a_total(void **state)
{
    (void)state;
    static const struct {
        const char *file, *currency;
        size_t at;
        int64_t minor;
    } cases[] = {{"charges-total.xml", "EUR", 0, 1250},
                 {"charges-total.xml", "CHF", 1, 500},
                 {"charges-total.xml", "", 2, 0},
                 {"charges-total-v04.xml", "CHF", 0, 725},
                 {"charges.xml", "CHF", 0, 2600}};
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        struct camt_file *file = NULL;
        assert_true(
            pl_is_ok(camt_read(load(cases[i].file), cases[i].file, &arena, &failure, &file)));
        const struct camt_movement *movement = &file->statement[0].movement[cases[i].at];
        assert_int_equal(movement->charges_minor, cases[i].minor);
        assert_string_equal(movement->charges_currency, cases[i].currency);
    }
}

static void test_what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *file, *field, *words;
        Pledged__V1__Reason reason;
    } wrong[] = {
        {"unbalanced.xml", "BkToCstmrStmt/Stmt",
         "unbalanced.xml:6: BkToCstmrStmt/Stmt: opening balance and movements add up to 100.00, "
         "the "
         "closing balance is 101.00",
         PLEDGED__V1__REASON__REASON_STATEMENT_UNBALANCED},
        {"second-unbalanced.xml", "BkToCstmrStmt/Stmt[2]", "add up to 40.00",
         PLEDGED__V1__REASON__REASON_STATEMENT_UNBALANCED},
        {"precision.xml", "BkToCstmrStmt/Stmt/Ntry/Amt",
         "'10.00001' has more decimals than CHF has", PLEDGED__V1__REASON__REASON_AMOUNT_PRECISION},
        {"wrong-version.xml", "", "camt.053.001.02", PLEDGED__V1__REASON__REASON_FIELD_INVALID},
        {"wrong-date.xml", "BkToCstmrStmt/Stmt/Ntry/BookgDt/Dt", "'2026-02-30' is no date",
         PLEDGED__V1__REASON__REASON_DATE_INVALID},
        {"wrong-count.xml", "BkToCstmrStmt/Stmt/Ntry/NtryDtls/Btch/NbOfTxs",
         "3 transactions are announced, 2 are told", PLEDGED__V1__REASON__REASON_FIELD_INVALID},
        {"xxe.xml", "", "xxe.xml:2: a document type declaration (DOCTYPE) is not accepted",
         PLEDGED__V1__REASON__REASON_FIELD_INVALID},
        {"billion-laughs.xml", "", "(DOCTYPE) is not accepted",
         PLEDGED__V1__REASON__REASON_FIELD_INVALID},
        {"deep.xml", "", "nested too deep", PLEDGED__V1__REASON__REASON_FIELD_INVALID},
        {"cut.xml", "", "cut.xml:15: the file is cut off: it ends within an element",
         PLEDGED__V1__REASON__REASON_FIELD_INVALID},
    };
    for (size_t i = 0; i < PL_COUNT(wrong); i++) {
        struct camt_file *file = NULL;
        struct pl_status status =
            camt_read(load(wrong[i].file), wrong[i].file, &arena, &failure, &file);
        assert_int_equal(status.code, PL_E_INVALID);
        if (strstr(failure.message, wrong[i].words) == NULL)
            fail_msg("%s: %s", wrong[i].file, failure.message);
        assert_string_equal(failure.field, wrong[i].field);
        assert_int_equal(failure.reason, wrong[i].reason);
    }
}

static void test_amounts_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int exponent;
        enum camt_amount_problem problem;
        int64_t minor;
    } cases[] = {
        {"1500", 2, CAMT_AMOUNT_OK, 150000},
        {"0001500.10", 2, CAMT_AMOUNT_OK, 150010},
        {"1500.1", 2, CAMT_AMOUNT_OK, 150010},
        {"1500.10000", 2, CAMT_AMOUNT_OK, 150010},
        {".5", 2, CAMT_AMOUNT_OK, 50},
        {"5.", 2, CAMT_AMOUNT_OK, 500},
        {"+7", 0, CAMT_AMOUNT_OK, 7},
        {"1.234", 3, CAMT_AMOUNT_OK, 1234},
        {"0.1", 4, CAMT_AMOUNT_OK, 1000},
        /* beyond what a double holds: every digit counts */
        {"90071992547409.93", 2, CAMT_AMOUNT_OK, 9007199254740993},
        {"92233720368547758.07", 2, CAMT_AMOUNT_OK, INT64_MAX},
        {"92233720368547758.08", 2, CAMT_AMOUNT_OVERFLOW, 0},
        {"999999999999999999", 2, CAMT_AMOUNT_OVERFLOW, 0},
        {"1.001", 2, CAMT_AMOUNT_PRECISION, 0},
        {"1.5", 0, CAMT_AMOUNT_PRECISION, 0},
        {"1.000000", 2, CAMT_AMOUNT_PRECISION, 0}, /* the schema has five decimals */
        {"", 2, CAMT_AMOUNT_SYNTAX, 0},
        {".", 2, CAMT_AMOUNT_SYNTAX, 0},
        {"-1.00", 2, CAMT_AMOUNT_SYNTAX, 0},
        {"1,00", 2, CAMT_AMOUNT_SYNTAX, 0},
        {"1e3", 2, CAMT_AMOUNT_SYNTAX, 0},
        {"1.0.0", 2, CAMT_AMOUNT_SYNTAX, 0},
        {"0x10", 2, CAMT_AMOUNT_SYNTAX, 0},
        {"NaN", 2, CAMT_AMOUNT_SYNTAX, 0},
        {"1'000", 2, CAMT_AMOUNT_SYNTAX, 0},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        int64_t minor = 0;
        if (camt_amount(cases[i].text, cases[i].exponent, &minor) != cases[i].problem ||
            (cases[i].problem == CAMT_AMOUNT_OK && minor != cases[i].minor))
            fail_msg("'%s' with %d decimals: %" PRId64, cases[i].text, cases[i].exponent, minor);
    }
}

/* The sources themselves: no type, no function, no literal of floating point. */
static void test_no_floating_point_in_the_sources(void **state)
{
    (void)state;
    static const char *const sources[] = {"client/camt.c",
                                          "client/camt.h",
                                          "client/camt_xml.c",
                                          "client/bankfile.c",
                                          "server/ledger/statement.c",
                                          "client/cmd_import.c"};
    static const char *const words[] = {
        "float ",  "double ", "strtod", "atof", "round(", "%f", "%g", "xmlXPathCastStringToNumber",
        "<math.h>"};
    for (size_t i = 0; i < PL_COUNT(sources); i++) {
        char path[256];
        (void)snprintf(path, sizeof(path), SOURCE_DIR "/%s", sources[i]);
        FILE *in = fopen(path, "rb");
        if (in == NULL)
            fail_msg("%s is not there", sources[i]);
        char *text = calloc(1, 1 << 20);
        size_t got = fread(text, 1, (1 << 20) - 1, in);
        assert_true(got > 100 && got < (1 << 20) - 1);
        (void)fclose(in);
        for (size_t k = 0; k < PL_COUNT(words); k++) {
            if (strstr(text, words[k]) != NULL)
                fail_msg("%s has %s", sources[i], words[k]);
        }
        free(text);
    }
}

/* A file cut at every byte is refused, never read as something smaller. */
static void test_a_cut_file_is_refused(void **state)
{
    (void)state;
    struct pl_slice whole = load("charges.xml");
    for (size_t len = 0; len + 2 < whole.len; len++) {
        struct camt_file *file = NULL;
        char *part = malloc(len + 1); /* its own size, so that a sanitizer sees a step too far */
        memcpy(part, whole.data, len);
        struct pl_status status = camt_read(pl_slice(part, len), "cut", &arena, &failure, &file);
        free(part);
        assert_int_equal(status.code, PL_E_INVALID);
        pl_arena_reset(&arena);
    }
}

/* What the daemon would refuse is refused here already, with its place. */
static void test_an_account_has_at_most_34_characters(void **state)
{
    (void)state;
    struct camt_file *file = NULL;
    struct pl_slice whole = load("exact-v08.xml");
    static const char iban[] = "CH8109000000150001234";
    for (size_t len = 33; len <= 36; len++) {
        char *at = memmem(bytes, whole.len, iban, strlen(iban));
        assert_non_null(at);
        char *grown = malloc(whole.len + len);
        size_t before = (size_t)(at - bytes);
        memcpy(grown, bytes, before);
        memset(grown + before, 'A', len);
        memcpy(grown + before + len, at + strlen(iban), whole.len - before - strlen(iban));
        struct pl_status status = camt_read(pl_slice(grown, whole.len + len - strlen(iban)), "long",
                                            &arena, &failure, &file);
        free(grown);
        assert_int_equal(status.code, len <= 34 ? PL_E_OK : PL_E_INVALID);
    }
    assert_int_equal(failure.reason, PLEDGED__V1__REASON__REASON_FIELD_TOO_LONG);
    assert_non_null(strstr(failure.message, "Acct/Id"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_good_file_is_read_as_it_is, fresh, gone),
        cmocka_unit_test_setup_teardown(test_what_is_wrong_is_named, fresh, gone),
        cmocka_unit_test_setup_teardown(test_charges_that_are_told_as_a_total, fresh, gone),
        cmocka_unit_test_setup_teardown(test_amounts_are_exact, fresh, gone),
        cmocka_unit_test_setup_teardown(test_no_floating_point_in_the_sources, fresh, gone),
        cmocka_unit_test_setup_teardown(test_a_cut_file_is_refused, fresh, gone),
        cmocka_unit_test_setup_teardown(test_an_account_has_at_most_34_characters, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
