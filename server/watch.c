/* SPDX-License-Identifier: Apache-2.0
 *
 * watch: see watch.h.
 *
 * I1: `recent` holds the entries first_seq .. next_seq - 1, each as it stands in the log.
 * I2: a picture is what the newest view says; each of its items carries the number of the change
 *     that made it so. A watcher knows the number of the last change that it was told.
 */
#include "server/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/check.h"
#include "common/log.h"
#include "common/scan.h"
#include "pledged/v1/entry.pb-c.h"
#include "server/limits.h"

enum {
    RECENT_MAX = 8192, /* entries; a power of two */
    CHUNK_MAX = LIMIT_WATCH_CHUNK_ENTRIES,
    PICTURE_ARENA_BYTES = 1 << 20,
    DECODE_ARENA_BYTES = 16 << 20,
    SLICE_NS = 1000000, /* of telling, then others have their turn */
    SLICE_LOOK = 16,    /* watchers between two looks at the clock */
    REST_SHARES = 4,
    REST_EACH_NS = 20000, /* at least, for each watcher that was told */
    UNPACED_MAX = 8,      /* so few go on as fast as they read */
};
#define MS_NS 1000000LL

struct recent {
    uint8_t *bytes; /* owns */
    size_t len;
    int64_t time_us;
    Pledged__V1__Entry *decoded; /* owns; NULL: nobody asked yet */
};

struct item {
    struct pl_slice packed; /* in the picture's arena */
    uint64_t changed;
};

/* Slots and totals as of one view and moment. */
struct picture {
    struct view *view; /* owns a reference: the messages borrow from it */
    struct pl_arena arena;
    Pledged__V1__ListTiersResponse *tiers; /* NULL: no catalogue */
    Pledged__V1__GetTotalsResponse *totals;
    struct item *tier, *total;
};

struct watcher {
    TAILQ_ENTRY(watcher) link;
    struct watch_hub *hub;
    struct call *call;
    bool entries, totals, decoded;
    bool begun;        /* the first message is out */
    uint64_t next_seq; /* of entries */
    uint64_t changed;  /* newest change of the picture that was told */
    int64_t heartbeat_ns, sent_ns;
    int64_t stuck_ns; /* since when the stream has no room; 0: it has */
};
TAILQ_HEAD(watcher_list, watcher);

struct watch_hub {
    struct watch_options options;
    struct watcher_list watchers; /* who was told last is at the end */
    uint64_t count, entry_count, dropped;
    int64_t rest_until_ns, told_since_ns;  /* 0: nothing is to be rested from */
    uint64_t told;                         /* since then */
    struct store_reader *reader, *history; /* NULL: not open */
    struct recent recent[RECENT_MAX];
    size_t recent_bytes;
    uint64_t first_seq, next_seq;
    struct picture pictures[2], *picture;
    uint64_t change;
    /* scratch of one message */
    struct pl_arena arena;
    uint8_t *chunk; /* owns */
    size_t chunk_used, chunk_count;
    ProtobufCBinaryData entry[CHUNK_MAX];
    Pledged__V1__Entry *decoded[CHUNK_MAX];
};

static int64_t mono_ns(const struct watch_hub *hub)
{
    return hub->options.clock->mono_ns(hub->options.clock);
}

/* --- the newest entries --- */

static struct recent *recent_at(struct watch_hub *hub, uint64_t seq)
{
    return &hub->recent[seq & (RECENT_MAX - 1)];
}

static void recent_drop_first(struct watch_hub *hub)
{
    struct recent *recent = recent_at(hub, hub->first_seq++);
    hub->recent_bytes -= recent->len;
    free(recent->bytes);
    if (recent->decoded != NULL)
        pledged__v1__entry__free_unpacked(recent->decoded, NULL);
    *recent = (struct recent){.bytes = NULL};
}

static void recent_clear(struct watch_hub *hub, uint64_t next_seq)
{
    while (hub->first_seq < hub->next_seq)
        recent_drop_first(hub);
    hub->first_seq = hub->next_seq = next_seq;
}

/* Entry.time_us of an entry as the writer packs it: field 1, then field 2, both varints. */
static int64_t time_of(struct pl_slice entry)
{
    uint64_t value = 0;
    size_t at = 0;
    for (uint8_t tag = 0x08; tag <= 0x10; tag += 0x08) {
        if (at >= entry.len || entry.data[at++] != tag)
            return 0;
        value = 0;
        for (unsigned shift = 0; shift < 64 && at < entry.len; shift += 7) {
            value |= (uint64_t)(entry.data[at] & 0x7f) << shift;
            if ((entry.data[at++] & 0x80) == 0)
                break;
        }
    }
    return (int64_t)value;
}

