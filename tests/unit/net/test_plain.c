/* SPDX-License-Identifier: Apache-2.0
 *
 * plain: what a socket says is what the transport says.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/net/plain.h"
#include "unit.h"

struct pair {
    int fd[2];
    struct io_transport *plain;
};

static int setup(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->fd),
                     0);
    pair->plain = plain_new(pair->fd[0]);
    *state = pair;
    return 0;
}

static int teardown(void **state)
{
    struct pair *pair = *state;
    pair->plain->ops->free(pair->plain);
    assert_int_equal(close(pair->fd[0]), 0); /* is still open: it was borrowed */
    if (pair->fd[1] >= 0)
        close(pair->fd[1]);
    free(pair);
    return 0;
}

static void test_bytes_pass_as_they_are(void **state)
{
    struct pair *pair = *state;
    const struct io_transport_ops *ops = pair->plain->ops;
    uint8_t buffer[8] = {0};
    size_t len = 0;
    assert_int_equal(ops->handshake(pair->plain), IO_DONE);
    assert_int_equal(ops->read(pair->plain, buffer, sizeof(buffer), &len), IO_WANTS_READ);
    assert_int_equal(write(pair->fd[1], "a\0b", 3), 3);
    assert_int_equal(ops->read(pair->plain, buffer, 2, &len), IO_DONE);
    assert_int_equal(len, 2);
    assert_memory_equal(buffer, "a\0", 2);
    assert_false(ops->has_pending(pair->plain));
    assert_int_equal(ops->read(pair->plain, buffer, sizeof(buffer), &len), IO_DONE);
    assert_int_equal(len, 1);
    assert_int_equal(ops->write(pair->plain, (const uint8_t *)"xyz", 3, &len), IO_DONE);
    assert_int_equal(len, 3);
    assert_int_equal(read(pair->fd[1], buffer, sizeof(buffer)), 3);
    assert_memory_equal(buffer, "xyz", 3);
}

static void test_a_full_socket_says_so(void **state)
{
    struct pair *pair = *state;
    static const uint8_t block[65536];
    size_t len = 0;
    enum io_result result = IO_DONE;
    for (int i = 0; i < 1000 && result == IO_DONE; i++)
        result = pair->plain->ops->write(pair->plain, block, sizeof(block), &len);
    assert_int_equal(result, IO_WANTS_WRITE);
}

static void test_a_peer_that_left_is_told_apart(void **state)
{
    struct pair *pair = *state;
    const struct io_transport_ops *ops = pair->plain->ops;
    uint8_t buffer[8];
    size_t len = 0;
    close(pair->fd[1]);
    pair->fd[1] = -1;
    assert_int_equal(ops->read(pair->plain, buffer, sizeof(buffer), &len), IO_CLOSED);
    assert_int_equal(ops->write(pair->plain, buffer, 1, &len), IO_FAILED); /* and no signal */
    assert_string_equal(ops->why(pair->plain, false), "connection lost");
    ops->say_goodbye(pair->plain);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_bytes_pass_as_they_are),
        ROW(test_a_full_socket_says_so),
        ROW(test_a_peer_that_left_is_told_apart),
    };
    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
