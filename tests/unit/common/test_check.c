/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: a failed assertion ends the process loudly, in every build; a true one costs nothing.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/check.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

/* Runs `body` in a child with its stderr in `text`; returns how the child ended. */
static int run(void (*body)(void), char *text, size_t size)
{
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(pipe_fds[1], STDERR_FILENO);
        (void)close(pipe_fds[0]);
        (void)close(pipe_fds[1]);
        body();
        _exit(0);
    }
    (void)close(pipe_fds[1]);
    size_t used = 0;
    ssize_t got = 0;
    while (used + 1 < size && (got = read(pipe_fds[0], text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = '\0';
    (void)close(pipe_fds[0]);
    int ended = 0;
    assert_int_equal(waitpid(child, &ended, 0), child);
    return ended;
}

static void two_is_three(void)
{
    PL_ASSERT(1 + 1 == 3);
}

static void two_is_two(void)
{
    PL_ASSERT(1 + 1 == 2);
}

static void nowhere(void)
{
    PL_UNREACHABLE();
}

static void test_failed_assertion_aborts(void **state)
{
    (void)state;
    char text[512];
    int ended = run(two_is_three, text, sizeof(text));
    assert_true(WIFSIGNALED(ended));
    assert_int_equal(WTERMSIG(ended), SIGABRT);
    assert_non_null(strstr(text, "1 + 1 == 3"));
    assert_non_null(strstr(text, "test_check.c:"));
}

static void test_true_assertion_is_silent(void **state)
{
    (void)state;
    char text[512];
    assert_int_equal(run(two_is_two, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

static void test_unreachable_aborts(void **state)
{
    (void)state;
    char text[512];
    int ended = run(nowhere, text, sizeof(text));
    assert_true(WIFSIGNALED(ended));
    assert_non_null(strstr(text, "unreachable"));
}

static int freed;

static void free_text(char **text)
{
    if (*text != NULL)
        freed++;
    free(*text);
}

static char *keep_or_drop(bool keep)
{
    char *text PL_CLEANUP(free_text) = strdup("text");
    return keep ? PL_TAKE(text) : NULL;
}

static void test_take_moves_out_of_a_cleanup(void **state)
{
    (void)state;
    freed = 0;
    char *kept = keep_or_drop(true);
    assert_string_equal(kept, "text");
    assert_int_equal(freed, 0);
    free(kept);
    assert_null(keep_or_drop(false));
    assert_int_equal(freed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failed_assertion_aborts),
        cmocka_unit_test(test_true_assertion_is_silent),
        cmocka_unit_test(test_unreachable_aborts),
        cmocka_unit_test(test_take_moves_out_of_a_cleanup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
