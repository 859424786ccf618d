/* SPDX-License-Identifier: Apache-2.0
 *
 * watchers: see watchers.h.
 */
#include "tests/sim/watchers.h"

#include <inttypes.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "pledged/v1/service.pb-c.h"
#include "tests/sim/peer.h"

enum { WATCHERS = 3, PROMISES_MAX = 128, PREFIX_BYTES = 5, ENTRY_MAX = 1 << 16 };

static const unsigned sees_entries = ROLE(CLERK) | ROLE(APPROVER) | ROLE(AUDITOR);
static const unsigned anybody = ~ROLE(UNSPECIFIED);

struct watcher {
    enum operator_person person;
    struct peer *peer;
    bool watches;
    bool decoded;     /* entries come as messages */
    bool began;       /* this stream has told something */
    uint64_t next;    /* entry that it sees next */
    uint64_t seq;     /* as of which it was told last, on this stream */
    uint64_t since;   /* oldest version of the operator's file that may have counted at its start */
    uint64_t life;    /* of the process, at its start */
    uint64_t no_more; /* no entry behind this one may come: the role is gone; UINT64_MAX: it may */
    unsigned asleep;  /* turns that it does not read for */
};
struct promise { /* an entry that was seen when nobody could say whether it is durable */
    uint64_t seq, sum;
};

static struct {
    struct watchers_ground ground;
    struct watcher watcher[WATCHERS];
    struct promise promise[PROMISES_MAX];
    size_t promises;
    struct watchers_report report;
} g;

void watchers_begin(const struct watchers_ground *ground)
{
    static const enum operator_person person[WATCHERS] = {ANNA, DORA, CARLA};
    memset(&g, 0, sizeof(g));
    g.ground = *ground;
    for (int i = 0; i < WATCHERS; i++)
        g.watcher[i] = (struct watcher){.person = person[i], .peer = peer_new(), .next = 1};
}

void watchers_end(void)
{
    for (int i = 0; i < WATCHERS; i++)
        peer_free(g.watcher[i].peer);
}

/* --- entries --- */

static bool see(struct watcher *watcher, uint64_t seq, struct pl_slice bytes, uint64_t durable)
{
    struct model *model = g.ground.model;
    if (seq != watcher->next)
        return model_wrong(model, "a watcher sees entry %" PRIu64 ", it waits for %" PRIu64, seq,
                           watcher->next);
    if (seq > watcher->no_more)
        return model_wrong(model, "%s sees entry %" PRIu64 " with a role that is gone",
                           operator_name[watcher->person], seq);
    watcher->next++;
    g.report.entries++;
    if (seq <= model->entries)
        return model_see(model, seq, bytes);
    if (durable != 0)
        return model_wrong(model, "a watcher sees entry %" PRIu64 ", durable are %" PRIu64, seq,
                           durable);
    if (g.promises < PROMISES_MAX)
        g.promise[g.promises++] = (struct promise){seq, pl_xxh3(bytes, seq)};
    if (seq > model->told_max)
        model->told_max = seq;
    return true;
}

static bool see_decoded(struct watcher *watcher, uint64_t seq, const Pledged__V1__Entry *entry,
                        uint64_t durable)
{
    static uint8_t bytes[ENTRY_MAX];
    size_t len = pledged__v1__entry__get_packed_size(entry);
    PL_ASSERT(len <= sizeof(bytes));
    (void)pledged__v1__entry__pack(entry, bytes);
    return see(watcher, seq, pl_slice(bytes, len), durable);
}

bool watchers_check(void)
{
    struct model *model = g.ground.model;
    for (size_t i = 0; i < g.promises; i++) {
        const struct promise *promise = &g.promise[i];
        if (promise->seq > model->entries)
            return model_wrong(model, "a watcher saw entry %" PRIu64 ", the log ends before",
                               promise->seq);
        const struct model_entry *entry = &model->entry[promise->seq - 1];
        if (pl_xxh3(pl_slice(entry->bytes, entry->len), promise->seq) != promise->sum)
            return model_wrong(model, "a watcher saw another entry %" PRIu64, promise->seq);
    }
    g.promises = 0;
    return true;
}

