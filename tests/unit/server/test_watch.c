/* SPDX-License-Identifier: Apache-2.0
 *
 * test_watch: a hub between a real writer (its log, its views) and calls that are played here: how
 * much room each stream has, who is at its end, and what came out of it is the test's. So nothing
 * of server/net takes part; how streams behave on the wire is tested by tests/e2e/test_watch.py.
 */
// clang-format off
#include "writer_fixture.h"

#include <poll.h>

#include "common/check.h"
#include "server/watch.h"
// clang-format on

#define MS_NS 1000000LL
#define S_US  1000000LL
enum { CALLS_MAX = 128, MESSAGES_MAX = 2048, KEPT = 8192 /* entries, see watch.c */ };

/* --- calls, instead of server/net/call --- */

struct call {
    Pledged__V1__WatchRequest request;
    struct net_person person;
    void *context, *user;
    void (*on_writable)(struct call *call, void *user);
    bool gone, draining, outdated;
    int room;        /* messages that it takes before it says: wait */
    int64_t cost_us; /* what a message takes of the clock */
    struct pl_clock_fake *clock;
    Pledged__V1__WatchResponse *message[MESSAGES_MAX]; /* owns */
    size_t count;
    bool ended;
    enum pl_code code;
    char field[64];
    bool retryable;
};

const ProtobufCMessage *call_request(const struct call *call)
{
    return &call->request.base;
}

const struct net_person *call_person(const struct call *call)
{
    return &call->person;
}

bool call_outdated(const struct call *call)
{
    return call->outdated;
}

void call_set_context(struct call *call, void *context)
{
    call->context = context;
}

void *call_context(const struct call *call)
{
    return call->context;
}

void call_on_writable(struct call *call, void (*on_writable)(struct call *, void *))
{
    call->on_writable = on_writable;
}

bool call_gone(const struct call *call)
{
    return call->gone;
}

bool call_draining(const struct call *call)
{
    return call->draining;
}

bool call_send(struct call *call, const ProtobufCMessage *message)
{
    uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(message) + 1);
    size_t len = protobuf_c_message_pack(message, bytes);
    assert_false(call->ended);
    assert_true(call->room > 0); /* it was told to wait */
    assert_true(call->count < MESSAGES_MAX);
    call->message[call->count] = pledged__v1__watch_response__unpack(NULL, len, bytes);
    assert_non_null(call->message[call->count++]);
    free(bytes);
    pl_clock_fake_advance_us(call->clock, call->cost_us);
    return --call->room > 0;
}

void call_fail_reason(struct call *call, enum pl_code code, Pledged__V1__Reason reason,
                      const char *field, const char *text)
{
    assert_false(call->ended);
    assert_int_not_equal(reason, PLEDGED__V1__REASON__REASON_UNSPECIFIED);
    assert_true(text[0] != '\0');
    call->ended = true;
    call->code = code;
    call->retryable = pl_code_retryable(code);
    snprintf(call->field, sizeof(call->field), "%s", field);
}

void call_end(struct call *call)
{
    assert_false(call->ended);
    assert_true(call->gone); /* a watch never ends well by itself */
    call->ended = true;
    call->code = PL_E_OK;
}

/* --- a log whose reads are counted and fail when told --- */

struct counted {
    struct store store; /* first member */
    struct store *inner;
    unsigned reads;
    bool broken;
};
struct counted_reader {
    struct store_reader reader; /* first member */
    struct store_reader *inner;
    struct counted *owner;
};

static struct pl_status counted_read(struct store_reader *reader, uint64_t from, uint64_t to,
                                     store_entry_fn fn, void *arg)
{
    struct counted_reader *mine = (struct counted_reader *)reader;
    mine->owner->reads++;
    if (mine->owner->broken)
        return pl_fail(IO, "read the log");
    return store_reader_read(mine->inner, from, to, fn, arg);
}

static void counted_close(struct store_reader *reader)
{
    store_reader_close(((struct counted_reader *)reader)->inner);
    free(reader);
}

static const struct store_reader_driver counted_reader_driver = {counted_read, counted_close};

