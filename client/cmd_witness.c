/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_witness: key, logs and address of a witness, from the command line to the running thing; then
 * it waits for somebody to stop it. It speaks with nobody on its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/input.h"
#include "client/witness_http.h"
#include "common/check.h"
#include "common/private.h"

enum { KEYS_BYTES_MAX = 64 << 10, PEM_BYTES_MAX = 256 << 10, HOST_BYTES = 256 };

static const struct column columns[] = {
    {"vkey", N_("Key of this witness"), IN_ALL, false},
    {"url", N_("Address"), IN_ALL, false},
    {"logs", N_("Logs"), IN_ALL, true},
};

#define fail_with(cli_, code_, field_, ...)                                                        \
    failure_set(&(cli_)->failure, PL_E_##code_, PLEDGED__V1__REASON__REASON_UNSPECIFIED, (field_), \
                __VA_ARGS__)

/* --- the key --- */

static void close_fd(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static struct pl_status write_key(const char *path, const char *secret)
{
    int fd PL_CLEANUP(close_fd) = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return pl_fail_errno(IO, "make a key");
    PL_TRY(output_write(fd, pl_slice_str(secret)));
    PL_TRY(output_write(fd, pl_slice_str("\n")));
    return fsync(fd) == 0 ? pl_ok() : pl_fail_errno(IO, "make a key");
}

static struct pl_status make_key(struct cli *cli, const char *path, const char *name)
{
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    if (name == NULL)
        return failure_usage(&cli->failure, "%s", _("a new key needs a name: give --name"));
    if (!pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, name, secret, vkey)))
        return failure_usage(&cli->failure, _("'%s' is no name for a key (no blanks, no +)"), name);
    struct pl_status status = write_key(path, secret);
    explicit_bzero(secret, sizeof(secret));
    if (!pl_is_ok(status))
        return fail_with(cli, IO, "", _("%s cannot be written: %s"), path,
                         text_errno(status.sys_errno));
    return pl_ok();
}

/* The text of the key, one line. Nobody else may be able to read it. */
static struct pl_status load_key(struct cli *cli, const char **ret)
{
    const char *path = options_required(&cli->options, OPTION_KEY);
    const char *name = options_get(&cli->options, OPTION_NAME);
    struct pl_slice text;
    struct pl_note_key key;
    char vkey[PL_NOTE_KEY_MAX];
    if (options_has(&cli->options, OPTION_INIT) && access(path, F_OK) != 0)
        PL_TRY(make_key(cli, path, name));
    PL_TRY(input_file(cli, path, PL_NOTE_KEY_MAX, &text));
    int fd PL_CLEANUP(close_fd) = open(path, O_RDONLY | O_CLOEXEC);
    if (!pl_private(fd))
        return fail_with(cli, CONFIG, "", _("%s can be read by others: chmod 600 it"), path);
    char *line = pl_arena_memdup(&cli->arena, text.data, text.len + 1);
    PL_ASSERT(line != NULL);
    line[strcspn(line, "\r\n")] = '\0';
    if (!pl_is_ok(pl_note_vkey(line, vkey)) ||
        !pl_is_ok(pl_note_key_parse(pl_slice_str(vkey), &key)) || key.kind != PL_NOTE_COSIGNATURE)
        return fail_with(cli, CONFIG, "", _("%s is not the secret key of a witness"), path);
    if (name != NULL && strcmp(name, key.name) != 0)
        return fail_with(cli, CONFIG, "", _("the key in %s is named %s"), path, key.name);
    *ret = line;
    return pl_ok();
}

/* --- the logs --- */

static struct pl_slice trim(struct pl_slice line)
{
    while (line.len > 0 && strchr("\r\n\t ", line.data[line.len - 1]) != NULL)
        line.len--;
    return line;
}

/* One key a line; empty lines and comments between them. */
static struct pl_status parse_logs(struct cli *cli, const char *text, struct pl_note_key *ret,
                                   size_t *ret_count)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        struct pl_slice line = trim(pl_slice(text, len));
        text += len + (text[len] == '\n');
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (*ret_count == WITNESS_LOGS_MAX)
            return fail_with(cli, INVALID, "", _("there are more than %d logs"),
                             (int)WITNESS_LOGS_MAX);
        struct pl_note_key *key = &ret[(*ret_count)++];
        if (!pl_is_ok(pl_note_key_parse(line, key)) || key->kind != PL_NOTE_ED25519)
            return fail_with(
                cli, INVALID, "", "%s",
                _("the key is no verifier key (name+hash+base64, as 'pledge status' shows it)"));
    }
    return pl_ok();
}

/* Each --log is a key or a file of keys. */
static struct pl_status load_logs(struct cli *cli, struct pl_note_key *ret, size_t *ret_count)
{
    *ret_count = 0;
    for (size_t i = 0; i < cli->options.value[OPTION_LOG].count; i++) {
        const char *log = cli->options.value[OPTION_LOG].text[i];
        struct pl_slice text = pl_slice_str(log);
        if (strchr(log, '+') == NULL || access(log, F_OK) == 0)
            PL_TRY(input_file(cli, log, KEYS_BYTES_MAX, &text));
        PL_TRY(parse_logs(cli, (const char *)text.data, ret, ret_count));
    }
    return pl_ok();
}

