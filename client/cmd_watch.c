/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_watch: follows the ledger until somebody stops it. A lost connection, a daemon that restarts
 * and being dropped are waited out; nothing is lost or told twice across them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/commands.h"
#include "client/watch.h"
#include "common/check.h"

enum {
    DELAY_FIRST_MS = 500,
    DELAY_MOST_MS = 10000,
    HEARTBEATS_IN_THE_TIME = 3,
    REQUEST_ARENA_BYTES = 1 << 20,
};

static struct pl_status ask_tier(struct cli *cli, const char *name, const char **ret_code)
{
    Pledged__V1__GetTierRequest request = PLEDGED__V1__GET_TIER_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    request.tier = (char *)(uintptr_t)name;
    PL_TRY(cli_read(cli, "GetTier", &request.base, &pledged__v1__get_tier_response__descriptor,
                    &message));
    *ret_code = ((const Pledged__V1__GetTierResponse *)message)->tier->code;
    return pl_ok();
}

/* Silence must not be taken for a lost connection: there are a few heartbeats in --timeout. */
static uint32_t heartbeat_s(const struct cli *cli)
{
    int64_t seconds = cli->config.timeout_ms / 1000 / HEARTBEATS_IN_THE_TIME;
    return seconds < 1 ? 1 : seconds > 15 ? 15 : (uint32_t)seconds;
}

static struct pl_status follow(struct cli *cli, struct watch *watch)
{
    Pledged__V1__WatchRequest request = PLEDGED__V1__WATCH_REQUEST__INIT;
    struct pl_arena arena PL_CLEANUP(pl_arena_fini);
    struct session *session = NULL;
    pl_arena_init(&arena, REQUEST_ARENA_BYTES);
    request.from_seq = watch->next_seq;
    request.heartbeat_s = heartbeat_s(cli);
    PL_TRY(session_open(&cli->config, &arena, &cli->failure, &session));
    struct pl_status status = session_stream(session, "Watch", &request.base, watch_take, watch);
    session_close(session);
    cli->failure.refusal = NULL; /* it was in the arena; its words are in the failure */
    if (pl_is_ok(status))
        return pl_fail(UNAVAILABLE, "the stream ended"); /* it never does so by itself */
    return status;
}

/* Ends that pass: the daemon restarts, drains, is busy or dropped us, or the network is gone. */
static bool passes(struct pl_status status)
{
    return status.code == PL_E_UNAVAILABLE || status.code == PL_E_BUSY ||
           status.code == PL_E_TIMEOUT || status.code == PL_E_UNKNOWN_OUTCOME;
}

static void wait_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* It showed entries that it does not have any more: what comes after them would be others. */
static bool has_fewer(const struct cli *cli, struct pl_status status)
{
    return status.code == PL_E_INVALID && strcmp(cli->failure.field, "from_seq") == 0;
}

static void say_lost(const struct cli *cli, const struct watch *watch)
{
    if (!cli->config.quiet)
        (void)fprintf(stderr, _("Note: lost the daemon after entry %" PRIu64 "; trying again\n"),
                      watch->next_seq - 1);
}

struct pl_status cmd_watch(struct cli *cli)
{
    int64_t from = 0, delay_ms = DELAY_FIRST_MS;
    const char *tier = NULL;
    PL_TRY(options_number(&cli->options, OPTION_FROM_SEQ, 1, INT64_MAX, &from, &cli->failure));
    if (options_has(&cli->options, OPTION_TIER))
        PL_TRY(ask_tier(cli, options_get(&cli->options, OPTION_TIER), &tier));
    session_close(cli->session); /* a watch may take days; each of its streams has its own */
    cli->session = NULL;
    struct watch watch PL_CLEANUP(watch_fini);
    watch_init(&watch, STDOUT_FILENO, tier);
    watch.next_seq = (uint64_t)from;
    bool ever = false;
    for (;;) {
        watch.told = false;
        struct pl_status status = follow(cli, &watch);
        if (ever && has_fewer(cli, status))
            return failure_set(
                &cli->failure, PL_E_MISSING, PLEDGED__V1__REASON__REASON_UNSPECIFIED, "",
                _("entry %" PRIu64 " was shown, and the daemon has fewer now: it lost entries that "
                  "it had signed or shown, as an older backup does; keep what was written here"),
                watch.next_seq - 1);
        ever = ever || watch.told;
        if (!ever || !passes(status))
            return status;
        if (watch.told) {
            delay_ms = DELAY_FIRST_MS;
            say_lost(cli, &watch);
        }
        wait_ms(delay_ms);
        delay_ms = delay_ms * 2 > DELAY_MOST_MS ? DELAY_MOST_MS : delay_ms * 2;
    }
}