static struct pl_status counted_open(struct store *store, struct store_reader **ret)
{
    struct counted_reader *mine = calloc(1, sizeof(*mine));
    mine->reader.driver = &counted_reader_driver;
    mine->owner = (struct counted *)store;
    PL_TRY(store_reader_open(mine->owner->inner, &mine->inner));
    *ret = &mine->reader;
    return pl_ok();
}

static const struct store_driver counted_driver = {.name = "counted", .reader_open = counted_open};

/* --- a hub --- */

struct rig {
    struct bench b;
    struct counted log;
    struct pl_bell *bell;
    struct watch_hub *hub;
    struct view *view;
    struct call *call[CALLS_MAX];
    size_t call_count;
    uint64_t request;
};

static const struct view *newest(void *arg)
{
    struct rig *r = arg;
    struct view *view = pl_slot_take(&r->b.slot[0]);
    if (view != NULL) {
        view_unref(r->view);
        r->view = view;
    }
    return r->view;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    bench_ready(&r->b);
    r->request = 5000;
    r->log = (struct counted){.store = {&counted_driver}, .inner = r->b.store};
    assert_true(pl_is_ok(pl_bell_new(&r->bell)));
    const struct watch_options options = {.store = &r->log.store,
                                          .clock = &r->b.clock.clock,
                                          .bell = r->bell,
                                          .view = newest,
                                          .arg = r};
    r->hub = watch_hub_new(&options);
    *state = r;
    return 0;
}

static void leave(struct call *call)
{
    call->gone = true;
    call->on_writable(call, NULL);
    assert_true(call->ended);
    assert_int_equal(call->code, PL_E_OK);
}

static int teardown(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < r->call_count; i++) {
        struct call *call = r->call[i];
        if (!call->ended)
            leave(call);
        for (size_t k = 0; k < call->count; k++)
            pledged__v1__watch_response__free_unpacked(call->message[k], NULL);
        free(call);
    }
    watch_hub_free(r->hub);
    view_unref(r->view);
    pl_bell_free(r->bell);
    bench_fini(&r->b);
    free(r);
    return 0;
}

static struct call *caller(struct rig *r, Pledged__V1__Role role, uint64_t from_seq)
{
    struct call *call = calloc(1, sizeof(*call));
    assert_true(r->call_count < CALLS_MAX);
    r->call[r->call_count++] = call;
    pledged__v1__watch_request__init(&call->request);
    call->request.from_seq = from_seq;
    call->person = (struct net_person){"anna", role};
    call->room = MESSAGES_MAX;
    call->clock = &r->b.clock;
    return call;
}

#define ROLE(name) PLEDGED__V1__ROLE__ROLE_##name
static struct call *watch(struct rig *r, Pledged__V1__Role role, uint64_t from_seq)
{
    struct call *call = caller(r, role, from_seq);
    watch_begin(r->hub, call);
    return call;
}

static void make_room(struct call *call, int room)
{
    call->room = room;
    call->on_writable(call, NULL);
}

/* One command and what follows from it; nobody is told yet. */
static void write_one(struct rig *r, Pledged__V1__Command *msg)
{
    put(&r->b, r->request++, msg);
    settle(&r->b);
    const struct command *command = answered(&r->b);
    assert_non_null(command);
    assert_accepted_at(command, 0, command->item[0].receipt->seq, NEW);
}

static void write_with(struct rig *r, int count, const char *reason)
{
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "Organisation %d", i);
        Pledged__V1__Command *msg = msg_contributor(&r->b, name);
        msg->reason = (char *)(uintptr_t)reason;
        put(&r->b, r->request++, msg);
    }
    settle(&r->b);
    for (int i = 0; i < count; i++)
        assert_non_null(answered(&r->b));
}

static void write_contributors(struct rig *r, int count)
{
    write_with(r, count, "a reason");
}

/* One more contributor, C000003, and with it the first view that the hub finds. */
static void with_view(struct rig *r)
{
    write_contributors(r, 1);
}