/* --- the address --- */

/* "host:port", "[::1]:port"; a port has to be there, 0 is any. */
static struct pl_status resolve(struct cli *cli, char host[HOST_BYTES], struct addrinfo **ret)
{
    const char *text = options_required(&cli->options, OPTION_LISTEN);
    const char *colon = strrchr(text, ':');
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int64_t port = 0;
    size_t len = colon == NULL ? 0 : (size_t)(colon - text);
    bool bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (len == 0 || len >= HOST_BYTES || !options_parse_number(colon + 1, 0, 65535, &port))
        return failure_usage(&cli->failure, "--listen %s: %s", text, _("HOST:PORT is needed"));
    (void)snprintf(host, HOST_BYTES, "%.*s", (int)(bracketed ? len - 2 : len), text + bracketed);
    int failed = getaddrinfo(host, colon + 1, &hints, ret);
    if (failed != 0)
        return fail_with(cli, CONFIG, "", "--listen %s: %s", text, gai_strerror(failed));
    return pl_ok();
}

static struct pl_status start(struct cli *cli, struct witness_http_options *options,
                              struct witness_http **ret)
{
    char host[HOST_BYTES];
    struct addrinfo *found = NULL;
    PL_TRY(resolve(cli, host, &found));
    PL_ASSERT(found != NULL);
    options->address = found->ai_addr;
    struct pl_status status = witness_http_start(options, ret);
    freeaddrinfo(found);
    if (pl_is_ok(status))
        return status;
    return fail_with(cli, UNAVAILABLE, "", _("cannot listen on %s: %s"),
                     options_required(&cli->options, OPTION_LISTEN),
                     status.sys_errno == 0 ? _("the certificate or its key is wrong")
                                           : text_errno(status.sys_errno));
}

/* --- the run --- */

/* One line an answer. Origins are those that we follow: nothing from outside is echoed. */
static void tell(void *arg, const struct witness_answer *answer)
{
    const struct cli *cli = arg;
    if (answer->fork)
        (void)fprintf(stderr,
                      _("Alarm: %s signed two different histories of %" PRIu64
                        " entries. Both are kept in the state directory: they are evidence.\n"),
                      answer->origin, answer->size);
    if (!cli->config.quiet)
        (void)fprintf(stderr, "%u %s %" PRIu64 " %s\n", answer->status,
                      answer->origin == NULL ? "-" : answer->origin, answer->size,
                      answer->said == NULL ? "-" : answer->said);
}

static struct pl_status show(struct cli *cli, const struct witness *witness, bool tls,
                             uint16_t port, size_t logs)
{
    struct sheet sheet;
    char vkey[PL_NOTE_KEY_MAX];
    const char *listen = options_required(&cli->options, OPTION_LISTEN);
    PL_TRY(pl_note_key_print(witness_key(witness), vkey));
    sheet_init(&sheet, NULL, columns, PL_COUNT(columns), &cli->arena);
    sheet_text(&sheet, vkey);
    sheet_text(&sheet, pl_arena_printf(&cli->arena, "%s://%.*s:%u", tls ? "https" : "http",
                                       (int)(strrchr(listen, ':') - listen), listen, port));
    sheet_number(&sheet, (int64_t)logs);
    return cli_show(cli, &sheet);
}

static struct pl_status serve(struct cli *cli, struct witness *witness, size_t logs)
{
    struct witness_http_options options = {.witness = witness, .tell = tell, .arg = cli};
    struct witness_http *http = NULL;
    struct pl_slice pem;
    sigset_t ends;
    int got = 0;
    if (options_has(&cli->options, OPTION_CERT)) {
        PL_TRY(input_file(cli, options_get(&cli->options, OPTION_CERT), PEM_BYTES_MAX, &pem));
        options.pem = (const char *)pem.data;
    }
    /* before there is a thread that could get them */
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGHUP);
    int failed = pthread_sigmask(SIG_BLOCK, &ends, NULL);
    PL_ASSERT(failed == 0);
    PL_TRY(start(cli, &options, &http));
    struct pl_status status =
        show(cli, witness, options.pem != NULL, witness_http_port(http), logs);
    if (pl_is_ok(status)) {
        failed = sigwait(&ends, &got);
        PL_ASSERT(failed == 0);
    }
    witness_http_stop(http);
    return status;
}

static struct pl_status explain(struct cli *cli, const char *dir, struct pl_status status)
{
    if (pl_is_ok(status))
        return status;
    return fail_with(cli, CONFIG, "", "%s: %s%s%s", dir, gettext(status.what),
                     status.sys_errno == 0 ? "" : ": ",
                     status.sys_errno == 0 ? "" : text_errno(status.sys_errno));
}

struct pl_status cmd_witness(struct cli *cli)
{
    struct pl_note_key log[WITNESS_LOGS_MAX];
    struct witness_options options = {.log = log, .clock = pl_clock_system()};
    struct witness *witness = NULL;
    options.dir = options_required(&cli->options, OPTION_STATE);
    PL_TRY(load_logs(cli, log, &options.log_count));
    PL_TRY(load_key(cli, &options.secret));
    PL_TRY(explain(cli, options.dir, witness_open(&options, &witness)));
    struct pl_status status = serve(cli, witness, options.log_count);
    witness_close(witness);
    return status;
}
