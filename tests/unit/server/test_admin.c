/* SPDX-License-Identifier: Apache-2.0
 *
 * admin: the three answers over a real unix socket, in both formats, and what is not there.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka needs the C headers before it */
#include <cmocka.h>
// clang-format on

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "server/admin.h"
#include "server/net/listener.h"

struct rig {
    char dir[64], path[96];
    struct event_base *base;
    struct metrics *metrics;
    struct admin *admin;
    bool ready;
    char answer[65536];
};

static void look(void *arg, struct metrics_now *ret)
{
    const struct rig *rig = arg;
    *ret = (struct metrics_now){.up_s = 3, .ready = rig->ready, .disk_free_bytes = 12345};
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int fd = -1;
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/pledged-admin-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof(rig->path), "%s/admin", rig->dir);
    assert_true(pl_is_ok(listener_open_unix(rig->path, 0600, &fd)));
    rig->base = event_base_new();
    assert_int_equal(event_base_priority_init(rig->base, 3), 0);
    rig->metrics = metrics_new(1);
    const struct admin_options options = {.base = rig->base,
                                          .listen_fd = fd,
                                          .clock = pl_clock_system(),
                                          .metrics = rig->metrics,
                                          .look = look,
                                          .arg = rig};
    assert_true(pl_is_ok(admin_new(&options, &rig->admin)));
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    admin_free(rig->admin);
    admin_free(NULL);
    metrics_free(rig->metrics);
    event_base_free(rig->base);
    unlink(rig->path);
    rmdir(rig->dir);
    free(rig);
    return 0;
}

/* One request; both sides live on this thread, the server gets its turns until it has closed. */
static const char *ask(struct rig *rig, const char *head)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char request[512];
    size_t len = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", rig->path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    snprintf(request, sizeof(request), "%s\r\nhost: x\r\nconnection: close\r\n\r\n", head);
    assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
    for (int turn = 0; turn < 2000; turn++) {
        (void)event_base_loop(rig->base, EVLOOP_NONBLOCK);
        ssize_t got = recv(fd, rig->answer + len, sizeof(rig->answer) - 1 - len, MSG_DONTWAIT);
        if (got == 0)
            break;
        len += got > 0 ? (size_t)got : 0;
        if (got < 0)
            usleep(1000);
    }
    close(fd);
    rig->answer[len] = '\0';
    return rig->answer;
}

static void assert_answer(const char *answer, const char *status, const char *word)
{
    if (strncmp(answer, status, strlen(status)) != 0 || strstr(answer, word) == NULL)
        fail_msg("%s with '%s' was expected:\n%s", status, word, answer);
}

static void test_health_and_readiness(void **state)
{
    struct rig *rig = *state;
    assert_answer(ask(rig, "GET /healthz HTTP/1.1"), "HTTP/1.1 200", "\r\n\r\nok\n");
    assert_answer(ask(rig, "GET /readyz HTTP/1.1"), "HTTP/1.1 503", "about to stop");
    rig->ready = true; /* but there is no view yet */
    assert_answer(ask(rig, "GET /readyz HTTP/1.1"), "HTTP/1.1 503", "not ready: starting\n");
}

static void test_metrics_in_both_formats(void **state)
{
    struct rig *rig = *state;
    const char *answer = ask(rig, "GET /metrics HTTP/1.1");
    assert_answer(answer, "HTTP/1.1 200", "version=0.0.4");
    assert_answer(answer, "HTTP/1.1 200", "\npledged_disk_free_bytes 12345\n");
    assert_null(strstr(answer, "# EOF"));
    answer = ask(rig, "GET /metrics HTTP/1.1\r\naccept: application/openmetrics-text; "
                      "version=1.0.0,text/plain;q=0.5");
    assert_answer(answer, "HTTP/1.1 200", "application/openmetrics-text");
    assert_answer(answer, "HTTP/1.1 200", "# EOF\n");
}

static void test_nothing_else_is_there(void **state)
{
    struct rig *rig = *state;
    assert_answer(ask(rig, "GET / HTTP/1.1"), "HTTP/1.1 404", "");
    assert_answer(ask(rig, "GET /metrics/x HTTP/1.1"), "HTTP/1.1 404", "");
    assert_answer(ask(rig, "DELETE /metrics HTTP/1.1"), "HTTP/1.1 405", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_health_and_readiness, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metrics_in_both_formats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_else_is_there, setup, teardown),
    };
    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
