/* SPDX-License-Identifier: Apache-2.0
 *
 * process: see process.h. What server/daemon does with an event loop is done here with fiber_wait.
 */
#include "tests/sim/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/clockmark.h"
#include "server/config.h"
#include "server/helm.h"
#include "server/notary.h"
#include "server/registrar.h"
#include "server/store/fault.h"
#include "server/store/io.h"
#include "server/witness.h"
#include "tests/sim/cabinet.h"
#include "tests/sim/checkpoints.h"
#include "tests/sim/courier.h"
#include "tests/sim/disk.h"
#include "tests/sim/fiber.h"
#include "tests/sim/heap.h"
#include "tests/sim/operator.h"
#include "tests/sim/records.h"
#include "tests/sim/witnesses.h"

enum { INBOX_LIMIT = 64, CHECKPOINT_MS = 100 };

const uint8_t process_ledger_id[16] = {7};

void process_options(const struct process *process, bool read_only, struct recover_options *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->data = "/d";
    ret->segment_bytes = process->segment_bytes;
    ret->read_only = read_only;
    ret->alone = true; /* the world has one thread */
    memcpy(ret->ledger_id, process_ledger_id, sizeof(ret->ledger_id));
}

static struct pl_status rebuild(void *arg, struct ledger **ret)
{
    struct process *process = arg;
    struct recover_options options;
    struct recover_report report = {0};
    process_options(process, false, &options);
    process->rebuilds++;
    return recover_state(&options, process->store, &report, ret);
}

static void on_disagreement(void *arg)
{
    struct process *process = arg;
    process->disagreements++;
}

static struct pl_status make_notary(struct process *process)
{
    char message[400];
    const struct notary_options options = {.io = io_system(),
                                           .clock = process->clock,
                                           .data = "/d",
                                           .origin = OPERATOR_ORIGIN,
                                           .vkey = checkpoints_vkey(),
                                           .key_file = CHECKPOINTS_KEY,
                                           .store = process->store,
                                           .size = ledger_size(process->ledger),
                                           .views = &process->slot[PROCESS_NOTARY],
                                           .bell = process->bell[PROCESS_NOTARY],
                                           .interval_ms = CHECKPOINT_MS,
                                           /* the world, each door, the witnesses */
                                           .readers = PROCESS_NOTARY + 1};
    return notary_new(&options, message, &process->notary);
}

static struct pl_status make_witness(struct process *process)
{
    char message[400];
    PL_TRY(cosign_policy_load(WITNESSES_POLICY, notary_vkey(process->notary), message,
                              &process->policy));
    const struct witness_options options = {.policy = &process->policy->policy,
                                            .notary = process->notary,
                                            .notary_reader = PROCESS_NOTARY,
                                            .io = io_system(),
                                            .clock = process->clock,
                                            .data = "/d",
                                            .readers = PROCESS_NOTARY};
    return witness_new(&options, &process->witness);
}

/* As server/daemon asks; no mark is beside this log. */
static struct pl_status judge_clock(const struct process *process)
{
    char message[400];
    struct store_head head;
    store_head(process->store, &head);
    int64_t last_us = ledger_last_time_us(process->ledger);
    return clockmark_judge(head.time_us > last_us ? head.time_us : last_us, 0,
                           PROCESS_AHEAD_LIMIT_US, process->clock->wall_us(process->clock),
                           message);
}

static struct pl_status make_registrar(struct process *process)
{
    bool stays = process->notary != NULL && notary_why_read_only(process->notary) != NULL;
    const struct registrar_options options = {.data = "/d",
                                              .ledger = process->ledger,
                                              .unnamed =
                                                  stays ? PERSONS_UNNAMED_STAY : PERSONS_PENDING_GO,
                                              .writer = process->inbox,
                                              .inbox_limit = INBOX_LIMIT};
    records_start();
    return registrar_new(&options, &process->registrar);
}

static struct pl_status start_helm(struct process *process)
{
    const struct helm_options options = {.writer = process->writer,
                                         .store = process->store,
                                         .inbox = process->inbox,
                                         .clock = process->clock};
    PL_TRY(helm_new(&options, &process->helm));
    return helm_start(process->helm);
}

