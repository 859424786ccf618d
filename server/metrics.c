/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics: see metrics.h. Counters end in _total and histograms in _bucket, _sum and _count in both
 * formats; OpenMetrics wants the family's name without _total in HELP and TYPE, and an end mark.
 */
#include "server/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/check.h"

enum {
    METHODS_MAX = 64,
    CODES = PL_E_INTERNAL + 1,
    TIME_BUCKETS = 17,
    SIZE_BUCKETS = 14,
    TIERS_ARENA_BYTES = 1 << 20,
};
static const int64_t time_bound_us[TIME_BUCKETS] = {
    50,    100,    250,    500,    1000,    2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};

typedef _Atomic uint64_t cell;

struct histogram {
    cell bucket[TIME_BUCKETS + 1]; /* the last one: above all bounds */
    cell sum;
};

/* One a worker, on cache lines of its own. */
struct lane {
    _Alignas(64) cell request[METHODS_MAX + 1][CODES]; /* the last row: pages and tiles */
    struct histogram took[METHODS_MAX + 1];            /* ns */
    cell command[METRICS_RESULTS];
    cell connections, accepted, handshake_failures, refused_busy, protocol_errors;
    cell watchers, watchers_dropped;
};

struct metrics {
    unsigned lanes;
    struct lane *lane;
    struct histogram sync, batch;
    cell disagreements;
    _Atomic(const struct net_method *) methods; /* of the first worker */
    const struct net_method **tables;           /* one a worker; its own thread reads it */
    atomic_size_t method_count;
};

/* Each cell has one writer: no locked instruction is needed. */
static void add(cell *at, uint64_t more)
{
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static void set(cell *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static uint64_t get(const cell *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

struct metrics *metrics_new(unsigned workers)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    PL_ASSERT(metrics != NULL);
    metrics->lanes = workers;
    metrics->lane = aligned_alloc(64, workers * sizeof(*metrics->lane));
    metrics->tables = calloc(workers, sizeof(*metrics->tables));
    PL_ASSERT(metrics->lane != NULL && metrics->tables != NULL);
    memset(metrics->lane, 0, workers * sizeof(*metrics->lane));
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    free(metrics->lane);
    free(metrics->tables);
    free(metrics);
}

/* --- counting --- */

void metrics_methods(struct metrics *metrics, unsigned worker, const struct net_method *methods,
                     size_t count)
{
    PL_ASSERT(worker < metrics->lanes && count <= METHODS_MAX);
    metrics->tables[worker] = methods;
    if (worker == 0) {
        atomic_store_explicit(&metrics->methods, methods, memory_order_relaxed);
        atomic_store_explicit(&metrics->method_count, count, memory_order_release);
    }
}

static void observe_time(struct histogram *histogram, int64_t took_ns)
{
    size_t i = 0;
    while (i < TIME_BUCKETS && took_ns > time_bound_us[i] * 1000)
        i++;
    add(&histogram->bucket[i], 1);
    add(&histogram->sum, took_ns < 0 ? 0 : (uint64_t)took_ns);
}

void metrics_request(struct metrics *metrics, unsigned worker, const struct net_method *method,
                     enum pl_code code, int64_t took_ns)
{
    struct lane *lane = &metrics->lane[worker];
    size_t row = method == NULL ? METHODS_MAX : (size_t)(method - metrics->tables[worker]);
    PL_ASSERT(row <= METHODS_MAX && (int)code < CODES);
    add(&lane->request[row][code], 1);
    observe_time(&lane->took[row], took_ns);
}

void metrics_command(struct metrics *metrics, unsigned worker, enum metrics_result result)
{
    add(&metrics->lane[worker].command[result], 1);
}

void metrics_worker(struct metrics *metrics, unsigned worker, const struct net_stats *net,
                    const struct watch_stats *watch)
{
    struct lane *lane = &metrics->lane[worker];
    set(&lane->connections, net->connections);
    set(&lane->accepted, net->accepted);
    set(&lane->handshake_failures, net->handshake_failures);
    set(&lane->refused_busy, net->refused_busy);
    set(&lane->protocol_errors, net->protocol_errors);
    set(&lane->watchers, watch->watchers);
    set(&lane->watchers_dropped, watch->dropped);
}

void metrics_batch(struct metrics *metrics, size_t entries, int64_t took_ns)
{
    size_t i = 0;
    while (i < SIZE_BUCKETS && entries > ((size_t)1 << i))
        i++;
    add(&metrics->batch.bucket[i], 1);
    add(&metrics->batch.sum, entries);
    observe_time(&metrics->sync, took_ns);
}

void metrics_disagreement(struct metrics *metrics)
{
    add(&metrics->disagreements, 1);
}

/* --- telling --- */

struct page {
    struct pl_buf *out;
    bool open_metrics;
    struct pl_status status; /* of the first failure */
};

#define TELL(page_, ...)                                                                           \
    do {                                                                                           \
        if (pl_is_ok((page_)->status))                                                             \
            (page_)->status = pl_buf_printf((page_)->out, __VA_ARGS__);                            \
    } while (0)

static void family(struct page *page, const char *name, const char *type, const char *help)
{
    size_t len = strlen(name);
    static const char suffix[] = "_total";
    if (page->open_metrics && strcmp(type, "counter") == 0 && len > sizeof(suffix) - 1)
        len -= sizeof(suffix) - 1;
    TELL(page, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)len, name, help, (int)len, name, type);
}

static void single(struct page *page, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    family(page, name, type, help);
    TELL(page, "%s %" PRIu64 "\n", name, value);
}

static uint64_t sum_of(const struct metrics *metrics, size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < metrics->lanes; i++)
        sum += get((const cell *)((const char *)&metrics->lane[i] + offset));
    return sum;
}

