/* SPDX-License-Identifier: Apache-2.0
 *
 * world: see world.h.
 */
#include "tests/sim/world.h"

#include <stdarg.h>

#include "tests/sim/world_private.h"

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

struct world world;

/* --- small things --- */

__attribute__((format(printf, 1, 2))) void world_wrong(const char *format, ...)
{
    if (world.failed)
        return;
    world.failed = world.over = true;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(world.what, sizeof(world.what), format, args);
    va_end(args);
}

__attribute__((format(printf, 1, 2))) void world_note(const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    for (const char *at = line; *at != '\0'; at++)
        world.trail = (world.trail ^ (uint8_t)*at) * 0x100000001b3ull;
    if (world.trace)
        (void)printf("%6" PRIu64 " %10.3f %s\n", world.step,
                     (double)(world.clock.mono_ns_now / 1000000) / 1000.0, line);
}

void world_happened(enum world_event event)
{
    world.report->event[event]++;
}

bool world_chance(uint32_t in_million)
{
    return dice_hits(&world.dice, in_million);
}

int64_t world_now_us(void)
{
    return world.clock.mono_ns_now / 1000;
}

bool world_damaged(void)
{
    return disk_damaged("") != 0;
}

/* Checks read without faults. */
void world_quiet(bool on)
{
    static const struct disk_plan none = {.roomy = true};
    disk_set_plan(on ? &none : &world.plan);
}

void world_model_says(bool fine)
{
    if (!fine)
        world_wrong("%s", world.model.error);
}

/* What a disk that lied took away, at the very end: only a checkpoint tells. */
void world_lost_the_end(void)
{
    world_note("the disk lost the end of the log, and nothing in the log tells");
    world_happened(WORLD_UNSEEN);
    world.over = true;
}

/* --- clients --- */

static void want_something(int number)
{
    struct client *client = &world.client[number];
    if (!world.model.catalogue)
        request_adopt(&client->request, &world.dice);
    else
        request_make(&client->request, &world.dice, &world.model,
                     world_chance(world.odds.fat)    ? REQUEST_FAT
                     : world_chance(world.odds.many) ? REQUEST_MANY
                                                     : REQUEST_ANY);
    client->intent = ++world.intents;
    client->waiting = true;
    client->sent = client->delivered = client->refused = 0;
    world_happened(WORLD_REQUESTS);
    world_note("client %d wants %" PRIu64 " (%zu commands)", number, client->intent,
               client->request.count);
    world_send_request(number);
}

/* It gives up. If every copy was answered "nothing happened", that must have been true. */
static void vanish(int number)
{
    struct client *client = &world.client[number];
    bool flying = false;
    for (int i = 0; i < PACKETS_MAX; i++)
        flying = flying || (world.packet[i].used && !world.packet[i].reply &&
                            world.packet[i].intent == client->intent);
    world_happened(WORLD_VANISHED);
    world_note("client %d vanishes", number);
    for (int which = 0; which < PEERS && world.wired; which++) {
        if (dice_below(&world.dice, 2) == 0)
            world_hang_up(number, which);
    }
    for (size_t i = 0; i < client->request.count && !flying && client->refused == client->delivered;
         i++) {
        if (world.nevers < NEVER_MAX)
            memcpy(world.never[world.nevers++], client->request.item[i].id, MODEL_ID);
    }
    world_forget_intent(client);
}

static void move_client(void)
{
    int number = (int)dice_below(&world.dice, CLIENTS);
    struct client *client = &world.client[number];
    if (!client->waiting) {
        want_something(number);
    } else if (client->retry_at_us <= world_now_us()) {
        if (world_chance(world.odds.vanish)) {
            vanish(number);
            return;
        }
        world_happened(WORLD_RETRIES);
        world_send_request(number);
    }
}

/* --- what goes wrong --- */

static void jump(void)
{
    int64_t far_us = world.odds.small_jumps ? 4 * SECOND_US : 40000 * SECOND_US;
    int64_t by_us = (int64_t)dice_below(&world.dice, (uint64_t)(2 * far_us)) - far_us;
    world_happened(WORLD_JUMPS);
    world_note("the clock jumps by %" PRId64 " ms", by_us / 1000);
    world.clock.wall_us_now += by_us;
    if (world.canary != CANARY_CLOCK)
        world.model.clock_jumped = true;
}

