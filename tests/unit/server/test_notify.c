/* SPDX-License-Identifier: Apache-2.0
 *
 * notify: what reaches the socket that systemd names, word by word; without it, silence.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/notify.h"

static int fd;
static char path[64], said[1024];

static const char *heard(void)
{
    ssize_t len = recv(fd, said, sizeof(said) - 1, MSG_DONTWAIT);
    said[len < 0 ? 0 : len] = '\0';
    return said;
}

static int setup(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char dir[] = "/tmp/pledged-notify-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/notify", dir);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close(fd);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

static void test_states_are_told(void **state)
{
    (void)state;
    notify_ready("nobody listens");
    assert_string_equal(heard(), "");
    setenv("NOTIFY_SOCKET", path, 1);
    notify_ready("%d entries", 7);
    assert_non_null(strstr(heard(), "READY=1"));
    assert_non_null(strstr(said, "STATUS=7 entries"));
    notify_reloading();
    assert_non_null(strstr(heard(), "RELOADING=1"));
    assert_non_null(strstr(said, "MONOTONIC_USEC="));
    notify_progress();
    assert_non_null(strstr(heard(), "WATCHDOG=1"));
    notify_stopping();
    assert_non_null(strstr(heard(), "STOPPING=1"));
}

static void test_the_watchdog_is_fed_in_time(void **state)
{
    char pid[16];
    (void)state;
    assert_int_equal(notify_watchdog_ns(), 0);
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    int64_t every_ns = notify_watchdog_ns();
    assert_in_range(every_ns, 1, 30000000000LL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_watchdog_is_fed_in_time, setup, teardown),
    };
    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
