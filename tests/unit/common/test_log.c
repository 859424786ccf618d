/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: one event is one line in one write, readable back as logfmt or JSON whatever was logged.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "common/date.h"
#include "common/log.h"

/* cmocka.h needs the four headers before it */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static int saved_stderr = -1;
static FILE *captured;

static void capture(void)
{
    captured = tmpfile();
    assert_non_null(captured);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

/* Everything logged since capture(); the caller frees it. */
static char *release(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    (void)close(saved_stderr);
    off_t len = lseek(fileno(captured), 0, SEEK_END);
    char *text = calloc(1, (size_t)len + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(captured), text, (size_t)len, 0), len);
    (void)fclose(captured);
    return text;
}

static json_t *release_json(void)
{
    char *text = release();
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    json_t *line = json_loads(text, 0, NULL);
    if (line == NULL)
        print_error("not JSON: %s", text);
    assert_non_null(line);
    free(text);
    return line;
}

static void assert_member(const json_t *line, const char *key, const char *value)
{
    const char *found = json_string_value(json_object_get(line, key));
    assert_non_null(found);
    assert_string_equal(found, value);
}

static void test_logfmt_line(void **state)
{
    (void)state;
    pl_log_setup(PL_LOG_INFO, PL_LOG_LOGFMT);
    capture();
    pl_log_info("store", "opened the log", "path=%s entries=%d", PL_QUOTED("/var/lib/a b"), 7);
    char *text = release();
    assert_int_equal(strncmp(text, "time=", 5), 0);
    char time[28] = {0};
    memcpy(time, text + 5, 27);
    int64_t us;
    assert_int_equal(pl_time_parse(time, &us).code, PL_E_OK);
    assert_string_equal(text + 32, " level=info tag=store message=\"opened the log\""
                                   " path=\"/var/lib/a b\" entries=7\n");
    free(text);
}

static void test_no_fields(void **state)
{
    (void)state;
    pl_log_setup(PL_LOG_INFO, PL_LOG_LOGFMT);
    capture();
    pl_log_info("main", "ready", "%s", "");
    char *text = release();
    assert_string_equal(text + 32, " level=info tag=main message=ready\n");
    free(text);
    pl_log_setup(PL_LOG_INFO, PL_LOG_JSON);
    capture();
    pl_log_info("main", "ready", "%s", "");
    json_t *line = release_json();
    assert_int_equal(json_object_size(line), 4);
    json_decref(line);
}

static void test_json_line(void **state)
{
    (void)state;
    pl_log_setup(PL_LOG_INFO, PL_LOG_JSON);
    capture();
    pl_log_warning("net", "a \"peer\" left", "peer=%s bytes=%d why=%s", "127.0.0.1:7443", 12,
                   PL_QUOTED("said \"no\" = \\ end"));
    json_t *line = release_json();
    int64_t us;
    const char *time = json_string_value(json_object_get(line, "time"));
    assert_int_equal(pl_time_parse(time, &us).code, PL_E_OK);
    assert_member(line, "level", "warning");
    assert_member(line, "tag", "net");
    assert_member(line, "message", "a \"peer\" left");
    assert_member(line, "peer", "127.0.0.1:7443");
    assert_member(line, "bytes", "12");
    assert_member(line, "why", "said \"no\" = \\ end");
    assert_int_equal(json_object_size(line), 7);
    json_decref(line);
}

static void test_levels(void **state)
{
    (void)state;
    pl_log_setup(PL_LOG_WARNING, PL_LOG_LOGFMT);
    capture();
    pl_log_debug("t", "one", "n=%d", 1);
    pl_log_info("t", "two", "n=%d", 2);
    pl_log_warning("t", "three", "n=%d", 3);
    pl_log_error("t", "four", "n=%d", 4);
    char *text = release();
    assert_null(strstr(text, "n=1"));
    assert_null(strstr(text, "n=2"));
    assert_non_null(strstr(text, "level=warning tag=t message=three n=3\n"));
    assert_non_null(strstr(text, "level=error tag=t message=four n=4\n"));
    free(text);
    assert_false(pl_log_enabled(PL_LOG_INFO));
    assert_true(pl_log_enabled(PL_LOG_ERROR));
}

