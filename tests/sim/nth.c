/* SPDX-License-Identifier: Apache-2.0
 *
 * nth: for n = 1, 2, 3, ... the n-th system call of the store, the n-th allocation of the daemon,
 * the n-th bytes of a request's memory fail, once, in a short life: start, commands, a snapshot
 * beside it, a question, an orderly end, another start. Every time the daemon must answer or end,
 * what it told must be true, nothing may leak or be done by half, and the same requests asked again
 * must come to the same ledger. Until nothing fails any more.
 *
 *   nth [--every K]    every K-th n only, where the build is slow
 *       [--tell]       which assertions ended it
 *
 * Where the state itself has to grow and there is no memory, the process ends by an assertion; that
 * is what it promises (server/writer.h), and it is treated as a kill.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/scan.h"
#include "server/limits.h"
#include "tests/sim/disk.h"
#include "tests/sim/fiber.h"
#include "tests/sim/heap.h"
#include "tests/sim/operator.h"
#include "tests/sim/process.h"
#include "tests/sim/requests.h"

enum {
    REQUESTS = 14,
    SNAPSHOT_AFTER = 9,
    TURNS_MAX = 3000,
    TRIES_MAX = 6,
    ARENA_STEP = 16,
    SEGMENT_BYTES = (1 << 20) + 16384,
};

enum mode { MODE_NONE, MODE_EIO, MODE_ENOSPC, MODE_EINTR, MODE_MEMORY, MODE_ARENA, MODES };
static const char *const mode_name[MODES] = {"nothing", "EIO",       "ENOSPC",
                                             "EINTR",   "no memory", "a request's memory is spent"};

struct call {
    struct command command; /* first member */
    struct pl_arena arena;
};

static struct {
    enum mode mode;
    uint64_t n;
    struct request request[REQUESTS];
    struct dice dice;
    struct pl_clock_fake clock;
    struct model model;
    struct process process;
    bool tell;     /* of each assertion */
    bool asserted; /* an assertion ended the process */
    uint64_t ends, assertions, refusals;
} t;

static void fail(const char *what, const char *more)
{
    (void)printf("%s at %" PRIu64 "%s%s: %s %s\n", mode_name[t.mode], t.n,
                 disk_has_failed() ? ", in " : "", disk_has_failed() ? disk_failed_call() : "",
                 what, more);
    exit(1);
}

/* The daemon's assertions end its process here, not the test. */
void __wrap_pl_check_failed(const char *expression, const char *where);
void __real_pl_check_failed(const char *expression, const char *where);
void __wrap_pl_check_failed(const char *expression, const char *where)
{
    if (!fiber_running() || !heap_failed())
        __real_pl_check_failed(expression, where);
    t.asserted = true;
    if (t.tell)
        (void)printf("%s: %s: %s\n", t.process.state == PROCESS_UP ? "serving" : "starting", where,
                     expression);
    fiber_exit(-6);
}

/* --- the process --- */

static void check_nothing_is_left(const char *when)
{
    char counts[100];
    (void)snprintf(counts, sizeof(counts), "%zu blocks, %zu eventfds, %zu files",
                   heap_daemon_blocks(), heap_daemon_fds(), disk_open_fds());
    if (heap_daemon_blocks() != 0 || heap_daemon_fds() != 0 || disk_open_fds() != 0)
        fail(when, counts);
}

/* It said that it gives up: what it holds is let go as server/daemon does, and that is all. */
static void clean_up(void)
{
    struct process *process = &t.process;
    writer_free(process->writer);
    process_drop_views(process);
    if (process->inbox != NULL)
        (void)pl_mailbox_take(process->inbox);
    if (process->home != NULL)
        (void)pl_mailbox_take(process->home);
    pl_mailbox_free(process->inbox);
    pl_mailbox_free(process->home);
    if (process->writer == NULL && process->store != NULL)
        store_close(process->store);
    else
        return; /* an append may be in flight: that process ends by exit */
    check_nothing_is_left("it gave up and leaves");
}

static void end_process(bool power_loss)
{
    if (t.process.state == PROCESS_FAILED && t.process.exit_code == 0 && !t.asserted)
        clean_up();
    t.ends++;
    t.assertions += t.asserted;
    t.asserted = false;
    process_kill(&t.process);
    if (power_loss)
        disk_power_loss(LOSE_ALL, false);
}

