/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: the table of commands is complete and consistent; a command line finds its row or is told
 * which one was meant; every command has help.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/commands.h"
#include "common/check.h"

static void test_every_row_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < commands_count(); i++) {
        const struct command *command = commands_at(i);
        assert_non_null(command->name);
        assert_non_null(command->args);
        assert_non_null(command->words);
        assert_non_null(command->examples);
        assert_true(command->run != NULL);
        assert_true(command->least <= command->most);
        assert_int_equal(command->required & ~command->options, 0);
        assert_int_equal(command->writes, (command->options & OPTIONS_WRITE) == OPTIONS_WRITE);
        assert_true(strncmp(command->examples, "pledge ", 7) == 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(command->name, commands_at(j)->name);
    }
}

static void test_names_of_one_and_two_words_are_found(void **state)
{
    (void)state;
    size_t used = 0;
    const char *one[] = {"slots", "platine"};
    assert_string_equal(commands_find(one, 2, &used)->name, "slots");
    assert_int_equal(used, 1);
    const char *two[] = {"contributor", "add", "x"};
    assert_string_equal(commands_find(two, 3, &used)->name, "contributor add");
    assert_int_equal(used, 2);
    const char *none[] = {"contributor", "remove"};
    assert_null(commands_find(none, 2, &used));
    assert_null(commands_find(none, 0, &used));
}

static void test_the_nearest_name(void **state)
{
    (void)state;
    const char *slots[] = {"sluts", "platine"}, *add[] = {"contributer", "add"};
    const char *strange[] = {"xyzzyxyzzy"};
    assert_string_equal(commands_nearest(slots, 2), "slots");
    assert_string_equal(commands_nearest(add, 2), "contributor add");
    assert_null(commands_nearest(strange, 1));
    assert_null(commands_nearest(strange, 0));
}

static struct pl_status check(const char *name, size_t args, enum option given, enum option given2)
{
    static struct cli cli;
    static const char *const words[] = {"a", "b", "c", "d"};
    size_t used;
    const char *split[2] = {name, NULL};
    cli = (struct cli){.arg = words, .arg_count = args};
    cli.command = commands_find(split, 1, &used);
    assert_non_null(cli.command);
    cli.options.value[given].count = 1;
    cli.options.value[given].text[0] = "x";
    cli.options.value[given2].count = 1;
    cli.options.value[given2].text[0] = "x";
    return commands_check(&cli);
}

static void test_words_and_options_are_checked_against_the_table(void **state)
{
    (void)state;
    assert_true(pl_is_ok(check("slots", 1, OPTION_AT_LEAST, OPTION_QUIET)));
    assert_int_equal(check("slots", 0, OPTION_QUIET, OPTION_QUIET).code, PL_E_USAGE);
    assert_int_equal(check("slots", 2, OPTION_QUIET, OPTION_QUIET).code, PL_E_USAGE);
    assert_int_equal(check("slots", 1, OPTION_TIER, OPTION_QUIET).code, PL_E_USAGE);
    assert_int_equal(check("hold", 1, OPTION_FOR, OPTION_QUIET).code, PL_E_USAGE); /* for whom? */
    assert_true(pl_is_ok(check("hold", 1, OPTION_CONTRIBUTOR, OPTION_DRY_RUN)));
    assert_int_equal(check("tiers", 0, OPTION_REASON, OPTION_QUIET).code, PL_E_USAGE);
}

static void test_help_names_every_option_of_its_command(void **state)
{
    (void)state;
    for (int language = 0; language < 2; language++) {
        text_use(language == 0 ? TEXT_ENGLISH : TEXT_FRENCH);
        for (size_t i = 0; i < commands_count(); i++) {
            struct pl_buf out PL_CLEANUP(pl_buf_fini);
            pl_buf_init(&out, 1 << 16);
            assert_true(pl_is_ok(help_print(commands_at(i), &out)));
            assert_true(pl_is_ok(pl_buf_append(&out, "", 1)));
            const char *text = (const char *)out.data + out.start;
            for (int option = 0; option < OPTION_COUNT; option++) {
                char name[40];
                (void)snprintf(name, sizeof(name), "--%s", options_rule((enum option)option)->name);
                if ((commands_at(i)->options & OPTION_BIT(option)) != 0 &&
                    strstr(text, name) == NULL)
                    fail_msg("%s: %s is missing", commands_at(i)->name, name);
            }
            assert_non_null(strstr(text, commands_at(i)->name));
            bool verifies = commands_at(i)->offline && !commands_at(i)->serves;
            assert_non_null(strstr(text, verifies ? "  17" : "  78"));
        }
    }
    text_use(TEXT_ENGLISH);
}

static void test_lines_of_help_fit_a_terminal(void **state)
{
    (void)state;
    text_use(TEXT_FRENCH);
    struct pl_buf out PL_CLEANUP(pl_buf_fini);
    pl_buf_init(&out, 1 << 16);
    assert_true(pl_is_ok(help_print(NULL, &out)));
    size_t width = 0;
    for (size_t i = out.start; i < out.end; i++) {
        if (out.data[i] == '\n')
            width = 0;
        else
            width += (out.data[i] & 0xC0) != 0x80;
        assert_true(width <= 80);
    }
    text_use(TEXT_ENGLISH);
}

int main(void)
{
    text_use(TEXT_ENGLISH);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_names_of_one_and_two_words_are_found),
        cmocka_unit_test(test_the_nearest_name),
        cmocka_unit_test(test_words_and_options_are_checked_against_the_table),
        cmocka_unit_test(test_help_names_every_option_of_its_command),
        cmocka_unit_test(test_lines_of_help_fit_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