/* --- messages --- */

/* Holds that are over count as free before an entry says so: no fewer than by the log. */
static bool tiers_fit(const Pledged__V1__WatchResponse *told)
{
    static const char *const code[] = {"top", "duo"};
    static const int places[] = {1, 2};
    struct model *model = g.ground.model;
    for (size_t i = 0; i < told->n_tier; i++) {
        for (size_t k = 0; k < PL_COUNT(places); k++) {
            if (strcmp(told->tier[i]->code, code[k]) != 0 || told->seq > model->entries)
                continue;
            int64_t left = told->tier[i]->remaining->count;
            int64_t by_log = places[k] - model->entry[told->seq - 1].taken[k];
            if (left < by_log || left > places[k])
                return model_wrong(model,
                                   "a watcher sees %" PRId64 " places of %s as of entry %" PRIu64
                                   ", there are %" PRId64,
                                   left, code[k], told->seq, by_log);
        }
    }
    return true;
}

static bool hear_message(struct watcher *watcher, const Pledged__V1__WatchResponse *told)
{
    struct model *model = g.ground.model;
    uint64_t durable = g.ground.durable();
    size_t count = told->n_entry + told->n_decoded;
    g.report.messages++;
    g.report.heartbeats += told->heartbeat ? 1 : 0;
    if (told->seq < watcher->seq || (durable != 0 && told->seq > durable))
        return model_wrong(
            model, "a watcher is told of entry %" PRIu64 " after %" PRIu64 "; durable are %" PRIu64,
            told->seq, watcher->seq, durable);
    watcher->seq = told->seq;
    watcher->began = true;
    if (count != 0 && (told->first_seq != watcher->next || told->seq != watcher->next + count - 1))
        return model_wrong(model,
                           "entries %" PRIu64 " to %" PRIu64
                           " are told to a watcher that waits for "
                           "%" PRIu64,
                           told->first_seq, told->seq, watcher->next);
    if (!operator_might(watcher->since, watcher->person, count != 0 ? sees_entries : anybody))
        return model_wrong(model, "%s may not see that", operator_name[watcher->person]);
    for (size_t i = 0; i < told->n_entry; i++) {
        if (!see(watcher, watcher->next, pl_slice(told->entry[i].data, told->entry[i].len),
                 durable))
            return false;
    }
    for (size_t i = 0; i < told->n_decoded; i++) {
        if (!see_decoded(watcher, watcher->next, told->decoded[i], durable))
            return false;
    }
    return tiers_fit(told);
}

static bool hear_bytes(struct watcher *watcher, struct pl_slice message)
{
    Pledged__V1__WatchResponse *told =
        pledged__v1__watch_response__unpack(NULL, message.len, message.data);
    if (told == NULL)
        return model_wrong(g.ground.model, "a message to a watcher that cannot be read");
    bool fine = hear_message(watcher, told);
    pledged__v1__watch_response__free_unpacked(told, NULL);
    return fine;
}

/* --- streams --- */

static bool hear_end(struct watcher *watcher, enum peer_state state, int status)
{
    /* late: the pieces of the request took longer than a server waits */
    enum { LATE = 4, BUSY = 8, DENIED = 7, UNAVAILABLE = 14, UNAUTHENTICATED = 16 };
    struct model *model = g.ground.model;
    watcher->watches = false;
    g.report.ended++;
    if (state == PEER_LOST || status == LATE || status == BUSY || status == UNAVAILABLE)
        return true;
    if (status != DENIED && status != UNAUTHENTICATED)
        return model_wrong(model, "a watcher's stream ends with status %d", status);
    return operator_might_not(watcher->since, watcher->person, anybody) ||
           model_wrong(model, "%s may watch, and is turned away", operator_name[watcher->person]);
}

