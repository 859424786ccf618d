/* SPDX-License-Identifier: Apache-2.0
 *
 * test_witness: what leaves for a witness and what comes of each thing that may come back over a
 * real connection: true, old, forged, of another log, of another key, in any order, cut short, too
 * large, elsewhere, nothing. What an answer means is the matter of test_cosign; here it has to get
 * there whole. A real notary whose turns are taken by hand, the real thread, witnesses that say
 * what they are told to, and a clock that stands still until told.
 */
// clang-format off
#include "signed_fixture.h"
// clang-format on

#include "server/witness.h"

enum {
    COUNT = 2,
    READERS = 2,
    REQUEST_BYTES = 8192,
    /* for whatever has to come; only a failure takes so long */
    PATIENCE_S = 120,
};

enum say {
    TRUE_LINE,
    AMONG_OTHERS,    /* its line behind those of strangers, of which one is twice */
    FORGED,          /* name and key are right, the bytes are not */
    OF_ANOTHER_KEY,  /* same name */
    OF_ANOTHER_NAME, /* the other witness */
    OF_ANOTHER_LOG,
    NOTHING_IN_IT,
    CUT_LINE,   /* all that was announced, half a line */
    CUT_ANSWER, /* less than was announced */
    TOO_LARGE,
    AS_LARGE_AS_MAY_BE, /* and true */
    ELSEWHERE,          /* true, at another place */
    HUNG_UP,
    NO_HTTP,
    A_SIZE, /* 409 */
    UNKNOWN_KEY,
};

/* --- a witness that says what it is told to --- */

struct stand_in {
    int fd;
    unsigned port;
    SSL_CTX *tls; /* owns; NULL: plain */
    struct pl_note_signer *signer, *stranger;
    char vkey[PL_NOTE_KEY_MAX], name[32];
    const struct stand_in *other;
    pthread_t thread;
    bool running;
    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t moved;
    enum say say, then; /* now; from the next answer on */
    const char *type;   /* of A_SIZE */
    uint64_t size;
    bool held, ending;
    unsigned asked, answered; /* requests that came whole */
    char request[REQUEST_BYTES];
};

/* One end of a connection. */
struct wire {
    int fd;
    SSL *ssl; /* NULL: plain */
};

static ssize_t wire_read(struct wire *wire, char *into, size_t len)
{
    return wire->ssl != NULL ? SSL_read(wire->ssl, into, (int)len) : recv(wire->fd, into, len, 0);
}

static void wire_write(struct wire *wire, const char *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t sent = wire->ssl != NULL ? SSL_write(wire->ssl, data + done, (int)(len - done))
                                         : send(wire->fd, data + done, len - done, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* who asks may leave */
        done += (size_t)sent;
    }
}

