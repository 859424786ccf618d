/* SPDX-License-Identifier: Apache-2.0
 *
 * world_life: the process in the world: how it starts, ends, is killed and put right, and what must
 * hold of what is on its disk.
 */
#include "common/hash.h"
#include "tests/sim/world_private.h"

/* --- the log, read as a worker or an auditor reads it --- */

void world_records_say(bool fine, const char *const *what)
{
    if (!fine)
        world_wrong("%s", *what);
}

static void see_records(struct pl_slice bytes)
{
    const char *what = "";
    Pledged__V1__Entry *entry = pledged__v1__entry__unpack(NULL, bytes.len, bytes.data);
    PL_ASSERT(entry != NULL); /* the model has read it */
    world_records_say(records_see(entry, &what), &what);
    pledged__v1__entry__free_unpacked(entry, NULL);
}

static struct pl_status see_entry(void *arg, uint64_t seq, struct pl_slice bytes)
{
    (void)arg;
    size_t before = world.model.entries;
    bool fine = model_see(&world.model, seq, bytes);
    /* a life that wrote its first batch and did not come up may have gone on from an end that the
     * disk lost: nobody looked then */
    if (!fine && seq <= before && world.lied && world.starts > world.up_start + 1) {
        world_lost_the_end();
        return pl_fail(CORRUPT, "it was lost");
    }
    world_model_says(fine);
    if (world.model.entries != before) {
        world_happened(WORLD_ENTRIES);
        if (records_on())
            see_records(bytes);
        world.trail = (world.trail ^ pl_xxh3(bytes, seq)) * 0x100000001b3ull;
    }
    return world.failed ? pl_fail(CORRUPT, "the model says no") : pl_ok();
}

/* Damage was found while it ran: the operator stops it. */
static void found_damage(const char *who)
{
    world_note("%s finds damage", who);
    world_happened(WORLD_CORRUPT);
    world.process.stop = false;
    world.process.state = PROCESS_FAILED;
    world.process.status = pl_fail(CORRUPT, "found by a reader");
}

/* Entries from..to, durable as we were told, into the model. */
static void read_log(uint64_t from, uint64_t to)
{
    if (from > to || world.process.state != PROCESS_UP)
        return;
    world_quiet(true);
    if (world.reader == NULL && !pl_is_ok(store_reader_open(world.process.store, &world.reader)))
        world_wrong("a reader cannot be opened");
    struct pl_status status =
        world.failed ? pl_ok() : store_reader_read(world.reader, from, to, see_entry, NULL);
    world_quiet(false);
    if (pl_is_ok(status) || world.failed || world.over)
        return;
    if (world_damaged())
        found_damage("a reader");
    else
        world_wrong("entries %" PRIu64 " to %" PRIu64 " cannot be read: %s", from, to, status.what);
}

void world_learn_up_to(uint64_t seq)
{
    if (seq > world.model.entries)
        read_log(world.model.entries + 1, seq);
}

/* The whole log, as a power loss right now would leave it. */
struct pl_status world_open_durable(struct store_head *ret_head, struct file_report *report)
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
void world_is_durable(uint64_t seq)
{
    struct file_report report;
    struct store_head head = {0};
    if (world_damaged() || world.failed)
        return;
    struct pl_status status = world_open_durable(&head, &report);
    if (!pl_is_ok(status))
        world_wrong("what is on the disk cannot be opened: %s (%s)", status.what, report.damage);
    else if (disk_is_away() && seq > world.there_before)
        world_wrong("entry %" PRIu64 " was told, and no start would find it: the directory is away",
                    seq);
    else if (head.next_seq <= seq)
        world_wrong("entry %" PRIu64 " was told and is not on the disk, which ends at %" PRIu64,
                    seq, head.next_seq - 1);
}

/* What the start did not look at, behind the entries of an older segment, is for an audit. */
static bool audit_finds_damage(void)
{
    struct file_report report;
    struct store_head head;
    if (!world_damaged() || pl_is_ok(world_open_durable(&head, &report)))
        return false;
    found_damage("an audit");
    return true;
}

/* --- the life of the process --- */

void world_drop_call(struct call *call)
{
    pl_arena_fini(&call->arena);
    request_fini(&call->request);
    call->used = false;
}

