/* SPDX-License-Identifier: Apache-2.0
 *
 * world_audit: an auditor and the others that read: dumps, proofs, files, pledges, tiers; and the
 * turns of all who come by connections.
 */
#include "tests/sim/world_private.h"

static bool ask_auditor(const struct peer_request *ask)
{
    return peer_ask(world.auditor, peer_any_visit(&world.dice, DORA), ask);
}

/* What the notary signed, as the workers tell it. */
static bool ask_proof(void)
{
    uint8_t bytes[32];
    Pledged__V1__GetInclusionProofRequest of = PLEDGED__V1__GET_INCLUSION_PROOF_REQUEST__INIT;
    Pledged__V1__GetConsistencyProofRequest from = PLEDGED__V1__GET_CONSISTENCY_PROOF_REQUEST__INIT;
    struct peer_request ask = {.reads = true};
    world.audit_proof = (int)dice_below(&world.dice, 3);
    world.audit_about = 1 + dice_below(&world.dice, world.model.entries);
    of.seq = from.old_size = world.audit_about;
    switch ((enum checkpoints_question)world.audit_proof) {
    case CHECKPOINTS_NEWEST:
        ask.path = "/pledged.v1.LedgerService/GetCheckpoint";
        ask.input = &pledged__v1__get_checkpoint_request__descriptor;
        ask.output = &pledged__v1__get_checkpoint_response__descriptor;
        ask.message = pl_slice(bytes, 0);
        break;
    case CHECKPOINTS_INCLUSION:
        ask.path = "/pledged.v1.LedgerService/GetInclusionProof";
        ask.input = &pledged__v1__get_inclusion_proof_request__descriptor;
        ask.output = &pledged__v1__get_inclusion_proof_response__descriptor;
        ask.message = pl_slice(bytes, pledged__v1__get_inclusion_proof_request__pack(&of, bytes));
        break;
    case CHECKPOINTS_CONSISTENCY:
        ask.path = "/pledged.v1.LedgerService/GetConsistencyProof";
        ask.input = &pledged__v1__get_consistency_proof_request__descriptor;
        ask.output = &pledged__v1__get_consistency_proof_response__descriptor;
        ask.message =
            pl_slice(bytes, pledged__v1__get_consistency_proof_request__pack(&from, bytes));
        break;
    }
    return ask_auditor(&ask);
}

/* The signed tree, as files. */
static bool ask_file(void)
{
    char path[MIRROR_PATH_MAX];
    mirror_choose(&world.dice, world.model.entries, &world.audit_file, path);
    world.audits_file = true;
    return ask_auditor(&(struct peer_request){.path = path, .file = true});
}

static bool ask_dump(void)
{
    uint8_t bytes[32];
    Pledged__V1__DumpRequest request = PLEDGED__V1__DUMP_REQUEST__INIT;
    request.from_seq = world.audit_from = 1 + dice_below(&world.dice, world.model.entries + 1);
    request.to_seq = request.from_seq + dice_below(&world.dice, 40);
    size_t len = pledged__v1__dump_request__pack(&request, bytes);
    return ask_auditor(&(struct peer_request){.path = "/pledged.v1.LedgerService/Dump",
                                              .message = pl_slice(bytes, len),
                                              .stream = true,
                                              .input = &pledged__v1__dump_request__descriptor,
                                              .output = &pledged__v1__dump_response__descriptor});
}

static bool ask_pledge(void)
{
    uint8_t bytes[64];
    char id[32];
    Pledged__V1__GetPledgeRequest request = PLEDGED__V1__GET_PLEDGE_REQUEST__INIT;
    (void)snprintf(id, sizeof(id), "P%06" PRIu64, 1 + dice_below(&world.dice, world.model.pledges));
    request.pledge = id;
    size_t len = pledged__v1__get_pledge_request__pack(&request, bytes);
    return ask_auditor(
        &(struct peer_request){.path = "/pledged.v1.LedgerService/GetPledge",
                               .message = pl_slice(bytes, len),
                               .reads = true,
                               .input = &pledged__v1__get_pledge_request__descriptor,
                               .output = &pledged__v1__get_pledge_response__descriptor});
}

static void ask_wired(void)
{
    struct peer_answer ignored;
    if (peer_look(world.auditor, &ignored) == PEER_WAITS && dice_below(&world.dice, 4) != 0)
        return;
    peer_hang_up(world.auditor);
    world.audit_start = world.starts;
    world.audit_since = world_oldest_version();
    world.audit_from = 0;
    world.audit_proof = -1;
    world.audits_file = false;
    if (world.process.with_notary && world.model.entries != 0 && dice_below(&world.dice, 2) == 0)
        world.audits = dice_below(&world.dice, 2) == 0 ? ask_file() : ask_proof();
    else if (world.model.pledges == 0 || dice_below(&world.dice, 2) == 0)
        world.audits = ask_dump();
    else
        world.audits = ask_pledge();
}

