/* SPDX-License-Identifier: Apache-2.0
 *
 * h2client: what a daemon that means harm sends to `pledge` behind the TLS handshake, through
 * common/h2client and client/session: several connections, in pieces, broken off anywhere. The real
 * code runs on a clock, a wire and a TLS of the target's (shim_tls.h).
 *
 * First byte: bits 0 and 1 say which call is made (write, read, stream), bits 2 to 5 in pieces of
 * what size bytes arrive, bit 6 that the wire falls silent instead of breaking off. Then, for each
 * connection, two bytes of length and what the daemon says there.
 *
 * What must hold: time ends every call; nothing is handed out that is larger than allowed; an
 * answer that is called good can be read; and nobody is told "certainly nothing was recorded"
 * when a request went out whole to a daemon that did not say a word.
 */
#include "client/session.h"
#include "common/scan.h"
#include "fuzz.h"
#include "shim_tls.h"

enum { CONNECTIONS_MAX = 64, TIMEOUT_MS = 3000, TURNS_MAX = 200000, GAP_NS = 1000000 };

static const uint8_t *script;
static size_t script_len, script_at;
static struct {
    struct pl_slice says; /* on this connection, what is left of it */
    size_t said;
    size_t heard; /* bytes of the client on this connection */
    bool gap;     /* the next read has to wait first */
} wire;
static size_t piece;
static bool falls_silent, broke_off_silently;
static unsigned connections, turns;
static int last_result; /* of SSL_get_error */
static struct pl_clock_fake fake;

/* --- the wire --- */

static void connection_ends(void)
{
    /* preface, SETTINGS and the whole of a small request: more than 24 + 9 + 60 bytes; fewer than
     * nine bytes of answer are no frame at all */
    if (wire.heard > 200 && wire.said < 9)
        broke_off_silently = true;
}

int shim_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    (void)fd, (void)address, (void)len;
    size_t want = 0;
    if (script_len - script_at >= 2) {
        want = (size_t)script[script_at] << 8 | script[script_at + 1];
        script_at += 2;
    }
    want = want < script_len - script_at ? want : script_len - script_at;
    wire.says = pl_slice(script + script_at, want);
    wire.said = wire.heard = 0;
    wire.gap = false;
    script_at += want;
    FUZZ_HOLDS(++connections < CONNECTIONS_MAX);
    return 0;
}

/* One for all: making it takes longer than all the rest. */
SSL_CTX *shim_SSL_CTX_new(const SSL_METHOD *method)
{
    static SSL_CTX *context;
    if (context == NULL)
        context = SSL_CTX_new_ex(NULL, NULL, method);
    PL_ASSERT(context != NULL && SSL_CTX_up_ref(context) == 1);
    return context;
}

int shim_SSL_connect(SSL *ssl)
{
    (void)ssl;
    return 1;
}

static int end_of_wire(void)
{
    last_result = falls_silent ? SSL_ERROR_WANT_READ : SSL_ERROR_ZERO_RETURN;
    return 0;
}

int shim_SSL_read_ex(SSL *ssl, void *into, size_t size, size_t *ret)
{
    (void)ssl;
    fake.mono_ns_now += 1000;
    FUZZ_HOLDS(++turns < TURNS_MAX);
    wire.gap = !wire.gap;
    if (wire.says.len == 0)
        return end_of_wire();
    if (wire.gap) {
        last_result = SSL_ERROR_WANT_READ;
        return 0;
    }
    size_t take = wire.says.len < piece ? wire.says.len : piece;
    take = take < size ? take : size;
    memcpy(into, wire.says.data, take);
    wire.says = pl_slice(wire.says.data + take, wire.says.len - take);
    wire.said += take;
    *ret = take;
    return 1;
}

int shim_SSL_write_ex(SSL *ssl, const void *data, size_t len, size_t *ret)
{
    (void)ssl, (void)data;
    FUZZ_HOLDS(len > 0 && ++turns < TURNS_MAX);
    wire.heard += len;
    *ret = len;
    return 1;
}

int shim_SSL_get_error(const SSL *ssl, int result)
{
    (void)ssl, (void)result;
    if (last_result == SSL_ERROR_ZERO_RETURN)
        connection_ends();
    return last_result;
}

int shim_SSL_shutdown(SSL *ssl)
{
    (void)ssl;
    return 1;
}

void shim_SSL_get0_alpn_selected(const SSL *ssl, const unsigned char **ret, unsigned int *ret_len)
{
    (void)ssl;
    *ret = (const unsigned char *)"h2";
    *ret_len = 2;
}