static struct pl_status recent_add(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct watch_hub *hub = arg;
    PL_ASSERT(seq == hub->next_seq && entry.len > 0);
    while (hub->next_seq - hub->first_seq >= RECENT_MAX ||
           (hub->recent_bytes + entry.len > LIMIT_WATCH_RECENT_BYTES &&
            hub->first_seq < hub->next_seq))
        recent_drop_first(hub);
    struct recent *recent = recent_at(hub, seq);
    recent->bytes = malloc(entry.len);
    PL_ASSERT(recent->bytes != NULL);
    memcpy(recent->bytes, entry.data, entry.len);
    recent->len = entry.len;
    recent->time_us = time_of(entry);
    hub->recent_bytes += entry.len;
    hub->next_seq++;
    return pl_ok();
}

static struct pl_status open_reader(struct watch_hub *hub, struct store_reader **reader)
{
    return *reader != NULL ? pl_ok() : store_reader_open(hub->options.store, reader);
}

/* What was committed since; when it is more than is kept, only the newest. */
static struct pl_status recent_follow(struct watch_hub *hub, uint64_t size)
{
    if (size < hub->next_seq)
        return pl_ok();
    if (size - hub->next_seq >= RECENT_MAX)
        recent_clear(hub, size - RECENT_MAX + 1);
    PL_TRY(open_reader(hub, &hub->reader));
    return store_reader_read(hub->reader, hub->next_seq, size, recent_add, hub);
}

/* --- the picture --- */

static struct pl_slice pack_item(const ProtobufCMessage *message, struct pl_arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = pl_arena_alloc(arena, len + 1);
    PL_ASSERT(bytes != NULL); /* a catalogue is far smaller than the arena */
    return pl_slice(bytes, protobuf_c_message_pack(message, bytes));
}

/* Items keep their number while they stay the same; when their order changes, all are new. */
static struct item *number_items(struct watch_hub *hub, ProtobufCMessage **messages, size_t count,
                                 const struct item *old, size_t old_count, struct pl_arena *arena)
{
    struct item *items = pl_arena_alloc(arena, (count + 1) * sizeof(*items));
    PL_ASSERT(items != NULL && (messages != NULL || count == 0));
    for (size_t i = 0; i < count; i++) {
        items[i].packed = pack_item(messages[i], arena);
        bool same = count == old_count && pl_slice_eq(items[i].packed, old[i].packed);
        items[i].changed = same ? old[i].changed : hub->change + 1;
    }
    return items;
}

static bool any_newer(const struct item *items, size_t count, uint64_t changed)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].changed > changed)
            return true;
    }
    return false;
}

static size_t tier_count(const struct picture *picture)
{
    return picture->tiers == NULL ? 0 : picture->tiers->n_tier;
}

static size_t total_count(const struct picture *picture)
{
    return picture->totals == NULL ? 0 : picture->totals->n_line;
}

static void picture_wipe(struct picture *picture)
{
    view_unref(picture->view);
    picture->view = NULL;
    picture->tiers = NULL;
    picture->totals = NULL;
    pl_arena_reset(&picture->arena);
}

static void picture_take(struct watch_hub *hub, const struct view *view)
{
    struct picture *old = hub->picture;
    struct picture *next = old == &hub->pictures[0] ? &hub->pictures[1] : &hub->pictures[0];
    const Pledged__V1__ListTiersRequest all = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    const Pledged__V1__GetTotalsRequest sums = PLEDGED__V1__GET_TOTALS_REQUEST__INIT;
    int64_t now_us = hub->options.clock->wall_us(hub->options.clock);
    Pledged__V1__Refusal *refusal = NULL;
    ProtobufCMessage *message = NULL;
    next->view = view_ref((struct view *)(uintptr_t)view);
    if (view_list_tiers(next->view, now_us, &all, &next->arena, &message, &refusal) == PL_E_OK)
        next->tiers = (Pledged__V1__ListTiersResponse *)message;
    if (view_get_totals(next->view, now_us, &sums, &next->arena, &message, &refusal) == PL_E_OK)
        next->totals = (Pledged__V1__GetTotalsResponse *)message;
    next->tier =
        number_items(hub, next->tiers == NULL ? NULL : (ProtobufCMessage **)next->tiers->tier,
                     tier_count(next), old->tier, tier_count(old), &next->arena);
    next->total =
        number_items(hub, next->totals == NULL ? NULL : (ProtobufCMessage **)next->totals->line,
                     total_count(next), old->total, total_count(old), &next->arena);
    if (any_newer(next->tier, tier_count(next), hub->change) ||
        any_newer(next->total, total_count(next), hub->change))
        hub->change++;
    hub->picture = next;
    picture_wipe(old);
}