#define SUM(metrics_, member_) sum_of((metrics_), offsetof(struct lane, member_))

/* "/pledged.v1.LedgerService/Execute" as "Execute", of other services with their name */
static const char *method_name(const struct metrics *metrics, size_t row, size_t count)
{
    static const char ours[] = "/pledged.v1.LedgerService/";
    if (row == METHODS_MAX)
        return "resource";
    const struct net_method *methods =
        atomic_load_explicit(&metrics->methods, memory_order_relaxed);
    if (row >= count)
        return NULL;
    const char *path = methods[row].path;
    return strncmp(path, ours, sizeof(ours) - 1) == 0 ? path + sizeof(ours) - 1 : path + 1;
}

static void tell_requests(struct page *page, const struct metrics *metrics, size_t count)
{
    family(page, "pledged_requests_total", "counter",
           "Calls that were answered, by how they ended.");
    for (size_t row = 0; row <= METHODS_MAX; row++) {
        const char *name = method_name(metrics, row, count);
        for (int code = 0; name != NULL && code < CODES; code++) {
            uint64_t sum = 0;
            for (unsigned i = 0; i < metrics->lanes; i++)
                sum += get(&metrics->lane[i].request[row][code]);
            if (sum > 0)
                TELL(page, "pledged_requests_total{method=\"%s\",code=\"%s\"} %" PRIu64 "\n", name,
                     pl_code_name((enum pl_code)code), sum);
        }
    }
}

/* `label` is "" or "method=\"Execute\"," */
static void tell_times(struct page *page, const char *name, const char *label,
                       const struct histogram *const *histograms, size_t count)
{
    uint64_t below = 0, sum = 0;
    for (size_t b = 0; b <= TIME_BUCKETS; b++) {
        for (size_t i = 0; i < count; i++)
            below += get(&histograms[i]->bucket[b]);
        if (b < TIME_BUCKETS)
            TELL(page, "%s_bucket{%sle=\"%g\"} %" PRIu64 "\n", name, label,
                 (double)time_bound_us[b] / 1e6, below);
        else
            TELL(page, "%s_bucket{%sle=\"+Inf\"} %" PRIu64 "\n", name, label, below);
    }
    for (size_t i = 0; i < count; i++)
        sum += get(&histograms[i]->sum);
    int len = (int)strlen(label) - (label[0] != '\0');
    const char *open = label[0] != '\0' ? "{" : "", *close = label[0] != '\0' ? "}" : "";
    TELL(page, "%s_sum%s%.*s%s %.9f\n", name, open, len < 0 ? 0 : len, label, close,
         (double)sum / 1e9);
    TELL(page, "%s_count%s%.*s%s %" PRIu64 "\n", name, open, len < 0 ? 0 : len, label, close,
         below);
}

static void tell_latencies(struct page *page, const struct metrics *metrics, size_t count)
{
    const struct histogram *histograms[256];
    family(page, "pledged_request_seconds", "histogram",
           "From the head of a call to its answer, by method.");
    for (size_t row = 0; row <= METHODS_MAX; row++) {
        const char *name = method_name(metrics, row, count);
        char label[160];
        uint64_t any = 0;
        for (unsigned i = 0; i < metrics->lanes && i < PL_COUNT(histograms); i++) {
            histograms[i] = &metrics->lane[i].took[row];
            for (size_t b = 0; b <= TIME_BUCKETS; b++)
                any += get(&histograms[i]->bucket[b]);
        }
        if (name == NULL || any == 0)
            continue;
        (void)snprintf(label, sizeof(label), "method=\"%.120s\",", name);
        tell_times(page, "pledged_request_seconds", label, histograms, metrics->lanes);
    }
}