static bool run_fibers(void)
{
    bool ran = false;
    for (int i = 0; i < FIBERS_MAX; i++) {
        if (!fiber_exists(i) || !fiber_ready(i))
            continue;
        fiber_resume(i);
        process_look(&t.process);
        ran = true;
        if (t.process.state == PROCESS_FAILED)
            return true;
    }
    return ran;
}

static struct pl_status see_entry(void *arg, uint64_t seq, struct pl_slice bytes)
{
    (void)arg;
    if (!model_see(&t.model, seq, bytes))
        fail("the model says no:", t.model.error);
    return pl_ok();
}

/* What the log has now. The fault may strike here: then once more. */
static void learn(void)
{
    struct store_head head;
    store_head(t.process.store, &head);
    for (int tries = 0; tries < 2; tries++) {
        struct store_reader *reader = NULL;
        bool was = heap_daemon(false);
        struct pl_status status = store_reader_open(t.process.store, &reader);
        if (pl_is_ok(status))
            status = store_reader_read(reader, 1, head.next_seq - 1, see_entry, NULL);
        store_reader_close(reader);
        (void)heap_daemon(was);
        if (pl_is_ok(status))
            return;
    }
    fail("the log cannot be read", "");
}

static void start(void)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        process_start(&t.process);
        for (int i = 0; i < TURNS_MAX && t.process.state == PROCESS_BOOTING; i++)
            (void)run_fibers();
        if (t.process.state == PROCESS_UP) {
            learn();
            if (t.model.entries < t.model.told_max)
                fail("what was told is gone", "");
            return;
        }
        if (t.process.state != PROCESS_FAILED)
            fail("it neither starts nor says why", "");
        end_process(tries % 2 == 0);
    }
    fail("it does not start:", t.process.status.what);
}

/* --- requests --- */

static void fill(struct call *call, const struct request *request)
{
    struct command *command = &call->command;
    memset(call, 0, sizeof(*call));
    pl_arena_init(&call->arena, LIMIT_CALL_ARENA_BYTES);
    command->arena = &call->arena;
    command->home = t.process.home;
    command->phase = COMMAND_QUEUED;
    command->kind = COMMAND_EXECUTE;
    command->actor = (struct ledger_actor){"anna", PLEDGED__V1__ROLE__ROLE_CLERK, "uri:x", "CN=ca"};
    command->item_count = request->count;
    command->item = pl_arena_alloc(&call->arena, request->count * sizeof(*command->item));
    for (size_t i = 0; i < request->count; i++) {
        ProtobufCMessage *parsed = NULL;
        command->item[i].bytes = pl_slice(request->item[i].bytes, request->item[i].len);
        struct pl_status status = pl_unpack_trusted(&pledged__v1__command__descriptor,
                                                    command->item[i].bytes, &call->arena, &parsed);
        PL_ASSERT(pl_is_ok(status));
        command->item[i].msg = (Pledged__V1__Command *)parsed;
        pl_sha256(command->item[i].bytes, command->item[i].digest);
    }
    if (t.mode == MODE_ARENA) {
        size_t budget = call->arena.used + (t.n - 1) * ARENA_STEP;
        pl_arena_limit(&call->arena,
                       budget < LIMIT_CALL_ARENA_BYTES ? budget : LIMIT_CALL_ARENA_BYTES);
        size_t left = call->arena.budget - call->arena.used;
        call->arena.room = call->arena.room < left ? call->arena.room : left;
    }
}

