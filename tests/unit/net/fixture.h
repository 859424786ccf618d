/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture: a whole net with a few methods, and a small HTTP/2 client that can say anything, right
 * or wrong. Both live on the test's thread: `pump` gives each its turn until a condition holds (at
 * most 20 seconds, or `patience`). The client knows nothing of this box's code.
 */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../apart.h"
#include "common/buf.h"
#include "common/clock.h"
#include "pki.h"
#include "pledged/v1/service.pb-c.h"
#include "server/net/authz.h"
#include "server/net/listener.h"
#include "server/net/net.h"
#include "server/net/tls.h"
#include "unit.h"

enum { HELD_MAX = 64, EXCHANGES_MAX = 300, FIELDS_MAX = 24 };
#define EXECUTE    "/pledged.v1.LedgerService/Execute"
#define LIST_TIERS "/pledged.v1.LedgerService/ListTiers"
#define GET_TIER   "/pledged.v1.LedgerService/GetTier"
#define GET_STATUS "/pledged.v1.LedgerService/GetStatus"
#define DUMP       "/pledged.v1.LedgerService/Dump"
#define ECHO       "/pledged.v1.LedgerService/Echo" /* a stream both ways */
#define WATCH      "/pledged.v1.LedgerService/Watch"

/* --- the server's side --- */

struct fixture {
    struct pki pki;
    struct pl_clock_fake clock;
    struct event_base *base;
    struct tls_context *tls;
    struct authz_roster *roster;
    struct net *net;
    uint16_t port;
    SSL_CTX *clerk, *auditor, *stranger;
    /* what the handlers do and saw */
    bool hold; /* Execute keeps its calls in `held` */
    bool full; /* Execute has no room */
    struct call *held[HELD_MAX];
    size_t held_count;
    struct call *watching; /* the newest that runs */
    unsigned watches_begun, watches_gone, watches_drained;
    unsigned executed, listed, dumps_begun, dumps_ended, dumps_gone;
    size_t reply_bytes; /* ListTiers answers with this much text */
    size_t dump_messages, dump_message_bytes, dump_fail_at;
    size_t dump_sent; /* by the newest dump */
    unsigned echoed;
    size_t echo_bytes; /* each answer has this much text */
    char identity[256], issuer[256], request_bytes[256];
    size_t request_len;
    int64_t deadline_ns;
    const char *cert, *key_file, *ca; /* the server's files */
    char refused[256];
    unsigned refused_count;
    unsigned done; /* on_done: how often, and what it was told last */
    const struct net_method *done_method;
    const struct net_person *done_person;
    enum pl_code done_code;
    int64_t done_ns;
};

static bool fixture_has_room(void *user)
{
    return !((const struct fixture *)user)->full;
}

static void fixture_execute(struct call *call, void *user)
{
    struct fixture *fx = user;
    const Pledged__V1__Command *command = (const void *)call_request(call);
    fx->executed++;
    fx->deadline_ns = call_deadline_mono_ns(call);
    snprintf(fx->identity, sizeof(fx->identity), "%s", call_identity(call));
    snprintf(fx->issuer, sizeof(fx->issuer), "%s", call_issuer(call));
    struct pl_slice bytes = call_request_bytes(call);
    fx->request_len = bytes.len;
    if (bytes.len > 0 && bytes.len <= sizeof(fx->request_bytes))
        memcpy(fx->request_bytes, bytes.data, bytes.len);
    if (fx->hold) {
        assert_true(fx->held_count < HELD_MAX);
        fx->held[fx->held_count++] = call;
        return;
    }
    Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
    receipt.seq = fx->executed;
    receipt.request_id = command->request_id;
    call_reply(call, &receipt.base);
}

static UNUSED void fixture_release(struct fixture *fx, size_t index)
{
    Pledged__V1__Receipt receipt = PLEDGED__V1__RECEIPT__INIT;
    receipt.seq = 1000 + index;
    struct call *call = fx->held[index];
    fx->held[index] = NULL;
    call_reply(call, &receipt.base);
}

