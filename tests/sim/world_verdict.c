/* SPDX-License-Identifier: Apache-2.0
 *
 * world_verdict: what the daemon answers is what the model says, and is on the disk.
 */
#include "tests/sim/world_private.h"

void world_take_view(void)
{
    if (world.process.state != PROCESS_UP)
        return;
    struct view *newer = pl_slot_take(&world.process.slot[0]);
    if (newer == NULL)
        return;
    view_unref(world.view);
    world.view = newer;
    const struct view_log *log = view_get_log(newer);
    if (log->size < world.seen.size)
        world_wrong("a view goes back from entry %" PRIu64 " to %" PRIu64, world.seen.size,
                    log->size);
    world.seen = *log;
    world_learn_up_to(log->size);
}

void world_check_verdict(const uint8_t id[MODEL_ID], Pledged__V1__Receipt *receipt,
                         Pledged__V1__Refusal *refusal)
{
    uint8_t bytes[REQUEST_BYTES_MAX];
    if ((receipt != NULL) == (refusal != NULL)) {
        world_wrong("a verdict that is neither or both");
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
    world_happened(replay ? WORLD_REPLAYS : WORLD_VERDICTS);
    if (seq == 0)
        return; /* nothing was recorded, and nobody says so for ever */
    size_t len = protobuf_c_message_get_packed_size(verdict);
    PL_ASSERT(len <= sizeof(bytes));
    (void)protobuf_c_message_pack(verdict, bytes);
    world_model_says(model_tell(&world.model, id, seq, pl_slice(bytes, len), receipt != NULL));
    world_take_view();
    if (world.process.state != PROCESS_UP || world.failed)
        return;
    if (world.late && world.lied && model_find(&world.model, id) != seq) {
        world_lost_the_end();
        return;
    }
    if (world.seen.size < seq)
        world_wrong("entry %" PRIu64 " was told before a view shows it (%" PRIu64 ")", seq,
                    world.seen.size);
    else if (model_find(&world.model, id) != seq)
        world_wrong("a request was told entry %" PRIu64 ", the log has it at %" PRIu64, seq,
                    model_find(&world.model, id));
    else if (dice_below(&world.dice, 12) == 0)
        world_is_durable(seq);
}

static void is_record_gone(const uint8_t commitment[RECORD_KEY])
{
    const char *what = "";
    world_records_say(records_is_gone(commitment, &what), &what);
}

/* What is told to be erased is erased, and of what came to nothing no record stays. (Of what no
 * entry says it is not known that it is over: an answer may be late, and the command under way.) */
void world_check_gone(const struct request_item *item, const Pledged__V1__Receipt *receipt,
                      const Pledged__V1__Refusal *refusal)
{
    if (receipt == NULL && (refusal == NULL || refusal->seq == 0))
        return;
    if (world.process.registrar == NULL || world.process.state != PROCESS_UP || world.lied ||
        world.late)
        return;
    const Pledged__V1__Outcome *outcome = receipt != NULL ? receipt->outcome : NULL;
    for (size_t i = 0; outcome != NULL && i < outcome->n_erased && !world.failed; i++)
        is_record_gone(outcome->erased[i].data);
    for (size_t i = 0; i < item->records && !world.failed; i++) {
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
    int64_t settled = books_settled(&world.model.books, number);
    int64_t forgiven = books_forgiven(&world.model.books, number);
    if (minor_of(told->allocated) != settled ||
        minor_of(told->written_off) + minor_of(told->difference) != forgiven)
        world_wrong("a query shows %s with %" PRId64 " paid and %" PRId64
                    " forgiven, it is %" PRId64 " and %" PRId64,
                    told->pledge, minor_of(told->allocated),
                    minor_of(told->written_off) + minor_of(told->difference), settled, forgiven);
}

void world_check_pledge(const Pledged__V1__GetPledgeResponse *response)
{
    world_take_view();
    world_learn_up_to(response->as_of_seq);
    if (world.process.state != PROCESS_UP || world.failed)
        return;
    size_t number = strtoull(response->pledge->pledge + 1, NULL, 10) - 1;
    if (response->as_of_seq > world.model.entries || number >= world.model.pledges)
        world_wrong("a query shows entry %" PRIu64 ", which nobody knows", response->as_of_seq);
    else if ((int)response->pledge->stage !=
             model_stage_at(&world.model, number, response->as_of_seq))
        world_wrong("a query shows %s in stage %d as of entry %" PRIu64 ", it was in %d",
                    response->pledge->pledge, (int)response->pledge->stage, response->as_of_seq,
                    model_stage_at(&world.model, number, response->as_of_seq));
    else if (response->as_of_seq == world.model.entries)
        check_money(response->pledge, number);
}

/* Sound rules decide nothing that their own check refuses. */
static void check_agreement(void)
{
    if (world.process.disagreements != 0)
        world_wrong("a decision that the check refused");
}

static void check_query(const struct call *call)
{
    const struct command *command = &call->command;
    world_happened(WORLD_QUERIES);
    if (command->code == PL_E_OK && command->response != NULL)
        world_check_pledge((const Pledged__V1__GetPledgeResponse *)command->response);
}

static void answer_call(struct call *call)
{
    struct command *command = &call->command;
    struct client *client = call->client >= 0 ? &world.client[call->client] : NULL;
    if (command->phase != COMMAND_DONE)
        world_wrong("an answer of a command that is not done");
    check_agreement();
    if (command->kind == COMMAND_QUERY) {
        check_query(call);
        return;
    }
    bool whole = command->code != PL_E_OK, again = whole;
    world_note("answer to %d/%" PRIu64 ": %s", call->client, call->intent,
               pl_code_name(command->code));
    if (whole)
        world_happened(WORLD_REFUSED_WHOLE);
    for (size_t i = 0; !whole && i < command->item_count && !world.failed; i++) {
        again = again || pl_code_retryable(command->item[i].code);
        world_check_verdict(call->request.item[i].id, command->item[i].receipt,
                            command->item[i].refusal);
        if (!world.failed)
            world_check_gone(&call->request.item[i], command->item[i].receipt,
                             command->item[i].refusal);
        if (world.process.state != PROCESS_UP)
            return;
    }
    if (client != NULL && client->intent == call->intent)
        client->refused += whole && command->code != PL_E_UNKNOWN_OUTCOME;
    if (client != NULL)
        world_send_reply(call->client, call->intent, again);
}

/* What the worker finds in its box. */
void world_take_answers(void)
{
    struct pl_mail *mail =
        world.process.state == PROCESS_UP ? pl_mailbox_take(world.process.home) : NULL;
    while (mail != NULL && !world.over && world.process.state == PROCESS_UP) {
        struct call *call = (struct call *)mail; /* command and mail are the first members */
        mail = mail->next;
        world.process.records -= call->by_registrar;
        answer_call(call);
        world_drop_call(call);
    }
}