/* A whole request with a NUL; false: none came. */
static bool read_request(struct wire *wire, char ret[REQUEST_BYTES])
{
    size_t len = 0, want = SIZE_MAX;
    while (len < want && len < REQUEST_BYTES - 1) {
        ssize_t got = wire_read(wire, ret + len, REQUEST_BYTES - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        ret[len] = '\0';
        const char *end = strstr(ret, "\r\n\r\n");
        const char *length = strcasestr(ret, "\r\nContent-Length:");
        if (end != NULL)
            want = (size_t)(end - ret) + 4 + (length != NULL ? strtoul(length + 17, NULL, 10) : 0);
    }
    return len == want;
}

static struct pl_slice body_of(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    PL_ASSERT(end != NULL);
    return pl_slice_str(end + 4);
}

/* What is signed of the checkpoint that the request asks for. */
static struct pl_slice text_of(const char *request)
{
    struct pl_add_checkpoint asks;
    struct pl_status status = pl_add_checkpoint_parse(body_of(request), &asks);
    PL_ASSERT(pl_is_ok(status));
    const char *end = memmem(asks.checkpoint.data, asks.checkpoint.len, "\n\n", 2);
    PL_ASSERT(end != NULL);
    return pl_slice(asks.checkpoint.data, (size_t)(end - (const char *)asks.checkpoint.data) + 1);
}

static void cosign(const struct pl_note_signer *signer, struct pl_slice text, struct pl_buf *out)
{
    struct pl_status status = pl_note_cosign(signer, 1700000000, text, out);
    PL_ASSERT(pl_is_ok(status));
}

static void say(struct pl_buf *out, const char *text)
{
    struct pl_status status = pl_buf_append_str(out, text);
    PL_ASSERT(pl_is_ok(status));
}

/* Of a log of another name, which has the same entries. */
static void cosign_renamed(const struct stand_in *in, struct pl_slice text, struct pl_buf *out)
{
    struct pl_buf renamed PL_CLEANUP(pl_buf_fini);
    const char *rest = memchr(text.data, '\n', text.len);
    PL_ASSERT(rest != NULL);
    pl_buf_init(&renamed, 8192);
    say(&renamed, "example.org/other");
    struct pl_status status =
        pl_buf_append(&renamed, rest, text.len - (size_t)(rest - (const char *)text.data));
    PL_ASSERT(pl_is_ok(status));
    cosign(in->signer, pl_buf_slice(&renamed), out);
}

static void say_lines(const struct stand_in *in, struct pl_slice text, struct pl_buf *out)
{
    if (in->say == NOTHING_IN_IT)
        return;
    if (in->say == OF_ANOTHER_LOG) {
        cosign_renamed(in, text, out);
        return;
    }
    if (in->say == AMONG_OTHERS || in->say == OF_ANOTHER_KEY)
        cosign(in->stranger, text, out);
    if (in->say == AMONG_OTHERS || in->say == OF_ANOTHER_NAME)
        cosign(in->other->signer, text, out);
    if (in->say == AMONG_OTHERS)
        cosign(in->stranger, text, out);
    if (in->say != OF_ANOTHER_KEY && in->say != OF_ANOTHER_NAME)
        cosign(in->signer, text, out);
}

/* Lines of strangers behind the true one, so that all is so long. */
static void fill(struct pl_buf *body, size_t len)
{
    while (pl_buf_len(body) < len) {
        char signature[1025] = "", line[1100];
        size_t left = len - pl_buf_len(body), part = left < 1024 ? left : 1000;
        size_t text = (part - 7) / 4 * 4; /* dash, space, name, space, newline are the others */
        PL_ASSERT(part >= 15);
        memset(signature, 'A', text);
        (void)snprintf(line, sizeof(line), "\xE2\x80\x94 %0*d %s\n", (int)(part - 6 - text), 0,
                       signature);
        say(body, line);
    }
    PL_ASSERT(pl_buf_len(body) == len);
}

static void make_body(const struct stand_in *in, const char *request, struct pl_buf *out)
{
    char size[32];
    if (in->say == A_SIZE) {
        (void)snprintf(size, sizeof(size), "%llu\n", (unsigned long long)in->size);
        say(out, size);
        return;
    }
    say_lines(in, text_of(request), out);
    if (in->say == FORGED) { /* the last byte of the signature but for what ends it */
        uint8_t *last = (uint8_t *)pl_buf_slice(out).data + pl_buf_len(out) - 8;
        *last = *last == 'A' ? 'B' : 'A';
    }
    if (in->say == TOO_LARGE || in->say == AS_LARGE_AS_MAY_BE)
        fill(out, COSIGN_ANSWER_MAX + (in->say == TOO_LARGE));
}

static void answer(const struct stand_in *in, struct wire *wire, const char *request)
{
    struct pl_buf body PL_CLEANUP(pl_buf_fini);
    char head[400];
    pl_buf_init(&body, COSIGN_ANSWER_MAX + 1024);
    make_body(in, request, &body);
    size_t len = pl_buf_len(&body), sent = len;
    if (in->say == HUNG_UP)
        return;
    if (in->say == CUT_LINE)
        len = sent = len / 2;
    if (in->say == CUT_ANSWER)
        sent = len - 1;
    int status = in->say == A_SIZE        ? 409
                 : in->say == ELSEWHERE   ? 307
                 : in->say == UNKNOWN_KEY ? 403
                                          : 200;
    (void)snprintf(head, sizeof(head),
                   "%s %d Said\r\nContent-Length: %zu\r\nContent-Type: %s\r\n"
                   "Location: /elsewhere\r\nConnection: close\r\n\r\n",
                   in->say == NO_HTTP ? "SMTP/1.1" : "HTTP/1.1", status, len,
                   in->say == A_SIZE ? in->type : "text/plain");
    wire_write(wire, head, strlen(head));
    wire_write(wire, (const char *)pl_buf_slice(&body).data, sent);
}

static void serve(struct stand_in *in, struct wire *wire)
{
    char request[REQUEST_BYTES];
    if ((wire->ssl != NULL && SSL_accept(wire->ssl) != 1) || !read_request(wire, request))
        return;
    pthread_mutex_lock(&in->lock);
    memcpy(in->request, request, sizeof(request));
    in->asked++;
    pthread_cond_broadcast(&in->moved);
    while (in->held && !in->ending)
        pthread_cond_wait(&in->moved, &in->lock);
    answer(in, wire, request);
    in->answered++;
    pthread_cond_broadcast(&in->moved);
    in->say = in->then;
    pthread_mutex_unlock(&in->lock);
    if (wire->ssl != NULL)
        SSL_shutdown(wire->ssl);
}

static void *stand(void *arg)
{
    struct stand_in *in = arg;
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = accept(in->fd, NULL, NULL);
    while (fd >= 0) {
        struct wire wire = {.fd = fd, .ssl = in->tls != NULL ? SSL_new(in->tls) : NULL};
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (wire.ssl != NULL)
            SSL_set_fd(wire.ssl, fd);
        serve(in, &wire);
        SSL_free(wire.ssl);
        (void)close(fd);
        fd = accept(in->fd, NULL, NULL);
    }
    return NULL;
}

/* Nobody hears at its address, which is kept, before stand_in_listen. */
static void stand_in_init(struct stand_in *in, const char *name)
{
    char secret[PL_NOTE_KEY_MAX], vkey[PL_NOTE_KEY_MAX];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    (void)snprintf(in->name, sizeof(in->name), "%s", name);
    pthread_mutex_init(&in->lock, NULL);
    pthread_cond_init(&in->moved, NULL);
    assert_true(pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, name, secret, in->vkey)));
    assert_true(pl_is_ok(pl_note_signer_new(secret, &in->signer)));
    assert_true(pl_is_ok(pl_note_keygen_kind(PL_NOTE_COSIGNATURE, name, secret, vkey)));
    assert_true(pl_is_ok(pl_note_signer_new(secret, &in->stranger)));
    in->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(in->fd >= 0);
    assert_int_equal(bind(in->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(in->fd, (struct sockaddr *)&address, &len), 0);
    in->port = ntohs(address.sin_port);
}