/* What the world holds of the process's memory, before that is gone. */
static void let_go(void)
{
    front_close(world.front);
    world.front = NULL;
    store_reader_close(world.reader);
    world.reader = NULL;
    view_unref(world.view);
    world.view = NULL;
    for (int i = 0; i < CALLS_MAX; i++) {
        if (world.call[i].used)
            world_drop_call(&world.call[i]);
    }
}

/* What left for a witness before anybody looked: of what would be on the disk without power. */
static void judge_last_requests(void)
{
    struct file_report report;
    struct store_head head = {0};
    if (!witnesses_unseen() || world.failed)
        return;
    world_quiet(true);
    bool known = !world_damaged() && !world.lied && pl_is_ok(world_open_durable(&head, &report));
    world_model_says(witnesses_judge(known ? head.next_seq - 1 : 0));
    world_quiet(false);
}

void world_kill_process(void)
{
    judge_last_requests();
    let_go();
    process_kill(&world.process);
    disk_move(false); /* before the next start somebody puts it back */
}

void world_power_loss(void)
{
    static const enum disk_loss losses[] = {LOSE_ALL, LOSE_NONE, LOSE_SOME, LOSE_SOME};
    enum disk_loss loss = losses[dice_below(&world.dice, 4)];
    bool torn = world.odds.lie != 0 && !world_damaged() && dice_below(&world.dice, 8) == 0;
    world_note("power loss, %s", loss == LOSE_ALL    ? "all lost"
                                 : loss == LOSE_NONE ? "all kept"
                                                     : "some");
    world_happened(WORLD_POWER_LOSSES);
    world_kill_process();
    disk_power_loss(loss, torn);
}

/* After a start: all that anybody was told or saw is there, byte for byte. */
static void check_after_start(void)
{
    struct store_head head;
    store_head(world.process.store, &head);
    uint64_t size = head.next_seq - 1;
    world_note("up: %" PRIu64 " entries, %" PRIu64 " batches, snapshot %" PRIu64 ", torn %" PRIu64,
               size, head.batch, world.process.report.snapshot_seq,
               world.process.report.torn_bytes);
    if (world.process.notary != NULL)
        world_model_says(checkpoints_started(world.process.notary, size, world.lied));
    bool cosigns =
        world.process.witness != NULL && notary_why_read_only(world.process.notary) == NULL;
    uint64_t known =
        world.model.entries > world.model.told_max ? world.model.entries : world.model.told_max;
    if (world.process.report.batches < world.seen.batches || size < known) {
        /* a lost or misdirected sector may take with it what began in it, at the very end */
        if (world.lied && world.process.report.batches + BATCHES_A_SECTOR >= world.seen.batches) {
            world_lost_the_end();
            return;
        }
        world_wrong("the log ends at entry %" PRIu64 " (batch %" PRIu64 "), but entry %" PRIu64
                    " (batch %" PRIu64 ") was told",
                    size, world.process.report.batches, known, world.seen.batches);
        return;
    }
    world.seen.size = size;
    world.seen.batches = head.batch;
    read_log(1, size);
    world.up_start = world.starts;
    if (world.process.state != PROCESS_UP || world.failed || world.over || audit_finds_damage())
        return;
    if (world.wired && !world.lied)
        world_model_says(watchers_check());
    world_quiet(true);
    if (cosigns)
        world_model_says(witnesses_started(world.process.witness, size, world.lied));
    world_quiet(false);
    disk_believe();
    world_is_durable(size);
}

/* Records that the ledger names, those and no other. */
static void check_records(void)
{
    const char *what = "";
    if (world.process.registrar == NULL || world.process.state != PROCESS_UP || world.lied ||
        world.over)
        return;
    world_quiet(true);
    world_records_say(records_check(&what), &what);
    world_quiet(false);
}

/* All that was brought was answered: what came to nothing is not there, also not as one that a
 * start would find and take away. */
static void check_records_at_end(void)
{
    const char *what = "";
    if (!records_on() || !records_unexcused() || world.lied || world.late || world.went_away ||
        world.looks_fail || world.over)
        return;
    world_learn_up_to(world.seen.size);
    if (world.over)
        return;
    world_quiet(true);
    world_records_say(records_check(&what), &what);
    world_quiet(false);
}