/* False: to be asked again. */
static bool judge_item(struct command_item *item, const uint8_t id[MODEL_ID], bool known)
{
    uint8_t bytes[REQUEST_BYTES_MAX];
    learn();
    if ((item->receipt == NULL) == (item->refusal == NULL)) {
        fail("not one verdict", "");
        return false;
    }
    if (item->refusal != NULL && item->code == PL_E_TOO_BIG && !known &&
        model_find(&t.model, id) != 0)
        fail("told that it is too big, and an entry", "");
    uint64_t seq = item->receipt != NULL ? item->receipt->seq : item->refusal->seq;
    if (seq == 0) {
        t.refusals++;
        return !pl_code_retryable(item->code) && item->code != PL_E_TOO_BIG;
    }
    ProtobufCMessage *verdict = NULL;
    if (item->receipt != NULL) {
        item->receipt->kind = PLEDGED__V1__RECEIPT_KIND__RECEIPT_KIND_NEW;
        verdict = &item->receipt->base;
    } else {
        item->refusal->replay = false;
        verdict = &item->refusal->base;
    }
    size_t len = protobuf_c_message_get_packed_size(verdict);
    PL_ASSERT(len <= sizeof(bytes));
    (void)protobuf_c_message_pack(verdict, bytes);
    if (!model_tell(&t.model, id, seq, pl_slice(bytes, len), item->receipt != NULL))
        fail("two answers:", t.model.error);
    if (model_find(&t.model, id) != seq)
        fail("told, and not in the log", "");
    return true;
}

/* One try. False: no answer, or one that says "again". */
static bool ask_once(const struct request *request)
{
    struct call call;
    bool done = false, answered = false, known[REQUEST_ITEMS_MAX];
    for (size_t i = 0; i < request->count; i++)
        known[i] = model_find(&t.model, request->item[i].id) != 0;
    fill(&call, request);
    bool posted = pl_mailbox_post(t.process.inbox, &call.command.mail);
    PL_ASSERT(posted);
    for (int i = 0; i < TURNS_MAX && t.process.state == PROCESS_UP && !answered; i++) {
        if (!run_fibers())
            pl_clock_fake_advance_us(&t.clock, 100000);
        answered = t.process.state == PROCESS_UP && pl_mailbox_take(t.process.home) != NULL;
    }
    if (answered) {
        done = call.command.code == PL_E_OK;
        for (size_t i = 0; done && i < request->count; i++)
            done = judge_item(&call.command.item[i], request->item[i].id, known[i]) && done;
    } else if (t.process.state == PROCESS_UP) {
        fail("no answer", "");
    }
    pl_arena_fini(&call.arena);
    return done;
}

static void ask(const struct request *request)
{
    for (size_t i = 0; i < request->count; i++)
        model_ask(&t.model, request->item[i].id);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        bool done = ask_once(request);
        if (t.process.state != PROCESS_UP) {
            end_process(tries % 2 == 0);
            start();
        } else if (done) {
            return;
        }
        pl_clock_fake_advance_us(&t.clock, 100000); /* whoever asks again takes a while */
        enum mode mode = t.mode;
        t.mode = mode == MODE_ARENA ? MODE_NONE : mode; /* the second time there is room */
        if (mode == MODE_ARENA) {
            done = ask_once(request);
            t.mode = mode;
            if (!done)
                fail("with room for it there is no answer either", "");
            return;
        }
    }
    fail("asked again and again, and no answer", "");
}

static void save_snapshot(void)
{
    struct recover_options options;
    struct recover_report report = {0};
    struct store *store = NULL;
    struct ledger *ledger = NULL;
    struct snapshot_meta meta;
    process_options(&t.process, true, &options);
    struct pl_status status = recover_open(&options, &report, &store, &ledger);
    if (!pl_is_ok(status))
        return;
    (void)recover_save(&options, store, ledger, 1, &meta).code;
    ledger_free(ledger);
    store_close(store);
}

static void end_well(void)
{
    t.process.stop = true;
    for (int i = 0; i < TURNS_MAX && t.process.state != PROCESS_ENDED; i++) {
        t.process.released = t.process.state == PROCESS_ENDING;
        if (!run_fibers())
            pl_clock_fake_advance_us(&t.clock, 100000);
        if (t.process.state == PROCESS_FAILED)
            break;
    }
    if (t.process.state == PROCESS_ENDED)
        check_nothing_is_left("an orderly end leaves");
    else if (t.process.state != PROCESS_FAILED)
        fail("it does not end", "");
    end_process(false);
}

/* --- a life --- */

static void arm(void)
{
    static const int errors[MODES] = {0, EIO, ENOSPC, EINTR, 0, 0};
    disk_fail_at(errors[t.mode] != 0 ? t.n : 0, errors[t.mode]);
    heap_fail_at(t.mode == MODE_MEMORY ? t.n : 0);
}