static void fixture_list_tiers(struct call *call, void *user)
{
    struct fixture *fx = user;
    const Pledged__V1__ListTiersRequest *request = (const void *)call_request(call);
    Pledged__V1__ListTiersResponse response = PLEDGED__V1__LIST_TIERS_RESPONSE__INIT;
    char *text = malloc(fx->reply_bytes + 1);
    fx->listed++;
    memset(text, 'x', fx->reply_bytes);
    text[fx->reply_bytes] = '\0';
    response.as_of_seq = 7;
    response.catalogue = fx->reply_bytes > 0 ? text : request->catalogue;
    call_reply(call, &response.base);
    free(text);
}

static void fixture_get_tier(struct call *call, void *user)
{
    (void)user;
    Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
    refusal.reason = PLEDGED__V1__REASON__REASON_TIER_UNKNOWN;
    refusal.field = (char *)(uintptr_t) "tier";
    refusal.message = (char *)(uintptr_t) "100% caf\xc3\xa9";
    call_fail(call, PL_E_NOT_FOUND, &refusal, "other words");
}

static void fixture_get_status(struct call *call, void *user)
{
    (void)user;
    Pledged__V1__GetStatusResponse response = PLEDGED__V1__GET_STATUS_RESPONSE__INIT;
    call_reply(call, &response.base);
}

struct fixture_dump {
    size_t sent;
};

static void fixture_dump_go_on(struct call *call, void *user)
{
    struct fixture *fx = user;
    struct fixture_dump *dump = call_context(call);
    uint8_t *bytes = calloc(1, fx->dump_message_bytes + 1);
    ProtobufCBinaryData entry = {fx->dump_message_bytes, bytes};
    Pledged__V1__DumpResponse response = PLEDGED__V1__DUMP_RESPONSE__INIT;
    response.n_entry = 1;
    response.entry = &entry;
    bool room = true, over = false;
    while (room && !over && !call_gone(call)) {
        if (dump->sent == fx->dump_fail_at) {
            Pledged__V1__Refusal refusal = PLEDGED__V1__REFUSAL__INIT;
            refusal.reason = PLEDGED__V1__REASON__REASON_UNAVAILABLE;
            refusal.field = (char *)(uintptr_t) "from_seq";
            refusal.message = (char *)(uintptr_t) "the disk is gone";
            call_fail(call, PL_E_UNAVAILABLE, &refusal, NULL);
            over = true;
        } else if (dump->sent == fx->dump_messages) {
            call_end(call);
            over = true;
        } else {
            response.first_seq = ++dump->sent;
            fx->dump_sent = dump->sent;
            room = call_send(call, &response.base);
        }
    }
    free(bytes);
    if (!over && call_gone(call)) {
        fx->dumps_gone++;
        call_end(call);
        over = true;
    }
    if (over) {
        fx->dumps_ended++;
        free(dump);
    }
}

static void fixture_dump(struct call *call, void *user)
{
    struct fixture *fx = user;
    struct fixture_dump *dump = calloc(1, sizeof(*dump));
    fx->dumps_begun++;
    call_set_context(call, dump);
    call_on_writable(call, fixture_dump_go_on);
    fixture_dump_go_on(call, user);
}

static void fixture_watch_wakes(struct call *call, void *user)
{
    struct fixture *fx = user;
    if (fx->watching == call)
        fx->watching = NULL;
    if (call_gone(call)) {
        fx->watches_gone++;
        call_end(call);
    } else if (call_draining(call)) {
        fx->watches_drained++;
        call_fail(call, PL_E_UNAVAILABLE, NULL, "come back");
    }
}

/* Says one thing and stays. */
static void fixture_watch(struct call *call, void *user)
{
    struct fixture *fx = user;
    Pledged__V1__DumpResponse response = PLEDGED__V1__DUMP_RESPONSE__INIT;
    fx->watches_begun++;
    fx->watching = call;
    (void)call_send(call, &response.base);
    call_on_writable(call, fixture_watch_wakes);
}

/* Answers each message with one of the same text, "stop" with an error. */
static bool fixture_echo(struct call *call, void *user)
{
    struct fixture *fx = user;
    const Pledged__V1__ListTiersRequest *request = (const void *)call_request(call);
    Pledged__V1__ListTiersResponse response = PLEDGED__V1__LIST_TIERS_RESPONSE__INIT;
    if (strcmp(request->catalogue, "stop") == 0) {
        call_fail(call, PL_E_REFUSED, NULL, "stopped");
        return false;
    }
    char *text = calloc(1, fx->echo_bytes + 1);
    memset(text, 'x', fx->echo_bytes);
    fx->echoed++;
    response.as_of_seq = fx->echoed;
    response.catalogue = fx->echo_bytes > 0 ? text : request->catalogue;
    (void)call_send(call, &response.base);
    free(text);
    return true;
}

