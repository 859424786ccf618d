/* SPDX-License-Identifier: Apache-2.0
 *
 * world: see world.h.
 */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/scan.h"
#include "server/limits.h"
#include "server/notary.h"
#include "server/registrar.h"
#include "server/store/fault.h"
#include "server/store/file.h"
#include "server/store/io.h"
#include "tests/sim/cabinet.h"
#include "tests/sim/checkpoints.h"
#include "tests/sim/errand.h"
#include "tests/sim/fiber.h"
#include "tests/sim/front.h"
#include "tests/sim/heap.h"
#include "tests/sim/mirror.h"
#include "tests/sim/operator.h"
#include "tests/sim/peer.h"
#include "tests/sim/process.h"
#include "tests/sim/records.h"
#include "tests/sim/requests.h"
#include "tests/sim/watchers.h"
#include "tests/sim/wire.h"
#include "tests/sim/witnesses.h"

#define SECOND_US 1000000LL
#define START_US  (1770000000LL * SECOND_US)

enum {
    CLIENTS = 6,
    PEERS = 2, /* connections a client */
    PACKETS_MAX = 256,
    CALLS_MAX = 512,
    NEVER_MAX = 256,
    SEGMENT_BYTES = (1 << 20) + 16384, /* just what one full batch needs */
    SETTLE_STEPS = 20000,
    TIMEOUT_US = 400000,
    BATCHES_A_SECTOR = 5, /* that begin in it, or end in it and begin before, and the next one */
};

const char *const world_event_name[WORLD_EVENTS] = {"starts",
                                                    "kills",
                                                    "power losses",
                                                    "orderly ends",
                                                    "failed starts",
                                                    "damage found",
                                                    "lost last batch",
                                                    "roll-backs",
                                                    "snapshots",
                                                    "clock jumps",
                                                    "starts in 2099 refused",
                                                    "engine failures",
                                                    "directories moved",
                                                    "disk full",
                                                    "requests",
                                                    "retries",
                                                    "dropped",
                                                    "duplicated",
                                                    "clients vanished",
                                                    "verdicts",
                                                    "replays",
                                                    "refused whole",
                                                    "reads",
                                                    "queries",
                                                    "holds expired",
                                                    "entries",
                                                    "connections",
                                                    "connections broken",
                                                    "calls hung up",
                                                    "pieces of streams",
                                                    "edits of the roster",
                                                    "reloads",
                                                    "turned away",
                                                    "watchers came",
                                                    "came back",
                                                    "entries watched",
                                                    "heartbeats",
                                                    "answers by gRPC",
                                                    "by gRPC-Web",
                                                    "by Connect",
                                                    "of these by HTTP/1.1",
                                                    "in JSON",
                                                    "of these streams that ended",
                                                    "by GET",
                                                    "gRPC-Web as text",
                                                    "checkpoints",
                                                    "audits",
                                                    "proofs",
                                                    "files",
                                                    "commands at the helm",
                                                    "helm not to be had",
                                                    "ends at the helm",
                                                    "records brought",
                                                    "records erased",
                                                    "witnesses asked",
                                                    "in vain",
                                                    "checkpoints cosigned",
                                                    "brought by others",
                                                    "silenced"};

struct call {               /* a command on its way through the daemon, as a worker keeps it */
    struct command command; /* first member */
    struct pl_arena arena;
    struct request request; /* a copy */
    int client;
    uint64_t intent;
    bool used, by_registrar;
};

struct client {
    bool waiting;
    uint64_t intent; /* number of what it wants now */
    struct request request;
    int64_t retry_at_us; /* monotonic */
    unsigned sent, delivered,
        refused; /* refused: as a whole, with the word that nothing happened */
};

struct packet {
    bool used, reply, whole; /* whole: refused as a whole */
    int client;
    uint64_t intent;
    struct request request; /* owns, of requests */
    int64_t due_us;
};

struct odds { /* of this seed, in a million a step */
    uint32_t kill, power, stop, full, lie, jump, snapshot, engine, drop, duplicate, vanish, fat,
        many, cut /* of connections */, reload, helm, slow /* turns at it */,
        away /* goes the directory */;
    bool small_jumps;
};

static struct {
    uint64_t seed, step, trail;
    struct dice dice;
    enum canary canary;
    bool trace, failed, over;
    char what[600];
    struct world_report *report;
    struct odds odds;
    struct disk_plan plan;
    struct pl_clock_fake clock;
    struct model model;
    struct process process;
    struct client client[CLIENTS];
    struct packet packet[PACKETS_MAX];
    struct call call[CALLS_MAX];
    /* of seeds whose clients come by connections, through server/net and server/service */
    bool wired;
    struct front *front; /* NULL: nobody listens */
    struct peer *peer[CLIENTS][PEERS];
    uint64_t peer_intent[CLIENTS][PEERS];
    uint64_t peer_start[CLIENTS][PEERS]; /* which life of the process was asked */
    uint64_t peer_since[CLIENTS][PEERS]; /* oldest version of the file that may have counted then */
    bool leaving;                        /* SIGTERM came; the writer stops when all workers have */
    enum { FATE_NONE, FATE_KILL, FATE_POWER } fate; /* that it met while a worker was at the helm */
    int64_t ahead_us; /* of the clock at this start; 0: it may be believed */
    uint64_t reloads; /* newest version that all workers have */
    uint64_t starts;
    uint64_t up_start; /* the last one that came up */
    struct peer *auditor;
    uint64_t audit_since;             /* as peer_since */
    uint64_t audit_from, audit_start; /* a dump from this entry; 0: a pledge, or a proof */
    int audit_proof;                  /* enum checkpoints_question; -1: none */
    uint64_t audit_about;             /* an entry, or an older size */
    bool audits_file;
    struct mirror_file audit_file;
    bool audits;
    bool late; /* the answer at hand is of a life before */
    uint64_t intents;
    struct view *view;    /* that the worker answers from */
    struct view_log seen; /* of the newest view anybody saw */
    struct store_reader *reader;
    uint8_t never[NEVER_MAX][MODEL_ID]; /* told "nothing was recorded", and given up */
    size_t nevers;
    uint64_t seg_hash;
    bool lied; /* the disk broke its word: lost or misdirected */
    bool full, healthy, started_well;
    bool looks_fail;       /* in this seed: it may seem that the directory is not there */
    bool went_away;        /* the directory, in this life of the process */
    uint64_t there_before; /* entries that were on the disk then */
} w;

/* --- small things --- */

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
    if (w.failed)
        return;
    w.failed = w.over = true;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w.what, sizeof(w.what), format, args);
    va_end(args);
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (const char *at = line; *at != '\0'; at++)
        w.trail = (w.trail ^ (uint8_t)*at) * 0x100000001b3ull;
    if (w.trace)
        (void)printf("%6" PRIu64 " %10.3f %s\n", w.step,
                     (double)(w.clock.mono_ns_now / 1000000) / 1000.0, line);
}

static void happened(enum world_event event)
{
    w.report->event[event]++;
}

static bool chance(uint32_t in_million)
{
    return dice_hits(&w.dice, in_million);
}

static int64_t now_us(void)
{
    return w.clock.mono_ns_now / 1000;
}

static bool damaged(void)
{
    return disk_damaged("") != 0;
}

/* Checks read without faults. */
static void quiet(bool on)
{
    static const struct disk_plan none;
    disk_set_plan(on ? &none : &w.plan);
}

static void model_says(bool fine)
{
    if (!fine)
        wrong("%s", w.model.error);
}

/* What a disk that lied took away, at the very end: only a checkpoint tells. */
static void lost_the_end(void)
{
    note("the disk lost the end of the log, and nothing in the log tells");
    happened(WORLD_UNSEEN);
    w.over = true;
}

/* --- the log, read as a worker or an auditor reads it --- */

static void records_say(bool fine, const char *const *what)
{
    if (!fine)
        wrong("%s", *what);
}

static void see_records(struct pl_slice bytes)
{
    const char *what = "";
    Pledged__V1__Entry *entry = pledged__v1__entry__unpack(NULL, bytes.len, bytes.data);
    PL_ASSERT(entry != NULL); /* the model has read it */
    records_say(records_see(entry, &what), &what);
    pledged__v1__entry__free_unpacked(entry, NULL);
}

static struct pl_status see_entry(void *arg, uint64_t seq, struct pl_slice bytes)
{
    (void)arg;
    size_t before = w.model.entries;
    bool fine = model_see(&w.model, seq, bytes);
    /* a life that wrote its first batch and did not come up may have gone on from an end that the
     * disk lost: nobody looked then */
    if (!fine && seq <= before && w.lied && w.starts > w.up_start + 1) {
        lost_the_end();
        return pl_fail(CORRUPT, "it was lost");
    }
    model_says(fine);
    if (w.model.entries != before) {
        happened(WORLD_ENTRIES);
        if (records_on())
            see_records(bytes);
        w.trail = (w.trail ^ pl_xxh3(bytes, seq)) * 0x100000001b3ull;
    }
    return w.failed ? pl_fail(CORRUPT, "the model says no") : pl_ok();
}

/* Damage was found while it ran: the operator stops it. */
static void found_damage(const char *who)
{
    note("%s finds damage", who);
    happened(WORLD_CORRUPT);
    w.process.stop = false;
    w.process.state = PROCESS_FAILED;
    w.process.status = pl_fail(CORRUPT, "found by a reader");
}

/* Entries from..to, durable as we were told, into the model. */
static void read_log(uint64_t from, uint64_t to)
{
    if (from > to || w.process.state != PROCESS_UP)
        return;
    quiet(true);
    if (w.reader == NULL && !pl_is_ok(store_reader_open(w.process.store, &w.reader)))
        wrong("a reader cannot be opened");
    struct pl_status status =
        w.failed ? pl_ok() : store_reader_read(w.reader, from, to, see_entry, NULL);
    quiet(false);
    if (pl_is_ok(status) || w.failed || w.over)
        return;
    if (damaged())
        found_damage("a reader");
    else
        wrong("entries %" PRIu64 " to %" PRIu64 " cannot be read: %s", from, to, status.what);
}

static void learn_up_to(uint64_t seq)
{
    if (seq > w.model.entries)
        read_log(w.model.entries + 1, seq);
}

/* The whole log, as a power loss right now would leave it. */
static struct pl_status open_durable(struct store_head *ret_head, struct file_report *report)
{
    struct file_options options = {.dir = "/d/log",
                                   .io = io_system(),
                                   .segment_bytes = SEGMENT_BYTES,
                                   .ledger_id = {7},
                                   .read_only = true};
    struct store *store = NULL;
    disk_look_at_durable(true);
    struct pl_status status = file_open(&options, report, &store);
    if (pl_is_ok(status)) {
        store_head(store, ret_head);
        store_close(store);
    }
    disk_look_at_durable(false);
    return status;
}

