/* SPDX-License-Identifier: Apache-2.0
 *
 * listener: ports in use are told, connections arrive, and a full house makes newcomers wait.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/net/listener.h"
#include "unit.h"

static void test_a_port_in_use_is_told(void **state)
{
    (void)state;
    int fd = -1, other = -1;
    uint16_t port = 0, again = 0;
    assert_true(pl_is_ok(listener_open("127.0.0.1", 0, false, &fd, &port)));
    assert_int_not_equal(port, 0);
    struct pl_status status = listener_open("127.0.0.1", port, false, &other, &again);
    assert_int_equal(status.code, PL_E_UNAVAILABLE);
    assert_int_equal(status.sys_errno, EADDRINUSE);
    assert_string_equal(status.what, "listen: the port is in use");
    assert_int_equal(other, -1);
    close(fd);
}

static void test_workers_share_a_port_and_a_stranger_is_noticed(void **state)
{
    (void)state;
    int first = -1, second = -1;
    uint16_t port = 0, same = 0;
    assert_true(pl_is_ok(listener_open("127.0.0.1", 0, true, &first, &port)));
    assert_true(pl_is_ok(listener_open("127.0.0.1", port, true, &second, &same)));
    assert_int_equal(same, port);
    assert_int_equal(listener_probe("127.0.0.1", port).sys_errno, EADDRINUSE);
    close(first);
    close(second);
    assert_true(pl_is_ok(listener_probe("127.0.0.1", port)));
}

static void test_hosts_that_are_not_here(void **state)
{
    (void)state;
    int fd = -1;
    uint16_t port = 0;
    assert_int_equal(listener_open("192.0.2.1", 0, false, &fd, &port).code, PL_E_CONFIG);
    assert_int_equal(listener_open("256.1.1.1.", 0, false, &fd, &port).code, PL_E_CONFIG);
    assert_int_equal(fd, -1);
}

struct hall {
    int fd[64];
    size_t count, most;
};

static bool on_accept(void *arg, int fd)
{
    struct hall *hall = arg;
    hall->fd[hall->count++] = fd;
    return hall->count < hall->most;
}

static int dial(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void turns(struct event_base *base, int count)
{
    for (int i = 0; i < count; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(500);
    }
}

static void test_a_full_house_makes_newcomers_wait(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct hall hall = {.most = 3};
    struct listener *listener = NULL;
    struct listener_options options = {.base = base, .on_accept = on_accept, .arg = &hall};
    uint16_t port = 0;
    int dialled[8];
    assert_true(pl_is_ok(listener_open("127.0.0.1", 0, false, &options.fd, &port)));
    assert_true(pl_is_ok(listener_new(&options, &listener)));
    for (size_t i = 0; i < 8; i++)
        dialled[i] = dial(port);
    turns(base, 20);
    assert_int_equal(hall.count, 3);
    int nodelay = 0;
    socklen_t len = sizeof(nodelay);
    assert_int_equal(getsockopt(hall.fd[0], IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    assert_int_not_equal(nodelay, 0);
    assert_int_not_equal(fcntl(hall.fd[0], F_GETFL) & O_NONBLOCK, 0);
    hall.most = 5;
    listener_resume(listener);
    turns(base, 20);
    assert_int_equal(hall.count, 5);
    hall.most = 64;
    listener_resume(listener);
    turns(base, 20);
    assert_int_equal(hall.count, 8);
    listener_free(listener);
    for (size_t i = 0; i < 8; i++) {
        close(dialled[i]);
        close(hall.fd[i]);
    }
    event_base_free(base);
}

static void test_a_unix_socket(void **state)
{
    char dir[] = "/tmp/pledged-listener-XXXXXX";
    char path[64];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat about;
    int fd = -1, other = -1;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/admin", dir);
    snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    assert_true(pl_is_ok(listener_open_unix(path, 0600, &fd)));
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof(name)), 0);
    int accepted = accept(fd, NULL, NULL);
    assert_true(accepted >= 0);
    close(accepted);
    close(client);
    /* somebody listens there */
    assert_int_equal(listener_open_unix(path, 0600, &other).code, PL_E_UNAVAILABLE);
    close(fd);
    /* nobody does any more */
    assert_true(pl_is_ok(listener_open_unix(path, 0660, &fd)));
    close(fd);
    unlink(path);
    /* a file that is no socket stays */
    FILE *file = fopen(path, "w");
    fclose(file);
    assert_int_equal(listener_open_unix(path, 0600, &other).code, PL_E_UNAVAILABLE);
    assert_int_equal(unlink(path), 0);
    rmdir(dir);
    char longer[200];
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(listener_open_unix(longer, 0600, &other).code, PL_E_CONFIG);
    assert_int_equal(listener_open_unix("", 0600, &other).code, PL_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_port_in_use_is_told),
        cmocka_unit_test(test_workers_share_a_port_and_a_stranger_is_noticed),
        cmocka_unit_test(test_hosts_that_are_not_here),
        cmocka_unit_test(test_a_full_house_makes_newcomers_wait),
        cmocka_unit_test(test_a_unix_socket),
    };
    return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
