/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: what is typed means one thing, wherever it stands; what is mistyped is refused and the
 * nearest word is named.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/options.h"
#include "client/text.h"
#include "common/check.h"

static struct options options;
static struct failure failure;

static struct pl_status parse(const char *line)
{
    static char words[1024], *argv[300];
    int argc = 0;
    (void)snprintf(words, sizeof(words), "pledge %s", line);
    for (char *word = words; word != NULL;) {
        argv[argc++] = word;
        word = strchr(word, ' ');
        if (word != NULL)
            *word++ = '\0';
    }
    failure = (struct failure){0};
    return options_parse(argc, argv, &options, &failure);
}

static void test_a_year_of_files_is_one_command(void **state)
{
    (void)state;
    char line[2 * OPTION_ARGS_MAX + 3] = "a";
    while (strlen(line) < 2 * OPTION_ARGS_MAX - 1)
        strcat(line, " a");
    assert_true(pl_is_ok(parse(line)));
    assert_int_equal(options.arg_count, OPTION_ARGS_MAX);
    assert_int_equal(parse(strcat(line, " b")).code, PL_E_USAGE);
    assert_non_null(strstr(failure.message, "'b'"));
}

static void accept_line(const char *line)
{
    struct pl_status status = parse(line);
    if (!pl_is_ok(status))
        fail_msg("%s: %s", line, failure.message);
}

static void test_words_and_options_mix(void **state)
{
    (void)state;
    accept_line("--format json slots --at-least=2 platine --quiet");
    assert_int_equal(options.arg_count, 2);
    assert_string_equal(options.arg[0], "slots");
    assert_string_equal(options.arg[1], "platine");
    assert_string_equal(options_get(&options, OPTION_FORMAT), "json");
    assert_string_equal(options_get(&options, OPTION_AT_LEAST), "2");
    assert_true(options_has(&options, OPTION_QUIET));
    assert_null(options_get(&options, OPTION_TIER));
}

static void test_short_forms_and_the_end_of_options(void **state)
{
    (void)state;
    accept_line("dump -o file");
    assert_string_equal(options_get(&options, OPTION_OUTPUT), "file");
    accept_line("dump -ofile -q");
    assert_string_equal(options_get(&options, OPTION_OUTPUT), "file");
    accept_line("dump -- --tier -q -5 -");
    assert_int_equal(options.arg_count, 5);
    assert_false(options_has(&options, OPTION_QUIET));
    accept_line("pay P1 -5 CHF");
    assert_int_equal(options.arg_count, 4);
}

static void test_repeatable_options_collect_and_others_are_refused(void **state)
{
    (void)state;
    accept_line("list --stage held --stage waiting");
    assert_int_equal(options.value[OPTION_STAGE].count, 2);
    assert_int_equal(parse("submit --amount 1 --amount 2").code, PL_E_USAGE);
    accept_line("--ca a --ca b tiers"); /* where and how: whoever speaks last wins */
    assert_string_equal(options_get(&options, OPTION_CA), "b");
}

static void test_what_is_mistyped_is_refused_with_the_nearest(void **state)
{
    (void)state;
    assert_int_equal(parse("slots --at-lest 1").code, PL_E_USAGE);
    assert_non_null(strstr(failure.message, "--at-least"));
    assert_int_equal(parse("slots --xyzzyxyz").code, PL_E_USAGE);
    assert_int_equal(parse("slots -z").code, PL_E_USAGE);
    assert_int_equal(parse("slots --at-least").code, PL_E_USAGE);
    assert_int_equal(parse("slots --quiet=yes").code, PL_E_USAGE);
    assert_int_equal(parse("slots --at").code, PL_E_USAGE); /* no abbreviations */
}

static void test_every_option_has_words_and_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_rule *rule = options_rule((enum option)i);
        assert_non_null(rule->name);
        assert_non_null(rule->words);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(rule->name, options_rule((enum option)j)->name);
    }
}

static void test_an_option_of_another_command_is_refused(void **state)
{
    (void)state;
    accept_line("slots --tier or");
    struct pl_status status =
        options_only(&options, OPTION_BIT(OPTION_AT_LEAST) | OPTIONS_EVERY, "slots", &failure);
    assert_int_equal(status.code, PL_E_USAGE);
    assert_non_null(strstr(failure.message, "--tier"));
    accept_line("slots --format json --request-id x");
    assert_true(pl_is_ok(options_only(&options, OPTIONS_EVERY, "slots", &failure)));
}

static void test_numbers(void **state)
{
    (void)state;
    int64_t value = 7;
    assert_true(options_parse_number("0", 0, 10, &value));
    assert_int_equal(value, 0);
    static const char *const wrong[] = {"", "-1", "+1", "1x", " 1", "11", "99999999999999999999"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        assert_false(options_parse_number(wrong[i], 0, 10, &value));
    assert_int_equal(value, 0);
    accept_line("slots --at-least many");
    assert_int_equal(options_number(&options, OPTION_AT_LEAST, 0, 10, &value, &failure).code,
                     PL_E_USAGE);
}

static int english(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_and_options_mix),
        cmocka_unit_test(test_a_year_of_files_is_one_command),
        cmocka_unit_test(test_short_forms_and_the_end_of_options),
        cmocka_unit_test(test_repeatable_options_collect_and_others_are_refused),
        cmocka_unit_test(test_what_is_mistyped_is_refused_with_the_nearest),
        cmocka_unit_test(test_every_option_has_words_and_a_name_of_its_own),
        cmocka_unit_test(test_an_option_of_another_command_is_refused),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, english, NULL);
}