static bool rang(const struct rig *r)
{
    struct pollfd fd = {.fd = pl_bell_fd(r->bell), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* As the worker does it: as often as it takes until nobody is left to be told. */
static void look(struct rig *r)
{
    pl_bell_ring(r->bell);
    for (int i = 0; i < 10000; i++) {
        int64_t rest_ns = watch_look(r->hub);
        watch_rest(r->hub);
        if (rest_ns == 0 && !rang(r))
            return;
        pl_clock_fake_advance_us(&r->b.clock, rest_ns / 1000 + 1);
    }
    fail_msg("it does not come to rest");
}

/* All entries that came, checked against the log, byte by byte. Returns the number after the last
 * one; `from`: of the first. */
static uint64_t assert_entries(struct rig *r, const struct call *call, uint64_t from)
{
    for (size_t i = 0; i < call->count; i++) {
        const Pledged__V1__WatchResponse *m = call->message[i];
        if (m->n_entry == 0) {
            assert_int_equal(m->first_seq, 0);
            continue;
        }
        assert_int_equal(m->first_seq, from);
        assert_int_equal(m->seq, from + m->n_entry - 1);
        for (size_t k = 0; k < m->n_entry; k++, from++) {
            pl_arena_reset(&r->b.arena);
            struct pl_slice want = pl_pack(&entry_at(&r->b, from)->base, &r->b.arena);
            assert_int_equal(m->entry[k].len, want.len);
            assert_memory_equal(m->entry[k].data, want.data, want.len);
        }
        assert_int_equal(m->time_us, entry_at(&r->b, m->seq)->time_us);
    }
    return from;
}

static const Pledged__V1__WatchResponse *last(const struct call *call)
{
    assert_true(call->count > 0);
    return call->message[call->count - 1];
}

static const Pledged__V1__TierStatus *slots_of(const Pledged__V1__WatchResponse *message,
                                               const char *code)
{
    for (size_t i = 0; i < message->n_tier; i++) {
        if (strcmp(message->tier[i]->code, code) == 0)
            return message->tier[i];
    }
    return NULL;
}

static uint64_t watchers(const struct rig *r)
{
    struct watch_stats stats;
    watch_get_stats(r->hub, &stats);
    return stats.watchers;
}

/* --- entries --- */

static void test_history_then_what_comes(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *call = watch(r, ROLE(CLERK), 1);
    assert_int_equal(assert_entries(r, call, 1), READY_ENTRIES + 2);
    assert_int_equal(last(call)->n_tier, 4); /* at the end of the ledger: all slots */
    size_t before = call->count;
    write_one(r, msg_hold(&r->b, "duo", "C000001", 3600));
    assert_int_equal(call->count, before); /* nobody has looked */
    look(r);
    assert_int_equal(call->count, before + 1);
    assert_int_equal(assert_entries(r, call, 1), READY_ENTRIES + 3);
    assert_int_equal(last(call)->n_tier, 1);
    assert_int_equal(slots_of(last(call), "duo")->remaining->count, 1);
    look(r);
    assert_int_equal(call->count, before + 1); /* nothing new, nothing said */
}

static void test_more_than_a_message_and_more_than_is_kept(void **state)
{
    struct rig *r = *state;
    static const int counts[] = {600, KEPT + 300};
    for (size_t i = 0; i < PL_COUNT(counts); i++) {
        write_contributors(r, counts[i]);
        uint64_t next = log_entries(&r->b) + 1;
        struct call *whole = watch(r, ROLE(AUDITOR), 1);
        struct call *part = watch(r, ROLE(AUDITOR), 300);
        assert_int_equal(assert_entries(r, whole, 1), next);
        assert_int_equal(assert_entries(r, part, 300), next);
        for (size_t k = 0; k + 1 < whole->count; k++)
            assert_int_equal(whole->message[k]->n_tier, 0); /* not before the end is reached */
        assert_int_equal(last(whole)->n_tier, 4);
    }
}

static void test_only_what_comes_from_now_on(void **state)
{
    struct rig *r = *state;
    with_view(r);
    uint64_t size = log_entries(&r->b);
    struct call *call = watch(r, ROLE(CLERK), 0);
    assert_int_equal(call->count, 1);
    assert_int_equal(last(call)->seq, size);
    assert_int_equal(last(call)->n_entry, 0);
    assert_int_equal(last(call)->n_tier, 4);
    write_contributors(r, 3);
    look(r);
    assert_int_equal(assert_entries(r, call, size + 1), size + 4);
}

static void test_where_it_may_begin(void **state)
{
    struct rig *r = *state;
    with_view(r);
    uint64_t size = log_entries(&r->b);
    struct call *next = watch(r, ROLE(CLERK), size + 1);
    struct call *after = watch(r, ROLE(CLERK), size + 2);
    struct call *far = watch(r, ROLE(PUBLIC), UINT64_MAX);
    assert_false(next->ended);
    assert_true(after->ended && far->ended);
    assert_int_equal(after->code, PL_E_INVALID);
    assert_string_equal(after->field, "from_seq");
    assert_false(after->retryable);
    assert_string_equal(far->field, "from_seq");
    struct call *beats = caller(r, ROLE(CLERK), 0);
    beats->request.heartbeat_s = 301;
    watch_begin(r->hub, beats);
    assert_int_equal(beats->code, PL_E_INVALID);
    assert_string_equal(beats->field, "heartbeat_s");
    assert_int_equal(watchers(r), 1);
}

static void test_decoded_is_the_same(void **state)
{
    struct rig *r = *state;
    write_contributors(r, KEPT); /* the first ones are not kept: both ways are taken */
    struct call *call = caller(r, ROLE(CLERK), 1), *twin = caller(r, ROLE(CLERK), 1);
    call->request.decoded = twin->request.decoded = true;
    watch_begin(r->hub, call);
    watch_begin(r->hub, twin);
    write_contributors(r, 2);
    look(r);
    uint64_t seq = 1;
    for (size_t i = 0; i < call->count; i++) {
        const Pledged__V1__WatchResponse *m = call->message[i];
        assert_int_equal(m->n_entry, 0);
        assert_int_equal(m->n_decoded, twin->message[i]->n_decoded);
        for (size_t k = 0; k < m->n_decoded; k++, seq++) {
            pl_arena_reset(&r->b.arena);
            struct pl_slice want = pl_pack(&entry_at(&r->b, seq)->base, &r->b.arena);
            struct pl_slice one = pl_pack(&m->decoded[k]->base, &r->b.arena);
            struct pl_slice two = pl_pack(&twin->message[i]->decoded[k]->base, &r->b.arena);
            assert_true(pl_slice_eq(want, one) && pl_slice_eq(want, two));
        }
    }
    assert_int_equal(seq, log_entries(&r->b) + 1);
}

static void test_many_watchers_read_the_log_once(void **state)
{
    struct rig *r = *state;
    with_view(r);
    for (size_t i = 0; i < 100; i++)
        (void)watch(r, ROLE(CLERK), 0);
    unsigned before = r->log.reads;
    write_contributors(r, 50);
    look(r);
    assert_int_equal(r->log.reads, before + 1);
    for (size_t i = 0; i < r->call_count; i++)
        assert_int_equal(last(r->call[i])->seq, log_entries(&r->b));
    for (size_t i = 0; i < 27; i++) /* who comes for what is kept costs no read either */
        assert_int_equal(assert_entries(r, watch(r, ROLE(CLERK), 1), 1), log_entries(&r->b) + 1);
    assert_int_equal(r->log.reads, before + 1);
}

/* Long ones: a message ends by its bytes, and so does what is kept. */
static void test_long_entries(void **state)
{
    enum { LONG = 1000, COUNT = 100, TIMES = 60 };
    struct rig *r = *state;
    with_view(r);
    struct call *call = watch(r, ROLE(CLERK), 1);
    char reason[LONG + 1];
    memset(reason, 'x', LONG);
    reason[LONG] = '\0';
    for (int i = 0; i < TIMES; i++) {
        write_with(r, COUNT, reason);
        if (i % 10 == 0)
            look(r);
    }
    look(r);
    assert_int_equal(assert_entries(r, call, 1), log_entries(&r->b) + 1);
    (void)watch(r, ROLE(CLERK), log_entries(&r->b) - 1000); /* looks at what is new, once */
    unsigned before = r->log.reads;
    struct call *new = watch(r, ROLE(CLERK), log_entries(&r->b) - 1000);
    assert_int_equal(r->log.reads, before);
    assert_int_equal(last(new)->seq, log_entries(&r->b));
    struct call *whole = watch(r, ROLE(CLERK), 1);
    assert_int_equal(assert_entries(r, whole, 1), log_entries(&r->b) + 1);
    assert_true(r->log.reads > before); /* the first ones are not kept any more */
    for (size_t i = 0; i < whole->count; i++)
        assert_true(whole->message[i]->n_entry <= LIMIT_WATCH_CHUNK_BYTES / LONG + 1);
}

/* --- who sees what --- */

static void test_each_role_sees_what_it_may(void **state)
{
    static const struct {
        Pledged__V1__Role role;
        bool entries, totals;
    } rows[] = {
        {ROLE(PUBLIC), false, false}, {ROLE(READER), false, true},  {ROLE(ADMIN), false, true},
        {ROLE(CLERK), true, true},    {ROLE(APPROVER), true, true}, {ROLE(AUDITOR), true, true},
    };
    struct rig *r = *state;
    Pledged__V1__Command *msg = msg_new(&r->b);
    msg->command_case = COMMAND(SUBMIT);
    msg->submit = pl_arena_alloc(&r->b.arena, sizeof(*msg->submit));
    pledged__v1__submit__init(msg->submit);
    msg->submit->offer_case = PLEDGED__V1__SUBMIT__OFFER_TIER;
    msg->submit->tier = (char *)"top";
    msg->submit->contributor = (char *)"C000001";
    write_one(r, msg);
    for (size_t i = 0; i < PL_COUNT(rows); i++)
        (void)watch(r, rows[i].role, 1);
    write_one(r, msg_hold(&r->b, "duo", "C000002", 3600));
    look(r);
    for (size_t i = 0; i < PL_COUNT(rows); i++) {
        const struct call *call = r->call[i];
        bool entries = false, totals = false;
        for (size_t k = 0; k < call->count; k++) {
            entries = entries || call->message[k]->n_entry > 0 || call->message[k]->first_seq > 0;
            totals = totals || call->message[k]->n_totals > 0;
        }
        assert_int_equal(entries, rows[i].entries);
        assert_int_equal(totals, rows[i].totals);
        assert_int_equal(call->message[0]->n_tier, 4);
        assert_int_equal(slots_of(call->message[0], "top")->remaining->count, 0);
        assert_int_equal(last(call)->n_tier, 1);
        assert_int_equal(last(call)->n_totals, 0); /* a hold is not money */
        assert_int_equal(last(call)->seq, log_entries(&r->b));
    }
}

static void test_a_role_that_changed_ends_it(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *call = watch(r, ROLE(AUDITOR), 0), *other = watch(r, ROLE(AUDITOR), 0);
    call->outdated = true;
    watch_tick(r->hub);
    assert_true(call->ended);
    assert_int_equal(call->code, PL_E_UNAVAILABLE);
    assert_true(call->retryable);
    assert_false(other->ended);
    assert_int_equal(watchers(r), 1);
}

/* Not even the entries of the second before. */
static void test_who_has_another_role_is_told_nothing_more(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *call = watch(r, ROLE(CLERK), 0);
    size_t told = call->count;
    write_contributors(r, 1);
    call->outdated = true;
    call->on_writable(call, NULL);
    assert_true(call->ended);
    assert_int_equal(call->count, told);
}

/* --- slots and totals --- */

static void test_who_reads_slowly_gets_the_newest_picture(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *slow = caller(r, ROLE(READER), 0);
    slow->room = 1;
    watch_begin(r->hub, slow);
    assert_int_equal(slow->count, 1);
    struct call *quick = watch(r, ROLE(READER), 0);
    write_one(r, msg_hold(&r->b, "duo", "C000001", 3600));
    look(r);
    write_one(r, msg_hold(&r->b, "duo", "C000002", 3600));
    look(r);
    write_one(r, msg_hold(&r->b, "many", "C000003", 3600));
    look(r);
    assert_int_equal(quick->count, 4);
    assert_int_equal(slow->count, 1);
    make_room(slow, 10);
    assert_int_equal(slow->count, 2);
    assert_int_equal(last(slow)->n_tier, 2);
    assert_int_equal(slots_of(last(slow), "duo")->remaining->count, 0);
    assert_int_equal(slots_of(last(slow), "many")->held, 1);
    assert_int_equal(last(slow)->seq, log_entries(&r->b));
}

static void test_entries_wait_for_room_and_none_is_lost(void **state)
{
    struct rig *r = *state;
    write_contributors(r, KEPT + 1000);
    struct call *call = caller(r, ROLE(CLERK), 1);
    call->room = 1;
    watch_begin(r->hub, call);
    assert_int_equal(call->count, 1);
    for (int i = 0; i < 1000 && last(call)->seq < log_entries(&r->b); i++) {
        write_contributors(r, 40); /* what is kept moves on meanwhile */
        look(r);
        make_room(call, 1);
    }
    assert_int_equal(assert_entries(r, call, 1), log_entries(&r->b) + 1);
}

static void test_a_hold_that_ends_frees_its_slot(void **state)
{
    struct rig *r = *state;
    write_one(r, msg_hold(&r->b, "top", "C000001", 60));
    struct call *call = watch(r, ROLE(PUBLIC), 0);
    assert_int_equal(slots_of(last(call), "top")->remaining->count, 0);
    watch_tick(r->hub);
    assert_int_equal(call->count, 1);
    pl_clock_fake_advance_us(&r->b.clock, 61 * S_US); /* no entry says so yet */
    call->request.heartbeat_s = 300;
    watch_tick(r->hub);
    assert_int_equal(call->count, 2);
    assert_int_equal(slots_of(last(call), "top")->remaining->count, 1);
    assert_int_equal(last(call)->n_tier, 1);
}

/* --- time --- */

static void test_a_quiet_stream_beats(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *usual = watch(r, ROLE(PUBLIC), 0), *quick = caller(r, ROLE(CLERK), 0);
    quick->request.heartbeat_s = 2;
    watch_begin(r->hub, quick);
    for (int second = 1; second <= 15; second++) {
        pl_clock_fake_advance_us(&r->b.clock, S_US);
        watch_tick(r->hub);
        assert_int_equal(quick->count, 1 + second / 2);
        assert_int_equal(usual->count, second < 15 ? 1 : 2);
    }
    for (size_t i = 0; i < 2; i++) {
        const Pledged__V1__WatchResponse *beat = last(i == 0 ? usual : quick);
        assert_true(beat->heartbeat);
        assert_int_equal(beat->seq, log_entries(&r->b));
        assert_int_equal(beat->n_tier + beat->n_totals + beat->n_entry, 0);
    }
    assert_int_equal(last(usual)->time_us, r->b.clock.wall_us_now);
    assert_false(usual->message[0]->heartbeat);
    /* any message is a sign of life */
    write_one(r, msg_hold(&r->b, "duo", "C000001", 3600));
    pl_clock_fake_advance_us(&r->b.clock, S_US);
    look(r);
    size_t before = quick->count;
    pl_clock_fake_advance_us(&r->b.clock, S_US);
    watch_tick(r->hub);
    assert_int_equal(quick->count, before);
}

static void test_who_does_not_read_is_dropped(void **state)
{
    struct rig *r = *state;
    struct watch_stats stats;
    with_view(r);
    struct call *stuck = caller(r, ROLE(CLERK), 0);
    stuck->room = 1;
    watch_begin(r->hub, stuck);
    struct call *other = watch(r, ROLE(CLERK), 0);
    pl_clock_fake_advance_us(&r->b.clock, LIMIT_WATCH_STALL_MS * 1000LL);
    watch_tick(r->hub);
    assert_false(stuck->ended);
    make_room(stuck, 1); /* it moved in the last moment, and nothing was waiting for it */
    write_contributors(r, 1);
    look(r);
    assert_int_equal(stuck->count, 2);
    pl_clock_fake_advance_us(&r->b.clock, LIMIT_WATCH_STALL_MS * 1000LL);
    watch_tick(r->hub);
    assert_false(stuck->ended);
    pl_clock_fake_advance_us(&r->b.clock, S_US);
    watch_tick(r->hub);
    assert_true(stuck->ended);
    assert_int_equal(stuck->code, PL_E_BUSY);
    assert_true(stuck->retryable);
    assert_false(other->ended);
    watch_get_stats(r->hub, &stats);
    assert_int_equal(stats.watchers, 1);
    assert_int_equal(stats.dropped, 1);
}

static void test_the_bell_is_heard_while_somebody_watches(void **state)
{
    struct rig *r = *state;
    with_view(r);
    pl_bell_ring(r->bell);
    assert_false(rang(r));
    struct call *call = watch(r, ROLE(PUBLIC), 0);
    assert_true(rang(r)); /* the others are told what was seen by the way */
    look(r);
    assert_false(rang(r));
    pl_bell_ring(r->bell);
    assert_true(rang(r));
    look(r);
    assert_false(rang(r));
    pl_bell_ring(r->bell);
    assert_true(rang(r)); /* heard again */
    leave(call);
    pl_bell_ring(r->bell);
    assert_false(rang(r));
    assert_int_equal(watchers(r), 0);
    assert_int_equal(watch_look(r->hub), 0);
}

static void test_telling_leaves_most_of_the_time_to_others(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *call = caller(r, ROLE(READER), 0);
    call->cost_us = 10000;
    watch_begin(r->hub, call);
    write_one(r, msg_hold(&r->b, "duo", "C000001", 3600));
    assert_int_equal(watch_look(r->hub), 0);
    assert_int_equal(call->count, 2);
    watch_rest(r->hub);
    pl_clock_fake_advance_us(&r->b.clock, 5000);
    watch_rest(r->hub); /* nothing was told since: no other rest */
    pl_clock_fake_advance_us(&r->b.clock, -5000);
    /* it rests four times what telling took; what comes meanwhile is told together */
    write_one(r, msg_hold(&r->b, "duo", "C000002", 3600));
    write_one(r, msg_hold(&r->b, "many", "C000003", 3600));
    assert_int_equal(watch_look(r->hub), 40 * MS_NS);
    pl_bell_ring(r->bell);
    assert_false(rang(r)); /* the look to come is enough */
    pl_clock_fake_advance_us(&r->b.clock, 39000);
    assert_int_equal(watch_look(r->hub), MS_NS);
    assert_int_equal(call->count, 2);
    pl_clock_fake_advance_us(&r->b.clock, 1000);
    assert_int_equal(watch_look(r->hub), 0);
    assert_int_equal(call->count, 3);
    assert_int_equal(last(call)->n_tier, 2);
    /* a tick in the middle of a rest does not close the ears of who rests */
    watch_rest(r->hub);
    watch_tick(r->hub);
    pl_bell_ring(r->bell);
    assert_true(rang(r));
}

static void test_many_are_told_in_slices_and_in_turn(void **state)
{
    struct rig *r = *state;
    with_view(r);
    for (size_t i = 0; i < 50; i++) {
        struct call *call = caller(r, ROLE(READER), 0);
        watch_begin(r->hub, call);
        call->cost_us = 100;
    }
    look(r);
    write_one(r, msg_hold(&r->b, "duo", "C000001", 3600));
    size_t told[5] = {0};
    for (int slice = 0; slice < 5; slice++) {
        pl_clock_fake_advance_us(&r->b.clock, S_US);
        if (slice > 0)
            assert_int_equal(rang(r), slice < 4); /* as long as somebody is left */
        assert_int_equal(watch_look(r->hub), 0);
        watch_rest(r->hub);
        for (size_t i = 0; i < 50; i++)
            told[slice] += r->call[i]->count == 2;
    }
    assert_int_equal(told[0], 16);
    assert_int_equal(told[1], 32);
    assert_int_equal(told[2], 48);
    assert_int_equal(told[3], 50);
    assert_int_equal(told[4], 50); /* none twice */
}

static void test_many_who_read_again_wait_for_their_turn(void **state)
{
    struct rig *r = *state;
    write_contributors(r, 1000);
    struct call *call = caller(r, ROLE(CLERK), 1);
    call->room = 1;
    watch_begin(r->hub, call);
    for (size_t i = 1; i <= 8; i++) {
        size_t before = call->count;
        (void)watch(r, ROLE(READER), 0);
        if (i < 7)
            continue;
        look(r);
        pl_clock_fake_advance_us(&r->b.clock, S_US);
        assert_int_equal(watch_look(r->hub), 0);
        pl_clock_fake_advance_us(&r->b.clock, 1000);
        watch_rest(r->hub);
        assert_false(rang(r));
        make_room(call, 1);
        assert_int_equal(call->count, before + (i < 8)); /* eight may go on at once, nine may not */
    }
    assert_true(rang(r));
    assert_int_equal(watch_look(r->hub), 4 * MS_NS);
    pl_clock_fake_advance_us(&r->b.clock, 4000);
    size_t before = call->count;
    assert_int_equal(watch_look(r->hub), 0);
    assert_int_equal(call->count, before + 1);
    assert_int_equal(assert_entries(r, call, 1), last(call)->seq + 1);
    watch_rest(r->hub); /* telling took no time at all, but each that is told counts for some */
    assert_int_equal(watch_look(r->hub), 9 * 20000);
}

/* --- ends --- */

static void test_draining_sends_them_away(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *call = watch(r, ROLE(CLERK), 1);
    call->draining = true;
    call->on_writable(call, NULL);
    assert_true(call->ended);
    assert_int_equal(call->code, PL_E_UNAVAILABLE);
    assert_true(call->retryable);
    struct call *late = caller(r, ROLE(CLERK), 1);
    late->draining = true;
    watch_begin(r->hub, late);
    assert_true(late->ended);
    assert_int_equal(late->code, PL_E_UNAVAILABLE);
    assert_int_equal(late->count, 0);
    assert_int_equal(watchers(r), 0);
}

static void test_before_there_is_a_view(void **state)
{
    struct rig *r = *state;
    struct call *call = watch(r, ROLE(CLERK), 0);
    assert_true(call->ended);
    assert_int_equal(call->code, PL_E_UNAVAILABLE);
    watch_tick(r->hub);
    assert_int_equal(watchers(r), 0);
}

static void test_a_log_that_cannot_be_read(void **state)
{
    struct rig *r = *state;
    with_view(r);
    struct call *clerk = watch(r, ROLE(CLERK), 1), *reader = watch(r, ROLE(READER), 0);
    r->log.broken = true;
    write_one(r, msg_hold(&r->b, "duo", "C000001", 3600));
    look(r);
    assert_true(clerk->ended);
    assert_int_equal(clerk->code, PL_E_UNAVAILABLE);
    assert_false(reader->ended); /* sees no entries, and so goes on */
    assert_int_equal(slots_of(last(reader), "duo")->remaining->count, 1);
    assert_true(watch(r, ROLE(CLERK), 1)->ended);
    r->log.broken = false;
    clerk = watch(r, ROLE(CLERK), 1);
    write_contributors(r, 2);
    look(r);
    assert_int_equal(assert_entries(r, clerk, 1), log_entries(&r->b) + 1);
}

int main(void)
{
#define CASE(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_history_then_what_comes),
        CASE(test_more_than_a_message_and_more_than_is_kept),
        CASE(test_only_what_comes_from_now_on),
        CASE(test_where_it_may_begin),
        CASE(test_decoded_is_the_same),
        CASE(test_many_watchers_read_the_log_once),
        CASE(test_long_entries),
        CASE(test_each_role_sees_what_it_may),
        CASE(test_a_role_that_changed_ends_it),
        CASE(test_who_has_another_role_is_told_nothing_more),
        CASE(test_who_reads_slowly_gets_the_newest_picture),
        CASE(test_entries_wait_for_room_and_none_is_lost),
        CASE(test_a_hold_that_ends_frees_its_slot),
        CASE(test_a_quiet_stream_beats),
        CASE(test_who_does_not_read_is_dropped),
        CASE(test_the_bell_is_heard_while_somebody_watches),
        CASE(test_telling_leaves_most_of_the_time_to_others),
        CASE(test_many_are_told_in_slices_and_in_turn),
        CASE(test_many_who_read_again_wait_for_their_turn),
        CASE(test_draining_sends_them_away),
        CASE(test_before_there_is_a_view),
        CASE(test_a_log_that_cannot_be_read),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