/* G6: the state it goes on with is the one that the whole log gives. */
void world_check_state(void)
{
    uint8_t live[32], replayed[32];
    struct recover_report report = {0};
    world_quiet(true);
    struct ledger *ledger = ledger_new();
    struct pl_status status = recover_replay(world.process.store, 1, ledger, &report);
    world_quiet(false);
    ledger_digest(writer_ledger(world.process.writer), live);
    ledger_digest(ledger, replayed);
    ledger_free(ledger);
    if (!pl_is_ok(status) && world_damaged())
        found_damage("a replay");
    else if (!pl_is_ok(status))
        world_wrong("the log cannot be replayed: %s %s", status.what, report.message);
    else if (memcmp(live, replayed, sizeof(live)) != 0)
        world_wrong("the state is not what the log gives");
}

/* The operator has seen that the clock is in another century. */
static void put_right(void)
{
    world.clock.wall_us_now -= world.ahead_us;
    world.ahead_us = 0;
}

/* A machine that comes up in 2099. */
static void come_up_late(void)
{
    put_right();
    if (world.healthy || world.seen.size == 0 || dice_below(&world.dice, 30) != 0)
        return;
    world.ahead_us = 73ll * 365 * 86400 * SECOND_US;
    world.clock.wall_us_now += world.ahead_us;
    world_note("the machine comes up with its clock in 2099");
}

/* Nothing may be recorded at such a time, and no hold end; only a log of which a disk that lies has
 * left nothing knows no better. */
static void check_clock(void)
{
    if (world.ahead_us != 0 && world.process.report.batches != 0)
        world_wrong("it starts by a clock that is 73 years ahead");
    world.model.clock_jumped = world.model.clock_jumped || world.ahead_us != 0;
    put_right();
}

void world_start_process(void)
{
    come_up_late();
    world.started_well = world.healthy;
    world.leaving = world.went_away = false;
    world.starts++;
    world_note("start");
    world_happened(WORLD_STARTS);
    /* what the process before left in memory is synced first, damaged or not */
    world.seg_hash = disk_is_unsynced() ? 0 : disk_hash(".seg");
    world_quiet(true);
    witnesses_start();
    world_quiet(false);
    process_start(&world.process);
}

/* It gave up or exited: why, and what the operator does. */
void world_look_at_failure(void)
{
    struct pl_status status = world.process.status;
    world_note("down: %s, %s %s", pl_code_name(status.code), status.what,
               world.process.report.message);
    bool while_starting = world.process.writer == NULL;
    if (status.code == PL_E_CORRUPT || status.code == PL_E_CONFLICT || status.code == PL_E_FENCED) {
        if (!world_damaged()) {
            world_wrong("it stopped with %s (%s; %s), and nothing is damaged",
                        pl_code_name(status.code), status.what, world.process.report.message);
            return;
        }
        if (while_starting && world.seg_hash != 0 && disk_hash(".seg") != world.seg_hash) {
            world_wrong("it found damage and changed the log all the same");
            return;
        }
        world_happened(WORLD_CORRUPT);
        world_kill_process();
        disk_power_loss(LOSE_ALL, false);
        disk_repair();
        return;
    }
    if (while_starting)
        world_happened(WORLD_START_FAILED);
    if (while_starting && world.ahead_us != 0 && status.code == PL_E_UNAVAILABLE)
        world_happened(WORLD_CLOCK_REFUSED);
    if (world.started_well)
        world_wrong("nothing is wrong, and it does not run: %s (%s; %s)", pl_code_name(status.code),
                    status.what, world.process.report.message);
    world_kill_process();
}

/* The workers have ended: it is the writer's turn. */
void world_go_on_leaving(void)
{
    if (world.leaving && world.process.state == PROCESS_UP &&
        (world.front == NULL || front_drained(world.front)))
        world.process.stop = true;
}

/* The last view is all there is: nothing came behind what everybody was told. */
static void take_last_view(void)
{
    struct view *last = pl_slot_take(&world.process.slot[0]);
    if (last != NULL)
        world.seen = *view_get_log(last);
    view_unref(last);
}

