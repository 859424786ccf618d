/* SPDX-License-Identifier: Apache-2.0
 *
 * io: bytes pass unharmed through a socket that takes little at a time, whatever transport is on
 * it, and none is forgotten inside TLS.
 */
#include "fixture.h"
#include "server/net/io.h"
#include "server/net/plain.h"

static int setup(void **state)
{
    return fixture_setup(state, NULL);
}

/* --- the loop alone: bytes through small sockets --- */

struct echo {
    struct io *io;
    bool ended, handshaken;
    size_t unblocked;
    size_t to_send, filled; /* bytes of a pattern */
    size_t received;
    bool pause_now;
};

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + at / 977);
}

static void echo_handshake(void *arg)
{
    ((struct echo *)arg)->handshaken = true;
}
static void echo_bytes(void *arg, struct pl_slice bytes)
{
    struct echo *echo = arg;
    io_read_pause(echo->io, echo->pause_now);
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.data[i] != pattern(echo->received++))
            fail_msg("byte %zu is wrong", echo->received - 1);
    }
}
static void echo_read_over(void *arg)
{
    (void)arg;
}
static size_t echo_fill(void *arg, uint8_t *out, size_t room)
{
    struct echo *echo = arg;
    size_t len = echo->to_send - echo->filled;
    if (len > room)
        len = room;
    if (len > 5000)
        len = 5000; /* not a multiple of anything */
    for (size_t i = 0; i < len; i++)
        out[i] = pattern(echo->filled++);
    return len;
}
static void echo_unblocked(void *arg)
{
    struct echo *echo = arg;
    echo->unblocked++;
    io_flush(echo->io);
}
static void echo_end(void *arg, struct pl_status status, const char *why)
{
    (void)status;
    (void)why;
    ((struct echo *)arg)->ended = true;
}