static void save_snapshot(void)
{
    struct recover_options options;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    struct snapshot_meta meta;
    process_options(&world.process, true, &options);
    struct pl_status status = recover_open(&options, &report, &store, &ledger);
    if (pl_is_ok(status)) {
        status = recover_save(&options, store, ledger, 2, &meta);
        ledger_free(ledger);
        store_close(store);
    }
    world_note("snapshot: %s", pl_code_name(status.code));
    if (pl_is_ok(status))
        world_happened(WORLD_SNAPSHOTS);
}

static void lie(void)
{
    static const enum disk_fault kinds[] = {DISK_BIT_FLIP, DISK_BIT_FLIP, DISK_LOST_WRITE,
                                            DISK_MISDIRECTED};
    enum disk_fault fault = kinds[dice_below(&world.dice, 4)];
    if (world_damaged())
        return; /* one at a time: the operator repairs before the next */
    world.lied = world.lied || fault != DISK_BIT_FLIP;
    world.seg_hash = 0;
    world_note("the disk lies: %s", disk_fault_name[fault]);
    disk_lie(fault, dice_below(&world.dice, 5) == 0 ? ".snap" : ".seg");
}

/* Somebody moves the data directory, or puts it back. */
static void move_directory(void)
{
    struct file_report report;
    struct store_head head = {0};
    if (disk_is_away()) {
        world_note("the directory is back");
        disk_move(false);
        return;
    }
    if (world.process.state != PROCESS_UP || world_damaged() ||
        !pl_is_ok(world_open_durable(&head, &report)))
        return;
    world.there_before = head.next_seq - 1;
    disk_move(world.went_away = true);
    world_happened(WORLD_AWAY);
    world_note("the directory is away, behind entry %" PRIu64, world.there_before);
}

/* What an engine may say of an append that the embedded one hardly ever does. */
static void engine_fails(void)
{
    static const enum store_outcome outcomes[] = {STORE_UNAVAILABLE, STORE_NO_SPACE, STORE_UNKNOWN};
    if (world.process.state != PROCESS_UP ||
        fault_appends(world.process.store) < world.process.planned)
        return; /* one plan at a time */
    unsigned nth = (unsigned)dice_below(&world.dice, 3);
    struct fault fault = {.kind = FAULT_APPLIED_UNKNOWN,
                          .delay = (unsigned)dice_below(&world.dice, 5)};
    if (dice_below(&world.dice, 3) != 0) {
        fault.kind = FAULT_NOT_APPLIED;
        fault.outcome = outcomes[dice_below(&world.dice, 3)];
    }
    bool again = fault.kind == FAULT_APPLIED_UNKNOWN || fault.outcome == STORE_UNKNOWN;
    /* what is submitted again after UNKNOWN is left alone: no engine takes a definite answer back
     */
    world.process.planned = fault_appends(world.process.store) + nth + 1 + again;
    fault_plan(world.process.store, nth, fault);
    world_happened(WORLD_ENGINE);
    world_note("append %u from now fails: kind %d, outcome %d", nth, (int)fault.kind,
               (int)fault.outcome);
}

/* Somebody edits the file and sends SIGHUP, once or more than once. */
static void edit_the_file(void)
{
    operator_edit();
    world_happened(WORLD_EDITS);
    world_note("the file is edited: version %" PRIu64, operator_version());
    for (uint64_t times = 1 + dice_below(&world.dice, 2); times > 0 && world.front != NULL; times--)
        front_reload(world.front);
}

/* SIGTERM. */
static void ask_to_end(void)
{
    world_note("asked to end");
    world.leaving = true;
    if (world.front != NULL)
        front_drain(world.front);
}

