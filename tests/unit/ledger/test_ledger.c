/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: under a storm of random commands the invariants hold at every prefix, a slow model that
 * reads only the entries counts the same slots, replay and save/load give the same state bit for
 * bit, and a log that breaks a rule is refused by the check.
 */
#include "fixture.h"

static uint64_t seed = 20260706;

static uint32_t roll(uint32_t sides)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(seed >> 33) % sides;
}

static const char *id_of(char prefix, uint32_t most, char *out)
{
    (void)snprintf(out, 16, "%c%06u", prefix, roll(most) + 1);
    return out;
}

static void random_command(struct world *w)
{
    static const char *const tiers[] = {"top", "duo", "many", "ask"};
    char c[16], p[16];
    id_of('C', 12, c);
    id_of('P', (uint32_t)w->ledger->pledge_count + 1, p);
    const char *tier = tiers[roll(4)];
    switch (roll(12)) {
    case 0:
        hold(w, tier, c, 1 + roll(5 * 86400));
        break;
    case 1:
        wait_in(w, tier, c);
        break;
    case 2:
        submit(w, NULL, c, tier, roll(2) ? 0 : 15000000 + roll(20000000), "CHF");
        break;
    case 3:
        submit(w, p, NULL, NULL, 0, NULL);
        break;
    case 4:
        submit(w, NULL, c, NULL, 1 + roll(1000), roll(2) ? "CHF" : "JPY");
        break;
    case 5:
        commit(w, p);
        break;
    case 6:
        withdraw(w, p);
        break;
    case 7:
        cancel(w, p, roll(4));
        break;
    case 8:
        change_tier(w, p, tier, roll(2) ? 0 : 30000000);
        break;
    case 9:
        pay(w, p, 1 + roll(20000000), roll(4) ? "CHF" : "USD", roll(3) ? "" : c);
        break;
    case 10:
        reverse(w, roll((uint32_t)ledger_size(w->ledger) + 2));
        break;
    default:
        extend_hold(w, p, 1 + roll(5 * 86400));
        break;
    }
    if (roll(3) == 0)
        pass(w, roll(86400) * 1000000LL);
}

/* --- the slow model: slots by reading facts, knowing nothing of the state --- */

struct model_pledge {
    char tier[40];
    bool slot;
};
struct model {
    struct model_pledge pledge[20000];
    uint64_t last_seq;
};

static struct model_pledge *model_of(struct model *m, const char *id)
{
    return &m->pledge[strtoul(id + 1, NULL, 10)];
}

static int model_taken(const struct model *m, const char *tier)
{
    int taken = 0;
    for (size_t i = 0; i < 20000; i++)
        taken += m->pledge[i].slot && strcmp(m->pledge[i].tier, tier) == 0;
    return taken;
}

static void model_read(struct model *m, const Pledged__V1__Entry *e)
{
    assert_int_equal(e->seq, m->last_seq + 1);
    m->last_seq = e->seq;
    if (e->fact_case == FACT(HOLD_PLACED) || e->fact_case == FACT(PLEDGE_MADE)) {
        bool made = e->fact_case == FACT(PLEDGE_MADE);
        struct model_pledge *p =
            model_of(m, made ? e->pledge_made->pledge : e->hold_placed->pledge);
        snprintf(p->tier, sizeof(p->tier), "%s",
                 made ? e->pledge_made->tier : e->hold_placed->tier);
        p->slot = p->tier[0] != '\0';
    } else if (e->fact_case == FACT(HOLD_EXPIRED)) {
        model_of(m, e->hold_expired->pledge)->slot = false;
    } else if (e->fact_case == FACT(WITHDRAWN)) {
        model_of(m, e->withdrawn->pledge)->slot = false;
    } else if (e->fact_case == FACT(CANCELLED)) {
        model_of(m, e->cancelled->pledge)->slot = false;
    } else if (e->fact_case == FACT(TIER_CHANGED)) {
        snprintf(model_of(m, e->tier_changed->pledge)->tier, 40, "%s", e->tier_changed->to_tier);
    }
    assert_true(model_taken(m, "top") <= 1); /* G2, at every prefix */
    assert_true(model_taken(m, "duo") <= 2);
}

static Pledged__V1__Entry *unpack(struct world *w, struct pl_slice bytes)
{
    ProtobufCMessage *message = NULL;
    assert_true(
        pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor, bytes, &w->arena, &message)));
    return (Pledged__V1__Entry *)message;
}

