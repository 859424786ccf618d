/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: paths, methods and limits of the witness on the network; what it says to requests is the
 * matter of test_witness.
 */
#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/witness_http.h"

static char dir[64];
static struct witness *witness;
static struct witness_http *http;
static unsigned told;

static void on_answer(void *arg, const struct witness_answer *answer)
{
    (void)arg;
    (void)answer;
    told++;
}

/* The first line of the answer to these bytes, "" if the connection just ends. */
static const char *first_line(const char *request, size_t more)
{
    static char answer[4096];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(witness_http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct timeval patience = {.tv_sec = 60};
    char filling[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    memset(filling, 'a', sizeof(filling));
    while (more > 0) {
        size_t part = more < sizeof(filling) ? more : sizeof(filling);
        if (send(fd, filling, part, MSG_NOSIGNAL) <= 0)
            break;
        more -= part;
    }
    size_t len = 0;
    while (len < sizeof(answer) - 1 && memchr(answer, '\n', len) == NULL) {
        ssize_t got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    answer[len] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    (void)close(fd);
    return answer;
}

#define HOST "Host: x\r\nConnection: close\r\n"
#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void paths_and_methods(void **state)
{
    (void)state;
    static const struct {
        const char *request, *line;
    } rows[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404 Not Found"},
        {"GET /add-checkpoint HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 405 Method Not Allowed"},
        {"POST /add-checkpoint/ HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
         "HTTP/1.1 404 Not Found"},
        {"POST /add-checkpoint HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
         "HTTP/1.1 400 Bad Request"},
        {"POST /add-checkpoint HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nold 0\n",
         "HTTP/1.1 400 Bad Request"},
        {"GET /" HEX "/checkpoint HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404 Not Found"},
        {"POST /" HEX "/checkpoint HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
         "HTTP/1.1 405 Method Not Allowed"},
        {"GET /" HEX "/checkpoint/x HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404 Not Found"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(first_line(rows[i].request, 0), rows[i].line);
    assert_int_equal(told, 2);
}

static void bodies_are_bounded(void **state)
{
    (void)state;
    char request[256];
    (void)snprintf(request, sizeof(request),
                   "POST /add-checkpoint HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                   (int)WITNESS_REQUEST_MAX);
    assert_string_equal(first_line(request, WITNESS_REQUEST_MAX), "HTTP/1.1 400 Bad Request");
    unsigned before = told;
    (void)snprintf(request, sizeof(request),
                   "POST /add-checkpoint HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                   (int)WITNESS_REQUEST_MAX + 1);
    /* answered before the body came */
    assert_string_equal(first_line(request, 0), "HTTP/1.1 413 Content Too Large");
    (void)snprintf(request, sizeof(request),
                   "POST /add-checkpoint HTTP/1.1\r\n" HOST
                   "Transfer-Encoding: chunked\r\n\r\n%x\r\n",
                   (unsigned)WITNESS_REQUEST_MAX * 4);
    const char *line = first_line(request, (size_t)WITNESS_REQUEST_MAX * 4);
    assert_int_not_equal(strncmp(line, "HTTP/1.1 200", 12), 0);
    assert_int_not_equal(strncmp(line, "HTTP/1.1 400", 12), 0);
    assert_int_equal(told, before); /* the witness saw neither */
}

static int set_up(void **state)
{
    (void)state;
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX], log_vkey[PL_NOTE_KEY_MAX];
    struct pl_note_key log;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)snprintf(dir, sizeof(dir), "/tmp/witness-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_true(pl_is_ok(pl_note_keygen("example.org/fund", secret, log_vkey)));
    assert_true(pl_is_ok(pl_note_key_parse(pl_slice_str(log_vkey), &log)));
    assert_true(pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, "example.org/w1", secret, vkey)));
    struct witness_options options = {
        .secret = secret, .log = &log, .log_count = 1, .dir = dir, .clock = pl_clock_system()};
    assert_true(pl_is_ok(witness_open(&options, &witness)));
    struct witness_http_options network = {
        .witness = witness, .address = (const struct sockaddr *)&address, .tell = on_answer};
    assert_true(pl_is_ok(witness_http_start(&network, &http)));
    assert_int_not_equal(witness_http_port(http), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char path[128];
    witness_http_stop(http);
    witness_close(witness);
    (void)snprintf(path, sizeof(path), "%s/.lock", dir);
    (void)unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_and_methods),
        cmocka_unit_test(bodies_are_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
