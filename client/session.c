/* SPDX-License-Identifier: Apache-2.0
 *
 * session: attempts. One attempt connects if need be, makes one call and judges how it ended; the
 * loop around it waits a little longer after each attempt that is worth repeating.
 *
 * What an attempt leaves open decides between exit 69 (certainly nothing was recorded) and 75: a
 * lost connection after the request went out is open, a refusal that says "busy" is not.
 */
#include "client/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/rng.h"
#include "common/scan.h"

enum { NS_PER_MS = 1000000, DELAY_FIRST_MS = 50, DELAY_MOST_MS = 1000 };
#define SERVICE_PATH "/pledged.v1.LedgerService/"

struct session {
    const struct config *config;
    struct pl_arena *arena;
    struct failure *failure;
    struct pl_h2client *client; /* NULL: not connected */
    int64_t deadline_ns;
    bool streaming; /* the connection is busy with a stream */
};

struct attempt {
    const char *path;
    struct pl_slice request;
    pl_h2client_message_fn on_message; /* NULL: unary */
    void *arg;
    struct pl_h2client_reply reply;
    bool again;     /* worth repeating */
    bool open;      /* this attempt may have been recorded */
    bool ever_open; /* this or an earlier one */
    bool delivered; /* a stream has handed out a message: no repeating any more */
    struct session *session;
};

static int64_t now_ns(void)
{
    struct pl_clock *clock = pl_clock_system();
    return clock->mono_ns(clock);
}

struct pl_status session_open(const struct config *config, struct pl_arena *arena,
                              struct failure *failure, struct session **ret)
{
    if (config->host == NULL)
        return failure_set(failure, PL_E_CONFIG, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "", "%s",
                           _("no server is named: give --server HOST:PORT, or --profile NAME of a "
                             "configuration ('pledge help' says where it is)"));
    struct session *session = calloc(1, sizeof(*session));
    if (session == NULL)
        return pl_fail(INTERNAL, "allocating a session");
    session->config = config;
    session->arena = arena;
    session->failure = failure;
    session->deadline_ns = now_ns() + config->timeout_ms * NS_PER_MS;
    *ret = session;
    return pl_ok();
}

static void hang_up(struct session *session)
{
    pl_h2client_free(session->client);
    session->client = NULL;
}

void session_close(struct session *session)
{
    if (session == NULL)
        return;
    hang_up(session);
    free(session);
}

/* --- refusals --- */

enum pl_code session_code(int grpc_status, const Pledged__V1__Refusal *refusal)
{
    Pledged__V1__Reason reason =
        refusal == NULL ? PLEDGED__V1__REASON__REASON_UNSPECIFIED : refusal->reason;
    switch (grpc_status) {
    case 2:
        return PL_E_UNKNOWN_OUTCOME;
    case 8:
        return reason == PLEDGED__V1__REASON__REASON_TOO_BIG ? PL_E_TOO_BIG : PL_E_BUSY;
    case 10:
        return PL_E_STALE;
    case 14:
        return reason == PLEDGED__V1__REASON__REASON_NO_SPACE ? PL_E_NO_SPACE : PL_E_UNAVAILABLE;
    case 13:
        return PL_E_INTERNAL;
    default:
        return pl_code_from_grpc(grpc_status);
    }
}

/* google.rpc.Status {1 code, 2 message, 3 details: Any {1 type_url, 2 value}} */
static const Pledged__V1__Refusal *find_refusal(struct session *session, struct pl_slice status)
{
    struct pl_slice any, type, value;
    size_t at = 0;
    while (pl_wire_next(status, 3, &at, &any)) {
        static const char name[] = "/pledged.v1.Refusal";
        size_t type_at = 0, value_at = 0, len = sizeof(name) - 1;
        if (!pl_wire_next(any, 1, &type_at, &type) || !pl_wire_next(any, 2, &value_at, &value) ||
            type.len < len || memcmp(type.data + type.len - len, name, len) != 0)
            continue;
        ProtobufCMessage *message = NULL;
        struct pl_status unpacked =
            pl_unpack_trusted(&pledged__v1__refusal__descriptor, value, session->arena, &message);
        if (pl_is_ok(unpacked))
            return (const Pledged__V1__Refusal *)message;
    }
    return NULL;
}

/* Refusals that say that this attempt did nothing. */
static bool says_nothing_happened(const Pledged__V1__Refusal *refusal)
{
    return refusal->reason == PLEDGED__V1__REASON__REASON_BUSY ||
           refusal->reason == PLEDGED__V1__REASON__REASON_NO_SPACE ||
           refusal->reason == PLEDGED__V1__REASON__REASON_UNAVAILABLE ||
           refusal->reason == PLEDGED__V1__REASON__REASON_CLOCK_STOPPED ||
           refusal->reason == PLEDGED__V1__REASON__REASON_INTERNAL ||
           refusal->reason == PLEDGED__V1__REASON__REASON_DATA_GONE ||
           refusal->reason == PLEDGED__V1__REASON__REASON_DEADLINE;
}

