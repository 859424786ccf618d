/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: who paid is a record that fits its commitment, the same for the same request, and says
 * nothing that a line of text may not hold; names are alike whatever a bank does to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* clang-format off: cmocka needs the ones above first */
#include <cmocka.h>
/* clang-format on */

#include "client/payer.h"
#include "common/hash.h"
#include "common/scan.h"

static struct camt_movement paid_by(const char *name, const char *account, const char *text)
{
    return (struct camt_movement){.payer = name, .payer_iban = account, .text = text};
}

static const Pledged__V1__PayerDetail *unpack(struct pl_slice record, struct pl_arena *arena)
{
    ProtobufCMessage *message = NULL;
    assert_true(pl_is_ok(
        pl_unpack_trusted(&pledged__v1__payer_detail__descriptor, record, arena, &message)));
    return (const void *)message;
}

static void what_is_said_is_a_plain_record(void **state)
{
    (void)state;
    struct pl_arena arena;
    struct payers payers;
    char text[4001];
    pl_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < 4000; i += 2)
        memcpy(text + i, "\xC3\xA9", 2); /* é: cut between characters, not within */
    text[4000] = '\0';
    struct camt_movement movement[] = {paid_by("Zoé\tPaul", "CH93", ""), paid_by("", "", ""),
                                       paid_by("", "", text)};
    text[0] = 'x';
    text[1] = 'y';
    assert_true(pl_is_ok(payers_init(&payers, pl_slice("file", 4), 3, &arena)));
    for (int i = 0; i < 3; i++)
        assert_true(pl_is_ok(payers_add(&payers, &movement[i], &arena)));
    assert_string_equal(unpack(payers.record[0], &arena)->name, "Zoé Paul");
    assert_string_equal(unpack(payers.record[0], &arena)->account, "CH93");
    assert_int_equal(payers.record[1].len, 0);
    assert_int_equal(strlen(unpack(payers.record[2], &arena)->text), 3000);
    text[2] = 'z'; /* now the cut would fall within a character */
    memmove(text + 3, text + 4, 3997);
    struct camt_movement shifted = paid_by("", "", text);
    assert_true(pl_is_ok(payers_init(&payers, pl_slice("file", 4), 1, &arena)));
    assert_true(pl_is_ok(payers_add(&payers, &shifted, &arena)));
    assert_int_equal(strlen(unpack(payers.record[0], &arena)->text), 2999);
    pl_arena_fini(&arena);
}

static Pledged__V1__PrivateRecord **commit(struct pl_arena *arena, const char *file,
                                           const uint8_t id[16],
                                           Pledged__V1__ImportStatement *import, size_t *count)
{
    struct payers payers;
    Pledged__V1__PrivateRecord **list = NULL;
    struct camt_movement movement[] = {paid_by("A", "", ""), paid_by("", "", ""),
                                       paid_by("A", "", "")};
    assert_true(pl_is_ok(payers_init(&payers, pl_slice(file, strlen(file)), 3, arena)));
    for (int i = 0; i < 3; i++)
        assert_true(pl_is_ok(payers_add(&payers, &movement[i], arena)));
    assert_true(pl_is_ok(payers_commit(&payers, id, import, arena, &list, count)));
    return list;
}

static void salts_are_those_of_file_and_request(void **state)
{
    (void)state;
    struct pl_arena arena;
    Pledged__V1__Movement movement[3], *list[3];
    Pledged__V1__BankStatement bank = PLEDGED__V1__BANK_STATEMENT__INIT, *banks[] = {&bank};
    Pledged__V1__ImportStatement import = PLEDGED__V1__IMPORT_STATEMENT__INIT;
    const uint8_t one[16] = {1}, two[16] = {2};
    uint8_t made[PL_SHA256_BYTES];
    size_t count = 0;
    pl_arena_init(&arena, 1 << 20);
    for (int i = 0; i < 3; i++) {
        pledged__v1__movement__init(&movement[i]);
        list[i] = &movement[i];
    }
    bank.n_movement = 3;
    bank.movement = list;
    import.n_statement = 1;
    import.statement = banks;
    Pledged__V1__PrivateRecord **first = commit(&arena, "file", one, &import, &count);
    assert_int_equal(count, 2);
    assert_int_equal(movement[1].detail_commitment.len, 0);
    for (int i = 0; i < 2; i++) {
        const Pledged__V1__PrivateRecord *record = first[i];
        assert_int_equal(record->salt.len, 32);
        pl_hmac_sha256(pl_slice(record->salt.data, 32),
                       pl_slice(record->record.data, record->record.len), made);
        assert_memory_equal(made, record->commitment.data, 32);
        assert_memory_equal(movement[2 * i].detail_commitment.data, made, 32);
    }
    /* the same payer twice is two records: one can be erased without the other */
    assert_memory_not_equal(first[0]->commitment.data, first[1]->commitment.data, 32);
    Pledged__V1__PrivateRecord **again = commit(&arena, "file", one, &import, &count);
    assert_memory_equal(again[0]->salt.data, first[0]->salt.data, 32);
    Pledged__V1__PrivateRecord **other = commit(&arena, "file", two, &import, &count);
    assert_memory_not_equal(other[0]->salt.data, first[0]->salt.data, 32);
    other = commit(&arena, "File", one, &import, &count);
    assert_memory_not_equal(other[0]->salt.data, first[0]->salt.data, 32);
    pl_arena_fini(&arena);
}

static void names_are_alike(void **state)
{
    (void)state;
    struct pl_arena arena;
    pl_arena_init(&arena, 1 << 20);
    const struct {
        const char *left, *right;
        int least, most;
    } pairs[] = {
        {"Ministère des Télécoms", "MINISTERE DES TELECOMS", 100, 100},
        {"Telecoms, Ministère des", "Ministère des Télécoms", 100, 100},
        {"Alpine Telecom SA", "ALPINE TELECOM SA, 3000 BERN", 75, 99},
        {"Alpine Telecom SA", "Friends of the Forum", 0, 30},
        {"Zürich Foundation", "Zurich Fondation", 70, 99},
        {"", "Alpine", 0, 0},
        {"---", "Alpine", 0, 0},
        {"国际电信联盟", "国际电信联盟", 100, 100},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        int alike = payer_likeness(pairs[i].left, pairs[i].right, &arena);
        if (alike < pairs[i].least || alike > pairs[i].most)
            fail_msg("%s / %s: %d", pairs[i].left, pairs[i].right, alike);
        assert_int_equal(alike, payer_likeness(pairs[i].right, pairs[i].left, &arena));
    }
    pl_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_is_a_plain_record),
        cmocka_unit_test(salts_are_those_of_file_and_request),
        cmocka_unit_test(names_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