/* G1, asked of the disk itself: would this entry survive a power loss right now? */
static void is_durable(uint64_t seq)
{
    struct file_report report;
    struct store_head head = {0};
    if (damaged() || w.failed)
        return;
    struct pl_status status = open_durable(&head, &report);
    if (!pl_is_ok(status))
        wrong("what is on the disk cannot be opened: %s (%s)", status.what, report.damage);
    else if (disk_is_away() && seq > w.there_before)
        wrong("entry %" PRIu64 " was told, and no start would find it: the directory is away", seq);
    else if (head.next_seq <= seq)
        wrong("entry %" PRIu64 " was told and is not on the disk, which ends at %" PRIu64, seq,
              head.next_seq - 1);
}

/* What the start did not look at, behind the entries of an older segment, is for an audit. */
static bool audit_finds_damage(void)
{
    struct file_report report;
    struct store_head head;
    if (!damaged() || pl_is_ok(open_durable(&head, &report)))
        return false;
    found_damage("an audit");
    return true;
}

/* --- the life of the process --- */

static void drop_call(struct call *call)
{
    pl_arena_fini(&call->arena);
    request_fini(&call->request);
    call->used = false;
}

/* What the world holds of the process's memory, before that is gone. */
static void let_go(void)
{
    front_close(w.front);
    w.front = NULL;
    store_reader_close(w.reader);
    w.reader = NULL;
    view_unref(w.view);
    w.view = NULL;
    for (int i = 0; i < CALLS_MAX; i++) {
        if (w.call[i].used)
            drop_call(&w.call[i]);
    }
}

/* What left for a witness before anybody looked: of what would be on the disk without power. */
static void judge_last_requests(void)
{
    struct file_report report;
    struct store_head head = {0};
    if (!witnesses_unseen() || w.failed)
        return;
    quiet(true);
    bool known = !damaged() && !w.lied && pl_is_ok(open_durable(&head, &report));
    model_says(witnesses_judge(known ? head.next_seq - 1 : 0));
    quiet(false);
}

static void kill_process(void)
{
    judge_last_requests();
    let_go();
    process_kill(&w.process);
    disk_move(false); /* before the next start somebody puts it back */
}

static void power_loss(void)
{
    static const enum disk_loss losses[] = {LOSE_ALL, LOSE_NONE, LOSE_SOME, LOSE_SOME};
    enum disk_loss loss = losses[dice_below(&w.dice, 4)];
    bool torn = w.odds.lie != 0 && !damaged() && dice_below(&w.dice, 8) == 0;
    note("power loss, %s", loss == LOSE_ALL ? "all lost" : loss == LOSE_NONE ? "all kept" : "some");
    happened(WORLD_POWER_LOSSES);
    kill_process();
    disk_power_loss(loss, torn);
}

/* After a start: all that anybody was told or saw is there, byte for byte. */
static void check_after_start(void)
{
    struct store_head head;
    store_head(w.process.store, &head);
    uint64_t size = head.next_seq - 1;
    note("up: %" PRIu64 " entries, %" PRIu64 " batches, snapshot %" PRIu64 ", torn %" PRIu64, size,
         head.batch, w.process.report.snapshot_seq, w.process.report.torn_bytes);
    if (w.process.notary != NULL)
        model_says(checkpoints_started(w.process.notary, size, w.lied));
    bool cosigns = w.process.witness != NULL && notary_why_read_only(w.process.notary) == NULL;
    uint64_t known = w.model.entries > w.model.told_max ? w.model.entries : w.model.told_max;
    if (w.process.report.batches < w.seen.batches || size < known) {
        /* a lost or misdirected sector may take with it what began in it, at the very end */
        if (w.lied && w.process.report.batches + BATCHES_A_SECTOR >= w.seen.batches) {
            lost_the_end();
            return;
        }
        wrong("the log ends at entry %" PRIu64 " (batch %" PRIu64 "), but entry %" PRIu64
              " (batch %" PRIu64 ") was told",
              size, w.process.report.batches, known, w.seen.batches);
        return;
    }
    w.seen.size = size;
    w.seen.batches = head.batch;
    read_log(1, size);
    w.up_start = w.starts;
    if (w.process.state != PROCESS_UP || w.failed || w.over || audit_finds_damage())
        return;
    if (w.wired && !w.lied)
        model_says(watchers_check());
    quiet(true);
    if (cosigns)
        model_says(witnesses_started(w.process.witness, size, w.lied));
    quiet(false);
    disk_believe();
    is_durable(size);
}

/* Records that the ledger names, those and no other. */
static void check_records(void)
{
    const char *what = "";
    if (w.process.registrar == NULL || w.process.state != PROCESS_UP || w.lied || w.over)
        return;
    quiet(true);
    records_say(records_check(&what), &what);
    quiet(false);
}

/* G6: the state it goes on with is the one that the whole log gives. */
static void check_state(void)
{
    uint8_t live[32], replayed[32];
    struct recover_report report = {0};
    quiet(true);
    struct ledger *ledger = ledger_new();
    struct pl_status status = recover_replay(w.process.store, 1, ledger, &report);
    quiet(false);
    ledger_digest(writer_ledger(w.process.writer), live);
    ledger_digest(ledger, replayed);
    ledger_free(ledger);
    if (!pl_is_ok(status) && damaged())
        found_damage("a replay");
    else if (!pl_is_ok(status))
        wrong("the log cannot be replayed: %s %s", status.what, report.message);
    else if (memcmp(live, replayed, sizeof(live)) != 0)
        wrong("the state is not what the log gives");
}

/* The operator has seen that the clock is in another century. */
static void put_right(void)
{
    w.clock.wall_us_now -= w.ahead_us;
    w.ahead_us = 0;
}

/* A machine that comes up in 2099. */
static void come_up_late(void)
{
    put_right();
    if (w.healthy || w.seen.size == 0 || dice_below(&w.dice, 30) != 0)
        return;
    w.ahead_us = 73ll * 365 * 86400 * SECOND_US;
    w.clock.wall_us_now += w.ahead_us;
    note("the machine comes up with its clock in 2099");
}

/* Nothing may be recorded at such a time, and no hold end; only a log of which a disk that lies has
 * left nothing knows no better. */
static void check_clock(void)
{
    if (w.ahead_us != 0 && w.process.report.batches != 0)
        wrong("it starts by a clock that is 73 years ahead");
    w.model.clock_jumped = w.model.clock_jumped || w.ahead_us != 0;
    put_right();
}

static void start_process(void)
{
    come_up_late();
    w.started_well = w.healthy;
    w.leaving = w.went_away = false;
    w.starts++;
    note("start");
    happened(WORLD_STARTS);
    /* what the process before left in memory is synced first, damaged or not */
    w.seg_hash = disk_is_unsynced() ? 0 : disk_hash(".seg");
    quiet(true);
    witnesses_start();
    quiet(false);
    process_start(&w.process);
}

/* It gave up or exited: why, and what the operator does. */
static void look_at_failure(void)
{
    struct pl_status status = w.process.status;
    note("down: %s, %s %s", pl_code_name(status.code), status.what, w.process.report.message);
    bool while_starting = w.process.writer == NULL;
    if (status.code == PL_E_CORRUPT || status.code == PL_E_CONFLICT || status.code == PL_E_FENCED) {
        if (!damaged()) {
            wrong("it stopped with %s (%s; %s), and nothing is damaged", pl_code_name(status.code),
                  status.what, w.process.report.message);
            return;
        }
        if (while_starting && w.seg_hash != 0 && disk_hash(".seg") != w.seg_hash) {
            wrong("it found damage and changed the log all the same");
            return;
        }
        happened(WORLD_CORRUPT);
        kill_process();
        disk_power_loss(LOSE_ALL, false);
        disk_repair();
        return;
    }
    if (while_starting)
        happened(WORLD_START_FAILED);
    if (while_starting && w.ahead_us != 0 && status.code == PL_E_UNAVAILABLE)
        happened(WORLD_CLOCK_REFUSED);
    if (w.started_well)
        wrong("nothing is wrong, and it does not run: %s (%s; %s)", pl_code_name(status.code),
              status.what, w.process.report.message);
    kill_process();
}

/* The workers have ended: it is the writer's turn. */
static void go_on_leaving(void)
{
    if (w.leaving && w.process.state == PROCESS_UP && (w.front == NULL || front_drained(w.front)))
        w.process.stop = true;
}

/* The last view is all there is: nothing came behind what everybody was told. */
static void take_last_view(void)
{
    struct view *last = pl_slot_take(&w.process.slot[0]);
    if (last != NULL)
        w.seen = *view_get_log(last);
    view_unref(last);
}

static void check_end_of_log(void)
{
    struct file_report report;
    struct store_head head = {0};
    if (damaged() || w.failed)
        return;
    struct pl_status status = open_durable(&head, &report);
    /* held back: the directory was away, or seemed so because looking failed */
    bool more = (w.went_away || w.looks_fail) && head.next_seq > w.seen.size;
    if (!pl_is_ok(status) || (head.next_seq != w.seen.size + 1 && !more))
        wrong("it ended in order at entry %" PRIu64 ", and the log ends at %" PRIu64 " (%s)",
              w.seen.size, head.next_seq - 1, pl_is_ok(status) ? "fine" : status.what);
}

static void look_at_end(void)
{
    note("ended");
    happened(WORLD_STOPS);
    if (heap_daemon_blocks() != 0 || heap_daemon_fds() != 0 || disk_open_fds() != 0)
        wrong("an orderly end leaves %zu blocks, %zu eventfds, %zu files open",
              heap_daemon_blocks(), heap_daemon_fds(), disk_open_fds());
    check_end_of_log();
    process_kill(&w.process);
    disk_move(false);
}

static void after_fibers(enum process_state before)
{
    process_look(&w.process);
    if (w.process.state == PROCESS_UP && before == PROCESS_BOOTING) {
        check_clock();
        check_after_start();
        check_records();
        if (!w.over && w.wired && w.process.state == PROCESS_UP)
            w.front = front_open(&w.process);
        if (!w.over && w.process.state == PROCESS_UP && dice_below(&w.dice, 2) == 0)
            check_state();
    }
    if (w.process.state == PROCESS_FAILED && !w.over)
        look_at_failure();
    if (w.process.state == PROCESS_ENDING && !w.process.released) {
        take_last_view();
        let_go();
        w.process.released = true;
    }
    if (w.process.state == PROCESS_ENDED && !w.over)
        look_at_end();
}

/* Everybody sleeps: whatever the turn of a worker left behind, somebody wakes for it in time. */
static void is_anything_due(void)
{
    const int64_t slack_ns = 2000000; /* polls count in milliseconds */
    if (w.process.state != PROCESS_UP || w.process.helm == NULL || w.model.clock_jumped)
        return;
    if (writer_next_wake_ns(w.process.writer) <= w.clock.mono_ns_now - slack_ns)
        wrong("the writer has something to do, and nobody wakes for it");
}

/* One of the fibers that can go on goes on. */
static bool run_a_fiber(void)
{
    int ready[FIBERS_MAX], count = 0;
    for (int i = 0; i < FIBERS_MAX; i++) {
        if (fiber_exists(i) && fiber_ready(i))
            ready[count++] = i;
    }
    if (count == 0) {
        is_anything_due();
        return false;
    }
    enum process_state before = w.process.state;
    fiber_resume(ready[dice_below(&w.dice, (uint64_t)count)]);
    after_fibers(before);
    return true;
}

