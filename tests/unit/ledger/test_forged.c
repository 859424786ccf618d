/* SPDX-License-Identifier: Apache-2.0
 *
 * Goal: no entry that somebody changed passes for one of the ledger's, but in what the rules cannot
 * know; and what passes is applied to a state that adds up. A hash says that an entry was signed;
 * this says that a signed one is possible.
 */
#include "../apart.h"
#include "common/check.h"
#include "damage.h"
#include "story.h"

/* What may be changed at will, since the state has nothing to compare it with. (An auditor's tool
 * has: it decides every command again, byte for byte.) A name stands for all below it as well. */
static const char *const free_fields[] = {
    /* Who it was, what was sent and what was answered: the roster and the hash of the command are
     * the business of who has them. */
    "actor",
    "command",
    "command_digest",
    "outcome",
    "command_refused.arg",
    "command_refused.field",
    "command_refused.pledge",
    /* What a person or the configuration said, and no rule asks about. */
    "contributor_added.country",
    "contributor_added.itu_membership",
    "contributor_amended.country",
    "contributor_amended.itu_membership",
    "payment_recorded.bank_ref",
    "pledge_made.agreement_ref",
    "pledge_made.campaign",
    "pledge_made.external_ref",
    "policy_adopted.account",
    "policy_adopted.clock_jump_limit_s",
    "policy_adopted.creditor",
    "policy_adopted.rules",
    "refund_ordered.other_payee",
    "refund_paid.bank_ref",
    /* What the bank said: the state learns it from this entry. */
    "bank_entry_recorded.movement.bank_code",
    "bank_entry_recorded.movement.bank_ref",
    "bank_entry_recorded.movement.batch_count",
    "bank_entry_recorded.movement.batch_ref",
    "bank_entry_recorded.movement.end_to_end_id",
    "bank_entry_recorded.movement.entry_ref",
    "bank_entry_recorded.movement.rate",
    "bank_entry_recorded.movement.reference",
    "bank_entry_recorded.movement.reference_in_text",
    "bank_entry_recorded.movement.return_reason",
    "bank_entry_recorded.movement.uetr",
    "payment_confirmed.movement.bank_code",
    "payment_confirmed.movement.bank_ref",
    "payment_confirmed.movement.batch_count",
    "payment_confirmed.movement.batch_ref",
    "payment_confirmed.movement.end_to_end_id",
    "payment_confirmed.movement.entry_ref",
    "payment_confirmed.movement.rate",
    "payment_confirmed.movement.reference",
    "payment_confirmed.movement.reference_in_text",
    "payment_confirmed.movement.return_reason",
    "payment_confirmed.movement.uetr",
    "statement_imported.closing_minor",
    "statement_imported.file_sha256",
    "statement_imported.from_date",
    "statement_imported.id",
    "statement_imported.movements",
    "statement_imported.opening_minor",
    "statement_imported.remainder",
    "statement_imported.sequence",
    "statement_imported.to_date",
    "statement_repeated.file_sha256",
    /* What follows from the whole file, of which this is one movement. */
    "bank_entry_recorded.occurrence",
    "bank_entry_recorded.queue",
    "movement_learned.queue",
    "payment_confirmed.occurrence",
    /* What was counted elsewhere. */
    "postings_exported.control",
    "postings_exported.count",
};

