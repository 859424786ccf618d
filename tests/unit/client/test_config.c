/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: profile, then options, whoever speaks last wins; what is wrong in a file is told with its
 * line.
 */
#include <cmocka.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/config.h"
#include "common/check.h"

static char dir[] = "/tmp/pledge-config-XXXXXX";
static char path[64];
static struct pl_arena arena;
static struct failure failure;
static struct config config;

static void write_file(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Options as "name", "value" pairs, ended by NULL. */
static struct pl_status load(const char *first, ...)
{
    char *argv[32] = {(char *)(uintptr_t) "pledge"};
    int argc = 1;
    struct options options;
    va_list args;
    va_start(args, first);
    for (const char *word = first; word != NULL; word = va_arg(args, const char *))
        argv[argc++] = (char *)(uintptr_t)word;
    va_end(args);
    failure = (struct failure){0};
    assert_true(pl_is_ok(options_parse(argc, argv, &options, &failure)));
    return config_load(&options, false, &arena, &config, &failure);
}

static void load_ok(struct pl_status status)
{
    if (!pl_is_ok(status))
        fail_msg("%s", failure.message);
}

static void test_a_profile_is_read_and_options_win(void **state)
{
    (void)state;
    write_file("timeout = 30s\n[clerk]\nserver = fund.example:7000\nca = ca.crt\n"
               "cert = /etc/c.crt\nkey = /etc/c.key\nformat = csv\nlang = fr\n"
               "[reader]\nserver = other.example\n");
    load_ok(load("--config", path, "--profile", "clerk", NULL));
    assert_string_equal(config.host, "fund.example");
    assert_int_equal(config.port, 7000);
    assert_int_equal(config.timeout_ms, 30000);
    assert_int_equal(config.format, OUTPUT_CSV);
    assert_int_equal(config.language, TEXT_FRENCH);
    char beside[96];
    (void)snprintf(beside, sizeof(beside), "%s/ca.crt", dir); /* relative to the file */
    assert_string_equal(config.ca, beside);
    assert_string_equal(config.cert, "/etc/c.crt");
    load_ok(
        load("--config", path, "--profile", "reader", "--format", "json", "--timeout", "2m", NULL));
    assert_string_equal(config.host, "other.example");
    assert_int_equal(config.port, 7443);
    assert_int_equal(config.format, OUTPUT_JSON);
    assert_int_equal(config.timeout_ms, 120000);
    assert_null(config.cert);
}

static void test_the_environment_names_file_and_profile(void **state)
{
    (void)state;
    write_file("[clerk]\nserver = a:1\n[reader]\nserver = b:2\n");
    assert_int_equal(setenv("PLEDGE_CONFIG", path, 1), 0);
    assert_int_equal(setenv("PLEDGE_PROFILE", "reader", 1), 0);
    load_ok(load(NULL));
    assert_string_equal(config.host, "b");
    load_ok(load("--profile", "clerk", NULL));
    assert_string_equal(config.host, "a");
    assert_int_equal(unsetenv("PLEDGE_PROFILE"), 0);
    load_ok(load(NULL)); /* no profile: nothing of any section */
    assert_null(config.host);
    assert_int_equal(unsetenv("PLEDGE_CONFIG"), 0);
}

static void test_what_is_not_there(void **state)
{
    (void)state;
    write_file("[clerk]\nserver = a:1\n");
    assert_int_equal(load("--config", path, "--profile", "nobody", NULL).code, PL_E_CONFIG);
    assert_non_null(strstr(failure.message, "nobody"));
    assert_int_equal(load("--config", "/nonexistent/x", NULL).code, PL_E_CONFIG);
    assert_int_equal(load("--profile", "clerk", NULL).code, PL_E_CONFIG); /* no default file */
    load_ok(load(NULL));                                                  /* none is needed */
    assert_null(config.host);
}

static void test_a_wrong_line_is_told_with_its_number(void **state)
{
    (void)state;
    write_file("[clerk]\n\nsrever = a:1\n");
    assert_int_equal(load("--config", path, "--profile", "clerk", NULL).code, PL_E_CONFIG);
    assert_non_null(strstr(failure.message, ":3:"));
    assert_non_null(strstr(failure.message, "'server'"));
    write_file("[clerk]\nserver\n");
    assert_int_equal(load("--config", path, "--profile", "clerk", NULL).code, PL_E_CONFIG);
    assert_non_null(strstr(failure.message, ":2:"));
    char text[600] = "[clerk]\nca = ";
    memset(text + strlen(text), 'a', 500);
    write_file(text);
    assert_int_equal(load("--config", path, "--profile", "clerk", NULL).code, PL_E_CONFIG);
}

static void test_forms_of_a_server(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"localhost", "localhost", 7443},
        {"10.0.0.1:1", "10.0.0.1", 1},
        {"[::1]:65535", "::1", 65535},
        {"[::1]", "::1", 7443},
        {"::1", "::1", 7443},
    };
    for (size_t i = 0; i < PL_COUNT(good); i++) {
        load_ok(load("--server", good[i].text, NULL));
        assert_string_equal(config.host, good[i].host);
        assert_int_equal(config.port, good[i].port);
    }
    static const char *const wrong[] = {"a:", "a:0", "a:65536", ":1", "[::1", "[::1]x", "a:b"};
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        assert_int_equal(load("--server", wrong[i], NULL).code, PL_E_USAGE);
}