/* While a worker is at the helm the world goes on around it: what hits the process hits it later,
 * when the worker's own stack is gone, but nothing of it runs any more. */
static bool meanwhile(void)
{
    static const int64_t slow_us[] = {100, 1000, 30000};
    if (!w.healthy && chance(w.odds.kill))
        w.fate = FATE_KILL;
    else if (!w.healthy && chance(w.odds.power * (disk_is_unsynced() ? 6 : 1)))
        w.fate = FATE_POWER;
    if (w.fate != FATE_NONE) {
        fiber_kill_all();
        return false;
    }
    if (chance(w.odds.slow))
        pl_clock_fake_advance_us(&w.clock, slow_us[dice_below(&w.dice, 3)]);
    if (w.front != NULL && dice_below(&w.dice, 2) == 0)
        (void)wire_move();
    else if (w.front != NULL)
        (void)wire_run_event(); /* of another worker */
    return w.fate == FATE_NONE && w.process.state == PROCESS_UP;
}

/* What happened to the process while a worker was at the helm. */
static void meet_fate(void)
{
    if (w.fate == FATE_KILL) {
        note("kill, at the helm");
        happened(WORLD_KILLS);
        kill_process();
    } else if (w.fate == FATE_POWER) {
        power_loss();
    }
    w.fate = FATE_NONE;
    if (w.process.state == PROCESS_FAILED && !w.over)
        look_at_failure();
}

/* --- the network --- */

static void copy_request(const struct request *from, struct request *to)
{
    *to = *from;
    for (size_t i = 0; i < from->count; i++) {
        to->item[i].bytes = malloc(from->item[i].len + 1);
        PL_ASSERT(to->item[i].bytes != NULL);
        memcpy(to->item[i].bytes, from->item[i].bytes, from->item[i].len);
    }
}

static struct packet *new_packet(int client, uint64_t intent)
{
    for (int i = 0; i < PACKETS_MAX; i++) {
        struct packet *packet = &w.packet[i];
        if (packet->used)
            continue;
        *packet = (struct packet){.used = true, .client = client, .intent = intent};
        packet->due_us = now_us() + (int64_t)dice_below(&w.dice, chance(50000) ? 2000000 : 1000);
        return packet;
    }
    return NULL; /* the network drops it */
}

static void send_wired(int number);

/* One copy of it is on its way. */
static void bring_records(const struct request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        for (size_t k = 0; k < request->item[i].records; k++)
            records_ask(request->item[i].record[k]);
    }
}

static void send_request(int number)
{
    struct client *client = &w.client[number];
    client->sent++;
    client->retry_at_us = now_us() + TIMEOUT_US;
    for (size_t i = 0; i < client->request.count; i++) {
        const struct request_item *item = &client->request.item[i];
        model_ask(&w.model, item->id);
        for (size_t k = 0; k < item->records; k++)
            happened(WORLD_RECORDS);
    }
    if (w.wired) {
        send_wired(number);
        return;
    }
    for (unsigned copies = chance(w.odds.duplicate) ? 2 : 1; copies > 0; copies--) {
        struct packet *packet = new_packet(number, client->intent);
        if (packet == NULL || chance(w.odds.drop)) {
            happened(WORLD_DROPPED);
            if (packet != NULL)
                packet->used = false;
            continue;
        }
        if (copies == 2)
            happened(WORLD_DUPLICATED);
        bring_records(&client->request);
        copy_request(&client->request, &packet->request);
    }
}

static void send_reply(int client, uint64_t intent, bool whole)
{
    struct packet *packet = new_packet(client, intent);
    if (packet == NULL || chance(w.odds.drop)) {
        happened(WORLD_DROPPED);
        if (packet != NULL)
            packet->used = false;
        return;
    }
    packet->reply = true;
    packet->whole = whole;
}

/* Two clients a person: one clerk, two who may approve. */
static struct ledger_actor actor_of(int client)
{
    static const char *const person[] = {"anna", "berta", "carla"};
    static const char *const identity[] = {"uri:a", "uri:b", "uri:c"};
    int which = client < 0 ? 0 : client % 3;
    return (struct ledger_actor){person[which],
                                 which == 0 ? PLEDGED__V1__ROLE__ROLE_CLERK
                                            : PLEDGED__V1__ROLE__ROLE_APPROVER,
                                 identity[which], "CN=ca"};
}

/* Somebody takes commands. */
static bool is_open(void)
{
    return w.process.state == PROCESS_UP && !w.process.closed;
}

static struct call *new_call(int client, uint64_t intent)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        struct call *call = &w.call[i];
        if (call->used)
            continue;
        memset(&call->command, 0, sizeof(call->command));
        call->used = true;
        call->by_registrar = false;
        call->client = client;
        call->intent = intent;
        call->request.count = 0;
        pl_arena_init(&call->arena, LIMIT_CALL_ARENA_BYTES);
        call->command.arena = &call->arena;
        call->command.home = w.process.home;
        call->command.phase = COMMAND_QUEUED;
        call->command.actor = actor_of(client);
        return call;
    }
    return NULL;
}

/* Who brings records, or may erase some. */
static bool goes_by_registrar(const struct call *call)
{
    bool goes = call->command.row_count != 0;
    for (size_t i = 0; i < call->request.count; i++)
        goes = goes ||
               call->request.item[i].command_case == PLEDGED__V1__COMMAND__COMMAND_ERASE_CONTACT ||
               call->request.item[i].command_case == PLEDGED__V1__COMMAND__COMMAND_APPROVE;
    return goes && w.process.registrar != NULL;
}

static bool post_to_registrar(struct call *call)
{
    call->by_registrar = !w.process.stop && registrar_post(w.process.registrar, &call->command);
    w.process.records += call->by_registrar;
    if (!call->by_registrar)
        drop_call(call); /* busy, or about to end */
    return w.process.state == PROCESS_UP;
}

static bool post(struct call *call)
{
    if (call->command.kind == COMMAND_EXECUTE && goes_by_registrar(call))
        return post_to_registrar(call);
    if (call->command.kind == COMMAND_EXECUTE && call->command.item_count == 1 && errand_wanted() &&
        errand_try(&call->command))
        return true;
    if (w.process.state != PROCESS_UP)
        return false; /* it goes with the process */
    bool posted = pl_mailbox_post(w.process.inbox, &call->command.mail);
    if (!posted)
        drop_call(call); /* busy */
    return posted;
}

/* The records that travel with the one command. */
static void fill_rows(struct call *call)
{
    struct command *command = &call->command;
    const struct request_item *item = &call->request.item[0];
    if (call->request.count != 1 || item->records == 0)
        return;
    command->row_count = item->records;
    command->row = pl_arena_alloc(&call->arena, item->records * sizeof(*command->row));
    PL_ASSERT(command->row != NULL);
    for (size_t i = 0; i < item->records; i++) {
        const struct record *record = records_at(item->record[i]);
        memcpy(command->row[i].commitment, record->commitment, RECORD_KEY);
        memcpy(command->row[i].salt, record->salt, RECORD_KEY);
        command->row[i].record = pl_slice(record->bytes, record->len);
    }
}

/* What server/service does with a request: unpack, validate, hand over. */
static bool fill_items(struct call *call)
{
    struct command *command = &call->command;
    command->kind = COMMAND_EXECUTE;
    command->item_count = call->request.count;
    command->item = pl_arena_alloc(&call->arena, command->item_count * sizeof(*command->item));
    PL_ASSERT(command->item != NULL);
    for (size_t i = 0; i < command->item_count; i++) {
        struct command_item *item = &command->item[i];
        ProtobufCMessage *parsed = NULL;
        item->bytes = pl_slice(call->request.item[i].bytes, call->request.item[i].len);
        if (!pl_is_ok(pl_unpack_trusted(&pledged__v1__command__descriptor, item->bytes,
                                        &call->arena, &parsed)))
            return false;
        item->msg = (Pledged__V1__Command *)parsed;
        pl_sha256(item->bytes, item->digest);
        Pledged__V1__Refusal *refusal = ledger_validate(item->msg, &call->arena);
        if (refusal != NULL) {
            wrong("the simulator asks for what is not valid: %s: %s", refusal->field,
                  refusal->message);
            return false;
        }
    }
    fill_rows(call);
    return true;
}

static void deliver_request(struct packet *packet)
{
    struct client *client = &w.client[packet->client];
    bool mine = client->intent == packet->intent;
    struct call *call = is_open() ? new_call(packet->client, packet->intent) : NULL;
    if (call == NULL) {
        request_fini(&packet->request);
        return; /* nobody listens */
    }
    call->request = packet->request;
    if (w.canary == CANARY_TWICE && client->delivered != 0 && mine) {
        call->request.item[0].id[0] ^= 1;
        uint8_t *at = memmem(call->request.item[0].bytes, call->request.item[0].len,
                             client->request.item[0].id, MODEL_ID);
        if (at != NULL)
            at[0] ^= 1;
    }
    if (!fill_items(call)) {
        drop_call(call);
        return;
    }
    if (dice_below(&w.dice, 10) == 0 && !w.healthy)
        call->command.deadline_mono_ns =
            w.clock.mono_ns_now + (int64_t)dice_below(&w.dice, 100000000);
    if (post(call) && mine)
        client->delivered++;
    meet_fate();
}

static void forget_intent(struct client *client)
{
    request_fini(&client->request);
    client->waiting = false;
    client->intent = ++w.intents;
    client->sent = client->delivered = client->refused = 0;
}

static void deliver_reply(struct packet *packet)
{
    struct client *client = &w.client[packet->client];
    if (!client->waiting || client->intent != packet->intent)
        return; /* an answer to what nobody waits for any more */
    if (packet->whole) {
        client->retry_at_us = now_us() + 20000;
        return;
    }
    forget_intent(client);
}

static void run_wire(void);

static void deliver(void)
{
    if (w.wired) {
        run_wire();
        return;
    }
    int due[PACKETS_MAX], count = 0;
    for (int i = 0; i < PACKETS_MAX; i++) {
        if (w.packet[i].used && w.packet[i].due_us <= now_us())
            due[count++] = i;
    }
    if (count == 0)
        return;
    struct packet *packet = &w.packet[due[dice_below(&w.dice, (uint64_t)count)]];
    packet->used = false; /* what it owns goes on or is let go */
    if (packet->reply)
        deliver_reply(packet);
    else
        deliver_request(packet);
}

/* --- answers of the daemon --- */

static void take_view(void)
{
    if (w.process.state != PROCESS_UP)
        return;
    struct view *newer = pl_slot_take(&w.process.slot[0]);
    if (newer == NULL)
        return;
    view_unref(w.view);
    w.view = newer;
    const struct view_log *log = view_get_log(newer);
    if (log->size < w.seen.size)
        wrong("a view goes back from entry %" PRIu64 " to %" PRIu64, w.seen.size, log->size);
    w.seen = *log;
    learn_up_to(log->size);
}