static void stand_in_listen(struct stand_in *in)
{
    assert_int_equal(listen(in->fd, 16), 0);
    assert_int_equal(pthread_create(&in->thread, NULL, stand, in), 0);
    in->running = true;
}

static void stand_in_fini(struct stand_in *in)
{
    if (in->running) {
        pthread_mutex_lock(&in->lock);
        in->ending = true;
        pthread_cond_broadcast(&in->moved);
        pthread_mutex_unlock(&in->lock);
        (void)shutdown(in->fd, SHUT_RDWR);
        assert_int_equal(pthread_join(in->thread, NULL), 0);
    }
    (void)close(in->fd);
    SSL_CTX_free(in->tls);
    pl_note_signer_free(in->signer);
    pl_note_signer_free(in->stranger);
    pthread_mutex_destroy(&in->lock);
    pthread_cond_destroy(&in->moved);
}

/* It says one thing, and then another. */
static void tell(struct stand_in *in, enum say now, enum say then)
{
    pthread_mutex_lock(&in->lock);
    in->say = now;
    in->then = then;
    pthread_mutex_unlock(&in->lock);
}

static void tell_size(struct stand_in *in, const char *type, uint64_t size, enum say then)
{
    pthread_mutex_lock(&in->lock);
    in->say = A_SIZE;
    in->then = then;
    in->type = type;
    in->size = size;
    pthread_mutex_unlock(&in->lock);
}

static void hold(struct stand_in *in, bool held)
{
    pthread_mutex_lock(&in->lock);
    in->held = held;
    pthread_cond_broadcast(&in->moved);
    pthread_mutex_unlock(&in->lock);
}

/* Until it was asked so often, and no oftener, and has answered so many of them. */
static void wait_for(struct stand_in *in, unsigned count, unsigned answered)
{
    struct timespec limit;
    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&in->lock);
    int late = 0;
    while ((in->asked < count || in->answered < answered) && late == 0)
        late = pthread_cond_timedwait(&in->moved, &in->lock, &limit);
    unsigned got = in->asked;
    pthread_mutex_unlock(&in->lock);
    assert_int_equal(late, 0);
    assert_int_equal(got, count);
}