static void misfortune(void)
{
    if (world_chance(world.odds.kill) && world.process.state != PROCESS_DOWN) {
        world_note("kill");
        world_happened(WORLD_KILLS);
        world_kill_process();
    }
    /* mostly where it hurts */
    if (world_chance(world.odds.power * (disk_is_unsynced() ? 6 : 1)))
        world_power_loss();
    if (world_chance(world.odds.stop) && world.process.state == PROCESS_UP)
        ask_to_end();
    if (world_chance(world.odds.jump))
        jump();
    if (world.wired && world_chance(world.odds.cut))
        wire_break();
    if (world.wired && world_chance(world.odds.reload))
        edit_the_file();
    if (world_chance(world.odds.snapshot) && world.process.state == PROCESS_UP && !disk_is_away())
        save_snapshot();
    if (world_chance(world.odds.away * (disk_is_away() ? 8 : 1)))
        move_directory();
    if (world_chance(world.odds.engine))
        engine_fails();
    if (world_chance(world.odds.lie))
        lie();
    if (world_chance(world.odds.full)) {
        world.full = !world.full;
        if (world.full)
            world_happened(WORLD_FULL);
        world_note("the disk is %s", world.full ? "full" : "not full any more");
        disk_set_room(world.full ? dice_below(&world.dice, 3 << 20) : 1ull << 40);
        world.plan.no_copies = world.full && dice_below(&world.dice, 2) == 0;
        disk_set_plan(&world.plan);
    }
}

/* --- a run --- */

static void pass_time(void)
{
    static const int64_t steps_us[] = {200, 1000, 5000, 30000, 300000};
    pl_clock_fake_advance_us(&world.clock, steps_us[dice_below(&world.dice, 5)]);
}

static void step(void)
{
    world.step++;
    world.report->steps++;
    uint64_t dice = dice_below(&world.dice, 100);
    if (world.process.state == PROCESS_DOWN && dice_below(&world.dice, 20) == 0)
        world_start_process();
    if (dice < 45) {
        (void)world_run_a_fiber();
    } else if (dice < 63) {
        world_deliver();
    } else if (dice < 82) {
        move_client();
    } else if (dice < 88) {
        world_take_view();
        world_read_a_tier();
    } else if (dice < 90) {
        world_ask();
    } else {
        pass_time();
    }
    world_take_answers();
    world_look_at_checkpoints();
    (void)witnesses_move();
    world_go_on_leaving();
    if (!world.healthy)
        misfortune();
    process_look(&world.process);
    if (world.process.state == PROCESS_FAILED && !world.over)
        world_look_at_failure();
}

static uint32_t one_of(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t choice[] = {a, b, c};
    return choice[dice_below(&world.dice, 3)];
}

/* Each seed has its own mix of faults: what never happens together is never tested together. */
static void choose_odds(void)
{
    struct odds *odds = &world.odds;
    uint32_t *rate = world.plan.rate;
    world.plan.pause = one_of(0, 100000, 400000);
    rate[DISK_SHORT_READ] = one_of(0, 10000, 300000);
    rate[DISK_SHORT_WRITE] = one_of(0, 10000, 300000);
    rate[DISK_INTERRUPTED] = one_of(0, 10000, 100000);
    rate[DISK_READ_FAILED] = one_of(0, 0, 5000);
    rate[DISK_WRITE_FAILED] = one_of(0, 0, 10000);
    rate[DISK_SYNC_FAILED] = one_of(0, 0, 20000);
    rate[DISK_META_FAILED] = one_of(0, 0, 10000);
    world.looks_fail = rate[DISK_META_FAILED] != 0;
    odds->kill = one_of(0, 2000, 8000);
    odds->power = one_of(0, 2000, 8000);
    odds->stop = one_of(0, 1000, 3000);
    odds->full = one_of(0, 0, 5000);
    odds->lie = one_of(0, 0, 4000);
    odds->jump = one_of(0, 0, 4000);
    odds->small_jumps = dice_below(&world.dice, 2) == 0;
    odds->snapshot = one_of(0, 2000, 8000);
    odds->engine = one_of(0, 0, 20000);
    odds->drop = one_of(0, 50000, 300000);
    odds->duplicate = one_of(0, 100000, 500000);
    odds->vanish = one_of(0, 50000, 300000);
    odds->fat = one_of(0, 0, dice_below(&world.dice, 3) == 0 ? 300000 : 0);
    world.plan.lying_sync = world.canary == CANARY_SYNC;
    odds->cut = one_of(0, 1000, 8000);
    world.wired = world.canary != CANARY_TWICE && dice_below(&world.dice, 3) == 0;
    /* which decisions need two persons; the catalogue never does, or nothing would ever begin */
    uint32_t four_eyes = (uint32_t)dice_roll(&world.dice) & 0xfbe &
                         ~(1u << PLEDGED__V1__COMMAND_CLASS__COMMAND_CLASS_CATALOGUE);
    odds->reload = one_of(0, 4000, 20000);
    odds->helm = one_of(0, 300000, 900000);
    odds->slow = one_of(0, 10000, 300000);
    operator_begin(&world.dice, world.wired, four_eyes);
    world.model.roles = world.wired;
}

