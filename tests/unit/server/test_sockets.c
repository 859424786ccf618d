/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: every socket is there before anything else starts, on one port for all workers; a port that
 * somebody has, and a socket handed over that is not what it should be, are told by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/check.h"
#include "dir_fixture.h"
#include "server/net/listener.h"
#include "server/sockets.h"

enum { WORKERS = 3, HANDED_FROM = 3 };

static struct config loopback(void)
{
    return (struct config){.path = "test.conf", .listen = {.host = "127.0.0.1"}};
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t len = sizeof(name);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    return ntohs(name.sin_port);
}

static bool answers(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool connected = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
    assert_int_equal(close(fd), 0);
    return connected;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_workers_share_one_port(void **state)
{
    (void)state;
    const struct config config = loopback();
    struct sockets s;
    char message[400];
    assert_true(pl_is_ok(sockets_open(&config, WORKERS, message, &s)));
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(port_of(s.worker[i]), s.port);
        assert_true(fcntl(s.worker[i], F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(s.worker[i], F_GETFD) & FD_CLOEXEC);
    }
    assert_int_equal(s.worker[WORKERS], -1);
    assert_true(s.admin == -1 && s.public == -1 && !s.has_admin && !s.has_public);
    assert_true(answers(s.port));
    int first = s.worker[0];
    uint16_t port = s.port;
    sockets_close(&s);
    assert_false(is_open(first));
    assert_false(answers(port));
    assert_int_equal(s.worker[0], -1);
    sockets_close(&s); /* nothing is left to close */
}

static void test_what_a_worker_took_is_left_alone(void **state)
{
    (void)state;
    const struct config config = loopback();
    struct sockets s;
    char message[400];
    assert_true(pl_is_ok(sockets_open(&config, 2, message, &s)));
    int taken = s.worker[0];
    s.worker[0] = -1;
    sockets_close(&s);
    assert_true(is_open(taken));
    assert_int_equal(close(taken), 0);
}

/* Also one of ours, that would share it with another socket of the same user. */
static void test_a_port_in_use_is_told(void **state)
{
    (void)state;
    struct config config = loopback();
    struct sockets s, second;
    char message[400], port[16];
    assert_true(pl_is_ok(sockets_open(&config, 1, message, &s)));
    config.listen.port = s.port;
    assert_int_equal(sockets_open(&config, 1, message, &second).code, PL_E_UNAVAILABLE);
    (void)snprintf(port, sizeof(port), ":%u: ", s.port);
    assert_non_null(strstr(message, "127.0.0.1"));
    assert_non_null(strstr(message, port));
    sockets_close(&second);
    config.listen.port = 0;
    config.admin_listen = (struct config_address){.host = "127.0.0.1", .port = s.port};
    assert_int_equal(sockets_open(&config, 1, message, &second).code, PL_E_UNAVAILABLE);
    assert_non_null(strstr(message, port));
    sockets_close(&second);
    assert_true(answers(s.port));
    sockets_close(&s);
    config = loopback();
    config.listen.host = "192.0.2.1"; /* of nobody */
    assert_int_equal(sockets_open(&config, 1, message, &s).code, PL_E_CONFIG);
    assert_non_null(strstr(message, "192.0.2.1"));
    sockets_close(&s);
}

static void test_the_admin_socket_is_a_file_of_its_own(void **state)
{
    (void)state;
    char *dir = temp_new();
    struct config config = loopback();
    struct sockets s;
    struct stat found;
    char message[400];
    const char *path = in_dir(dir, "admin");
    config.admin_listen = (struct config_address){.host = path, .is_unix = true};
    assert_true(pl_is_ok(sockets_open(&config, 1, message, &s)));
    assert_true(s.has_admin && s.admin >= 0);
    assert_int_equal(s.admin_port, 0);
    assert_int_equal(stat(path, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    assert_int_equal(found.st_mode & 0777, 0660);
    sockets_close(&s);
    assert_int_equal(stat(path, &found), -1);
    config.admin_listen.host = in_dir(dir, "none/admin");
    assert_false(pl_is_ok(sockets_open(&config, 1, message, &s)));
    assert_non_null(strstr(message, "none/admin"));
    sockets_close(&s);
    temp_remove(dir);
}

static void test_the_public_listener_needs_a_certificate(void **state)
{
    (void)state;
    struct config config = loopback();
    struct sockets s;
    char message[400];
    config.public_listen = (struct config_address){.host = "127.0.0.1"};
    assert_int_equal(sockets_open(&config, 1, message, &s).code, PL_E_CONFIG);
    assert_non_null(strstr(message, "test.conf: [public] needs cert and key"));
    sockets_close(&s);
    config.public_tls.cert = "x";
    assert_true(pl_is_ok(sockets_open(&config, 1, message, &s)));
    assert_true(s.has_public);
    assert_int_equal(port_of(s.public), s.public_port);
    assert_true(s.public_port != s.port && answers(s.public_port));
    sockets_close(&s);
}

/* --- handed over, as systemd does: from descriptor 3 on, with names --- */

struct handed {
    const char *name;
    enum { HANDED_TCP, HANDED_EVERYWHERE, HANDED_UNIX, HANDED_DATAGRAM, HANDED_DEAF } kind;
};

static int open_handed(const struct handed *handed)
{
    int fd = -1;
    uint16_t port = 0;
    char path[64];
    (void)snprintf(path, sizeof(path), "/tmp/pledged-test-handed-%d", (int)getpid());
    switch (handed->kind) {
    case HANDED_TCP:
    case HANDED_EVERYWHERE:
        if (!pl_is_ok(listener_open(handed->kind == HANDED_TCP ? "127.0.0.1" : "0.0.0.0", 0, false,
                                    &fd, &port)))
            return -1;
        return fd;
    case HANDED_UNIX:
        if (!pl_is_ok(listener_open_unix(path, 0600, &fd)) || unlink(path) != 0)
            return -1;
        return fd;
    case HANDED_DATAGRAM:
        return socket(AF_INET, SOCK_DGRAM, 0);
    case HANDED_DEAF:
        return socket(AF_INET, SOCK_STREAM, 0);
    }
    return -1;
}

/* In a process of its own, whose descriptors from 3 on nobody else has: the answer is the code of
 * sockets_open, or what look says of the sockets. */
static int hand_over(const struct handed *handed, size_t count, const struct config *config,
                     const char *words, bool (*look)(const struct sockets *))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sockets s;
        char message[400] = "", names[100] = "", number[16];
        int fd[4] = {-1, -1, -1, -1};
        for (size_t i = 0; i < count; i++) {
            int made = open_handed(&handed[i]);
            fd[i] = fcntl(made, F_DUPFD, 100);
            (void)strcat(strcat(names, i != 0 ? ":" : ""), handed[i].name);
            if (made < 0 || fd[i] < 0)
                _exit(99);
        }
        for (size_t i = 0; i < count; i++)
            (void)dup2(fd[i], HANDED_FROM + (int)i);
        (void)snprintf(number, sizeof(number), "%d", (int)getpid());
        (void)setenv("LISTEN_PID", number, 1);
        (void)snprintf(number, sizeof(number), "%zu", count);
        (void)setenv("LISTEN_FDS", number, 1);
        (void)setenv("LISTEN_FDNAMES", names, 1);
        struct pl_status status = sockets_open(config, WORKERS, message, &s);
        if (getenv("LISTEN_FDS") != NULL)
            _exit(98); /* programs of ours must not take them for theirs */
        bool fine = pl_is_ok(status) ? look != NULL && look(&s)
                                     : words != NULL && strstr(message, words) != NULL;
        sockets_close(&s);
        _exit(fine ? (int)status.code : 97);
    }
    int end = 0;
    assert_int_equal(waitpid(child, &end, 0), child);
    assert_true(WIFEXITED(end));
    return WEXITSTATUS(end);
}

/* Workers have a descriptor each for one socket; the port is the socket's. */
static bool all_share_one(const struct sockets *s)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        if (s->worker[i] < 0 || port_of(s->worker[i]) != s->port)
            return false;
    }
    return s->port != 0 && s->worker[0] != s->worker[1] && answers(s->port);
}