static struct pl_status boot(struct process *process)
{
    struct recover_options options;
    process_options(process, false, &options);
    PL_TRY(recover_open(&options, &process->report, &process->store, &process->ledger));
    PL_TRY(judge_clock(process));
    process->planned = 0;
    PL_TRY(fault_open(process->store, &process->store));
    PL_TRY(pl_mailbox_new(INBOX_LIMIT, &process->inbox));
    PL_TRY(pl_mailbox_new(0, &process->home));
    for (int i = 1; i < PROCESS_SLOTS; i++)
        PL_TRY(pl_bell_new(&process->bell[i]));
    if (process->with_notary)
        PL_TRY(make_notary(process));
    if (process->with_witnesses)
        PL_TRY(make_witness(process));
    if (process->with_registrar)
        PL_TRY(make_registrar(process));
    const struct config *config = process->config;
    struct writer_options writer = {
        .store = process->store,
        .ledger = process->ledger,
        .inbox = process->inbox,
        .view_slots = process->slot,
        .view_slot_count = process->with_notary ? PROCESS_SLOTS : PROCESS_NOTARY,
        .read_only = process->notary != NULL ? notary_why_read_only(process->notary) : NULL,
        .view_bells = process->bell,
        .clock = process->clock,
        .start = {OPERATOR_ORIGIN, process_ledger_id, config->roster, config->policy},
        .clock_jump_limit_us = PROCESS_JUMP_LIMIT_US,
        .on_disagreement = on_disagreement,
        .told_arg = process,
        .rebuild = rebuild,
        .rebuild_arg = process,
    };
    process->ledger = NULL; /* the writer has it now */
    memcpy(writer.writer_id, &process->writer_number, sizeof(process->writer_number));
    PL_TRY(writer_new(&writer, &process->writer));
    if (process->notary != NULL)
        PL_TRY(notary_start(process->notary, writer.read_only != NULL));
    if (process->witness != NULL)
        PL_TRY(witness_start(process->witness));
    return start_helm(process);
}

/* The workers have ended. */
static bool may_stop(void *arg)
{
    const struct process *process = arg;
    return process->stop && process->errands == 0 && process->records == 0;
}

static bool all_is_told(void *arg)
{
    const struct process *process = arg;
    return pl_mailbox_count(process->home) == 0;
}

void process_drop_views(struct process *process)
{
    for (int i = 0; i < PROCESS_SLOTS; i++) {
        view_unref(pl_slot_take(&process->slot[i]));
        pl_bell_free(process->bell[i]);
        process->bell[i] = NULL;
    }
}

static void tear_down(struct process *process)
{
    writer_free(process->writer);
    process->writer = NULL;
    witness_stop(process->witness);
    notary_stop(process->notary);
    witness_free(process->witness);
    cosign_policy_free(process->policy);
    notary_free(process->notary);
    process->witness = NULL;
    process->policy = NULL;
    process->notary = NULL;
    process_drop_views(process);
    pl_mailbox_free(process->inbox);
    pl_mailbox_free(process->home);
    store_close(process->store);
    process->inbox = process->home = NULL;
    process->store = NULL;
}

static bool is_released(void *arg)
{
    return ((struct process *)arg)->released;
}

static void *process_main(void *arg)
{
    struct process *process = arg;
    process->status = boot(process);
    if (!pl_is_ok(process->status)) {
        process->state = PROCESS_FAILED;
        return NULL;
    }
    process->state = PROCESS_UP; /* the world looks at it before anybody goes on */
    fiber_wait(may_stop, process);
    process->closed = true;
    registrar_free(process->registrar);
    process->registrar = NULL;
    helm_free(process->helm);
    process->helm = NULL;
    fiber_wait(all_is_told, process);
    process->state = PROCESS_ENDING;
    fiber_wait(is_released, process);
    tear_down(process);
    process->state = PROCESS_ENDED;
    return NULL;
}

void process_start(struct process *process)
{
    if (process->state != PROCESS_DOWN)
        abort();
    process->stop = process->closed = process->released = false;
    process->errands = process->records = 0;
    process->exit_code = 0;
    process->status = pl_ok();
    process->writer_number++;
    memset(&process->report, 0, sizeof(process->report));
    process->config = operator_config();
    process->state = PROCESS_BOOTING;
    process->fiber = fiber_start(process_main, process);
}

static struct pl_status last_words;

void process_says(struct pl_status status)
{
    last_words = status;
}

void process_look(struct process *process)
{
    int code = 0;
    if (!fiber_exited(&code))
        return;
    process->exit_code = code;
    process->status = pl_fail(IO, "the process called _exit");
    if (!pl_is_ok(last_words))
        process->status = last_words;
    last_words = pl_ok();
    process->state = PROCESS_FAILED;
}

void process_kill(struct process *process)
{
    fiber_kill_all();
    process->writer = NULL;
    process->store = NULL;
    process->ledger = NULL;
    process->notary = NULL;
    process->witness = NULL;
    process->policy = NULL;
    process->registrar = NULL;
    process->helm = NULL;
    process->inbox = process->home = NULL;
    for (int i = 0; i < PROCESS_SLOTS; i++) {
        process->slot[i].value = NULL;
        process->bell[i] = NULL;
    }
    courier_kill();
    heap_reclaim();
    cabinet_kill();
    disk_close_all();
    config_free(process->config);
    process->config = NULL;
    process->state = PROCESS_DOWN;
}