static void check_verdict(const uint8_t id[MODEL_ID], Pledged__V1__Receipt *receipt,
                          Pledged__V1__Refusal *refusal)
{
    uint8_t bytes[REQUEST_BYTES_MAX];
    if ((receipt != NULL) == (refusal != NULL)) {
        wrong("a verdict that is neither or both");
        return;
    }
    ProtobufCMessage *verdict = NULL;
    uint64_t seq = 0;
    bool replay = false;
    if (receipt != NULL) {
        seq = receipt->seq;
        replay = receipt->kind == PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_REPLAY;
        receipt->kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
        verdict = &receipt->base;
    } else {
        seq = refusal->seq;
        replay = refusal->replay;
        refusal->replay = false;
        verdict = &refusal->base;
    }
    happened(replay ? WORLD_REPLAYS : WORLD_VERDICTS);
    if (seq == 0)
        return; /* nothing was recorded, and nobody says so for ever */
    size_t len = protobuf_c_message_get_packed_size(verdict);
    PL_ASSERT(len <= sizeof(bytes));
    (void)protobuf_c_message_pack(verdict, bytes);
    model_says(model_tell(&w.model, id, seq, pl_slice(bytes, len), receipt != NULL));
    take_view();
    if (w.process.state != PROCESS_UP || w.failed)
        return;
    if (w.late && w.lied && model_find(&w.model, id) != seq) {
        lost_the_end();
        return;
    }
    if (w.seen.size < seq)
        wrong("entry %" PRIu64 " was told before a view shows it (%" PRIu64 ")", seq, w.seen.size);
    else if (model_find(&w.model, id) != seq)
        wrong("a request was told entry %" PRIu64 ", the log has it at %" PRIu64, seq,
              model_find(&w.model, id));
    else if (dice_below(&w.dice, 12) == 0)
        is_durable(seq);
}

static void is_record_gone(const uint8_t commitment[RECORD_KEY])
{
    const char *what = "";
    records_say(records_is_gone(commitment, &what), &what);
}

/* What is told to be erased is erased, and of what came to nothing no record stays. (Of what no
 * entry says it is not known that it is over: an answer may be late, and the command under way.) */
static void check_gone(const struct request_item *item, const Pledged__V1__Receipt *receipt,
                       const Pledged__V1__Refusal *refusal)
{
    if (receipt == NULL && (refusal == NULL || refusal->seq == 0))
        return;
    if (w.process.registrar == NULL || w.process.state != PROCESS_UP || w.lied || w.late)
        return;
    const Pledged__V1__Outcome *outcome = receipt != NULL ? receipt->outcome : NULL;
    for (size_t i = 0; outcome != NULL && i < outcome->n_erased && !w.failed; i++)
        is_record_gone(outcome->erased[i].data);
    for (size_t i = 0; i < item->records && !w.failed; i++) {
        const struct record *record = records_at(item->record[i]);
        if (record->live_seq == 0) /* what another one erases goes when that one is told */
            is_record_gone(record->commitment);
    }
}

static int64_t minor_of(const Pledged__V1__Money *money)
{
    return money != NULL ? money->minor : 0;
}

/* As of the last entry the model knows the money too. */
static void check_money(const Pledged__V1__PledgeStatus *told, size_t number)
{
    int64_t settled = books_settled(&w.model.books, number);
    int64_t forgiven = books_forgiven(&w.model.books, number);
    if (minor_of(told->allocated) != settled ||
        minor_of(told->written_off) + minor_of(told->difference) != forgiven)
        wrong("a query shows %s with %" PRId64 " paid and %" PRId64 " forgiven, it is %" PRId64
              " and %" PRId64,
              told->pledge, minor_of(told->allocated),
              minor_of(told->written_off) + minor_of(told->difference), settled, forgiven);
}

static void check_pledge(const Pledged__V1__GetPledgeResponse *response)
{
    take_view();
    learn_up_to(response->as_of_seq);
    if (w.process.state != PROCESS_UP || w.failed)
        return;
    size_t number = strtoull(response->pledge->pledge + 1, NULL, 10) - 1;
    if (response->as_of_seq > w.model.entries || number >= w.model.pledges)
        wrong("a query shows entry %" PRIu64 ", which nobody knows", response->as_of_seq);
    else if ((int)response->pledge->stage != model_stage_at(&w.model, number, response->as_of_seq))
        wrong("a query shows %s in stage %d as of entry %" PRIu64 ", it was in %d",
              response->pledge->pledge, (int)response->pledge->stage, response->as_of_seq,
              model_stage_at(&w.model, number, response->as_of_seq));
    else if (response->as_of_seq == w.model.entries)
        check_money(response->pledge, number);
}

/* Sound rules decide nothing that their own check refuses. */
static void check_agreement(void)
{
    if (w.process.disagreements != 0)
        wrong("a decision that the check refused");
}

static void check_query(const struct call *call)
{
    const struct command *command = &call->command;
    happened(WORLD_QUERIES);
    if (command->code == PL_E_OK && command->response != NULL)
        check_pledge((const Pledged__V1__GetPledgeResponse *)command->response);
}

static void answer_call(struct call *call)
{
    struct command *command = &call->command;
    struct client *client = call->client >= 0 ? &w.client[call->client] : NULL;
    if (command->phase != COMMAND_DONE)
        wrong("an answer of a command that is not done");
    check_agreement();
    if (command->kind == COMMAND_QUERY) {
        check_query(call);
        return;
    }
    bool whole = command->code != PL_E_OK, again = whole;
    note("answer to %d/%" PRIu64 ": %s", call->client, call->intent, pl_code_name(command->code));
    if (whole)
        happened(WORLD_REFUSED_WHOLE);
    for (size_t i = 0; !whole && i < command->item_count && !w.failed; i++) {
        again = again || pl_code_retryable(command->item[i].code);
        check_verdict(call->request.item[i].id, command->item[i].receipt, command->item[i].refusal);
        if (!w.failed)
            check_gone(&call->request.item[i], command->item[i].receipt, command->item[i].refusal);
        if (w.process.state != PROCESS_UP)
            return;
    }
    if (client != NULL && client->intent == call->intent)
        client->refused += whole && command->code != PL_E_UNKNOWN_OUTCOME;
    if (client != NULL)
        send_reply(call->client, call->intent, again);
}

/* What the worker finds in its box. */
static void take_answers(void)
{
    struct pl_mail *mail = w.process.state == PROCESS_UP ? pl_mailbox_take(w.process.home) : NULL;
    while (mail != NULL && !w.over && w.process.state == PROCESS_UP) {
        struct call *call = (struct call *)mail; /* command and mail are the first members */
        mail = mail->next;
        w.process.records -= call->by_registrar;
        answer_call(call);
        drop_call(call);
    }
}

/* --- clients that come by connections --- */

static enum operator_person person_of(int client)
{
    static const enum operator_person person[CLIENTS] = {CARLA, ANNA, BERTA, EMIL, ANNA, BERTA};
    return person[client];
}

/* The oldest version of the operator's file that counts with some worker. */
static uint64_t oldest_version(void)
{
    uint64_t oldest = operator_version();
    for (unsigned door = 0; w.front != NULL && door < FRONT_DOORS; door++) {
        if (front_version(w.front, door) < oldest)
            oldest = front_version(w.front, door);
    }
    return oldest;
}

#define ROLE(name_) (1u << PLEDGED__V1__ROLE__ROLE_##name_)
static const unsigned anybody = ~ROLE(UNSPECIFIED);

static void hang_up(int number, int which)
{
    struct peer_answer answer;
    if (peer_look(w.peer[number][which], &answer) == PEER_WAITS)
        happened(WORLD_HUNG_UP);
    peer_hang_up(w.peer[number][which]);
}

static void append(struct pl_buf *buf, const void *bytes, size_t len)
{
    struct pl_status status = pl_buf_append(buf, bytes, len);
    PL_ASSERT(pl_is_ok(status));
}

/* A command, and the records that travel beside it. */
static void add_records(struct pl_buf *buf, const struct request_item *item)
{
    uint8_t head[] = {0x0a, (uint8_t)(item->len | 0x80), (uint8_t)(item->len >> 7)};
    append(buf, head, sizeof(head));
    append(buf, item->bytes, item->len);
    for (size_t i = 0; i < item->records; i++) {
        const struct record *record = records_at(item->record[i]);
        uint8_t bytes[RECORD_BYTES_MAX + 3 * RECORD_KEY];
        Pledged__V1__PrivateRecord message = PLEDGED__V1__PRIVATE_RECORD__INIT;
        message.commitment =
            (ProtobufCBinaryData){RECORD_KEY, (uint8_t *)(uintptr_t)record->commitment};
        message.salt = (ProtobufCBinaryData){RECORD_KEY, (uint8_t *)(uintptr_t)record->salt};
        message.record = (ProtobufCBinaryData){record->len, (uint8_t *)(uintptr_t)record->bytes};
        size_t len = pledged__v1__private_record__pack(&message, bytes);
        uint8_t begin[] = {0x12, (uint8_t)(len | 0x80), (uint8_t)(len >> 7)};
        append(buf, begin, sizeof(begin));
        append(buf, bytes, len);
    }
}

/* One command as it is, several as a batch. */
static bool ask_peer(struct peer *peer, struct peer_visit visit, const struct request *request,
                     int timeout_ms)
{
    struct pl_buf batch PL_CLEANUP(pl_buf_fini);
    struct peer_request ask = {.path = "/pledged.v1.LedgerService/Execute",
                               .message = pl_slice(request->item[0].bytes, request->item[0].len),
                               .timeout_ms = timeout_ms,
                               .input = &pledged__v1__command__descriptor,
                               .output = &pledged__v1__receipt__descriptor};
    pl_buf_init(&batch, REQUEST_ITEMS_MAX * (REQUEST_BYTES_MAX + 8));
    for (size_t i = 0; i < request->count && request->count > 1; i++) {
        const struct request_item *item = &request->item[i];
        uint8_t head[] = {0x0a, (uint8_t)(item->len | 0x80), (uint8_t)(item->len >> 7)};
        struct pl_status status = pl_buf_append(&batch, head, sizeof(head));
        if (pl_is_ok(status))
            status = pl_buf_append(&batch, item->bytes, item->len);
        PL_ASSERT(pl_is_ok(status) && item->len < 1 << 14);
        ask.path = "/pledged.v1.LedgerService/ExecuteBatch";
        ask.input = &pledged__v1__execute_batch_request__descriptor;
        ask.output = &pledged__v1__execute_batch_response__descriptor;
        ask.message = pl_buf_slice(&batch);
    }
    if (request->count == 1 && request->item[0].records != 0) {
        add_records(&batch, &request->item[0]);
        ask.path = "/pledged.v1.LedgerService/ExecutePrivate";
        ask.input = &pledged__v1__execute_private_request__descriptor;
        ask.message = pl_buf_slice(&batch);
    }
    return peer_ask(peer, visit, &ask);
}