static void assert_sums_balance(const struct ledger *ledger)
{
    for (size_t d = 0; d < STATE_DIMENSIONS; d++) {
        int64_t received = 0, unallocated = 0, allocated = 0, held = 0;
        for (size_t i = 0; i < ledger->tally[d].count; i++) {
            received += ledger->tally[d].line[i].received;
            unallocated += ledger->tally[d].line[i].unallocated;
            allocated += ledger->tally[d].line[i].allocated;
        }
        for (size_t i = 0; i < ledger->pledge_count; i++)
            held += ledger->pledge[i].allocated;
        assert_int_equal(received, unallocated + allocated); /* every unit is somewhere */
        assert_int_equal(allocated, held);
    }
}

static void storm(struct world *w, int steps)
{
    world_ready(w, 12);
    for (int i = 0; i < steps; i++) {
        random_command(w);
        if (i % 50 == 0)
            assert_sums_balance(w->ledger);
    }
}

static void test_no_prefix_oversells(void **state)
{
    (void)state;
    struct world w;
    struct model *model = calloc(1, sizeof(*model));
    storm(&w, 4000);
    assert_true(w.ledger->pledge_count > 300 && w.ledger->bank_entry_count > 50);
    for (size_t i = 0; i < w.entry_count; i++) {
        pl_arena_reset(&w.arena);
        model_read(model, unpack(&w, w.entry[i]));
    }
    assert_int_equal(model_taken(model, "top"), state_tier_taken(&w.ledger->tier[0]));
    assert_int_equal(model_taken(model, "duo"), state_tier_taken(&w.ledger->tier[1]));
    free(model);
    world_fini(&w);
}

struct bytes {
    uint8_t *data;
    size_t len, at;
};

static struct pl_status keep(void *arg, struct pl_slice piece)
{
    struct bytes *b = arg;
    b->data = realloc(b->data, b->len + piece.len);
    memcpy(b->data + b->len, piece.data, piece.len);
    b->len += piece.len;
    return pl_ok();
}

static struct pl_status take(void *arg, uint8_t *into, size_t len)
{
    struct bytes *b = arg;
    if (b->len - b->at < len)
        return pl_fail(CORRUPT, "the end");
    memcpy(into, b->data + b->at, len);
    b->at += len;
    return pl_ok();
}

static void assert_same(const struct ledger *a, const struct ledger *b)
{
    uint8_t left[32], right[32];
    ledger_digest(a, left);
    ledger_digest(b, right);
    assert_memory_equal(left, right, 32);
    for (size_t d = 0; d < STATE_DIMENSIONS; d++) {
        for (size_t i = 0, k = 0; i < a->tally[d].count; i++) {
            const struct state_tally *line = &a->tally[d].line[i];
            if (line->pledges == 0 && line->received == 0)
                continue; /* a line that went back to nothing may be missing after a load */
            while (k < b->tally[d].count && strcmp(b->tally[d].line[k].key, line->key) != 0)
                k++;
            while (k < b->tally[d].count && b->tally[d].line[k].currency != line->currency)
                k++;
            assert_true(k < b->tally[d].count);
            assert_int_equal(line->pledged, b->tally[d].line[k].pledged);
            assert_int_equal(line->received, b->tally[d].line[k].received);
        }
    }
}

static void test_replay_and_load_give_the_same_state(void **state)
{
    (void)state;
    struct world w;
    storm(&w, 1500);
    struct ledger *again = ledger_new();
    for (size_t i = 0; i < w.entry_count; i++) {
        pl_arena_reset(&w.arena);
        Pledged__V1__Entry *entry = unpack(&w, w.entry[i]);
        assert_true(pl_is_ok(ledger_check(again, entry)));
        ledger_apply(again, entry);
        if (i % 97 != 0 && i + 1 != w.entry_count)
            continue;
        struct bytes saved = {0};
        struct ledger *loaded = NULL;
        assert_true(pl_is_ok(ledger_save(again, keep, &saved)));
        assert_true(pl_is_ok(ledger_load(take, &saved, &loaded)));
        assert_same(again, loaded);
        ledger_free(i % 2 ? again : loaded); /* go on with either: they must behave alike */
        again = i % 2 ? loaded : again;
        free(saved.data);
    }
    assert_same(w.ledger, again);
    ledger_free(again);
    world_fini(&w);
}

static void test_damaged_saves_are_refused(void **state)
{
    (void)state;
    struct world w;
    storm(&w, 300);
    struct bytes saved = {0};
    struct ledger *loaded = NULL;
    assert_true(pl_is_ok(ledger_save(w.ledger, keep, &saved)));
    for (size_t cut = 0; cut < saved.len; cut += 1 + saved.len / 400) {
        struct bytes part = {saved.data, cut, 0};
        assert_false(pl_is_ok(ledger_load(take, &part, &loaded)));
    }
    for (int i = 0; i < 3000; i++) { /* must not crash; whether it is noticed is the hash's job */
        size_t at = roll((uint32_t)saved.len);
        uint8_t old = saved.data[at];
        saved.data[at] ^= (uint8_t)(1u << roll(8));
        struct bytes all = {saved.data, saved.len, 0};
        if (pl_is_ok(ledger_load(take, &all, &loaded)))
            ledger_free(loaded);
        saved.data[at] = old;
    }
    free(saved.data);
    world_fini(&w);
}

