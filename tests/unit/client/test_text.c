/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every code of the API has words in both languages, and the language is found where users
 * say it.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/text.h"
#include "common/check.h"

static struct pl_arena arena;

static void test_every_value_of_the_api_has_a_code_and_words(void **state)
{
    (void)state;
    static const struct {
        enum text_list list;
        const ProtobufCEnumDescriptor *type;
        unsigned zeros; /* values without words: 0 and those the list leaves out */
    } enums[] = {
        {TEXT_KIND, &pledged__v1__contributor_kind__descriptor, 1},
        {TEXT_STAGE, &pledged__v1__stage__descriptor, 1},
        {TEXT_MONEY, &pledged__v1__money_state__descriptor, 1},
        {TEXT_ROLE, &pledged__v1__role__descriptor, 1},
        {TEXT_PLEDGE_KIND, &pledged__v1__pledge_kind__descriptor, 1},
        {TEXT_PURPOSE, &pledged__v1__purpose__descriptor, 1},
        {TEXT_PUBLISH, &pledged__v1__publish__descriptor, 1},
        {TEXT_MONEY_PLAN, &pledged__v1__money_plan__descriptor, 1},
        {TEXT_UNIT, &pledged__v1__unit__descriptor, 1},
        {TEXT_PHASE, &pledged__v1__phase__descriptor, 1},
        {TEXT_BY, &pledged__v1__totals_by__descriptor, 1},
        {TEXT_RECEIPT, &pledged__v1__receipt_kind__descriptor, 1},
    };
    for (size_t i = 0; i < PL_COUNT(enums); i++) {
        unsigned known = 0;
        for (unsigned v = 0; v < enums[i].type->n_values; v++) {
            int value = enums[i].type->values[v].value, back = -1;
            const char *code = text_code(enums[i].list, value);
            if (value == 0) {
                assert_null(code);
                continue;
            }
            assert_non_null(text_label(enums[i].list, value));
            assert_true(text_parse(enums[i].list, code, &back));
            assert_int_equal(back, value);
            known++;
        }
        assert_int_equal(known, enums[i].type->n_values - enums[i].zeros);
    }
}

static void test_every_fact_has_a_code(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *entry = &pledged__v1__entry__descriptor;
    for (unsigned i = 0; i < entry->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &entry->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
            continue;
        assert_string_equal(text_code(TEXT_FACT, (int)field->id), field->name);
    }
}

static void test_every_reason_and_warning_has_a_sentence_in_both_languages(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *reasons = &pledged__v1__reason__descriptor;
    for (unsigned i = 0; i < reasons->n_values; i++) {
        Pledged__V1__Reason reason = (Pledged__V1__Reason)reasons->values[i].value;
        if (reason == PLEDGED__V1__REASON__REASON_UNSPECIFIED)
            continue;
        text_use(TEXT_ENGLISH);
        const char *english = text_reason(reason);
        text_use(TEXT_FRENCH);
        const char *french = text_reason(reason);
        if (english == NULL || french == NULL || strcmp(english, french) == 0)
            fail_msg("%s: '%s' '%s'", reasons->values[i].name, english == NULL ? "" : english,
                     french == NULL ? "" : french);
    }
    text_use(TEXT_ENGLISH);
    const ProtobufCEnumDescriptor *warnings = &pledged__v1__warning_kind__descriptor;
    for (unsigned i = 0; i < warnings->n_values; i++) {
        Pledged__V1__WarningKind kind = (Pledged__V1__WarningKind)warnings->values[i].value;
        if (kind != PLEDGED__V1__WARNING_KIND__WARNING_KIND_UNSPECIFIED)
            assert_non_null(strchr(text_warning(kind), ' '));
    }
    assert_string_equal(text_reason_code(PLEDGED__V1__REASON__REASON_TIER_SOLD_OUT),
                        "TIER_SOLD_OUT");
    assert_string_equal(text_warning_code(PLEDGED__V1__WARNING_KIND__WARNING_KIND_EVENT_PAST),
                        "EVENT_PAST");
}