/* The last of so many requests. */
static const char *asked(struct stand_in *in, unsigned count)
{
    static char request[REQUEST_BYTES];
    wait_for(in, count, 0);
    pthread_mutex_lock(&in->lock);
    memcpy(request, in->request, sizeof(request));
    pthread_mutex_unlock(&in->lock);
    return request;
}

/* --- what asks them --- */

/* Two threads look at it. Who asks for the time while it is shut stays there. */
struct still {
    struct pl_clock clock; /* first member */
    _Atomic int64_t ns;
    atomic_bool shut, inside;
};

static void pause_ms(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    (void)nanosleep(&pause, NULL);
}

static int64_t still_wall_us(struct pl_clock *clock)
{
    return 1700000000LL * 1000000 + ((struct still *)clock)->ns / 1000;
}

static int64_t still_mono_ns(struct pl_clock *clock)
{
    struct still *still = (struct still *)clock;
    while (still->shut) {
        still->inside = true;
        pause_ms();
    }
    return still->ns;
}

struct test {
    struct office office;
    struct stand_in witness[COUNT];
    struct still clock;
    struct cosign_policy *policy;
    struct witness_thread *thread;
    struct cosign_report *report[READERS]; /* the newest that each has */
    struct pki pki;
    const char *ca_file;
};

static int set_up(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    t->clock.clock = (struct pl_clock){.wall_us = still_wall_us, .mono_ns = still_mono_ns};
    t->clock.ns = 1;
    office_init(&t->office, 3);
    office_tell(&t->office, &t->office.views);
    stand_in_init(&t->witness[0], "w0.example");
    stand_in_init(&t->witness[1], "w1.example");
    t->witness[0].other = &t->witness[1];
    t->witness[1].other = &t->witness[0];
    pki_init(&t->pki);
    *state = t;
    return 0;
}

static void end(struct test *t)
{
    t->clock.shut = false;
    witness_stop(t->thread);
    witness_free(t->thread);
    t->thread = NULL;
    for (size_t i = 0; i < READERS; i++) {
        cosign_report_unref(t->report[i]);
        t->report[i] = NULL;
    }
}

static int tear_down(void **state)
{
    struct test *t = *state;
    end(t);
    for (size_t i = 0; i < COUNT; i++)
        stand_in_fini(&t->witness[i]);
    cosign_policy_free(t->policy);
    office_fini(&t->office);
    pki_fini(&t->pki);
    free(t);
    return 0;
}

static void load(struct test *t, const char *scheme, const char *path, const char *quorum)
{
    char text[8192], message[400] = "";
    size_t len = 0;
    for (size_t i = 0; i < COUNT; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "witness W%zu %s %s://127.0.0.1:%u%s\n", i, t->witness[i].vkey,
                                scheme, t->witness[i].port, path);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "quorum %s\n", quorum);
    assert_true(len < sizeof(text));
    const char *file = in_dir(t->office.data, "policy");
    write_text(file, text);
    cosign_policy_free(t->policy);
    t->policy = NULL;
    if (!pl_is_ok(cosign_policy_load(file, t->office.vkey, message, &t->policy)))
        fail_msg("%s", message);
}

static void make(struct test *t)
{
    const struct witness_options options = {.policy = &t->policy->policy,
                                            .notary = t->office.notary,
                                            .notary_reader = SIGNED_READERS - 1,
                                            .io = io_system(),
                                            .clock = &t->clock.clock,
                                            .data = t->office.data,
                                            .ca_file = t->ca_file,
                                            .readers = READERS};
    assert_true(pl_is_ok(witness_new(&options, &t->thread)));
}

/* Of W0 alone; W1 is down. */
static void start_one(struct test *t)
{
    stand_in_listen(&t->witness[0]);
    load(t, "http", "", "W0");
    make(t);
    assert_true(pl_is_ok(witness_start(t->thread)));
}

static void wake(struct test *t)
{
    pl_bell_ring(notary_bell(t->office.notary, SIGNED_READERS - 1));
}

static void pass_s(struct test *t, int64_t seconds)
{
    t->clock.ns += seconds * 1000000000;
    wake(t);
}

static void grow(struct test *t)
{
    office_grow(&t->office, 1);
    sign_all(&t->office);
}

static uint64_t served(const struct cosign_report *report)
{
    return report->tree != NULL ? report->tree->checkpoint.size : 0;
}

/* Until reader 0 sees this size, and this of witness `index` (all of it, or what it begins with if
 * it ends in "..."). */