static void tell_batches(struct page *page, const struct metrics *metrics)
{
    const struct histogram *sync = &metrics->sync;
    uint64_t below = 0;
    family(page, "pledged_fsync_seconds", "histogram",
           "Write and sync of one batch, as the writer waits for it.");
    tell_times(page, "pledged_fsync_seconds", "", &sync, 1);
    family(page, "pledged_batch_entries", "histogram", "Entries that became durable together.");
    for (size_t b = 0; b <= SIZE_BUCKETS; b++) {
        below += get(&metrics->batch.bucket[b]);
        if (b < SIZE_BUCKETS)
            TELL(page, "pledged_batch_entries_bucket{le=\"%u\"} %" PRIu64 "\n", 1u << b, below);
        else
            TELL(page, "pledged_batch_entries_bucket{le=\"+Inf\"} %" PRIu64 "\n", below);
    }
    TELL(page, "pledged_batch_entries_sum %" PRIu64 "\npledged_batch_entries_count %" PRIu64 "\n",
         get(&metrics->batch.sum), below);
}

static void tell_commands(struct page *page, const struct metrics *metrics)
{
    static const char *const names[] = {"new", "replay", "dry_run", "refused", "failed"};
    _Static_assert(PL_COUNT(names) == METRICS_RESULTS, "a name for each result");
    family(page, "pledged_commands_total", "counter", "Commands, by what became of them.");
    for (size_t i = 0; i < METRICS_RESULTS; i++)
        TELL(page, "pledged_commands_total{result=\"%s\"} %" PRIu64 "\n", names[i],
             sum_of(metrics, offsetof(struct lane, command) + i * sizeof(cell)));
    single(page, "pledged_disagreements_total", "counter",
           "Decisions that the rules' own check refused: not recorded, a mistake in the program.",
           get(&metrics->disagreements));
}

static void tell_connections(struct page *page, const struct metrics *metrics)
{
    single(page, "pledged_connections", "gauge", "Open connections.", SUM(metrics, connections));
    single(page, "pledged_connections_accepted_total", "counter", "Connections that were accepted.",
           SUM(metrics, accepted));
    single(page, "pledged_handshake_failures_total", "counter",
           "Connections that ended before they could call anything.",
           SUM(metrics, handshake_failures));
    single(page, "pledged_refused_busy_total", "counter", "Calls that were told to come later.",
           SUM(metrics, refused_busy));
    single(page, "pledged_protocol_errors_total", "counter", "Breaches of HTTP by peers.",
           SUM(metrics, protocol_errors));
    single(page, "pledged_watchers", "gauge", "Streams that watch the ledger.",
           SUM(metrics, watchers));
    single(page, "pledged_watchers_dropped_total", "counter", "Watchers that read too slowly.",
           SUM(metrics, watchers_dropped));
}

static void slots_of(struct page *page, const char *tier, const char *state, int64_t count)
{
    TELL(page, "pledged_tier_slots{tier=\"%s\",state=\"%s\"} %" PRId64 "\n", tier, state, count);
}

/* Codes of tiers are letters, digits and hyphens: nothing to escape. */
static void tell_slots(struct page *page, const struct metrics_now *now)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    const Pledged__V1__ListTiersRequest request = PLEDGED__V1__LIST_TIERS_REQUEST__INIT;
    Pledged__V1__Refusal *refusal = NULL;
    ProtobufCMessage *message = NULL;
    pl_arena_init(&arena, TIERS_ARENA_BYTES);
    family(page, "pledged_tier_slots", "gauge",
           "Slots of a tier of the catalogue in force; no remaining or capacity: unlimited.");
    if (view_list_tiers(now->view, now->now_us, &request, &arena, &message, &refusal) != PL_E_OK)
        return; /* no catalogue yet */
    const Pledged__V1__ListTiersResponse *tiers = (const void *)message;
    for (size_t i = 0; i < tiers->n_tier; i++) {
        const Pledged__V1__TierStatus *tier = tiers->tier[i];
        slots_of(page, tier->code, "held", tier->held);
        slots_of(page, tier->code, "pledged", tier->pledged);
        slots_of(page, tier->code, "committed", tier->committed);
        if (tier->remaining->value_case == PLEDGED__V1__COUNT__VALUE_COUNT)
            slots_of(page, tier->code, "remaining", tier->remaining->count);
        if (tier->capacity->value_case == PLEDGED__V1__COUNT__VALUE_COUNT)
            slots_of(page, tier->code, "capacity", tier->capacity->count);
    }
}