static void begin(void)
{
    static const struct disk_plan plain;
    t.dice.state = 7;
    disk_reset(&t.dice);
    disk_set_plan(&plain);
    disk_set_room(1ull << 40);
    model_init(&t.model);
    pl_clock_fake_init(&t.clock, 1770000000LL * 1000000);
    t.clock.mono_ns_now = 1000000000;
    memset(&t.process, 0, sizeof(t.process));
    t.process.clock = &t.clock.clock;
    t.process.segment_bytes = SEGMENT_BYTES;
    operator_begin(&t.dice, false, 0);
    fiber_use_clock(&t.clock.clock);
}

/* True: the fault was met. */
static bool live(void)
{
    begin();
    arm();
    start();
    for (int i = 0; i < REQUESTS; i++) {
        ask(&t.request[i]);
        /* holds of seconds end on the way; what was full a moment ago still is */
        pl_clock_fake_advance_us(&t.clock, i % 2 == 0 ? 200000 : 1200000);
        if (i == SNAPSHOT_AFTER)
            save_snapshot();
    }
    end_well();
    bool met = disk_has_failed() || heap_failed();
    start();
    ask(&t.request[REQUESTS - 1]); /* a replay */
    end_well();
    disk_fail_at(0, 0);
    heap_fail_at(0);
    return met;
}

/* The requests are made once, against the ledger that they lead to. */
static void make_requests(void)
{
    struct dice dice = {.state = 4711};
    t.mode = MODE_NONE;
    begin();
    start();
    for (int i = 0; i < REQUESTS; i++) {
        if (i == 0)
            request_adopt(&t.request[i], &dice);
        else if (i < 4)
            request_plain(&t.request[i], &dice);
        else
            request_make(&t.request[i], &dice, &t.model,
                         i == REQUESTS - 2 ? REQUEST_FAT : REQUEST_ANY);
        ask(&t.request[i]);
        learn();
    }
    end_well();
}

static void run_mode(enum mode mode, uint64_t every)
{
    t.mode = mode;
    t.ends = t.assertions = t.refusals = 0;
    bool met = true;
    size_t entries = 0;
    for (t.n = 1; met; t.n += every) {
        met = live();
        if (mode == MODE_ARENA) { /* until there was room for all of it */
            met = t.n * ARENA_STEP < 1u << 15;
        }
        if (t.model.contributors < 3)
            fail("the ledger is not what was asked for", "");
        entries = t.model.entries;
        model_fini(&t.model);
    }
    if (mode == MODE_ARENA && t.refusals == 0)
        fail("no request ran out of memory", "");
    bool felt = mode == MODE_EINTR || t.refusals != 0 || t.assertions != 0;
    if (!felt)
        fail("nothing that failed was ever felt: this test sees nothing", "");
    (void)printf("%-28s n to %" PRIu64 ", %" PRIu64 " refusals, %" PRIu64 " ends, of these %" PRIu64
                 " by assertion; %zu entries\n",
                 mode_name[mode], t.n - every, t.refusals, t.ends, t.assertions, entries);
    (void)fflush(stdout);
}

static int usage(void)
{
    (void)printf("usage: nth [--every K] [--tell]\n");
    return 64;
}

int main(int count, char **args)
{
    uint64_t every = 1;
    for (int i = 1; i < count; i++) {
        if (strcmp(args[i], "--tell") == 0)
            t.tell = true;
        else if (strcmp(args[i], "--every") == 0 && i + 1 < count)
            every = strtoull(args[++i], NULL, 10);
        else
            return usage();
    }
    if (every == 0)
        return usage();
    pl_log_setup(PL_LOG_ERROR, PL_LOG_LOGFMT);
    if (freopen("/dev/null", "w", stderr) == NULL)
        return 1;
    make_requests();
    model_fini(&t.model);
    for (int mode = MODE_EIO; mode < MODES; mode++)
        run_mode((enum mode)mode, every);
    for (int i = 0; i < REQUESTS; i++)
        request_fini(&t.request[i]);
    return 0;
}