#define FIXTURE_ALL (NET_ROLE(CLERK) | NET_ROLE(AUDITOR))
static const struct net_method fixture_methods[] = {
    {.path = EXECUTE,
     .input = &pledged__v1__command__descriptor,
     .output = &pledged__v1__receipt__descriptor,
     .roles = FIXTURE_ALL,
     .request_bytes_max = 1000,
     .has_room = fixture_has_room,
     .handle = fixture_execute},
    {.path = LIST_TIERS,
     .input = &pledged__v1__list_tiers_request__descriptor,
     .output = &pledged__v1__list_tiers_response__descriptor,
     .no_side_effects = true,
     .roles = FIXTURE_ALL,
     .handle = fixture_list_tiers},
    {.path = GET_TIER,
     .input = &pledged__v1__get_tier_request__descriptor,
     .output = &pledged__v1__get_tier_response__descriptor,
     .no_side_effects = true,
     .roles = FIXTURE_ALL,
     .handle = fixture_get_tier},
    {.path = GET_STATUS,
     .input = &pledged__v1__get_status_request__descriptor,
     .output = &pledged__v1__get_status_response__descriptor,
     .no_side_effects = true,
     .roles = NET_ROLE(AUDITOR),
     .handle = fixture_get_status},
    {.path = DUMP,
     .input = &pledged__v1__dump_request__descriptor,
     .output = &pledged__v1__dump_response__descriptor,
     .server_streaming = true,
     .no_side_effects = true,
     .roles = FIXTURE_ALL,
     .handle = fixture_dump},
    {.path = ECHO,
     .input = &pledged__v1__list_tiers_request__descriptor,
     .output = &pledged__v1__list_tiers_response__descriptor,
     .server_streaming = true,
     .client_streaming = true,
     .no_side_effects = true,
     .roles = FIXTURE_ALL,
     .request_bytes_max = 1000,
     .on_message = fixture_echo},
    {.path = WATCH,
     .input = &pledged__v1__dump_request__descriptor,
     .output = &pledged__v1__dump_response__descriptor,
     .server_streaming = true,
     .long_lived = true,
     .roles = FIXTURE_ALL,
     .handle = fixture_watch},
};

/* Answers with the path that was asked for. */
static void fixture_page(struct call *call, void *user)
{
    const struct net_header more = {"etag", "\"v1\""};
    (void)user;
    call_answer(call, &(struct net_answer){.status = "200",
                                           .type = "text/plain",
                                           .cache = "max-age=60",
                                           .more = &more,
                                           .more_count = 1,
                                           .body = call_path(call)});
}

static const struct net_resource fixture_resources[] = {
    {.path = "/page", .roles = FIXTURE_ALL, .handle = fixture_page},
    {.path = "/tile/", .roles = NET_ROLE(AUDITOR), .handle = fixture_page},
};

static void fixture_on_refused(void *user, const char *peer, const char *why)
{
    struct fixture *fx = user;
    (void)peer;
    fx->refused_count++;
    snprintf(fx->refused, sizeof(fx->refused), "%s", why);
}

static void fixture_on_done(void *user, const struct net_method *method,
                            const struct net_person *person, enum pl_code code, int64_t took_ns)
{
    struct fixture *fx = user;
    fx->done++;
    fx->done_method = method;
    fx->done_person = person;
    fx->done_code = code;
    fx->done_ns = took_ns;
}

/* san NULL: without certificate. It lasts for this long (0: a day). */
static UNUSED SSL_CTX *fixture_client_for(struct fixture *fx, const char *san, long to_s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (san != NULL) {
        const struct pki_wish wish = {
            .name = "client", .san = san, .from_s = -3600, .to_s = to_s == 0 ? 86400 : to_s};
        EVP_PKEY *key = pki_key();
        X509 *x = pki_sign(fx->pki.ca, fx->pki.ca_key, key, &wish);
        assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
        X509_free(x);
        EVP_PKEY_free(key);
    }
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), fx->pki.ca);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return ctx;
}