static void tell_ledger(struct page *page, const struct metrics_now *now)
{
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    Pledged__V1__GetStatusResponse *status = NULL;
    pl_arena_init(&arena, TIERS_ARENA_BYTES);
    if (view_get_status(now->view, &arena, &status) != PL_E_OK)
        return;
    single(page, "pledged_writable", "gauge", "1: commands are taken.", status->writable ? 1 : 0);
    single(page, "pledged_expiry_stopped", "gauge",
           "1: the clock jumped, holds do not end until it is put right.",
           status->expiry_stopped ? 1 : 0);
    single(page, "pledged_entries", "gauge", "Durable entries.", status->size);
    single(page, "pledged_snapshot_age_entries", "gauge", "Entries since the newest snapshot.",
           status->size - (now->snapshot_seq < status->size ? now->snapshot_seq : status->size));
    tell_slots(page, now);
}

static void tell_times_of_day(struct page *page, const struct metrics_now *now)
{
    family(page, "pledged_certificate_expiry_seconds", "gauge",
           "When a certificate ends, Unix time.");
    if (now->server_expiry_s != 0)
        TELL(page, "pledged_certificate_expiry_seconds{which=\"server\"} %" PRId64 "\n",
             now->server_expiry_s);
    if (now->ca_expiry_s != 0)
        TELL(page, "pledged_certificate_expiry_seconds{which=\"ca\"} %" PRId64 "\n",
             now->ca_expiry_s);
    family(page, "pledged_crl_next_update_seconds", "gauge",
           "Until when the revocation list counts, Unix time; 0: there is none.");
    TELL(page, "pledged_crl_next_update_seconds %" PRId64 "\n", now->crl_next_update_s);
}

/* Names come from a file; a label has neither quotes nor what is not plain in it. */
static void tell_witnesses(struct page *page, const struct metrics_now *now)
{
    family(page, "pledged_witness_lag_entries", "gauge",
           "Entries under the newest checkpoint that a witness did not cosign.");
    for (size_t i = 0; i < now->witnesses->count; i++) {
        const struct cosign_witness *witness = &now->witnesses->witness[i];
        char name[64];
        (void)snprintf(name, sizeof(name), "%s", witness->name);
        for (char *c = name; *c != '\0'; c++) {
            if (*c <= ' ' || *c >= 0x7F || *c == '"' || *c == '\\')
                *c = '_';
        }
        uint64_t lag =
            now->checkpoint_size > witness->size ? now->checkpoint_size - witness->size : 0;
        TELL(page, "pledged_witness_lag_entries{witness=\"%s\"} %" PRIu64 "\n", name, lag);
    }
}

static void tell_now(struct page *page, const struct metrics_now *now)
{
    family(page, "pledged_build_info", "gauge", "Always 1.");
    TELL(page, "pledged_build_info{version=\"%s\"} 1\n", PLEDGED_VERSION);
    family(page, "pledged_up_seconds", "gauge", "Since the daemon started.");
    TELL(page, "pledged_up_seconds %.3f\n", now->up_s);
    single(page, "pledged_ready", "gauge", "1: started and not about to stop.", now->ready);
    single(page, "pledged_inbox_depth", "gauge", "Commands and questions that wait for the writer.",
           now->inbox_depth);
    single(page, "pledged_disk_free_bytes", "gauge", "Left where the ledger is.",
           now->disk_free_bytes);
    tell_times_of_day(page, now);
    if (now->view != NULL)
        tell_ledger(page, now);
    if (now->has_checkpoint) {
        single(page, "pledged_checkpoint_size", "gauge", "Entries under the newest checkpoint.",
               now->checkpoint_size);
        family(page, "pledged_checkpoint_age_seconds", "gauge", "Since it was signed.");
        TELL(page, "pledged_checkpoint_age_seconds %.3f\n",
             (double)(now->now_us - now->checkpoint_time_us) / 1e6);
    }
    if (now->witnesses != NULL)
        tell_witnesses(page, now);
}

struct pl_status metrics_render(const struct metrics *metrics, const struct metrics_now *now,
                                bool open_metrics, struct pl_buf *out)
{
    struct page page = {.out = out, .open_metrics = open_metrics, .status = pl_ok()};
    size_t count = atomic_load_explicit(&metrics->method_count, memory_order_acquire);
    tell_now(&page, now);
    tell_connections(&page, metrics);
    tell_commands(&page, metrics);
    tell_batches(&page, metrics);
    tell_requests(&page, metrics, count);
    tell_latencies(&page, metrics, count);
    if (open_metrics)
        TELL(&page, "# EOF\n");
    return page.status;
}