static Pledged__V1__Reason reason_of_code(enum pl_code code)
{
    if (code == PL_E_DENIED)
        return PLEDGED__V1__REASON__REASON_PERMISSION_DENIED;
    if (code == PL_E_UNAUTHENTICATED)
        return PLEDGED__V1__REASON__REASON_UNAUTHENTICATED;
    return PLEDGED__V1__REASON__REASON_UNSPECIFIED;
}

/* The daemon (or something on the way) ended the call with a status other than 0. */
static struct pl_status judge_status(struct session *session, struct attempt *attempt)
{
    struct pl_h2client_reply *reply = &attempt->reply;
    const Pledged__V1__Refusal *refusal = find_refusal(session, pl_buf_slice(&reply->details));
    enum pl_code code = session_code(reply->grpc_status, refusal);
    if (refusal != NULL) {
        attempt->again = pl_code_retryable(code) && refusal->retryable;
        attempt->open = pl_code_retryable(code) && !says_nothing_happened(refusal);
        return failure_set_refusal(session->failure, code, refusal);
    }
    attempt->again = pl_code_retryable(code);
    attempt->open = attempt->again;
    struct pl_slice words = pl_buf_slice(&reply->message);
    return failure_set(session->failure, code, reason_of_code(code), "", "%s: %.*s",
                       text_failure(code), (int)(words.len > 300 ? 300 : words.len),
                       (const char *)words.data);
}

/* The call did not come to an end. */
static struct pl_status judge_broken(struct session *session, struct attempt *attempt,
                                     struct pl_status status, const struct pl_h2client_error *error)
{
    attempt->again = status.code == PL_E_UNAVAILABLE && !error->untrusted;
    attempt->open = attempt->reply.maybe_processed;
    const char *words = text_connection(session->arena, error);
    if (error->what != NULL && strcmp(error->what, "the answer does not go on") == 0)
        words = _("nothing whole came within --timeout");
    struct failure *failure = session->failure;
    struct pl_status told =
        status.sys_errno == 0
            ? failure_set(failure, status.code, reason_of_code(status.code), "", _("%s: %s"),
                          text_failure(status.code), words)
            : failure_set(failure, status.code, reason_of_code(status.code), "", _("%s: %s: %s"),
                          text_failure(status.code), words, text_errno(status.sys_errno));
    session->failure->retryable = pl_code_retryable(status.code) && !error->untrusted;
    return told;
}

/* --- attempts --- */

static struct pl_status connect_daemon(struct session *session, struct attempt *attempt)
{
    if (session->client != NULL && pl_h2client_usable(session->client))
        return pl_ok();
    hang_up(session);
    const struct config *config = session->config;
    struct pl_h2client_options options = {.host = config->host,
                                          .port = config->port,
                                          .ca_file = config->ca,
                                          .cert_file = config->cert,
                                          .key_file = config->key,
                                          .message_bytes_max = 64 << 20,
                                          .silence_ms = config->timeout_ms};
    struct pl_h2client_error error;
    struct pl_status status =
        pl_h2client_connect(&options, session->deadline_ns, &error, &session->client);
    if (pl_is_ok(status))
        return status;
    if (status.code == PL_E_TIMEOUT)
        status.code = PL_E_UNAVAILABLE; /* nothing was asked yet, so nothing is unknown */
    attempt->reply.maybe_processed = false;
    return judge_broken(session, attempt, status, &error);
}

static struct pl_status on_stream_message(void *arg, struct pl_slice message)
{
    struct attempt *attempt = arg;
    attempt->delivered = true;
    return attempt->on_message(attempt->arg, message);
}

/* A stream may be long: as long as it moves, the time limit begins anew (silence_ms). */
enum { STREAM_DEADLINE_MS = 24 * 3600 * 1000 };

static struct pl_status try_once(struct session *session, struct attempt *attempt)
{
    attempt->again = attempt->open = false;
    PL_TRY(connect_daemon(session, attempt));
    session->streaming = attempt->on_message != NULL;
    struct pl_status status =
        attempt->on_message == NULL
            ? pl_h2client_unary(session->client, attempt->path, attempt->request,
                                session->deadline_ns, &attempt->reply)
            : pl_h2client_stream(session->client, attempt->path, attempt->request,
                                 now_ns() + (int64_t)STREAM_DEADLINE_MS * NS_PER_MS,
                                 on_stream_message, attempt, &attempt->reply);
    session->streaming = false;
    if (!pl_is_ok(status)) {
        hang_up(session);
        return judge_broken(session, attempt, status, &attempt->reply.error);
    }
    return attempt->reply.grpc_status == 0 ? pl_ok() : judge_status(session, attempt);
}

static void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * NS_PER_MS};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