static void send_wired(int number)
{
    struct client *client = &w.client[number];
    for (int copies = chance(w.odds.duplicate) ? 2 : 1; copies > 0; copies--) {
        int which = (int)dice_below(&w.dice, PEERS);
        struct peer *peer = w.peer[number][which];
        struct peer_answer ignored;
        bool waits = peer_look(peer, &ignored) == PEER_WAITS;
        bool same = waits && w.peer_intent[number][which] == client->intent;
        if (same && (w.healthy || dice_below(&w.dice, 2) == 0))
            continue; /* the connection holds: its answer must come */
        /* an attempt that still waits there ends at whatever byte it is */
        if (waits || chance(w.odds.drop / 4))
            hang_up(number, which);
        int timeout_ms =
            w.healthy || dice_below(&w.dice, 10) != 0 ? 0 : 1 + (int)dice_below(&w.dice, 100);
        if (!ask_peer(peer, peer_any_visit(&w.dice, person_of(number)), &client->request,
                      timeout_ms)) {
            happened(WORLD_DROPPED);
            continue;
        }
        bring_records(&client->request);
        client->delivered++;
        w.peer_intent[number][which] = client->intent;
        w.peer_start[number][which] = w.starts;
        w.peer_since[number][which] = oldest_version();
        note("%d/%" PRIu64 " is asked by connection %d", number, client->intent, which);
    }
}

static bool says_nothing_happened(const Pledged__V1__Refusal *refusal)
{
    return refusal->reason == PLEDGED__V1__REASON__REASON_BUSY ||
           refusal->reason == PLEDGED__V1__REASON__REASON_NO_SPACE ||
           refusal->reason == PLEDGED__V1__REASON__REASON_UNAVAILABLE ||
           refusal->reason == PLEDGED__V1__REASON__REASON_CLOCK_STOPPED ||
           refusal->reason == PLEDGED__V1__REASON__REASON_DATA_GONE ||
           refusal->reason == PLEDGED__V1__REASON__REASON_DEADLINE;
}

/* Nobody is turned away who may come in. */
static void check_turned_away(int number, int which, unsigned roles)
{
    happened(WORLD_TURNED_AWAY);
    if (!operator_might_not(w.peer_since[number][which], person_of(number), roles))
        wrong("%s may do what the roles %#x may, and is turned away",
              operator_name[person_of(number)], roles);
}

/* Nobody is served who may not. */
static void check_served(int number, int which, unsigned roles)
{
    if (!operator_might(w.peer_since[number][which], person_of(number), roles))
        wrong("%s may not do what the roles %#x may, and is served",
              operator_name[person_of(number)], roles);
}

static bool says_who_may(const Pledged__V1__Refusal *refusal)
{
    return refusal->seq == 0 && (refusal->reason == PLEDGED__V1__REASON__REASON_UNAUTHENTICATED ||
                                 refusal->reason == PLEDGED__V1__REASON__REASON_PERMISSION_DENIED);
}

/* Whatever a client asks, it asks in good form. */
static bool is_malformed(Pledged__V1__Reason reason)
{
    return (reason >= PLEDGED__V1__REASON__REASON_FIELD_REQUIRED &&
            reason <= PLEDGED__V1__REASON__REASON_COMMAND_MISSING) ||
           reason == PLEDGED__V1__REASON__REASON_UNKNOWN_FIELD ||
           reason == PLEDGED__V1__REASON__REASON_NOT_UTF8;
}

static void hear_verdict(int number, int which, size_t item, Pledged__V1__Receipt *receipt,
                         Pledged__V1__Refusal *refusal)
{
    const struct request_item *asked = &w.client[number].request.item[item];
    unsigned roles = model_roles(asked->command_case);
    if (refusal != NULL && says_who_may(refusal)) {
        check_turned_away(number, which, roles);
        return;
    }
    check_served(number, which, roles);
    /* a month is closed on a signed checkpoint, and nobody signs here */
    if (refusal != NULL && refusal->seq == 0 && is_malformed(refusal->reason) &&
        asked->command_case != PLEDGED__V1__COMMAND__COMMAND_CLOSE_PERIOD)
        wrong("a good request is refused: %s: %s", refusal->field, refusal->message);
    check_verdict(asked->id, receipt, refusal);
    if (!w.failed)
        check_gone(asked, receipt, refusal);
}

/* True: it has to ask again. */
static bool hear_refusal(int number, int which, const struct peer_answer *answer)
{
    struct client *client = &w.client[number];
    Pledged__V1__Refusal *refusal =
        answer->refusal.data == NULL
            ? NULL
            : pledged__v1__refusal__unpack(NULL, answer->refusal.len, answer->refusal.data);
    if (refusal == NULL) { /* the connection was cut off under it: nobody knows what became of it */
        check_turned_away(number, which, anybody);
        return true;
    }
    bool again = refusal->retryable;
    if (says_nothing_happened(refusal)) {
        client->refused++;
        happened(WORLD_REFUSED_WHOLE);
    } else if (client->request.count == 1) {
        hear_verdict(number, which, 0, NULL, refusal);
    } else if (says_who_may(refusal)) { /* of a batch it is only asked who they are */
        check_turned_away(number, which, anybody);
    }
    pledged__v1__refusal__free_unpacked(refusal, NULL);
    return again;
}

static bool hear_receipt(int number, int which, struct pl_slice body)
{
    Pledged__V1__Receipt *receipt = pledged__v1__receipt__unpack(NULL, body.len, body.data);
    if (receipt == NULL)
        wrong("a receipt that cannot be read");
    else
        hear_verdict(number, which, 0, receipt, NULL);
    pledged__v1__receipt__free_unpacked(receipt, NULL);
    return false;
}

static bool hear_batch(int number, int which, struct pl_slice body)
{
    struct client *client = &w.client[number];
    bool again = false;
    Pledged__V1__ExecuteBatchResponse *response =
        pledged__v1__execute_batch_response__unpack(NULL, body.len, body.data);
    if (response == NULL || response->n_result != client->request.count) {
        wrong("the answer to a batch is not one to each command");
        return false;
    }
    for (size_t i = 0; i < response->n_result && !w.failed; i++) {
        Pledged__V1__CommandResult *result = response->result[i];
        bool refused = result->result_case == PLEDGED__V1__COMMAND_RESULT__RESULT_REFUSAL;
        again = again || (refused && result->refusal->retryable);
        hear_verdict(number, which, i, refused ? NULL : result->receipt,
                     refused ? result->refusal : NULL);
    }
    pledged__v1__execute_batch_response__free_unpacked(response, NULL);
    return again;
}

static void hear(int number, int which)
{
    struct client *client = &w.client[number];
    struct peer_answer answer;
    enum peer_state state = peer_look(w.peer[number][which], &answer);
    bool mine = client->waiting && w.peer_intent[number][which] == client->intent;
    if (!mine || (state != PEER_ANSWERED && state != PEER_LOST))
        return;
    w.peer_intent[number][which] = 0;
    w.late = w.peer_start[number][which] != w.starts;
    note("answer to %d/%" PRIu64 " by connection %d: %s, status %d", number, client->intent, which,
         state == PEER_LOST ? "lost" : "whole", answer.grpc_status);
    bool again = true;
    if (state == PEER_ANSWERED && answer.grpc_status != 0)
        again = hear_refusal(number, which, &answer);
    else if (state == PEER_ANSWERED && client->request.count == 1)
        again = hear_receipt(number, which, answer.body);
    else if (state == PEER_ANSWERED)
        again = hear_batch(number, which, answer.body);
    if (again)
        client->retry_at_us = now_us() + 20000;
    else
        forget_intent(client);
}

/* --- an auditor, who reads by a connection --- */

static bool ask_auditor(const struct peer_request *ask)
{
    return peer_ask(w.auditor, peer_any_visit(&w.dice, DORA), ask);
}

/* What the notary signed, as the workers tell it. */
static bool ask_proof(void)
{
    uint8_t bytes[32];
    Pledged__V1__GetInclusionProofRequest of = PLEDGED__V1__GET_INCLUSION_PROOF_REQUEST__INIT;
    Pledged__V1__GetConsistencyProofRequest from = PLEDGED__V1__GET_CONSISTENCY_PROOF_REQUEST__INIT;
    struct peer_request ask = {.reads = true};
    w.audit_proof = (int)dice_below(&w.dice, 3);
    w.audit_about = 1 + dice_below(&w.dice, w.model.entries);
    of.seq = from.old_size = w.audit_about;
    switch ((enum checkpoints_question)w.audit_proof) {
    case CHECKPOINTS_NEWEST:
        ask.path = "/pledged.v1.LedgerService/GetCheckpoint";
        ask.input = &pledged__v1__get_checkpoint_request__descriptor;
        ask.output = &pledged__v1__get_checkpoint_response__descriptor;
        ask.message = pl_slice(bytes, 0);
        break;
    case CHECKPOINTS_INCLUSION:
        ask.path = "/pledged.v1.LedgerService/GetInclusionProof";
        ask.input = &pledged__v1__get_inclusion_proof_request__descriptor;
        ask.output = &pledged__v1__get_inclusion_proof_response__descriptor;
        ask.message = pl_slice(bytes, pledged__v1__get_inclusion_proof_request__pack(&of, bytes));
        break;
    case CHECKPOINTS_CONSISTENCY:
        ask.path = "/pledged.v1.LedgerService/GetConsistencyProof";
        ask.input = &pledged__v1__get_consistency_proof_request__descriptor;
        ask.output = &pledged__v1__get_consistency_proof_response__descriptor;
        ask.message =
            pl_slice(bytes, pledged__v1__get_consistency_proof_request__pack(&from, bytes));
        break;
    }
    return ask_auditor(&ask);
}

/* The signed tree, as files. */
static bool ask_file(void)
{
    char path[MIRROR_PATH_MAX];
    mirror_choose(&w.dice, w.model.entries, &w.audit_file, path);
    w.audits_file = true;
    return ask_auditor(&(struct peer_request){.path = path, .file = true});
}

static bool ask_dump(void)
{
    uint8_t bytes[32];
    Pledged__V1__DumpRequest request = PLEDGED__V1__DUMP_REQUEST__INIT;
    request.from_seq = w.audit_from = 1 + dice_below(&w.dice, w.model.entries + 1);
    request.to_seq = request.from_seq + dice_below(&w.dice, 40);
    size_t len = pledged__v1__dump_request__pack(&request, bytes);
    return ask_auditor(&(struct peer_request){.path = "/pledged.v1.LedgerService/Dump",
                                              .message = pl_slice(bytes, len),
                                              .stream = true,
                                              .input = &pledged__v1__dump_request__descriptor,
                                              .output = &pledged__v1__dump_response__descriptor});
}

static bool ask_pledge(void)
{
    uint8_t bytes[64];
    char id[32];
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    (void)snprintf(id, sizeof(id), "P%06" PRIu64, 1 + dice_below(&w.dice, w.model.pledges));
    request.pledge = id;
    size_t len = pledged__v1__get_pledge_request__pack(&request, bytes);
    return ask_auditor(
        &(struct peer_request){.path = "/pledged.v1.LedgerService/GetPledge",
                               .message = pl_slice(bytes, len),
                               .reads = true,
                               .input = &pledged__v1__get_pledge_request__descriptor,
                               .output = &pledged__v1__get_pledge_response__descriptor});
}

static void ask_wired(void)
{
    struct peer_answer ignored;
    if (peer_look(w.auditor, &ignored) == PEER_WAITS && dice_below(&w.dice, 4) != 0)
        return;
    peer_hang_up(w.auditor);
    w.audit_start = w.starts;
    w.audit_since = oldest_version();
    w.audit_from = 0;
    w.audit_proof = -1;
    w.audits_file = false;
    if (w.process.with_notary && w.model.entries != 0 && dice_below(&w.dice, 2) == 0)
        w.audits = dice_below(&w.dice, 2) == 0 ? ask_file() : ask_proof();
    else if (w.model.pledges == 0 || dice_below(&w.dice, 2) == 0)
        w.audits = ask_dump();
    else
        w.audits = ask_pledge();
}