static UNUSED SSL_CTX *fixture_client_context(struct fixture *fx, const char *san)
{
    return fixture_client_for(fx, san, 0);
}

/* Anna has this role; unspecified: she is not on it. */
/* Whose certificate has this name, with this role, and Otto. */
static UNUSED struct authz_roster *fixture_roster_of(const char *who, Pledged__V1__Role anna,
                                                     const char *name)
{
    Pledged__V1__RosterIdentity identities[2];
    Pledged__V1__RosterIdentity *identity[2] = {&identities[0], &identities[1]};
    Pledged__V1__RosterPerson persons[2];
    Pledged__V1__RosterPerson *person[2] = {&persons[0], &persons[1]};
    Pledged__V1__RosterAdopted adopted = PLEDGED__V1__ROSTER_ADOPTED__INIT;
    const char *const names[] = {who, "otto"};
    const char *const uris[] = {name, "uri:pledged:person:otto"};
    const Pledged__V1__Role roles[] = {anna, PLEDGED__V1__ROLE__ROLE_AUDITOR};
    bool without = anna == PLEDGED__V1__ROLE__ROLE_UNSPECIFIED;
    for (size_t i = 0; i < 2; i++) {
        pledged__v1__roster_identity__init(&identities[i]);
        identities[i].identity = (char *)(uintptr_t)uris[i];
        pledged__v1__roster_person__init(&persons[i]);
        persons[i].person = (char *)(uintptr_t)names[i];
        persons[i].role = roles[i];
        persons[i].n_identity = 1;
        persons[i].identity = &identity[i];
    }
    adopted.n_person = without ? 1 : 2;
    adopted.person = without ? &person[1] : person;
    struct authz_roster *roster = NULL;
    assert_true(pl_is_ok(authz_roster_new(&adopted, &roster)));
    return roster;
}

static UNUSED struct authz_roster *fixture_roster_with(Pledged__V1__Role anna)
{
    return fixture_roster_of("anna", anna, "uri:pledged:person:anna");
}

static struct authz_roster *fixture_roster(void)
{
    return fixture_roster_with(PLEDGED__V1__ROLE__ROLE_CLERK);
}

struct fixture_wish {
    struct net_limits limits;
    bool plain;                         /* no TLS */
    bool nobody_asked;                  /* TLS that asks for no certificate */
    const struct net_person *anonymous; /* who peers without certificate are */
    struct net_quota *quota;
    const struct net_method *methods; /* others than fixture_methods, with their own user */
    size_t method_count;
    const struct net_resource *resources; /* likewise */
    size_t resource_count;
    void *user;
};

