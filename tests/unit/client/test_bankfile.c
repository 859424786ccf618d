/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a statement file becomes the command that the daemon takes: every movement in it, or with
 * --ours those that are the fund's and the sum of the others, so that it still adds up.
 */
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bankfile.h"
#include "common/check.h"
#include "common/hash.h"

static struct cli cli;
static char bytes[1 << 16];

static int fresh(void **state)
{
    (void)state;
    cli = (struct cli){0};
    pl_arena_init(&cli.arena, 64 << 20);
    text_use(TEXT_ENGLISH);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    pl_arena_fini(&cli.arena);
    return 0;
}

static void type(enum option option, const char *text)
{
    cli.options.value[option].text[cli.options.value[option].count++] = text;
}

static struct pl_slice load(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), SOURCE_DIR "/tests/camt/%s", name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t len = fread(bytes, 1, sizeof(bytes), in);
    (void)fclose(in);
    return pl_slice(bytes, len);
}

static const Pledged__V1__BankStatement *only(struct pl_slice file)
{
    Pledged__V1__ImportStatement *import = NULL;
    struct payers payers;
    uint8_t digest[PL_SHA256_BYTES];
    assert_true(pl_is_ok(bankfile_read(&cli, file, "f.xml", &import, &payers)));
    pl_sha256(file, digest);
    assert_int_equal(import->file_sha256.len, sizeof(digest));
    assert_memory_equal(import->file_sha256.data, digest, sizeof(digest));
    assert_int_equal(import->n_statement, 1);
    return import->statement[0];
}

static int64_t sum(const Pledged__V1__BankStatement *bank)
{
    int64_t minor = bank->opening_minor + (bank->remainder != NULL ? bank->remainder->minor : 0);
    for (size_t i = 0; i < bank->n_movement; i++)
        minor += bank->movement[i]->minor;
    return minor;
}

static void every_movement_is_told(void **state)
{
    (void)state;
    const Pledged__V1__BankStatement *bank = only(load("exact-v08.xml"));
    assert_int_equal(bank->kind, PLEDGED__V1__STATEMENT_KIND__STATEMENT_KIND_STATEMENT);
    assert_string_equal(bank->account, "CH8109000000150001234");
    assert_string_equal(bank->id, "STM-2026-0001");
    assert_int_equal(bank->n_movement, 1);
    assert_null(bank->remainder);
    const Pledged__V1__Movement *movement = bank->movement[0];
    assert_int_equal(movement->minor, 15000000);
    assert_string_equal(movement->bank_ref, "ASR-0001");
    assert_string_equal(movement->reference, "RF85P000001");
    assert_false(movement->reference_in_text);
    assert_null(movement->instructed);
    assert_int_equal(sum(bank), bank->closing_minor);
}

static void a_reference_is_found_in_the_text(void **state)
{
    (void)state;
    const Pledged__V1__BankStatement *bank = only(load("reference-text.xml"));
    bool found = false;
    for (size_t i = 0; i < bank->n_movement; i++)
        found = found || bank->movement[i]->reference_in_text;
    assert_true(found);
}

static void what_is_not_ours_is_counted_and_left_out(void **state)
{
    (void)state;
    struct pl_slice file = load("no-payer.xml");
    const Pledged__V1__BankStatement *bank = only(file);
    size_t all = bank->n_movement;
    const char *ref = bank->movement[0]->bank_ref;
    assert_true(all > 0 && ref[0] != '\0' && bank->movement[0]->reference[0] == '\0');
    type(OPTION_OURS, "");
    bank = only(file);
    assert_non_null(bank->remainder);
    assert_int_equal(bank->n_movement, 0);
    assert_int_equal(bank->remainder->count, all);
    assert_int_equal(sum(bank), bank->closing_minor);
    /* picked by the bank's reference */
    type(OPTION_TAKE, ref);
    bank = only(file);
    assert_int_equal(bank->n_movement, 1);
    assert_int_equal(bank->remainder->count, all - 1);
    assert_int_equal(sum(bank), bank->closing_minor);
    /* or by a reference of ours */
    cli.options.value[OPTION_TAKE].count = 0;
    bank = only(load("exact-v08.xml"));
    assert_int_equal(bank->n_movement, 1);
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    Pledged__V1__ImportStatement *import = NULL;
    struct payers payers;
    struct pl_status status =
        bankfile_read(&cli, load("unbalanced.xml"), "f.xml", &import, &payers);
    assert_int_equal(status.code, PL_E_INVALID);
    assert_non_null(strstr(cli.failure.message, "f.xml:"));
    assert_null(import);
}

#define CASE(name_) cmocka_unit_test_setup_teardown(name_, fresh, gone)

int main(void)
{
    const struct CMUnitTest cases[] = {
        CASE(every_movement_is_told),
        CASE(a_reference_is_found_in_the_text),
        CASE(what_is_not_ours_is_counted_and_left_out),
        CASE(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