static void check_end_of_log(void)
{
    struct file_report report;
    struct store_head head = {0};
    if (world_damaged() || world.failed)
        return;
    struct pl_status status = world_open_durable(&head, &report);
    /* held back: the directory was away, or seemed so because looking failed */
    bool more = (world.went_away || world.looks_fail) && head.next_seq > world.seen.size;
    if (!pl_is_ok(status) || (head.next_seq != world.seen.size + 1 && !more))
        world_wrong("it ended in order at entry %" PRIu64 ", and the log ends at %" PRIu64 " (%s)",
                    world.seen.size, head.next_seq - 1, pl_is_ok(status) ? "fine" : status.what);
}

static void look_at_end(void)
{
    world_note("ended");
    world_happened(WORLD_STOPS);
    if (heap_daemon_blocks() != 0 || heap_daemon_fds() != 0 || disk_open_fds() != 0)
        world_wrong("an orderly end leaves %zu blocks, %zu eventfds, %zu files open",
                    heap_daemon_blocks(), heap_daemon_fds(), disk_open_fds());
    check_end_of_log();
    process_kill(&world.process);
    disk_move(false);
}

static void after_fibers(enum process_state before)
{
    process_look(&world.process);
    if (world.process.state == PROCESS_UP && before == PROCESS_BOOTING) {
        check_clock();
        check_after_start();
        check_records();
        if (!world.over && world.wired && world.process.state == PROCESS_UP)
            world.front = front_open(&world.process);
        if (!world.over && world.process.state == PROCESS_UP && dice_below(&world.dice, 2) == 0)
            world_check_state();
    }
    if (world.process.state == PROCESS_FAILED && !world.over)
        world_look_at_failure();
    if (world.process.state == PROCESS_ENDING && !world.process.released) {
        take_last_view();
        check_records_at_end();
        let_go();
        world.process.released = true;
    }
    if (world.process.state == PROCESS_ENDED && !world.over)
        look_at_end();
}

/* Everybody sleeps: whatever the turn of a worker left behind, somebody wakes for it in time. */
static void is_anything_due(void)
{
    const int64_t slack_ns = 2000000; /* polls count in milliseconds */
    if (world.process.state != PROCESS_UP || world.process.helm == NULL || world.model.clock_jumped)
        return;
    if (writer_next_wake_ns(world.process.writer) <= world.clock.mono_ns_now - slack_ns)
        world_wrong("the writer has something to do, and nobody wakes for it");
}

/* One of the fibers that can go on goes on. */
bool world_run_a_fiber(void)
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
    enum process_state before = world.process.state;
    fiber_resume(ready[dice_below(&world.dice, (uint64_t)count)]);
    after_fibers(before);
    return true;
}

/* While a worker is at the helm the world goes on around it: what hits the process hits it later,
 * when the worker's own stack is gone, but nothing of it runs any more. */
bool world_meanwhile(void)
{
    static const int64_t slow_us[] = {100, 1000, 30000};
    if (!world.healthy && world_chance(world.odds.kill))
        world.fate = FATE_KILL;
    else if (!world.healthy && world_chance(world.odds.power * (disk_is_unsynced() ? 6 : 1)))
        world.fate = FATE_POWER;
    if (world.fate != FATE_NONE) {
        fiber_kill_all();
        return false;
    }
    if (world_chance(world.odds.slow))
        pl_clock_fake_advance_us(&world.clock, slow_us[dice_below(&world.dice, 3)]);
    if (world.front != NULL && dice_below(&world.dice, 2) == 0)
        (void)wire_move();
    else if (world.front != NULL)
        (void)wire_run_event(); /* of another worker */
    return world.fate == FATE_NONE && world.process.state == PROCESS_UP;
}

/* What happened to the process while a worker was at the helm. */
void world_meet_fate(void)
{
    if (world.fate == FATE_KILL) {
        world_note("kill, at the helm");
        world_happened(WORLD_KILLS);
        world_kill_process();
    } else if (world.fate == FATE_POWER) {
        world_power_loss();
    }
    world.fate = FATE_NONE;
    if (world.process.state == PROCESS_FAILED && !world.over)
        world_look_at_failure();
}