static UNUSED void fixture_init_as(struct fixture *fx, const struct fixture_wish *wanted)
{
    char detail[256];
    int fd = -1;
    signal(SIGPIPE, SIG_IGN);
    memset(fx, 0, sizeof(*fx));
    fx->dump_fail_at = SIZE_MAX;
    pki_init(&fx->pki);
    /* certificates are made and verified by the time of the machine */
    pl_clock_fake_init(&fx->clock, pl_clock_system()->wall_us(pl_clock_system()));
    EVP_PKEY *key = pki_key();
    const struct pki_wish wish = {.name = "server", .san = "DNS:localhost,IP:127.0.0.1"};
    X509 *x = pki_sign(fx->pki.ca, fx->pki.ca_key, key, &wish);
    const struct tls_files files = {
        .cert = pki_write_certificate(&fx->pki, "server.pem", x),
        .key = pki_write_key(&fx->pki, "server.key", key),
        .ca = wanted->nobody_asked ? NULL : pki_write_certificate(&fx->pki, "ca.pem", fx->pki.ca),
    };
    fx->cert = files.cert;
    fx->key_file = files.key;
    fx->ca = files.ca;
    struct pl_status status = tls_context_new(&files, detail, &fx->tls);
    if (!pl_is_ok(status))
        fail_msg("%s", detail);
    X509_free(x);
    EVP_PKEY_free(key);
    fx->roster = fixture_roster();
    fx->clerk = fixture_client_context(fx, "URI:pledged:person:anna");
    fx->auditor = fixture_client_context(fx, "URI:pledged:person:otto");
    fx->stranger = fixture_client_context(fx, "URI:pledged:person:nobody");
    assert_true(pl_is_ok(listener_open("127.0.0.1", 0, true, &fd, &fx->port)));
    fx->base = event_base_new();
    assert_int_equal(event_base_priority_init(fx->base, 3), 0);
    const struct net_options options = {
        .base = fx->base,
        .listen_fd = fd,
        .tls = wanted->plain ? NULL : fx->tls,
        .anonymous = wanted->anonymous,
        .quota = wanted->quota,
        .roster = fx->roster,
        .methods = wanted->methods != NULL ? wanted->methods : fixture_methods,
        .method_count = wanted->methods != NULL ? wanted->method_count : PL_COUNT(fixture_methods),
        .resources = wanted->resources != NULL ? wanted->resources : fixture_resources,
        .resource_count =
            wanted->resources != NULL ? wanted->resource_count : PL_COUNT(fixture_resources),
        .limits = wanted->limits,
        .clock = &fx->clock.clock,
        .user = wanted->methods != NULL ? wanted->user : fx,
        .on_done = wanted->methods != NULL ? NULL : fixture_on_done,
        .on_refused = wanted->methods != NULL ? NULL : fixture_on_refused,
    };
    assert_true(pl_is_ok(net_new(&options, &fx->net)));
}

static UNUSED void fixture_init(struct fixture *fx, const struct net_limits *limits)
{
    struct fixture_wish wish = {.plain = false};
    if (limits != NULL)
        wish.limits = *limits;
    fixture_init_as(fx, &wish);
}

static UNUSED void fixture_fini(struct fixture *fx)
{
    for (size_t i = 0; i < fx->held_count; i++) {
        if (fx->held[i] != NULL)
            fixture_release(fx, i);
    }
    net_close_all(fx->net);
    net_free(fx->net);
    event_base_free(fx->base);
    tls_context_unref(fx->tls);
    authz_roster_free(fx->roster);
    SSL_CTX_free(fx->clerk);
    SSL_CTX_free(fx->auditor);
    SSL_CTX_free(fx->stranger);
    pki_fini(&fx->pki);
    assert_int_equal(fx->dumps_begun, fx->dumps_ended);
    assert_int_equal(fx->watches_begun, fx->watches_gone + fx->watches_drained);
}

static UNUSED int fixture_setup(void **state, const struct net_limits *limits)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    fixture_init(fx, limits);
    *state = fx;
    return 0;
}

static UNUSED int fixture_teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

/* --- the client's side --- */

struct exchange {
    struct client *client;
    int32_t id;
    char field[FIELDS_MAX][2][1024]; /* head and trailers in order of arrival */
    size_t field_count;
    size_t head_count;  /* how many came with the first HEADERS */
    bool trailers_only; /* that HEADERS ended the stream */
    struct pl_buf body; /* of the answer */
    bool closed;
    uint32_t close_code;
    const uint8_t *send; /* borrowed */
    size_t send_len, sent;
    bool keep_open; /* the request never ends */
};

struct client {
    struct fixture *fx;
    int fd;
    SSL *ssl;                 /* NULL: plain */
    nghttp2_session *session; /* NULL: text */
    struct pl_buf out;
    struct pl_buf in; /* what came, without a session */
    bool handshake_done, ended, no_reading;
    bool window_shut; /* never gives window back */
    bool goaway;
    uint32_t goaway_code;
    char goaway_debug[64];
    int goaway_count, pings_acked, pinged;
    int32_t goaway_last[4]; /* last stream ids, in order */
    unsigned long error;    /* OpenSSL's, when the connection ended */
    uint32_t max_streams;
    struct exchange *exchange[EXCHANGES_MAX];
    size_t exchange_count;
};

static struct exchange *client_find(struct client *client, int32_t id)
{
    for (size_t i = 0; i < client->exchange_count; i++) {
        if (client->exchange[i]->id == id)
            return client->exchange[i];
    }
    return NULL;
}