static void sees(struct test *t, uint64_t size, size_t index, const char *trouble)
{
    size_t len = strlen(trouble);
    bool begin = len > 3 && strcmp(trouble + len - 3, "...") == 0;
    for (int turn = 0; turn < PATIENCE_S * 1000; turn++) {
        struct cosign_report *news = pl_slot_take(witness_slot(t->thread, 0));
        if (news != NULL) {
            cosign_report_unref(t->report[0]);
            t->report[0] = news;
        }
        const struct cosign_report *report = t->report[0];
        const char *told = report != NULL ? report->witness[index].trouble : "";
        if (news != NULL && strcasestr(told, "timeout") != NULL)
            pass_s(t, 60); /* the machine was too busy to say hello: it is asked again */
        if (report != NULL && served(report) == size &&
            (begin ? strncmp(told, trouble, len - 3) == 0 : strcmp(told, trouble) == 0))
            return;
        pause_ms();
    }
    const struct cosign_report *report = t->report[0];
    fail_msg("wanted %llu, \"%s\"; is %lld, \"%s\"", (unsigned long long)size, trouble,
             report != NULL ? (long long)served(report) : -1LL,
             report != NULL ? report->witness[index].trouble : "");
}

/* --- cases --- */

static void what_leaves_and_what_comes_of_it(void **state)
{
    struct test *t = *state;
    struct pl_note_key key = office_key(&t->office);
    struct pl_add_checkpoint asks;
    struct pl_checkpoint checkpoint;
    stand_in_listen(&t->witness[0]);
    load(t, "http", "/of/ours//", "W0");
    make(t);
    assert_true(pl_is_ok(witness_start(t->thread)));
    sees(t, 0, 0, "");
    sign_all(&t->office);
    sees(t, 3, 0, "");
    const char *request = asked(&t->witness[0], 1);
    assert_ptr_equal(strstr(request, "POST /of/ours/add-checkpoint HTTP/1.1\r\n"), request);
    assert_non_null(strstr(request, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(request, "\r\nUser-Agent: pledged/"));
    assert_null(strcasestr(request, "\r\nExpect:"));
    assert_true(pl_is_ok(pl_add_checkpoint_parse(body_of(request), &asks)));
    assert_int_equal(asks.old_size, 0);
    assert_true(pl_is_ok(pl_checkpoint_open(asks.checkpoint, &key, 1, &checkpoint, NULL)));
    assert_int_equal(checkpoint.size, 3);
    /* every reader has what was cosigned */
    struct cosign_report *report = pl_slot_take(witness_slot(t->thread, 1));
    assert_non_null(report);
    assert_int_equal(served(report), 3);
    assert_non_null(strstr(report->tree->note, "\xE2\x80\x94 w0.example "));
    assert_int_equal(report->witness[0].time_s, 1700000000);
    cosign_report_unref(report);
    /* from what it has */
    grow(t);
    sees(t, 4, 0, "");
    assert_true(pl_is_ok(pl_add_checkpoint_parse(body_of(asked(&t->witness[0], 2)), &asks)));
    assert_int_equal(asks.old_size, 3);
}

static void what_is_not_right_is_told_and_not_used(void **state)
{
    struct test *t = *state;
    static const struct {
        enum say say;
        const char *trouble;
    } rows[] = {
        {FORGED, "it answered without a cosignature that is right"},
        {OF_ANOTHER_KEY, "it answered without a cosignature that is right"},
        {OF_ANOTHER_NAME, "it answered without a cosignature that is right"},
        {OF_ANOTHER_LOG, "it answered without a cosignature that is right"},
        {NOTHING_IN_IT, "it answered without a cosignature that is right"},
        {CUT_LINE, "it answered without a cosignature that is right"},
        {CUT_ANSWER, "transfer closed with 1 bytes remaining..."},
        {TOO_LARGE, "its answer is too large"},
        {ELSEWHERE, "it answered with HTTP status 307"},
        {HUNG_UP, "Empty reply from server"},
        {NO_HTTP, "Received HTTP/0.9 when not allowed"},
        {UNKNOWN_KEY, "it does not know the key of this ledger (403)"},
    };
    uint64_t size = 3;
    start_one(t);
    sign_all(&t->office);
    sees(t, size, 0, "");
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        tell(&t->witness[0], rows[i].say, TRUE_LINE);
        grow(t);
        sees(t, size, 0, rows[i].trouble);
        wait_for(&t->witness[0], 2 * i + 2, 0);
        /* it is not given up */
        pass_s(t, 1);
        sees(t, ++size, 0, "");
    }
    assert_true(notary_signs(t->office.notary));
}