static void tell_witness(const char *line)
{
    world_note("%s", line);
}

static void begin(uint64_t seed, enum canary canary, bool trace, struct world_report *report)
{
    memset(&world, 0, sizeof(world));
    world.seed = seed;
    world.canary = canary;
    world.trace = trace;
    world.report = report;
    world.dice.state = seed * 0x9e3779b97f4a7c15ull + 1;
    world.trail = 0xcbf29ce484222325ull;
    model_init(&world.model);
    pl_clock_fake_init(&world.clock, START_US);
    world.clock.mono_ns_now = 1000000000;
    disk_reset(&world.dice);
    choose_odds();
    world.process.with_notary = dice_below(&world.dice, 4) == 0;
    /* by dice of its own, so that what other seeds do is what they did before it was here */
    struct dice apart = {.state = ~world.dice.state};
    world.process.with_registrar = dice_below(&apart, 4) == 0;
    world.odds.away = dice_below(&apart, 4) == 0 ? 4000 : 0;
    records_begin(&world.dice, world.process.with_registrar);
    cabinet_begin(&world.dice, &world.clock.clock);
    if (world.process.with_notary)
        checkpoints_begin(&world.model);
    /* a tree of more than one tile */
    world.odds.many =
        world.process.with_notary && dice_below(&world.dice, world.wired ? 4 : 8) == 0 ? 900000 : 0;
    world.process.with_witnesses = world.process.with_notary && dice_below(&apart, 3) != 0;
    const struct witnesses_ground witnesses = {dice_roll(&apart), &world.clock, &world.model,
                                               tell_witness};
    witnesses_begin(&witnesses, world.process.with_witnesses);
    disk_set_plan(&world.plan);
    disk_set_room(1ull << 40);
    world.process.clock = &world.clock.clock;
    world.process.segment_bytes = SEGMENT_BYTES;
    world.model.clock_jumped = false;
    errand_begin(
        &(struct errand_ground){&world.dice, &world.process, world.odds.helm, world_meanwhile});
    wire_reset(&world.dice, &world.clock);
    fiber_use_clock(&world.clock.clock);
    for (int i = 0; i < CLIENTS * PEERS && world.wired; i++)
        world.peer[i / PEERS][i % PEERS] = peer_new();
    world.auditor = world.wired ? peer_new() : NULL;
    if (world.wired)
        watchers_begin(&(struct watchers_ground){&world.dice, &world.model, world_durable_now,
                                                 world_oldest_version});
}

/* All but what is left to witnesses. */
static bool is_nearly_settled(void)
{
    if (world.process.state != PROCESS_UP || world.leaving || !writer_idle(world.process.writer))
        return false;
    for (int i = 0; i < CLIENTS; i++) {
        if (world.client[i].waiting)
            return false;
    }
    /* all of a log of which nothing was lost is signed */
    if (world.process.notary != NULL && notary_why_read_only(world.process.notary) == NULL &&
        !world.lied && checkpoints_told() < world.seen.size)
        return false;
    /* a reload comes to its end, and everybody hears of everything */
    return world_oldest_version() == operator_version() && (!world.wired || watchers_have_all());
}

/* What is signed is cosigned. */
static bool is_settled(void)
{
    return is_nearly_settled() &&
           (world.process.witness == NULL || notary_why_read_only(world.process.notary) != NULL ||
            world.lied || witnesses_told() >= world.seen.size);
}