static int client_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                            const uint8_t *name, size_t name_len, const uint8_t *value,
                            size_t value_len, uint8_t flags, void *arg)
{
    struct exchange *e = client_find(arg, frame->hd.stream_id);
    (void)session;
    (void)flags;
    assert_non_null(e);
    assert_true(e->field_count < FIELDS_MAX);
    snprintf(e->field[e->field_count][0], 1024, "%.*s", (int)name_len, (const char *)name);
    snprintf(e->field[e->field_count][1], 1024, "%.*s", (int)value_len, (const char *)value);
    e->field_count++;
    return 0;
}

static int client_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct client *client = arg;
    struct exchange *e = client_find(client, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        client->goaway = true;
        if (client->goaway_count < 4)
            client->goaway_last[client->goaway_count] = frame->goaway.last_stream_id;
        client->goaway_count++;
        client->goaway_code = frame->goaway.error_code;
        snprintf(client->goaway_debug, sizeof(client->goaway_debug), "%.*s",
                 (int)frame->goaway.opaque_data_len, (const char *)frame->goaway.opaque_data);
    } else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        client->pings_acked++;
    } else if (frame->hd.type == NGHTTP2_PING) {
        client->pinged++;
    } else if (frame->hd.type == NGHTTP2_HEADERS && e != NULL && e->head_count == 0) {
        e->head_count = e->field_count;
        e->trailers_only = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    } else if (frame->hd.type == NGHTTP2_SETTINGS) {
        client->max_streams =
            nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    }
    return 0;
}

static int client_on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                          size_t len, void *arg)
{
    struct client *client = arg;
    struct exchange *e = client_find(client, id);
    (void)flags;
    assert_non_null(e);
    assert_true(pl_is_ok(pl_buf_append(&e->body, data, len)));
    if (!client->window_shut)
        nghttp2_session_consume(session, id, len);
    return 0;
}

static int client_on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
    struct exchange *e = client_find(arg, id);
    (void)session;
    if (e != NULL) {
        e->closed = true;
        e->close_code = code;
    }
    return 0;
}

static ssize_t client_read_body(nghttp2_session *session, int32_t id, uint8_t *out, size_t room,
                                uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct exchange *e = source->ptr;
    (void)session;
    (void)id;
    (void)arg;
    size_t len = e->send_len - e->sent < room ? e->send_len - e->sent : room;
    if (len > 0)
        memcpy(out, e->send + e->sent, len);
    e->sent += len;
    if (e->sent == e->send_len) {
        if (!e->keep_open)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
        else if (len == 0)
            return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)len;
}

static UNUSED struct client *client_new_plain(struct fixture *fx)
{
    struct client *client = calloc(1, sizeof(*client));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(fx->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fx = fx;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(fcntl(client->fd, F_SETFL, O_NONBLOCK), 0);
    pl_buf_init(&client->out, SIZE_MAX / 2);
    pl_buf_init(&client->in, SIZE_MAX / 2);
    return client;
}

static UNUSED struct client *client_new_raw(struct fixture *fx, SSL_CTX *ctx, const char *alpn)
{
    struct client *client = client_new_plain(fx);
    client->ssl = SSL_new(ctx);
    SSL_set_fd(client->ssl, client->fd);
    SSL_set_tlsext_host_name(client->ssl, "localhost");
    if (alpn != NULL)
        SSL_set_alpn_protos(client->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    SSL_set_connect_state(client->ssl);
    return client;
}

static void client_session(struct client *client, uint32_t window)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, client_on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_on_close);
    nghttp2_session_client_new2(&client->session, callbacks, client, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window},
                                               {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, 2);
}

static UNUSED struct client *client_new(struct fixture *fx, SSL_CTX *ctx)
{
    struct client *client = client_new_raw(fx, ctx, "\x02h2\x08http/1.1");
    client_session(client, 65535);
    return client;
}

static UNUSED void client_free(struct client *client)
{
    for (size_t i = 0; i < client->exchange_count; i++) {
        pl_buf_fini(&client->exchange[i]->body);
        free(client->exchange[i]);
    }
    nghttp2_session_del(client->session);
    SSL_free(client->ssl);
    pl_buf_fini(&client->out);
    pl_buf_fini(&client->in);
    if (client->fd >= 0)
        close(client->fd);
    free(client);
}

