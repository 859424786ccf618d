/* SPDX-License-Identifier: Apache-2.0
 *
 * world_visit: clients that come by connections: what they send, and what each answer may be.
 */
#include "tests/sim/world_private.h"

static enum operator_person person_of(int client)
{
    static const enum operator_person person[CLIENTS] = {CARLA, ANNA, BERTA, EMIL, ANNA, BERTA};
    return person[client];
}

/* The oldest version of the operator's file that counts with some worker. */
uint64_t world_oldest_version(void)
{
    uint64_t oldest = operator_version();
    for (unsigned door = 0; world.front != NULL && door < FRONT_DOORS; door++) {
        if (front_version(world.front, door) < oldest)
            oldest = front_version(world.front, door);
    }
    return oldest;
}

static const unsigned anybody = ~ROLE(UNSPECIFIED);

void world_hang_up(int number, int which)
{
    struct peer_answer answer;
    if (peer_look(world.peer[number][which], &answer) == PEER_WAITS)
        world_happened(WORLD_HUNG_UP);
    peer_hang_up(world.peer[number][which]);
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

void world_send_wired(int number)
{
    struct client *client = &world.client[number];
    for (int copies = world_chance(world.odds.duplicate) ? 2 : 1; copies > 0; copies--) {
        int which = (int)dice_below(&world.dice, PEERS);
        struct peer *peer = world.peer[number][which];
        struct peer_answer ignored;
        bool waits = peer_look(peer, &ignored) == PEER_WAITS;
        bool same = waits && world.peer_intent[number][which] == client->intent;
        if (same && (world.healthy || dice_below(&world.dice, 2) == 0))
            continue; /* the connection holds: its answer must come */
        /* an attempt that still waits there ends at whatever byte it is */
        if (waits || world_chance(world.odds.drop / 4))
            world_hang_up(number, which);
        int timeout_ms = world.healthy || dice_below(&world.dice, 10) != 0
                             ? 0
                             : 1 + (int)dice_below(&world.dice, 100);
        if (!ask_peer(peer, peer_any_visit(&world.dice, person_of(number)), &client->request,
                      timeout_ms)) {
            world_happened(WORLD_DROPPED);
            continue;
        }
        world_bring_records(&client->request);
        client->delivered++;
        world.peer_intent[number][which] = client->intent;
        world.peer_start[number][which] = world.starts;
        world.peer_since[number][which] = world_oldest_version();
        world_note("%d/%" PRIu64 " is asked by connection %d", number, client->intent, which);
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
    world_happened(WORLD_TURNED_AWAY);
    if (!operator_might_not(world.peer_since[number][which], person_of(number), roles))
        world_wrong("%s may do what the roles %#x may, and is turned away",
                    operator_name[person_of(number)], roles);
}

/* Nobody is served who may not. */
static void check_served(int number, int which, unsigned roles)
{
    if (!operator_might(world.peer_since[number][which], person_of(number), roles))
        world_wrong("%s may not do what the roles %#x may, and is served",
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
    const struct request_item *asked = &world.client[number].request.item[item];
    unsigned roles = model_roles(asked->command_case);
    if (refusal != NULL && says_who_may(refusal)) {
        check_turned_away(number, which, roles);
        return;
    }
    check_served(number, which, roles);
    /* a month is closed on a signed checkpoint, and nobody signs here */
    if (refusal != NULL && refusal->seq == 0 && is_malformed(refusal->reason) &&
        asked->command_case != PLEDGED__V1__COMMAND__COMMAND_CLOSE_PERIOD)
        world_wrong("a good request is refused: %s: %s", refusal->field, refusal->message);
    world_check_verdict(asked->id, receipt, refusal);
    if (!world.failed)
        world_check_gone(asked, receipt, refusal);
}

/* True: it has to ask again. */
static bool hear_refusal(int number, int which, const struct peer_answer *answer)
{
    struct client *client = &world.client[number];
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
        world_happened(WORLD_REFUSED_WHOLE);
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
        world_wrong("a receipt that cannot be read");
    else
        hear_verdict(number, which, 0, receipt, NULL);
    pledged__v1__receipt__free_unpacked(receipt, NULL);
    return false;
}

static bool hear_batch(int number, int which, struct pl_slice body)
{
    struct client *client = &world.client[number];
    bool again = false;
    Pledged__V1__ExecuteBatchResponse *response =
        pledged__v1__execute_batch_response__unpack(NULL, body.len, body.data);
    if (response == NULL || response->n_result != client->request.count) {
        world_wrong("the answer to a batch is not one to each command");
        return false;
    }
    for (size_t i = 0; i < response->n_result && !world.failed; i++) {
        Pledged__V1__CommandResult *result = response->result[i];
        bool refused = result->result_case == PLEDGED__V1__COMMAND_RESULT__RESULT_REFUSAL;
        again = again || (refused && result->refusal->retryable);
        hear_verdict(number, which, i, refused ? NULL : result->receipt,
                     refused ? result->refusal : NULL);
    }
    pledged__v1__execute_batch_response__free_unpacked(response, NULL);
    return again;
}

void world_hear(int number, int which)
{
    struct client *client = &world.client[number];
    struct peer_answer answer;
    enum peer_state state = peer_look(world.peer[number][which], &answer);
    bool mine = client->waiting && world.peer_intent[number][which] == client->intent;
    if (!mine || (state != PEER_ANSWERED && state != PEER_LOST))
        return;
    world.peer_intent[number][which] = 0;
    world.late = world.peer_start[number][which] != world.starts;
    world_note("answer to %d/%" PRIu64 " by connection %d: %s, status %d", number, client->intent,
               which, state == PEER_LOST ? "lost" : "whole", answer.grpc_status);
    bool again = true;
    if (state == PEER_ANSWERED && answer.grpc_status != 0)
        again = hear_refusal(number, which, &answer);
    else if (state == PEER_ANSWERED && client->request.count == 1)
        again = hear_receipt(number, which, answer.body);
    else if (state == PEER_ANSWERED)
        again = hear_batch(number, which, answer.body);
    if (again)
        client->retry_at_us = world_now_us() + 20000;
    else
        world_forget_intent(client);
}