/* Safety is not enough: with all well again it must serve. */
static void be_healthy(void)
{
    world.healthy = true;
    wire_be_well(true);
    operator_repair();
    witnesses_repair();
    if (world.front == NULL) /* else it is too late: doors are closed already */
        world.leaving = world.process.stop = false;
    world_note("healthy from here on");
    uint32_t pause = world.plan.pause;
    memset(&world.plan, 0, sizeof(world.plan));
    world.plan.pause = pause;
    world.plan.lying_sync = world.canary == CANARY_SYNC;
    memset(&world.odds, 0, sizeof(world.odds));
    disk_set_plan(&world.plan);
    disk_set_room(1ull << 40);
    disk_move(false);
    disk_lie(DISK_FAULTS, "");
    if (world_damaged()) { /* nobody noticed so far; the start does */
        world_kill_process();
        disk_power_loss(LOSE_ALL, false);
    }
    world.clock.wall_us_now = START_US + world.clock.mono_ns_now / 1000 - SECOND_US;
    world.ahead_us = 0;
    for (int i = 0; i < SETTLE_STEPS && !world.over && !is_settled(); i++) {
        world.step++;
        world.report->steps++;
        if (world.process.state == PROCESS_DOWN)
            world_start_process();
        (void)world_run_a_fiber();
        world_take_answers();
        world_look_at_checkpoints();
        (void)witnesses_move();
        world_go_on_leaving();
        world_deliver();
        for (int c = 0; c < CLIENTS; c++) {
            if (world.client[c].waiting && world.client[c].retry_at_us <= world_now_us())
                world_send_request(c);
        }
        if (i % 100 == 0 && world.front != NULL && world_oldest_version() != operator_version())
            front_reload(world.front); /* the last one may have been refused */
        /* a witness that failed is left alone for a while; if it said that it has more than was
         * signed, nothing is signed in that time, and then it is as before */
        bool waits = is_nearly_settled() || (witnesses_on() && witnesses_silenced());
        pl_clock_fake_advance_us(&world.clock, waits ? 100000 : 5000);
    }
    if (!world.over && !is_settled())
        world_wrong("with all well, it does not come to rest");
}

/* A connection that holds brings its answer in the end: a large request that is refused by its head
 * is told to stop after a while only, so that who sends it comes to read the answer. */
static void all_are_answered(void)
{
    struct peer_answer ignored;
    for (int i = 0; i < CLIENTS * PEERS && world.wired && !world.over; i++) {
        int number = i / PEERS, which = i % PEERS;
        for (int turn = 0; turn < 4000 && !world.over; turn++) {
            if (peer_look(world.peer[number][which], &ignored) != PEER_WAITS)
                break;
            (void)world_run_a_fiber();
            world_take_answers();
            world_run_wire();
            pl_clock_fake_advance_us(&world.clock, 1000);
        }
        if (!world.over && peer_look(world.peer[number][which], &ignored) == PEER_WAITS)
            world_wrong("client %d waits for ever on connection %d", number, which);
    }
}

/* One more command must be accepted, promptly. */
static void serve_once_more(void)
{
    uint8_t id[MODEL_ID];
    if (world.over)
        return;
    struct client *client = &world.client[1];
    request_plain(&client->request, &world.dice);
    memcpy(id, client->request.item[0].id, sizeof(id));
    client->intent = ++world.intents;
    client->waiting = true;
    client->sent = client->delivered = client->refused = 0;
    world_send_request(1);
    for (int i = 0; i < 2000 && !world.over && client->waiting; i++) {
        (void)world_run_a_fiber();
        world_take_answers();
        world_deliver();
        if (client->waiting && client->retry_at_us <= world_now_us())
            world_send_request(1);
        pl_clock_fake_advance_us(&world.clock, 5000);
    }
    if (!world.over && (client->waiting || model_find(&world.model, id) == 0))
        world_wrong("with all well, a good command is not accepted");
}