static void what_is_right_is_found_in_whatever_order(void **state)
{
    struct test *t = *state;
    start_one(t);
    tell(&t->witness[0], AMONG_OTHERS, AS_LARGE_AS_MAY_BE);
    sign_all(&t->office);
    sees(t, 3, 0, "");
    grow(t);
    sees(t, 4, 0, "");
    wait_for(&t->witness[0], 2, 2);
}

static void an_old_size_is_known_by_its_type(void **state)
{
    struct test *t = *state;
    static const struct {
        const char *type;
        bool is_size;
    } rows[] = {
        {"text/x.tlog.size", true},      {"Text/X.Tlog.Size; charset=utf-8", true},
        {"text/x.tlog.size ;q=1", true}, {"text/x.tlog.sizes", false},
        {"text/x.tlog", false},          {"text/plain", false},
    };
    struct pl_add_checkpoint asks;
    unsigned count = 1;
    start_one(t);
    sign_all(&t->office);
    sees(t, 3, 0, "");
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        tell_size(&t->witness[0], rows[i].type, 2, TRUE_LINE);
        grow(t);
        if (!rows[i].is_size) {
            sees(t, 3 + i, 0, "it refused (409) without telling its size");
            pass_s(t, 1);
        }
        sees(t, 4 + i, 0, "");
        count += 2;
        assert_true(
            pl_is_ok(pl_add_checkpoint_parse(body_of(asked(&t->witness[0], count)), &asks)));
        assert_int_equal(asks.old_size, rows[i].is_size ? 2 : 3 + i);
    }
    assert_true(notary_signs(t->office.notary));
}

static void one_that_is_gone_comes_back(void **state)
{
    struct test *t = *state;
    load(t, "http", "", "W0");
    make(t);
    assert_true(pl_is_ok(witness_start(t->thread)));
    sign_all(&t->office);
    sees(t, 0, 0, "Failed to connect to 127.0.0.1 port...");
    stand_in_listen(&t->witness[0]);
    pass_s(t, 1);
    sees(t, 3, 0, "");
    sees(t, 3, 1, "Failed to connect to 127.0.0.1 port...");
}

static void one_that_says_nothing_holds_up_nobody(void **state)
{
    struct test *t = *state;
    hold(&t->witness[0], true);
    stand_in_listen(&t->witness[1]);
    stand_in_listen(&t->witness[0]);
    load(t, "http", "", "W1");
    make(t);
    assert_true(pl_is_ok(witness_start(t->thread)));
    sign_all(&t->office);
    (void)asked(&t->witness[0], 1);
    sees(t, 3, 1, "");
    grow(t);
    sees(t, 4, 1, "");
    assert_int_equal(t->report[0]->witness[0].size, 0);
    /* who ends waits for none of them */
    end(t);
    hold(&t->witness[0], false);
}

static void who_cosigned_more_than_was_signed_ends_the_signing(void **state)
{
    struct test *t = *state;
    char before[8192];
    start_one(t);
    sign_all(&t->office);
    sees(t, 3, 0, "");
    assert_true(notary_signs(t->office.notary));
    tell_size(&t->witness[0], "text/x.tlog.size", 5, A_SIZE);
    grow(t);
    sees(t, 3, 0, "it cosigned more than what was signed here");
    /* it had ended before anybody heard of it */
    (void)snprintf(before, sizeof(before), "%s", read_text(in_dir(t->office.data, "checkpoint")));
    grow(t);
    assert_false(notary_signs(t->office.notary));
    assert_string_equal(read_text(in_dir(t->office.data, "checkpoint")), before);
    /* for good, whatever the witness says now */
    tell(&t->witness[0], TRUE_LINE, TRUE_LINE);
    pass_s(t, 1);
    sees(t, 4, 0, "");
    assert_false(notary_signs(t->office.notary));
}

/* Another reader brought a newer checkpoint to the witness before the thread, which is on its way
 * to the network, heard of it. */