static void test_wrong_values(void **state)
{
    (void)state;
    assert_int_equal(load("--format", "xml", NULL).code, PL_E_USAGE);
    assert_int_equal(load("--lang", "de", NULL).code, PL_E_USAGE);
    assert_int_equal(load("--timeout", "0", NULL).code, PL_E_USAGE);
    assert_int_equal(load("--timeout", "soon", NULL).code, PL_E_USAGE);
    assert_int_equal(load("--cert", "c", NULL).code, PL_E_CONFIG); /* without its key */
    load_ok(load("--timeout", "15", NULL));
    assert_int_equal(config.timeout_ms, 15000);
}

static void test_a_guess_needs_the_command_line_alone(void **state)
{
    (void)state;
    char *argv[] = {(char *)(uintptr_t) "pledge", (char *)(uintptr_t) "--no-such",
                    (char *)(uintptr_t) "--format", (char *)(uintptr_t) "json",
                    (char *)(uintptr_t) "--lang=fr"};
    config_guess(5, argv, false, &config);
    assert_int_equal(config.format, OUTPUT_JSON);
    assert_int_equal(config.language, TEXT_FRENCH);
    config_guess(1, argv, false, &config);
    assert_int_equal(config.format, OUTPUT_PLAIN);
    config_guess(1, argv, true, &config);
    assert_int_equal(config.format, OUTPUT_TABLE);
}

static int begin(void **state)
{
    (void)state;
    text_use(TEXT_ENGLISH);
    pl_arena_init(&arena, 1 << 20);
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(path, sizeof(path), "%s/config", dir);
    static const char *const names[] = {"PLEDGE_CONFIG", "PLEDGE_PROFILE", "LC_ALL", "LANG",
                                        "LC_MESSAGES"};
    for (size_t i = 0; i < PL_COUNT(names); i++)
        (void)unsetenv(names[i]);
    return setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
}

static int end(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)rmdir(dir);
    pl_arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_profile_is_read_and_options_win),
        cmocka_unit_test(test_the_environment_names_file_and_profile),
        cmocka_unit_test(test_what_is_not_there),
        cmocka_unit_test(test_a_wrong_line_is_told_with_its_number),
        cmocka_unit_test(test_forms_of_a_server),
        cmocka_unit_test(test_wrong_values),
        cmocka_unit_test(test_a_guess_needs_the_command_line_alone),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