static uint64_t size_of(const struct watch_hub *hub)
{
    return hub->picture->view == NULL ? 0 : view_get_log(hub->picture->view)->size;
}

/* --- one message --- */

/* Items that changed since `changed`, in the arena of the message. */
static void *newer_items(struct watch_hub *hub, void *const *messages, const struct item *items,
                         size_t count, uint64_t changed, size_t *ret_count)
{
    *ret_count = 0;
    void **list = pl_arena_alloc(&hub->arena, (count + 1) * sizeof(*list));
    PL_ASSERT(list != NULL);
    for (size_t i = 0; i < count; i++) {
        if (items[i].changed > changed)
            list[(*ret_count)++] = messages[i];
    }
    return list;
}

static void add_picture(struct watcher *watcher, Pledged__V1__WatchResponse *response)
{
    struct watch_hub *hub = watcher->hub;
    const struct picture *picture = hub->picture;
    if (picture->tiers != NULL)
        response->tier = newer_items(hub, (void *const *)picture->tiers->tier, picture->tier,
                                     tier_count(picture), watcher->changed, &response->n_tier);
    if (watcher->totals && picture->totals != NULL)
        response->totals = newer_items(hub, (void *const *)picture->totals->line, picture->total,
                                       total_count(picture), watcher->changed, &response->n_totals);
    watcher->changed = hub->change;
}

static bool chunk_full(const struct watch_hub *hub)
{
    return hub->chunk_count == CHUNK_MAX || hub->chunk_used > LIMIT_WATCH_CHUNK_BYTES;
}

static struct pl_status chunk_add(void *arg, uint64_t seq, struct pl_slice entry)
{
    struct watch_hub *hub = arg;
    (void)seq;
    if (chunk_full(hub))
        return pl_fail(BUSY, "the chunk is full"); /* ends this read, the next goes on from here */
    memcpy(hub->chunk + hub->chunk_used, entry.data, entry.len);
    hub->entry[hub->chunk_count++] = (ProtobufCBinaryData){entry.len, hub->chunk + hub->chunk_used};
    hub->chunk_used += entry.len;
    return pl_ok();
}

static struct pl_status fill_from_log(struct watch_hub *hub, uint64_t from, uint64_t size)
{
    uint64_t to = size - from >= CHUNK_MAX ? from + CHUNK_MAX - 1 : size;
    PL_TRY(open_reader(hub, &hub->history));
    struct pl_status status = store_reader_read(hub->history, from, to, chunk_add, hub);
    return hub->chunk_count > 0 ? pl_ok() : status;
}

static void fill_from_recent(struct watch_hub *hub, uint64_t from)
{
    for (uint64_t seq = from; seq < hub->next_seq && !chunk_full(hub); seq++) {
        struct recent *recent = recent_at(hub, seq);
        hub->entry[hub->chunk_count++] = (ProtobufCBinaryData){recent->len, recent->bytes};
        hub->chunk_used += recent->len;
    }
}

static bool in_recent(const struct watch_hub *hub, uint64_t seq)
{
    return seq >= hub->first_seq && seq < hub->next_seq;
}

static struct pl_status decode_chunk(struct watch_hub *hub, uint64_t from)
{
    for (size_t i = 0; i < hub->chunk_count; i++) {
        struct recent *recent = in_recent(hub, from + i) ? recent_at(hub, from + i) : NULL;
        if (recent != NULL && recent->decoded == NULL)
            recent->decoded = pledged__v1__entry__unpack(NULL, recent->len, recent->bytes);
        if (recent != NULL) {
            if (recent->decoded == NULL)
                return pl_fail(CORRUPT, "read an entry of the log");
            hub->decoded[i] = recent->decoded;
            continue;
        }
        ProtobufCMessage *message = NULL;
        PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                 pl_slice(hub->entry[i].data, hub->entry[i].len), &hub->arena,
                                 &message));
        hub->decoded[i] = (Pledged__V1__Entry *)message;
    }
    return pl_ok();
}