static void test_bytes_pass_through_a_narrow_socket(void **state)
{
    enum { BYTES = 3 * 1024 * 1024 };
    struct fixture *fx = *state;
    static const struct io_events events = {echo_handshake, echo_bytes,     echo_read_over,
                                            echo_fill,      echo_unblocked, echo_end};
    struct echo echo = {.to_send = BYTES};
    struct io_scratch *scratch = malloc(sizeof(*scratch));
    int fd[2], small = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    struct io_transport *tls = NULL;
    assert_true(pl_is_ok(tls_new(fx->tls, fd[0], &tls)));
    const struct io_options options = {fx->base, fd[0], tls, scratch, &events, &echo};
    assert_true(pl_is_ok(io_new(&options, &echo.io)));
    struct client *client = client_new_raw(fx, fx->clerk, "\x02h2");
    SSL_set_fd(client->ssl, fd[1]);
    PUMP_UNTIL(fx, client, echo.handshaken && client->handshake_done);
    assert_non_null(tls_peer(tls));
    assert_true(tls_speaks_h2(tls));
    io_flush(echo.io);
    assert_true(io_blocked(echo.io));
    size_t got = 0, sent = 0;
    for (int turn = 0; (got < BYTES || sent < BYTES) && turn < 100000; turn++) {
        uint8_t buffer[3000], out[3000];
        event_base_loop(fx->base, EVLOOP_NONBLOCK);
        int len = SSL_read(client->ssl, buffer, sizeof(buffer));
        for (int i = 0; i < len; i++) {
            if (buffer[i] != pattern(got++))
                fail_msg("byte %zu is wrong", got - 1);
        }
        size_t room = BYTES - sent < sizeof(out) ? BYTES - sent : sizeof(out);
        for (size_t i = 0; i < room; i++)
            out[i] = pattern(sent + i);
        len = room == 0 ? 0 : SSL_write(client->ssl, out, (int)room);
        sent += len > 0 ? (size_t)len : 0;
        io_read_pause(echo.io, turn % 7 == 0); /* nothing may be lost by pausing */
    }
    io_read_pause(echo.io, false);
    assert_int_equal(got, BYTES);
    PUMP_UNTIL(fx, NULL, echo.received == BYTES);
    assert_int_equal(io_sent_bytes(echo.io), BYTES);
    assert_int_equal(io_received_bytes(echo.io), BYTES);
    assert_true(echo.unblocked > 0);
    assert_false(io_blocked(echo.io));
    io_linger(echo.io);
    uint8_t rest[16];
    assert_int_equal(SSL_read(client->ssl, rest, sizeof(rest)), 0);
    assert_int_equal(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    close(fd[1]);
    PUMP_UNTIL(fx, NULL, echo.ended);
    io_free(echo.io);
    client_free(client);
    free(scratch);
}

/* Reading pauses after the first of many small records: the others lie in SSL's buffer then, the
 * socket is empty, and epoll has nothing to tell when reading goes on. */
static void test_bytes_inside_ssl_are_not_forgotten(void **state)
{
    enum { RECORD = 700, RECORDS = 20 };
    struct fixture *fx = *state;
    static const struct io_events events = {echo_handshake, echo_bytes,     echo_read_over,
                                            echo_fill,      echo_unblocked, echo_end};
    struct echo echo = {.pause_now = true};
    struct io_scratch *scratch = malloc(sizeof(*scratch));
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    struct io_transport *tls = NULL;
    assert_true(pl_is_ok(tls_new(fx->tls, fd[0], &tls)));
    const struct io_options options = {fx->base, fd[0], tls, scratch, &events, &echo};
    assert_true(pl_is_ok(io_new(&options, &echo.io)));
    struct client *client = client_new_raw(fx, fx->clerk, "\x02h2");
    SSL_set_fd(client->ssl, fd[1]);
    PUMP_UNTIL(fx, client, echo.handshaken && client->handshake_done);
    SSL_set0_wbio(client->ssl, BIO_new(BIO_s_mem()));
    for (size_t sent = 0; sent < RECORDS * RECORD; sent += RECORD) {
        uint8_t out[RECORD];
        for (size_t i = 0; i < RECORD; i++)
            out[i] = pattern(sent + i);
        assert_int_equal(SSL_write(client->ssl, out, RECORD), RECORD);
    }
    char *raw = NULL; /* all records in one piece */
    long raw_len = BIO_get_mem_data(SSL_get_wbio(client->ssl), &raw);
    assert_int_equal(write(fd[1], raw, (size_t)raw_len), raw_len);
    PUMP_UNTIL(fx, NULL, echo.received >= RECORD);
    pump_for(fx, NULL, 20);
    assert_int_equal(echo.received, RECORD);
    echo.pause_now = false;
    io_read_pause(echo.io, false);
    PUMP_UNTIL(fx, NULL, echo.received == RECORDS * RECORD);
    io_stop(echo.io);
    io_free(echo.io);
    close(fd[1]);
    client_free(client);
    free(scratch);
}

static void test_plain_bytes_pass_through_a_narrow_socket(void **state)
{
    enum { BYTES = 1024 * 1024 };
    struct fixture *fx = *state;
    static const struct io_events events = {echo_handshake, echo_bytes,     echo_read_over,
                                            echo_fill,      echo_unblocked, echo_end};
    struct echo echo = {.to_send = BYTES};
    struct io_scratch *scratch = malloc(sizeof(*scratch));
    int fd[2], small = 4096;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    const struct io_options options = {fx->base, fd[0], plain_new(fd[0]), scratch, &events, &echo};
    assert_true(pl_is_ok(io_new(&options, &echo.io)));
    pump_for(fx, NULL, 10);
    assert_false(echo.handshaken); /* nobody said anything yet */
    size_t got = 0, sent = 0;
    for (int turn = 0; (got < BYTES || sent < BYTES) && turn < 100000; turn++) {
        uint8_t buffer[3000], out[3000];
        event_base_loop(fx->base, EVLOOP_NONBLOCK);
        if (echo.handshaken && echo.filled == 0)
            io_flush(echo.io); /* the rest follows by itself */
        ssize_t len = recv(fd[1], buffer, sizeof(buffer), 0);
        for (ssize_t i = 0; i < len; i++) {
            if (buffer[i] != pattern(got++))
                fail_msg("byte %zu is wrong", got - 1);
        }
        size_t room = BYTES - sent < sizeof(out) ? BYTES - sent : sizeof(out);
        for (size_t i = 0; i < room; i++)
            out[i] = pattern(sent + i);
        len = room == 0 ? 0 : send(fd[1], out, room, 0);
        sent += len > 0 ? (size_t)len : 0;
    }
    assert_int_equal(got, BYTES);
    PUMP_UNTIL(fx, NULL, echo.received == BYTES);
    assert_true(echo.handshaken);
    assert_true(echo.unblocked > 0);
    io_linger(echo.io);
    uint8_t rest[16];
    assert_int_equal(recv(fd[1], rest, sizeof(rest), 0), 0);
    assert_int_equal(send(fd[1], "more", 4, 0), 4); /* is swallowed */
    pump_for(fx, NULL, 10);
    assert_false(echo.ended);
    close(fd[1]);
    PUMP_UNTIL(fx, NULL, echo.ended);
    assert_int_equal(echo.received, BYTES);
    io_free(echo.io);
    free(scratch);
}

static void test_a_peer_that_leaves_ends_the_loop(void **state)
{
    struct fixture *fx = *state;
    static const struct io_events events = {echo_handshake, echo_bytes,     echo_read_over,
                                            echo_fill,      echo_unblocked, echo_end};
    struct io_scratch *scratch = malloc(sizeof(*scratch));
    for (int writes = 0; writes < 2; writes++) {
        struct echo echo = {.to_send = writes == 0 ? 0 : 100};
        int fd[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
        const struct io_options options = {fx->base, fd[0],   plain_new(fd[0]),
                                           scratch,  &events, &echo};
        assert_true(pl_is_ok(io_new(&options, &echo.io)));
        uint8_t first = pattern(0);
        assert_int_equal(send(fd[1], &first, 1, 0), 1);
        PUMP_UNTIL(fx, NULL, echo.received == 1);
        close(fd[1]);
        io_flush(echo.io); /* with something to say: a broken pipe, and no signal */
        PUMP_UNTIL(fx, NULL, echo.ended);
        io_flush(echo.io); /* harmless */
        io_free(echo.io);
    }
    io_free(NULL);
    free(scratch);
}

#define ROW(test_) cmocka_unit_test_setup_teardown(test_, setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_bytes_pass_through_a_narrow_socket),
        ROW(test_bytes_inside_ssl_are_not_forgotten),
        ROW(test_plain_bytes_pass_through_a_narrow_socket),
        ROW(test_a_peer_that_leaves_ends_the_loop),
    };
    return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