/* With all well, calls that run when SIGTERM comes have the time to end. */
static void ask_a_last_time(void)
{
    static const int who[] = {1, 3};
    for (size_t i = 0; i < PL_COUNT(who) && world.wired; i++) {
        struct client *client = &world.client[who[i]];
        request_plain(&client->request, &world.dice);
        client->intent = ++world.intents;
        client->waiting = true;
        client->sent = client->delivered = client->refused = 0;
        world_send_request(who[i]);
    }
    for (uint64_t turns = dice_below(&world.dice, 12); turns > 0 && world.wired && !world.over;
         turns--) {
        (void)world_run_a_fiber();
        world_take_answers();
        world_run_wire();
    }
}

/* What was recorded was told: nobody is left with a question. */
static void check_told(void)
{
    for (int i = 0; i < CLIENTS && !world.over; i++) {
        const struct client *client = &world.client[i];
        uint64_t seq = client->waiting ? model_find(&world.model, client->request.item[0].id) : 0;
        if (seq != 0)
            world_wrong("entry %" PRIu64
                        " was recorded before an orderly end, and client %d not told",
                        seq, i);
    }
}

static void end_in_order(void)
{
    ask_a_last_time();
    if (!world.over)
        ask_to_end();
    for (int i = 0; i < 5000 && !world.over && world.process.state != PROCESS_DOWN; i++) {
        world_go_on_leaving();
        (void)world_run_a_fiber();
        pl_clock_fake_advance_us(&world.clock,
                                 1000); /* the writer may wait to try the disk again */
        world_take_answers();
        if (world.wired)
            world_run_wire();
    }
    if (!world.over && world.process.state != PROCESS_DOWN)
        world_wrong("it does not end");
    for (int i = 0; i < 200 && world.wired && !world.over; i++)
        world_run_wire(); /* what it said last is still on its way */
}

static void end_and_look(void)
{
    end_in_order();
    if (world.over)
        return;
    disk_power_loss(LOSE_ALL, false); /* whatever it acknowledged must be there */
    world_start_process();
    for (int i = 0; i < 5000 && !world.over && world.process.state != PROCESS_UP; i++)
        (void)world_run_a_fiber();
    if (!world.over && world.process.state != PROCESS_UP)
        world_wrong("it does not start again");
    if (!world.over)
        world_check_state();
    check_told();
    for (size_t i = 0; i < world.nevers && !world.over; i++) {
        if (model_find(&world.model, world.never[i]) != 0)
            world_wrong("a client was told that nothing happened, and entry %" PRIu64 " did",
                        model_find(&world.model, world.never[i]));
    }
}

static void finish(struct world_report *report)
{
    report->seeds++;
    report->calls += disk_calls();
    report->event[WORLD_CHECKPOINTS] += world.process.with_notary ? checkpoints_seen() : 0;
    report->event[WORLD_PROOFS] += world.process.with_notary ? checkpoints_proofs() : 0;
    report->event[WORLD_ROLL_BACKS] += world.process.rebuilds;
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
    for (size_t i = 0; i < world.model.pledges; i++)
        report->event[WORLD_EXPIRED] +=
            model_stage_at(&world.model, i, UINT64_MAX) == PLEDGED__V1__STAGE__STAGE_EXPIRED;
    world_kill_process();
    witnesses_end();
    for (int i = 0; i < CLIENTS * PEERS; i++)
        peer_free(world.peer[i / PEERS][i % PEERS]);
    peer_free(world.auditor);
    if (world.wired) {
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
        if (world.packet[i].used && !world.packet[i].reply)
            request_fini(&world.packet[i].request);
    }
    for (int i = 0; i < CLIENTS; i++)
        request_fini(&world.client[i].request);
    model_fini(&world.model);
}

bool world_run(uint64_t seed, enum canary canary, bool trace, struct world_report *report,
               const char **ret_what, uint64_t *ret_trail)
{
    begin(seed, canary, trace, report);
    uint64_t steps = 300 + dice_below(&world.dice, 1200);
    while (world.step < steps && !world.over)
        step();
    if (!world.over)
        be_healthy();
    all_are_answered();
    serve_once_more();
    if (!world.over)
        end_and_look();
    if (world.failed) {
        static char what[700];
        (void)snprintf(what, sizeof(what), "step %" PRIu64 ": %s", world.step, world.what);
        *ret_what = what;
    }
    *ret_trail = world.trail;
    bool fine = !world.failed;
    finish(report);
    return fine;
}