/* The entries that come next for this watcher, as many as fit one message. */
static struct pl_status add_entries(struct watcher *watcher, Pledged__V1__WatchResponse *response)
{
    struct watch_hub *hub = watcher->hub;
    uint64_t from = watcher->next_seq;
    hub->chunk_count = hub->chunk_used = 0;
    if (in_recent(hub, from))
        fill_from_recent(hub, from);
    else
        PL_TRY(fill_from_log(hub, from, size_of(hub)));
    response->first_seq = from;
    response->seq = from + hub->chunk_count - 1;
    const ProtobufCBinaryData *last = &hub->entry[hub->chunk_count - 1];
    response->time_us = in_recent(hub, response->seq) ? recent_at(hub, response->seq)->time_us
                                                      : time_of(pl_slice(last->data, last->len));
    if (watcher->decoded) {
        PL_TRY(decode_chunk(hub, from));
        response->n_decoded = hub->chunk_count;
        response->decoded = hub->decoded;
    } else {
        response->n_entry = hub->chunk_count;
        response->entry = hub->entry;
    }
    watcher->next_seq = response->seq + 1;
    return pl_ok();
}

static int64_t time_of_view(const struct watch_hub *hub)
{
    const struct picture *picture = hub->picture;
    return picture->totals != NULL ? picture->totals->as_of_time_us : 0;
}

static bool behind(const struct watcher *watcher)
{
    return watcher->entries && watcher->next_seq <= size_of(watcher->hub);
}

static bool picture_is_new(const struct watcher *watcher)
{
    const struct picture *picture = watcher->hub->picture;
    if (!watcher->begun)
        return true;
    return any_newer(picture->tier, tier_count(picture), watcher->changed) ||
           (watcher->totals && any_newer(picture->total, total_count(picture), watcher->changed));
}

/* --- watchers --- */

static void forget(struct watcher *watcher)
{
    struct watch_hub *hub = watcher->hub;
    TAILQ_REMOVE(&hub->watchers, watcher, link);
    hub->count--;
    hub->entry_count -= watcher->entries;
    if (hub->entry_count == 0)
        recent_clear(hub, hub->next_seq);
    if (hub->count == 0 && hub->options.bell != NULL)
        pl_bell_disarm(hub->options.bell);
    free(watcher);
}

static void end(struct watcher *watcher, enum pl_code code, Pledged__V1__Reason reason,
                const char *text)
{
    struct call *call = watcher->call;
    forget(watcher);
    call_fail_reason(call, code, reason, "", text);
}

static void send(struct watcher *watcher, Pledged__V1__WatchResponse *response)
{
    int64_t now = mono_ns(watcher->hub);
    watcher->begun = true;
    watcher->sent_ns = now;
    if (!call_send(watcher->call, &response->base))
        watcher->stuck_ns = now;
}

/* What a watcher sees is that of the role it began with. False: it was ended. */
static bool still_may(struct watcher *watcher)
{
    if (!call_outdated(watcher->call))
        return true;
    end(watcher, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
        "the role of this person changed; ask again");
    return false;
}

/* Tells all that there is to tell, or as much as the stream has room for. False: it was ended. */
static bool tell(struct watcher *watcher)
{
    struct watch_hub *hub = watcher->hub;
    if (!still_may(watcher))
        return false;
    while (watcher->stuck_ns == 0 && (behind(watcher) || picture_is_new(watcher))) {
        Pledged__V1__WatchResponse response = PLEDGED__V1__WATCH_RESPONSE__INIT;
        pl_arena_reset(&hub->arena);
        response.seq = size_of(hub);
        response.time_us = time_of_view(hub);
        if (behind(watcher)) {
            struct pl_status status = add_entries(watcher, &response);
            if (!pl_is_ok(status)) {
                pl_log_status(PL_LOG_ERROR, "watch", "a watcher cannot be served", status);
                end(watcher, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
                    "the log cannot be read here");
                return false;
            }
        }
        if (!behind(watcher)) /* slots and totals are those of the newest entry */
            add_picture(watcher, &response);
        send(watcher, &response);
    }
    return true;
}

static void ring(const struct watch_hub *hub)
{
    if (hub->options.bell != NULL)
        pl_bell_ring(hub->options.bell);
}