static bool hear(struct watcher *watcher)
{
    struct peer_answer answer;
    enum peer_state state = peer_look(watcher->peer, &answer);
    while (answer.all.len >= PREFIX_BYTES) {
        const uint8_t *head = answer.all.data;
        if (head[0] != 0)
            break; /* the end of Connect's streams, whose rest is still on its way */
        size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        if (len > answer.all.len - PREFIX_BYTES)
            break;
        if (!hear_bytes(watcher, pl_slice(head + PREFIX_BYTES, len)))
            return false;
        peer_consume(watcher->peer, PREFIX_BYTES + len);
        state = peer_look(watcher->peer, &answer);
    }
    return state == PEER_WAITS || hear_end(watcher, state, answer.grpc_status);
}

static void watch(struct watcher *watcher, uint64_t life)
{
    uint8_t bytes[64];
    Pledged__V1__WatchRequest request = PLEDGED__V1__WATCH_REQUEST__INIT;
    request.from_seq = watcher->next;
    request.decoded = dice_below(g.ground.dice, 3) == 0;
    request.heartbeat_s = (uint32_t)dice_below(g.ground.dice, 4);
    size_t len = pledged__v1__watch_request__pack(&request, bytes);
    watcher->decoded = request.decoded;
    watcher->since = g.ground.oldest_version();
    watcher->life = life;
    watcher->no_more = UINT64_MAX;
    watcher->seq = 0;
    watcher->began = false;
    const struct peer_request ask = {.path = "/pledged.v1.LedgerService/Watch",
                                     .message = pl_slice(bytes, len),
                                     .stream = true,
                                     .input = &pledged__v1__watch_request__descriptor,
                                     .output = &pledged__v1__watch_response__descriptor};
    watcher->watches =
        peer_ask(watcher->peer, peer_any_visit(g.ground.dice, watcher->person), &ask);
    g.report.streams += watcher->watches;
    g.report.resumed += watcher->watches && watcher->next > 1;
}

/* What a disk that lies took away is not seen again: it begins where the log ends now. */
static void forget_the_lost(struct watcher *watcher)
{
    peer_hang_up(watcher->peer);
    watcher->watches = false;
    g.promises = 0;
    if (watcher->next > g.ground.model->entries + 1)
        watcher->next = g.ground.model->entries + 1;
}

bool watchers_run(uint64_t life, bool well, bool lied)
{
    struct watcher *watcher = &g.watcher[dice_below(g.ground.dice, WATCHERS)];
    uint64_t dice = dice_below(g.ground.dice, 200);
    if (lied && watcher->life != life)
        forget_the_lost(watcher);
    if (!watcher->watches) {
        if (well || dice < 40)
            watch(watcher, life);
        return true;
    }
    if (watcher->asleep > 0 && !well) {
        watcher->asleep--;
        return true;
    }
    if (dice < 2 && !well) {
        watcher->asleep = (unsigned)dice_below(g.ground.dice, 100);
        return true;
    }
    if (dice == 2 && !well) {
        peer_hang_up(watcher->peer);
        watcher->watches = false;
        return true;
    }
    peer_run(watcher->peer);
    return hear(watcher);
}

void watchers_reloaded(void)
{
    uint64_t durable = g.ground.durable();
    for (int i = 0; i < WATCHERS; i++) {
        struct watcher *watcher = &g.watcher[i];
        /* a stream that the daemon has not begun yet begins by a version to come */
        if (!watcher->began || durable >= watcher->no_more || durable == 0)
            continue;
        if (!operator_might(g.ground.oldest_version(), watcher->person, sees_entries))
            watcher->no_more = durable;
    }
}

bool watchers_have_all(void)
{
    for (int i = 0; i < WATCHERS; i++) {
        const struct watcher *watcher = &g.watcher[i];
        unsigned role = operator_role(operator_version(), watcher->person);
        bool all = (sees_entries >> role & 1) == 0 ? watcher->began
                                                   : watcher->next > g.ground.model->entries;
        if (!watcher->watches || !all)
            return false;
    }
    return true;
}

const struct watchers_report *watchers_report(void)
{
    return &g.report;
}
