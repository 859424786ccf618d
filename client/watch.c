/* SPDX-License-Identifier: Apache-2.0
 *
 * watch: see watch.h. What is left out because of `tier` still moves next_seq on.
 */
#include "client/watch.h"

#include <inttypes.h>
#include <string.h>

#include "client/entries.h"
#include "client/output.h"
#include "client/text.h"
#include "common/date.h"
#include "common/scan.h"
#include "pledged/v1/service.pb-c.h"

enum { MESSAGE_ARENA_BYTES = 64 << 20, LINES_BYTES_MAX = 64 << 20 };

void watch_init(struct watch *watch, int fd, const char *tier)
{
    *watch = (struct watch){.fd = fd, .tier = tier};
    pl_buf_init(&watch->line, LINES_BYTES_MAX);
    pl_arena_init(&watch->arena, MESSAGE_ARENA_BYTES);
}

void watch_fini(struct watch *watch)
{
    pl_buf_fini(&watch->line);
    pl_arena_fini(&watch->arena);
}

static struct pl_status add_head(struct watch *watch, const Pledged__V1__WatchResponse *message,
                                 const char *list)
{
    char time[28];
    return pl_buf_printf(
        &watch->line,
        "{\"seq\": %" PRIu64 ", \"time\": \"%s\", \"time_us\": %" PRId64 ", \"%s\": [",
        message->seq, pl_time_format(message->time_us, time), message->time_us, list);
}

static struct pl_status add_item(struct watch *watch, const ProtobufCMessage *item, size_t *count)
{
    if ((*count)++ > 0)
        PL_TRY(pl_buf_append_str(&watch->line, ", "));
    return output_message(item, &watch->line);
}

static bool wanted(const struct watch *watch, const Pledged__V1__TierStatus *tier)
{
    return watch->tier == NULL || strcmp(tier->code, watch->tier) == 0;
}

static struct pl_status add_tiers(struct watch *watch, const Pledged__V1__WatchResponse *message)
{
    size_t count = 0;
    for (size_t i = 0; i < message->n_tier; i++) {
        if (!wanted(watch, message->tier[i]))
            continue;
        if (count == 0)
            PL_TRY(add_head(watch, message, "tiers"));
        PL_TRY(add_item(watch, &message->tier[i]->base, &count));
    }
    return count == 0 ? pl_ok() : pl_buf_append_str(&watch->line, "]}\n");
}

static struct pl_status add_totals(struct watch *watch, const Pledged__V1__WatchResponse *message)
{
    size_t count = 0;
    if (message->n_totals == 0 || watch->tier != NULL)
        return pl_ok();
    PL_TRY(add_head(watch, message, "totals"));
    for (size_t i = 0; i < message->n_totals; i++)
        PL_TRY(add_item(watch, &message->totals[i]->base, &count));
    return pl_buf_append_str(&watch->line, "]}\n");
}

static struct pl_status add_entries(struct watch *watch, const Pledged__V1__WatchResponse *message)
{
    for (size_t i = 0; i < message->n_entry; i++) {
        ProtobufCMessage *entry = NULL;
        PL_TRY(pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                 pl_slice(message->entry[i].data, message->entry[i].len),
                                 &watch->arena, &entry));
        if (((const Pledged__V1__Entry *)entry)->seq != message->first_seq + i)
            return pl_fail(CORRUPT, N_("the daemon sent entries out of order"));
        if (watch->tier == NULL)
            PL_TRY(
                entries_print_line((const Pledged__V1__Entry *)entry, &watch->arena, &watch->line));
    }
    return pl_ok();
}

static struct pl_status check_order(const struct watch *watch,
                                    const Pledged__V1__WatchResponse *message)
{
    if (message->seq + 1 < watch->next_seq ||
        (message->n_entry > 0 && ((watch->next_seq != 0 && message->first_seq != watch->next_seq) ||
                                  message->first_seq + message->n_entry != message->seq + 1)))
        return pl_fail(CORRUPT, N_("the daemon left out entries"));
    return pl_ok();
}

struct pl_status watch_take(void *arg, struct pl_slice bytes)
{
    struct watch *watch = arg;
    ProtobufCMessage *unpacked = NULL;
    pl_arena_reset(&watch->arena);
    pl_buf_clear(&watch->line);
    PL_TRY(pl_unpack_trusted(&pledged__v1__watch_response__descriptor, bytes, &watch->arena,
                             &unpacked));
    const Pledged__V1__WatchResponse *message = (const void *)unpacked;
    PL_TRY(check_order(watch, message));
    PL_TRY(add_entries(watch, message));
    PL_TRY(add_tiers(watch, message));
    PL_TRY(add_totals(watch, message));
    PL_TRY(output_write(watch->fd, pl_buf_slice(&watch->line)));
    watch->next_seq = message->seq + 1;
    watch->told = true;
    return pl_ok();
}