static struct pl_status call(struct session *session, struct attempt *attempt)
{
    int64_t delay_ms = DELAY_FIRST_MS;
    attempt->session = session;
    for (;;) {
        struct pl_status status = try_once(session, attempt);
        attempt->ever_open = attempt->ever_open || attempt->open;
        if (pl_is_ok(status) || !attempt->again || attempt->delivered)
            return status;
        uint8_t chance;
        pl_rng_bytes(&chance, sizeof(chance)); /* so that many clients do not come back at once */
        int64_t wait_ms = delay_ms / 2 + delay_ms * chance / 255;
        if (now_ns() + wait_ms * NS_PER_MS >= session->deadline_ns)
            return status;
        sleep_ms(wait_ms);
        if (now_ns() >= session->deadline_ns)
            return status; /* a try without time would only hide what the last one found out */
        delay_ms = delay_ms * 2 > DELAY_MOST_MS ? DELAY_MOST_MS : delay_ms * 2;
    }
}

static struct pl_status unpack(struct session *session, const ProtobufCMessageDescriptor *type,
                               const struct attempt *attempt, ProtobufCMessage **ret)
{
    struct pl_status status =
        pl_unpack_trusted(type, pl_buf_slice(&attempt->reply.body), session->arena, ret);
    if (pl_is_ok(status))
        return status;
    return failure_set(session->failure, PL_E_INTERNAL, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                       "%s", _("the daemon's answer cannot be read"));
}

static void attempt_fini(struct attempt *attempt)
{
    pl_h2client_reply_fini(&attempt->reply);
}

/* "ListTiers" to "/pledged.v1.LedgerService/ListTiers" */
static const char *path_of(struct session *session, const char *method)
{
    return pl_arena_printf(session->arena, SERVICE_PATH "%s", method);
}

struct pl_status session_read(struct session *session, const char *method,
                              const ProtobufCMessage *request,
                              const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
    struct attempt attempt PL_CLEANUP(attempt_fini) = {.path = path_of(session, method),
                                                       .request = pl_pack(request, session->arena)};
    pl_h2client_reply_init(&attempt.reply);
    if (attempt.path == NULL || (attempt.request.data == NULL && attempt.request.len > 0))
        return text_no_memory();
    struct pl_status status = call(session, &attempt);
    if (!pl_is_ok(status))
        return status;
    return unpack(session, type, &attempt, ret);
}

struct pl_status session_glance(struct session *session, const char *method,
                                const ProtobufCMessage *request,
                                const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret)
{
    struct attempt attempt PL_CLEANUP(attempt_fini) = {.path = path_of(session, method),
                                                       .request = pl_pack(request, session->arena),
                                                       .session = session};
    pl_h2client_reply_init(&attempt.reply);
    if (session->client == NULL || !pl_h2client_usable(session->client) || session->streaming ||
        attempt.path == NULL || (attempt.request.data == NULL && attempt.request.len > 0))
        return pl_fail(UNAVAILABLE, "no connection to ask on");
    struct failure kept = *session->failure;
    struct pl_status status = try_once(session, &attempt);
    if (pl_is_ok(status))
        status = unpack(session, type, &attempt, ret);
    *session->failure = kept;
    return status;
}

static struct pl_status execute(struct session *session, const char *path, struct pl_slice request,
                                Pledged__V1__Receipt **ret)
{
    struct attempt attempt PL_CLEANUP(attempt_fini) = {.path = path, .request = request};
    pl_h2client_reply_init(&attempt.reply);
    struct pl_status status = call(session, &attempt);
    bool definite = pl_is_ok(status) || !pl_code_retryable(status.code);
    /* "Not accepted who you are" and the like after a lost reply say nothing about that reply. */
    if (status.code == PL_E_CONFIG || status.code == PL_E_INTERNAL ||
        status.code == PL_E_UNAUTHENTICATED)
        definite = false;
    if (!definite && attempt.ever_open) {
        session->failure->code = status.code = PL_E_UNKNOWN_OUTCOME;
        session->failure->uncertain = true;
        session->failure->retryable = true;
        return status;
    }
    if (!pl_is_ok(status))
        return status;
    ProtobufCMessage *message = NULL;
    PL_TRY(unpack(session, &pledged__v1__receipt__descriptor, &attempt, &message));
    *ret = (Pledged__V1__Receipt *)message;
    return pl_ok();
}

struct pl_status session_execute(struct session *session, struct pl_slice command,
                                 Pledged__V1__Receipt **ret)
{
    return execute(session, SERVICE_PATH "Execute", command, ret);
}

struct pl_status session_execute_private(struct session *session, struct pl_slice request,
                                         Pledged__V1__Receipt **ret)
{
    return execute(session, SERVICE_PATH "ExecutePrivate", request, ret);
}

struct pl_status session_stream(struct session *session, const char *method,
                                const ProtobufCMessage *request, pl_h2client_message_fn on_message,
                                void *arg)
{
    struct attempt attempt PL_CLEANUP(attempt_fini) = {.path = path_of(session, method),
                                                       .request = pl_pack(request, session->arena),
                                                       .on_message = on_message,
                                                       .arg = arg};
    pl_h2client_reply_init(&attempt.reply);
    if (attempt.path == NULL || (attempt.request.data == NULL && attempt.request.len > 0))
        return text_no_memory();
    return call(session, &attempt);
}