static void client_failed(struct client *client, int result)
{
    int error = client->ssl == NULL ? SSL_ERROR_SYSCALL : SSL_get_error(client->ssl, result);
    if (client->ssl == NULL && result < 0 && errno == EAGAIN)
        return;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return;
    client->ended = true;
    client->error = ERR_peek_error();
}

static int client_read_some(struct client *client, uint8_t *out, int room)
{
    if (client->ssl == NULL)
        return (int)recv(client->fd, out, (size_t)room, 0);
    ERR_clear_error();
    return SSL_read(client->ssl, out, room);
}

static int client_write_some(struct client *client, const uint8_t *data, int len)
{
    if (client->ssl == NULL)
        return (int)send(client->fd, data, (size_t)len, MSG_NOSIGNAL);
    ERR_clear_error();
    return SSL_write(client->ssl, data, len);
}

static void client_read(struct client *client)
{
    uint8_t buffer[16384];
    while (!client->ended && !client->no_reading) {
        int len = client_read_some(client, buffer, sizeof(buffer));
        if (len <= 0) {
            client_failed(client, len);
            return;
        }
        if (client->session == NULL)
            assert_true(pl_is_ok(pl_buf_append(&client->in, buffer, (size_t)len)));
        else if (nghttp2_session_mem_recv(client->session, buffer, (size_t)len) < 0)
            client->ended = true;
    }
}

static void client_write(struct client *client)
{
    const uint8_t *data = NULL;
    ssize_t len;
    while (client->session != NULL && (len = nghttp2_session_mem_send(client->session, &data)) > 0)
        assert_true(pl_is_ok(pl_buf_append(&client->out, data, (size_t)len)));
    while (!client->ended && pl_buf_len(&client->out) > 0) {
        struct pl_slice out = pl_buf_slice(&client->out);
        int n = client_write_some(client, out.data, (int)(out.len < 16384 ? out.len : 16384));
        if (n <= 0) {
            client_failed(client, n);
            return;
        }
        pl_buf_consume(&client->out, (size_t)n);
    }
}

