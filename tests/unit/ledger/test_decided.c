/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: any command that a door lets through, whenever it is given and however wrong it is, is
 * refused with a reason in words, or makes entries that replay lets through and that leave a state
 * which adds up.
 */
#include "../apart.h"
#include "common/check.h"
#include "damage.h"
#include "server/ledger/proposal.h"
#include "story.h"

struct given {
    struct ledger *ledger;
    struct saved saved; /* of it */
    struct pl_arena arena;
    unsigned accepted, refused, invalid;
    bool reason[256];
    char what[240]; /* is being tried */
};

static void go_on_with(struct given *g, const struct ledger_decision *decision)
{
    struct ledger *copy = NULL;
    g->saved.at = 0;
    assert_true(pl_is_ok(ledger_load(saved_take, &g->saved, &copy)));
    for (size_t i = 0; i < decision->entry_count; i++) {
        ProtobufCMessage *entry = NULL;
        assert_true(pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                               pl_pack(&decision->entry[i]->base, &g->arena),
                                               &g->arena, &entry)));
        struct pl_status status = ledger_check(copy, (Pledged__V1__Entry *)entry);
        if (!pl_is_ok(status))
            fail_msg("%s: a decision that replay refuses: %s", g->what, status.what);
        ledger_apply(copy, (Pledged__V1__Entry *)entry);
    }
    struct ledger *again = world_reloaded(copy);
    assert_same_state(copy, again);
    ledger_free(again);
    ledger_free(copy);
}

static void assert_words(struct given *g, const Pledged__V1__Refusal *refusal)
{
    assert_non_null(refusal);
    assert_int_not_equal(refusal->reason, REASON(UNSPECIFIED));
    if (refusal->message[0] == '\0' || strcmp(refusal->message, "refused") == 0)
        fail_msg("%s: reason %d has no words (%s)", g->what, (int)refusal->reason, refusal->field);
    g->reason[refusal->reason % 256] = true;
}

/* Decides one command, and looks at what came of it. */
static void decide_one(struct given *g, Pledged__V1__Command *command, struct ledger_actor actor)
{
    static uint64_t next = 1u << 30;
    uint8_t id[16] = {0xee};
    struct ledger_decision decision;
    if (command->request_id.len == 16) { /* a new one */
        next++;
        memcpy(id + 1, &next, sizeof(next));
        command->request_id.data = id;
    }
    Pledged__V1__Refusal *refusal = ledger_validate(command, &g->arena);
    if (refusal != NULL) {
        assert_words(g, refusal);
        assert_string_not_equal(refusal->field, "");
        g->invalid++;
        return;
    }
    struct ledger_request request = {.command = command,
                                     .bytes = pl_pack(&command->base, &g->arena),
                                     .actor = actor,
                                     .now_us = ledger_last_time_us(g->ledger) + 1000};
    pl_sha256(request.bytes, request.digest);
    ledger_decide(g->ledger, &request, &g->arena, &decision);
    if (decision.answer != LEDGER_ACCEPTED) {
        assert_words(g, decision.refusal);
        assert_int_equal(decision.code, ledger_reason_code(decision.refusal->reason));
        g->refused++;
    } else {
        assert_null(decision.refusal);
        g->accepted++;
    }
    if (decision.entry_count != 0)
        go_on_with(g, &decision);
}

static Pledged__V1__Command *command_at(struct world *w, size_t place, struct pl_arena *arena)
{
    const Pledged__V1__Entry *entry = world_entry(w, place);
    ProtobufCMessage *command = NULL;
    if (entry->command.len == 0)
        return NULL;
    assert_true(pl_is_ok(pl_unpack_trusted(&pledged__v1__command__descriptor,
                                           pl_slice(entry->command.data, entry->command.len), arena,
                                           &command)));
    return (Pledged__V1__Command *)command;
}

static struct ledger_actor actor_of(const Pledged__V1__Entry *entry)
{
    return (struct ledger_actor){entry->actor->person, entry->actor->role, entry->actor->identity,
                                 entry->actor->issuer};
}

static void given_at(struct given *g, struct world *w, size_t place)
{
    g->ledger = world_before(w, place);
    g->saved = world_save(g->ledger);
}

static void given_end(struct given *g)
{
    ledger_free(g->ledger);
    free(g->saved.data);
}

