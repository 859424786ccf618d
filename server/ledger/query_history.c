/* SPDX-License-Identifier: Apache-2.0
 *
 * query_history: the entries of a pledge, newest first, along its chain.
 */
#include <string.h>

#include "common/check.h"
#include "server/ledger/query_private.h"

/* Every fact about a pledge names it in a field of that name. "" if this one is about none. */
static const char *entry_pledge(const Pledged__V1__Entry *entry)
{
    const ProtobufCFieldDescriptor *fact = protobuf_c_message_descriptor_get_field(
        &pledged__v1__entry__descriptor, (unsigned)entry->fact_case);
    if (fact == NULL)
        return "";
    const ProtobufCFieldDescriptor *pledge = protobuf_c_message_descriptor_get_field_by_name(
        (const ProtobufCMessageDescriptor *)fact->descriptor, "pledge");
    if (pledge == NULL || pledge->type != PROTOBUF_C_TYPE_STRING)
        return "";
    const uint8_t *message;
    const char *id;
    memcpy(&message, (const uint8_t *)entry + fact->offset, sizeof(message));
    memcpy(&id, message + pledge->offset, sizeof(id));
    return id;
}

/* A refusal names its pledge without always being a link of its chain. */
static bool entry_in_chain(const Pledged__V1__Entry *entry, const char *pledge)
{
    if (entry->fact_case == PLEDGED__V1__ENTRY__FACT_COMMAND_REFUSED && entry->prev_seq == 0)
        return false;
    return strcmp(entry_pledge(entry), pledge) == 0;
}

/* Newest entry of the pledge's chain below `before`, 0 if none. A `before` that stands in the
 * chain, or just behind one of its links, needs one read or two; any other a walk from the newest
 * on. */
static struct pl_status find_before(struct query_walk *walk, const struct state_pledge *pledge,
                                    const char *id, uint64_t before, uint64_t *ret)
{
    *ret = pledge->last_seq;
    if (before == 0 || before > pledge->last_seq)
        return pl_ok();
    *ret = 0;
    if (before <= pledge->first_seq)
        return pl_ok();
    PL_TRY(query_walk_read(walk, before - 1));
    if (entry_in_chain(walk->entry, id)) {
        *ret = before - 1;
        return pl_ok();
    }
    PL_TRY(query_walk_read(walk, before));
    uint64_t at = entry_in_chain(walk->entry, id) ? walk->entry->prev_seq : pledge->last_seq;
    for (size_t steps = 0; at >= before; steps++) {
        if (steps == QUERY_STEPS_MAX)
            return pl_fail(TOO_BIG, "before_seq is too far from any entry of this pledge");
        PL_TRY(query_walk_read(walk, at));
        at = walk->entry->prev_seq;
    }
    *ret = at;
    return pl_ok();
}

/* Copies entries from `at` backwards; the response then holds them oldest first. */
static struct pl_status history_fill(struct query *q, struct query_walk *walk, uint64_t at,
                                     size_t most, Pledged__V1__GetHistoryResponse *response)
{
    ProtobufCBinaryData *entry = response->entry;
    size_t count = 0;
    while (at != 0 && count < most && (count == 0 || query_page_has_room(q))) {
        PL_TRY(query_walk_read(walk, at));
        void *copy = pl_arena_memdup(q->arena, walk->bytes.data, walk->bytes.len);
        if (copy == NULL) {
            q->spent = true;
            break;
        }
        entry[count++] = (ProtobufCBinaryData){walk->bytes.len, copy};
        at = walk->entry->prev_seq;
    }
    for (size_t i = 0; i < count / 2; i++) {
        ProtobufCBinaryData swap = entry[i];
        entry[i] = entry[count - 1 - i];
        entry[count - 1 - i] = swap;
    }
    response->n_entry = count;
    response->earlier_before_seq = at == 0 ? 0 : at + 1;
    return pl_ok();
}

enum pl_code query_get_history(const struct ledger *ledger, const struct query_log *log,
                               const ProtobufCMessage *request, struct pl_arena *arena,
                               ProtobufCMessage **ret, Pledged__V1__Refusal **ret_refusal)
{
    struct query q = {ledger, log, arena, ret_refusal, false};
    const Pledged__V1__GetHistoryRequest *want = (const Pledged__V1__GetHistoryRequest *)request;
    struct query_page page;
    uint32_t index = 0;
    enum pl_code code = query_read_pledge(&q, want->pledge, &index);
    if (code == PL_E_OK)
        code = query_page_open(&q, "", want->page_size, 'h', 0, &page);
    if (code != PL_E_OK)
        return code;
    Pledged__V1__GetHistoryResponse *response =
        query_row(&q, &pledged__v1__get_history_response__descriptor);
    ProtobufCBinaryData *entries = pl_arena_alloc(arena, page.size * sizeof(*entries));
    if (response == NULL || entries == NULL)
        return query_deny_spent(&q);
    response->as_of_seq = ledger->size;
    response->entry = entries;
    struct query_walk walk PL_CLEANUP(query_walk_fini);
    query_walk_init(&walk, log);
    uint64_t at;
    struct pl_status status =
        find_before(&walk, &ledger->pledge[index], want->pledge, want->before_seq, &at);
    if (pl_is_ok(status))
        status = history_fill(&q, &walk, at, page.size, response);
    if (!pl_is_ok(status))
        return query_deny_status(&q, status);
    if (q.spent && response->n_entry == 0)
        return query_deny_spent(&q);
    *ret = &response->base;
    return PL_E_OK;
}