static bool all_three(const struct sockets *s)
{
    return all_share_one(s) && s->has_admin && s->has_public && s->admin_port != 0 &&
           s->public_port != 0 && answers(s->admin_port) && answers(s->public_port) &&
           s->unlink_path == NULL;
}

static bool admin_without_port(const struct sockets *s)
{
    return all_share_one(s) && s->has_admin && s->admin_port == 0 && !s->has_public;
}

static void test_handed_over(void **state)
{
    (void)state;
    struct config config = loopback();
    const struct handed one[] = {{"pledged", HANDED_TCP}};
    const struct handed all[] = {
        {"admin", HANDED_TCP}, {"public", HANDED_TCP}, {"pledged", HANDED_TCP}};
    const struct handed file[] = {{"pledged", HANDED_TCP}, {"admin", HANDED_UNIX}};
    config.listen.port = 1; /* the file's is not asked */
    config.public_tls.cert = "x";
    assert_int_equal(hand_over(one, 1, &config, NULL, all_share_one), PL_E_OK);
    assert_int_equal(hand_over(all, 3, &config, NULL, all_three), PL_E_OK);
    assert_int_equal(hand_over(file, 2, &config, NULL, admin_without_port), PL_E_OK);
    config.listen.port = 0;
    assert_int_equal(hand_over(&file[1], 1, &config, NULL, admin_without_port), PL_E_OK);
}

static void test_handed_over_and_wrong(void **state)
{
    (void)state;
    const struct config config = loopback();
    const struct {
        struct handed handed[2];
        size_t count;
        const char *words;
    } wrong[] = {
        {{{"pledge", HANDED_TCP}}, 1, "a socket called 'pledge' was handed over"},
        {{{"pledged", HANDED_DATAGRAM}}, 1, "'pledged' that was handed over is not a listening"},
        {{{"public", HANDED_DEAF}}, 1, "'public' that was handed over is not a listening"},
        {{{"admin", HANDED_EVERYWHERE}}, 1, "can be reached from elsewhere"},
        {{{"admin", HANDED_TCP}, {"admin", HANDED_TCP}}, 2, "a socket called 'admin'"},
        {{{"public", HANDED_TCP}, {"public", HANDED_TCP}}, 2, "a socket called 'public'"},
        {{{"other", HANDED_TCP}, {"pledged", HANDED_TCP}}, 2, "a socket called 'other'"},
        {{{"public", HANDED_TCP}}, 1, "[public] needs cert and key"},
    };
    for (size_t i = 0; i < PL_COUNT(wrong); i++)
        assert_int_equal(hand_over(wrong[i].handed, wrong[i].count, &config, wrong[i].words, NULL),
                         PL_E_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_share_one_port),
        cmocka_unit_test(test_what_a_worker_took_is_left_alone),
        cmocka_unit_test(test_a_port_in_use_is_told),
        cmocka_unit_test(test_the_admin_socket_is_a_file_of_its_own),
        cmocka_unit_test(test_the_public_listener_needs_a_certificate),
        cmocka_unit_test(test_handed_over),
        cmocka_unit_test(test_handed_over_and_wrong),
    };
    return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