static void on_writable(struct call *call, void *user)
{
    struct watcher *watcher = call_context(call);
    struct watch_hub *hub = watcher->hub;
    (void)user;
    if (call_gone(call)) {
        forget(watcher);
        call_end(call);
        return;
    }
    if (call_draining(call)) {
        end(watcher, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE,
            "the server is about to stop; resume elsewhere or later");
        return;
    }
    watcher->stuck_ns = 0;
    if (hub->count <= UNPACED_MAX || mono_ns(hub) >= hub->rest_until_ns)
        (void)tell(watcher);
    else
        ring(hub); /* in its turn, after the rest */
}

/* The newest view becomes the picture; false: there is none yet. */
static bool look(struct watch_hub *hub)
{
    if (hub->options.bell != NULL && hub->count > 0)
        pl_bell_arm(hub->options.bell); /* first this, then the look */
    const struct view *view = hub->options.view(hub->options.arg);
    if (view == NULL)
        return false;
    picture_take(hub, view);
    if (hub->entry_count > 0) {
        struct pl_status status = recent_follow(hub, size_of(hub));
        if (!pl_is_ok(status)) { /* each watcher tries for itself, and is told */
            pl_log_status(PL_LOG_ERROR, "watch", "the newest entries cannot be read", status);
            recent_clear(hub, size_of(hub) + 1);
        }
    }
    return true;
}

static bool sees_entries(Pledged__V1__Role role)
{
    return role == PLEDGED__V1__ROLE__ROLE_CLERK || role == PLEDGED__V1__ROLE__ROLE_APPROVER ||
           role == PLEDGED__V1__ROLE__ROLE_AUDITOR;
}

static struct watcher *watcher_new(struct watch_hub *hub, struct call *call)
{
    const Pledged__V1__WatchRequest *request = (const void *)call_request(call);
    struct watcher *watcher = calloc(1, sizeof(*watcher));
    PL_ASSERT(watcher != NULL);
    uint32_t heartbeat_s =
        request->heartbeat_s == 0 ? LIMIT_WATCH_HEARTBEAT_S : request->heartbeat_s;
    watcher->hub = hub;
    watcher->call = call;
    Pledged__V1__Role role = call_person(call)->role;
    watcher->entries = sees_entries(role);
    watcher->totals = role != PLEDGED__V1__ROLE__ROLE_PUBLIC;
    watcher->decoded = request->decoded;
    watcher->heartbeat_ns = (int64_t)heartbeat_s * 1000 * MS_NS;
    watcher->next_seq = request->from_seq;
    TAILQ_INSERT_TAIL(&hub->watchers, watcher, link);
    hub->count++;
    hub->entry_count += watcher->entries;
    return watcher;
}

/* Each in turn, until the slice is over: who is left is the first one next time. */
static void tell_some(struct watch_hub *hub)
{
    int64_t until_ns = mono_ns(hub) + SLICE_NS;
    for (uint64_t left = hub->count; left > 0; left--) {
        struct watcher *watcher = TAILQ_FIRST(&hub->watchers);
        TAILQ_REMOVE(&hub->watchers, watcher, link);
        TAILQ_INSERT_TAIL(&hub->watchers, watcher, link);
        hub->told++;
        (void)tell(watcher); /* may end it */
        if (hub->told % SLICE_LOOK == 0 && left > 1 && mono_ns(hub) >= until_ns) {
            ring(hub);
            return;
        }
    }
}

void watch_begin(struct watch_hub *hub, struct call *call)
{
    const Pledged__V1__WatchRequest *request = (const void *)call_request(call);
    if (request->heartbeat_s > LIMIT_WATCH_HEARTBEAT_MAX_S) {
        call_fail_reason(call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                         "heartbeat_s", WORDS("a heartbeat comes every 1 to 300 seconds"));
        return;
    }
    struct watcher *watcher = watcher_new(hub, call);
    bool ready = look(hub) && !call_draining(call);
    uint64_t next = size_of(hub) + 1;
    if (!ready || request->from_seq > next) {
        forget(watcher);
        if (!ready)
            call_fail_reason(call, PL_E_UNAVAILABLE, PLEDGED__V1__REASON__REASON_UNAVAILABLE, "",
                             "the server is starting or about to stop");
        else
            call_fail_reason(call, PL_E_INVALID, PLEDGED__V1__REASON__REASON_FIELD_INVALID,
                             "from_seq",
                             WORDS("the first entry comes after the end of the ledger"));
        return;
    }
    if (watcher->next_seq == 0)
        watcher->next_seq = next;
    call_set_context(call, watcher);
    call_on_writable(call, on_writable);
    ring(hub); /* the look was the others' too */
    (void)tell(watcher);
}