/* Each command of the story, one field of it changed, when it was given. */
static void test_wrong_commands_are_refused_in_words(void **state)
{
    (void)state;
    struct world w;
    struct given g = {.accepted = 0};
    const unsigned apart = cases_apart(1);
    story_tell(&w);
    pl_arena_init(&g.arena, 64 << 20);
    for (size_t i = 0; i < w.entry_count; i++) {
        const Pledged__V1__Entry *entry = world_entry(&w, i);
        if (entry->command.len == 0)
            continue;
        given_at(&g, &w, i);
        for (unsigned n = (unsigned)i % apart;; n += apart) {
            struct damage d;
            pl_arena_reset(&g.arena);
            ProtobufCMessage *command =
                damaged(&pledged__v1__command__descriptor,
                        pl_slice(entry->command.data, entry->command.len), n, &g.arena, &d);
            if (command == NULL)
                break;
            (void)snprintf(g.what, sizeof(g.what), "%zu: %s %s", i, d.path, d.how);
            struct pl_scan_error problem;
            ProtobufCMessage *read = NULL; /* as a door lets it through: no enumerator below 0 */
            if (!pl_is_ok(pl_unpack(command->descriptor, pl_pack(command, &g.arena), 65536,
                                    &g.arena, &read, &problem)))
                continue;
            decide_one(&g, (Pledged__V1__Command *)read, actor_of(entry));
        }
        given_end(&g);
    }
    assert_true(g.invalid > 1000 / apart && g.refused > 200 / apart && g.accepted > 700 / apart);
    pl_arena_fini(&g.arena);
    world_fini(&w);
}

/* Each command of the story at many other moments of it, by either person. */
static void test_commands_at_any_time_are_refused_in_words(void **state)
{
    (void)state;
    struct world w;
    struct given g = {.accepted = 0};
    unsigned reasons = 0, apart = cases_apart(1);
    story_tell(&w);
    pl_arena_init(&g.arena, 64 << 20);
    for (size_t at = 4; at <= w.entry_count; at += at + 6 < w.entry_count ? 6 : 1) {
        given_at(&g, &w, at);
        for (size_t i = at % apart; i < w.entry_count; i += apart) {
            pl_arena_reset(&g.arena);
            Pledged__V1__Command *command = command_at(&w, i, &g.arena);
            if (command == NULL)
                continue;
            (void)snprintf(g.what, sizeof(g.what), "command of %zu at %zu", i, at);
            const struct ledger_actor bert = {"bert", PLEDGED__V1__ROLE__ROLE_APPROVER, "uri:y",
                                              "CN=ca"};
            decide_one(&g, command, actor_of(world_entry(&w, i)));
            decide_one(&g, command, bert);
        }
        given_end(&g);
    }
    for (size_t i = 0; i < 256; i++)
        reasons += g.reason[i];
    assert_true(g.refused > 1500 / apart && g.accepted > 700 / apart && reasons > 20 / apart);
    pl_arena_fini(&g.arena);
    world_fini(&w);
}

/* A certificate that says more than an arena holds is no reason to fall over. */
static void test_no_room_is_a_refusal(void **state)
{
    (void)state;
    struct world w;
    struct ledger_decision decision;
    story_tell(&w);
    for (size_t budget = 0; budget < 200000; budget += 10007 * cases_apart(1)) {
        struct pl_arena arena;
        pl_arena_init(&arena, budget);
        for (size_t i = 0; i < w.entry_count; i++) {
            Pledged__V1__Command *command = command_at(&w, i, &w.arena);
            uint8_t id[16] = {0xdd, (uint8_t)i};
            if (command == NULL)
                continue;
            command->request_id.data = id;
            struct ledger_request request = {.command = command,
                                             .bytes = pl_pack(&command->base, &w.arena),
                                             .actor = actor_of(world_entry(&w, i)),
                                             .now_us = w.now_us};
            pl_arena_reset(&arena);
            ledger_decide(w.ledger, &request, &arena, &decision);
            assert_true(decision.answer != LEDGER_INVALID || decision.refusal != NULL);
            assert_true(budget > 40000 || decision.code == PL_E_TOO_BIG);
        }
        pl_arena_fini(&arena);
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_commands_are_refused_in_words),
        cmocka_unit_test(test_commands_at_any_time_are_refused_in_words),
        cmocka_unit_test(test_no_room_is_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