static void hear_entries(const Pledged__V1__DumpResponse *response, uint64_t *seq)
{
    for (size_t i = 0; i < response->n_entry && !w.failed; i++, (*seq)++) {
        if (*seq > w.model.entries)
            wrong("a dump shows entry %" PRIu64 ", which nobody knows", *seq);
        else
            model_says(model_see(&w.model, *seq,
                                 pl_slice(response->entry[i].data, response->entry[i].len)));
    }
}

/* Entries as they are, in order, and all of those that were promised. */
static void hear_dump(struct pl_slice all)
{
    uint64_t seq = w.audit_from;
    bool over = false;
    for (size_t at = 0; at + 5 <= all.len && !w.failed;) {
        const uint8_t *head = all.data + at;
        size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        at += 5;
        Pledged__V1__DumpResponse *response =
            len > all.len - at ? NULL : pledged__v1__dump_response__unpack(NULL, len, head + 5);
        if (response == NULL || over) {
            wrong("a dump that cannot be read, or goes on after its end");
            return;
        }
        hear_entries(response, &seq);
        if (response->trailer != NULL) {
            over = true;
            if (response->trailer->to_seq + 1 != seq)
                wrong("a dump to entry %" PRIu64 " ends before %" PRIu64, response->trailer->to_seq,
                      seq);
        }
        pledged__v1__dump_response__free_unpacked(response, NULL);
        at += len;
    }
    if (!over && !w.failed)
        wrong("a dump ends well without its end");
}

static uint64_t durable_now(void)
{
    take_view();
    return w.process.state == PROCESS_UP ? w.seen.size : 0;
}

static void hear_file(const struct peer_answer *answer, bool lost)
{
    enum { FINE = 200, UNKNOWN = 401, DENIED = 403, MISSING = 404 };
    static const int later[] = {408, 429, 499, 503, 504}; /* late, busy, or not to be read now */
    const struct mirror_file *file = &w.audit_file;
    unsigned roles = mirror_roles(file);
    bool excused = false;
    for (size_t i = 0; i < PL_COUNT(later); i++)
        excused = excused || answer->http_status == later[i];
    if (excused || lost)
        return;
    happened(WORLD_FILES);
    if (answer->http_status == FINE && !operator_might(w.audit_since, DORA, roles))
        wrong("a file for somebody who may not have it");
    else if (answer->http_status == FINE)
        model_says(mirror_hear(&w.model, file, answer->all, w.lied ? 0 : durable_now()));
    else if (answer->http_status == MISSING)
        model_says(mirror_misses(&w.model, file));
    else if (answer->http_status != UNKNOWN && answer->http_status != DENIED)
        wrong("a file is answered with %d", answer->http_status);
    else if (!operator_might_not(w.audit_since, DORA, roles))
        wrong("a file is kept from somebody who may have it");
}

static void look_at_checkpoints(void);

static void hear_audit(void)
{
    struct peer_answer answer;
    enum peer_state state = peer_look(w.auditor, &answer);
    if (!w.audits || state == PEER_WAITS)
        return;
    w.audits = false;
    take_view(); /* the model has seen what anybody may see by now */
    bool lost = w.lied && w.audit_start != w.starts; /* what a lying disk took away since */
    look_at_checkpoints();
    witnesses_late(w.audit_start != w.starts);
    if (w.audits_file) {
        if (state == PEER_ANSWERED && w.process.state == PROCESS_UP && !w.failed && !w.over)
            hear_file(&answer, lost || w.audit_start != w.starts);
        return;
    }
    if (state != PEER_ANSWERED || answer.grpc_status != 0 || lost ||
        w.process.state != PROCESS_UP || w.failed)
        return;
    happened(WORLD_AUDITS);
    unsigned roles =
        w.audit_from != 0 ? ROLE(AUDITOR) : ROLE(AUDITOR) | ROLE(CLERK) | ROLE(APPROVER);
    if (w.audit_proof >= 0)
        roles = ~1u; /* whoever is on the roster */
    if (!operator_might(w.audit_since, DORA, roles)) {
        wrong("an answer to somebody who may not ask");
        return;
    }
    if (w.audit_from != 0) {
        hear_dump(answer.all);
        return;
    }
    if (w.audit_proof >= 0) {
        const unsigned seers = ROLE(AUDITOR) | ROLE(CLERK) | ROLE(APPROVER);
        const struct checkpoints_sight sight = {
            .may_be = operator_might(w.audit_since, DORA, seers),
            .may_be_none = operator_might(w.audit_since, DORA, ~1u & ~seers)};
        model_says(checkpoints_hear((enum checkpoints_question)w.audit_proof, w.audit_about, sight,
                                    answer.body, w.lied ? 0 : durable_now()));
        return;
    }
    Pledged__V1__GetPledgeResponse *response =
        pledged__v1__get_pledge_response__unpack(NULL, answer.body.len, answer.body.data);
    if (response == NULL)
        wrong("an answer that cannot be read");
    else
        check_pledge(response);
    pledged__v1__get_pledge_response__free_unpacked(response, NULL);
}

static void look_at_checkpoints(void)
{
    if (w.process.notary == NULL || w.process.state != PROCESS_UP || w.over)
        return;
    uint64_t durable = durable_now();
    quiet(true);
    if (w.process.state == PROCESS_UP && !w.over)
        model_says(checkpoints_look(w.process.notary, durable));
    if (w.process.state == PROCESS_UP && !w.over && w.process.witness != NULL)
        model_says(witnesses_look(w.process.witness, w.process.notary, w.lied ? 0 : durable));
    quiet(false);
}

static void look_at_reloads(void)
{
    if (w.front == NULL || oldest_version() <= w.reloads)
        return;
    w.reloads = oldest_version();
    happened(WORLD_RELOADS);
    note("every worker has version %" PRIu64, w.reloads);
    watchers_reloaded();
}

static void run_peer(int number, int which)
{
    peer_run(w.peer[number][which]);
    hear(number, which);
}

/* A few things of those that happen between clients and the daemon, in any order. */
static void run_wire(void)
{
    for (int i = w.healthy ? 24 : 1 + (int)dice_below(&w.dice, 48); i > 0 && !w.over; i--) {
        uint64_t dice = dice_below(&w.dice, 3);
        if (dice == 0)
            (void)wire_move();
        else if (dice == 1)
            (void)(w.front != NULL && wire_run_event()), meet_fate();
        else
            run_peer((int)dice_below(&w.dice, CLIENTS), (int)dice_below(&w.dice, PEERS));
    }
    look_at_reloads();
    if (!w.over) {
        peer_run(w.auditor);
        hear_audit();
        if (w.process.with_notary && !w.audits && dice_below(&w.dice, 8) == 0)
            ask_wired();
    }
    for (int i = w.healthy ? 3 : 1; i > 0 && !w.over; i--)
        model_says(watchers_run(w.starts, w.healthy, w.lied));
}

static void read_a_tier(void)
{
    static const char *const code[] = {"top", "duo"};
    static const int places[] = {1, 2};
    if (w.view == NULL || w.process.state != PROCESS_UP)
        return;
    int which = (int)dice_below(&w.dice, 2);
    struct pl_arena arena;
    Pledged__V1__GetTierRequest request = PLEDGED__V1__GET_TIER_REQUEST__INIT;
    ProtobufCMessage *response = NULL;
    Pledged__V1__Refusal *refusal = NULL;
    request.tier = (char *)(uintptr_t)code[which];
    pl_arena_init(&arena, 1 << 20);
    happened(WORLD_READS);
    /* at the time 0 no hold is over, so that the answer is the log's own */
    if (view_get_tier(w.view, 0, &request, &arena, &response, &refusal) == PL_E_OK) {
        const Pledged__V1__GetTierResponse *tier = (const Pledged__V1__GetTierResponse *)response;
        uint64_t seq = tier->as_of_seq;
        int64_t left = tier->tier->remaining->count;
        if (seq == 0 || seq > w.model.entries)
            wrong("a view is of entry %" PRIu64 ", the log has %zu", seq, w.model.entries);
        else if (left != places[which] - w.model.entry[seq - 1].taken[which])
            wrong("as of entry %" PRIu64 " a reader sees %" PRId64 " places of %s, there are %d",
                  seq, left, code[which], places[which] - w.model.entry[seq - 1].taken[which]);
    }
    pl_arena_fini(&arena);
}

static void ask(void)
{
    if (w.wired && dice_below(&w.dice, 2) == 0) {
        ask_wired();
        return;
    }
    if (!is_open() || w.model.pledges == 0)
        return;
    struct call *call = new_call(-1, 0);
    if (call == NULL)
        return;
    Pledged__V1__GetPledgeRequest *request = pl_arena_alloc(&call->arena, sizeof(*request));
    PL_ASSERT(request != NULL);
    pledged__v1__get_pledge_request__init(request);
    request->pledge =
        pl_arena_printf(&call->arena, "P%06" PRIu64, 1 + dice_below(&w.dice, w.model.pledges));
    call->command.kind = COMMAND_QUERY;
    call->command.query = query_get_pledge;
    call->command.request = &request->base;
    (void)post(call);
}

/* --- clients --- */

static void want_something(int number)
{
    struct client *client = &w.client[number];
    if (!w.model.catalogue)
        request_adopt(&client->request, &w.dice);
    else
        request_make(&client->request, &w.dice, &w.model,
                     chance(w.odds.fat)    ? REQUEST_FAT
                     : chance(w.odds.many) ? REQUEST_MANY
                                           : REQUEST_ANY);
    client->intent = ++w.intents;
    client->waiting = true;
    client->sent = client->delivered = client->refused = 0;
    happened(WORLD_REQUESTS);
    note("client %d wants %" PRIu64 " (%zu commands)", number, client->intent,
         client->request.count);
    send_request(number);
}

/* It gives up. If every copy was answered "nothing happened", that must have been true. */
static void vanish(int number)
{
    struct client *client = &w.client[number];
    bool flying = false;
    for (int i = 0; i < PACKETS_MAX; i++)
        flying = flying ||
                 (w.packet[i].used && !w.packet[i].reply && w.packet[i].intent == client->intent);
    happened(WORLD_VANISHED);
    note("client %d vanishes", number);
    for (int which = 0; which < PEERS && w.wired; which++) {
        if (dice_below(&w.dice, 2) == 0)
            hang_up(number, which);
    }
    for (size_t i = 0; i < client->request.count && !flying && client->refused == client->delivered;
         i++) {
        if (w.nevers < NEVER_MAX)
            memcpy(w.never[w.nevers++], client->request.item[i].id, MODEL_ID);
    }
    forget_intent(client);
}

static void move_client(void)
{
    int number = (int)dice_below(&w.dice, CLIENTS);
    struct client *client = &w.client[number];
    if (!client->waiting) {
        want_something(number);
    } else if (client->retry_at_us <= now_us()) {
        if (chance(w.odds.vanish)) {
            vanish(number);
            return;
        }
        happened(WORLD_RETRIES);
        send_request(number);
    }
}