/* Where another value is another story, and only what cannot be is refused. */
static const char *const other_fields[] = {
    "allocated.amount.minor",
    "allocated.bank_entry",
    "allocated.rate",
    "allocated.settled.minor",
    "bank_entry_recorded.batch",
    "bank_entry_recorded.movement.booking_date",
    "bank_entry_recorded.movement.detail_commitment",
    "bank_entry_recorded.movement.detail_parts",
    "bank_entry_recorded.movement.instructed",
    "bank_entry_recorded.movement.kind",
    "bank_entry_recorded.movement.minor",
    "bank_entry_recorded.movement.value_date",
    "bank_entry_recorded.statement",
    "bank_entry_recorded.valuation",
    "benefit_claimed.quantity",
    "benefit_declined.quantity",
    "benefit_delivered.quantity",
    "cancelled.money_plan",
    "cause_seq",
    "certificate_issued.document_sha256",
    "command_refused.deciding_seq",
    "command_refused.reason",
    "commitment_amended.amount.minor",
    "commitment_signed.agreement_sha256",
    "contact_recorded.commitment",
    "contact_recorded.contributor",
    "contributor_added.kind",
    "contributor_added.name",
    "contributor_amended.contributor",
    "contributor_amended.kind",
    "contributor_amended.name",
    "difference_accepted.amount.minor",
    "difference_accepted.bank_entry",
    "difference_accepted.kind",
    "effective_date",
    "hold_extended.expires_us",
    "hold_placed.contributor",
    "hold_placed.expires_us",
    "ledger_created.ledger_id",
    "ledger_created.origin",
    "legal_hold_set.contributor",
    "movement_learned.batch",
    "movement_learned.movement",
    "movement_learned.statement",
    "payment_confirmed.movement.booking_date",
    "payment_confirmed.movement.detail_parts",
    "payment_confirmed.movement.kind",
    "payment_confirmed.movement.value_date",
    "payment_confirmed.statement",
    "payment_recorded.amount.currency",
    "payment_recorded.amount.minor",
    "payment_recorded.valuation",
    "payment_recorded.value_date",
    "period_closed.head_root",
    "period_closed.head_size",
    "pledge_made.amount.currency",
    "pledge_made.amount.minor",
    "pledge_made.catalogue",
    "pledge_made.contributor",
    "pledge_made.converted_from",
    "pledge_made.kind",
    "pledge_made.publish",
    "pledge_made.purpose",
    "pledge_made.reference",
    "pledge_made.tier",
    "pledge_made.valuation",
    "policy_adopted.difference_limit",
    "policy_adopted.four_eyes",
    "policy_adopted.proposal_ttl_s",
    "policy_adopted.sha256",
    "policy_adopted.unallocated_limit_s",
    "postings_exported.sha256",
    "postings_exported.to_seq",
    "proposed.class",
    "proposed.expires_us",
    "rate_recorded.rate",
    "receipt_issued.document_sha256",
    "refund_ordered.amount.minor",
    "refund_paid.bank_entry",
    "refund_paid.value_date",
    "request_id",
    "reversed.target_seq",
    "roster_adopted.sha256",
    "schedule_set.instalment.due",
    "statement_imported.account",
    "statement_imported.created",
    "statement_imported.currency",
    "statement_imported.kind",
    "tier_changed.amount.minor",
    "time_us",
    "wait_added.contributor",
    "written_off.amount.minor",
};

struct forging {
    struct world w;
    struct ledger *ledger; /* as it was before the entry at hand */
    struct saved saved;    /* of it */
    struct pl_arena arena;
    unsigned refused, passed, strange;
    bool other_refused[PL_COUNT(other_fields)], other_seen[PL_COUNT(other_fields)];
};

static bool is_free(const char *path)
{
    for (size_t i = 0; i < PL_COUNT(free_fields); i++) {
        size_t len = strlen(free_fields[i]);
        if (strncmp(path, free_fields[i], len) == 0 && (path[len] == '\0' || path[len] == '.'))
            return true;
    }
    return false;
}

static size_t other_of(const char *path)
{
    for (size_t i = 0; i < PL_COUNT(other_fields); i++) {
        size_t len = strlen(other_fields[i]);
        if (strncmp(path, other_fields[i], len) == 0 && (path[len] == '\0' || path[len] == '.'))
            return i;
    }
    return SIZE_MAX;
}

/* What the check lets through can be applied, and gives a state that can be saved and loaded. */
static void go_on_with(struct forging *f, const Pledged__V1__Entry *entry)
{
    struct ledger *copy = NULL;
    f->saved.at = 0;
    assert_true(pl_is_ok(ledger_load(saved_take, &f->saved, &copy)));
    ledger_apply(copy, entry);
    struct ledger *again = world_reloaded(copy);
    assert_same_state(copy, again);
    ledger_free(again);
    ledger_free(copy);
}

/* The n-th change of an entry; false: there are not so many. */
static bool forge(struct forging *f, size_t place, unsigned n)
{
    struct damage d;
    pl_arena_reset(&f->arena);
    const Pledged__V1__Entry *entry = (const Pledged__V1__Entry *)damaged(
        &pledged__v1__entry__descriptor, f->w.entry[place], n, &f->arena, &d);
    if (entry == NULL)
        return false;
    struct pl_status status = ledger_check(f->ledger, entry);
    size_t other = other_of(d.path);
    if (other != SIZE_MAX) {
        f->other_seen[other] = true;
        f->other_refused[other] = f->other_refused[other] || !pl_is_ok(status);
    }
    if (!pl_is_ok(status)) {
        assert_int_equal(status.code, PL_E_CORRUPT);
        assert_string_not_equal(status.what, "");
        f->refused++;
        return true;
    }
    f->passed++;
    if (!is_free(d.path) && other == SIZE_MAX) {
        print_error("entry %zu passes although %s was changed (%s)\n", place + 1, d.path, d.how);
        f->strange++;
    }
    if (strchr(d.path, '.') != NULL && strncmp(d.path, "outcome", 7) != 0 &&
        strncmp(d.path, "actor", 5) != 0)
        go_on_with(f, entry);
    return true;
}