static void test_quote(void **state)
{
    (void)state;
    static const struct {
        const char *text, *quoted;
    } rows[] = {
        {"plain", "plain"},
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"a=b", "\"a=b\""},
        {"a\"b", "\"a\\\"b\""},
        {"a\\b", "\"a\\\\b\""},
        {"a\nb", "\"a?b\""},
        {"a\x1B[31mb", "\"a?[31mb\""},
        {"Gen\xC3\xA8ve", "Gen\xC3\xA8ve"},
        {"\xC3", "?"},
        {"a\xFF b", "\"a? b\""},
        {"a\xE2\x80\xAE"
         "b",
         "a???b"},          /* what turns a line */
        {"\xC2\x9B", "??"}, /* an escape sequence's start, as one character */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(PL_QUOTED(rows[i].text), rows[i].quoted);
}

static void test_quote_is_cut(void **state)
{
    (void)state;
    char text[1001] = {0}, out[256];
    memset(text, 'a', 1000);
    assert_int_equal(strlen(pl_log_quote(text, out, sizeof(out))), 200);
    memset(text, '"',
           1000); /* every byte doubles: `out` is the limit, and the quotes still close */
    (void)pl_log_quote(text, out, sizeof(out));
    size_t len = strlen(out);
    assert_true(len < sizeof(out) && len > 240);
    assert_int_equal(out[len - 1], '"');
    assert_int_equal(len % 2, 0); /* no backslash without its quote */
    char small[8];
    assert_string_equal(pl_log_quote("a b c d e f", small, sizeof(small)), "\"a b c\"");
    memset(text, 'a', 199);
    memcpy(text + 199, "\xC3\xA8", 2); /* a letter across the cut is left out whole */
    assert_int_equal(strlen(pl_log_quote(text, out, sizeof(out))), 199);
}

static void test_hostile_values_stay_on_one_line(void **state)
{
    (void)state;
    char many[3000] = {0};
    memset(many, '"', sizeof(many) - 1);
    static const char *const values[] = {"a\nlevel=error",
                                         "\x01\x02\x7F",
                                         "\xFF\xFE",
                                         "\xED\xA0\x80",
                                         "\"unclosed",
                                         "a=b=c",
                                         "=",
                                         " = ",
                                         "\\",
                                         "k=\"v\\"};
    for (int format = PL_LOG_LOGFMT; format <= PL_LOG_JSON; format++) {
        pl_log_setup(PL_LOG_INFO, (enum pl_log_format)format);
        for (size_t i = 0; i <= sizeof(values) / sizeof(values[0]); i++) {
            const char *value = i < sizeof(values) / sizeof(values[0]) ? values[i] : many;
            capture();
            pl_log_info("t", value, "key=%s %s last=1", value, value);
            if (format == PL_LOG_JSON) {
                json_decref(release_json());
                continue;
            }
            char *text = release();
            assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
            free(text);
        }
    }
}

/* The texts that grow most in JSON must still leave room for the closing brace. */
static void test_longest_lines_are_whole(void **state)
{
    (void)state;
    pl_log_setup(PL_LOG_INFO, PL_LOG_JSON);
    static const char *const parts[] = {"a= ", "\\= ", "\"= ", "a=\"\\\"\" ", "a=\"\" ", "a=x"};
    for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
        char fields[4000] = {0}, message[4000] = {0};
        memset(message, '\\', sizeof(message) - 1);
        size_t len = strlen(parts[p]);
        for (size_t i = 0; i + len < sizeof(fields); i += len)
            memcpy(fields + i, parts[p], len);
        capture();
        pl_log_info("\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
                    message, "%s", fields);
        json_decref(release_json());
    }
}