/* --- what goes wrong --- */

static void jump(void)
{
    int64_t far_us = w.odds.small_jumps ? 4 * SECOND_US : 40000 * SECOND_US;
    int64_t by_us = (int64_t)dice_below(&w.dice, (uint64_t)(2 * far_us)) - far_us;
    happened(WORLD_JUMPS);
    note("the clock jumps by %" PRId64 " ms", by_us / 1000);
    w.clock.wall_us_now += by_us;
    if (w.canary != CANARY_CLOCK)
        w.model.clock_jumped = true;
}

static void save_snapshot(void)
{
    struct recover_options options;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    struct snapshot_meta meta;
    process_options(&w.process, true, &options);
    struct pl_status status = recover_open(&options, &report, &store, &ledger);
    if (pl_is_ok(status)) {
        status = recover_save(&options, store, ledger, 2, &meta);
        ledger_free(ledger);
        store_close(store);
    }
    note("snapshot: %s", pl_code_name(status.code));
    if (pl_is_ok(status))
        happened(WORLD_SNAPSHOTS);
}

static void lie(void)
{
    static const enum disk_fault kinds[] = {DISK_BIT_FLIP, DISK_BIT_FLIP, DISK_LOST_WRITE,
                                            DISK_MISDIRECTED};
    enum disk_fault fault = kinds[dice_below(&w.dice, 4)];
    if (damaged())
        return; /* one at a time: the operator repairs before the next */
    w.lied = w.lied || fault != DISK_BIT_FLIP;
    w.seg_hash = 0;
    note("the disk lies: %s", disk_fault_name[fault]);
    disk_lie(fault, dice_below(&w.dice, 5) == 0 ? ".snap" : ".seg");
}

/* Somebody moves the data directory, or puts it back. */
static void move_directory(void)
{
    struct file_report report;
    struct store_head head = {0};
    if (disk_is_away()) {
        note("the directory is back");
        disk_move(false);
        return;
    }
    if (w.process.state != PROCESS_UP || damaged() || !pl_is_ok(open_durable(&head, &report)))
        return;
    w.there_before = head.next_seq - 1;
    disk_move(w.went_away = true);
    happened(WORLD_AWAY);
    note("the directory is away, behind entry %" PRIu64, w.there_before);
}

/* What an engine may say of an append that the embedded one hardly ever does. */
static void engine_fails(void)
{
    static const enum store_outcome outcomes[] = {STORE_UNAVAILABLE, STORE_NO_SPACE, STORE_UNKNOWN};
    if (w.process.state != PROCESS_UP || fault_appends(w.process.store) < w.process.planned)
        return; /* one plan at a time */
    unsigned nth = (unsigned)dice_below(&w.dice, 3);
    struct fault fault = {.kind = FAULT_APPLIED_UNKNOWN, .delay = (unsigned)dice_below(&w.dice, 5)};
    if (dice_below(&w.dice, 3) != 0) {
        fault.kind = FAULT_NOT_APPLIED;
        fault.outcome = outcomes[dice_below(&w.dice, 3)];
    }
    bool again = fault.kind == FAULT_APPLIED_UNKNOWN || fault.outcome == STORE_UNKNOWN;
    /* what is submitted again after UNKNOWN is left alone: no engine takes a definite answer back
     */
    w.process.planned = fault_appends(w.process.store) + nth + 1 + again;
    fault_plan(w.process.store, nth, fault);
    happened(WORLD_ENGINE);
    note("append %u from now fails: kind %d, outcome %d", nth, (int)fault.kind, (int)fault.outcome);
}

/* Somebody edits the file and sends SIGHUP, once or more than once. */
static void edit_the_file(void)
{
    operator_edit();
    happened(WORLD_EDITS);
    note("the file is edited: version %" PRIu64, operator_version());
    for (uint64_t times = 1 + dice_below(&w.dice, 2); times > 0 && w.front != NULL; times--)
        front_reload(w.front);
}

/* SIGTERM. */
static void ask_to_end(void)
{
    note("asked to end");
    w.leaving = true;
    if (w.front != NULL)
        front_drain(w.front);
}

static void misfortune(void)
{
    if (chance(w.odds.kill) && w.process.state != PROCESS_DOWN) {
        note("kill");
        happened(WORLD_KILLS);
        kill_process();
    }
    /* mostly where it hurts */
    if (chance(w.odds.power * (disk_is_unsynced() ? 6 : 1)))
        power_loss();
    if (chance(w.odds.stop) && w.process.state == PROCESS_UP)
        ask_to_end();
    if (chance(w.odds.jump))
        jump();
    if (w.wired && chance(w.odds.cut))
        wire_break();
    if (w.wired && chance(w.odds.reload))
        edit_the_file();
    if (chance(w.odds.snapshot) && w.process.state == PROCESS_UP && !disk_is_away())
        save_snapshot();
    if (chance(w.odds.away * (disk_is_away() ? 8 : 1)))
        move_directory();
    if (chance(w.odds.engine))
        engine_fails();
    if (chance(w.odds.lie))
        lie();
    if (chance(w.odds.full)) {
        w.full = !w.full;
        if (w.full)
            happened(WORLD_FULL);
        note("the disk is %s", w.full ? "full" : "not full any more");
        disk_set_room(w.full ? dice_below(&w.dice, 3 << 20) : 1ull << 40);
    }
}

/* --- a run --- */

static void pass_time(void)
{
    static const int64_t steps_us[] = {200, 1000, 5000, 30000, 300000};
    pl_clock_fake_advance_us(&w.clock, steps_us[dice_below(&w.dice, 5)]);
}

static void step(void)
{
    w.step++;
    w.report->steps++;
    uint64_t dice = dice_below(&w.dice, 100);
    if (w.process.state == PROCESS_DOWN && dice_below(&w.dice, 20) == 0)
        start_process();
    if (dice < 45) {
        (void)run_a_fiber();
    } else if (dice < 63) {
        deliver();
    } else if (dice < 82) {
        move_client();
    } else if (dice < 88) {
        take_view();
        read_a_tier();
    } else if (dice < 90) {
        ask();
    } else {
        pass_time();
    }
    take_answers();
    look_at_checkpoints();
    (void)witnesses_move();
    go_on_leaving();
    if (!w.healthy)
        misfortune();
    process_look(&w.process);
    if (w.process.state == PROCESS_FAILED && !w.over)
        look_at_failure();
}

static uint32_t one_of(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t choice[] = {a, b, c};
    return choice[dice_below(&w.dice, 3)];
}

/* Each seed has its own mix of faults: what never happens together is never tested together. */
static void choose_odds(void)
{
    struct odds *odds = &w.odds;
    uint32_t *rate = w.plan.rate;
    w.plan.pause = one_of(0, 100000, 400000);
    rate[DISK_SHORT_READ] = one_of(0, 10000, 300000);
    rate[DISK_SHORT_WRITE] = one_of(0, 10000, 300000);
    rate[DISK_INTERRUPTED] = one_of(0, 10000, 100000);
    rate[DISK_READ_FAILED] = one_of(0, 0, 5000);
    rate[DISK_WRITE_FAILED] = one_of(0, 0, 10000);
    rate[DISK_SYNC_FAILED] = one_of(0, 0, 20000);
    rate[DISK_META_FAILED] = one_of(0, 0, 10000);
    w.looks_fail = rate[DISK_META_FAILED] != 0;
    odds->kill = one_of(0, 2000, 8000);
    odds->power = one_of(0, 2000, 8000);
    odds->stop = one_of(0, 1000, 3000);
    odds->full = one_of(0, 0, 5000);
    odds->lie = one_of(0, 0, 4000);
    odds->jump = one_of(0, 0, 4000);
    odds->small_jumps = dice_below(&w.dice, 2) == 0;
    odds->snapshot = one_of(0, 2000, 8000);
    odds->engine = one_of(0, 0, 20000);
    odds->drop = one_of(0, 50000, 300000);
    odds->duplicate = one_of(0, 100000, 500000);
    odds->vanish = one_of(0, 50000, 300000);
    odds->fat = one_of(0, 0, dice_below(&w.dice, 3) == 0 ? 300000 : 0);
    w.plan.lying_sync = w.canary == CANARY_SYNC;
    odds->cut = one_of(0, 1000, 8000);
    w.wired = w.canary != CANARY_TWICE && dice_below(&w.dice, 3) == 0;
    /* which decisions need two persons; the catalogue never does, or nothing would ever begin */
    uint32_t four_eyes = (uint32_t)dice_roll(&w.dice) & 0xfbe &
                         ~(1u << PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_CATALOGUE);
    odds->reload = one_of(0, 4000, 20000);
    odds->helm = one_of(0, 300000, 900000);
    odds->slow = one_of(0, 10000, 300000);
    operator_begin(&w.dice, w.wired, four_eyes);
    w.model.roles = w.wired;
}

static void tell_witness(const char *line)
{
    note("%s", line);
}

static void begin(uint64_t seed, enum canary canary, bool trace, struct world_report *report)
{
    memset(&w, 0, sizeof(w));
    w.seed = seed;
    w.canary = canary;
    w.trace = trace;
    w.report = report;
    w.dice.state = seed * 0x9e3779b97f4a7c15ull + 1;
    w.trail = 0xcbf29ce484222325ull;
    model_init(&w.model);
    pl_clock_fake_init(&w.clock, START_US);
    w.clock.mono_ns_now = 1000000000;
    disk_reset(&w.dice);
    choose_odds();
    w.process.with_notary = dice_below(&w.dice, 4) == 0;
    /* by dice of its own, so that what other seeds do is what they did before it was here */
    struct dice apart = {.state = ~w.dice.state};
    w.process.with_registrar = dice_below(&apart, 4) == 0;
    w.odds.away = dice_below(&apart, 4) == 0 ? 4000 : 0;
    records_begin(&w.dice, w.process.with_registrar);
    cabinet_begin(&w.dice, &w.clock.clock);
    if (w.process.with_notary)
        checkpoints_begin(&w.model);
    /* a tree of more than one tile */
    w.odds.many = w.process.with_notary && dice_below(&w.dice, w.wired ? 4 : 8) == 0 ? 900000 : 0;
    w.process.with_witnesses = w.process.with_notary && dice_below(&apart, 3) != 0;
    const struct witnesses_ground witnesses = {dice_roll(&apart), &w.clock, &w.model, tell_witness};
    witnesses_begin(&witnesses, w.process.with_witnesses);
    disk_set_plan(&w.plan);
    disk_set_room(1ull << 40);
    w.process.clock = &w.clock.clock;
    w.process.segment_bytes = SEGMENT_BYTES;
    w.model.clock_jumped = false;
    errand_begin(&(struct errand_ground){&w.dice, &w.process, w.odds.helm, meanwhile});
    wire_reset(&w.dice, &w.clock);
    fiber_use_clock(&w.clock.clock);
    for (int i = 0; i < CLIENTS * PEERS && w.wired; i++)
        w.peer[i / PEERS][i % PEERS] = peer_new();
    w.auditor = w.wired ? peer_new() : NULL;
    if (w.wired)
        watchers_begin(&(struct watchers_ground){&w.dice, &w.model, durable_now, oldest_version});
}