static void test_no_changed_entry_passes(void **state)
{
    (void)state;
    static struct forging f;
    const unsigned apart = cases_apart(1);
    story_tell(&f.w);
    f.ledger = ledger_new();
    pl_arena_init(&f.arena, 64 << 20);
    for (size_t i = 0; i < f.w.entry_count; i++) {
        f.saved = world_save(f.ledger);
        for (unsigned n = (unsigned)i % apart; forge(&f, i, n);)
            n += apart;
        free(f.saved.data);
        Pledged__V1__Entry *entry = world_entry(&f.w, i);
        assert_true(pl_is_ok(ledger_check(f.ledger, entry)));
        ledger_apply(f.ledger, entry);
    }
    assert_same_state(f.ledger, f.w.ledger);
    for (size_t i = 0; i < PL_COUNT(other_fields); i++) {
        if (apart == 1 && f.other_seen[i] && !f.other_refused[i])
            fail_msg("%s may be anything", other_fields[i]);
    }
    assert_int_equal(f.strange, 0);
    assert_true(f.refused > 5000 / apart && f.passed > 1000 / apart);
    ledger_free(f.ledger);
    pl_arena_fini(&f.arena);
    world_fini(&f.w);
}

/* A number that is the next one of its kind, so that the look goes on to the rest. */
static void give_number(const struct ledger *l, Pledged__V1__Entry *entry, struct pl_arena *arena)
{
    const struct {
        const char *field;
        char prefix;
        size_t count;
    } kinds[] = {{"bank_entry", 'B', l->bank_entry_count},   {"pledge", 'P', l->pledge_count},
                 {"contributor", 'C', l->contributor_count}, {"refund", 'R', l->refund_count},
                 {"statement", 'S', l->statement_count},     {"contact", 'K', l->contact_count},
                 {"number", 'Q', l->document[0].count}};
    const ProtobufCMessage *fact = &entry->ledger_created->base; /* whichever it is */
    for (size_t i = 0; i < PL_COUNT(kinds); i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(fact->descriptor, kinds[i].field);
        if (field == NULL || field->type != PROTOBUF_C_TYPE_STRING ||
            field->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        *(char **)(void *)((uint8_t *)(uintptr_t)fact + field->offset) =
            pl_arena_printf(arena, "%c%06zu", kinds[i].prefix, kinds[i].count + 1);
        return; /* the first of them is what it makes */
    }
}

static void put_in_order(const struct ledger *l, Pledged__V1__Entry *entry)
{
    entry->seq = ledger_size(l) + 1;
    entry->time_us = ledger_last_time_us(l) + 1;
    entry->request_id.len = entry->command.len = entry->command_digest.len = 0;
    entry->cause_seq = entry->proposal_seq = 0;
    entry->maker = entry->posting_date = S_("");
    const struct state_pledge *known = state_pledge(l, apply_pledge_of(entry));
    entry->prev_seq = known != NULL ? known->last_seq : 0;
}

/* Every fact at every moment of the story, as it is and as if it were new: what passes leaves a
 * state that adds up. */
static void test_no_entry_passes_at_another_time(void **state)
{
    (void)state;
    static struct forging f;
    const unsigned apart = cases_apart(1);
    f = (struct forging){.passed = 0};
    story_tell(&f.w);
    pl_arena_init(&f.arena, 64 << 20);
    f.ledger = ledger_new();
    for (size_t at = 0; at <= f.w.entry_count; at++) {
        f.saved = world_save(f.ledger);
        for (size_t i = 1 + at % apart; i < 2 * f.w.entry_count && at > 2; i += apart) {
            ProtobufCMessage *message = NULL;
            pl_arena_reset(&f.arena);
            assert_true(pl_is_ok(pl_unpack_trusted(&pledged__v1__entry__descriptor,
                                                   f.w.entry[i / 2], &f.arena, &message)));
            Pledged__V1__Entry *entry = (Pledged__V1__Entry *)message;
            if (i % 2 == 1)
                give_number(f.ledger, entry, &f.arena);
            put_in_order(f.ledger, entry);
            struct pl_status status = ledger_check(f.ledger, entry);
            f.passed += pl_is_ok(status);
            f.refused += !pl_is_ok(status);
            assert_true(pl_is_ok(status) || status.code == PL_E_CORRUPT);
            if (pl_is_ok(status) && f.passed % 16 == 0)
                go_on_with(&f, entry);
        }
        free(f.saved.data);
        if (at == f.w.entry_count)
            break;
        ledger_apply(f.ledger, world_entry(&f.w, at));
    }
    assert_true(f.refused > 10000 / apart && f.passed > 500 / apart);
    ledger_free(f.ledger);
    pl_arena_fini(&f.arena);
    world_fini(&f.w);
}

/* --- an entry on another ledger --- */

/* Looks at the entry while `place_` has another value: it fits that ledger as well, or is refused.
 */
#define WHILE(place_, value_)                                                                      \
    do {                                                                                           \
        __typeof__(place_) old_ = place_;                                                          \
        place_ = (__typeof__(place_))(value_);                                                     \
        look(f, entry);                                                                            \
        place_ = old_;                                                                             \
    } while (0)

static void look(struct forging *f, const Pledged__V1__Entry *entry)
{
    struct pl_status status = ledger_check(f->ledger, entry);
    assert_true(pl_is_ok(status) || status.code == PL_E_CORRUPT);
    f->passed += pl_is_ok(status);
    f->refused += !pl_is_ok(status);
}

static void on_other_money(struct forging *f, const Pledged__V1__Entry *entry)
{
    struct ledger *l = f->ledger;
    for (size_t i = 0; i < l->bank_entry_count; i++) {
        struct state_bank_entry *b = &l->bank_entry[i];
        WHILE(b->reversed, 1);
        WHILE(b->refunded, b->refunded + 1);
        WHILE(b->allocated, b->amount);
        WHILE(b->amount, b->amount + 1);
        WHILE(b->amount, 0);
        WHILE(b->debit, !b->debit);
        WHILE(b->confirmed, !b->confirmed);
        WHILE(b->currency, pl_currency_index("JPY"));
        WHILE(b->pledge, STATE_NONE);
        WHILE(b->movement, STATE_NONE);
    }
    for (size_t i = 0; i < l->allocation_count; i++) {
        WHILE(l->allocation[i].reversed_by, 1);
        WHILE(l->allocation[i].receipt, 9);
        WHILE(l->allocation[i].pledge, 0);
        WHILE(l->allocation[i].bank_entry, 0);
    }
    for (size_t i = 0; i < l->refund_count; i++) {
        for (int state = 1; state <= 3; state++)
            WHILE(l->refund[i].state, state);
        WHILE(l->refund[i].amount, l->refund[i].amount + 1);
        WHILE(l->refund[i].bank_entry, 0);
    }
    for (size_t i = 0; i < l->waiver_count; i++) {
        WHILE(l->waiver[i].reversed_by, 1);
        WHILE(l->waiver[i].pledge, 0);
    }
}

static void on_other_promises(struct forging *f, const Pledged__V1__Entry *entry)
{
    struct ledger *l = f->ledger;
    for (size_t i = 0; i < l->pledge_count; i++) {
        struct state_pledge *p = &l->pledge[i];
        /* a hold has its end where others have what pays for them */
        for (int stage = STAGE(WAITING); stage <= STAGE(CANCELLED) && p->stage != STAGE(HELD);
             stage++)
            WHILE(p->stage, stage);
        WHILE(p->stage, STAGE(HELD));
        WHILE(p->tier, STATE_TIER_FREE);
        WHILE(p->currency, pl_currency_index("JPY"));
        WHILE(p->amount, p->amount + 1);
        WHILE(p->allocated, p->amount);
        WHILE(p->contributor, 1);
        if (p->stage == STAGE(HELD))
            WHILE(p->expires_us, INT64_MAX);
    }
    for (size_t i = 0; i < l->tier_count; i++) {
        WHILE(l->tier[i].def, -1);
        WHILE(l->tier[i].capacity, 0);
        WHILE(l->tier[i].waiting, 1);
    }
    for (size_t i = 0; i < l->proposal_count; i++) {
        for (int state = 1; state <= 4; state++)
            WHILE(l->proposal[i].state, state);
        WHILE(l->proposal[i].closed_seq, 1);
        WHILE(l->proposal[i].expires_us, 1);
        WHILE(l->proposal[i].pledge, STATE_NONE);
        WHILE(l->proposal[i].pledge, 0);
    }
    for (size_t i = 0; i < l->contributor_count; i++)
        WHILE(l->contributor[i].hold_seq, 1);
    for (size_t i = 0; i < l->period_count; i++)
        WHILE(l->period[i].month, l->period[i].month + 1);
    WHILE(l->proposal_open, LEDGER_PROPOSALS_OPEN_MAX);
    WHILE(l->proposal_open_bytes, LEDGER_PROPOSALS_OPEN_BYTES_MAX);
    WHILE(l->exported_month, INT32_MAX);
    WHILE(l->policy.four_eyes, 0);
    WHILE(l->policy.four_eyes, ~0u);
}

static void test_no_entry_passes_on_another_ledger(void **state)
{
    (void)state;
    static struct forging f;
    f = (struct forging){.passed = 0};
    story_tell(&f.w);
    f.ledger = ledger_new();
    for (size_t i = 0; i < f.w.entry_count; i++) {
        const Pledged__V1__Entry *entry = world_entry(&f.w, i);
        on_other_money(&f, entry);
        on_other_promises(&f, entry);
        assert_true(pl_is_ok(ledger_check(f.ledger, entry)));
        ledger_apply(f.ledger, entry);
    }
    assert_same_state(f.ledger, f.w.ledger);
    assert_true(f.refused > 300 && f.passed > 3000);
    ledger_free(f.ledger);
    world_fini(&f.w);
}

/* Rows are numbered in 30 bits: the last one is refused, not wrapped round. */
static void test_no_more_rows_than_there_are_numbers(void **state)
{
    (void)state;
    struct world w;
    struct pl_arena arena;
    unsigned full = 0;
    story_tell(&w);
    pl_arena_init(&arena, 64 << 20);
    struct ledger *ledger = ledger_new();
    for (size_t i = 0; i < w.entry_count; i++) {
        Pledged__V1__Entry *entry = world_entry(&w, i);
        size_t *const counts[] = {&ledger->bank_entry_count, &ledger->allocation_count,
                                  &ledger->refund_count, &ledger->waiver_count,
                                  &ledger->rate_count};
        for (size_t k = 0; k < PL_COUNT(counts); k++) {
            size_t old = *counts[k];
            *counts[k] = STATE_ROWS_MAX;
            Pledged__V1__Entry *again = world_entry(&w, i);
            bool makes = (k == 0 && again->fact_case == FACT(PAYMENT_RECORDED)) ||
                         (k == 0 && again->fact_case == FACT(BANK_ENTRY_RECORDED)) ||
                         (k == 1 && again->fact_case == FACT(ALLOCATED)) ||
                         (k == 2 && again->fact_case == FACT(REFUND_ORDERED)) ||
                         (k == 3 && again->fact_case == FACT(WRITTEN_OFF)) ||
                         (k == 3 && again->fact_case == FACT(DIFFERENCE_ACCEPTED)) ||
                         (k == 4 && again->fact_case == FACT(RATE_RECORDED));
            if (k == 0 && again->fact_case == FACT(PAYMENT_RECORDED))
                again->payment_recorded->bank_entry = S_("B1073741825");
            if (k == 0 && again->fact_case == FACT(BANK_ENTRY_RECORDED))
                again->bank_entry_recorded->bank_entry = S_("B1073741825");
            if (k == 2 && again->fact_case == FACT(REFUND_ORDERED))
                again->refund_ordered->refund = S_("R1073741825");
            if (makes && (k != 4 || old == 0)) {
                assert_int_equal(ledger_check(ledger, again).code, PL_E_CORRUPT);
                full++;
            }
            *counts[k] = old;
        }
        assert_true(pl_is_ok(ledger_check(ledger, entry)));
        ledger_apply(ledger, entry);
    }
    assert_true(full > 20);
    ledger_free(ledger);
    pl_arena_fini(&arena);
    world_fini(&w);
}

/* All kinds of facts that a version knows are in the story, or this test says nothing of them. */
static void test_the_story_has_every_fact(void **state)
{
    (void)state;
    struct world w;
    bool seen[256] = {false};
    story_tell(&w);
    for (size_t i = 0; i < w.entry_count; i++)
        seen[world_entry(&w, i)->fact_case % 256] = true;
    const ProtobufCMessageDescriptor *type = &pledged__v1__entry__descriptor;
    unsigned missing = 0;
    for (unsigned i = 0; i < type->n_fields; i++) {
        if (type->fields[i].id >= 20 && !seen[type->fields[i].id]) {
            print_message("the story lacks %s\n", type->fields[i].name);
            missing++;
        }
    }
    assert_in_range(missing, 0, STORY_LACKS_MOST);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_story_has_every_fact),
        cmocka_unit_test(test_no_changed_entry_passes),
        cmocka_unit_test(test_no_entry_passes_at_another_time),
        cmocka_unit_test(test_no_entry_passes_on_another_ledger),
        cmocka_unit_test(test_no_more_rows_than_there_are_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