static void test_check_refuses_what_breaks_a_rule(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 3);
    submit(&w, NULL, "C000001", "top", 0, NULL);
    Pledged__V1__Entry *entry = unpack(&w, w.entry[w.entry_count - 1]);
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT); /* seq again */
    entry->seq = ledger_size(w.ledger) + 1;
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT); /* time */
    entry->time_us = w.ledger->last_time_us + 1;
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT); /* request id again */
    entry->request_id.data[15] = 77;
    entry->pledge_made->pledge = (char *)"P000002";
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT); /* another's reference */
    entry->pledge_made->reference = (char *)"";
    assert_string_equal(ledger_check(w.ledger, entry).what, "more holders than the tier has slots");
    entry->pledge_made->tier = (char *)"duo";
    assert_true(pl_is_ok(ledger_check(w.ledger, entry)));
    entry->pledge_made->pledge = (char *)"P000003";
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT);
    entry->fact_case = FACT(_NOT_SET);
    assert_int_equal(ledger_check(w.ledger, entry).code, PL_E_CORRUPT);
    world_fini(&w);
}

static void test_time_grows_even_if_the_clock_does_not(void **state)
{
    (void)state;
    struct world w;
    world_ready(&w, 1);
    int64_t last = w.ledger->last_time_us;
    w.now_us = 1000;
    add_contributor(&w, "late");
    assert_int_equal(w.ledger->last_time_us, last + 1);
    world_fini(&w);
}

static void test_history_is_a_chain(void **state)
{
    (void)state;
    struct world w;
    storm(&w, 500);
    for (size_t i = 0; i < w.ledger->pledge_count; i++) {
        uint64_t seq = w.ledger->pledge[i].last_seq;
        char id[24];
        snprintf(id, sizeof(id), "P%06zu", i + 1);
        for (int steps = 0; seq != 0; steps++) {
            Pledged__V1__Entry *entry = unpack(&w, w.entry[seq - 1]);
            assert_string_equal(apply_pledge_of(entry), id);
            assert_true(entry->prev_seq < seq && steps < 10000);
            seq = entry->prev_seq;
        }
    }
    world_fini(&w);
}

static void test_deciding_changes_nothing(void **state)
{
    (void)state;
    struct world w;
    uint8_t before[32], after[32], id[16] = {1};
    world_ready(&w, 1);
    ledger_digest(w.ledger, before);
    Pledged__V1__Command command = PLEDGED__V1__COMMAND__INIT;
    Pledged__V1__Hold body = PLEDGED__V1__HOLD__INIT;
    command.request_id = (ProtobufCBinaryData){16, id};
    body.tier = (char *)"duo";
    body.contributor = (char *)"C000001";
    command.command_case = COMMAND(HOLD);
    command.hold = &body;
    struct ledger_request request = {.command = &command,
                                     .bytes = pl_slice(id, 16),
                                     .actor = {"a", 3, "", ""},
                                     .now_us = w.now_us};
    struct ledger_decision decision;
    ledger_decide(w.ledger, &request, &w.arena, &decision); /* deciding alone */
    assert_int_equal(decision.answer, LEDGER_ACCEPTED);
    ledger_digest(w.ledger, after);
    assert_memory_equal(before, after, 32);
    world_fini(&w);
}

static void test_before_the_first_entry(void **state)
{
    (void)state;
    struct ledger *empty = ledger_new();
    assert_null(ledger_origin(empty));
    assert_int_equal(ledger_next_due_us(empty), INT64_MAX);
    assert_int_equal(ledger_reason_code((Pledged__V1__Reason)129), PL_E_UNAVAILABLE); /* of later */
    ledger_free(empty);
    ledger_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_prefix_oversells),
        cmocka_unit_test(test_replay_and_load_give_the_same_state),
        cmocka_unit_test(test_damaged_saves_are_refused),
        cmocka_unit_test(test_check_refuses_what_breaks_a_rule),
        cmocka_unit_test(test_time_grows_even_if_the_clock_does_not),
        cmocka_unit_test(test_history_is_a_chain),
        cmocka_unit_test(test_deciding_changes_nothing),
        cmocka_unit_test(test_before_the_first_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
