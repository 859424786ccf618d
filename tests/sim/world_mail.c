/* SPDX-License-Identifier: Apache-2.0
 *
 * world_mail: requests and replies as packets that a network drops, delays and doubles, and a
 * daemon without connections that takes them.
 */
#include "common/hash.h"
#include "common/scan.h"
#include "tests/sim/world_private.h"

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
        struct packet *packet = &world.packet[i];
        if (packet->used)
            continue;
        *packet = (struct packet){.used = true, .client = client, .intent = intent};
        packet->due_us =
            world_now_us() + (int64_t)dice_below(&world.dice, world_chance(50000) ? 2000000 : 1000);
        return packet;
    }
    return NULL; /* the network drops it */
}

void world_bring_records(const struct request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        for (size_t k = 0; k < request->item[i].records; k++)
            records_ask(request->item[i].record[k]);
    }
}

/* One copy of it is on its way. */
void world_send_request(int number)
{
    struct client *client = &world.client[number];
    client->sent++;
    client->retry_at_us = world_now_us() + TIMEOUT_US;
    for (size_t i = 0; i < client->request.count; i++) {
        const struct request_item *item = &client->request.item[i];
        model_ask(&world.model, item->id);
        for (size_t k = 0; k < item->records; k++)
            world_happened(WORLD_RECORDS);
    }
    if (world.wired) {
        world_send_wired(number);
        return;
    }
    for (unsigned copies = world_chance(world.odds.duplicate) ? 2 : 1; copies > 0; copies--) {
        struct packet *packet = new_packet(number, client->intent);
        if (packet == NULL || world_chance(world.odds.drop)) {
            world_happened(WORLD_DROPPED);
            if (packet != NULL)
                packet->used = false;
            continue;
        }
        if (copies == 2)
            world_happened(WORLD_DUPLICATED);
        world_bring_records(&client->request);
        copy_request(&client->request, &packet->request);
    }
}

void world_send_reply(int client, uint64_t intent, bool whole)
{
    struct packet *packet = new_packet(client, intent);
    if (packet == NULL || world_chance(world.odds.drop)) {
        world_happened(WORLD_DROPPED);
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
bool world_is_open(void)
{
    return world.process.state == PROCESS_UP && !world.process.closed;
}

struct call *world_new_call(int client, uint64_t intent)
{
    for (int i = 0; i < CALLS_MAX; i++) {
        struct call *call = &world.call[i];
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
        call->command.home = world.process.home;
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
    return goes && world.process.registrar != NULL;
}

static bool post_to_registrar(struct call *call)
{
    call->by_registrar =
        !world.process.stop && registrar_post(world.process.registrar, &call->command);
    world.process.records += call->by_registrar;
    if (!call->by_registrar)
        world_drop_call(call); /* busy, or about to end */
    return world.process.state == PROCESS_UP;
}

bool world_post(struct call *call)
{
    if (call->command.kind == COMMAND_EXECUTE && goes_by_registrar(call))
        return post_to_registrar(call);
    if (call->command.kind == COMMAND_EXECUTE && call->command.item_count == 1 && errand_wanted() &&
        errand_try(&call->command))
        return true;
    if (world.process.state != PROCESS_UP)
        return false; /* it goes with the process */
    bool posted = pl_mailbox_post(world.process.inbox, &call->command.mail);
    if (!posted)
        world_drop_call(call); /* busy */
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
            world_wrong("the simulator asks for what is not valid: %s: %s", refusal->field,
                        refusal->message);
            return false;
        }
    }
    fill_rows(call);
    return true;
}

static void deliver_request(struct packet *packet)
{
    struct client *client = &world.client[packet->client];
    bool mine = client->intent == packet->intent;
    struct call *call = world_is_open() ? world_new_call(packet->client, packet->intent) : NULL;
    if (call == NULL) {
        request_fini(&packet->request);
        return; /* nobody listens */
    }
    call->request = packet->request;
    if (world.canary == CANARY_TWICE && client->delivered != 0 && mine) {
        call->request.item[0].id[0] ^= 1;
        uint8_t *at = memmem(call->request.item[0].bytes, call->request.item[0].len,
                             client->request.item[0].id, MODEL_ID);
        if (at != NULL)
            at[0] ^= 1;
    }
    if (!fill_items(call)) {
        world_drop_call(call);
        return;
    }
    if (dice_below(&world.dice, 10) == 0 && !world.healthy)
        call->command.deadline_mono_ns =
            world.clock.mono_ns_now + (int64_t)dice_below(&world.dice, 100000000);
    if (world_post(call) && mine)
        client->delivered++;
    world_meet_fate();
}

void world_forget_intent(struct client *client)
{
    request_fini(&client->request);
    client->waiting = false;
    client->intent = ++world.intents;
    client->sent = client->delivered = client->refused = 0;
}

static void deliver_reply(struct packet *packet)
{
    struct client *client = &world.client[packet->client];
    if (!client->waiting || client->intent != packet->intent)
        return; /* an answer to what nobody waits for any more */
    if (packet->whole) {
        client->retry_at_us = world_now_us() + 20000;
        return;
    }
    world_forget_intent(client);
}

void world_deliver(void)
{
    if (world.wired) {
        world_run_wire();
        return;
    }
    int due[PACKETS_MAX], count = 0;
    for (int i = 0; i < PACKETS_MAX; i++) {
        if (world.packet[i].used && world.packet[i].due_us <= world_now_us())
            due[count++] = i;
    }
    if (count == 0)
        return;
    struct packet *packet = &world.packet[due[dice_below(&world.dice, (uint64_t)count)]];
    packet->used = false; /* what it owns goes on or is let go */
    if (packet->reply)
        deliver_reply(packet);
    else
        deliver_request(packet);
}