static void client_step(struct client *client)
{
    if (client->ended)
        return;
    if (!client->handshake_done && client->ssl != NULL) {
        ERR_clear_error();
        int done = SSL_connect(client->ssl);
        if (done != 1) {
            client_failed(client, done);
            return;
        }
        SSL_set_mode(client->ssl,
                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    }
    client->handshake_done = true;
    client_write(client);
    client_read(client);
}

/* --- text, for HTTP/1.1 --- */

static UNUSED void client_say(struct client *client, const char *text)
{
    assert_true(pl_is_ok(pl_buf_append_str(&client->out, text)));
}

/* What came so far, as text, valid until more comes. */
static UNUSED const char *client_heard(struct client *client)
{
    uint8_t *end = NULL;
    assert_true(pl_is_ok(pl_buf_reserve(&client->in, 1, &end)));
    *end = '\0';
    return (const char *)pl_buf_slice(&client->in).data;
}

/* One turn for everybody. */
static UNUSED void pump_once(struct fixture *fx, struct client *client)
{
    event_base_loop(fx->base, EVLOOP_NONBLOCK);
    if (client != NULL)
        client_step(client);
}

#define PUMP_UNTIL(fx_, client_, condition_)                                                       \
    do {                                                                                           \
        int64_t pump_end_ =                                                                        \
            pl_clock_system()->mono_ns(pl_clock_system()) + patience(20000000000LL);               \
        while (!(condition_)) {                                                                    \
            pump_once((fx_), (client_));                                                           \
            if (pl_clock_system()->mono_ns(pl_clock_system()) > pump_end_)                         \
                fail_msg("waited too long for: %s", #condition_);                                  \
        }                                                                                          \
    } while (0)

static UNUSED struct client *connected(struct fixture *fx)
{
    struct client *client = client_new(fx, fx->clerk);
    PUMP_UNTIL(fx, client, client->max_streams != 0);
    return client;
}

/* Some turns, for things that must not happen. On a machine with too much to do a time has few of
 * them, and what was sent has not arrived: so there are so many turns at least. */
static UNUSED void pump_for(struct fixture *fx, struct client *client, int ms)
{
    int64_t end = pl_clock_system()->mono_ns(pl_clock_system()) + ms * 1000000LL;
    int turns = ms < 10 ? 10 : ms < 100 ? ms : 100;
    while (turns-- > 0 || pl_clock_system()->mono_ns(pl_clock_system()) < end) {
        pump_once(fx, client);
        usleep(200);
    }
}

struct request {
    const char *method; /* NULL: POST */
    const char *path;
    const char *type; /* content-type; NULL: none */
    const char *extra[4][2];
    const void *body;
    size_t body_len;
    bool keep_open;
};

static UNUSED uint8_t empty_frame[5];
static UNUSED const struct request execute = {
    .path = EXECUTE, .type = "application/grpc", .body = empty_frame, .body_len = 5};

static UNUSED struct exchange *client_send(struct client *client, const struct request *r)
{
    nghttp2_nv nv[12];
    size_t count = 0;
    const char *fields[12][2] = {
        {":method", r->method == NULL ? "POST" : r->method},
        {":scheme", "https"},
        {":authority", "localhost:7443"},
        {":path", r->path},
        {"te", "trailers"},
        {"content-type", r->type},
    };
    size_t total = r->type == NULL ? 5 : 6;
    for (size_t i = 0; i < PL_COUNT(r->extra) && r->extra[i][0] != NULL; i++, total++) {
        fields[total][0] = r->extra[i][0];
        fields[total][1] = r->extra[i][1];
    }
    for (; count < total; count++)
        nv[count] = (nghttp2_nv){(uint8_t *)(uintptr_t)fields[count][0],
                                 (uint8_t *)(uintptr_t)fields[count][1], strlen(fields[count][0]),
                                 strlen(fields[count][1]), NGHTTP2_NV_FLAG_NONE};
    struct exchange *e = calloc(1, sizeof(*e));
    assert_true(client->exchange_count < EXCHANGES_MAX);
    client->exchange[client->exchange_count++] = e;
    e->client = client;
    e->send = r->body;
    e->send_len = r->body_len;
    e->keep_open = r->keep_open;
    pl_buf_init(&e->body, SIZE_MAX / 2);
    nghttp2_data_provider provider = {.source = {.ptr = e}, .read_callback = client_read_body};
    bool has_body = r->body_len > 0 || r->keep_open;
    e->id =
        nghttp2_submit_request(client->session, NULL, nv, count, has_body ? &provider : NULL, NULL);
    assert_true(e->id > 0);
    return e;
}

/* More of a request that was left open; the bytes are borrowed until they are sent. */
static UNUSED void client_more(struct exchange *e, const void *bytes, size_t len, bool last)
{
    assert_int_equal(e->sent, e->send_len);
    e->send = bytes;
    e->send_len = len;
    e->sent = 0;
    e->keep_open = !last;
    nghttp2_session_resume_data(e->client->session, e->id);
}

static UNUSED struct exchange *client_call(struct client *client, const struct request *r)
{
    struct exchange *e = client_send(client, r);
    PUMP_UNTIL(client->fx, client, e->closed || client->ended);
    assert_true(e->closed);
    return e;
}

static UNUSED const char *field_of(const struct exchange *e, const char *name)
{
    for (size_t i = 0; i < e->field_count; i++) {
        if (strcmp(e->field[i][0], name) == 0)
            return e->field[i][1];
    }
    return "";
}

static UNUSED size_t body_len(const struct exchange *e)
{
    return pl_buf_len(&e->body);
}

/* The answer's body as text, valid until the exchange is freed. */
static UNUSED const char *body_text(struct exchange *e)
{
    uint8_t *end = NULL;
    assert_true(pl_is_ok(pl_buf_reserve(&e->body, 1, &end)));
    *end = '\0';
    return (const char *)pl_buf_slice(&e->body).data;
}

/* Frames a gRPC message in `out`; returns the frame's length. */
static UNUSED size_t grpc_frame(uint8_t *out, const void *message, size_t len)
{
    out[0] = 0;
    out[1] = (uint8_t)(len >> 24);
    out[2] = (uint8_t)(len >> 16);
    out[3] = (uint8_t)(len >> 8);
    out[4] = (uint8_t)len;
    if (len > 0)
        memcpy(out + 5, message, len);
    return len + 5;
}

#endif