static void test_status_line(void **state)
{
    (void)state;
    pl_log_setup(PL_LOG_INFO, PL_LOG_JSON);
    errno = ENOSPC;
    struct pl_status status = pl_fail_errno(NO_SPACE, "extend a segment");
    capture();
    pl_log_status(PL_LOG_ERROR, "store", "cannot write", status);
    json_t *line = release_json();
    assert_member(line, "code", "NO_SPACE");
    assert_member(line, "what", "extend a segment");
    assert_member(line, "errno", "No space left on device");
    assert_non_null(strstr(json_string_value(json_object_get(line, "where")), "test_log.c:"));
    json_decref(line);
}

enum { THREADS = 4, LINES = 300 };

static void *log_a_lot(void *argument)
{
    for (int i = 0; i < LINES; i++)
        pl_log_info("t", "line", "thread=%d number=%d filler=%s", *(int *)argument, i,
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    return NULL;
}

static int journal_of(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

static void test_journal_fields(void **state)
{
    (void)state;
    char dir[] = "/tmp/pledged-test-XXXXXX", path[64], text[16384], fields[2000];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/socket", dir);
    int fd = journal_of(path);
    pl_log_journal(path);
    pl_log_setup(PL_LOG_INFO, PL_LOG_JOURNAL);
    capture();
    pl_log_warning("store", "a torn tail", "bytes=%d kept-in=%s", 7,
                   PL_QUOTED("a \"b\"\nPRIORITY=0"));
    ssize_t got = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(got > 0);
    text[got] = '\0';
    assert_string_equal(text, "SYSLOG_IDENTIFIER=pledged\nPRIORITY=4\nPLEDGED_TAG=store\n"
                              "MESSAGE=a torn tail bytes=7 kept-in=\"a \\\"b\\\"?PRIORITY=0\"\n"
                              "PLEDGED_BYTES=7\nPLEDGED_KEPT_IN=a \"b\"?PRIORITY=0\n");
    /* the longest there can be */
    for (size_t i = 0; i + 3 < sizeof(fields); i += 3)
        memcpy(fields + i, "a= ", 4);
    pl_log_info("store", "many", "%s", fields);
    assert_true(recv(fd, text, sizeof(text), 0) > 3000);
    pl_log_info("store", "none", " ");
    got = recv(fd, text, sizeof(text) - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    assert_non_null(strstr(text, "MESSAGE=none\n"));
    free(release());
    (void)close(fd);
    (void)unlink(path);
    pl_log_setup(PL_LOG_INFO, PL_LOG_JOURNAL); /* nobody there */
    capture();
    pl_log_info("store", "to stderr", " ");
    char *line = release();
    assert_non_null(strstr(line, "message=\"to stderr\""));
    free(line);
    assert_int_equal(rmdir(dir), 0);
}

/* --- nobody reads --- */

static int unread = -1; /* the reader's end of what stderr is meanwhile */

static void full_begin(const int ends[2])
{
    unread = ends[0];
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    (void)close(ends[1]);
}

/* What there is to read now. */
static void drain(char *text, size_t size)
{
    size_t len = 0;
    struct pollfd poller = {.fd = unread, .events = POLLIN};
    while (poll(&poller, 1, 0) == 1) {
        ssize_t got = read(unread, text + len, size - 1 - len);
        assert_true(got > 0);
        len += (size_t)got;
        assert_true(len < size - 1);
    }
    text[len] = '\0';
}

static void full_end(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    (void)close(saved_stderr);
    (void)close(unread);
}

static unsigned count_of(const char *text, const char *word)
{
    unsigned count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        count++;
    return count;
}

enum { FLOOD = 3000, FLOOD_BYTES = 1 << 20 };

/* Many more lines than there is room for; then again, when there is some. */
static void flood(char *text)
{
    char told[80];
    for (unsigned round = 0; round < 2; round++) {
        for (int i = 0; i < FLOOD; i++)
            pl_log_info("t", "flood", "number=%d", i);
        drain(text, FLOOD_BYTES);
        unsigned whole = count_of(text, "message=flood number=");
        assert_true(whole > 10 && whole < FLOOD);
        /* the last one may have been cut by the end of the room */
        char *end = strrchr(text, '\n');
        assert_non_null(end);
        unsigned cut = end[1] != '\0';
        unsigned counted = count_of(text, "message=flood number=") -
                           (cut != 0 && strstr(end, "message=flood number=") != NULL);
        (void)snprintf(told, sizeof(told), " count=%u\n", FLOOD - counted);
        pl_log_info("t", "later", "round=%u", round);
        drain(text, FLOOD_BYTES);
        assert_int_equal(text[0] == '\n', cut); /* a line of its own */
        assert_int_equal(count_of(text, "\n"), 2 + cut);
        assert_non_null(strstr(text, "level=warning tag=log message=\"lines were lost: nobody "
                                     "read them in time\""));
        assert_non_null(strstr(text, told));
        assert_non_null(strstr(text, "message=later"));
        pl_log_info("t", "again", "round=%u", round);
        drain(text, FLOOD_BYTES);
        assert_int_equal(count_of(text, "\n"), 1); /* told once */
    }
}

static void test_a_full_pipe_holds_nobody_up(void **state)
{
    (void)state;
    int ends[2];
    char *text = malloc(FLOOD_BYTES);
    pl_log_setup(PL_LOG_INFO, PL_LOG_LOGFMT);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    full_begin(ends);
    flood(text);
    full_end();
    free(text);
}

static void test_a_full_socket_holds_nobody_up(void **state)
{
    (void)state;
    int ends[2], bytes = 16384;
    char *text = malloc(FLOOD_BYTES);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    full_begin(ends);
    flood(text);
    full_end();
    free(text);
}

/* The slave's side of a new terminal, for `owner` alone. It makes two bytes of a line's end, and is
 * full in the middle of a line therefore. */
static void terminal(uid_t owner, int ends[2])
{
    char name[64];
    struct termios mode;
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(ends[0] >= 0);
    assert_int_equal(grantpt(ends[0]), 0);
    assert_int_equal(unlockpt(ends[0]), 0);
    assert_int_equal(ptsname_r(ends[0], name, sizeof(name)), 0);
    ends[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(ends[1] >= 0);
    assert_int_equal(tcgetattr(ends[1], &mode), 0);
    mode.c_oflag = OPOST | ONLCR;
    mode.c_lflag = 0;
    assert_int_equal(tcsetattr(ends[1], TCSANOW, &mode), 0);
    assert_int_equal(fchown(ends[1], owner, (gid_t)-1), 0);
    assert_int_equal(fchmod(ends[1], 0600), 0);
}

/* Lines until there is room for no more; whoever waited would wait for ever. */
static void fill_terminal(void)
{
    for (int i = 0; i < FLOOD; i++)
        pl_log_info("t", "flood", "number=%d", i);
}

/* What a terminal was told arrives by and by. */
static void find_on_terminal(const char *words)
{
    enum { TRIES = 2000 };
    char *text = calloc(1, FLOOD_BYTES);
    size_t len = 0;
    assert_non_null(text);
    for (int i = 0; i < TRIES && strstr(text, words) == NULL; i++) {
        struct pollfd poller = {.fd = unread, .events = POLLIN};
        pl_log_info("t", "later", "try=%d", i);
        if (poll(&poller, 1, 10) != 1)
            continue;
        ssize_t got = read(unread, text + len, FLOOD_BYTES - 1 - len);
        assert_true(got > 0);
        len += (size_t)got;
    }
    assert_non_null(strstr(text, words));
    free(text);
}

static void hold_up_on_terminal(uid_t owner)
{
    int ends[2];
    pl_log_setup(PL_LOG_INFO, PL_LOG_LOGFMT);
    terminal(owner, ends);
    full_begin(ends);
    fill_terminal();
    find_on_terminal("nobody read them in time\" count=");
    find_on_terminal("message=later");
    full_end();
}

static void test_a_stopped_terminal_holds_nobody_up(void **state)
{
    (void)state;
    hold_up_on_terminal(geteuid());
}

/* It cannot be opened once more by whoever may not. */
static void test_a_terminal_of_somebody_else_holds_nobody_up(void **state)
{
    (void)state;
    enum { NOBODY = 65534 };
    if (geteuid() != 0)
        skip();
    int ends[2];
    pl_log_setup(PL_LOG_INFO, PL_LOG_LOGFMT);
    terminal(0, ends);
    full_begin(ends);
    int failed = seteuid(NOBODY);
    fill_terminal();
    find_on_terminal("nobody read them in time\" count=");
    failed += seteuid(0);
    full_end();
    assert_int_equal(failed, 0);
}

/* A disk that is full in the middle of a line: what comes next begins a line of its own. */
static void test_a_line_that_is_cut(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 40;
    pl_log_setup(PL_LOG_INFO, PL_LOG_LOGFMT);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    capture();
    int failed = setrlimit(RLIMIT_FSIZE, &small);
    for (int i = 0; i < 3; i++)
        pl_log_info("t", "cut", "n=%d", i);
    failed += setrlimit(RLIMIT_FSIZE, &before);
    pl_log_info("t", "whole", "n=%d", 1);
    char *text = release();
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(failed, 0);
    assert_int_equal(text[40], '\n');
    assert_int_equal(count_of(text, "\n"), 3);
    assert_int_equal(strncmp(text + 41, "time=", 5), 0);
    assert_non_null(strstr(text, " count=3\n"));
    assert_non_null(strstr(text, "message=whole n=1\n"));
    free(text);
}

static void test_a_full_journal_holds_nobody_up(void **state)
{
    (void)state;
    char dir[] = "/tmp/pledged-test-XXXXXX", path[64], text[16384];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/socket", dir);
    int fd = journal_of(path);
    pl_log_journal(path);
    pl_log_setup(PL_LOG_INFO, PL_LOG_JOURNAL);
    for (int i = 0; i < FLOOD; i++)
        pl_log_info("t", "flood", "number=%d", i);
    unsigned came = 0;
    while (recv(fd, text, sizeof(text), 0) > 0)
        came++;
    assert_true(came > 0 && came < FLOOD);
    pl_log_info("t", "later", "n=%d", 1);
    ssize_t got = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(got > 0);
    text[got] = '\0';
    char told[40];
    (void)snprintf(told, sizeof(told), "PLEDGED_COUNT=%u\n", FLOOD - came);
    assert_non_null(strstr(text, told));
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(rmdir(dir), 0);
    pl_log_setup(PL_LOG_INFO, PL_LOG_LOGFMT);
}

static void test_threads_do_not_mix_lines(void **state)
{
    (void)state;
    pl_log_setup(PL_LOG_INFO, PL_LOG_JSON);
    pthread_t threads[THREADS];
    int ids[THREADS], next[THREADS] = {0};
    capture();
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, log_a_lot, &ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    char *text = release(), *rest = NULL;
    for (char *one = strtok_r(text, "\n", &rest); one != NULL; one = strtok_r(NULL, "\n", &rest)) {
        json_t *line = json_loads(one, 0, NULL);
        assert_non_null(line);
        int thread = atoi(json_string_value(json_object_get(line, "thread")));
        assert_int_equal(atoi(json_string_value(json_object_get(line, "number"))), next[thread]++);
        json_decref(line);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(next[i], LINES);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt_line),
        cmocka_unit_test(test_no_fields),
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_quote_is_cut),
        cmocka_unit_test(test_hostile_values_stay_on_one_line),
        cmocka_unit_test(test_longest_lines_are_whole),
        cmocka_unit_test(test_status_line),
        cmocka_unit_test(test_journal_fields),
        cmocka_unit_test(test_a_full_pipe_holds_nobody_up),
        cmocka_unit_test(test_a_full_socket_holds_nobody_up),
        cmocka_unit_test(test_a_stopped_terminal_holds_nobody_up),
        cmocka_unit_test(test_a_terminal_of_somebody_else_holds_nobody_up),
        cmocka_unit_test(test_a_line_that_is_cut),
        cmocka_unit_test(test_a_full_journal_holds_nobody_up),
        cmocka_unit_test(test_threads_do_not_mix_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