int64_t watch_look(struct watch_hub *hub)
{
    int64_t now = mono_ns(hub);
    bool rests = now < hub->rest_until_ns;
    if (hub->count == 0 || rests) {
        if (hub->options.bell != NULL)
            pl_bell_disarm(hub->options.bell); /* until the next look */
        return hub->count == 0 ? 0 : hub->rest_until_ns - now;
    }
    if (look(hub)) {
        hub->told_since_ns = now;
        hub->told = 0;
        tell_some(hub);
    }
    return 0;
}

void watch_rest(struct watch_hub *hub)
{
    int64_t now = mono_ns(hub);
    if (hub->told_since_ns == 0)
        return;
    int64_t spent_ns = (now - hub->told_since_ns) * REST_SHARES;
    int64_t least_ns = (int64_t)hub->told * REST_EACH_NS;
    hub->rest_until_ns = now + (spent_ns > least_ns ? spent_ns : least_ns);
    hub->told_since_ns = 0;
}

static void beat(struct watcher *watcher, int64_t now)
{
    struct watch_hub *hub = watcher->hub;
    if (watcher->stuck_ns != 0 && now - watcher->stuck_ns > LIMIT_WATCH_STALL_MS * MS_NS) {
        hub->dropped++;
        end(watcher, PL_E_BUSY, PLEDGED__V1__REASON__REASON_BUSY,
            "this watcher reads too slowly and was dropped; resume after the last seq");
        return;
    }
    if (!still_may(watcher))
        return;
    if (watcher->stuck_ns != 0 || now - watcher->sent_ns < watcher->heartbeat_ns)
        return;
    Pledged__V1__WatchResponse response = PLEDGED__V1__WATCH_RESPONSE__INIT;
    response.seq = size_of(hub);
    response.time_us = hub->options.clock->wall_us(hub->options.clock);
    response.heartbeat = true;
    send(watcher, &response);
}

void watch_tick(struct watch_hub *hub)
{
    int64_t now = mono_ns(hub);
    if (now >= hub->rest_until_ns) /* else its bell and its look are yet to come */
        (void)watch_look(hub);     /* a hold may have ended without an entry so far */
    struct watcher *watcher = TAILQ_FIRST(&hub->watchers);
    while (watcher != NULL) {
        struct watcher *next = TAILQ_NEXT(watcher, link);
        beat(watcher, now);
        watcher = next;
    }
}

void watch_get_stats(const struct watch_hub *hub, struct watch_stats *ret)
{
    *ret = (struct watch_stats){.watchers = hub->count, .dropped = hub->dropped};
}

struct watch_hub *watch_hub_new(const struct watch_options *options)
{
    struct watch_hub *hub = calloc(1, sizeof(*hub));
    PL_ASSERT(hub != NULL);
    hub->options = *options;
    hub->chunk = malloc(LIMIT_WATCH_CHUNK_BYTES + LEDGER_ENTRY_BYTES_MAX + 1);
    PL_ASSERT(hub->chunk != NULL);
    TAILQ_INIT(&hub->watchers);
    pl_arena_init(&hub->arena, DECODE_ARENA_BYTES);
    pl_arena_init(&hub->pictures[0].arena, PICTURE_ARENA_BYTES);
    pl_arena_init(&hub->pictures[1].arena, PICTURE_ARENA_BYTES);
    hub->picture = &hub->pictures[0];
    hub->first_seq = hub->next_seq = 1;
    return hub;
}

void watch_hub_free(struct watch_hub *hub)
{
    if (hub == NULL)
        return;
    PL_ASSERT(TAILQ_EMPTY(&hub->watchers));
    recent_clear(hub, 1);
    store_reader_close(hub->reader);
    store_reader_close(hub->history);
    picture_wipe(&hub->pictures[0]);
    picture_wipe(&hub->pictures[1]);
    pl_arena_fini(&hub->arena);
    pl_arena_fini(&hub->pictures[0].arena);
    pl_arena_fini(&hub->pictures[1].arena);
    free(hub->chunk);
    free(hub);
}