int shim_SSL_CTX_set_default_verify_paths(SSL_CTX *context)
{
    (void)context;
    return 1;
}

/* --- time --- */

int shim_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    FUZZ_HOLDS(count == 1 && timeout_ms >= 0);
    fds->revents = fds->events;
    if (wire.says.len > 0 || (fds->events & POLLOUT) != 0 || !falls_silent) {
        fake.mono_ns_now += GAP_NS / 100;
        return 1;
    }
    connection_ends();
    fake.mono_ns_now += (int64_t)timeout_ms * GAP_NS;
    return 0;
}

int shim_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    fake.mono_ns_now += time->tv_sec * 1000000000 + time->tv_nsec;
    return 0;
}

struct pl_clock *shim_clock(void)
{
    return &fake.clock;
}

/* --- the calls --- */

static struct pl_arena arena;
static struct failure failure;

static bool says_nothing_was_recorded(enum pl_code code)
{
    return code == PL_E_UNAVAILABLE || code == PL_E_BUSY || code == PL_E_TIMEOUT ||
           code == PL_E_NO_SPACE || code == PL_E_CONFIG || code == PL_E_UNAUTHENTICATED;
}

static void write_once(struct session *session)
{
    static const uint8_t command[150] = {0x0a};
    Pledged__V1__Receipt *receipt = NULL;
    struct pl_status status =
        session_execute(session, pl_slice(command, sizeof(command)), &receipt);
    FUZZ_HOLDS(pl_is_ok(status) == (receipt != NULL));
    if (pl_is_ok(status))
        FUZZ_HOLDS(protobuf_c_message_check(&receipt->base));
    if (broke_off_silently)
        FUZZ_HOLDS(!says_nothing_was_recorded(status.code));
    if (status.code == PL_E_UNKNOWN_OUTCOME && failure.uncertain)
        FUZZ_HOLDS(failure.code == PL_E_UNKNOWN_OUTCOME && failure.retryable);
}

static void read_once(struct session *session)
{
    Pledged__V1__ListTiersRequest request = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    struct pl_status status = session_read(session, "ListTiers", &request.base,
                                           &pledged__v1__list_tiers_response__descriptor, &answer);
    FUZZ_HOLDS(!pl_is_ok(status) || (answer != NULL && protobuf_c_message_check(answer)));
}

static struct pl_status on_message(void *arg, struct pl_slice message)
{
    size_t *sum = arg;
    uint8_t last = message.len == 0 ? 0 : message.data[message.len - 1]; /* it is all there */
    *sum += message.len + (last & 0);
    return *sum > 8192 ? pl_fail(INTERNAL, "enough") : pl_ok();
}

static void stream_once(struct session *session)
{
    Pledged__V1__DumpRequest request = PLEDGED__V1__DUMP_REQUEST__INIT;
    size_t sum = 0;
    struct pl_status status = session_stream(session, "Dump", &request.base, on_message, &sum);
    FUZZ_HOLDS(sum <= script_len);
    FUZZ_HOLDS(sum <= 8192 || !pl_is_ok(status));
}

static void words_are_whole(void)
{
    FUZZ_HOLDS(strnlen(failure.message, sizeof(failure.message)) < sizeof(failure.message));
    FUZZ_HOLDS(failure.refusal == NULL || protobuf_c_message_check(&failure.refusal->base));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static void (*const calls[])(struct session * session) = {write_once, read_once, stream_once,
                                                              write_once};
    const struct config config = {.host = "127.0.0.1", .port = 7443, .timeout_ms = TIMEOUT_MS};
    struct session *session = NULL;
    if (len < 1 || len > 20000)
        return 0;
    script = data;
    script_len = len;
    script_at = 1;
    piece = (size_t)1 << (data[0] >> 2 & 15);
    if (piece < len / 64)
        piece = len / 64; /* a large input in tiny pieces teaches nothing and takes long */
    falls_silent = (data[0] >> 6 & 1) != 0;
    broke_off_silently = false;
    connections = turns = 0;
    failure = (struct failure){.code = PL_E_OK};
    pl_clock_fake_init(&fake, 1767225600LL * 1000000);
    fake.mono_ns_now = 1000000000;
    pl_arena_init(&arena, 8 << 20);
    PL_ASSERT(pl_is_ok(session_open(&config, &arena, &failure, &session)));
    for (int i = 0; i < 2; i++) { /* the second call finds the connection as the first left it */
        broke_off_silently = false;
        calls[data[0] & 3](session);
        words_are_whole();
    }
    session_close(session);
    pl_arena_fini(&arena);
    return 0;
}