static void hear_entries(const Pledged__V1__DumpResponse *response, uint64_t *seq)
{
    for (size_t i = 0; i < response->n_entry && !world.failed; i++, (*seq)++) {
        if (*seq > world.model.entries)
            world_wrong("a dump shows entry %" PRIu64 ", which nobody knows", *seq);
        else
            world_model_says(model_see(&world.model, *seq,
                                       pl_slice(response->entry[i].data, response->entry[i].len)));
    }
}

/* Entries as they are, in order, and all of those that were promised. */
static void hear_dump(struct pl_slice all)
{
    uint64_t seq = world.audit_from;
    bool over = false;
    for (size_t at = 0; at + 5 <= all.len && !world.failed;) {
        const uint8_t *head = all.data + at;
        size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
        at += 5;
        Pledged__V1__DumpResponse *response =
            len > all.len - at ? NULL : pledged__v1__dump_response__unpack(NULL, len, head + 5);
        if (response == NULL || over) {
            world_wrong("a dump that cannot be read, or goes on after its end");
            return;
        }
        hear_entries(response, &seq);
        if (response->trailer != NULL) {
            over = true;
            if (response->trailer->to_seq + 1 != seq)
                world_wrong("a dump to entry %" PRIu64 " ends before %" PRIu64,
                            response->trailer->to_seq, seq);
        }
        pledged__v1__dump_response__free_unpacked(response, NULL);
        at += len;
    }
    if (!over && !world.failed)
        world_wrong("a dump ends well without its end");
}

uint64_t world_durable_now(void)
{
    world_take_view();
    return world.process.state == PROCESS_UP ? world.seen.size : 0;
}

static void hear_file(const struct peer_answer *answer, bool lost)
{
    enum { FINE = 200, UNKNOWN = 401, DENIED = 403, MISSING = 404 };
    static const int later[] = {408, 429, 499, 503, 504}; /* late, busy, or not to be read now */
    const struct mirror_file *file = &world.audit_file;
    unsigned roles = mirror_roles(file);
    bool excused = false;
    for (size_t i = 0; i < PL_COUNT(later); i++)
        excused = excused || answer->http_status == later[i];
    if (excused || lost)
        return;
    world_happened(WORLD_FILES);
    if (answer->http_status == FINE && !operator_might(world.audit_since, DORA, roles))
        world_wrong("a file for somebody who may not have it");
    else if (answer->http_status == FINE)
        world_model_says(
            mirror_hear(&world.model, file, answer->all, world.lied ? 0 : world_durable_now()));
    else if (answer->http_status == MISSING)
        world_model_says(mirror_misses(&world.model, file));
    else if (answer->http_status != UNKNOWN && answer->http_status != DENIED)
        world_wrong("a file is answered with %d", answer->http_status);
    else if (!operator_might_not(world.audit_since, DORA, roles))
        world_wrong("a file is kept from somebody who may have it");
}

static void hear_audit(void)
{
    struct peer_answer answer;
    enum peer_state state = peer_look(world.auditor, &answer);
    if (!world.audits || state == PEER_WAITS)
        return;
    world.audits = false;
    world_take_view(); /* the model has seen what anybody may see by now */
    bool lost =
        world.lied && world.audit_start != world.starts; /* what a lying disk took away since */
    world_look_at_checkpoints();
    witnesses_late(world.audit_start != world.starts);
    if (world.audits_file) {
        if (state == PEER_ANSWERED && world.process.state == PROCESS_UP && !world.failed &&
            !world.over)
            hear_file(&answer, lost || world.audit_start != world.starts);
        return;
    }
    if (state != PEER_ANSWERED || answer.grpc_status != 0 || lost ||
        world.process.state != PROCESS_UP || world.failed)
        return;
    world_happened(WORLD_AUDITS);
    unsigned roles =
        world.audit_from != 0 ? ROLE(AUDITOR) : ROLE(AUDITOR) | ROLE(CLERK) | ROLE(APPROVER);
    if (world.audit_proof >= 0)
        roles = ~1u; /* whoever is on the roster */
    if (!operator_might(world.audit_since, DORA, roles)) {
        world_wrong("an answer to somebody who may not ask");
        return;
    }
    if (world.audit_from != 0) {
        hear_dump(answer.all);
        return;
    }
    if (world.audit_proof >= 0) {
        const unsigned seers = ROLE(AUDITOR) | ROLE(CLERK) | ROLE(APPROVER);
        const struct checkpoints_sight sight = {
            .may_be = operator_might(world.audit_since, DORA, seers),
            .may_be_none = operator_might(world.audit_since, DORA, ~1u & ~seers)};
        world_model_says(checkpoints_hear((enum checkpoints_question)world.audit_proof,
                                          world.audit_about, sight, answer.body,
                                          world.lied ? 0 : world_durable_now()));
        return;
    }
    Pledged__V1__GetPledgeResponse *response =
        pledged__v1__get_pledge_response__unpack(NULL, answer.body.len, answer.body.data);
    if (response == NULL)
        world_wrong("an answer that cannot be read");
    else
        world_check_pledge(response);
    pledged__v1__get_pledge_response__free_unpacked(response, NULL);
}

