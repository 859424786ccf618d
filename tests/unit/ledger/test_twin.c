/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a name that the eye takes for another's is another's, in a ledger that was loaded as in one
 * that was lived; what older rules let in stays.
 */
#include "common/ids.h"
#include "fixture.h"
#include "server/ledger/twin.h"

/* Another keyboard makes no other organisation; its own name may be put right. */
static void test_accents_make_no_other_name(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    add_contributor(&w, "Soci\u00e9t\u00e9 G");
    add_contributor(&w, "Plain");
    static const char *const same[] = {"Societe G", "Socie\u0301te\u0301 G", " SOCI\u00c9TE  g"};
    for (size_t i = 0; i < 3; i++) {
        add_contributor(&w, same[i]);
        assert_refused(&w, CONTRIBUTOR_DUPLICATE);
        assert_string_equal(w.refusal->arg[0]->value, "C000001");
        assert_string_equal(w.refusal->arg[1]->name, "why");
        amend_contributor(&w, "C000002", same[i], "", "");
        assert_refused(&w, CONTRIBUTOR_DUPLICATE);
        struct ledger *again = world_reloaded(w.ledger);
        assert_int_equal(twin_of(again, same[i], STATE_NONE), 0);
        ledger_free(again);
    }
    add_contributor(&w, "Pl\u00e5in"); /* as one of ASCII letters */
    assert_refused(&w, CONTRIBUTOR_DUPLICATE);
    assert_string_equal(w.refusal->arg[0]->value, "C000002");
    amend_contributor(&w, "C000001", "Societe G", "CH", "");
    assert_accepted(&w);
    amend_contributor(&w, "C000001", "Soci\u00e9te G", "CH", "");
    assert_accepted(&w);
    amend_contributor(&w, "C000001", "\u00c9cole", "", "");
    assert_accepted(&w);
    add_contributor(&w, "Soci\u00e9t\u00e9 G"); /* free again */
    assert_accepted(&w);
    add_contributor(&w, "Ecole");
    assert_refused(&w, CONTRIBUTOR_DUPLICATE);
    assert_int_equal(w.ledger->folded_twins, 0);
    world_fini(&w);
}

/* Older rules let them in: they stay, and each is found as long as it is there, in a ledger that
 * was loaded as in one that was lived. */
static void test_twins_of_older_rules_stay(void **state)
{
    (void)state;
    static const char *const names[] = {"\u00c9cole", "E\u0301cole", "\u00c8cole"};
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < 3; i++) {
        char other[] = {'x', (char)('0' + i), '\0'};
        add_contributor(&w, other);
        assert_accepted(&w);
        Pledged__V1__Entry *entry = world_last(&w);
        world_follows(&w, entry, "");
        entry->contributor_added->contributor =
            (char *)pl_arena_printf(&w.arena, "C%06zu", 2 * i + 2);
        entry->contributor_added->name = (char *)(uintptr_t)names[i];
        assert_true(pl_is_ok(ledger_check(w.ledger, entry)));
        ledger_apply(w.ledger, entry);
    }
    assert_int_equal(w.ledger->folded_twins, 2);
    amend_contributor(&w, "C000004", names[1], "CH", ""); /* its name is no news */
    assert_accepted(&w);
    const uint32_t first[] = {1, 3, 5};
    for (size_t i = 0; i < 3; i++) {
        char id[24], free_name[] = {'y', (char)('0' + i), '\0'};
        assert_int_equal(twin_of(w.ledger, "ecole", STATE_NONE), first[i]);
        struct ledger *again = world_reloaded(w.ledger);
        assert_int_equal(twin_of(again, "ecole", STATE_NONE), first[i]);
        assert_int_equal(again->folded_twins, w.ledger->folded_twins);
        ledger_free(again);
        amend_contributor(&w, pl_id_format('C', first[i] + 1, id), free_name, "", "");
        assert_accepted(&w);
    }
    assert_int_equal(twin_of(w.ledger, "ecole", STATE_NONE), STATE_NONE);
    world_fini(&w);
}

/* Nor does what a program puts for an apostrophe or a hyphen while one types, or a letter for two:
 * one of the names may be of ASCII alone, and either may be first. */
static void test_another_keyboard_makes_no_other_name(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"Cote d'Ivoire", "C\u00f4te d\u2019Ivoire"},
                                           {"Minist\u00e8re de l'Eau", "Ministere de l\u2019Eau"},
                                           {"Rhone-Alpes", "Rh\u00f4ne\u2011Alpes"},
                                           {"Oeuvre", "\u0152uvre"}};
    for (size_t i = 0; i < 8; i++) {
        struct world w;
        world_init(&w);
        add_contributor(&w, pairs[i / 2][i % 2]);
        assert_accepted(&w);
        add_contributor(&w, pairs[i / 2][1 - i % 2]);
        assert_refused(&w, CONTRIBUTOR_DUPLICATE);
        assert_string_equal(w.refusal->arg[0]->value, "C000001");
        amend_contributor(&w, "C000001", pairs[i / 2][1 - i % 2], "", ""); /* put right */
        assert_accepted(&w);
        world_fini(&w);
    }
}

/* Nobody sees a joiner, a filler, or a space of Braille: with one of them, or without, before the
 * other or after it. */
static void test_what_is_not_seen_makes_no_other_name(void **state)
{
    (void)state;
    static const char *const unseen[] = {"Ac\u200bme G", "Acme\u2060 G\ufeff", "A\u00adcme G\u3164",
                                         "Acme\u2800G", "Acme G\U000e0041"};
    for (size_t i = 0; i < 5; i++) {
        struct world w;
        world_init(&w);
        add_contributor(&w, "Acme G");
        add_contributor(&w, unseen[i]);
        assert_refused(&w, CONTRIBUTOR_DUPLICATE);
        assert_string_equal(w.refusal->arg[0]->value, "C000001");
        amend_contributor(&w, "C000001", unseen[i], "", "");
        assert_accepted(&w);
        add_contributor(&w, "Acme G");
        assert_refused(&w, CONTRIBUTOR_DUPLICATE);
        assert_int_equal(w.ledger->folded_twins, 0);
        world_fini(&w);
    }
}

/* However long a name becomes when it is taken apart, its last letter makes it another one. */
static void test_long_names_are_told_apart(void **state)
{
    (void)state;
    static const char *const letters[] = {"\uAC01", "\uFDFA"}; /* of three, and of eighteen */
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        char one[201] = "", other[201] = "";
        world_init(&w);
        for (int at = 0; at < 65; at++)
            memcpy(one + (size_t)3 * (size_t)at, letters[i], 4);
        memcpy(other, one, sizeof(one));
        memcpy(one + 195, "a", 2);
        memcpy(other + 195, "b", 2);
        add_contributor(&w, one);
        assert_accepted(&w);
        add_contributor(&w, other);
        assert_accepted(&w);
        add_contributor(&w, one);
        assert_refused(&w, CONTRIBUTOR_DUPLICATE);
        world_fini(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accents_make_no_other_name),
        cmocka_unit_test(test_twins_of_older_rules_stay),
        cmocka_unit_test(test_another_keyboard_makes_no_other_name),
        cmocka_unit_test(test_what_is_not_seen_makes_no_other_name),
        cmocka_unit_test(test_long_names_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