static void test_what_a_newer_daemon_says_is_shown_as_a_number(void **state)
{
    (void)state;
    assert_string_equal(text_code(TEXT_STAGE, 99), "99");
    assert_string_equal(text_reason_code((Pledged__V1__Reason)129), "129");
    assert_null(text_reason((Pledged__V1__Reason)129));
    assert_string_equal(text_label_of_code(TEXT_KIND, "martian"), "martian");
}

static void test_switching_the_language(void **state)
{
    (void)state;
    text_use(TEXT_FRENCH);
    assert_string_equal(text_language_code(), "fr");
    assert_string_equal(text_label(TEXT_STAGE, PLEDGED__V1__STAGE__STAGE_WAITING), "en attente");
    text_use(TEXT_ENGLISH);
    assert_string_equal(text_label(TEXT_STAGE, PLEDGED__V1__STAGE__STAGE_WAITING), "waiting");
}

static void test_the_language_of_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *lc_all, *lc_messages, *lang, *language;
        enum text_language wanted;
    } cases[] = {
        {"fr_FR.UTF-8", NULL, NULL, NULL, TEXT_FRENCH},
        {"fr", "en_GB", "en", NULL, TEXT_FRENCH},
        {"", "fr_CH", "en_US", NULL, TEXT_FRENCH},
        {"", "", "fr_CA.UTF-8", NULL, TEXT_FRENCH},
        {"de_CH.UTF-8", NULL, "fr_FR", NULL, TEXT_ENGLISH},
        {"en_US.UTF-8", NULL, NULL, "fr:en", TEXT_FRENCH},
        {"en_US.UTF-8", NULL, NULL, "de:fr", TEXT_FRENCH},
        {"C", NULL, NULL, "fr", TEXT_ENGLISH},
        {NULL, NULL, NULL, NULL, TEXT_ENGLISH},
        {"french", NULL, NULL, NULL, TEXT_ENGLISH},
    };
    for (size_t i = 0; i < PL_COUNT(cases); i++) {
        const char *names[] = {"LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"};
        const char *values[] = {cases[i].lc_all, cases[i].lc_messages, cases[i].lang,
                                cases[i].language};
        for (size_t n = 0; n < PL_COUNT(names); n++)
            assert_int_equal(
                values[n] == NULL ? unsetenv(names[n]) : setenv(names[n], values[n], 1), 0);
        if (text_language_of_environment() != cases[i].wanted)
            fail_msg("case %zu", i);
    }
}

static void test_picking_a_text(void **state)
{
    (void)state;
    Pledged__V1__Text en = PLEDGED__V1__TEXT__INIT, fr = PLEDGED__V1__TEXT__INIT;
    en.lang = (char *)(uintptr_t) "en";
    en.text = (char *)(uintptr_t) "Gold";
    fr.lang = (char *)(uintptr_t) "fr";
    fr.text = (char *)(uintptr_t) "OR";
    fr.authentic = true;
    Pledged__V1__Text *texts[] = {&en, &fr};
    assert_string_equal(text_pick(texts, 2, "en"), "Gold");
    assert_string_equal(text_pick(texts, 2, "fr"), "OR");
    assert_string_equal(text_pick(texts, 2, "de"), "OR");
    assert_string_equal(text_pick(texts, 1, "de"), "Gold");
    assert_string_equal(text_pick(texts, 0, "fr"), "");
}

static void test_codes_of_a_list(void **state)
{
    (void)state;
    assert_string_equal(text_codes(TEXT_MONEY_PLAN, &arena), "keep, refund, move");
}

static int begin(void **state)
{
    (void)state;
    pl_arena_init(&arena, 1 << 16);
    text_use(TEXT_ENGLISH);
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
        cmocka_unit_test(test_every_value_of_the_api_has_a_code_and_words),
        cmocka_unit_test(test_every_fact_has_a_code),
        cmocka_unit_test(test_every_reason_and_warning_has_a_sentence_in_both_languages),
        cmocka_unit_test(test_what_a_newer_daemon_says_is_shown_as_a_number),
        cmocka_unit_test(test_switching_the_language),
        cmocka_unit_test(test_the_language_of_the_environment),
        cmocka_unit_test(test_picking_a_text),
        cmocka_unit_test(test_codes_of_a_list),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