void world_look_at_checkpoints(void)
{
    if (world.process.notary == NULL || world.process.state != PROCESS_UP || world.over)
        return;
    uint64_t durable = world_durable_now();
    world_quiet(true);
    if (world.process.state == PROCESS_UP && !world.over)
        world_model_says(checkpoints_look(world.process.notary, durable));
    if (world.process.state == PROCESS_UP && !world.over && world.process.witness != NULL)
        world_model_says(
            witnesses_look(world.process.witness, world.process.notary, world.lied ? 0 : durable));
    world_quiet(false);
}

static void look_at_reloads(void)
{
    if (world.front == NULL || world_oldest_version() <= world.reloads)
        return;
    world.reloads = world_oldest_version();
    world_happened(WORLD_RELOADS);
    world_note("every worker has version %" PRIu64, world.reloads);
    watchers_reloaded();
}

static void run_peer(int number, int which)
{
    peer_run(world.peer[number][which]);
    world_hear(number, which);
}

/* A few things of those that happen between clients and the daemon, in any order. */
void world_run_wire(void)
{
    for (int i = world.healthy ? 24 : 1 + (int)dice_below(&world.dice, 48); i > 0 && !world.over;
         i--) {
        uint64_t dice = dice_below(&world.dice, 3);
        if (dice == 0)
            (void)wire_move();
        else if (dice == 1)
            (void)(world.front != NULL && wire_run_event()), world_meet_fate();
        else
            run_peer((int)dice_below(&world.dice, CLIENTS), (int)dice_below(&world.dice, PEERS));
    }
    look_at_reloads();
    if (!world.over) {
        peer_run(world.auditor);
        hear_audit();
        if (world.process.with_notary && !world.audits && dice_below(&world.dice, 8) == 0)
            ask_wired();
    }
    for (int i = world.healthy ? 3 : 1; i > 0 && !world.over; i--)
        world_model_says(watchers_run(world.starts, world.healthy, world.lied));
}

void world_read_a_tier(void)
{
    static const char *const code[] = {"top", "duo"};
    static const int places[] = {1, 2};
    if (world.view == NULL || world.process.state != PROCESS_UP)
        return;
    int which = (int)dice_below(&world.dice, 2);
    struct pl_arena arena;
    Pledged__V1__GetTierRequest request = PLEDGED__V1__GET_TIER_REQUEST__INIT;
    ProtobufCMessage *response = NULL;
    Pledged__V1__Refusal *refusal = NULL;
    request.tier = (char *)(uintptr_t)code[which];
    pl_arena_init(&arena, 1 << 20);
    world_happened(WORLD_READS);
    /* at the time 0 no hold is over, so that the answer is the log's own */
    if (view_get_tier(world.view, 0, &request, &arena, &response, &refusal) == PL_E_OK) {
        const Pledged__V1__GetTierResponse *tier = (const Pledged__V1__GetTierResponse *)response;
        uint64_t seq = tier->as_of_seq;
        int64_t left = tier->tier->remaining->count;
        if (seq == 0 || seq > world.model.entries)
            world_wrong("a view is of entry %" PRIu64 ", the log has %zu", seq,
                        world.model.entries);
        else if (left != places[which] - world.model.entry[seq - 1].taken[which])
            world_wrong(
                "as of entry %" PRIu64 " a reader sees %" PRId64 " places of %s, there are %d", seq,
                left, code[which], places[which] - world.model.entry[seq - 1].taken[which]);
    }
    pl_arena_fini(&arena);
}

void world_ask(void)
{
    if (world.wired && dice_below(&world.dice, 2) == 0) {
        ask_wired();
        return;
    }
    if (!world_is_open() || world.model.pledges == 0)
        return;
    struct call *call = world_new_call(-1, 0);
    if (call == NULL)
        return;
    Pledged__V1__GetPledgeRequest *request = pl_arena_alloc(&call->arena, sizeof(*request));
    PL_ASSERT(request != NULL);
    pledged__v1__get_pledge_request__init(request);
    request->pledge = pl_arena_printf(&call->arena, "P%06" PRIu64,
                                      1 + dice_below(&world.dice, world.model.pledges));
    call->command.kind = COMMAND_QUERY;
    call->command.query = query_get_pledge;
    call->command.request = &request->base;
    (void)world_post(call);
}