static void an_answer_is_judged_by_what_was_signed_when_it_came(void **state)
{
    struct test *t = *state;
    tell_size(&t->witness[0], "text/x.tlog.size", 4, TRUE_LINE);
    hold(&t->witness[0], true);
    stand_in_listen(&t->witness[0]);
    stand_in_listen(&t->witness[1]);
    load(t, "http", "", "W1");
    make(t);
    assert_true(pl_is_ok(witness_start(t->thread)));
    sign_all(&t->office);
    wait_for(&t->witness[0], 1, 0);
    sees(t, 3, 1, "");
    t->clock.shut = true;
    wake(t);
    for (int turn = 0; turn < PATIENCE_S * 1000 && !t->clock.inside; turn++)
        pause_ms();
    assert_true(t->clock.inside);
    grow(t);
    hold(&t->witness[0], false);
    wait_for(&t->witness[0], 1, 1);
    t->clock.shut = false;
    sees(t, 4, 0, "");
    grow(t);
    assert_true(notary_signs(t->office.notary));
    sees(t, 5, 0, "");
}

static void what_was_cosigned_is_known_before_the_thread_starts(void **state)
{
    struct test *t = *state;
    start_one(t);
    sign_all(&t->office);
    sees(t, 3, 0, "");
    end(t);
    make(t);
    for (size_t i = 0; i < READERS; i++) {
        t->report[i] = pl_slot_take(witness_slot(t->thread, i));
        assert_non_null(t->report[i]);
        assert_int_equal(served(t->report[i]), 3);
        assert_int_equal(t->report[i]->witness[0].size, 3);
    }
    wait_for(&t->witness[0], 1, 1);
}

static void addresses_that_cannot_be_asked(void **state)
{
    struct test *t = *state;
    char path[2100] = "/";
    memset(path + 1, 'a', sizeof(path) - 2);
    path[sizeof(path) - 1] = '\0';
    stand_in_listen(&t->witness[0]);
    static const char *const scheme[] = {"http", "ftp"};
    static const char *const trouble[] = {"its address is wrong",
                                          "Protocol \"ftp\" not supported..."};
    sign_all(&t->office);
    for (size_t i = 0; i < PL_COUNT(scheme); i++) {
        load(t, scheme[i], i == 0 ? path : "", "W0");
        make(t);
        grow(t);
        assert_true(pl_is_ok(witness_start(t->thread)));
        sees(t, 0, 0, trouble[i]);
        end(t);
    }
    wait_for(&t->witness[0], 0, 0);
}

static void secrecy(struct test *t, struct stand_in *in)
{
    const struct pki_wish wish = {.name = "w0.example", .san = "IP:127.0.0.1"};
    EVP_PKEY *key = pki_key();
    X509 *certificate = pki_sign(t->pki.ca, t->pki.ca_key, key, &wish);
    in->tls = SSL_CTX_new(TLS_server_method());
    assert_non_null(in->tls);
    assert_int_equal(SSL_CTX_use_certificate(in->tls, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(in->tls, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void https_by_the_authorities_of_the_configuration(void **state)
{
    struct test *t = *state;
    secrecy(t, &t->witness[0]);
    stand_in_listen(&t->witness[0]);
    load(t, "https", "", "W0");
    make(t); /* by those of the system, who do not know it */
    assert_true(pl_is_ok(witness_start(t->thread)));
    sign_all(&t->office);
    sees(t, 0, 0, "SSL certificate problem...");
    end(t);
    t->ca_file = pki_write_certificate(&t->pki, "ca.pem", t->pki.ca);
    make(t);
    assert_true(pl_is_ok(witness_start(t->thread)));
    grow(t);
    sees(t, 4, 0, "");
}

static void nothing_has_no_end(void **state)
{
    struct test *t = *state;
    witness_stop(NULL);
    witness_free(NULL);
    load(t, "http", "", "W0");
    make(t);
    witness_stop(t->thread); /* which never began */
}

#define CASE(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_leaves_and_what_comes_of_it),
        CASE(what_is_not_right_is_told_and_not_used),
        CASE(what_is_right_is_found_in_whatever_order),
        CASE(an_old_size_is_known_by_its_type),
        CASE(one_that_is_gone_comes_back),
        CASE(one_that_says_nothing_holds_up_nobody),
        CASE(who_cosigned_more_than_was_signed_ends_the_signing),
        CASE(an_answer_is_judged_by_what_was_signed_when_it_came),
        CASE(what_was_cosigned_is_known_before_the_thread_starts),
        CASE(addresses_that_cannot_be_asked),
        CASE(https_by_the_authorities_of_the_configuration),
        CASE(nothing_has_no_end),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* what SSL_write may meet */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