/* All but what is left to witnesses. */
static bool is_nearly_settled(void)
{
    if (w.process.state != PROCESS_UP || w.leaving || !writer_idle(w.process.writer))
        return false;
    for (int i = 0; i < CLIENTS; i++) {
        if (w.client[i].waiting)
            return false;
    }
    /* all of a log of which nothing was lost is signed */
    if (w.process.notary != NULL && notary_why_read_only(w.process.notary) == NULL && !w.lied &&
        checkpoints_told() < w.seen.size)
        return false;
    /* a reload comes to its end, and everybody hears of everything */
    return oldest_version() == operator_version() && (!w.wired || watchers_have_all());
}

/* What is signed is cosigned. */
static bool is_settled(void)
{
    return is_nearly_settled() &&
           (w.process.witness == NULL || notary_why_read_only(w.process.notary) != NULL || w.lied ||
            witnesses_told() >= w.seen.size);
}

/* The operator has read why nothing is signed any more: that witness was wrong. */
static void end_silence(void)
{
    if (w.process.witness == NULL || !witnesses_silenced())
        return;
    note("it was silent, and is started again");
    kill_process();
}

/* Safety is not enough: with all well again it must serve. */
static void be_healthy(void)
{
    w.healthy = true;
    wire_be_well(true);
    operator_repair();
    witnesses_repair();
    end_silence();
    if (w.front == NULL) /* else it is too late: doors are closed already */
        w.leaving = w.process.stop = false;
    note("healthy from here on");
    uint32_t pause = w.plan.pause;
    memset(&w.plan, 0, sizeof(w.plan));
    w.plan.pause = pause;
    w.plan.lying_sync = w.canary == CANARY_SYNC;
    memset(&w.odds, 0, sizeof(w.odds));
    disk_set_plan(&w.plan);
    disk_set_room(1ull << 40);
    disk_move(false);
    disk_lie(DISK_FAULTS, "");
    if (damaged()) { /* nobody noticed so far; the start does */
        kill_process();
        disk_power_loss(LOSE_ALL, false);
    }
    w.clock.wall_us_now = START_US + w.clock.mono_ns_now / 1000 - SECOND_US;
    w.ahead_us = 0;
    for (int i = 0; i < SETTLE_STEPS && !w.over && !is_settled(); i++) {
        w.step++;
        w.report->steps++;
        if (w.process.state == PROCESS_DOWN)
            start_process();
        (void)run_a_fiber();
        take_answers();
        look_at_checkpoints();
        (void)witnesses_move();
        go_on_leaving();
        deliver();
        for (int c = 0; c < CLIENTS; c++) {
            if (w.client[c].waiting && w.client[c].retry_at_us <= now_us())
                send_request(c);
        }
        if (i % 100 == 0 && w.front != NULL && oldest_version() != operator_version())
            front_reload(w.front); /* the last one may have been refused */
        if (witnesses_on() && witnesses_silenced())
            end_silence(); /* an answer from before was under way */
        /* a witness that failed is left alone for a while */
        pl_clock_fake_advance_us(&w.clock, is_nearly_settled() ? 100000 : 5000);
    }
    if (!w.over && !is_settled())
        wrong("with all well, it does not come to rest");
}

/* A connection that holds brings its answer in the end: a large request that is refused by its head
 * is told to stop after a while only, so that who sends it comes to read the answer. */
static void all_are_answered(void)
{
    struct peer_answer ignored;
    for (int i = 0; i < CLIENTS * PEERS && w.wired && !w.over; i++) {
        int number = i / PEERS, which = i % PEERS;
        for (int turn = 0; turn < 4000 && !w.over; turn++) {
            if (peer_look(w.peer[number][which], &ignored) != PEER_WAITS)
                break;
            (void)run_a_fiber();
            take_answers();
            run_wire();
            pl_clock_fake_advance_us(&w.clock, 1000);
        }
        if (!w.over && peer_look(w.peer[number][which], &ignored) == PEER_WAITS)
            wrong("client %d waits for ever on connection %d", number, which);
    }
}

/* One more command must be accepted, promptly. */
static void serve_once_more(void)
{
    uint8_t id[MODEL_ID];
    if (w.over)
        return;
    struct client *client = &w.client[1];
    request_plain(&client->request, &w.dice);
    memcpy(id, client->request.item[0].id, sizeof(id));
    client->intent = ++w.intents;
    client->waiting = true;
    client->sent = client->delivered = client->refused = 0;
    send_request(1);
    for (int i = 0; i < 2000 && !w.over && client->waiting; i++) {
        (void)run_a_fiber();
        take_answers();
        deliver();
        if (client->waiting && client->retry_at_us <= now_us())
            send_request(1);
        pl_clock_fake_advance_us(&w.clock, 5000);
    }
    if (!w.over && (client->waiting || model_find(&w.model, id) == 0))
        wrong("with all well, a good command is not accepted");
}

/* With all well, calls that run when SIGTERM comes have the time to end. */
static void ask_a_last_time(void)
{
    static const int who[] = {1, 3};
    for (size_t i = 0; i < PL_COUNT(who) && w.wired; i++) {
        struct client *client = &w.client[who[i]];
        request_plain(&client->request, &w.dice);
        client->intent = ++w.intents;
        client->waiting = true;
        client->sent = client->delivered = client->refused = 0;
        send_request(who[i]);
    }
    for (uint64_t turns = dice_below(&w.dice, 12); turns > 0 && w.wired && !w.over; turns--) {
        (void)run_a_fiber();
        take_answers();
        run_wire();
    }
}

/* What was recorded was told: nobody is left with a question. */
static void check_told(void)
{
    for (int i = 0; i < CLIENTS && !w.over; i++) {
        const struct client *client = &w.client[i];
        uint64_t seq = client->waiting ? model_find(&w.model, client->request.item[0].id) : 0;
        if (seq != 0)
            wrong("entry %" PRIu64 " was recorded before an orderly end, and client %d not told",
                  seq, i);
    }
}

static void end_in_order(void)
{
    ask_a_last_time();
    if (!w.over)
        ask_to_end();
    for (int i = 0; i < 5000 && !w.over && w.process.state != PROCESS_DOWN; i++) {
        go_on_leaving();
        (void)run_a_fiber();
        pl_clock_fake_advance_us(&w.clock, 1000); /* the writer may wait to try the disk again */
        take_answers();
        if (w.wired)
            run_wire();
    }
    if (!w.over && w.process.state != PROCESS_DOWN)
        wrong("it does not end");
    for (int i = 0; i < 200 && w.wired && !w.over; i++)
        run_wire(); /* what it said last is still on its way */
}

static void end_and_look(void)
{
    end_in_order();
    if (w.over)
        return;
    disk_power_loss(LOSE_ALL, false); /* whatever it acknowledged must be there */
    start_process();
    for (int i = 0; i < 5000 && !w.over && w.process.state != PROCESS_UP; i++)
        (void)run_a_fiber();
    if (!w.over && w.process.state != PROCESS_UP)
        wrong("it does not start again");
    if (!w.over)
        check_state();
    check_told();
    for (size_t i = 0; i < w.nevers && !w.over; i++) {
        if (model_find(&w.model, w.never[i]) != 0)
            wrong("a client was told that nothing happened, and entry %" PRIu64 " did",
                  model_find(&w.model, w.never[i]));
    }
}

static void finish(struct world_report *report)
{
    report->seeds++;
    report->calls += disk_calls();
    report->event[WORLD_CHECKPOINTS] += w.process.with_notary ? checkpoints_seen() : 0;
    report->event[WORLD_PROOFS] += w.process.with_notary ? checkpoints_proofs() : 0;
    report->event[WORLD_ROLL_BACKS] += w.process.rebuilds;
    report->event[WORLD_ERASED] += records_erased();
    const struct witnesses_report witnesses = witnesses_report();
    report->event[WORLD_ASKED] += witnesses.asked;
    report->event[WORLD_REFUSED] += witnesses.refused;
    report->event[WORLD_COSIGNED] += witnesses.cosigned;
    report->event[WORLD_FED] += witnesses.fed;
    report->event[WORLD_SILENCED] += witnesses.silenced;
    const struct errand_report errands = errand_report();
    report->event[WORLD_HELM] += errands.taken;
    report->event[WORLD_HELM_BUSY] += errands.tries - errands.taken - errands.cut;
    report->event[WORLD_HELM_CUT] += errands.cut;
    for (int i = 0; i < DISK_FAULTS; i++)
        report->fault[i] += disk_count((enum disk_fault)i);
    for (size_t i = 0; i < w.model.pledges; i++)
        report->event[WORLD_EXPIRED] +=
            model_stage_at(&w.model, i, UINT64_MAX) == PLEDGED__V1__STAGE__STAGE_EXPIRED;
    kill_process();
    witnesses_end();
    for (int i = 0; i < CLIENTS * PEERS; i++)
        peer_free(w.peer[i / PEERS][i % PEERS]);
    peer_free(w.auditor);
    if (w.wired) {
        const struct watchers_report *watched = watchers_report();
        report->event[WORLD_STREAMS] += watched->streams;
        report->event[WORLD_RESUMED] += watched->resumed;
        report->event[WORLD_WATCHED] += watched->entries;
        report->event[WORLD_HEARTBEATS] += watched->heartbeats;
        watchers_end();
    }
    const struct peer_report answers = peer_take_report();
    report->event[WORLD_GRPC] += answers.grpc;
    report->event[WORLD_WEB] += answers.web;
    report->event[WORLD_CONNECT] += answers.connect;
    report->event[WORLD_LINE] += answers.line;
    report->event[WORLD_JSON] += answers.json;
    report->event[WORLD_JSON_STREAMS] += answers.streams;
    report->event[WORLD_GET] += answers.get;
    report->event[WORLD_TEXT] += answers.text;
    report->event[WORLD_CONNECTIONS] += wire_report()->connections;
    report->event[WORLD_BROKEN] += wire_report()->broken;
    report->event[WORLD_PIECES] += wire_report()->pieces;
    for (int i = 0; i < PACKETS_MAX; i++) {
        if (w.packet[i].used && !w.packet[i].reply)
            request_fini(&w.packet[i].request);
    }
    for (int i = 0; i < CLIENTS; i++)
        request_fini(&w.client[i].request);
    model_fini(&w.model);
}

bool world_run(uint64_t seed, enum canary canary, bool trace, struct world_report *report,
               const char **ret_what, uint64_t *ret_trail)
{
    begin(seed, canary, trace, report);
    uint64_t steps = 300 + dice_below(&w.dice, 1200);
    while (w.step < steps && !w.over)
        step();
    if (!w.over)
        be_healthy();
    all_are_answered();
    serve_once_more();
    if (!w.over)
        end_and_look();
    if (w.failed) {
        static char what[700];
        (void)snprintf(what, sizeof(what), "step %" PRIu64 ": %s", w.step, w.what);
        *ret_what = what;
    }
    *ret_trail = w.trail;
    bool fine = !w.failed;
    finish(report);
    return fine;
}
